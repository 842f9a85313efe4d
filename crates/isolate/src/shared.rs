//! The state that the parts of an isolate share. One thread; every borrow ends before foreign code can run.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant, SystemTime};

use isthmus_bindings::link::{Calls, Connection, Link, LinkOwner, Side};
use isthmus_bindings::{CallDone, Events as _};
use isthmus_bridge::{EngineHandle, Rejection};
use isthmus_jobs::Pool;
use isthmus_protocol::{Patience, StreamId};
use isthmus_web::{Job, JobDone};
use pyo3::intern;
use pyo3::prelude::*;

use crate::events::OpenEvent;
use crate::workers::Waiting;

/// Python's side, from when it serves.
pub(crate) struct Attached {
    /// `isthmus._runtime.serve.Server`.
    pub(crate) server: Py<PyAny>,
    /// The `contextvars.ContextVar` that holds the current event's stream.
    pub(crate) current_event: Py<PyAny>,
}

/// Everything but the engine itself.
pub(crate) struct Shared {
    pub(crate) engine: EngineHandle,
    /// Requests in. An isolate has the connections to the host, its zygote has not.
    pub(crate) events: Rc<Link>,
    /// Capabilities out.
    pub(crate) calls: Calls,
    /// Without connections, too: an engine alone has timers as soon as there is a loop.
    attached: RefCell<Option<Rc<Attached>>>,
    /// The zygote goes through an isolate's life with nobody there (`rehearsal.rs`). What user code does meanwhile
    /// finds the zygote: no broker, no timers, the zygote's own standard streams.
    pub(crate) rehearsing: Cell<bool>,
    /// Calls made without a connection, to be refused with the next turn.
    pub(crate) refused: RefCell<Vec<CallDone>>,
    /// Events that are not done.
    pub(crate) open: RefCell<HashMap<StreamId, OpenEvent>>,
    /// Timers asked for before there was an event loop.
    pub(crate) early_timers: RefCell<Vec<(u32, Duration)>>,
    /// Timers of the event loop.
    pub(crate) timers: RefCell<HashMap<u32, Py<PyAny>>>,
    /// Work for other threads, from the first on, with the event that asked for it.
    pub(crate) pool: OnceCell<Pool<(Option<StreamId>, JobDone)>>,
    /// Work asked for before there was an event loop: the zygote has one thread.
    pub(crate) early_jobs: RefCell<Vec<Job>>,
    /// In whose course the JavaScript jobs that wait came about.
    left_by: Cell<Option<StreamId>>,
    /// Within the `body` of an `in_event`.
    in_course: Cell<bool>,
    /// `time_origin` as both clocks show it.
    pub(crate) origin: Cell<(Instant, Duration)>,
    /// How it waits for the answers of calls.
    pub(crate) patience: Patience,
    /// Events whose `waitUntil` promises are not all settled, with their number.
    pub(crate) waiting: RefCell<HashMap<StreamId, usize>>,
}

impl Shared {
    pub(crate) fn new(engine: EngineHandle) -> Rc<Self> {
        Rc::new_cyclic(|shared| Self {
            engine,
            events: Link::new(Side::Events, Box::new(Owner(Weak::clone(shared), Side::Events))),
            calls: Calls::new(Box::new(Owner(Weak::clone(shared), Side::Broker))),
            attached: RefCell::default(),
            rehearsing: Cell::new(false),
            refused: RefCell::default(),
            open: RefCell::default(),
            early_timers: RefCell::default(),
            timers: RefCell::default(),
            pool: OnceCell::new(),
            early_jobs: RefCell::default(),
            left_by: Cell::default(),
            in_course: Cell::default(),
            origin: Cell::new(now()),
            patience: Patience::default(),
            waiting: RefCell::default(),
        })
    }

    /// The isolate begins to serve: its connections are there, its clock starts.
    pub(crate) fn connect(&self, events: Connection, broker: Connection) {
        self.events.connect(events);
        self.calls.link.connect(broker);
        self.origin.set(now());
    }

    /// After a rehearsal: a zygote again.
    pub(crate) fn disconnect(&self) {
        self.events.disconnect();
        self.calls.link.disconnect();
        self.attached.replace(None);
        self.open.borrow_mut().clear();
        self.waiting.borrow_mut().clear();
        self.origin.set(now());
    }

    /// Joins Python's side; `false` if there is one.
    pub(crate) fn attach(&self, attached: Attached) -> bool {
        let mut place = self.attached.borrow_mut();
        let free = place.is_none();
        if free {
            *place = Some(Rc::new(attached));
        }
        free
    }

    /// Python's side.
    pub(crate) fn attached(&self) -> Option<Rc<Attached>> {
        self.attached.borrow().clone()
    }

    /// Whether there is a host, as user code has it: in the zygote there is nobody to talk to, but for its rehearsals.
    pub(crate) fn serves_user(&self) -> bool {
        self.events_of_user().is_some()
    }

    /// The events connection, as user code has it.
    fn events_of_user(&self) -> Option<Rc<Connection>> {
        self.events.connection().filter(|_| !self.rehearsing.get())
    }

    /// A line about the isolate itself.
    pub(crate) fn log_internal(&self, text: &str) {
        self.log(
            isthmus_protocol::LogLevel::Error,
            isthmus_protocol::LogSource::Runtime,
            text,
            None,
        );
    }

