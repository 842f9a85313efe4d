//! Queues: the platform's rules ([`Queue`]) over an engine that only keeps messages ([`QueueStore`]).
//!
//! A message is *available* from some moment on. To deliver it is to *lease* it: nobody else gets it until the lease ends,
//! and each lease counts as an attempt. What is then said of it needs the lease: acknowledged it is gone, retried it is
//! available again later. A lease that ends with nothing said makes the message available by itself, which is how it
//! survives the death of its consumer: delivery is at least once.
//!
//! Messages are kept for some days, whether anybody gets them or not ([`expiry`]).
//!
//! Limits and messages are upstream's; `tests/queue_reference` holds recorded answers.

mod error;
mod expiry;
mod limits;
mod rules;
mod store;

pub use error::QueueError;
pub use limits::{
    MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, MAX_DELAY_SECONDS, MAX_MESSAGE_BYTES, RETENTION, RETENTIONS,
};
pub use rules::{Outgoing, Queue};
pub use store::{
    Backlog, Expired, LeaseId, LeaseRequest, Leased, MessageName, NewMessage, QueueState, QueueStore,
    StoreFuture, Waiting,
};
