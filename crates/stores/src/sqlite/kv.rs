//! A KV namespace in one SQLite database, with its long values in files beside it ([`super::bodies`]): a short one is durable
//! with the log alone, a long one goes from its file to who asks for it without a copy of ours.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use rusqlite::Connection;

use super::{
    SqliteOptions,
    bodies::{self, Bodies, BodyStore, Pinned},
    body_draft::{BodyDraft, NewBody},
    database::{self, Schema},
    failure::Failure,
    readers::Readers,
    writer::Writer,
};
use crate::{
    StoreError, StoredBody,
    body::{BodySource, Part},
    kv::{KvDraft, KvEntry, KvError, KvFound, KvPage, KvRange, KvStore, StoreFuture},
};

mod read;
mod write;

pub(super) use read::bodies_named_by;

use read::{Content, Entry, Found};
use write::{KvWrite, NewEntry};

/// What version 2 adds: values in files. The columns come behind the value, but one that is empty is read without touching it.
macro_rules! second {
    () => {
        "
        ALTER TABLE entries ADD COLUMN file TEXT;
        ALTER TABLE entries ADD COLUMN size INTEGER;
        CREATE INDEX entries_by_file ON entries (file) WHERE file IS NOT NULL;
        CREATE TABLE garbage (id INTEGER PRIMARY KEY, file TEXT NOT NULL) STRICT;
        CREATE TRIGGER entry_removed AFTER DELETE ON entries WHEN old.file IS NOT NULL BEGIN
            INSERT INTO garbage (file) VALUES (old.file);
        END;
        CREATE TRIGGER entry_replaced AFTER UPDATE OF file ON entries WHEN old.file IS NOT NULL BEGIN
            INSERT INTO garbage (file) VALUES (old.file);
        END;
        "
    };
}

/// Keys are BLOBs of UTF-8, so that they sort by bytes. The columns before the value are read without touching it. A row with
/// a file has an empty value, and the file's length in bytes as its size.
pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x4973_4b56, // "IsKV"
    create: concat!(
        "
        CREATE TABLE entries (
            id INTEGER PRIMARY KEY,
            key BLOB NOT NULL UNIQUE,
            expiration INTEGER,
            metadata TEXT,
            value BLOB NOT NULL
        ) STRICT;
        CREATE INDEX entries_by_expiration ON entries (expiration) WHERE expiration IS NOT NULL;
        ",
        second!()
    ),
    upgrades: &[second!()],
};

/// Values up to this many bytes lie in the database. To make a file durable takes three syncs instead of one; to read it saves
/// a copy, or two. From this length on a file is the better choice once a value is read three times for each time it is written.
const SHORT: usize = 256 * 1024;

/// Expired entries are looked for at least this often while there are writes, in seconds.
const SWEEP_SECONDS: u64 = 60;

/// A namespace in one database file and the files beside it.
pub struct SqliteKv {
    shared: Arc<Shared>,
}

/// What drafts and values that are read have of the namespace, too.
struct Shared {
    readers: Readers,
    writer: Writer<KvWrite>,
    bodies: Bodies,
    /// When expired entries were last looked for, in seconds since the epoch.
    swept: AtomicU64,
    /// Whether files of entries that are gone were seen then.
    garbage_seen: Arc<AtomicBool>,
}

impl SqliteKv {
    /// Opens the database `path`, and makes it (and its folder) if it does not exist.
    ///
    /// # Errors
    /// It can't be opened, is no KV namespace, or was written by a newer Isthmus.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let connection = database::open(path, &SCHEMA, options)?;
        let shared = Arc::new(Shared {
            readers: Readers::new(path.to_owned()),
            writer: Writer::start(connection, path, options)?,
            bodies: Bodies::new(path, options.durability),
            swept: AtomicU64::new(0),
            garbage_seen: Arc::default(),
        });
        if shared.bodies.files.has_folder() {
            bodies::sweep(&shared);
            bodies::tidy(&shared);
        }
        Ok(Self { shared })
    }

    /// How many transactions were committed since it was opened. Many writes share one.
    pub fn commits(&self) -> u64 {
        self.shared.writer.commits()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The writer's connection is to be the last: it puts the log into the database.
        self.readers.close();
    }
}

