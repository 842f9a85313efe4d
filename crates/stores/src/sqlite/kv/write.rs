//! What is written to a namespace's database.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::{Connection, params};

use crate::sqlite::bodies;
use crate::sqlite::body_draft::NewBody;
use crate::sqlite::writer::{Progress, Write};

/// How many expired entries one transaction removes.
const SWEEP_ENTRIES: u32 = 500;

pub(super) enum KvWrite {
    Put {
        entry: NewEntry,
        /// Set if it took the row of a file away.
        replaced: Arc<AtomicBool>,
    },
    Delete {
        key: String,
        /// As above.
        replaced: Arc<AtomicBool>,
    },
    Sweep {
        now: u64,
        /// Set if there are files that no row names: of entries that have expired, or that could not be deleted before.
        garbage_seen: Arc<AtomicBool>,
    },
    ForgetGarbage {
        ids: Vec<i64>,
    },
}

/// An entry as it is written.
pub(super) struct NewEntry {
    pub(super) key: String,
    pub(super) expiration: Option<u64>,
    pub(super) metadata: Option<String>,
    pub(super) body: NewBody,
}

impl Write for KvWrite {
    fn apply(&self, connection: &Connection) -> rusqlite::Result<Progress> {
        match self {
            Self::Put { entry, replaced } => noting(connection, replaced, || put(connection, entry))?,
            Self::Delete { key, replaced } => noting(connection, replaced, || {
                connection
                    .prepare_cached("DELETE FROM entries WHERE key = ?1")?
                    .execute([key.as_bytes()])
                    .map(drop)
            })?,
            Self::Sweep { now, garbage_seen } => {
                let mut statement = connection.prepare_cached(
                    "DELETE FROM entries WHERE id IN
                         (SELECT id FROM entries WHERE expiration <= ?1 ORDER BY expiration LIMIT ?2)",
                )?;
                let removed = statement.execute(params![now.cast_signed(), SWEEP_ENTRIES])?;
                let has_garbage: bool = connection
                    .prepare_cached("SELECT EXISTS (SELECT 1 FROM garbage)")?
                    .query_row([], |row| row.get(0))?;
                if has_garbage {
                    garbage_seen.store(true, Ordering::Relaxed);
                }
                if removed >= SWEEP_ENTRIES as usize {
                    return Ok(Progress::More);
                }
            }
            Self::ForgetGarbage { ids } => bodies::forget(connection, ids)?,
        }
        Ok(Progress::Done)
    }

    fn size(&self) -> usize {
        match self {
            Self::Put { entry, .. } => {
                let value = match &entry.body {
                    NewBody::Bytes(value) => value.len(),
                    NewBody::File { .. } => 0,
                };
                entry.key.len() + value
            }
            Self::Delete { key, .. } => key.len(),
            Self::Sweep { .. } | Self::ForgetGarbage { .. } => 0,
        }
    }
}

/// Does a write of one row, and notes whether a trigger did more: then the row that was there before had a file.
fn noting(
    connection: &Connection,
    replaced: &AtomicBool,
    write: impl FnOnce() -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let before = connection.total_changes();
    write()?;
    // Counts what triggers change, too.
    replaced.store(connection.total_changes() - before > 1, Ordering::Relaxed);
    Ok(())
}

fn put(connection: &Connection, entry: &NewEntry) -> rusqlite::Result<()> {
    let (value, file, size) = match &entry.body {
        NewBody::Bytes(value) => (&**value, None, None),
        NewBody::File { name, length, .. } => (&[][..], Some(name), Some(length.cast_signed())),
    };
    connection
        .prepare_cached(
            "INSERT INTO entries (key, expiration, metadata, value, file, size) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (key) DO UPDATE SET
                 expiration = excluded.expiration, metadata = excluded.metadata, value = excluded.value,
                 file = excluded.file, size = excluded.size",
        )?
        .execute(params![
            entry.key.as_bytes(),
            entry.expiration.map(u64::cast_signed),
            entry.metadata,
            value,
            file,
            size
        ])
        .map(drop)
}
