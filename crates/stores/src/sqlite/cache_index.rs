//! What the caches know of their entries: one SQLite database of heads, short bodies, and the names of the files that hold
//! the long ones.
//!
//! A file whose entry goes is named in `garbage` by the statement that takes the entry away, so that it is deleted sooner
//! or later whatever happens in between. `total` is kept by triggers too: the bound costs no count.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteOptions;
use super::database::{self, Schema};
use super::failure::Failure;
use super::readers::Readers;
use super::writer::{Progress, Write, Writer};
use crate::StoreError;
use crate::cache::Headers;

pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x4973_4361, // "IsCa"
    create: "
        CREATE TABLE entries (
            id INTEGER PRIMARY KEY,
            cache TEXT NOT NULL,
            key TEXT NOT NULL,
            status INTEGER NOT NULL,
            headers BLOB NOT NULL,
            born INTEGER NOT NULL,
            expires INTEGER NOT NULL,
            used INTEGER NOT NULL,
            size INTEGER NOT NULL,
            length INTEGER NOT NULL,
            file TEXT,
            body BLOB,
            UNIQUE (cache, key)
        ) STRICT;
        CREATE INDEX entries_by_expiry ON entries (expires);
        CREATE INDEX entries_by_use ON entries (used, id, size);
        CREATE INDEX entries_by_file ON entries (file) WHERE file IS NOT NULL;
        CREATE TABLE garbage (file TEXT NOT NULL UNIQUE ON CONFLICT IGNORE) STRICT;
        CREATE TABLE total (bytes INTEGER NOT NULL) STRICT;
        INSERT INTO total VALUES (0);
        CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN
            UPDATE total SET bytes = bytes + new.size;
        END;
        CREATE TRIGGER entry_removed AFTER DELETE ON entries BEGIN
            UPDATE total SET bytes = bytes - old.size;
            INSERT INTO garbage SELECT old.file WHERE old.file IS NOT NULL;
        END;
        CREATE TRIGGER entry_replaced AFTER UPDATE OF size, file ON entries BEGIN
            UPDATE total SET bytes = bytes - old.size + new.size;
            INSERT INTO garbage SELECT old.file WHERE old.file IS NOT NULL AND old.file IS NOT new.file;
        END;
    ",
    upgrades: &[],
};

/// What an entry costs besides its body and its head, in bytes.
const OVERHEAD: u64 = 256;

/// How many files one look for garbage names, how many expired entries one transaction removes.
const BATCH: usize = 500;

/// A stored response, or one to store.
pub(crate) struct Entry {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) born: u64,
    pub(crate) expires: u64,
    pub(crate) length: u64,
    pub(crate) body: EntryBody,
}

/// Where the body of an entry is.
pub(crate) enum EntryBody {
    Bytes(Bytes),
    File(String),
}

/// The open database.
pub(crate) struct CacheIndex {
    readers: Arc<Readers>,
    writer: Writer<Change>,
    /// Orders uses in time: the next is larger than all before it.
    uses: AtomicI64,
}

impl CacheIndex {
    /// Opens the database `path`, and makes it (and its folder) if it does not exist.
    ///
    /// # Errors
    /// It can't be opened, is a database of something else, or was written by a newer Isthmus.
    pub(crate) fn open(path: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let connection = database::open(path, &SCHEMA, options)?;
        let last = connection.query_row("SELECT coalesce(max(used), 0) FROM entries", [], |row| row.get(0));
        let last: i64 = last.map_err(|error| StoreError::Open {
            path: path.to_owned(),
            reason: Failure::from(error).to_string(),
        })?;
        Ok(Self {
            readers: Arc::new(Readers::new(path.to_owned())),
            writer: Writer::start(connection, path, options)?,
            uses: AtomicI64::new(last + 1),
        })
    }

