//! Transactions that are answered before they are durable.
//!
//! Such a transaction is committed without a sync; a thread of its own syncs the log after it, once for all that were committed
//! until then, while the next ones are made ([`Schedule`](crate::sync_schedule::Schedule)). Should that fail, nobody knows what of the log is on disk, nor would a later sync
//! tell ([why](https://wiki.postgresql.org/wiki/Fsync_Errors)). So nothing is written after it before the whole log was put into
//! the database, and that was synced.

use std::{
    cell::Cell,
    fs::File,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, ffi};

use crate::sync_point::History;

/// What the writing thread has for it.
pub(super) struct Ahead {
    history: Arc<History>,
    /// `None` only while dropped.
    thread: Option<JoinHandle<()>>,
    /// Whether a commit of the connection syncs.
    commits_sync: Cell<bool>,
}

impl Ahead {
    /// For a connection whose commits sync its log, which is `log`.
    pub(super) fn start(history: &Arc<History>, log: File) -> io::Result<Self> {
        let syncing = Arc::clone(history);
        let thread = thread::Builder::new()
            .name("sqlite-sync".to_owned())
            .spawn(move || sync_all(&syncing, &log))?;
        Ok(Self {
            history: Arc::clone(history),
            thread: Some(thread),
            commits_sync: Cell::new(true),
        })
    }

    /// To be called before a transaction begins; `ahead` says that it need not be durable when it is committed.
    pub(super) fn prepare(&self, connection: &Connection, ahead: bool) -> rusqlite::Result<()> {
        self.mend(connection)?;
        if self.commits_sync.get() == ahead {
            let synchronous = if ahead { "normal" } else { "full" };
            connection.pragma_update(None, "synchronous", synchronous)?;
            self.commits_sync.set(!ahead);
        }
        Ok(())
    }

    /// Whether somebody waits for what is committed. The next writes then may as well: to answer several requests ahead that
    /// each wait in the end takes more work than to have them share a commit.
    pub(super) fn is_awaited(&self) -> bool {
        self.history.schedule().asked() > self.history.reached()
    }

    /// To be called before it is committed.
    pub(super) fn commit(&self) -> Turn<'_> {
        Turn {
            ahead: self,
            number: self.history.begin(),
            is_committed: false,
        }
    }

    /// If a sync has failed: puts the log into the database, so that the next transaction begins it anew.
    fn mend(&self, connection: &Connection) -> rusqlite::Result<()> {
        if !self.history.is_broken() {
            return Ok(());
        }
        let is_busy = connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get(0))?;
        if is_busy {
            let busy = ffi::Error::new(ffi::SQLITE_BUSY);
            return Err(rusqlite::Error::SqliteFailure(busy, None));
        }
        self.history.mend();
        Ok(())
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.history.schedule().close();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// A transaction that is being committed. Dropped, it came to nothing.
pub(super) struct Turn<'a> {
    ahead: &'a Ahead,
    number: u64,
    is_committed: bool,
}

impl Turn<'_> {
    /// It is committed. An error says that nobody knows whether it is durable, though it was to be.
    pub(super) fn committed(mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.is_committed = true;
        if self.ahead.commits_sync.get() {
            // The sync of another may have failed meanwhile, and what it was to sync lies before this in the log.
            self.ahead.mend(connection)?;
        }
        Ok(())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Ahead {
            history,
            commits_sync,
            ..
        } = self.ahead;
        // A commit that syncs does so for all that were made before it.
        let is_durable = if self.is_committed {
            commits_sync.get()
        } else {
            history.reached() + 1 == self.number
        };
        if is_durable {
            history.schedule().skip(self.number);
            history.reach(self.number);
        } else {
            history.schedule().commit(self.number);
        }
    }
}

/// Syncs until the end of the schedule.
fn sync_all(history: &History, log: &File) {
    while let Some(number) = history.schedule().next() {
        match log.sync_data() {
            Ok(()) => history.reach(number),
            Err(error) => history.break_off(&error),
        }
    }
}
