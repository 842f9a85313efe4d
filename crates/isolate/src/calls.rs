//! The broker connection: the isolate's calls of capabilities.

use std::rc::Rc;

use bytes::Bytes;
use isthmus_bindings::link::ConnectionError;
use isthmus_bindings::{Broker, CallBody, CallDone, Opened};
use isthmus_protocol::{ChannelId, Failure, FailureKind, Operation, Reply, StreamId};
use isthmus_web::body::{ByteSink, IncomingBody};
use pyo3::prelude::*;
use rquickjs::Ctx;

use crate::shared::Shared;

/// What upstream says to input and output in the global scope.
pub(crate) const GLOBAL_SCOPE: &str = "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or \
                            connect()), setting a timeout, and generating random values are not allowed within global \
                            scope. To fix this error, perform this operation within a handler.";

/// The isolate's way to the host, for `isthmus-bindings`.
pub(crate) struct IsolateBroker(pub(crate) Rc<Shared>);

impl Broker for IsolateBroker {
    fn call(&self, channel: ChannelId, operation: Operation<'_>, body: CallBody, done: CallDone) -> Opened {
        let shared = &self.0;
        if shared.serves_user() {
            return shared
                .calls
                .call(shared.open_event(), channel, operation, body, done);
        }
        // At the top level of a module nothing can be called. An answer may not come while the call is still being made.
        shared.refused.borrow_mut().push(done);
        Opened {
            call: shared.calls.name(),
            sink: matches!(body, CallBody::Stream { .. }).then(|| Rc::new(Nowhere) as Rc<dyn ByteSink>),
        }
    }

    fn cancel(&self, call: StreamId) {
        self.0.calls.cancel(call);
    }

    fn hang_up(&self, call: StreamId) {
        self.0.calls.hang_up(call);
    }
}

/// The sink of a call that was refused.
struct Nowhere;

impl ByteSink for Nowhere {
    fn write(&self, ctx: &Ctx<'_>, _: Bytes, done: isthmus_web::body::WriteDone) {
        done(ctx, Err(GLOBAL_SCOPE.to_owned()));
    }

    fn close(&self) {}

    fn abort(&self, _: &str) {}
}

impl Shared {
    /// Answers the calls that were made without a connection.
    pub(crate) fn answer_refused(&self, py: Python<'_>) {
        for done in std::mem::take(&mut *self.refused.borrow_mut()) {
            let failure = Failure {
                kind: FailureKind::User,
                name: "Error",
                message: GLOBAL_SCOPE,
                trace: "",
            };
            self.engine
                .with(py, |ctx| done(&ctx, Reply::Failed(failure), IncomingBody::None));
        }
    }

    /// Reads and handles all frames that have arrived.
    pub(crate) fn read_broker(&self, py: Python<'_>) -> Result<(), ConnectionError> {
        let Some(connection) = self.calls.link.connection() else {
            return Ok(());
        };
        connection.fill()?;
        while let Some(frame) = self.calls.link.next_frame(&connection)? {
            self.engine.with(py, |ctx| self.calls.frame(&ctx, &frame))?;
        }
        Ok(())
    }
}