impl BodyStore for Shared {
    fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    fn readers(&self) -> &Readers {
        &self.readers
    }

    fn forget(&self, ids: Vec<i64>) -> impl Future<Output = Result<(), Failure>> + Send {
        self.writer.submit(KvWrite::ForgetGarbage { ids })
    }

    fn is_used(connection: &Connection, file: &str) -> rusqlite::Result<bool> {
        read::is_used(connection, file)
    }
}

impl Shared {
    /// Has expired entries removed, unless that was done less than `after` seconds ago.
    fn sweep(self: &Arc<Self>, now: u64, after: u64) {
        let last = self.swept.load(Ordering::Relaxed);
        if now < last.saturating_add(after) {
            return;
        }
        let claimed = self
            .swept
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        if claimed.is_ok() {
            let garbage_seen = Arc::clone(&self.garbage_seen);
            self.writer.post(KvWrite::Sweep { now, garbage_seen });
        }
    }

    /// Submits a write that says whether it takes a file's row away.
    fn write(self: &Arc<Self>, write: impl FnOnce(Arc<AtomicBool>) -> KvWrite) -> StoreFuture<'static, ()> {
        let replaced = Arc::<AtomicBool>::default();
        let written = self.writer.submit(write(Arc::clone(&replaced)));
        let shared = Arc::clone(self);
        Box::pin(async move {
            written.await?;
            shared.written(&replaced);
            Ok(())
        })
    }

    /// A write is done; `replaced` says whether it took a file's row away.
    fn written(self: &Arc<Self>, replaced: &AtomicBool) {
        if replaced.load(Ordering::Relaxed) || self.garbage_seen.swap(false, Ordering::Relaxed) {
            bodies::tidy(self);
        }
    }

    /// Reads an entry, which may have expired. The outer `None` says that its value takes a thread that may block.
    fn find(self: &Arc<Self>, key: &str, now: u64) -> Result<Option<Option<KvFound>>, KvError> {
        let _reading = self.bodies.reading();
        Ok(
            match self.readers.with(|connection| read::small(connection, key))? {
                Found::Nothing => Some(None),
                Found::Entry(entry) if entry.is_over(now) => {
                    self.sweep(now, 1);
                    Some(None)
                }
                Found::Entry(entry) => Some(Some(self.found(key, entry)?)),
                Found::Large => None,
            },
        )
    }

    /// The same on a thread that may block.
    fn find_large(self: &Arc<Self>, key: &str, now: u64) -> Result<Option<KvFound>, KvError> {
        let _reading = self.bodies.reading();
        let found = self.readers.with(|connection| read::whole(connection, key))?;
        let entry = found.filter(|entry| !entry.is_over(now));
        entry.map(|entry| self.found(key, entry)).transpose()
    }

    fn find_many(
        self: &Arc<Self>,
        keys: &[String],
        most: u64,
        now: u64,
    ) -> Result<Option<Vec<Option<KvFound>>>, KvError> {
        let _reading = self.bodies.reading();
        let Some(found) = self
            .readers
            .with(|connection| read::many(connection, keys, most, now))?
        else {
            return Ok(None);
        };
        let entries = keys.iter().zip(found);
        let found = entries.map(|(key, entry)| entry.map(|entry| self.found(key, entry)).transpose());
        found.collect::<Result<_, _>>().map(Some)
    }

    /// What was read, with its file pinned, if it has one. The caller is [`Bodies::reading`].
    fn found(self: &Arc<Self>, key: &str, entry: Entry) -> Result<KvFound, KvError> {
        let value = match entry.content {
            Content::Bytes(bytes) => StoredBody::of_bytes(bytes),
            Content::File { name, size } => {
                self.check_file(key, &name, size)?;
                let file = BodySource::Kept(Arc::new(Pinned::new(self, name)));
                StoredBody::new([Part::File {
                    file,
                    start: 0,
                    end: size,
                }])
            }
        };
        Ok(KvFound {
            value,
            expiration: entry.expiration,
            metadata: entry.metadata,
        })
    }

    fn check_file(&self, key: &str, name: &str, size: u64) -> Result<(), KvError> {
        let wrong = match self.bodies.files.has_body(name, size) {
            Ok(true) => return Ok(()),
            Ok(false) => "is missing or has another length".to_owned(),
            Err(error) => format!("can't be read: {error}"),
        };
        let log = format!(
            "the file {} with the value of {key:?} {wrong}. Restore it from a backup (`isthmus restore`), put the key again, or \
             delete it",
            self.bodies.files.path(name).display()
        );
        let message =
            format!("the value of {key:?} can't be read, its file {wrong}: put the key again, or delete it");
        Err(KvError {
            log: Some(log),
            ..KvError::new(500, message)
        })
    }
}

