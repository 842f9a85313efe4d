//! Work of a call that goes on where its wait ends.
//!
//! What writes to a store waits for the thread that writes its database. That thread carries the work on, up to the answer's
//! way into the isolate's socket: to wake a thread of the runtime for it takes longer than the work itself. When many wait for
//! one transaction, only the first of them goes this way: its answer goes out at once, those of the rest together.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::vigil::Waits;

/// Waits that end within so short a time of each other, on one thread, belong to one transaction.
const TOGETHER: Duration = Duration::from_micros(100);

thread_local! {
    /// Whether this thread, which isn't the runtime's, carries on some work.
    static CARRYING_ON: Cell<bool> = const { Cell::new(false) };
    /// When it did so last.
    static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Begins some work, in the runtime, and goes on with it after its first wait as said above; after its second in a task.
pub(super) fn begin(work: impl Future<Output = ()> + Send + 'static) {
    let mut work: Work = Box::pin(work);
    // What only reads is ready at the first look; the next call may be on its way.
    if work.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(()) {
        drop(Waits::begin());
        return;
    }
    let waiting = Arc::new(Waiting {
        work: Mutex::new(None),
        woken: AtomicBool::new(false),
        runtime: Handle::current(),
        _waits: Waits::begin(),
    });
    waiting.clone().wait_for(work);
}

/// Whether the caller is such work, on a thread that no runtime's task comes after.
pub(crate) fn is_carrying_on() -> bool {
    CARRYING_ON.get()
}

/// Work at its first wait.
struct Waiting {
    work: Mutex<Option<Work>>,
    woken: AtomicBool,
    runtime: Handle,
    _waits: Waits,
}

impl Waiting {
    fn wait_for(self: Arc<Self>, mut work: Work) {
        let waker = Waker::from(self.clone());
        let mut slot = crate::streams::lock(&self.work);
        if work.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(()) {
            return;
        }
        *slot = Some(work);
        drop(slot);
        // It was woken while this held the lock.
        if self.woken.load(SeqCst)
            && let Some(work) = self.take()
        {
            self.runtime.spawn(work);
        }
    }

    /// The work, for who comes first. `None` while it is being polled, too: who polls looks at `woken` after that.
    fn take(&self) -> Option<Work> {
        match self.work.try_lock() {
            Ok(mut slot) => slot.take(),
            Err(TryLockError::Poisoned(slot)) => slot.into_inner().take(),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, SeqCst);
        let Some(mut work) = self.take() else {
            return;
        };
        let is_one_of_many = LAST.get().is_some_and(|last| last.elapsed() < TOGETHER);
        if is_one_of_many || Handle::try_current().is_ok() {
            self.runtime.spawn(work);
            return;
        }
        let runtime = self.runtime.enter();
        CARRYING_ON.set(true);
        let mut context = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut context)));
        CARRYING_ON.set(false);
        LAST.set(Some(Instant::now()));
        drop(runtime);
        // After a panic, which its hook has reported, the work is dropped, as a task's would be.
        if let Ok(Poll::Pending) = polled {
            self.runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    async fn carried_on(first: oneshot::Receiver<()>, told: oneshot::Sender<bool>) {
        let _ = first.await;
        let _ = told.send(is_carrying_on());
    }

    #[tokio::test]
    async fn what_waits_for_a_thread_goes_on_there() {
        let ((done, wait), (told, answer)) = (oneshot::channel(), oneshot::channel());
        begin(carried_on(wait, told));
        std::thread::spawn(move || done.send(()))
            .join()
            .expect("no panic")
            .expect("somebody waits");
        assert!(answer.await.expect("an answer"));
        assert!(!is_carrying_on());
    }

    #[tokio::test]
    async fn of_many_that_wait_for_a_thread_the_first_goes_on_there() {
        let (mut doing, mut answers) = (Vec::new(), Vec::new());
        for _ in 0..10 {
            let ((done, wait), (told, answer)) = (oneshot::channel(), oneshot::channel());
            begin(carried_on(wait, told));
            doing.push(done);
            answers.push(answer);
        }
        std::thread::spawn(move || {
            doing
                .into_iter()
                .for_each(|done| done.send(()).expect("somebody waits"))
        })
        .join()
        .expect("no panic");
        let mut there = 0;
        for answer in answers {
            there += usize::from(answer.await.expect("an answer"));
        }
        // More than one only if the thread was held up in between.
        assert!((1..10).contains(&there), "{there}");
    }

    #[tokio::test]
    async fn what_waits_for_the_runtime_goes_on_in_it() {
        let ((done, wait), (told, answer)) = (oneshot::channel(), oneshot::channel());
        begin(carried_on(wait, told));
        done.send(()).expect("somebody waits");
        assert!(!answer.await.expect("an answer"));
    }

    #[tokio::test]
    async fn a_second_wait_is_a_tasks() {
        let (told, answer) = oneshot::channel();
        let ((done, wait), (again, second)) = (oneshot::channel::<()>(), oneshot::channel());
        begin(async move {
            let _ = wait.await;
            carried_on(second, told).await;
        });
        std::thread::spawn(move || done.send(()))
            .join()
            .expect("no panic")
            .expect("somebody waits");
        std::thread::spawn(move || again.send(()))
            .join()
            .expect("no panic")
            .expect("somebody waits");
        assert!(!answer.await.expect("an answer"));
    }

    #[tokio::test]
    async fn a_panic_stays_with_the_work() {
        let ((done, wait), (kept, gone)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
        begin(async move {
            let _kept = kept;
            let _ = wait.await;
            panic!("on purpose");
        });
        std::thread::spawn(move || done.send(()))
            .join()
            .expect("the thread goes on")
            .expect("somebody waits");
        assert!(gone.await.is_err());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_wake_is_lost_however_early_it_comes() {
        for _ in 0..2000 {
            let ((done, wait), (told, answer)) = (oneshot::channel(), oneshot::channel());
            let thread = std::thread::spawn(move || done.send(()));
            begin(carried_on(wait, told));
            answer.await.expect("an answer");
            thread.join().expect("no panic").expect("somebody waits");
        }
    }
}
