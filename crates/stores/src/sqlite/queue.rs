//! A queue in one SQLite database.

mod statements;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OptionalExtension, params};

use self::statements::{Removal, backlog, expire, insert, leased, message, take_lease, whole};
use super::{
    SqliteOptions,
    database::{self, Schema},
    failure::Failure,
    readers::Readers,
    writer::{Progress, Write, Writer},
};
use crate::{
    StoreError,
    queue::{
        Backlog, Expired, LeaseId, LeaseRequest, Leased, MessageName, NewMessage, QueueError, QueueState,
        QueueStore, StoreFuture, Waiting,
    },
};

/// Bodies lie apart, so that a lease doesn't write them again. The totals are kept up, since counting would take longer the
/// more messages there are: by the writer, once for all that comes or goes together. (Triggers would have each statement write
/// a journal of its own.)
pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x4973_5175, // "IsQu"
    create: "
        CREATE TABLE messages (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name BLOB NOT NULL,
            sent INTEGER NOT NULL,
            available INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            lease INTEGER,
            content_type INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            arrived INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE INDEX messages_by_availability ON messages (available, id);
        CREATE INDEX messages_by_lease ON messages (lease, available, bytes) WHERE lease IS NOT NULL;
        CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
        CREATE TABLE totals (messages INTEGER NOT NULL, bytes INTEGER NOT NULL, paused INTEGER NOT NULL, retention INTEGER) STRICT;
        INSERT INTO totals (messages, bytes, paused) VALUES (0, 0, 0);
    ",
    upgrades: &[
        // Version 1 kept messages for ever: each has its time from here on.
        "
        ALTER TABLE messages ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0;
        UPDATE messages SET arrived = 1000 * unixepoch();
        ALTER TABLE totals ADD COLUMN retention INTEGER;
        DROP TRIGGER message_comes;
        DROP TRIGGER message_goes;
        ",
    ],
};

/// How many prepared statements the writer keeps: all that it ever uses.
const STATEMENTS: usize = 32;

/// A queue in one database file.
pub struct SqliteQueue {
    readers: Arc<Readers>,
    writer: Writer<QueueWrite>,
}

impl SqliteQueue {
    /// Opens the database `path`, and makes it (and its folder) if it does not exist.
    ///
    /// # Errors
    /// It can't be opened, is no queue, or was written by a newer Isthmus.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let connection = database::open(path, &SCHEMA, options)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self {
            readers: Arc::new(Readers::new(path.to_owned())),
            writer: Writer::start(connection, path, options)?,
        })
    }

    /// How many transactions were committed since it was opened. Many writes share one.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// Submits a write and takes what it found out.
    fn write<T: Send + 'static>(&self, make: impl FnOnce(Slot<T>) -> QueueWrite) -> StoreFuture<'_, T> {
        let slot = Slot::default();
        let written = self.writer.submit(make(slot.clone()));
        Box::pin(async move {
            written.await?;
            slot.take().ok_or_else(|| Failure::Closed.into())
        })
    }

    fn read<T: Send>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        Box::pin(async move { Ok(self.readers.with(read)?) })
    }
}

impl Drop for SqliteQueue {
    fn drop(&mut self) {
        // The writer's connection is to be the last: it puts the log into the database.
        self.readers.close();
    }
}

