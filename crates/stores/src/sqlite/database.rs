//! Opens database files: what every one of ours has in common.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{SqliteOptions, failure::Failure};
use crate::{Durability, StoreError};

/// The size of a page of every database of ours, in bytes.
pub(super) const PAGE_BYTES: u32 = 4096;

/// How long to wait for another process before giving up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A kind of database.
pub(super) struct Schema {
    /// Marks files of this kind (`PRAGMA application_id`).
    pub(super) application_id: i64,
    /// The version that [`Self::create`] makes (`PRAGMA user_version`).
    pub(super) version: i64,
    /// The statements for an empty file.
    pub(super) create: &'static str,
}

/// Opens a file for writing and makes it if it does not exist.
pub(super) fn open(path: &Path, schema: &Schema, options: SqliteOptions) -> Result<Connection, StoreError> {
    create_folder(path.parent().unwrap_or(Path::new(".")))?;
    let failed = |error: rusqlite::Error| StoreError::Open {
        path: path.to_owned(),
        reason: Failure::from(error).to_string(),
    };
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE).map_err(failed)?;
    // Before anything is changed: the file may belong to somebody else.
    check_kind(&connection, path, schema)?;
    if configure(&connection, options).map_err(failed)? != "wal" {
        return Err(StoreError::Open {
            path: path.to_owned(),
            reason: "its file system allows no write-ahead log".to_owned(),
        });
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    // Again, since another process may have been quicker.
    if check_kind(&transaction, path, schema)? == Kind::Empty {
        transaction.execute_batch(schema.create).map_err(failed)?;
        transaction
            .pragma_update(None, "application_id", schema.application_id)
            .map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", schema.version)
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)?;
    Ok(connection)
}

/// Opens a file that exists, for reading only.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    // Not SQLITE_OPEN_READ_ONLY: a reader of a WAL must be able to write the shared index.
    let connection = connect(path, OpenFlags::empty())?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

fn create_folder(folder: &Path) -> Result<(), StoreError> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.is_dir())
        .collect();
    // A folder is durable once its parent is.
    let parents = missing.iter().filter_map(|path| path.parent());
    let parents = parents.map(|parent| {
        if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        }
    });
    fs::create_dir_all(folder)
        .and_then(|()| parents.rev().try_for_each(sync_folder))
        .map_err(|source| StoreError::CreateFolder {
            path: PathBuf::from(folder),
            source,
        })
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

#[derive(PartialEq, Eq)]
enum Kind {
    Empty,
    Ours,
}

fn check_kind(connection: &Connection, path: &Path, schema: &Schema) -> Result<Kind, StoreError> {
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        let application_id = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let objects = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((application_id, version, objects))
    };
    match read() {
        Ok((0, 0, 0)) => Ok(Kind::Empty),
        Ok((id, _, _)) if id != schema.application_id => Err(StoreError::Foreign {
            path: path.to_owned(),
        }),
        Ok((_, found, _)) if found > schema.version => Err(StoreError::NewerSchema {
            path: path.to_owned(),
            found,
            known: schema.version,
        }),
        Ok(_) => Ok(Kind::Ours),
        Err(error) => Err(StoreError::Open {
            path: path.to_owned(),
            reason: Failure::from(error).to_string(),
        }),
    }
}

/// Sets what holds for this connection, and returns the journal mode, which may not be what was asked for.
fn configure(connection: &Connection, options: SqliteOptions) -> rusqlite::Result<String> {
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    let mode = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    let synchronous = match options.durability {
        Durability::Full => "full",
        // The log is written but not synchronised: safe from the end of processes, and never inconsistent.
        Durability::Process => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // Where the system distinguishes them (macOS): the disk's own cache, too.
    connection.pragma_update(None, "fullfsync", options.durability == Durability::Full)?;
    // A log that one large write made long gives its room back.
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    if let Some(bytes) = options.max_bytes {
        connection.pragma_update(
            None,
            "max_page_count",
            i64::try_from(bytes / u64::from(PAGE_BYTES))
                .unwrap_or(i64::MAX)
                .max(1),
        )?;
    }
    Ok(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: Schema = Schema {
        application_id: 7,
        version: 1,
        create: "CREATE TABLE t (x INTEGER) STRICT",
    };

    #[test]
    fn a_commit_is_synchronised_unless_that_is_relaxed() {
        let folder = tempfile::TempDir::new().expect("a folder");
        for (durability, expected) in [(Durability::Full, 2), (Durability::Process, 1)] {
            let options = SqliteOptions {
                durability,
                max_bytes: None,
            };
            let path = folder.path().join(format!("a/b/{durability:?}.sqlite"));
            let connection = open(&path, &SCHEMA, options).expect("opens");
            let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            assert_eq!(pragma("synchronous").expect("reads"), expected);
            assert_eq!(pragma("application_id").expect("reads"), 7);
            assert_eq!(pragma("user_version").expect("reads"), 1);
            let reader = open_reader(&path).expect("opens");
            reader
                .execute_batch("INSERT INTO t VALUES (1)")
                .expect_err("a reader can't write");
        }
    }
}
