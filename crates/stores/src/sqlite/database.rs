//! Opens database files: what every one of ours has in common.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{SqliteOptions, failure::Failure};
use crate::{Durability, StoreError, folders::sync_folder};

/// The size of a page of every database of ours, in bytes.
pub(super) const PAGE_BYTES: u32 = 4096;

/// How long to wait for another process before giving up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A kind of database.
pub(super) struct Schema {
    /// Marks files of this kind (`PRAGMA application_id`).
    pub(super) application_id: i64,
    /// The statements for an empty file; it then has the newest version.
    pub(super) create: &'static str,
    /// The statements that lead from each version (`PRAGMA user_version`) to the next, from version 1 on. They end with what
    /// [`Self::create`] makes.
    pub(super) upgrades: &'static [&'static str],
}

impl Schema {
    /// The newest version.
    pub(super) const fn version(&self) -> i64 {
        1 + self.upgrades.len().cast_signed() as i64
    }
}

/// Opens a file for writing and makes it if it does not exist. One of an older version is upgraded, or stays as it is if
/// that fails.
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
    let found = check_kind(&transaction, path, schema)?;
    match found {
        None => {
            transaction.execute_batch(schema.create).map_err(failed)?;
            transaction
                .pragma_update(None, "application_id", schema.application_id)
                .map_err(failed)?;
        }
        Some(found) => {
            for (version, upgrade) in (1..).zip(schema.upgrades).skip_while(|(from, _)| *from < found) {
                transaction
                    .execute_batch(upgrade)
                    .map_err(|error| StoreError::Open {
                        path: path.to_owned(),
                        reason: format!(
                            "it can't be upgraded from schema version {version}: {}",
                            Failure::from(error)
                        ),
                    })?;
            }
        }
    }
    if found != Some(schema.version()) {
        transaction
            .pragma_update(None, "user_version", schema.version())
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

/// The version of a file of this kind; `None` if it is empty.
fn check_kind(connection: &Connection, path: &Path, schema: &Schema) -> Result<Option<i64>, StoreError> {
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        let application_id = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let objects = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((application_id, version, objects))
    };
    match read() {
        Ok((0, 0, 0)) => Ok(None),
        Ok((id, found, _)) if id != schema.application_id || found < 1 => Err(StoreError::Foreign {
            path: path.to_owned(),
        }),
        Ok((_, found, _)) if found > schema.version() => Err(StoreError::NewerSchema {
            path: path.to_owned(),
            found,
            known: schema.version(),
        }),
        Ok((_, found, _)) => Ok(Some(found)),
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
    use super::super::{cache_index, d1, kv, queue, r2};
    use super::*;

    const SCHEMA: Schema = Schema {
        application_id: 7,
        create: "CREATE TABLE t (x INTEGER) STRICT",
        upgrades: &[],
    };

    const OPTIONS: SqliteOptions = SqliteOptions {
        durability: Durability::Process,
        max_bytes: None,
    };

    fn version(connection: &Connection) -> i64 {
        let read = connection.pragma_query_value(None, "user_version", |row| row.get(0));
        read.expect("reads")
    }

    fn definition(connection: &Connection) -> Vec<(String, Option<String>)> {
        let mut statement = connection
            .prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")
            .expect("reads");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.and_then(Iterator::collect).expect("reads")
    }

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

    #[test]
    fn an_older_file_is_upgraded_step_by_step() {
        const SECOND: Schema = Schema {
            create: "CREATE TABLE t (x INTEGER, y TEXT) STRICT",
            upgrades: &["ALTER TABLE t ADD COLUMN y TEXT"],
            ..SCHEMA
        };
        const THIRD: Schema = Schema {
            create: "CREATE TABLE u (x INTEGER, y TEXT) STRICT",
            upgrades: &[
                SECOND.upgrades[0],
                "UPDATE t SET y = 'old'; ALTER TABLE t RENAME TO u",
            ],
            ..SCHEMA
        };
        let folder = tempfile::TempDir::new().expect("a folder");
        let new = open(&folder.path().join("new"), &THIRD, OPTIONS).expect("opens");
        for (name, older, column) in [("first", &SCHEMA, "x"), ("second", &SECOND, "x")] {
            let path = folder.path().join(name);
            let made = open(&path, older, OPTIONS).expect("opens");
            let insert = format!("INSERT INTO t ({column}) VALUES (5)");
            made.execute_batch(&insert).expect("written");
            drop(made);
            for _ in 0..2 {
                let upgraded = open(&path, &THIRD, OPTIONS).expect("opens");
                let row: (i64, String) = upgraded
                    .query_row("SELECT x, y FROM u", [], |row| Ok((row.get(0)?, row.get(1)?)))
                    .expect("reads");
                assert_eq!(row, (5, "old".to_owned()));
                assert_eq!(version(&upgraded), 3);
                // But for the quotes that a renamed table gets.
                let unquoted = |definition: Vec<(String, Option<String>)>| {
                    let text = format!("{definition:?}");
                    text.replace(['\\', '"'], "")
                };
                assert_eq!(unquoted(definition(&upgraded)), unquoted(definition(&new)));
            }
            let error = open(&path, &SECOND, OPTIONS).expect_err("refused");
            assert!(error.to_string().contains("has schema version 3"), "{error}");
        }
    }

    #[test]
    fn an_upgrade_that_fails_leaves_the_file_as_it_was() {
        const BROKEN: Schema = Schema {
            upgrades: &["DELETE FROM t", "INSERT INTO missing VALUES (1)"],
            ..SCHEMA
        };
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("file");
        let made = open(&path, &SCHEMA, OPTIONS).expect("opens");
        made.execute_batch("INSERT INTO t VALUES (5)").expect("written");
        drop(made);
        let error = open(&path, &BROKEN, OPTIONS).expect_err("fails").to_string();
        assert!(
            error.contains("it can't be upgraded from schema version 2: ") && error.contains("missing"),
            "{error}"
        );
        let kept = open(&path, &SCHEMA, OPTIONS).expect("opens");
        let count: i64 = kept
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .expect("reads");
        assert_eq!((count, version(&kept)), (1, 1));
    }

    #[test]
    fn a_file_without_a_version_is_of_another_kind() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("file");
        let made = open(&path, &SCHEMA, OPTIONS).expect("opens");
        for version in [0, -3] {
            made.pragma_update(None, "user_version", version)
                .expect("written");
            let error = open(&path, &SCHEMA, OPTIONS).expect_err("refused");
            assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        }
    }

    #[test]
    fn a_file_of_every_kind_is_upgraded_where_it_lies() {
        let folder = tempfile::TempDir::new().expect("a folder");
        for kind in [
            &kv::SCHEMA,
            &d1::SCHEMA,
            &queue::SCHEMA,
            &r2::SCHEMA,
            &cache_index::SCHEMA,
        ] {
            let path = folder.path().join(kind.application_id.to_string());
            let made = open(&path, kind, OPTIONS).expect("opens");
            let before = definition(&made);
            drop(made);
            let steps = [kind.upgrades, &["CREATE TABLE later (x)"]].concat();
            let later = Schema {
                application_id: kind.application_id,
                create: kind.create,
                upgrades: steps.leak(),
            };
            let upgraded = open(&path, &later, OPTIONS).expect("upgraded");
            assert_eq!(version(&upgraded), kind.version() + 1);
            let mut after = definition(&upgraded);
            after.retain(|(name, _)| name != "later");
            assert_eq!(after, before);
            drop(upgraded);
            let error = open(&path, kind, OPTIONS).expect_err("it is newer");
            assert!(matches!(error, StoreError::NewerSchema { .. }), "{error}");
        }
    }
}