impl KvStore for SqliteKv {
    fn get<'a>(&'a self, key: &'a str, now: u64) -> StoreFuture<'a, Option<KvFound>> {
        Box::pin(async move {
            if let Some(found) = self.shared.find(key, now)? {
                return Ok(found);
            }
            let (shared, key) = (Arc::clone(&self.shared), key.to_owned());
            blocking(move || shared.find_large(&key, now)).await
        })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a str],
        most: u64,
        now: u64,
    ) -> StoreFuture<'a, Option<Vec<Option<KvFound>>>> {
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        let shared = Arc::clone(&self.shared);
        Box::pin(blocking(move || shared.find_many(&keys, most, now)))
    }

    fn put<'a>(&'a self, key: &'a str, entry: KvEntry, now: u64) -> StoreFuture<'a, ()> {
        let KvEntry {
            value,
            expiration,
            metadata,
        } = entry;
        let key = key.to_owned();
        if value.len() > SHORT {
            let mut draft = self.draft();
            return Box::pin(async move {
                draft.push(value).await?;
                draft.into_entry(key, expiration, metadata, now).await
            });
        }
        self.shared.sweep(now, SWEEP_SECONDS);
        let entry = NewEntry {
            key,
            expiration,
            metadata,
            body: NewBody::Bytes(value),
        };
        self.shared.write(|replaced| KvWrite::Put { entry, replaced })
    }

    fn draft(&self) -> Box<dyn KvDraft> {
        Box::new(SqliteDraft(BodyDraft::new(Arc::clone(&self.shared), SHORT)))
    }

    fn delete<'a>(&'a self, key: &'a str, now: u64) -> StoreFuture<'a, ()> {
        self.shared.sweep(now, SWEEP_SECONDS);
        let key = key.to_owned();
        self.shared.write(|replaced| KvWrite::Delete { key, replaced })
    }

    fn list<'a>(&'a self, range: KvRange<'a>, now: u64) -> StoreFuture<'a, KvPage> {
        let bounds = read::Bounds::of(range);
        let limit = range.limit;
        let shared = Arc::clone(&self.shared);
        Box::pin(blocking(move || {
            let page = shared
                .readers
                .with(|connection| read::page(connection, &bounds, limit, now));
            Ok(page?)
        }))
    }
}

/// A value on its way into a namespace.
struct SqliteDraft(BodyDraft<Shared>);

impl KvDraft for SqliteDraft {
    fn push(&mut self, chunk: Bytes) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(self.0.push(chunk).await?) })
    }

    fn into_entry(
        self: Box<Self>,
        key: String,
        expiration: Option<u64>,
        metadata: Option<String>,
        now: u64,
    ) -> StoreFuture<'static, ()> {
        let shared = Arc::clone(self.0.store());
        Box::pin(async move {
            shared.sweep(now, SWEEP_SECONDS);
            let replaced = Arc::<AtomicBool>::default();
            let told = Arc::clone(&replaced);
            let submit = |shared: &Shared, body| {
                let entry = NewEntry {
                    key,
                    expiration,
                    metadata,
                    body,
                };
                shared.writer.submit(KvWrite::Put {
                    entry,
                    replaced: told,
                })
            };
            self.0.commit(submit, || true).await?;
            shared.written(&replaced);
            Ok(())
        })
    }
}

/// Reads on a thread that may block.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, KvError> + Send + 'static,
) -> Result<T, KvError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read,
        Err(error) => Err(KvError::new(
            500,
            format!("the database could not be read: {error}"),
        )),
    }
}

impl From<Failure> for KvError {
    fn from(failure: Failure) -> Self {
        let status = if matches!(failure, Failure::Full) {
            507
        } else {
            500
        };
        Self::new(status, failure.to_string())
    }
}
