//! A KV namespace in one SQLite database.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use rusqlite::{Connection, MAIN_DB, OptionalExtension, Row, params};

use super::{
    SqliteOptions,
    database::{self, Schema},
    failure::Failure,
    large,
    readers::Readers,
    writer::{Progress, Write, Writer},
};
use crate::{
    StoreError,
    kv::{KvEntry, KvError, KvKey, KvPage, KvRange, KvStore, StoreFuture},
};

/// Keys are BLOBs of UTF-8, so that they sort by bytes. The value comes last: the columns before it are read
/// without touching it.
pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x4973_4b56, // "IsKV"
    create: "
        CREATE TABLE entries (
            id INTEGER PRIMARY KEY,
            key BLOB NOT NULL UNIQUE,
            expiration INTEGER,
            metadata TEXT,
            value BLOB NOT NULL
        ) STRICT;
        CREATE INDEX entries_by_expiration ON entries (expiration) WHERE expiration IS NOT NULL;
    ",
    upgrades: &[],
};

/// Values up to this many bytes are read where they are asked for; larger ones on a blocking thread.
const SMALL_VALUE: i64 = 64 * 1024;

/// Expired entries are looked for at least this often while there are writes, in seconds.
const SWEEP_SECONDS: u64 = 60;
/// How many expired entries one transaction removes.
const SWEEP_ENTRIES: u32 = 500;

/// A namespace in one database file.
pub struct SqliteKv {
    readers: Arc<Readers>,
    writer: Writer<KvWrite>,
    /// When expired entries were last looked for, in seconds since the epoch.
    swept: AtomicU64,
}

impl SqliteKv {
    /// Opens the database `path`, and makes it (and its folder) if it does not exist.
    ///
    /// # Errors
    /// It can't be opened, is no KV namespace, or was written by a newer Isthmus.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let connection = database::open(path, &SCHEMA, options)?;
        Ok(Self {
            readers: Arc::new(Readers::new(path.to_owned())),
            writer: Writer::start(connection, path, options)?,
            swept: AtomicU64::new(0),
        })
    }

    /// How many transactions were committed since it was opened. Many writes share one.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// Has expired entries removed, unless that was done less than `after` seconds ago.
    fn sweep(&self, now: u64, after: u64) {
        let last = self.swept.load(Ordering::Relaxed);
        if now < last.saturating_add(after) {
            return;
        }
        let claimed = self
            .swept
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        if claimed.is_ok() {
            self.writer.post(KvWrite::Sweep { now });
        }
    }
}

impl Drop for SqliteKv {
    fn drop(&mut self) {
        // The writer's connection is to be the last: it puts the log into the database.
        self.readers.close();
    }
}

impl KvStore for SqliteKv {
    fn get<'a>(&'a self, key: &'a str, now: u64) -> StoreFuture<'a, Option<KvEntry>> {
        Box::pin(async move {
            let found = match self.readers.with(|connection| read_small(connection, key))? {
                Found::Nothing => None,
                Found::Small(entry) => Some(entry),
                Found::Large => {
                    let key = key.to_owned();
                    self.blocking(move |connection| read_whole(connection, &key))
                        .await?
                }
            };
            if found
                .as_ref()
                .is_some_and(|entry| entry.expiration.is_some_and(|second| second <= now))
            {
                self.sweep(now, 1);
                return Ok(None);
            }
            Ok(found)
        })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a str],
        most: u64,
        now: u64,
    ) -> StoreFuture<'a, Option<Vec<Option<KvEntry>>>> {
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        Box::pin(async move {
            self.blocking(move |connection| read_many(connection, &keys, most, now))
                .await
        })
    }

    fn put<'a>(&'a self, key: &'a str, entry: KvEntry, now: u64) -> StoreFuture<'a, ()> {
        self.sweep(now, SWEEP_SECONDS);
        let key = key.to_owned();
        let written = self.writer.submit(KvWrite::Put { key, entry });
        Box::pin(async { Ok(written.await?) })
    }

    fn delete<'a>(&'a self, key: &'a str, now: u64) -> StoreFuture<'a, ()> {
        self.sweep(now, SWEEP_SECONDS);
        let written = self.writer.submit(KvWrite::Delete { key: key.to_owned() });
        Box::pin(async { Ok(written.await?) })
    }

    fn list<'a>(&'a self, range: KvRange<'a>, now: u64) -> StoreFuture<'a, KvPage> {
        let bounds = Bounds::of(range);
        let limit = range.limit;
        Box::pin(async move {
            self.blocking(move |connection| read_page(connection, &bounds, limit, now))
                .await
        })
    }
}

impl SqliteKv {
    /// Reads on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, KvError> {
        let readers = Arc::clone(&self.readers);
        let read = tokio::task::spawn_blocking(move || readers.with(read));
        match read.await {
            Ok(result) => Ok(result?),
            Err(error) => Err(KvError::new(
                500,
                format!("the database could not be read: {error}"),
            )),
        }
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

enum KvWrite {
    Put { key: String, entry: KvEntry },
    Delete { key: String },
    Sweep { now: u64 },
}

impl Write for KvWrite {
    fn apply(&self, connection: &Connection) -> rusqlite::Result<Progress> {
        match self {
            Self::Put { key, entry } => {
                let mut statement = connection.prepare_cached(
                    "INSERT INTO entries (key, expiration, metadata, value) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (key) DO UPDATE SET
                         expiration = excluded.expiration, metadata = excluded.metadata, value = excluded.value",
                )?;
                statement.execute(params![
                    key.as_bytes(),
                    entry.expiration.map(u64::cast_signed),
                    entry.metadata,
                    &*entry.value
                ])?;
            }
            Self::Delete { key } => {
                connection
                    .prepare_cached("DELETE FROM entries WHERE key = ?1")?
                    .execute([key.as_bytes()])?;
            }
            Self::Sweep { now } => {
                let mut statement = connection.prepare_cached(
                    "DELETE FROM entries WHERE id IN
                         (SELECT id FROM entries WHERE expiration <= ?1 ORDER BY expiration LIMIT ?2)",
                )?;
                let removed = statement.execute(params![now.cast_signed(), SWEEP_ENTRIES])?;
                if removed >= SWEEP_ENTRIES as usize {
                    return Ok(Progress::More);
                }
            }
        }
        Ok(Progress::Done)
    }

