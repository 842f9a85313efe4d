//! Queues beyond what producers ask for: consumers, that is when batches are due and what becomes of their messages, what
//! clients pull, and what nobody wanted for too long.

mod consumer;
mod dead;
mod expiry;
mod pull;
mod reach;
mod verdict;

pub(crate) use consumer::{Consumer, Settings, run};
pub(crate) use expiry::expire;
pub(crate) use pull::{Puller, Ticket};
pub(crate) use reach::{Reach, Reachable};
pub(crate) use verdict::hex;
