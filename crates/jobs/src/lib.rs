//! Threads beside the engine's, for work that takes long and touches neither JavaScript nor Python.
//!
//! A [`Pool`] starts no thread before the first job, and idle threads end after some seconds. The end of a job is a value that
//! the engine's thread takes; a descriptor tells its loop of it. Since no thread enters Python, the process can end
//! whatever they do.

#![warn(missing_docs)]

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Work for another thread; what it returns is its end.
pub type Job<E> = Box<dyn FnOnce() -> E + Send>;

/// How long a thread without work waits for more.
const IDLE: Duration = Duration::from_secs(5);

/// A few threads that run jobs in the order they were given, and a descriptor that tells the engine's loop of their ends.
pub struct Pool<E> {
    threads: Arc<Threads<E>>,
    woken: PipeReader,
    most: usize,
}

struct Threads<E> {
    state: Mutex<State<E>>,
    more: Condvar,
    ended: Condvar,
}

struct State<E> {
    jobs: VecDeque<Job<E>>,
    done: Vec<E>,
    /// Given, and not yet taken out of `done`. A job that panicked has no end and counts no more.
    outstanding: usize,
    running: usize,
    idle: usize,
    closed: bool,
    /// Holds one byte while `announced`.
    wake: PipeWriter,
    announced: bool,
}

impl<E: Send + 'static> Pool<E> {
    /// A pool without threads.
    ///
    /// # Errors
    /// Those of making a pipe.
    pub fn new() -> io::Result<Self> {
        let (woken, wake) = io::pipe()?;
        Ok(Self {
            threads: Arc::new(Threads {
                state: Mutex::new(State {
                    jobs: VecDeque::new(),
                    done: Vec::new(),
                    outstanding: 0,
                    running: 0,
                    idle: 0,
                    closed: false,
                    wake,
                    announced: false,
                }),
                more: Condvar::new(),
                ended: Condvar::new(),
            }),
            woken,
            most: thread::available_parallelism().map_or(1, |count| count.get().min(4)),
        })
    }

    /// Becomes readable when [`Pool::finished`] has something. Nobody else may read from it.
    pub fn descriptor(&self) -> RawFd {
        self.woken.as_raw_fd()
    }

    /// Has `job` run. If the process may start no thread, [`Pool::finished`] does it.
    pub fn run(&self, job: Job<E>) {
        let mut state = self.threads.lock();
        state.jobs.push_back(job);
        state.outstanding += 1;
        if state.idle >= state.jobs.len() {
            self.threads.more.notify_one();
            return;
        }
        if state.running >= self.most {
            return;
        }
        let threads = Arc::clone(&self.threads);
        let started = thread::Builder::new()
            .name("isthmus-job".to_owned())
            .spawn(move || threads.work());
        if started.is_ok() {
            state.running += 1;
        } else if state.running == 0 {
            // Not here and now: a job may wait for what its giver does next.
            state.announce();
        }
    }

    /// Takes what is to be run on the engine's thread.
    pub fn finished(&self) -> Vec<E> {
        let mut state = self.threads.lock();
        while state.running == 0
            && let Some(job) = state.jobs.pop_front()
        {
            drop(state);
            let done = run(job);
            state = self.threads.lock();
            state.end(done);
        }
        if state.announced {
            state.announced = false;
            // The byte is there: it was written under this lock.
            let _ = (&self.woken).read(&mut [0]);
        }
        let done = std::mem::take(&mut state.done);
        state.outstanding -= done.len();
        done
    }

    /// How many jobs have not ended, or their ends not been taken.
    pub fn outstanding(&self) -> usize {
        self.threads.lock().outstanding
    }

    /// Waits, for as long at most, until [`Pool::finished`] has something or nothing is outstanding.
    pub fn wait(&self, limit: Duration) {
        let state = self.threads.lock();
        drop(
            self.threads
                .ended
                .wait_timeout_while(state, limit, |state| !state.announced && state.outstanding > 0),
        );
    }
}

impl<E> Drop for Pool<E> {
    fn drop(&mut self) {
        let mut state = self.threads.lock();
        state.closed = true;
        state.jobs.clear();
        drop(state);
        self.threads.more.notify_all();
    }
}

impl<E> State<E> {
    /// A job ended; `None` if it panicked.
    fn end(&mut self, done: Option<E>) {
        let Some(done) = done else {
            self.outstanding -= 1;
            return;
        };
        self.done.push(done);
        self.announce();
    }

    /// Tells the loop that there is something to take.
    fn announce(&mut self) {
        if !self.announced {
            // One byte into an empty pipe neither blocks nor fails.
            self.announced = self.wake.write(&[1]).is_ok();
        }
    }
}

impl<E> Threads<E> {
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                let done = run(job);
                state = self.lock();
                if state.closed {
                    break;
                }
                state.end(done);
                self.ended.notify_all();
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (woken, waited) = self
                .more
                .wait_timeout(state, IDLE)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.running -= 1;
    }
}

/// Runs a job; `None` if it panicked.
fn run<E>(job: Job<E>) -> Option<E> {
    catch_unwind(AssertUnwindSafe(job)).ok()
}
