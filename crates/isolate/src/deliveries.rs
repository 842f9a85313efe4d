//! Events that are no requests: cron triggers and batches of a queue, and what is told of them at their end.

use std::cell::Cell;
use std::rc::Rc;

use isthmus_bindings::{BatchState, queue_controller, scheduled_controller};
use isthmus_protocol::queue::Batch;
use isthmus_protocol::{Failure, FailureKind, LogLevel, LogSource, Outcome, Report, StreamId};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use rquickjs::{Ctx, Object};

use crate::shared::Shared;

/// What the host wants to know of an event once it is over.
#[derive(Default)]
pub(crate) enum Reported {
    /// Nothing.
    #[default]
    Nothing,
    /// Whether a cron trigger is not to be tried again.
    Scheduled(Rc<Cell<bool>>),
    /// What became of a batch.
    Queue(Rc<BatchState>),
}

impl Reported {
    /// Hands out the report as it stands.
    pub(crate) fn report(&self, take: impl FnOnce(Report<'_>)) {
        match self {
            Self::Nothing => take(Report::None),
            Self::Scheduled(no_retry) => take(Report::Scheduled {
                no_retry: no_retry.get(),
            }),
            Self::Queue(batch) => batch.verdict(|verdict| take(Report::Queue(verdict))),
        }
    }
}

impl Shared {
    pub(crate) fn open_scheduled(
        self: &Rc<Self>,
        py: Python<'_>,
        ctx: &Ctx<'_>,
        stream: StreamId,
        cron: &str,
        time: i64,
    ) {
        let made = scheduled_controller(ctx, cron, time)
            .map(|(controller, no_retry)| (controller, Reported::Scheduled(no_retry)));
        self.deliver(ctx, stream, intern!(py, "scheduled"), made);
    }

    pub(crate) fn open_queue(
        self: &Rc<Self>,
        py: Python<'_>,
        ctx: &Ctx<'_>,
        stream: StreamId,
        batch: &Batch<'_>,
    ) {
        let shared = Rc::downgrade(self);
        let warn = Box::new(move |text: &str| {
            if let Some(shared) = shared.upgrade() {
                shared.log(LogLevel::Warn, LogSource::Runtime, text, None);
            }
        });
        let made = queue_controller(ctx, batch, warn).map(|(batch, state)| (batch, Reported::Queue(state)));
        self.deliver(ctx, stream, intern!(py, "queue"), made);
    }

    /// Gives an event's object to the server.
    fn deliver<'js>(
        &self,
        ctx: &Ctx<'js>,
        stream: StreamId,
        method: &Bound<'_, PyString>,
        made: rquickjs::Result<(Object<'js>, Reported)>,
    ) {
        let py = method.py();
        let object = made
            .map_err(|_| isthmus_web::console::inspect(ctx, ctx.catch()).unwrap_or_default())
            .and_then(|(object, reported)| {
                if let Some(event) = self.open.borrow_mut().get_mut(&stream) {
                    event.reported = reported;
                }
                isthmus_bridge::wrap(py, object.as_value()).map_err(|error| error.to_string())
            });
        match object {
            Ok(object) => self.tell_server(stream, method, (stream, object)),
            Err(message) => self.stillborn(stream, &message),
        }
    }

    /// Ends an event that could not begin, which is no fault of the Worker's.
    pub(crate) fn stillborn(&self, stream: StreamId, message: &str) {
        let failure = Failure {
            kind: FailureKind::Internal,
            name: "Error",
            message,
            trace: "",
        };
        self.fail(stream, &failure);
        self.handler_ended(stream, Outcome::Exception);
    }
}
