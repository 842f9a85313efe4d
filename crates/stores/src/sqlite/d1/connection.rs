//! A connection that runs a user's SQL: with the platform's limits, its authorizer, and an eye on the time.
//!
//! The same connection also runs statements of ours (transactions, the size of the file). [`Guard::watch`] tells them
//! apart: rules hold while a user's statement is compiled and run, since SQLite may compile it again while it runs.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rusqlite::{
    Connection,
    config::DbConfig,
    hooks::{Action, AuthContext, Authorization},
    limits::Limit,
};

use super::policy::{self, Verdict};
use crate::sqlite::database;

/// The longest text, blob or row, in bytes: the documented two megabytes, with the room that upstream leaves.
const MAX_VALUE_BYTES: i32 = 2_200_000;
/// The longest statement, in bytes.
const MAX_SQL_BYTES: i32 = 100_000;

/// Compiled statements that a connection keeps.
const KEPT_STATEMENTS: usize = 100;

/// How many instructions of SQLite's machine run between two looks at the clock. One may be a search in a long text, so
/// there must not be many.
const STEPS_PER_LOOK: i32 = 100;
/// After so many looks, or so long, a read isn't short any more: it goes on elsewhere.
const SHORT_LOOKS: i64 = 200;
const SHORT_TIME: Duration = Duration::from_millis(2);

/// For how long a statement may run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// About a millisecond.
    Short,
    /// This time.
    Until(Duration),
}

/// What a connection's hooks know, and what they found out.
#[derive(Debug)]
pub(super) struct Guard {
    /// Whether the statement is a user's.
    user: AtomicBool,
    /// Whether only the writer may run what needs its connection.
    reader: bool,
    /// Nobody waits for the database any more.
    closing: Arc<AtomicBool>,
    start: Instant,
    /// When a statement is to end, in nanoseconds since `start`.
    deadline: AtomicU64,
    looks_left: AtomicI64,
    transaction: AtomicBool,
    writer_wanted: AtomicBool,
    sticky: AtomicBool,
    interrupted: AtomicBool,
    /// Tables and how many rows were inserted into each.
    inserted: Mutex<Vec<(String, u64)>>,
}

impl Guard {
    fn new(reader: bool, closing: Arc<AtomicBool>) -> Self {
        Self {
            user: AtomicBool::new(false),
            reader,
            closing,
            start: Instant::now(),
            deadline: AtomicU64::new(0),
            looks_left: AtomicI64::new(0),
            transaction: AtomicBool::new(false),
            writer_wanted: AtomicBool::new(false),
            sticky: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            inserted: Mutex::default(),
        }
    }

    /// The rules hold until the watch is dropped.
    pub(super) fn watch(&self, patience: Patience) -> Watch<'_> {
        let (looks, time) = match patience {
            Patience::Short => (SHORT_LOOKS, SHORT_TIME),
            Patience::Until(time) => (i64::MAX, time),
        };
        let deadline = self.start.elapsed().saturating_add(time).as_nanos();
        self.deadline
            .store(deadline.try_into().unwrap_or(u64::MAX), Relaxed);
        self.looks_left.store(looks, Relaxed);
        for flag in [&self.transaction, &self.writer_wanted, &self.interrupted] {
            flag.store(false, Relaxed);
        }
        self.user.store(true, Relaxed);
        Watch(self)
    }

    /// Whether the last statement was refused since it begins or ends a transaction.
    pub(super) fn refused_transaction(&self) -> bool {
        self.transaction.load(Relaxed)
    }

    /// Whether the last statement needs the connection that writes.
    pub(super) fn wants_writer(&self) -> bool {
        self.writer_wanted.load(Relaxed)
    }

    /// Whether the last statement ran for too long.
    pub(super) fn interrupted(&self) -> bool {
        self.interrupted.load(Relaxed)
    }

    /// Whether a statement has changed how reads of this connection work.
    pub(super) fn is_sticky(&self) -> bool {
        self.sticky.load(Relaxed)
    }

    /// Takes what was inserted since it was last asked.
    pub(super) fn take_inserted(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut *self.inserted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn judge(&self, context: &AuthContext<'_>) -> Authorization {
        if !self.user.load(Relaxed) {
            return Authorization::Allow;
        }
        match policy::judge(context) {
            Verdict::Allowed => Authorization::Allow,
            Verdict::Refused => Authorization::Deny,
            Verdict::Transaction => {
                self.transaction.store(true, Relaxed);
                Authorization::Deny
            }
            Verdict::WriterOnly | Verdict::Sticky if self.reader => {
                self.writer_wanted.store(true, Relaxed);
                Authorization::Deny
            }
            Verdict::WriterOnly => Authorization::Allow,
            Verdict::Sticky => {
                self.sticky.store(true, Relaxed);
                Authorization::Allow
            }
        }
    }

    /// Whether a statement is to end now.
    fn look(&self) -> bool {
        if !self.user.load(Relaxed) {
            return false;
        }
        let over = self.closing.load(Relaxed)
            || self.looks_left.fetch_sub(1, Relaxed) <= 0
            || self.start.elapsed().as_nanos() >= u128::from(self.deadline.load(Relaxed));
        if over {
            self.interrupted.store(true, Relaxed);
        }
        over
    }

    fn count(&self, table: &str) {
        let mut inserted = self.inserted.lock().unwrap_or_else(PoisonError::into_inner);
        match inserted.iter_mut().find(|(name, _)| name == table) {
            Some((_, rows)) => *rows += 1,
            None => inserted.push((table.to_owned(), 1)),
        }
    }
}

/// While it lives, a user's statement is compiled and run.
pub(super) struct Watch<'a>(&'a Guard);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.user.store(false, Relaxed);
    }
}

/// Opens a file that exists, for reading. Once `closing` is set, its statements end.
pub(super) fn reader(path: &Path, closing: &Arc<AtomicBool>) -> rusqlite::Result<(Connection, Arc<Guard>)> {
    let mut connection = database::open_reader(path)?;
    let guard = secure(&mut connection, true, closing)?;
    Ok((connection, guard))
}

/// Sets up the connection that writes, likewise.
pub(super) fn secure_writer(
    connection: &mut Connection,
    closing: &Arc<AtomicBool>,
) -> rusqlite::Result<Arc<Guard>> {
    let guard = secure(connection, false, closing)?;
    let counting = Arc::clone(&guard);
    connection.update_hook(Some(move |action: Action, _: &str, table: &str, _: i64| {
        if action == Action::SQLITE_INSERT {
            counting.count(table);
        }
    }))?;
    Ok(guard)
}

fn secure(
    connection: &mut Connection,
    is_reader: bool,
    closing: &Arc<AtomicBool>,
) -> rusqlite::Result<Arc<Guard>> {
    // First, since our own pragmas are as restricted as others' afterwards.
    connection.pragma_update(None, "foreign_keys", true)?;
    // No file is made for what is sorted or grouped.
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL_BYTES),
        (Limit::SQLITE_LIMIT_COLUMN, 100),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, value)?;
    }
    connection.set_prepared_statement_cache_capacity(KEPT_STATEMENTS);
    let guard = Arc::new(Guard::new(is_reader, Arc::clone(closing)));
    let judging = Arc::clone(&guard);
    connection.authorizer(Some(move |context: AuthContext<'_>| judging.judge(&context)))?;
    let looking = Arc::clone(&guard);
    connection.progress_handler(STEPS_PER_LOOK, Some(move || looking.look()))?;
    Ok(guard)
}
