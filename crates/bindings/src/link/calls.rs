//! Calls of capabilities and their answers, on the broker's link.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use bytes::Bytes;
use isthmus_protocol::{
    Body, Call, ChannelId, Failure, FailureKind, Frame, Open, Operation, Reply, StreamId, decode,
};
use isthmus_web::body::{ByteSource, IncomingBody};
use rquickjs::Ctx;

use super::{ConnectionError, Incoming, Link, LinkOwner, Outgoing, Side, SocketLink, announce, named};
use crate::{CallBody, CallDone, Opened};

/// The calls of a process.
pub struct Calls {
    /// What they go over.
    pub link: Rc<Link>,
    /// Those that wait for their answer.
    waiting: RefCell<HashMap<StreamId, Waiting>>,
    /// How many of them the host does by itself.
    near: Cell<usize>,
    next: Cell<StreamId>,
}

/// A call that waits for its answer.
struct Waiting {
    done: CallDone,
    /// The event on whose behalf it was made.
    event: Option<StreamId>,
    /// Whether the host does it by itself, without a network.
    is_near: bool,
}

impl Calls {
    /// Calls over a link that has no connection yet.
    pub fn new(owner: Box<dyn LinkOwner>) -> Self {
        Self {
            link: Link::new(Side::Broker, owner),
            waiting: RefCell::default(),
            near: Cell::new(0),
            next: Cell::new(1),
        }
    }

    /// A number for a new call.
    pub fn name(&self) -> StreamId {
        let stream = self.next.get();
        self.next.set(stream.wrapping_add(1).max(1));
        stream
    }

    /// Makes a call, on behalf of `event` if there is one; [`crate::Broker::call`] says the rest.
    pub fn call(
        &self,
        event: Option<StreamId>,
        channel: ChannelId,
        operation: Operation<'_>,
        body: CallBody,
        done: CallDone,
    ) -> Opened {
        let stream = self.name();
        let waiting = Waiting {
            done,
            event,
            is_near: !matches!(
                operation,
                Operation::Fetch(_) | Operation::Socket(_) | Operation::Rpc { .. }
            ),
        };
        self.near.set(self.near.get() + usize::from(waiting.is_near));
        self.waiting.borrow_mut().insert(stream, waiting);
        let open = |body: Body<'_>| {
            let call = Call {
                channel,
                event,
                operation: operation.clone(),
            };
            self.link.send(&Frame::Open {
                stream,
                open: Open::Call(call),
                body,
            });
        };
        let mut opened = Opened {
            call: stream,
            sink: None,
        };
        match body {
            CallBody::None => open(Body::None),
            CallBody::Stream { length } => {
                open(Body::Stream { length });
                opened.sink = Some(Outgoing::open(&self.link, stream, event));
            }
            CallBody::Held { name, source, length } => {
                source.hand_over();
                open(named(name, length));
            }
            CallBody::Bytes(bytes) => match announce(&bytes) {
                body @ Body::Stream { .. } => {
                    open(body);
                    Outgoing::open(&self.link, stream, event).send_all(bytes);
                }
                inline => open(inline),
            },
        }
        opened
    }

    fn take(&self, call: StreamId) -> Option<Waiting> {
        let waiting = self.waiting.borrow_mut().remove(&call)?;
        self.near.set(self.near.get() - usize::from(waiting.is_near));
        Some(waiting)
    }

    /// Gives a call up; [`crate::Broker::cancel`] says the rest.
    pub fn cancel(&self, call: StreamId) {
        if self.take(call).is_none() {
            return;
        }
        let outgoing = self.link.outgoing.borrow_mut().remove(&call);
        if let Some(outgoing) = outgoing {
            outgoing.give_up();
        }
        self.link.send(&Frame::Cancel { stream: call });
    }

    /// Gives up a call with both its bodies; [`crate::Broker::hang_up`] says the rest.
    pub fn hang_up(&self, call: StreamId) {
        if self.waiting.borrow().contains_key(&call) {
            return self.cancel(call);
        }
        let outgoing = self.link.outgoing.borrow_mut().remove(&call);
        if let Some(outgoing) = outgoing {
            outgoing.give_up();
            self.link.send(&Frame::End {
                stream: call,
                error: Some("it was closed"),
            });
        }
        // One that the host passes on by itself is not in the table any more: it must not hear of this.
        let incoming = self.link.incoming.borrow().get(&call).and_then(Weak::upgrade);
        if let Some(incoming) = incoming {
            incoming.cancel();
        }
    }

    /// Whether an answer is on its way that needs nobody but the host and its disk.
    pub fn is_answer_near(&self) -> bool {
        self.near.get() > 0
    }

    /// Whether an answer or a body is on its way.
    pub fn is_busy(&self) -> bool {
        !self.waiting.borrow().is_empty() || self.link.has_bodies()
    }

    /// Handles a frame that has arrived.
    ///
    /// # Errors
    /// If the bytes are none.
    pub fn frame(&self, ctx: &Ctx<'_>, bytes: &Bytes) -> Result<(), ConnectionError> {
        match decode::<Frame<'_>>(bytes)? {
            Frame::Reply { stream, reply, body } => {
                // Of a call that was given up the answer crossed with that.
                let Some(Waiting { done, event, .. }) = self.take(stream) else {
                    return Ok(());
                };
                let body = match &reply {
                    Reply::Response(head) if head.upgrade => {
                        IncomingBody::Socket(SocketLink::new(&self.link, stream, event))
                    }
                    _ => Incoming::open(&self.link, stream, event, &body, bytes),
                };
                let mut answer = Some((done, reply, body));
                self.link.in_event(event, &mut || {
                    if let Some((done, reply, body)) = answer.take() {
                        done(ctx, reply, body);
                    }
                });
            }
            Frame::Cancel { stream } => {
                self.link
                    .refuse(ctx, stream, "the host wants no more of this body");
            }
            frame => self.link.body_frame(ctx, frame, bytes),
        }
        Ok(())
    }

    /// The connection is lost: everything that is under way fails, for the reason given.
    pub fn lose(&self, ctx: &Ctx<'_>, reason: &str) {
        self.link.lose(ctx, reason);
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        self.near.set(0);
        for Waiting { done, .. } in waiting.into_values() {
            let failure = Failure {
                kind: FailureKind::Internal,
                name: "TypeError",
                message: reason,
                trace: "",
            };
            done(ctx, Reply::Failed(failure), IncomingBody::None);
        }
    }
}
