//! Work on other threads, begun and ended on JavaScript's.

use std::cell::RefCell;
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;

use isthmus_jobs::Pool;
use isthmus_web::{Job, JobDone};
use rquickjs::Ctx;

thread_local! {
    static POOL: RefCell<Option<Rc<Pool<JobDone>>>> = const { RefCell::new(None) };
}

/// Has `job` run; the descriptor becomes readable when [`finish`] has something to do.
///
/// # Errors
/// Those of making a pipe. The job is dropped.
pub(crate) fn run(job: Job) -> io::Result<RawFd> {
    let known = POOL.with_borrow(Clone::clone);
    let pool = match known {
        Some(pool) => pool,
        None => {
            let pool = Rc::new(Pool::new()?);
            POOL.set(Some(Rc::clone(&pool)));
            pool
        }
    };
    pool.run(job);
    Ok(pool.descriptor())
}

/// Runs the ends of jobs; how many more are to come.
pub(crate) fn finish(ctx: &Ctx<'_>) -> usize {
    let Some(pool) = POOL.with_borrow(Clone::clone) else {
        return 0;
    };
    for end in pool.finished() {
        end(ctx);
    }
    pool.outstanding()
}

/// In a forked child: the parent's threads are not here, and their locks may be held for ever.
pub(crate) fn forget() {
    std::mem::forget(POOL.take());
}
