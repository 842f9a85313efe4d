//! The statements of a queue: parts of a write, and what readers ask too.

use bytes::Bytes;
use isthmus_protocol::queue::ContentType;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, ToSql, params};

use crate::queue::{Backlog, Expired, LeaseId, LeaseRequest, Leased, MessageName, NewMessage};

/// Runs several statements so that either all of them hold or none, within a transaction that goes on.
pub(super) fn whole<T>(
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

/// Messages that go, one after the other, with their bodies and out of the totals.
pub(super) struct Removal<'c> {
    find: CachedStatement<'c>,
    head: CachedStatement<'c>,
    body: CachedStatement<'c>,
    count: usize,
    bytes: i64,
}

impl<'c> Removal<'c> {
    /// Of messages that a condition finds.
    pub(super) fn of(connection: &'c Connection, condition: &str) -> rusqlite::Result<Self> {
        Ok(Self {
            find: connection.prepare_cached(&format!("SELECT id, bytes FROM messages WHERE {condition}"))?,
            head: connection.prepare_cached("DELETE FROM messages WHERE id = ?1")?,
            body: connection.prepare_cached("DELETE FROM bodies WHERE id = ?1")?,
            count: 0,
            bytes: 0,
        })
    }

    /// Removes the message that is found, if any; answers whether there was one.
    pub(super) fn remove(&mut self, parameters: &[&dyn ToSql]) -> rusqlite::Result<bool> {
        let found: Option<(i64, i64)> = self
            .find
            .query_row(parameters, |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((id, bytes)) = found else {
            return Ok(false);
        };
        self.head.execute([id])?;
        self.body.execute([id])?;
        self.count += 1;
        self.bytes += bytes;
        Ok(true)
    }

    /// Sets the totals; answers how many messages went.
    pub(super) fn end(self, connection: &Connection) -> rusqlite::Result<usize> {
        if self.count > 0 {
            connection
                .prepare_cached("UPDATE totals SET messages = messages - ?1, bytes = bytes - ?2")?
                .execute(params![self.count as i64, self.bytes])?;
        }
        Ok(self.count)
    }
}

/// Removes messages that came before a moment. Clocks that were set aside, messages come in the order of their numbers.
pub(super) fn expire(connection: &Connection, before: i64, limit: usize) -> rusqlite::Result<Expired> {
    let old = connection
        .prepare_cached(
            "SELECT id FROM (SELECT id, arrived FROM messages ORDER BY id LIMIT ?2) WHERE arrived < ?1",
        )?
        .query_map(params![before, limit as i64], |row| row.get::<_, i64>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let mut removal = Removal::of(connection, "id = ?1")?;
    for id in old {
        removal.remove(params![id])?;
    }
    let oldest = connection
        .prepare_cached("SELECT arrived FROM messages ORDER BY id LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(Expired {
        count: removal.end(connection)?,
        oldest,
    })
}

pub(super) fn insert(connection: &Connection, messages: &[NewMessage], now: i64) -> rusqlite::Result<()> {
    let mut heads = connection.prepare_cached(
        "INSERT INTO messages (name, sent, available, content_type, bytes, arrived) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut bodies = connection.prepare_cached("INSERT INTO bodies (id, body) VALUES (?1, ?2)")?;
    let mut bytes = 0;
    for message in messages {
        let length = message.body.len() as i64;
        heads.execute(params![
            message.name,
            message.sent,
            message.available,
            code(message.content_type),
            length,
            now,
        ])?;
        bodies.execute(params![connection.last_insert_rowid(), &*message.body])?;
        bytes += length;
    }
    connection
        .prepare_cached("UPDATE totals SET messages = messages + ?1, bytes = bytes + ?2")?
        .execute(params![messages.len() as i64, bytes])
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

pub(super) fn take_lease(connection: &Connection, request: LeaseRequest) -> rusqlite::Result<Vec<Leased>> {
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

pub(super) fn message(row: &Row<'_>) -> rusqlite::Result<Leased> {
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
pub(super) fn leased(connection: &Connection, now: i64) -> rusqlite::Result<(i64, i64)> {
    connection
        .prepare_cached(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM messages WHERE lease IS NOT NULL AND available > ?1",
        )?
        .query_row([now], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// What isn't leased, by what is.
pub(super) fn backlog(
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
