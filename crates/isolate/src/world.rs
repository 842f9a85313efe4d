//! The world of the Web platform inside an isolate.

use std::rc::Rc;
use std::time::Duration;

use isthmus_protocol as protocol;
use isthmus_web::{Host, LogLevel, TimerId};
use pyo3::intern;
use pyo3::prelude::*;

use crate::shared::Shared;

/// The [`Host`] that an isolate gives its Web platform.
pub(crate) struct World(pub(crate) Rc<Shared>);

impl Host for World {
    fn log(&self, level: LogLevel, text: &str, position: Option<&str>) {
        let level = match level {
            LogLevel::Debug => protocol::LogLevel::Debug,
            LogLevel::Log => protocol::LogLevel::Log,
            LogLevel::Info => protocol::LogLevel::Info,
            LogLevel::Warn => protocol::LogLevel::Warn,
            LogLevel::Error => protocol::LogLevel::Error,
        };
        self.0.log(level, protocol::LogSource::Console, text, position);
    }

    fn start_timer(&self, id: TimerId, delay: Duration) {
        let serving = self.0.serving_user();
        let Some(server) = serving.as_ref().and_then(|serving| serving.server.get()) else {
            // No event loop yet: each isolate starts it when it begins to serve.
            self.0.early_timers.borrow_mut().push((id, delay));
            return;
        };
        Python::attach(|py| {
            match server
                .bind(py)
                .call_method1(intern!(py, "start_timer"), (id, delay.as_secs_f64()))
            {
                Ok(handle) => {
                    self.0.timers.borrow_mut().insert(id, handle.unbind());
                }
                Err(error) => self
                    .0
                    .log_internal(&format!("a timer could not be started: {error}")),
            }
        });
    }

    fn stop_timer(&self, id: TimerId) {
        self.0.early_timers.borrow_mut().retain(|(known, _)| *known != id);
        let handle = self.0.timers.borrow_mut().remove(&id);
        if let Some(handle) = handle {
            Python::attach(|py| {
                // Cancelling a handle of asyncio can't fail.
                let _ = handle.bind(py).call_method0(intern!(py, "cancel"));
            });
        }
    }

    fn now(&self) -> Duration {
        self.0.origin.get().0.elapsed()
    }

    fn time_origin(&self) -> Duration {
        self.0.origin.get().1
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        // On Linux this fails only before the kernel's generator is seeded, early at boot.
        if let Err(error) = getrandom::fill(bytes) {
            self.0
                .log_internal(&format!("the kernel gave no randomness: {error}"));
            std::process::abort();
        }
    }
}
