//! The world of the Web platform inside an isolate.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use isthmus_bindings::Broker;
use isthmus_protocol as protocol;
use isthmus_web::body::ByteSink;
use isthmus_web::{
    Begun, BytePair, CacheCall, CacheDone, ConnectDone, Connection, FetchDone, Host, Job, LogLevel,
    OutgoingRequest, SocketAddress, TimerId,
};
use pyo3::intern;
use pyo3::prelude::*;
use rquickjs::{Ctx, Value};

use crate::calls::{GLOBAL_SCOPE, IsolateBroker};
use crate::shared::Shared;

/// The [`Host`] that an isolate gives its Web platform.
pub(crate) struct World {
    shared: Rc<Shared>,
    broker: Rc<dyn Broker>,
    /// Compatibility flags by the name that enables them.
    flags: HashMap<String, bool>,
}

impl World {
    pub(crate) fn new(shared: Rc<Shared>, flags: &[(String, bool)]) -> Self {
        Self {
            flags: flags.iter().cloned().collect(),
            broker: Rc::new(IsolateBroker(Rc::clone(&shared))),
            shared,
        }
    }
}

impl Host for World {
    fn log(&self, level: LogLevel, text: &str, position: Option<&str>) {
        let level = match level {
            LogLevel::Debug => protocol::LogLevel::Debug,
            LogLevel::Log => protocol::LogLevel::Log,
            LogLevel::Info => protocol::LogLevel::Info,
            LogLevel::Warn => protocol::LogLevel::Warn,
            LogLevel::Error => protocol::LogLevel::Error,
        };
        self.shared
            .log(level, protocol::LogSource::Console, text, position);
    }

    fn start_timer(&self, id: TimerId, delay: Duration) {
        let attached = self.shared.attached().filter(|_| !self.shared.rehearsing.get());
        let Some(server) = attached.as_ref().map(|attached| &attached.server) else {
            // No event loop yet: each isolate starts it when it begins to serve.
            self.shared.early_timers.borrow_mut().push((id, delay));
            return;
        };
        Python::attach(|py| {
            match server
                .bind(py)
                .call_method1(intern!(py, "start_timer"), (id, delay.as_secs_f64()))
            {
                Ok(handle) => {
                    self.shared.timers.borrow_mut().insert(id, handle.unbind());
                }
                Err(error) => self
                    .shared
                    .log_internal(&format!("a timer could not be started: {error}")),
            }
        });
    }

    fn offload(&self, job: Job) {
        self.shared.offload(job);
    }

    fn stop_timer(&self, id: TimerId) {
        self.shared
            .early_timers
            .borrow_mut()
            .retain(|(known, _)| *known != id);
        let handle = self.shared.timers.borrow_mut().remove(&id);
        if let Some(handle) = handle {
            Python::attach(|py| {
                // Cancelling a handle of asyncio can't fail.
                let _ = handle.bind(py).call_method0(intern!(py, "cancel"));
            });
        }
    }

    fn now(&self) -> Duration {
        self.shared.origin.get().0.elapsed()
    }

    fn time_origin(&self) -> Duration {
        self.shared.origin.get().1
    }

    fn is_enabled(&self, flag: &str) -> bool {
        // Of flags that nobody has heard of the newest behaviour holds.
        self.flags.get(flag).copied().unwrap_or(true)
    }

    fn byte_pairs(&self, value: &Value<'_>) -> Option<Vec<BytePair>> {
        isthmus_bridge::byte_pairs(value)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        // On Linux this fails only before the kernel's generator is seeded, early at boot.
        if let Err(error) = getrandom::fill(bytes) {
            self.shared
                .log_internal(&format!("the kernel gave no randomness: {error}"));
            std::process::abort();
        }
    }

    fn connect(
        &self,
        _: &Ctx<'_>,
        address: &SocketAddress,
        done: ConnectDone,
    ) -> Result<Rc<dyn Connection>, String> {
        if !self.shared.serves_user() {
            return Err(GLOBAL_SCOPE.to_owned());
        }
        Ok(isthmus_bindings::connect(&self.broker, address, done))
    }

    fn cache(
        &self,
        ctx: &Ctx<'_>,
        call: CacheCall,
        done: CacheDone,
    ) -> Result<Option<Rc<dyn ByteSink>>, String> {
        if !self.shared.serves_user() {
            return Err(GLOBAL_SCOPE.to_owned());
        }
        Ok(isthmus_bindings::cache(ctx, &self.broker, call, done))
    }

    fn lent_bytes<'js>(&self, ctx: &Ctx<'js>, value: &Value<'js>) -> rquickjs::Result<Option<Value<'js>>> {
        isthmus_bridge::lend_bytes(ctx, value)
    }

    fn fetch(&self, ctx: &Ctx<'_>, request: OutgoingRequest, done: FetchDone) -> Result<Begun, String> {
        if !self.shared.serves_user() {
            return Err(GLOBAL_SCOPE.to_owned());
        }
        Ok(isthmus_bindings::fetch(ctx, &self.broker, request, done))
    }
}
