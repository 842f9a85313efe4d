//! Room for a write-ahead log, made before it is needed.
//!
//! A log that grows has its new length written, too, with every sync: that takes half as long again. SQLite begins a log anew
//! once it is [`ROOM`] long, and overwrites it from then on; so that much is filled with zeros at first. Recovery takes them for
//! the end of the log: [the file format](https://www.sqlite.org/fileformat2.html#the_write_ahead_log).

use std::{
    ffi::OsString,
    fs::OpenOptions,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::database::PAGE_BYTES;

/// The length that a log has when SQLite puts it into the database, in bytes: a header and 1,000 pages with a header each.
const ROOM: u64 = 32 + 1000 * (24 + PAGE_BYTES as u64);

/// A disk with less free room than this is left alone, in bytes.
const FREE: u64 = 64 * 1024 * 1024;

/// Makes room for the log of a connection that writes the database `path`. It does without if that fails.
pub(super) fn reserve(connection: &Connection, path: &Path) {
    // Whoever writes to the log has this lock.
    if connection.execute_batch("BEGIN IMMEDIATE").is_err() {
        return;
    }
    let _ = fill(&log_of(path));
    let _ = connection.execute_batch("ROLLBACK");
}

fn log_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    name.into()
}

fn fill(log: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(log)?;
    let length = file.metadata()?.len();
    let disk = rustix::fs::fstatvfs(&file)?;
    if length >= ROOM || disk.f_bavail.saturating_mul(disk.f_frsize) < FREE {
        return Ok(());
    }
    let filled = write_zeros(&file, length).and_then(|()| file.sync_data());
    if filled.is_err() {
        file.set_len(length)?;
    }
    filled
}

fn write_zeros(file: &std::fs::File, from: u64) -> io::Result<()> {
    let zeros = vec![0; 64 * 1024];
    let mut at = from;
    while at < ROOM {
        let length = usize::try_from(ROOM - at).map_or(zeros.len(), |left| left.min(zeros.len()));
        file.write_all_at(&zeros[..length], at)?;
        at += length as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn open(path: &Path) -> Connection {
        let connection = Connection::open(path).expect("opens");
        let mode: String = connection
            .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
            .expect("has a log");
        assert_eq!(mode, "wal");
        connection
    }

    fn copy(from: &Path, to: &Path) {
        fs::copy(from, to).expect("copies");
        fs::copy(log_of(from), log_of(to)).expect("copies");
    }

    #[test]
    fn a_log_with_room_is_recovered() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, lost) = (folder.path().join("a.sqlite"), folder.path().join("b.sqlite"));
        let connection = open(&path);
        connection
            .execute_batch("CREATE TABLE t (v); INSERT INTO t VALUES (1)")
            .expect("writes");
        reserve(&connection, &path);
        assert_eq!(fs::metadata(log_of(&path)).expect("a log").len(), ROOM);
        copy(&path, &lost);
        let count = |connection: &Connection| -> i64 {
            connection
                .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
                .expect("reads")
        };
        assert_eq!(count(&open(&lost)), 1);
        // Through the end of the room, and from its beginning again.
        for _ in 0..3000 {
            connection
                .execute("INSERT INTO t VALUES (2)", [])
                .expect("writes");
        }
        copy(&path, &lost);
        assert_eq!(count(&open(&lost)), 3001);
        assert!(fs::metadata(log_of(&path)).expect("a log").len() <= ROOM + 4120 * 8);
    }

    #[test]
    fn a_log_of_nothing_but_room_is_empty() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, lost) = (folder.path().join("a.sqlite"), folder.path().join("b.sqlite"));
        let connection = open(&path);
        connection.execute_batch("CREATE TABLE t (v)").expect("writes");
        connection
            .pragma_update_and_check(None, "wal_checkpoint", "truncate", |_| Ok(()))
            .expect("empties the log");
        assert_eq!(fs::metadata(log_of(&path)).expect("a log").len(), 0);
        reserve(&connection, &path);
        copy(&path, &lost);
        open(&lost)
            .execute("INSERT INTO t VALUES (1)", [])
            .expect("writes");
    }

    #[test]
    fn who_writes_is_not_disturbed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sqlite");
        let (writing, other) = (open(&path), open(&path));
        other.busy_timeout(std::time::Duration::ZERO).expect("sets it");
        writing.execute_batch("BEGIN IMMEDIATE").expect("begins");
        let before = fs::metadata(log_of(&path)).expect("a log").len();
        reserve(&other, &path);
        assert_eq!(fs::metadata(log_of(&path)).expect("a log").len(), before);
    }
}
