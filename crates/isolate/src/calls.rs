//! Frames of the broker connection: calls of capabilities and their answers.

use std::rc::Rc;

use bytes::Bytes;
use isthmus_bindings::{Broker, CallBody, CallDone};
use isthmus_protocol::{
    Body, Call, ChannelId, Failure, FailureKind, Frame, Open, Operation, Reply, StreamId, decode,
};
use isthmus_web::body::{ByteSink, IncomingBody};
use pyo3::prelude::*;
use rquickjs::Ctx;

use crate::bodies::{Incoming, Outgoing, announce};
use crate::connection::ConnectionError;
use crate::shared::{Shared, Side};

/// What upstream says to input and output in the global scope.
const GLOBAL_SCOPE: &str = "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or \
                            connect()), setting a timeout, and generating random values are not allowed within global \
                            scope. To fix this error, perform this operation within a handler.";

/// The isolate's way to the host, for `isthmus-bindings`.
pub(crate) struct IsolateBroker(pub(crate) Rc<Shared>);

impl Broker for IsolateBroker {
    fn call(
        &self,
        channel: ChannelId,
        operation: Operation<'_>,
        body: CallBody,
        done: CallDone,
    ) -> Option<Rc<dyn ByteSink>> {
        let shared = &self.0;
        if shared.serving_user().is_none() {
            return refuse(shared, body, done);
        }
        let stream = shared.next_call();
        shared.calls.borrow_mut().insert(stream, done);
        let open = |body: Body<'_>| {
            let call = Call {
                channel,
                event: shared.current_event(),
                operation: operation.clone(),
            };
            shared.send(
                Side::Broker,
                &Frame::Open {
                    stream,
                    open: Open::Call(call),
                    body,
                },
            );
        };
        match body {
            CallBody::None => open(Body::None),
            CallBody::Stream { length } => {
                open(Body::Stream { length });
                return Some(Outgoing::open(shared, (Side::Broker, stream)));
            }
            CallBody::Bytes(bytes) => match announce(&bytes) {
                body @ Body::Stream { .. } => {
                    open(body);
                    let outgoing = Outgoing::open(shared, (Side::Broker, stream));
                    Python::attach(|py| shared.engine.with(py, |ctx| outgoing.send_all(&ctx, bytes)));
                }
                inline => open(inline),
            },
        }
        None
    }
}

/// Without a connection, that is at the top level of a module, nothing can be called.
fn refuse(shared: &Rc<Shared>, body: CallBody, done: CallDone) -> Option<Rc<dyn ByteSink>> {
    // An answer may not come while the call is still being made.
    shared.refused.borrow_mut().push(done);
    matches!(body, CallBody::Stream { .. }).then(|| Rc::new(Nowhere) as Rc<dyn ByteSink>)
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
    pub(crate) fn read_broker(self: &Rc<Self>, py: Python<'_>) -> Result<(), ConnectionError> {
        let Some(serving) = self.serving() else {
            return Ok(());
        };
        let connection = serving.connection(Side::Broker);
        connection.fill()?;
        while let Some(frame) = connection.next_frame()? {
            self.engine.with(py, |ctx| self.broker_frame(&ctx, &frame))?;
        }
        Ok(())
    }

    fn broker_frame(self: &Rc<Self>, ctx: &Ctx<'_>, bytes: &Bytes) -> Result<(), ConnectionError> {
        match decode::<Frame<'_>>(bytes)? {
            Frame::Reply { stream, reply, body } => self.call_answered(ctx, stream, reply, &body, bytes),
            Frame::Cancel { stream } => {
                let outgoing = self.outgoing.borrow_mut().remove(&(Side::Broker, stream));
                if let Some(outgoing) = outgoing {
                    outgoing.refuse(ctx, "the host wants no more of this body");
                }
            }
            frame => self.body_frame(ctx, Side::Broker, frame, bytes),
        }
        Ok(())
    }

    fn call_answered(
        self: &Rc<Self>,
        ctx: &Ctx<'_>,
        stream: StreamId,
        reply: Reply<'_>,
        body: &Body<'_>,
        bytes: &Bytes,
    ) {
        let done = self.calls.borrow_mut().remove(&stream);
        let Some(done) = done else {
            self.log_internal(&format!("the host answered call {stream}, which is not open"));
            return;
        };
        let inline = match body {
            Body::Inline(inline) => bytes.slice_ref(inline),
            _ => Bytes::new(),
        };
        let body = Incoming::open(self, (Side::Broker, stream), body, inline);
        done(ctx, reply, body);
    }
}
