//! Records of a queue: the batches that its consumer gets, and what it says to them.

use serde::{Deserialize, Serialize};

/// How the body of a message is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContentType {
    /// UTF-8.
    Text,
    /// JSON.
    Json,
    /// Bytes as they are.
    Bytes,
    /// A JavaScript value by structured clone.
    V8,
}

/// How much waits in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// How many messages.
    pub backlog_count: u64,
    /// The length of their bodies, in bytes.
    pub backlog_bytes: u64,
    /// When the oldest was sent, in milliseconds since the epoch; `None` if there is none.
    pub oldest_message: Option<i64>,
}

/// A batch of messages for a consumer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch<'a> {
    /// The queue's name.
    pub queue: &'a str,
    /// The messages, oldest first.
    #[serde(borrow)]
    pub messages: Vec<Delivered<'a>>,
    /// What waits besides.
    pub metrics: Metrics,
}

/// A message on its way to a consumer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivered<'a> {
    /// Its name.
    pub id: &'a str,
    /// When it was sent, in milliseconds since the epoch.
    pub timestamp: i64,
    /// Which attempt this is, from 1.
    pub attempts: u32,
    /// How the body is encoded.
    pub content_type: ContentType,
    /// The body.
    #[serde(borrow, with = "serde_bytes")]
    pub body: &'a [u8],
}

/// What a consumer said to a batch. What it said nothing of goes by the event's outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict<'a> {
    /// `ackAll()` was called.
    pub ack_all: bool,
    /// `retryAll()` was called.
    pub retry_all: Option<Retry>,
    /// The messages that `ack()` was called on.
    #[serde(borrow)]
    pub acked: Vec<&'a str>,
    /// The messages that `retry()` was called on.
    #[serde(borrow)]
    pub retried: Vec<(&'a str, Retry)>,
}

/// How a message is to be delivered again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// After so many seconds; `None` for what the consumer is configured with.
    pub delay: Option<i32>,
}

/// An operation of a producer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation<'a> {
    /// Sends one message: `send()`.
    Send(#[serde(borrow)] Outgoing<'a>),
    /// Sends several, all of them or none: `sendBatch()`.
    SendBatch {
        /// The messages.
        #[serde(borrow)]
        messages: Vec<Outgoing<'a>>,
        /// How long those wait that don't say so themselves, in seconds.
        delay: Option<i32>,
    },
    /// Asks what waits: `metrics()`.
    Metrics,
    /// Asks for the queue as a whole.
    State,
    /// Removes all messages. Not for Workers.
    Purge,
    /// Sets how long messages are kept. Not for Workers.
    Retain {
        /// In seconds.
        seconds: u32,
    },
    /// Stops the delivery of messages, or lets it go on. Not for Workers.
    Pause {
        /// Whether it is to stop.
        paused: bool,
    },
}

/// The longest bodies of one operation, in bytes: far more than any queue takes. Beyond it only their lengths are sent, from
/// which the host says what is wrong.
pub const BODIES_MAX: usize = 1024 * 1024;

/// A message to send.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outgoing<'a> {
    /// How the body is encoded.
    pub content_type: ContentType,
    /// How long it waits, in seconds.
    pub delay: Option<i32>,
    /// The length of the body, in bytes.
    pub length: u64,
    /// The body; empty if the operation is beyond [`BODIES_MAX`].
    #[serde(borrow, with = "serde_bytes")]
    pub body: &'a [u8],
}

/// The answer of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Answers `Send`, `SendBatch` and `Metrics`: what waits. For messages that were sent it comes when they are durable.
    Waiting(Metrics),
    /// Answers `State`.
    State {
        /// What waits.
        metrics: Metrics,
        /// How many messages are with consumers.
        leased: u64,
        /// Whether nothing is delivered.
        paused: bool,
        /// How long messages are kept, in seconds.
        retention: u32,
    },
    /// Answers `Purge`: how many messages there were.
    Purged(u64),
    /// Answers `Retain` and `Pause`, when it is durable.
    Done,
}
