//! The one thread that writes a database, with group commit: what waits while a transaction is made durable
//! shares the next one, unless it may be answered before it is ([`super::ahead`]). A write that fails does not
//! fail those beside it.

use std::{
    mem,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use isthmus_protocol::Patience;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    SqliteOptions,
    ahead::Ahead,
    failure::Failure,
    log_room::{self, Room},
    open,
};
use crate::{Durability, StoreError, sync_point::History};

/// A transaction takes no more writes than this …
const MAX_WRITES: usize = 1024;
/// … nor, but for the last of them, more bytes than this.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// For how long the thread looks for the next write before it sleeps, after one that didn't wait for the disk: an isolate that
/// writes one row after the other asks again after about as long, and to wake a thread takes as long as a statement.
const NEXT: Duration = Duration::from_micros(250);

/// What a write leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing.
    Done,
    /// Some: apply it again in a later transaction. Only for writes that nobody waits for.
    More,
}

/// A change of the database. It must be a single statement, so that its failure leaves nothing behind, and may be
/// applied again after a transaction that came to nothing.
pub(super) trait Write: Send + 'static {
    fn apply(&self, connection: &Connection) -> rusqlite::Result<Progress>;

    /// About how many bytes it writes.
    fn size(&self) -> usize;
}

struct Request<W> {
    write: W,
    /// It need not be durable when it is answered.
    ahead: bool,
    done: Option<oneshot::Sender<Result<(), Failure>>>,
}

/// The way to the writing thread. Dropping it waits until all that was submitted is written.
pub(super) struct Writer<W> {
    /// `None` only while dropped.
    requests: Option<Sender<Request<W>>>,
    commits: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl<W: Write> Writer<W> {
    pub(super) fn start(
        connection: Connection,
        path: &Path,
        options: SqliteOptions,
    ) -> Result<Self, StoreError> {
        Self::start_with(connection, path, options, None)
    }

    /// As [`Self::start`]; `history` tells what [`Self::submit_ahead`] wrote.
    pub(super) fn start_with(
        connection: Connection,
        path: &Path,
        options: SqliteOptions,
        history: Option<Arc<History>>,
    ) -> Result<Self, StoreError> {
        let (requests, receiver) = mpsc::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let mut group = Group {
            connection,
            commits: Arc::clone(&commits),
            room: None,
            ahead: None,
            was_ahead: false,
            patience: Patience::new(),
        };
        let open = open::Mark::new(path);
        let log_of = (options.durability == Durability::Full).then(|| path.to_owned());
        let thread = thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || {
                if let Some(path) = log_of {
                    group.room = log_room::reserve(&group.connection, &path);
                    group.ahead = group.room.as_ref().zip(history).and_then(|(room, history)| {
                        let log = room.log().try_clone().ok()?;
                        Ahead::start(&history, log).ok()
                    });
                }
                group.run(&receiver);
                // The last connection puts the log into the database.
                drop(group);
                drop(open);
            })
            .map_err(|source| StoreError::StartWriter {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            requests: Some(requests),
            commits,
            thread: Some(thread),
        })
    }

    /// Writes and waits until it is durable. It is queued when this returns, even if the future is dropped.
    pub(super) fn submit(&self, write: W) -> impl Future<Output = Result<(), Failure>> + Send + use<W> {
        self.submit_as(write, false)
    }

    /// Writes and waits until others can see it. Until when it isn't durable its history says; what follows it in the log
    /// won't be durable without it.
    pub(super) fn submit_ahead(&self, write: W) -> impl Future<Output = Result<(), Failure>> + Send + use<W> {
        self.submit_as(write, true)
    }

    fn submit_as(&self, write: W, ahead: bool) -> impl Future<Output = Result<(), Failure>> + Send + use<W> {
        let (done, answer) = oneshot::channel();
        self.send(Request {
            write,
            ahead,
            done: Some(done),
        });
        async { answer.await.unwrap_or(Err(Failure::Closed)) }
    }

    /// Writes at some time; nobody hears of a failure.
    pub(super) fn post(&self, write: W) {
        self.send(Request {
            write,
            ahead: false,
            done: None,
        });
    }

    /// How many transactions were committed.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn send(&self, request: Request<W>) {
        if let Some(requests) = &self.requests {
            // If the thread is gone, the request's `done` is dropped with it: `Closed`.
            let _ = requests.send(request);
        }
    }
}

