//! What an engine must do to hold R2 buckets. It knows no limit, no message and no clock.

use std::{future::Future, ops::Range, pin::Pin};

use bytes::Bytes;

use super::{ChosenPart, Condition, Metadata, ObjectRecord, R2Error, StoredPart};
use crate::StoredBody;

/// What a store's method returns. Reads may block for some microseconds while polled, never for long.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, R2Error>> + Send + 'a>>;

/// A value that was found. It stays readable when its object is replaced or deleted.
pub trait StoredValue: Send {
    /// The bytes of a range, which lies within the value.
    fn body(self: Box<Self>, range: Range<u64>) -> StoredBody;
}

/// An object and its value.
pub struct Found {
    /// The object.
    pub object: ObjectRecord,
    /// Its value.
    pub value: Box<dyn StoredValue>,
}

/// A value on its way into a store. Nothing can be read of it until it is made an object or a part; one that is dropped
/// leaves nothing behind.
pub trait Draft: Send {
    /// Takes the next bytes; waits while too many are ahead of them.
    fn push(&mut self, chunk: Bytes) -> StoreFuture<'_, ()>;

    /// Makes it the value of `object`, of the same length, if the condition holds of what has that key now; whether it
    /// did. Resolves when it is durable.
    fn into_object(
        self: Box<Self>,
        object: ObjectRecord,
        only_if: Option<Condition>,
    ) -> StoreFuture<'static, bool>;

    /// Makes it a part of an upload of `key`, in the place of one with the same number; `false` if no such upload is open.
    /// Resolves when it is durable.
    fn into_part(
        self: Box<Self>,
        key: String,
        upload: String,
        part: StoredPart,
    ) -> StoreFuture<'static, bool>;
}

/// Which objects to list.
#[derive(Clone, Debug)]
pub struct ListRange {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Only keys whose UTF-8 bytes sort after these.
    pub after: Option<String>,
    /// Keys that go on alike up to the first of these behind the prefix are one entry. Never empty.
    pub delimiter: Option<String>,
    /// At most this many entries.
    pub limit: usize,
    /// Whether HTTP metadata is wanted.
    pub with_http: bool,
    /// Whether custom metadata is wanted.
    pub with_custom: bool,
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEntry {
    /// An object.
    Object(Box<ObjectRecord>),
    /// All keys that begin alike, up to and with the delimiter.
    Prefix(String),
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage {
    /// The entries, in the order of their keys' UTF-8 bytes.
    pub entries: Vec<ListEntry>,
    /// The last key that the entries stand for; `None` if no entry follows.
    pub last: Option<String>,
}

/// An upload in parts that begins.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// Its name, which no other has.
    pub id: String,
    /// The key of the object to be.
    pub key: String,
    /// What goes with it.
    pub metadata: Metadata,
    /// When it began, in milliseconds since the epoch.
    pub created: i64,
}

/// Where an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// Parts may come.
    Open {
        /// When it began, in milliseconds since the epoch.
        created: i64,
    },
    /// It was completed or given up, or has taken too long.
    Over,
}

/// The end of an upload: an object of its parts.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The upload.
    pub upload: String,
    /// The key.
    pub key: String,
    /// The parts.
    pub parts: Vec<ChosenPart>,
    /// The object's version.
    pub version: String,
    /// When it is made, in milliseconds since the epoch.
    pub uploaded: i64,
}

/// One bucket in some engine.
pub trait R2Store: Send + Sync + 'static {
    /// Looks an object up.
    fn head<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<ObjectRecord>>;

    /// Looks an object and its value up.
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Found>>;

    /// Where a new value goes.
    fn draft(&self) -> Box<dyn Draft>;

    /// Deletes objects, which need not exist, all or none of them; resolves when it is durable.
    fn delete(&self, keys: Vec<String>) -> StoreFuture<'_, ()>;

    /// Lists a part of the objects, from one consistent state.
    fn list(&self, range: ListRange) -> StoreFuture<'_, ListPage>;

    /// Begins an upload; resolves when it is durable.
    fn create_upload(&self, upload: NewUpload) -> StoreFuture<'_, ()>;

    /// Where an upload of this key stands, if there is one.
    fn upload_state<'a>(&'a self, key: &'a str, upload: &'a str) -> StoreFuture<'a, Option<UploadState>>;

    /// Makes an object of parts as [`super::assemble`] says, and ends the upload; `None` if no such upload is open.
    /// Resolves when it is durable.
    fn complete(&self, completion: Completion) -> StoreFuture<'_, Option<ObjectRecord>>;

    /// Ends an upload that is open and removes its parts; `now` is in milliseconds since the epoch. Resolves when it is
    /// durable.
    fn abort<'a>(&'a self, key: &'a str, upload: &'a str, now: i64) -> StoreFuture<'a, ()>;

    /// The same for all uploads that are open and began before a moment; `now` is that of their end.
    fn abort_begun_before(&self, moment: i64, now: i64) -> StoreFuture<'_, ()>;
}
