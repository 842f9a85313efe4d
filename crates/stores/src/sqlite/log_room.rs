//! Room for a write-ahead log, made before it is needed.
//!
//! A log that grows has its new length written, too, with every sync: that takes half as long again. SQLite begins a log anew
//! once it is [`ROOM`] long, and overwrites it from then on; so that much is filled with zeros at first. Recovery takes them for
//! the end of the log: [the file format](https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
//!
//! What is overwritten should lie in the system's cache: a frame begins and ends within a page, and the rest of a page that is not
//! there is read first, which takes two thirds as long as the sync.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io,
    num::NonZeroU64,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use rustix::fs::Advice;

use super::database::PAGE_BYTES;

/// The length that a log has when SQLite puts it into the database, in bytes: a header and 1,000 pages with a header each.
const ROOM: u64 = 32 + 1000 * (24 + PAGE_BYTES as u64);

/// A disk with less free room than this is left alone, in bytes.
const FREE: u64 = 64 * 1024 * 1024;

/// How often the log is asked for: what nobody touches for longer than this, a system may put out of its cache.
const COOLS: Duration = Duration::from_secs(5);
/// How much it is asked for at once, in bytes. Linux does not read more of what is longer.
const ASKED: NonZeroU64 = NonZeroU64::new(128 * 1024).expect("not zero");

/// The room of a log.
pub(super) struct Room {
    log: File,
    /// When it was last asked for.
    warmed: Option<Instant>,
}

/// Makes room for the log of a connection that writes the database `path`. It does without (`None`) if that fails.
pub(super) fn reserve(connection: &Connection, path: &Path) -> Option<Room> {
    // Whoever writes to the log has this lock.
    connection.execute_batch("BEGIN IMMEDIATE").ok()?;
    let filled = fill(&log_of(path));
    let _ = connection.execute_batch("ROLLBACK");
    Some(Room {
        log: filled.ok()?,
        warmed: None,
    })
}

impl Room {
    /// The log.
    pub(super) fn log(&self) -> &File {
        &self.log
    }

    /// Has the log read into the system's cache, if it may have left it: without waiting for that, and next to nothing to do for
    /// what is there.
    pub(super) fn warm(&mut self) {
        if self.warmed.is_some_and(|warmed| warmed.elapsed() < COOLS) {
            return;
        }
        self.warmed = Some(Instant::now());
        let mut at = 0;
        while at < ROOM {
            if rustix::fs::fadvise(&self.log, at, Some(ASKED), Advice::WillNeed).is_err() {
                return;
            }
            at += ASKED.get();
        }
    }
}

fn log_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    name.into()
}

fn fill(log: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(log)?;
    let length = file.metadata()?.len();
    let disk = rustix::fs::fstatvfs(&file)?;
    if length >= ROOM || disk.f_bavail.saturating_mul(disk.f_frsize) < FREE {
        return Ok(file);
    }
    let filled = write_zeros(&file, length).and_then(|()| file.sync_data());
    if filled.is_err() {
        file.set_len(length)?;
    }
    filled.map(|()| file)
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
    use std::{fs, thread};

    use rustix::io::ReadWriteFlags;

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
        assert!(reserve(&connection, &path).is_some());
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
        assert!(reserve(&connection, &path).is_some());
        copy(&path, &lost);
        open(&lost)
            .execute("INSERT INTO t VALUES (1)", [])
            .expect("writes");
    }

    /// Whether the page at `at` is in the system's cache.
    fn is_cached(file: &File, at: u64) -> bool {
        let mut byte = [0];
        let mut buffers = [io::IoSliceMut::new(&mut byte)];
        rustix::io::preadv2(file, &mut buffers, at, ReadWriteFlags::NOWAIT).is_ok()
    }

    #[test]
    fn a_log_that_left_the_cache_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sqlite");
        let connection = open(&path);
        connection.execute_batch("CREATE TABLE t (v)").expect("writes");
        let mut room = reserve(&connection, &path).expect("has room");
        room.log.sync_all().expect("syncs");
        rustix::fs::fadvise(&room.log, 0, None, Advice::DontNeed).expect("advises");
        let last = ROOM - 1;
        if is_cached(&room.log, last) {
            return; // a file system in memory
        }
        room.warm();
        let begin = Instant::now();
        while !(is_cached(&room.log, ROOM / 2) && is_cached(&room.log, last)) {
            assert!(begin.elapsed() < Duration::from_secs(30), "it is not read");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn who_writes_is_not_disturbed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sqlite");
        let (writing, other) = (open(&path), open(&path));
        other.busy_timeout(std::time::Duration::ZERO).expect("sets it");
        writing.execute_batch("BEGIN IMMEDIATE").expect("begins");
        let before = fs::metadata(log_of(&path)).expect("a log").len();
        assert!(reserve(&other, &path).is_none());
        assert_eq!(fs::metadata(log_of(&path)).expect("a log").len(), before);
    }
}