impl QueueStore for SqliteQueue {
    fn send(&self, messages: Vec<NewMessage>, now: i64) -> StoreFuture<'_, Backlog> {
        self.write(|found| QueueWrite::Send { messages, now, found })
    }

    fn lease(&self, request: LeaseRequest) -> StoreFuture<'_, Vec<Leased>> {
        self.write(|found| QueueWrite::Lease { request, found })
    }

    fn acknowledge(&self, leases: Vec<LeaseId>) -> StoreFuture<'_, usize> {
        self.write(|found| QueueWrite::Acknowledge { leases, found })
    }

    fn remove(&self, messages: Vec<(i64, MessageName)>) -> StoreFuture<'_, Vec<bool>> {
        self.write(|found| QueueWrite::Remove { messages, found })
    }

    fn held(&self, leases: Vec<LeaseId>) -> StoreFuture<'_, Vec<Leased>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT messages.id, lease, name, sent, attempts, content_type, body
                 FROM messages JOIN bodies USING (id) WHERE messages.id = ?1 AND lease = ?2",
            )?;
            let mut held = Vec::with_capacity(leases.len());
            for id in leases {
                held.extend(
                    statement
                        .query_row(params![id.message, id.lease], message)
                        .optional()?,
                );
            }
            held.sort_by_key(|message| message.id.message);
            Ok(held)
        })
    }

    fn lease_end(&self, attempts: u32) -> StoreFuture<'_, Option<i64>> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT min(available) FROM messages INDEXED BY messages_by_lease
                     WHERE lease IS NOT NULL AND attempts >= ?1",
                )?
                .query_row([attempts], |row| row.get(0))
        })
    }

    fn retry(&self, leases: Vec<(LeaseId, i64)>) -> StoreFuture<'_, usize> {
        self.write(|found| QueueWrite::Return {
            leases,
            counts: true,
            found,
        })
    }

    fn give_back(&self, leases: Vec<(LeaseId, i64)>) -> StoreFuture<'_, usize> {
        self.write(|found| QueueWrite::Return {
            leases,
            counts: false,
            found,
        })
    }

    fn release(&self) -> StoreFuture<'_, usize> {
        self.write(|found| QueueWrite::Release { found })
    }

    fn purge(&self) -> StoreFuture<'_, u64> {
        self.write(|found| QueueWrite::Purge { found })
    }

    fn expire(&self, before: i64, limit: usize) -> StoreFuture<'_, Expired> {
        self.write(|found| QueueWrite::Expire { before, limit, found })
    }

    fn retain(&self, milliseconds: i64) -> StoreFuture<'_, ()> {
        self.write(|found| QueueWrite::Retain { milliseconds, found })
    }

    fn pause(&self, paused: bool) -> StoreFuture<'_, ()> {
        self.write(|found| QueueWrite::Pause { paused, found })
    }

    fn waiting(&self, limit: usize, now: i64) -> StoreFuture<'_, Waiting> {
        self.read(move |connection| {
            let count = connection
                .prepare_cached(
                    "SELECT count(*) FROM (SELECT 1 FROM messages WHERE available <= ?1 LIMIT ?2)",
                )?
                .query_row(params![now, limit as i64], |row| row.get::<_, i64>(0))?;
            let first = connection
                .prepare_cached("SELECT min(available) FROM messages")?
                .query_row([], |row| row.get(0))?;
            Ok(Waiting {
                count: usize::try_from(count).unwrap_or(0),
                first,
            })
        })
    }

    fn state(&self, now: i64) -> StoreFuture<'_, QueueState> {
        self.read(move |connection| {
            let leased = leased(connection, now)?;
            let (paused, retention) = connection
                .prepare_cached("SELECT paused, retention FROM totals")?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(QueueState {
                backlog: backlog(connection, leased, now)?,
                leased: leased.0.cast_unsigned(),
                paused,
                retention,
            })
        })
    }

    fn peek(&self, limit: usize) -> StoreFuture<'_, Vec<Leased>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT messages.id, coalesce(lease, 0), name, sent, attempts, content_type, body
                 FROM messages JOIN bodies USING (id) ORDER BY messages.id LIMIT ?1",
            )?;
            let rows = statement.query_map([limit as i64], message)?;
            rows.collect()
        })
    }
}

impl From<Failure> for QueueError {
    fn from(failure: Failure) -> Self {
        let status = if matches!(failure, Failure::Full) {
            507
        } else {
            500
        };
        Self::new(status, failure.to_string())
    }
}

