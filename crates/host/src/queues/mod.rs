//! Queues that have a consumer: when its batches are due, and what becomes of their messages.

mod consumer;
mod verdict;

pub(crate) use consumer::{Consumer, Settings, run};