    /// Sends a log record at once, so that what is printed before a crash is not lost. In the zygote it goes to
    /// the standard streams, which the host reads too.
    pub(crate) fn log(
        &self,
        level: isthmus_protocol::LogLevel,
        source: isthmus_protocol::LogSource,
        text: &str,
        position: Option<&str>,
    ) {
        let Some(events) = self.events_of_user() else {
            let stream = if level >= isthmus_protocol::LogLevel::Warn {
                rustix::stdio::stderr()
            } else {
                rustix::stdio::stdout()
            };
            let line = format!("{text}\n");
            let mut rest = line.as_bytes();
            while let Ok(written @ 1..) = rustix::io::write(stream, rest) {
                rest = &rest[written..];
            }
            return;
        };
        for piece in pieces(text) {
            let record = isthmus_protocol::LogRecord {
                level,
                source,
                event: self.current_event(),
                text: piece,
                position,
            };
            // A record is within the limit by construction; should it not be, there is nobody to tell.
            let _ = events.send(&isthmus_protocol::Frame::Log(record));
        }
        // A closed connection is noticed by the event loop's next read.
        let _ = events.flush();
    }

    /// The stream of the event in whose course we are, if any.
    pub(crate) fn current_event(&self) -> Option<StreamId> {
        let attached = self.attached()?;
        let variable = &attached.current_event;
        Python::attach(|py| {
            variable
                .bind(py)
                .call_method0(intern!(py, "get"))
                .ok()?
                .extract::<Option<StreamId>>()
                .ok()?
        })
    }

    /// Runs `body`, and then the JavaScript jobs that wait, in the course of an event, as code of its own task runs. Within
    /// another call only `body`: the jobs are left to that one. There is no JavaScript on the stack.
    pub(crate) fn in_event(&self, py: Python<'_>, event: Option<StreamId>, body: impl FnOnce()) {
        self.in_course_of(py, event, || {
            let is_outer = !self.in_course.replace(true);
            body();
            if is_outer {
                self.in_course.set(false);
                if isthmus_bridge::jobs_pending(py) {
                    run_jobs(py);
                }
            }
        });
    }

    fn in_course_of(&self, py: Python<'_>, event: Option<StreamId>, body: impl FnOnce()) {
        let attached = event.and_then(|_| self.attached());
        // Setting a context variable fails only for want of memory; then the code belongs to no event.
        let entered = attached.as_ref().and_then(|attached| {
            let variable = attached.current_event.bind(py);
            let token = variable.call_method1(intern!(py, "set"), (event,)).ok()?;
            Some((variable, token))
        });
        body();
        if let Some((variable, token)) = entered {
            let _ = variable.call_method1(intern!(py, "reset"), (token,));
        }
    }

    /// The jobs that wait belong to the event in whose course we are.
    pub(crate) fn leave_jobs(&self) {
        self.left_by.set(self.current_event());
    }

    /// The microtask checkpoint, in the course of the event that the jobs belong to.
    pub(crate) fn run_jobs(&self, py: Python<'_>) {
        self.in_course_of(py, self.left_by.take(), || run_jobs(py));
    }

    /// The same, unless that event is over: what goes on after its end goes on for nobody.
    pub(crate) fn open_event(&self) -> Option<StreamId> {
        self.current_event()
            .filter(|event| self.open.borrow().contains_key(event))
    }
}

/// What jobs throw, and rejections that nobody handles, go to the log.
fn run_jobs(py: Python<'_>) {
    isthmus_bridge::run_jobs(
        py,
        &mut |ctx, thrown| {
            // Reporting can fail only for want of memory; then there is nothing left to report with.
            let _ = isthmus_web::report_exception(ctx, thrown);
        },
        Some(&mut |ctx, rejection| {
            let Rejection {
                promise,
                reason,
                is_handled,
            } = rejection;
            let _ = isthmus_web::events::promise_rejected(ctx, promise, reason, is_handled);
        }),
    );
}

/// What the links tell the isolate.
struct Owner(Weak<Shared>, Side);

impl LinkOwner for Owner {
    fn body_sent(&self, stream: StreamId) {
        // The bodies of calls end with nothing that waits for it.
        if let Some(shared) = self.0.upgrade()
            && self.1 == Side::Events
        {
            shared.body_sent(stream);
        }
    }

    fn in_event(&self, event: Option<StreamId>, body: &mut dyn FnMut()) {
        match self.0.upgrade() {
            Some(shared) => Python::attach(|py| shared.in_event(py, event, body)),
            None => body(),
        }
    }

    fn socket_heard(&self, event: Option<StreamId>, is_heard: bool) {
        // As a promise that was passed to `waitUntil` does, it keeps its event open.
        if let (Some(shared), Some(event)) = (self.0.upgrade(), event) {
            let events = Waiting(shared);
            if is_heard {
                events.begin(event);
            } else {
                events.end(event, false);
            }
        }
    }

    fn report(&self, text: &str) {
        if let Some(shared) = self.0.upgrade() {
            shared.log_internal(text);
        }
    }
}

/// The longest text of one log record, in bytes; longer ones are cut into several.
const LOG_PIECE: usize = 256 * 1024;

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        if text.len() <= LOG_PIECE {
            rest = None;
            return Some(text);
        }
        let (piece, tail) = text.split_at(text.floor_char_boundary(LOG_PIECE));
        rest = Some(tail);
        Some(piece)
    })
}

fn now() -> (Instant, Duration) {
    let epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    (Instant::now(), epoch)
}