/// Where a write leaves what it found out. It may be written twice: the last time counts.
struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Slot<T> {
    fn put(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

enum QueueWrite {
    Send {
        messages: Vec<NewMessage>,
        now: i64,
        found: Slot<Backlog>,
    },
    Lease {
        request: LeaseRequest,
        found: Slot<Vec<Leased>>,
    },
    Acknowledge {
        leases: Vec<LeaseId>,
        found: Slot<usize>,
    },
    Remove {
        messages: Vec<(i64, MessageName)>,
        found: Slot<Vec<bool>>,
    },
    Return {
        leases: Vec<(LeaseId, i64)>,
        /// Whether the attempt counts.
        counts: bool,
        found: Slot<usize>,
    },
    Release {
        found: Slot<usize>,
    },
    Expire {
        before: i64,
        limit: usize,
        found: Slot<Expired>,
    },
    Retain {
        milliseconds: i64,
        found: Slot<()>,
    },
    Purge {
        found: Slot<u64>,
    },
    Pause {
        paused: bool,
        found: Slot<()>,
    },
}

impl Write for QueueWrite {
    fn apply(&self, connection: &Connection) -> rusqlite::Result<Progress> {
        match self {
            Self::Send { messages, now, found } => {
                whole(connection, || insert(connection, messages, *now))?;
                found.put(backlog(connection, leased(connection, *now)?, *now)?);
            }
            Self::Lease { request, found } => {
                found.put(whole(connection, || take_lease(connection, *request))?);
            }
            Self::Acknowledge { leases, found } => found.put(whole(connection, || {
                let mut removal = Removal::of(connection, "id = ?1 AND lease = ?2")?;
                for id in leases {
                    removal.remove(params![id.message, id.lease])?;
                }
                removal.end(connection)
            })?),
            Self::Remove { messages, found } => found.put(whole(connection, || {
                let mut removal = Removal::of(connection, "id = ?1 AND name = ?2")?;
                let remove = |(id, name): &(i64, MessageName)| removal.remove(params![id, name]);
                let removed = messages.iter().map(remove).collect::<Result<_, _>>()?;
                removal.end(connection)?;
                Ok(removed)
            })?),
            Self::Return {
                leases,
                counts,
                found,
            } => found.put(whole(connection, || {
                let mut statement = connection.prepare_cached(
                    "UPDATE messages SET lease = NULL, available = ?3, attempts = attempts - ?4
                     WHERE id = ?1 AND lease = ?2",
                )?;
                leases.iter().try_fold(0, |count, (id, available)| {
                    let changed =
                        statement.execute(params![id.message, id.lease, available, i64::from(!counts)])?;
                    Ok(count + changed)
                })
            })?),
            Self::Release { found } => found.put(
                connection
                    .prepare_cached("UPDATE messages SET lease = NULL, available = sent WHERE lease < 0")?
                    .execute([])?,
            ),
            Self::Purge { found } => found.put(whole(connection, || {
                let removed = connection.prepare_cached("DELETE FROM messages")?.execute([])?;
                connection.prepare_cached("DELETE FROM bodies")?.execute([])?;
                connection
                    .prepare_cached("UPDATE totals SET messages = 0, bytes = 0")?
                    .execute([])?;
                Ok(removed as u64)
            })?),
            Self::Expire { before, limit, found } => {
                found.put(whole(connection, || expire(connection, *before, *limit))?)
            }
            Self::Retain { milliseconds, found } => {
                connection
                    .prepare_cached("UPDATE totals SET retention = ?1")?
                    .execute([milliseconds])?;
                found.put(());
            }
            Self::Pause { paused, found } => {
                connection
                    .prepare_cached("UPDATE totals SET paused = ?1")?
                    .execute([paused])?;
                found.put(());
            }
        }
        Ok(Progress::Done)
    }

    fn size(&self) -> usize {
        match self {
            Self::Send { messages, .. } => messages.iter().map(|message| message.body.len()).sum(),
            _ => 0,
        }
    }
}
