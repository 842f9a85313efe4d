//! Work on other threads. They start after the fork alone, since a zygote must have one thread; what was asked for before
//! waits for the event loop.

use isthmus_jobs::Pool;
use isthmus_web::Job;
use pyo3::intern;
use pyo3::prelude::*;

use crate::shared::Shared;

impl Shared {
    /// Has `job` run on another thread, and its end by [`Shared::finish_jobs`].
    pub(crate) fn offload(&self, job: Job) {
        let attached = self.attached().filter(|_| !self.rehearsing.get());
        let Some(attached) = attached else {
            self.early_jobs.borrow_mut().push(job);
            return;
        };
        if self.pool.get().is_none() {
            Python::attach(|py| {
                let made = Pool::new().map_err(PyErr::from).and_then(|pool| {
                    attached
                        .server
                        .bind(py)
                        .call_method1(intern!(py, "watch_jobs"), (pool.descriptor(),))?;
                    Ok(pool)
                });
                match made {
                    Ok(pool) => drop(self.pool.set(pool)),
                    Err(error) => {
                        self.log_internal(&format!("no work can leave the engine's thread: {error}"))
                    }
                }
            });
        }
        // Without a pool the job is dropped; its promise never settles, and the log says why.
        if let Some(pool) = self.pool.get() {
            let event = self.current_event();
            pool.run(Box::new(move || (event, job())));
        }
    }

    /// Runs what is to come of the work that other threads have done.
    pub(crate) fn finish_jobs(&self, py: Python<'_>) {
        let Some(pool) = self.pool.get() else { return };
        let ends = pool.finished();
        for (event, end) in ends {
            self.in_event(py, event, || self.engine.with(py, |ctx| end(&ctx)));
        }
    }
}