    /// A number for a use that happens now.
    pub(crate) fn next_use(&self) -> i64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// Looks an entry up, and answers its number too. Blocks for some microseconds.
    pub(crate) fn find(&self, cache: &str, key: &str) -> Result<Option<(i64, Entry)>, String> {
        let found = self.readers.with(|connection| {
            connection
                .prepare_cached(
                    "SELECT id, status, headers, born, expires, length, file, body FROM entries
                     WHERE cache = ?1 AND key = ?2",
                )?
                .query_row([cache, key], |row| {
                    let headers: Vec<u8> = row.get(2)?;
                    let file: Option<String> = row.get(6)?;
                    let body = match file {
                        Some(file) => EntryBody::File(file),
                        None => EntryBody::Bytes(Bytes::copy_from_slice(
                            row.get_ref(7)?.as_blob_or_null()?.unwrap_or_default(),
                        )),
                    };
                    Ok((
                        row.get(0)?,
                        headers,
                        Entry {
                            status: row.get(1)?,
                            headers: Vec::new(),
                            born: row.get::<_, i64>(3)?.cast_unsigned(),
                            expires: row.get::<_, i64>(4)?.cast_unsigned(),
                            length: row.get::<_, i64>(5)?.cast_unsigned(),
                            body,
                        },
                    ))
                })
                .optional()
        });
        let Some((id, headers, mut entry)) = found.map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        entry.headers = postcard::from_bytes(&headers)
            .map_err(|_| "the database is damaged: the headers of an entry can't be read".to_owned())?;
        if let EntryBody::Bytes(bytes) = &entry.body
            && bytes.len() as u64 != entry.length
        {
            return Err("the database is damaged: a body isn't as long as it should be".to_owned());
        }
        Ok(Some((id, entry)))
    }

    /// Stores an entry, in the place of one of the same name; resolves when it is durable.
    pub(crate) async fn put(&self, cache: String, key: String, entry: Entry) -> Result<(), String> {
        let headers = postcard::to_stdvec(&entry.headers).map_err(|error| error.to_string())?;
        let used = self.next_use();
        self.write(Change::Put {
            cache,
            key,
            entry,
            headers,
            used,
        })
        .await
    }

    /// Removes an entry, which need not exist; resolves when that is durable.
    pub(crate) async fn remove(&self, cache: &str, key: &str) -> Result<(), String> {
        let (cache, key) = (cache.to_owned(), key.to_owned());
        self.write(Change::Remove { cache, key }).await
    }

    /// Removes the entry whose body is in a file, which turned out to be no good.
    pub(crate) async fn remove_file(&self, file: &str) -> Result<(), String> {
        let file = file.to_owned();
        self.write(Change::RemoveFile { file }).await
    }

    /// Notes when entries were used, as pairs of entry and use; nobody hears of a failure.
    pub(crate) fn touch(&self, uses: &[(i64, i64)]) {
        if let Ok(uses) = serde_json::to_string(uses) {
            self.writer.post(Change::Touch { uses });
        }
    }

    /// Removes stale entries, at some time.
    pub(crate) fn sweep(&self, now: u64) {
        self.writer.post(Change::Sweep { now });
    }

    /// How many bytes all entries have together.
    pub(crate) fn total(&self) -> Result<u64, String> {
        let total = self.readers.with(|connection| {
            connection.query_row("SELECT bytes FROM total", [], |row| row.get::<_, i64>(0))
        });
        total
            .map(|total| total.max(0).cast_unsigned())
            .map_err(|error| error.to_string())
    }

    /// Removes the entries that were not used for longest, until the others have at most `bytes` together.
    pub(crate) async fn shrink(&self, bytes: u64) -> Result<(), String> {
        self.write(Change::Shrink { bytes }).await
    }

    /// Files that belong to no entry any more, some of them.
    pub(crate) fn garbage(&self) -> Result<Vec<String>, String> {
        let found = self.readers.with(|connection| {
            let mut statement = connection.prepare_cached("SELECT file FROM garbage LIMIT ?1")?;
            let rows = statement.query_map([BATCH as i64], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<Vec<String>>>()
        });
        found.map_err(|error| error.to_string())
    }

    /// These files are gone.
    pub(crate) async fn forget_garbage(&self, files: &[String]) -> Result<(), String> {
        let files = serde_json::to_string(files).map_err(|error| error.to_string())?;
        self.write(Change::ForgetGarbage { files }).await
    }

    /// Whether a file holds the body of an entry.
    pub(crate) fn is_used(&self, file: &str) -> Result<bool, String> {
        let found = self.readers.with(|connection| {
            connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM entries WHERE file = ?1)")?
                .query_row([file], |row| row.get(0))
        });
        found.map_err(|error| error.to_string())
    }

