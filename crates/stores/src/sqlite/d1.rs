//! A D1 database in one SQLite database.
//!
//! Statements that only read run on connections of their own, which never wait for the writer: the short ones at once,
//! the others on a blocking thread. All else goes to the writing thread, where the requests of several callers share a
//! transaction, each in a savepoint of its own. Who lets nobody know of an answer before it is durable gets it before it is
//! ([`super::ahead`]).
//!
//! | file | what |
//! |---|---|
//! | `connection` | limits, authorizer, time |
//! | `policy` | what the authorizer allows |
//! | `run` | statements in, results out |
//! | `failure` | errors in upstream's words |

use std::{
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use rusqlite::{Connection, ffi};
use tokio::sync::Semaphore;

use super::{
    SqliteOptions,
    database::{self, Schema},
    failure::Failure,
    writer::{Progress, Write, Writer},
};
use crate::{
    StoreError, SyncPoint,
    d1::{D1Answer, D1Error, D1Future, D1Request, D1Store, Piece, pieces},
    sync_point::History,
};

mod connection;
mod failure;
mod policy;
mod run;

use connection::{Guard, Patience};
use run::{Runner, Stopped};

/// All tables are the user's.
pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x4973_4431, // "IsD1"
    create: "",
    upgrades: &[],
};

/// The largest database, in bytes.
const MAX_BYTES: u64 = 10_000_000_000;

/// Connections for reading that are kept; more are opened when needed.
const KEPT_READERS: usize = 4;
/// Long reads that may run at once.
const LONG_READS: usize = 8;

/// A database in one file.
pub struct SqliteD1 {
    shared: Arc<Shared>,
    writer: Writer<D1Write>,
    history: Arc<History>,
    writer_guard: Arc<Guard>,
    long_reads: Semaphore,
    /// The first parts of all bookmarks: when it was opened, and which opening that was.
    opened_ms: u64,
    opening: u128,
}

/// What threads that run statements share.
struct Shared {
    path: PathBuf,
    statement_time: Duration,
    last_row_id: AtomicI64,
    /// Reads depend on what was said to the connection that writes.
    writer_only: AtomicBool,
    /// The database is dropped: nobody waits for what still runs.
    closing: Arc<AtomicBool>,
    idle: Mutex<Vec<Reader>>,
}

struct Reader {
    connection: Connection,
    guard: Arc<Guard>,
}

impl SqliteD1 {
    /// Opens the database `path`, and makes it (and its folder) if it does not exist. No statement runs for longer than
    /// `statement_time`. `now_ms` is the time in milliseconds since the epoch.
    ///
    /// # Errors
    /// It can't be opened, is no D1 database, or was written by a newer Isthmus.
    pub fn open(
        path: &Path,
        options: SqliteOptions,
        statement_time: Duration,
        now_ms: u64,
    ) -> Result<Self, StoreError> {
        let options = SqliteOptions {
            max_bytes: Some(options.max_bytes.map_or(MAX_BYTES, |bytes| bytes.min(MAX_BYTES))),
            ..options
        };
        let mut connection = database::open(path, &SCHEMA, options)?;
        let closing = Arc::default();
        let writer_guard =
            connection::secure_writer(&mut connection, &closing).map_err(|error| StoreError::Open {
                path: path.to_owned(),
                reason: Failure::from(error).to_string(),
            })?;
        let history = Arc::new(History::of(format!("the D1 database {}", path.display())));
        let random = || u128::from(RandomState::new().hash_one(path));
        Ok(Self {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                statement_time,
                last_row_id: AtomicI64::new(0),
                writer_only: AtomicBool::new(false),
                closing,
                idle: Mutex::default(),
            }),
            writer: Writer::start_with(connection, path, options, Some(Arc::clone(&history)))?,
            history,
            writer_guard,
            long_reads: Semaphore::new(LONG_READS),
            opened_ms: now_ms,
            opening: random() << 64 | random(),
        })
    }

    /// How many transactions were committed since it was opened. Many writes share one.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    fn answer(&self, request: &D1Request, results: Vec<u8>) -> D1Answer {
        D1Answer {
            results: results.into(),
            bookmark: request.bookmark.then(|| {
                let (high, low) = (self.opened_ms >> 16, self.opened_ms & 0xffff);
                format!(
                    "{high:08x}-{low:08x}-{:08x}-{:032x}",
                    self.commits(),
                    self.opening
                )
            }),
        }
    }

    async fn run_request(&self, request: D1Request) -> Result<D1Answer, D1Error> {
        if !self.shared.writer_only.load(Relaxed) {
            match self.shared.read(&request, Patience::Short) {
                Ok(results) => return Ok(self.answer(&request, results)),
                Err(Stopped::Failed(error)) => return Err(error),
                Err(Stopped::NeedsWriter) => {}
                Err(Stopped::NotShort) => return self.read_long(request).await,
            }
        }
        self.write(request).await
    }

    async fn read_long(&self, request: D1Request) -> Result<D1Answer, D1Error> {
        let failed =
            |error: &dyn std::fmt::Display| D1Error::new(format!("the database could not be read: {error}"));
        let _permit = self.long_reads.acquire().await.map_err(|error| failed(&error))?;
        let shared = Arc::clone(&self.shared);
        let asked = request.clone();
        let read =
            tokio::task::spawn_blocking(move || shared.read(&asked, Patience::Until(shared.statement_time)));
        match read.await {
            Ok(Ok(results)) => Ok(self.answer(&request, results)),
            Ok(Err(Stopped::Failed(error))) => Err(error),
            // A table may have become a view with a function of the writer's.
            Ok(Err(Stopped::NeedsWriter | Stopped::NotShort)) => self.write(request).await,
            Err(error) => Err(failed(&error)),
        }
    }

    async fn write(&self, request: D1Request) -> Result<D1Answer, D1Error> {
        let outcome = Arc::new(Mutex::new(None));
        let write = D1Write {
            request: request.clone(),
            shared: Arc::clone(&self.shared),
            guard: Arc::clone(&self.writer_guard),
            outcome: Arc::clone(&outcome),
            took_too_long: AtomicBool::new(false),
        };
        let written = if request.ahead {
            self.writer.submit_ahead(write).await
        } else {
            self.writer.submit(write).await
        };
        let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (written, outcome) {
            (_, Some(Err(error))) => Err(error),
            (Ok(()), Some(Ok(results))) => Ok(self.answer(&request, results)),
            (Ok(()), None) => Err(failure::of_commit(&Failure::Closed, &self.shared.path)),
            (Err(error), _) => Err(failure::of_commit(&error, &self.shared.path)),
        }
    }
}

