//! What Python sees of its isolate: the class `isthmus._native.Isolate`, used by `isthmus._runtime`.

use std::os::fd::AsFd as _;
use std::rc::Rc;

use isthmus_bindings::link::ConnectionError;
use isthmus_protocol::{Failure, FailureKind, LogLevel, LogSource, Outcome, StreamId};
use isthmus_web::fetch;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;

use crate::linger;
use crate::shared::{Attached, Shared};
use crate::workers::Workers;

/// What upstream says when `fetch` returns something else.
const NO_RESPONSE: &str = "Incorrect type for Promise: the Promise did not resolve to 'Response'.";

/// The isolate of this process.
#[pyclass(module = "isthmus._native", frozen, unsendable)]
pub struct Isolate {
    pub(crate) shared: Rc<Shared>,
    pub(crate) workers: Workers,
}

/// Large enough that no hole has room for it, small enough to come from the heap (`keep_freed_memory`).
const FRESH: usize = 3 * 1024 * 1024;

/// How many bytes `fill_heap` spends at most.
const FILL_LIMIT: usize = 16 * 1024 * 1024;

fn broken(error: &ConnectionError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

#[pymethods]
impl Isolate {
    /// Whether JavaScript jobs wait.
    fn jobs_pending(&self, py: Python<'_>) -> bool {
        isthmus_bridge::jobs_pending(py)
    }

    /// Whether a loop would find work that was left to JavaScript: jobs, or calls to be refused, which jobs follow.
    fn is_owed_work(&self, py: Python<'_>) -> bool {
        isthmus_bridge::jobs_pending(py) || !self.shared.refused.borrow().is_empty()
    }

    /// The microtask checkpoint. What jobs throw, and rejections that nobody handles, go to the log.
    fn run_jobs(&self, py: Python<'_>) {
        self.shared.run_jobs(py);
    }

    /// A callback ends, or gives the turns away, with JavaScript jobs left: they belong to its event.
    fn leave_jobs(&self) {
        self.shared.leave_jobs();
    }

    /// How many JavaScript → Python entries are on the stack.
    fn entry_depth(&self) -> usize {
        isthmus_bridge::entry_depth()
    }

    /// Enters a context, for a switch of greenlets.
    fn context_enter(&self, context: &Bound<'_, PyAny>) -> PyResult<()> {
        isthmus_bridge::context_enter(context)
    }

    /// Leaves a context, for a switch of greenlets.
    fn context_exit(&self, context: &Bound<'_, PyAny>) -> PyResult<()> {
        isthmus_bridge::context_exit(context)
    }

    /// Before the first fork: goes through an isolate's life some times; `serve` is what Python does in it. See `rehearsal.rs`.
    fn rehearse(&self, serve: &Bound<'_, PyAny>) {
        crate::rehearsal::rehearse(&self.shared, serve);
    }

    /// Before the first fork: fills the free places of the C heap, for the reason that `_runtime/packing.py` gives.
    fn fill_heap(&self) {
        let mut filled = 0;
        for size in (24..=4096).step_by(16) {
            // A chunk beyond all that was ever handed out marks the end of the holes of this size.
            let far = Vec::<u8>::with_capacity(FRESH);
            let end = far.as_ptr() as usize;
            drop(far);
            while filled < FILL_LIMIT {
                let piece = Vec::<u8>::with_capacity(size);
                let address = piece.as_ptr() as usize;
                std::mem::forget(piece);
                filled += size;
                if address >= end {
                    break;
                }
            }
        }
    }

    /// Before the loop waits: sends the frames that were collected and frees what finalizers gave up. A `busy` loop does not
    /// wait, but will be back here in no time.
    #[pyo3(signature = (busy = false))]
    fn before_poll(&self, py: Python<'_>, busy: bool) -> PyResult<()> {
        isthmus_bridge::safe_point();
        self.shared.answer_refused(py);
        for link in [&self.shared.events, &self.shared.calls.link] {
            let Some(connection) = link.connection().filter(|connection| connection.has_outgoing()) else {
                continue;
            };
            if busy && connection.can_gather() {
                continue;
            }
            let was_blocked = connection.blocked();
            match connection.flush() {
                Ok(()) => {}
                // The loop's next read finds it out and ends the isolate.
                Err(ConnectionError::Closed) => continue,
                Err(error) => return Err(broken(&error)),
            }
            if connection.blocked() != was_blocked
                && let Some(attached) = self.shared.attached()
            {
                attached.server.bind(py).call_method1(
                    intern!(py, "watch_room"),
                    (connection.raw_fd(), connection.blocked()),
                )?;
            }
        }
        Ok(())
    }

    /// Before the loop sleeps: if an answer of the host's is near, waits for it a moment, awake.
    fn linger(&self, py: Python<'_>) {
        if !self.shared.calls.is_answer_near() {
            return;
        }
        let (events, broker) = (
            self.shared.events.connection(),
            self.shared.calls.link.connection(),
        );
        let (Some(events), Some(broker)) = (events, broker) else {
            return;
        };
        let sockets = [events.as_fd(), broker.as_fd()];
        let patience = &self.shared.patience;
        py.detach(|| linger::linger(patience, sockets));
    }

    /// The descriptors of the events and the broker connection.
    fn descriptors(&self) -> (i32, i32) {
        let [events, broker] = [&self.shared.events, &self.shared.calls.link]
            .map(|link| link.connection().map_or(-1, |connection| connection.raw_fd()));
        (events, broker)
    }

    /// Handles what arrived on the events connection; False when the host closed it.
    fn read_events(&self, py: Python<'_>) -> PyResult<bool> {
        open_still(self.shared.read_events(py))
    }

    /// Handles what arrived on the broker connection; False when the host closed it.
    fn read_broker(&self, py: Python<'_>) -> PyResult<bool> {
        open_still(self.shared.read_broker(py))
    }

    /// Joins Python's side: the server that events go to and the variable that holds the current event. Starts the
    /// timers asked for before there was a loop.
    fn attach(&self, py: Python<'_>, server: Py<PyAny>, current_event: Py<PyAny>) -> PyResult<()> {
        let attached = Attached {
            server: server.clone_ref(py),
            current_event,
        };
        if !self.shared.attach(attached) {
            return Err(PyRuntimeError::new_err("the isolate serves already"));
        }
        if self.shared.rehearsing.get() {
            return Ok(());
        }
        let early = std::mem::take(&mut *self.shared.early_timers.borrow_mut());
        for (id, delay) in early {
            let handle = server
                .bind(py)
                .call_method1(intern!(py, "start_timer"), (id, delay.as_secs_f64()))?;
            self.shared.timers.borrow_mut().insert(id, handle.unbind());
        }
        for job in std::mem::take(&mut *self.shared.early_jobs.borrow_mut()) {
            self.shared.offload(job);
        }
        Ok(())
    }

    /// Tells the host that events can come.
    fn ready(&self) {
        self.shared.events.send(&isthmus_protocol::Frame::Ready);
    }

    /// A timer is due.
    fn fire_timer(&self, py: Python<'_>, id: u32) {
        self.shared.timers.borrow_mut().remove(&id);
        self.shared.engine.with(py, |ctx| {
            // What the callback throws is reported there; only want of memory comes out.
            let _ = isthmus_web::timers::fire(&ctx, id);
        });
    }

    /// Other threads have done some work: runs what is to come of it.
    fn finish_jobs(&self, py: Python<'_>) {
        self.shared.finish_jobs(py);
    }

    /// The `env` object.
    #[getter]
    fn env(&self, py: Python<'_>) -> Py<PyAny> {
        self.workers.env.clone_ref(py)
    }

    /// `_pyodide_entrypoint_helper`.
    #[getter]
    fn entrypoint_helper(&self, py: Python<'_>) -> Py<PyAny> {
        self.workers.helper.clone_ref(py)
    }

    /// A function of an event's stream that makes its `ctx`.
    #[getter]
    fn new_context(&self, py: Python<'_>) -> Py<PyAny> {
        self.workers.new_context.clone_ref(py)
    }

    /// Answers a fetch event with a JavaScript `Response`. TypeError if it is none.
    fn respond(&self, stream: StreamId, response: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = response.py();
        self.shared.engine.with(py, |ctx| {
            let value = isthmus_bridge::js_value(&ctx, response)?;
            let socket = fetch::response_socket(&value);
            let taken = fetch::response_parts(&ctx, &value);
            let sent = match taken {
                Ok(None) => return Err(PyTypeError::new_err(NO_RESPONSE)),
                Ok(Some((parts, body))) => match socket {
                    Some(socket) => self.shared.upgrade(&ctx, stream, &parts, &socket),
                    None => self.shared.respond(&ctx, stream, &parts, body),
                },
                Err(error) => Err(error),
            };
            sent.map_err(|_| isthmus_bridge::raise(py, &ctx))
        })
    }

    /// Answers an event that has no value.
    fn finished(&self, stream: StreamId) {
        self.shared.finished(stream);
    }

    /// Answers an event with the failure of user code: the exception's class, message and traceback.
    fn fail(&self, stream: StreamId, name: &str, message: &str, trace: &str) {
        let (name, message, trace) = (clip(name), clip(message), clip(trace));
        self.shared.fail(
            stream,
            &Failure {
                kind: FailureKind::User,
                name,
                message,
                trace,
            },
        );
    }

    /// The handler of an event has ended: "ok", "exception" or "canceled".
    fn handler_ended(&self, stream: StreamId, outcome: &str) -> PyResult<()> {
        let outcome = match outcome {
            "ok" => Outcome::Ok,
            "exception" => Outcome::Exception,
            "canceled" => Outcome::Canceled,
            other => return Err(PyTypeError::new_err(format!("no such outcome: {other}"))),
        };
        self.shared.handler_ended(stream, outcome);
        Ok(())
    }

    /// Aborts the signal of a request whose client went away.
    fn abort_request(&self, request: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = request.py();
        self.shared.engine.with(py, |ctx| {
            let value = isthmus_bridge::js_value(&ctx, request)?;
            let Some(object) = value.as_object() else {
                return Ok(());
            };
            fetch::abort_request(&ctx, object, "The client disconnected.")
                .map_err(|_| isthmus_bridge::raise(py, &ctx))
        })
    }

    /// How many events are not over.
    fn open_events(&self) -> usize {
        self.shared.open.borrow().len()
    }

    /// Writes to the host's log, as `sys.stdout` ("stdout") or `sys.stderr` ("stderr") does.
    fn write_log(&self, stream: &str, text: &str) {
        let (level, source) = if stream == "stderr" {
            (LogLevel::Error, LogSource::Stderr)
        } else {
            (LogLevel::Log, LogSource::Stdout)
        };
        self.shared.log(level, source, text, None);
    }
}

fn open_still(read: Result<(), ConnectionError>) -> PyResult<bool> {
    match read {
        Ok(()) => Ok(true),
        Err(ConnectionError::Closed) => Ok(false),
        Err(error) => Err(broken(&error)),
    }
}

/// The longest part of a failure, in bytes: the three must fit a frame together.
const FAILURE_PART: usize = 512 * 1024;

fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(FAILURE_PART)]
}

/// Threads and descriptors of this process: cheap enough to be asked around every import.
#[pyfunction]
pub fn process_counts() -> PyResult<(u64, u64)> {
    let counts = isthmus_sandbox::counts()?;
    Ok((counts.threads, counts.descriptors))
}
