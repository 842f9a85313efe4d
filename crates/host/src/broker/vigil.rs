//! A thread of the runtime that stays awake while isolates call stores one call after the other.
//!
//! What an isolate does between two calls often takes longer than a core stays awake with nothing to do (50 µs in a virtual
//! machine of two cores), and waking it takes as long again: a read of D1 takes 142 µs with a vigil and 210 to 270 without. And a
//! thread that syncs a file is woken in 120 µs instead of 190 where its core is kept awake. So once a call has come, the runtime
//! looks for what comes next a moment longer before it sleeps, and gives its core to whoever else wants it at every look. Where
//! that is in vain, it is tried ever more rarely ([`isthmus_protocol::Patience`]).

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use isthmus_protocol::Patience;

/// How long the next call may be in coming: what an isolate does between two calls, also on a slow machine.
const NEXT_CALL: Duration = Duration::from_micros(250);
/// How long a call may wait for its store: a transaction that one sync of a quick disk makes durable, with as much again for a
/// slow core.
const STORE: Duration = Duration::from_micros(600);
/// Where more calls than this wait at once, there is enough to do for everybody.
const FEW: usize = 2;

/// The vigil of this process: it is about its cores.
static VIGIL: Vigil = Vigil::new();

/// A call that waits for its store, until it is dropped: at once if it was answered without. It begins the vigil, or prolongs it.
pub(crate) struct Waits(&'static Vigil);

impl Waits {
    /// In the runtime.
    pub(crate) fn begin() -> Self {
        Self::begin_in(&VIGIL)
    }

    fn begin_in(vigil: &'static Vigil) -> Self {
        vigil.calls.fetch_add(1, SeqCst);
        let waiting = 1 + vigil.waiting.fetch_add(1, SeqCst);
        if waiting <= FEW && vigil.patience.is_worth_it() && !vigil.is_kept.swap(true, SeqCst) {
            // If the runtime ends before the task does, it is dropped.
            let kept = Kept(vigil);
            tokio::spawn(async move {
                vigil.patience.learn(vigil.keep().await);
                drop(kept);
            });
        }
        Self(vigil)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

struct Kept(&'static Vigil);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.is_kept.store(false, SeqCst);
    }
}

struct Vigil {
    patience: Patience,
    is_kept: AtomicBool,
    /// How many calls have waited, or do.
    calls: AtomicU64,
    /// How many do.
    waiting: AtomicUsize,
}

impl Vigil {
    const fn new() -> Self {
        Self {
            patience: Patience::new(),
            is_kept: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Stays awake as long as a few calls follow each other. Answers whether one followed.
    async fn keep(&self) -> bool {
        let first = self.calls.load(SeqCst);
        let (mut last, mut since) = (first, Instant::now());
        let mut was_waiting = false;
        loop {
            thread::yield_now();
            // Looks at the sockets, without waiting for them.
            tokio::task::yield_now().await;
            let (calls, waiting) = (self.calls.load(SeqCst), self.waiting.load(SeqCst));
            let is_waiting = waiting > 0;
            if calls != last || was_waiting && !is_waiting {
                (last, since) = (calls, Instant::now());
            }
            was_waiting = is_waiting;
            if waiting > FEW || since.elapsed() >= if is_waiting { STORE } else { NEXT_CALL } {
                return last != first;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn end(vigil: &Vigil) {
        while vigil.is_kept.load(SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn it_ends_whether_or_not_what_is_waited_for_comes() {
        static VIGIL: Vigil = Vigil::new();
        let waits = Waits::begin_in(&VIGIL);
        assert!(VIGIL.is_kept.load(SeqCst));
        end(&VIGIL).await;
        drop(waits);
        drop(Waits::begin_in(&VIGIL));
        end(&VIGIL).await;
    }

    #[tokio::test]
    async fn calls_that_come_alone_soon_begin_none() {
        static VIGIL: Vigil = Vigil::new();
        let mut begun = 0;
        for _ in 0..200 {
            drop(Waits::begin_in(&VIGIL));
            begun += i32::from(VIGIL.is_kept.load(SeqCst));
            end(&VIGIL).await;
        }
        assert!((2..12).contains(&begun), "{begun} of 200");
    }

    #[tokio::test]
    async fn many_that_wait_at_once_need_none() {
        static VIGIL: Vigil = Vigil::new();
        let waiting: Vec<_> = (0..FEW + 1).map(|_| Waits::begin_in(&VIGIL)).collect();
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert!(!VIGIL.is_kept.load(SeqCst));
        drop(Waits::begin_in(&VIGIL));
        assert!(!VIGIL.is_kept.load(SeqCst));
        drop(waiting);
    }
}
