//! What is read of a namespace's database.

use bytes::Bytes;
use rusqlite::{Connection, MAIN_DB, OptionalExtension, Row, params};

use crate::kv::{KvKey, KvPage, KvRange};
use crate::sqlite::bodies::NamedBody;
use crate::sqlite::large;

/// Values up to this many bytes are read where they are asked for; larger ones on a blocking thread.
const SMALL_VALUE: i64 = 64 * 1024;

/// An entry that may have expired.
pub(super) struct Entry {
    pub(super) expiration: Option<u64>,
    pub(super) metadata: Option<String>,
    pub(super) content: Content,
}

/// Where the bytes of a value are.
pub(super) enum Content {
    Bytes(Bytes),
    File {
        name: String,
        /// In bytes.
        size: u64,
    },
}

impl Entry {
    pub(super) fn is_over(&self, now: u64) -> bool {
        self.expiration.is_some_and(|second| second <= now)
    }

    fn length(&self) -> u64 {
        match &self.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File { size, .. } => *size,
        }
    }
}

pub(super) enum Found {
    Nothing,
    Entry(Entry),
    /// There is one, whose value is in the database and too long.
    Large,
}

/// A row of expiration, metadata, file, size and, unless it is too long, value.
fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let content = match row.get(2)? {
        Some(name) => Content::File {
            name,
            size: row.get::<_, i64>(3)?.cast_unsigned(),
        },
        None => match row.get_ref(4)?.as_blob_or_null()? {
            Some(value) => Content::Bytes(Bytes::copy_from_slice(value)),
            None => return Ok(Found::Large),
        },
    };
    entry(row, content).map(Found::Entry)
}

fn entry(row: &Row<'_>, content: Content) -> rusqlite::Result<Entry> {
    Ok(Entry {
        expiration: row.get::<_, Option<i64>>(0)?.map(i64::cast_unsigned),
        metadata: row.get(1)?,
        content,
    })
}

pub(super) fn small(connection: &Connection, key: &str) -> rusqlite::Result<Found> {
    let mut statement = connection.prepare_cached(
        "SELECT expiration, metadata, file, size, iif(length(value) <= ?2, value, NULL) FROM entries WHERE key = ?1",
    )?;
    let read = statement.query_row(params![key.as_bytes(), SMALL_VALUE], found);
    Ok(read.optional()?.unwrap_or(Found::Nothing))
}

/// Reads an entry, however long its value is: that is read from the database's file to where it stays; SQLite would have it in
/// memory of its own before.
pub(super) fn whole(connection: &Connection, key: &str) -> rusqlite::Result<Option<Entry>> {
    // All from one state.
    let transaction = connection.unchecked_transaction()?;
    let read = transaction
        .prepare_cached("SELECT expiration, metadata, file, size, NULL, id FROM entries WHERE key = ?1")?
        .query_row([key.as_bytes()], |row| {
            let id = row.get(5)?;
            Ok(match found(row)? {
                Found::Entry(entry) => (id, entry),
                Found::Nothing | Found::Large => (id, entry(row, Content::Bytes(Bytes::new()))?),
            })
        })
        .optional()?;
    let Some((id, mut entry)) = read else {
        return Ok(None);
    };
    if let Content::Bytes(value) = &mut entry.content {
        let blob = transaction.blob_open(MAIN_DB, "entries", "value", id, true)?;
        *value = large::filled(blob.len(), |memory| blob.read_at_exact(memory, 0))?;
    }
    Ok(Some(entry))
}

/// Reads entries in one transaction, so from one state; stops where their values get longer than `most` bytes.
pub(super) fn many(
    connection: &Connection,
    keys: &[String],
    most: u64,
    now: u64,
) -> rusqlite::Result<Option<Vec<Option<Entry>>>> {
    let transaction = connection.unchecked_transaction()?;
    let mut statement = transaction.prepare_cached(
        "SELECT expiration, metadata, file, size, iif(length(value) <= ?2, value, NULL) FROM entries
         WHERE key = ?1 AND (expiration IS NULL OR expiration > ?3)",
    )?;
    let mut left = most;
    let mut entries = Vec::with_capacity(keys.len());
    for key in keys {
        let parameters = params![key.as_bytes(), left.cast_signed(), now.cast_signed()];
        let read = statement.query_row(parameters, found).optional()?;
        entries.push(match read.unwrap_or(Found::Nothing) {
            Found::Nothing => None,
            Found::Entry(entry) if entry.length() <= left => {
                left -= entry.length();
                Some(entry)
            }
            Found::Entry(_) | Found::Large => return Ok(None),
        });
    }
    Ok(Some(entries))
}

/// Whether a row names a file.
pub(super) fn is_used(connection: &Connection, file: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM entries WHERE file = ?1)")?
        .query_row([file], |row| row.get(0))
}

/// All files that rows name.
pub(in crate::sqlite) fn bodies_named_by(connection: &Connection) -> rusqlite::Result<Vec<NamedBody>> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < 2 {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare("SELECT file, size, key FROM entries WHERE file IS NOT NULL")?;
    let rows = statement.query_map([], NamedBody::of_row)?;
    rows.collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A half-open range of keys as bytes.
pub(super) struct Bounds {
    from: Vec<u8>,
    below: Vec<u8>,
}

impl Bounds {
    pub(super) fn of(range: KvRange<'_>) -> Self {
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

pub(super) fn page(
    connection: &Connection,
    bounds: &Bounds,
    limit: usize,
    now: u64,
) -> rusqlite::Result<KvPage> {
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
            name: text(row.get_ref(0)?.as_blob()?),
            expiration: row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned),
            metadata: row.get(2)?,
        });
    }
    Ok(KvPage { keys, complete: true })
}