impl<W> Drop for Writer<W> {
    fn drop(&mut self) {
        self.requests = None;
        // It may be the thread itself that lets go of the last handle, with an answer; it ends then as well.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic there was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// The thread's side.
struct Group {
    connection: Connection,
    commits: Arc<AtomicU64>,
    room: Option<Room>,
    /// `None` where every commit is to be durable, or none.
    ahead: Option<Ahead>,
    /// Whether the last batch was one of that kind: its callers were answered at once, and may ask again.
    was_ahead: bool,
    patience: Patience,
}

impl Group {
    fn run<W: Write>(&mut self, receiver: &Receiver<Request<W>>) {
        let mut batch: Vec<Request<W>> = Vec::new();
        let mut open = true;
        while open {
            if batch.is_empty() {
                match self.next(receiver) {
                    Some(request) => batch.push(request),
                    None => return,
                }
            }
            let mut bytes: usize = batch.iter().map(|request| request.write.size()).sum();
            while batch.len() < MAX_WRITES && bytes < MAX_BYTES {
                match receiver.try_recv() {
                    Ok(request) => {
                        bytes += request.write.size();
                        batch.push(request);
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        open = false;
                        break;
                    }
                }
            }
            if let Some(room) = &mut self.room {
                room.warm();
            }
            self.was_ahead = self.ahead.is_some() && batch.iter().all(|request| request.ahead);
            batch = self.write_all(mem::take(&mut batch));
        }
    }

    /// The next request, once there is one; `None` at the end.
    fn next<W>(&mut self, receiver: &Receiver<Request<W>>) -> Option<Request<W>> {
        if self.was_ahead && self.patience.is_worth_it() {
            let begin = Instant::now();
            while begin.elapsed() < NEXT {
                match receiver.try_recv() {
                    Ok(request) => {
                        self.patience.learn(true);
                        return Some(request);
                    }
                    Err(TryRecvError::Empty) => thread::yield_now(),
                    Err(TryRecvError::Disconnected) => return None,
                }
            }
            self.patience.learn(false);
        }
        receiver.recv().ok()
    }

    /// Writes a batch, answers each request, and returns those that have more to do.
    fn write_all<W: Write>(&self, batch: Vec<Request<W>>) -> Vec<Request<W>> {
        let results = match self.transaction(&batch) {
            Ok(results) => results,
            Err(Aborted::ForAll(failure)) => batch.iter().map(|_| Err(failure.clone())).collect(),
            Err(Aborted::Later(failure)) if batch.len() == 1 => vec![Err(failure)],
            // One of them spoiled it for all: each on its own.
            Err(Aborted::Later(_)) => batch.iter().map(|request| self.alone(request)).collect(),
        };
        let mut again = Vec::new();
        for (request, result) in batch.into_iter().zip(results) {
            match request.done {
                // Nobody may wait any more: the caller went away.
                Some(done) => drop(done.send(result.map(drop))),
                None if matches!(result, Ok(Progress::More)) => again.push(request),
                None => {}
            }
        }
        again
    }

    fn alone<W: Write>(&self, request: &Request<W>) -> Result<Progress, Failure> {
        match self.transaction(std::slice::from_ref(request)) {
            Ok(mut results) => results.pop().unwrap_or(Err(Failure::Closed)),
            Err(Aborted::ForAll(failure) | Aborted::Later(failure)) => Err(failure),
        }
    }

    fn transaction<W: Write>(&self, batch: &[Request<W>]) -> Result<Vec<Result<Progress, Failure>>, Aborted> {
        let connection = &self.connection;
        if let Some(ahead) = &self.ahead {
            let is_ahead = batch.iter().all(|request| request.ahead) && !ahead.is_awaited();
            let prepared = ahead.prepare(connection, is_ahead);
            prepared.map_err(|error| Aborted::ForAll(error.into()))?;
        }
        let ours = |sql| connection.prepare_cached(sql)?.execute([]).map(drop);
        ours("BEGIN IMMEDIATE").map_err(|error| Aborted::ForAll(error.into()))?;
        let mut results = Vec::with_capacity(batch.len());
        for request in batch {
            let result = request.write.apply(connection);
            if let Err(error) = result {
                // A failed statement undoes itself; a full disk, say, may undo the whole transaction.
                if connection.is_autocommit() {
                    return Err(Aborted::Later(error.into()));
                }
                results.push(Err(error.into()));
            } else {
                results.push(result.map_err(Failure::from));
            }
        }
        let turn = self.ahead.as_ref().map(Ahead::commit);
        if let Err(error) = ours("COMMIT") {
            if !connection.is_autocommit() {
                // If even this fails, the next BEGIN fails too, and says so.
                let _ = ours("ROLLBACK");
            }
            return Err(Aborted::Later(error.into()));
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        if let Some(turn) = turn {
            let known = turn.committed(connection);
            known.map_err(|error| Aborted::ForAll(error.into()))?;
        }
        Ok(results)
    }
}

/// A transaction that came to nothing.
enum Aborted {
    /// What is tried again fails as well: it did not begin, or nobody knows whether it is durable.
    ForAll(Failure),
    /// A statement ended it, or its commit failed.
    Later(Failure),
}
