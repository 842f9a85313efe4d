//! Queues beyond what producers ask for: consumers, that is when batches are due and what becomes of their messages, and what
//! clients pull.

mod consumer;
mod dead;
mod pull;
mod reach;
mod verdict;

pub(crate) use consumer::{Consumer, Settings, run};
pub(crate) use pull::{Puller, Ticket};
pub(crate) use reach::{Reach, Reachable};
pub(crate) use verdict::hex;
