//! A queue in one SQLite database.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use isthmus_protocol::queue::ContentType;
use rusqlite::{Connection, OptionalExtension, Row, params};

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
        Backlog, LeaseId, LeaseRequest, Leased, MessageName, NewMessage, QueueError, QueueState, QueueStore,
        StoreFuture, Waiting,
    },
};

/// Bodies lie apart, so that a lease doesn't write them again. The totals are kept by triggers: counting would take longer
/// the more messages there are.
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
            bytes INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX messages_by_availability ON messages (available, id);
        CREATE INDEX messages_by_lease ON messages (lease, available, bytes) WHERE lease IS NOT NULL;
        CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
        CREATE TABLE totals (messages INTEGER NOT NULL, bytes INTEGER NOT NULL, paused INTEGER NOT NULL) STRICT;
        INSERT INTO totals VALUES (0, 0, 0);
        CREATE TRIGGER message_comes AFTER INSERT ON messages BEGIN
            UPDATE totals SET messages = messages + 1, bytes = bytes + new.bytes;
        END;
        CREATE TRIGGER message_goes AFTER DELETE ON messages BEGIN
            UPDATE totals SET messages = messages - 1, bytes = bytes - old.bytes;
            DELETE FROM bodies WHERE id = old.id;
        END;
    ",
    upgrades: &[],
};

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
            let paused = connection
                .prepare_cached("SELECT paused FROM totals")?
                .query_row([], |row| row.get(0))?;
            Ok(QueueState {
                backlog: backlog(connection, leased, now)?,
                leased: leased.0.cast_unsigned(),
                paused,
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
                whole(connection, || {
                    messages
                        .iter()
                        .try_for_each(|message| insert(connection, message))
                })?;
                found.put(backlog(connection, leased(connection, *now)?, *now)?);
            }
            Self::Lease { request, found } => {
                found.put(whole(connection, || take_lease(connection, *request))?);
            }
            Self::Acknowledge { leases, found } => found.put(whole(connection, || {
                let mut statement =
                    connection.prepare_cached("DELETE FROM messages WHERE id = ?1 AND lease = ?2")?;
                leases.iter().try_fold(0, |count, id| {
                    Ok(count + statement.execute(params![id.message, id.lease])?)
                })
            })?),
            Self::Remove { messages, found } => found.put(whole(connection, || {
                let mut statement =
                    connection.prepare_cached("DELETE FROM messages WHERE id = ?1 AND name = ?2")?;
                messages
                    .iter()
                    .map(|(id, name)| Ok(statement.execute(params![id, name])? > 0))
                    .collect()
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
            Self::Purge { found } => {
                found.put(connection.prepare_cached("DELETE FROM messages")?.execute([])? as u64);
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

/// Runs several statements so that either all of them hold or none, within a transaction that goes on.
fn whole<T>(
    connection: &Connection,
    statements: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.prepare_cached("SAVEPOINT whole")?.execute([])?;
    let result = statements();
    // A full disk may have ended the whole transaction, and the savepoint with it.
    if result.is_err() && !connection.is_autocommit() {
        connection.prepare_cached("ROLLBACK TO whole")?.execute([])?;
    }
    if !connection.is_autocommit() {
        connection.prepare_cached("RELEASE whole")?.execute([])?;
    }
    result
}

fn insert(connection: &Connection, message: &NewMessage) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO messages (name, sent, available, content_type, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            message.name,
            message.sent,
            message.available,
            code(message.content_type),
            message.body.len() as i64
        ])?;
    connection
        .prepare_cached("INSERT INTO bodies (id, body) VALUES (?1, ?2)")?
        .execute(params![connection.last_insert_rowid(), &*message.body])
        .map(drop)
}

/// Leases the first messages of a table that are available, as far as the limits go.
macro_rules! lease_of {
    ($messages:literal) => {
        concat!(
            "UPDATE messages SET lease = ?1, available = ?2, attempts = attempts + 1 WHERE id IN (
                 SELECT id FROM (
                     SELECT id, bytes, sum(bytes) OVER (ORDER BY available, id) AS total FROM (
                         SELECT id, bytes, available FROM ",
            $messages,
            " available <= ?3 ORDER BY available, id LIMIT ?4))
                 WHERE total - bytes <= ?5)"
        )
    };
}

fn take_lease(connection: &Connection, request: LeaseRequest) -> rusqlite::Result<Vec<Leased>> {
    let LeaseRequest {
        lease,
        limit,
        bytes,
        now,
        until,
        spent,
    } = request;
    // What is leased is little beside what waits, and has an index of its own.
    let statement = if spent.is_some() {
        lease_of!("messages INDEXED BY messages_by_lease WHERE lease IS NOT NULL AND attempts >= ?6 AND")
    } else {
        lease_of!("messages WHERE ?6 IS NULL AND")
    };
    connection.prepare_cached(statement)?.execute(params![
        lease,
        until,
        now,
        limit as i64,
        bytes as i64,
        spent
    ])?;
    connection
        .prepare_cached(
            "SELECT messages.id, lease, name, sent, attempts, content_type, body
             FROM messages JOIN bodies USING (id) WHERE lease = ?1 ORDER BY messages.id",
        )?
        .query_map([lease], message)?
        .collect()
}

fn message(row: &Row<'_>) -> rusqlite::Result<Leased> {
    Ok(Leased {
        id: LeaseId {
            message: row.get(0)?,
            lease: row.get(1)?,
        },
        name: row.get::<_, MessageName>(2)?,
        sent: row.get(3)?,
        attempts: row.get(4)?,
        content_type: content_type(row.get(5)?),
        body: Bytes::copy_from_slice(row.get_ref(6)?.as_blob()?),
    })
}

/// How many messages are leased, and the length of their bodies.
fn leased(connection: &Connection, now: i64) -> rusqlite::Result<(i64, i64)> {
    connection
        .prepare_cached(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM messages WHERE lease IS NOT NULL AND available > ?1",
        )?
        .query_row([now], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// What isn't leased, by what is.
fn backlog(
    connection: &Connection,
    (leased_messages, leased_bytes): (i64, i64),
    now: i64,
) -> rusqlite::Result<Backlog> {
    let (messages, bytes): (i64, i64) = connection
        .prepare_cached("SELECT messages, bytes FROM totals")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let oldest = connection
        .prepare_cached(
            "SELECT sent FROM messages WHERE lease IS NULL OR available <= ?1 ORDER BY id LIMIT 1",
        )?
        .query_row([now], |row| row.get(0))
        .optional()?;
    Ok(Backlog {
        count: (messages - leased_messages).max(0).cast_unsigned(),
        bytes: (bytes - leased_bytes).max(0).cast_unsigned(),
        oldest,
    })
}

fn code(content_type: ContentType) -> i64 {
    match content_type {
        ContentType::Text => 0,
        ContentType::Json => 1,
        ContentType::Bytes => 2,
        ContentType::V8 => 3,
    }
}

fn content_type(code: i64) -> ContentType {
    match code {
        0 => ContentType::Text,
        1 => ContentType::Json,
        3 => ContentType::V8,
        _ => ContentType::Bytes,
    }
}