impl Drop for SqliteD1 {
    fn drop(&mut self) {
        self.shared.closing.store(true, Relaxed);
        // The writer's connection is to be the last: it puts the log into the database.
        self.shared.lock().clear();
    }
}

impl D1Store for SqliteD1 {
    fn run(&self, request: D1Request) -> D1Future<'_, D1Answer> {
        Box::pin(self.run_request(request))
    }

    fn unsettled(&self) -> Option<SyncPoint> {
        self.history.unsettled()
    }

    fn has(&self, point: &SyncPoint) -> bool {
        point.is_of(&self.history)
    }
}

impl Shared {
    /// Runs statements that only read, all on one state of the database.
    fn read(&self, request: &D1Request, patience: Patience) -> Result<Vec<u8>, Stopped> {
        let statements = request
            .statements()
            .map_err(|malformed| Stopped::Failed(D1Error::new(malformed.to_string())))?;
        // `WITH` may begin a write as well, which is found when it is compiled.
        let may_read = |piece: &Piece<'_>| piece.begins_with(&["select", "with", "values", "explain"]);
        if !statements
            .iter()
            .all(|statement| pieces(statement.sql).iter().all(may_read))
        {
            return Err(Stopped::NeedsWriter);
        }
        let idle = self.lock().pop();
        let failed = |error: rusqlite::Error| Stopped::Failed(failure::of_statement(&error, &self.path));
        let reader = match idle {
            Some(reader) => reader,
            None => {
                let (connection, guard) = connection::reader(&self.path, &self.closing).map_err(failed)?;
                Reader { connection, guard }
            }
        };
        let connection = &reader.connection;
        connection
            .prepare_cached("BEGIN")
            .and_then(|mut begin| begin.execute([]))
            .map_err(failed)?;
        let runner = self.runner(connection, &reader.guard, patience, true);
        let results = runner.run_all(&statements);
        // A connection that can't end its transaction isn't used again.
        connection
            .prepare_cached("COMMIT")
            .and_then(|mut commit| commit.execute([]))
            .map_err(failed)?;
        let mut idle = self.lock();
        if idle.len() < KEPT_READERS {
            idle.push(reader);
        }
        results
    }

    fn runner<'a>(
        &'a self,
        connection: &'a Connection,
        guard: &'a Guard,
        patience: Patience,
        is_reader: bool,
    ) -> Runner<'a> {
        Runner {
            connection,
            guard,
            patience,
            last_row_id: &self.last_row_id,
            path: &self.path,
            is_reader,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What statements came to, unless their transaction comes to nothing.
type Outcome = Result<Vec<u8>, D1Error>;

/// The statements of one request.
struct D1Write {
    request: D1Request,
    shared: Arc<Shared>,
    guard: Arc<Guard>,
    /// What came of them; it counts once the transaction is committed.
    outcome: Arc<Mutex<Option<Outcome>>>,
    /// A statement took all the time there is, which undid the transaction: it gets that time only once.
    took_too_long: AtomicBool,
}

impl D1Write {
    fn run(&self, connection: &Connection) -> rusqlite::Result<Outcome> {
        let ours = |sql| connection.prepare_cached(sql)?.execute([]).map(drop);
        let statements = match self.request.statements() {
            Ok(statements) => statements,
            Err(malformed) => return Ok(Err(D1Error::new(malformed.to_string()))),
        };
        ours("SAVEPOINT request")?;
        let patience = Patience::Until(self.shared.statement_time);
        let runner = self.shared.runner(connection, &self.guard, patience, false);
        let results = runner.run_all(&statements);
        if self.guard.is_sticky() {
            self.shared.writer_only.store(true, Relaxed);
        }
        match results {
            Ok(results) => {
                ours("RELEASE request")?;
                Ok(Ok(results))
            }
            Err(stopped) => {
                self.took_too_long.store(self.guard.interrupted(), Relaxed);
                if !connection.is_autocommit() {
                    ours("ROLLBACK TO request")?;
                    ours("RELEASE request")?;
                }
                Ok(Err(match stopped {
                    Stopped::Failed(error) => error,
                    Stopped::NeedsWriter | Stopped::NotShort => D1Error::new("the statement can't be run"),
                }))
            }
        }
    }
}

impl Write for D1Write {
    fn apply(&self, connection: &Connection) -> rusqlite::Result<Progress> {
        if self.took_too_long.load(Relaxed) {
            return Ok(Progress::Done);
        }
        let outcome = self.run(connection)?;
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        if connection.is_autocommit() {
            // It undid the whole transaction, so the others in it must be done again.
            return Err(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_ABORT),
                None,
            ));
        }
        Ok(Progress::Done)
    }

    fn size(&self) -> usize {
        self.request.size()
    }
}
