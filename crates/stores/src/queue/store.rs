//! What an engine must do to hold a queue. It knows no limit, no status and no clock.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use isthmus_protocol::queue::ContentType;

use super::QueueError;

/// What a store's method returns.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, QueueError>> + Send + 'a>>;

/// What tells messages apart, wherever they go.
pub type MessageName = [u8; 16];

/// A message to keep. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Its name.
    pub name: MessageName,
    /// When it was sent.
    pub sent: i64,
    /// From when on it may be delivered.
    pub available: i64,
    /// How the body is encoded.
    pub content_type: ContentType,
    /// The body.
    pub body: Bytes,
}

/// What names the lease of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseId {
    /// The message.
    pub message: i64,
    /// The lease; one for all messages that were leased together.
    pub lease: i64,
}

/// What to lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    /// A number that no other lease has. Negative ones are for [`QueueStore::release`].
    pub lease: i64,
    /// At most this many messages.
    pub limit: usize,
    /// No further message once the bodies exceed this many bytes.
    pub bytes: usize,
    /// The time, in milliseconds since the epoch.
    pub now: i64,
    /// When the lease ends, in milliseconds since the epoch.
    pub until: i64,
    /// Only messages whose lease ended with nothing said about them, and that were leased at least so often.
    pub spent: Option<u32>,
}

/// A message that was leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Its lease.
    pub id: LeaseId,
    /// Its name.
    pub name: MessageName,
    /// When it was sent.
    pub sent: i64,
    /// How often it was leased, this time included.
    pub attempts: u32,
    /// How the body is encoded.
    pub content_type: ContentType,
    /// The body.
    pub body: Bytes,
}

/// What is in a queue and not leased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many messages, those that are delayed included.
    pub count: u64,
    /// The length of their bodies.
    pub bytes: u64,
    /// When the oldest was sent.
    pub oldest: Option<i64>,
}

/// What could be delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many messages are available, up to the number asked for.
    pub count: usize,
    /// When the first of all messages is or was available.
    pub first: Option<i64>,
}

/// A queue as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// What waits.
    pub backlog: Backlog,
    /// How many messages are leased.
    pub leased: u64,
    /// Whether nothing is to be delivered.
    pub paused: bool,
    /// How long messages are kept, in milliseconds, if that was ever set.
    pub retention: Option<i64>,
}

/// What [`QueueStore::expire`] came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// How many messages were removed.
    pub count: usize,
    /// When the first message that is left came.
    pub oldest: Option<i64>,
}

/// One queue in some engine. Writes resolve when they are durable; dropping the future may or may not prevent them. `now` is
/// in milliseconds since the epoch.
pub trait QueueStore: Send + Sync + 'static {
    /// Keeps messages, all of them or none, which come now; answers what waits then.
    fn send(&self, messages: Vec<NewMessage>, now: i64) -> StoreFuture<'_, Backlog>;

    /// Leases the first available messages.
    fn lease(&self, request: LeaseRequest) -> StoreFuture<'_, Vec<Leased>>;

    /// Removes messages. What isn't leased so any more stays. Answers how many there were.
    fn acknowledge(&self, leases: Vec<LeaseId>) -> StoreFuture<'_, usize>;

    /// Removes messages by their numbers and names, leased or not; answers of each whether it was there.
    fn remove(&self, messages: Vec<(i64, MessageName)>) -> StoreFuture<'_, Vec<bool>>;

    /// Those of the messages that are still leased so, in the order of their numbers.
    fn held(&self, leases: Vec<LeaseId>) -> StoreFuture<'_, Vec<Leased>>;

    /// When the first lease ends of the messages that were leased at least so often.
    fn lease_end(&self, attempts: u32) -> StoreFuture<'_, Option<i64>>;

    /// Makes messages available again, each from a moment on. What isn't leased so any more stays as it is. Answers how many
    /// there were.
    fn retry(&self, leases: Vec<(LeaseId, i64)>) -> StoreFuture<'_, usize>;

    /// The same for messages that never reached their consumer: the attempt doesn't count.
    fn give_back(&self, leases: Vec<(LeaseId, i64)>) -> StoreFuture<'_, usize>;

    /// Ends the leases with negative numbers: those of consumers that live no longer than the process that owns the store.
    /// Answers how many messages there were.
    fn release(&self) -> StoreFuture<'_, usize>;

    /// Removes all messages, leased or not; answers how many there were.
    fn purge(&self) -> StoreFuture<'_, u64>;

    /// Removes the first messages that came before a moment, leased or not; up to so many.
    fn expire(&self, before: i64, limit: usize) -> StoreFuture<'_, Expired>;

    /// Sets how long messages are to be kept, in milliseconds, which others see to.
    fn retain(&self, milliseconds: i64) -> StoreFuture<'_, ()>;

    /// Sets whether nothing is to be delivered.
    fn pause(&self, paused: bool) -> StoreFuture<'_, ()>;

    /// What could be delivered; counts no further than `limit`.
    fn waiting(&self, limit: usize, now: i64) -> StoreFuture<'_, Waiting>;

    /// The queue as a whole.
    fn state(&self, now: i64) -> StoreFuture<'_, QueueState>;

    /// The first messages, leased or not, without changing anything.
    fn peek(&self, limit: usize) -> StoreFuture<'_, Vec<Leased>>;
}