    fn size(&self) -> usize {
        match self {
            Self::Put { key, entry } => key.len() + entry.value.len(),
            Self::Delete { key } => key.len(),
            Self::Sweep { .. } => 0,
        }
    }
}

enum Found {
    Nothing,
    Small(KvEntry),
    Large,
}

fn read_small(connection: &Connection, key: &str) -> rusqlite::Result<Found> {
    let mut statement = connection.prepare_cached(
        "SELECT expiration, metadata, iif(length(value) <= ?2, value, NULL) FROM entries WHERE key = ?1",
    )?;
    let found = statement.query_row(params![key.as_bytes(), SMALL_VALUE], |row| {
        Ok(match row.get_ref(2)?.as_blob_or_null()? {
            Some(value) => Found::Small(entry(row, value)?),
            None => Found::Large,
        })
    });
    Ok(found.optional()?.unwrap_or(Found::Nothing))
}

/// The value is read from the database's file to where it stays: SQLite would have it in memory of its own before.
fn read_whole(connection: &Connection, key: &str) -> rusqlite::Result<Option<KvEntry>> {
    // Both from one state.
    let transaction = connection.unchecked_transaction()?;
    let found = transaction
        .prepare_cached("SELECT expiration, metadata, id FROM entries WHERE key = ?1")?
        .query_row([key.as_bytes()], |row| Ok((row.get(2)?, entry(row, &[])?)))
        .optional()?;
    let Some((id, mut entry)) = found else {
        return Ok(None);
    };
    let blob = transaction.blob_open(MAIN_DB, "entries", "value", id, true)?;
    entry.value = large::filled(blob.len(), |memory| blob.read_at_exact(memory, 0))?;
    Ok(Some(entry))
}

/// Reads entries in one transaction, so from one state; stops where their values get longer than `most` bytes.
fn read_many(
    connection: &Connection,
    keys: &[String],
    most: u64,
    now: u64,
) -> rusqlite::Result<Option<Vec<Option<KvEntry>>>> {
    let transaction = connection.unchecked_transaction()?;
    let mut statement = transaction.prepare_cached(
        "SELECT expiration, metadata, iif(length(value) <= ?2, value, NULL) FROM entries
         WHERE key = ?1 AND (expiration IS NULL OR expiration > ?3)",
    )?;
    let mut left = most;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let parameters = params![key.as_bytes(), left.cast_signed(), now.cast_signed()];
        let read = statement.query_row(parameters, |row| match row.get_ref(2)?.as_blob_or_null()? {
            Some(value) => Ok(Found::Small(entry(row, value)?)),
            None => Ok(Found::Large),
        });
        found.push(match read.optional()?.unwrap_or(Found::Nothing) {
            Found::Nothing => None,
            Found::Small(entry) => {
                left -= entry.value.len() as u64;
                Some(entry)
            }
            Found::Large => return Ok(None),
        });
    }
    Ok(Some(found))
}

fn entry(row: &Row<'_>, value: &[u8]) -> rusqlite::Result<KvEntry> {
    Ok(KvEntry {
        value: Bytes::copy_from_slice(value),
        expiration: row.get::<_, Option<i64>>(0)?.map(i64::cast_unsigned),
        metadata: row.get(1)?,
    })
}

/// A half-open range of keys as bytes.
struct Bounds {
    from: Vec<u8>,
    below: Vec<u8>,
}

impl Bounds {
    fn of(range: KvRange<'_>) -> Self {
        let prefix = range.prefix.as_bytes();
        let mut from = range.after.to_vec();
        if !from.is_empty() {
            // What follows a key most closely is that key and a zero byte.
            from.push(0);
        }
        if &*from < prefix {
            from = prefix.to_vec();
        }
        // No byte of UTF-8 is 0xff: the last one can be raised, and 0xff is above every key.
        let mut below = prefix.to_vec();
        match below.last_mut() {
            Some(last) => *last += 1,
            None => below.push(0xff),
        }
        Self { from, below }
    }
}

fn read_page(connection: &Connection, bounds: &Bounds, limit: usize, now: u64) -> rusqlite::Result<KvPage> {
    let mut statement = connection.prepare_cached(
        "SELECT key, expiration, metadata FROM entries
         WHERE key >= ?1 AND key < ?2 AND (expiration IS NULL OR expiration > ?3) ORDER BY key LIMIT ?4",
    )?;
    let mut rows = statement.query(params![
        bounds.from,
        bounds.below,
        now.cast_signed(),
        limit as i64 + 1
    ])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        if keys.len() == limit {
            return Ok(KvPage {
                keys,
                complete: false,
            });
        }
        keys.push(KvKey {
            name: String::from_utf8_lossy(row.get_ref(0)?.as_blob()?).into_owned(),
            expiration: row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned),
            metadata: row.get(2)?,
        });
    }
    Ok(KvPage { keys, complete: true })
}
