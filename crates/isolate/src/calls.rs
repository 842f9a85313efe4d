//! Frames of the broker connection: calls of capabilities and their answers.

use std::rc::Rc;

use bytes::Bytes;
use isthmus_bindings::{Broker, CallBody, CallDone, Opened};
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
pub(crate) const GLOBAL_SCOPE: &str = "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or \
                            connect()), setting a timeout, and generating random values are not allowed within global \
                            scope. To fix this error, perform this operation within a handler.";

/// The isolate's way to the host, for `isthmus-bindings`.
pub(crate) struct IsolateBroker(pub(crate) Rc<Shared>);

impl Broker for IsolateBroker {
    fn call(&self, channel: ChannelId, operation: Operation<'_>, body: CallBody, done: CallDone) -> Opened {
        let shared = &self.0;
        let stream = shared.next_call();
        let opened = |sink| Opened { call: stream, sink };
        if shared.serving_user().is_none() {
            return opened(refuse(shared, &body, done));
        }
        shared.calls.borrow_mut().insert(stream, done);
        let open = |body: Body<'_>| {
            let call = Call {
                channel,
                event: shared.open_event(),
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
                return opened(Some(Outgoing::open(shared, (Side::Broker, stream))));
            }
            CallBody::Held { call, length } => {
                shared.hand_over(call);
                open(Body::Held { stream: call, length });
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
        opened(None)
    }

    fn cancel(&self, call: StreamId) {
        let shared = &self.0;
        let done = shared.calls.borrow_mut().remove(&call);
        if done.is_none() {
            return;
        }
        let outgoing = shared.outgoing.borrow_mut().remove(&(Side::Broker, call));
        if let Some(outgoing) = outgoing {
            outgoing.give_up();
        }
        shared.send(Side::Broker, &Frame::Cancel { stream: call });
    }
}

/// Without a connection, that is at the top level of a module, nothing can be called.
fn refuse(shared: &Rc<Shared>, body: &CallBody, done: CallDone) -> Option<Rc<dyn ByteSink>> {
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

    /// The host passes a held body on by itself.
    pub(crate) fn hand_over(&self, held: StreamId) {
        let incoming = self.incoming.borrow_mut().remove(&(Side::Broker, held));
        if let Some(incoming) = incoming.and_then(|incoming| incoming.upgrade()) {
            incoming.handed_over();
        }
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
        // A call that was given up: its answer crossed with that.
        let Some(done) = done else { return };
        let inline = match body {
            Body::Inline(inline) => bytes.slice_ref(inline),
            _ => Bytes::new(),
        };
        let body = Incoming::open(self, (Side::Broker, stream), body, inline);
        done(ctx, reply, body);
    }
}
