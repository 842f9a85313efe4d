//! What an engine must do to hold KV namespaces. It knows no limit, no status and no clock.

use std::{future::Future, pin::Pin};

use bytes::Bytes;

use super::KvError;
use crate::StoredBody;

/// What a store's method returns. Reads may block for some microseconds while polled, never for long.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, KvError>> + Send + 'a>>;

/// A value to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvEntry {
    /// The value.
    pub value: Bytes,
    /// The second since the epoch from which on it is gone.
    pub expiration: Option<u64>,
    /// The metadata as JSON.
    pub metadata: Option<String>,
}

/// A stored value that was found.
pub struct KvFound {
    /// The value. It stays readable when its entry is replaced or removed.
    pub value: StoredBody,
    /// The second since the epoch from which on it is gone.
    pub expiration: Option<u64>,
    /// The metadata as JSON.
    pub metadata: Option<String>,
}

impl From<KvEntry> for KvFound {
    fn from(entry: KvEntry) -> Self {
        Self {
            value: StoredBody::of_bytes(entry.value),
            expiration: entry.expiration,
            metadata: entry.metadata,
        }
    }
}

/// A value on its way into a store, of any length. Nothing can be read of it until it is made an entry; one that is dropped
/// leaves nothing behind.
pub trait KvDraft: Send {
    /// Takes the next bytes; waits while too many are ahead of them.
    fn push(&mut self, chunk: Bytes) -> StoreFuture<'_, ()>;

    /// Writes it as [`KvStore::put`] does.
    fn into_entry(
        self: Box<Self>,
        key: String,
        expiration: Option<u64>,
        metadata: Option<String>,
        now: u64,
    ) -> StoreFuture<'static, ()>;
}

/// Which keys to list.
#[derive(Clone, Copy, Debug)]
pub struct KvRange<'a> {
    /// Only keys that begin with this.
    pub prefix: &'a str,
    /// Only keys whose UTF-8 bytes sort after these; empty for all.
    pub after: &'a [u8],
    /// At most this many.
    pub limit: usize,
}

/// One listed key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvKey {
    /// The key.
    pub name: String,
    /// The second since the epoch from which on it is gone.
    pub expiration: Option<u64>,
    /// The metadata as JSON.
    pub metadata: Option<String>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvPage {
    /// The keys, in the order of their UTF-8 bytes.
    pub keys: Vec<KvKey>,
    /// Whether no key follows in the range.
    pub complete: bool,
}

/// One namespace in some engine. `now` is in seconds since the epoch; entries whose expiration is not after it
/// are invisible, and the engine removes them when it likes.
pub trait KvStore: Send + Sync + 'static {
    /// Reads an entry.
    fn get<'a>(&'a self, key: &'a str, now: u64) -> StoreFuture<'a, Option<KvFound>>;

    /// Reads several entries from one consistent state, in the order of the keys; `None` if their values sum to more than
    /// `most` bytes, which then needn't all be read.
    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a str],
        most: u64,
        now: u64,
    ) -> StoreFuture<'a, Option<Vec<Option<KvFound>>>>;

    /// Writes an entry; resolves when it is durable. Dropping the future may or may not prevent it.
    fn put<'a>(&'a self, key: &'a str, entry: KvEntry, now: u64) -> StoreFuture<'a, ()>;

    /// Where a value goes that comes in pieces.
    fn draft(&self) -> Box<dyn KvDraft>;

    /// Removes an entry, which need not exist; resolves when that is durable.
    fn delete<'a>(&'a self, key: &'a str, now: u64) -> StoreFuture<'a, ()>;

    /// Lists a part of the keys, from one consistent state.
    fn list<'a>(&'a self, range: KvRange<'a>, now: u64) -> StoreFuture<'a, KvPage>;
}
