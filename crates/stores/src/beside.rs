//! Work on bytes that come piece by piece, beside their arrival.
//!
//! It is done in their order, on a thread that stays at it as long as there is some and is given back when there is none:
//! a slow client holds no thread. Some lies ahead of the work, so that it seldom runs out; whoever brings more than that
//! waits.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

/// How many batches wait while one is worked on.
const AHEAD: usize = 2;

/// What is done with a batch.
type Work<S> = fn(&mut S, Vec<Bytes>) -> io::Result<()>;

/// Work on what changes with each batch. Dropped, it does nothing more and lets go of that.
pub(crate) struct Beside<S>(Arc<Line<S>>);

struct Line<S> {
    work: Work<S>,
    state: Mutex<State<S>>,
    /// A batch was taken up, or there is none any more.
    progress: Notify,
}

struct State<S> {
    /// `None` while a thread has it.
    subject: Option<S>,
    batches: VecDeque<Vec<Bytes>>,
    is_running: bool,
    failed: Option<io::Error>,
}

impl<S> Line<S> {
    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Send + 'static> Beside<S> {
    pub(crate) fn new(subject: S, work: Work<S>) -> Self {
        Self(Arc::new(Line {
            work,
            state: Mutex::new(State {
                subject: Some(subject),
                batches: VecDeque::new(),
                is_running: false,
                failed: None,
            }),
            progress: Notify::new(),
        }))
    }

    /// Gives the next batch to the work; waits while there is too much of it. Only one task may wait, here or in
    /// [`Self::finish`].
    ///
    /// # Errors
    /// Why the work on an earlier batch failed.
    pub(crate) async fn give(&mut self, batch: Vec<Bytes>) -> io::Result<()> {
        while self.is_full()? {
            self.0.progress.notified().await;
        }
        let mut state = self.0.state();
        state.batches.push_back(batch);
        if !std::mem::replace(&mut state.is_running, true) {
            let mut running = Running {
                line: Arc::clone(&self.0),
                is_over: false,
            };
            tokio::task::spawn_blocking(move || running.work());
        }
        Ok(())
    }

    /// Waits for all of the work, and gives back what it was done on.
    ///
    /// # Errors
    /// Why it failed.
    pub(crate) async fn finish(self) -> io::Result<S> {
        while self.0.state().is_running {
            self.0.progress.notified().await;
        }
        let mut state = self.0.state();
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        let gone = || io::Error::other("the work was given up");
        state.subject.take().ok_or_else(gone)
    }

    fn is_full(&self) -> io::Result<bool> {
        let mut state = self.0.state();
        match state.failed.take() {
            Some(error) => Err(error),
            None => Ok(state.batches.len() >= AHEAD),
        }
    }
}

impl<S> Drop for Beside<S> {
    fn drop(&mut self) {
        self.0.state().batches.clear();
    }
}

/// The thread that is at work. However it ends, nobody waits for it in vain.
struct Running<S> {
    line: Arc<Line<S>>,
    /// It ended in peace, and may have a successor.
    is_over: bool,
}

impl<S> Running<S> {
    fn work(&mut self) {
        let Some(mut subject) = self.line.state().subject.take() else {
            return;
        };
        loop {
            let batch = {
                let mut state = self.line.state();
                let Some(batch) = state.batches.pop_front() else {
                    state.subject = Some(subject);
                    // At once: a batch that comes now needs a thread.
                    state.is_running = false;
                    self.is_over = true;
                    return;
                };
                batch
            };
            self.line.progress.notify_one();
            if let Err(error) = (self.line.work)(&mut subject, batch) {
                let mut state = self.line.state();
                state.failed = Some(error);
                state.batches.clear();
            }
        }
    }
}

impl<S> Drop for Running<S> {
    fn drop(&mut self) {
        // It panicked, or never began since the runtime is ending.
        if !self.is_over {
            let mut state = self.line.state();
            state.is_running = false;
            state.batches.clear();
            state.failed = Some(io::Error::other("the work was given up"));
        }
        self.line.progress.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn append(all: &mut Vec<u8>, batch: Vec<Bytes>) -> io::Result<()> {
        batch.iter().for_each(|bytes| all.extend_from_slice(bytes));
        match batch.first().map(|bytes| &bytes[..]) {
            Some(b"bad") => Err(io::Error::other("no good")),
            Some(b"awful") => panic!("on purpose"),
            _ => Ok(()),
        }
    }

    fn batch(text: &str) -> Vec<Bytes> {
        vec![Bytes::copy_from_slice(text.as_bytes())]
    }

    #[tokio::test]
    async fn batches_are_worked_on_in_their_order() {
        let mut beside = Beside::new(Vec::new(), append);
        let mut expected = String::new();
        for number in 0..1000 {
            let text = format!("{number} ");
            beside.give(batch(&text)).await.expect("it works");
            expected.push_str(&text);
            if number % 100 == 0 {
                // Long enough for the thread to run out of work.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        assert_eq!(beside.finish().await.expect("it works"), expected.as_bytes());
        assert!(
            Beside::new(Vec::new(), append)
                .finish()
                .await
                .expect("nothing to do")
                .is_empty()
        );
    }

    #[tokio::test]
    async fn a_failure_is_told_to_whoever_comes_next() {
        for bad in ["bad", "awful"] {
            let mut beside = Beside::new(Vec::new(), append);
            beside.give(batch(bad)).await.expect("nothing is known yet");
            assert!(beside.finish().await.is_err(), "{bad}");
            let mut beside = Beside::new(Vec::new(), append);
            let failed = async {
                loop {
                    if let Err(error) = beside.give(batch(bad)).await {
                        break error;
                    }
                }
            };
            let failed = tokio::time::timeout(Duration::from_secs(20), failed).await;
            failed.expect("whoever waits hears of it");
        }
    }

    #[tokio::test]
    async fn who_brings_too_much_waits_and_who_gives_up_leaves_nothing() {
        type Kept = (Arc<()>, mpsc::Receiver<()>);
        fn wait((_, until): &mut Kept, _: Vec<Bytes>) -> io::Result<()> {
            let _ = until.recv();
            Ok(())
        }
        let (kept, (held, until)) = (Arc::new(()), mpsc::channel());
        let mut beside = Beside::new((Arc::clone(&kept), until), wait);
        let given = async {
            for _ in 0..=AHEAD + 1 {
                beside.give(batch("x")).await.expect("it works");
            }
        };
        let given = tokio::time::timeout(Duration::from_millis(200), given).await;
        assert!(given.is_err(), "it waits");
        drop(beside);
        drop(held);
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while Arc::strong_count(&kept) > 1 {
            assert!(std::time::Instant::now() < deadline, "it is let go of");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