    async fn write(&self, change: Change) -> Result<(), String> {
        self.writer
            .submit(change)
            .await
            .map_err(|error| error.to_string())
    }
}

impl Drop for CacheIndex {
    fn drop(&mut self) {
        // The writer's connection is to be the last: it puts the log into the database.
        self.readers.close();
    }
}

enum Change {
    Put {
        cache: String,
        key: String,
        entry: Entry,
        headers: Vec<u8>,
        used: i64,
    },
    Remove {
        cache: String,
        key: String,
    },
    RemoveFile {
        file: String,
    },
    Touch {
        uses: String,
    },
    Sweep {
        now: u64,
    },
    Shrink {
        bytes: u64,
    },
    ForgetGarbage {
        files: String,
    },
}

impl Write for Change {
    fn apply(&self, connection: &Connection) -> rusqlite::Result<Progress> {
        match self {
            Self::Put {
                cache,
                key,
                entry,
                headers,
                used,
            } => {
                let (file, body) = match &entry.body {
                    EntryBody::Bytes(bytes) => (None, Some(&**bytes)),
                    EntryBody::File(name) => (Some(name.as_str()), None),
                };
                let size = entry.length + (key.len() + headers.len()) as u64 + OVERHEAD;
                connection
                    .prepare_cached(
                        "INSERT INTO entries (cache, key, status, headers, born, expires, used, size, length, file, body)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                         ON CONFLICT (cache, key) DO UPDATE SET
                             status = excluded.status, headers = excluded.headers, born = excluded.born,
                             expires = excluded.expires, used = excluded.used, size = excluded.size,
                             length = excluded.length, file = excluded.file, body = excluded.body",
                    )?
                    .execute(params![
                        cache,
                        key,
                        entry.status,
                        headers,
                        entry.born.cast_signed(),
                        entry.expires.cast_signed(),
                        used,
                        size.cast_signed(),
                        entry.length.cast_signed(),
                        file,
                        body
                    ])?;
            }
            Self::Remove { cache, key } => {
                connection
                    .prepare_cached("DELETE FROM entries WHERE cache = ?1 AND key = ?2")?
                    .execute([cache, key])?;
            }
            Self::RemoveFile { file } => {
                connection
                    .prepare_cached("DELETE FROM entries WHERE file = ?1")?
                    .execute([file])?;
            }
            Self::Touch { uses } => {
                connection
                    .prepare_cached(
                        "UPDATE entries SET used = max(used, uses.value ->> 1) FROM json_each(?1) AS uses
                         WHERE entries.id = uses.value ->> 0",
                    )?
                    .execute([uses])?;
            }
            Self::Sweep { now } => {
                let removed = connection
                    .prepare_cached(
                        "DELETE FROM entries WHERE id IN
                             (SELECT id FROM entries WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
                    )?
                    .execute(params![now.cast_signed(), BATCH as i64])?;
                if removed >= BATCH {
                    return Ok(Progress::More);
                }
            }
            Self::Shrink { bytes } => {
                connection
                    .prepare_cached(
                        "DELETE FROM entries WHERE id IN (
                             SELECT id FROM
                                 (SELECT id, sum(size) OVER (ORDER BY used DESC, id DESC) AS sum FROM entries)
                             WHERE sum > ?1)",
                    )?
                    .execute([bytes.cast_signed()])?;
            }
            Self::ForgetGarbage { files } => {
                connection
                    .prepare_cached("DELETE FROM garbage WHERE file IN (SELECT value FROM json_each(?1))")?
                    .execute([files])?;
            }
        }
        Ok(Progress::Done)
    }

    fn size(&self) -> usize {
        match self {
            Self::Put { entry, headers, .. } => match &entry.body {
                EntryBody::Bytes(bytes) => bytes.len() + headers.len(),
                EntryBody::File(_) => headers.len(),
            },
            _ => 0,
        }
    }
}
