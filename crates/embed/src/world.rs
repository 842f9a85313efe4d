//! The world of the Web platform in plain CPython: console lines go to Python's standard streams, timers to its loop,
//! requests to a process of their own.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use isthmus_bindings::Broker;
use isthmus_web::{
    Begun, BytePair, ConnectDone, Connection, FetchDone, Host, Job, LogLevel, OutgoingRequest, SocketAddress,
    TimerId,
};
use pyo3::prelude::*;
use rquickjs::{Ctx, Value};

use crate::jobs;
use crate::network::{EmbedBroker, Network};

/// The [`Host`] that plain CPython gives the Web platform.
pub(crate) struct World {
    /// `isthmus._embed.pump.Pump`.
    pump: Py<PyAny>,
    /// When the engine started, on both clocks.
    origin: (Instant, Duration),
    network: Rc<Network>,
    broker: Rc<dyn Broker>,
}

impl World {
    pub(crate) fn new(pump: Py<PyAny>, network: Rc<Network>) -> Self {
        let epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            pump,
            origin: (Instant::now(), epoch),
            broker: Rc::new(EmbedBroker(Rc::clone(&network))),
            network,
        }
    }

    /// Calls a method of the pump. At the interpreter's end, when there is none any more, nothing happens.
    fn tell<A>(&self, method: &str, arguments: A)
    where
        A: for<'py> pyo3::call::PyCallArgs<'py>,
    {
        Python::try_attach(|py| {
            let called =
                isthmus_bridge::calling_python(py, || self.pump.bind(py).call_method1(method, arguments));
            if let Err(error) = called {
                error.write_unraisable(py, Some(self.pump.bind(py)));
            }
        });
    }
}

impl Host for World {
    fn log(&self, level: LogLevel, text: &str, _position: Option<&str>) {
        self.tell("log", (matches!(level, LogLevel::Warn | LogLevel::Error), text));
    }

    fn start_timer(&self, id: TimerId, delay: Duration) {
        self.tell("start_timer", (id, delay.as_secs_f64()));
    }

    fn stop_timer(&self, id: TimerId) {
        self.tell("stop_timer", (id,));
    }

    fn offload(&self, job: Job) {
        match jobs::run(job) {
            Ok(descriptor) => self.tell("watch_jobs", (descriptor,)),
            Err(error) => self.tell(
                "log",
                (true, format!("no work can leave JavaScript's thread: {error}")),
            ),
        }
    }

    fn now(&self) -> Duration {
        self.origin.0.elapsed()
    }

    fn time_origin(&self) -> Duration {
        self.origin.1
    }

    fn byte_pairs(&self, value: &Value<'_>) -> Option<Vec<BytePair>> {
        isthmus_bridge::byte_pairs(value)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            // On Linux this fails only before the kernel's generator is seeded, early at boot: predictable numbers
            // would be worse than no process.
            std::process::abort();
        }
    }

    fn connect(
        &self,
        ctx: &Ctx<'_>,
        address: &SocketAddress,
        done: ConnectDone,
    ) -> Result<Rc<dyn Connection>, String> {
        self.network.connect(ctx)?;
        Ok(self
            .network
            .gather(|| isthmus_bindings::connect(&self.broker, address, done)))
    }

    fn lent_bytes<'js>(&self, ctx: &Ctx<'js>, value: &Value<'js>) -> rquickjs::Result<Option<Value<'js>>> {
        isthmus_bridge::lend_bytes(ctx, value)
    }

    fn fetch(&self, ctx: &Ctx<'_>, request: OutgoingRequest, done: FetchDone) -> Result<Begun, String> {
        self.network.connect(ctx)?;
        Ok(self
            .network
            .gather(|| isthmus_bindings::fetch(ctx, &self.broker, request, done)))
    }
}
