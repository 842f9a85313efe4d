//! Frames of the events connection: requests in, responses out, and when an event is over.

use std::rc::Rc;

use bytes::Bytes;
use isthmus_bindings::link::{ConnectionError, Incoming, Outgoing, SocketLink, announce, coded, named};
use isthmus_protocol::{
    Body, Event, Failure, Frame, Header, Open, Outcome, Reply, RequestHead, ResponseHead, StreamId, decode,
};
use isthmus_web::body::{ByteSink, OutgoingBody, WriteDone, pump};
use isthmus_web::fetch::{self, RequestParts, ResponseParts};
use isthmus_web::websocket::{self, Socket as _};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use rquickjs::Ctx;

use crate::deliveries::Reported;
use crate::shared::Shared;

/// An event that is not over: it ends when nothing of this is missing any more.
#[derive(Default)]
pub(crate) struct OpenEvent {
    /// How the handler ended.
    outcome: Option<Outcome>,
    /// A response body is still on its way.
    sending: bool,
    /// The client went away: nobody gives credit for a response's body.
    cancelled: bool,
    /// Its one reply is sent.
    answered: bool,
    /// Its client asks for a WebSocket.
    upgradable: bool,
    /// A promise that was passed to `waitUntil` was rejected.
    rejected: bool,
    /// What the host is told at the end.
    pub(crate) reported: Reported,
}

/// The sink of a body that nobody wants: whoever writes to it learns so.
struct Unwanted;

impl ByteSink for Unwanted {
    fn write(&self, ctx: &Ctx<'_>, _: Bytes, done: WriteDone) {
        done(ctx, Err("the client went away".to_owned()));
    }

    fn close(&self) {}

    fn abort(&self, _: &str) {}
}

/// Whether the client of a request asks for a WebSocket.
fn asks_for_socket(head: &RequestHead<'_>) -> bool {
    head.headers
        .iter()
        .any(|header| header.name == "upgrade" && header.value.eq_ignore_ascii_case(b"websocket"))
}

/// A response's head as it travels to the host.
fn response_head(parts: &ResponseParts, upgrade: bool) -> ResponseHead<'_> {
    ResponseHead {
        status: parts.status,
        status_text: &parts.status_text,
        headers: Header::borrowed(&parts.headers),
        upgrade,
    }
}

impl Shared {
    /// Reads and handles all frames that have arrived.
    pub(crate) fn read_events(self: &Rc<Self>, py: Python<'_>) -> Result<(), ConnectionError> {
        let Some(connection) = self.events.connection() else {
            return Ok(());
        };
        connection.fill()?;
        while let Some(frame) = self.events.next_frame(&connection)? {
            self.engine.with(py, |ctx| self.event_frame(py, &ctx, &frame))?;
        }
        Ok(())
    }

    fn event_frame(
        self: &Rc<Self>,
        py: Python<'_>,
        ctx: &Ctx<'_>,
        bytes: &Bytes,
    ) -> Result<(), ConnectionError> {
        match decode::<Frame<'_>>(bytes)? {
            Frame::Open {
                stream,
                open: Open::Event(event),
                body,
            } => {
                let upgradable = matches!(&event, Event::Fetch(head) if asks_for_socket(head));
                let event_state = OpenEvent {
                    upgradable,
                    ..OpenEvent::default()
                };
                self.open.borrow_mut().insert(stream, event_state);
                match event {
                    Event::Fetch(head) => self.open_fetch(py, ctx, stream, &head, &body, bytes),
                    Event::Test => self.tell_server(stream, intern!(py, "test"), (stream,)),
                    Event::Scheduled { cron, time } => self.open_scheduled(py, ctx, stream, cron, time),
                    Event::Queue(batch) => self.open_queue(py, ctx, stream, &batch),
                }
            }
            Frame::Cancel { stream } => {
                if let Some(event) = self.open.borrow_mut().get_mut(&stream) {
                    event.cancelled = true;
                }
                // The handler's task is cancelled before it can hear of what else failed by that.
                self.in_event(py, Some(stream), || {
                    if self.events.refuse(ctx, stream, "the client went away") {
                        self.body_sent(stream);
                    }
                    self.events.lose_socket(ctx, stream, None);
                    self.tell_server(stream, intern!(py, "cancel"), (stream,));
                });
            }
            Frame::Ping { nonce } => self.events.send(&Frame::Pong { nonce }),
            Frame::Shutdown => self.tell_server(0, intern!(py, "shutdown"), ()),
            frame => self.events.body_frame(ctx, frame, bytes),
        }
        Ok(())
    }

    fn open_fetch(
        self: &Rc<Self>,
        py: Python<'_>,
        ctx: &Ctx<'_>,
        stream: StreamId,
        head: &RequestHead<'_>,
        body: &Body<'_>,
        bytes: &Bytes,
    ) {
        let parts = RequestParts {
            method: head.method.to_owned(),
            url: head.url.to_owned(),
            headers: Header::owned(&head.headers),
            cf: head.cf.map(ToOwned::to_owned),
        };
        let body = Incoming::open(&self.events, stream, Some(stream), body, bytes);
        let request = fetch::new_request(ctx, parts, body)
            .map_err(|_| isthmus_web::console::inspect(ctx, ctx.catch()).unwrap_or_default())
            .and_then(|request| {
                isthmus_bridge::wrap(py, request.as_value()).map_err(|error| error.to_string())
            });
        match request {
            Ok(request) => self.tell_server(stream, intern!(py, "fetch"), (stream, request)),
            Err(message) => self.stillborn(stream, &message),
        }
    }

    /// Calls a method of `isthmus._runtime.serve.Server`, which never raises but for a bug of ours. Its name is interned:
    /// CPython caches look-ups by the string object.
    pub(crate) fn tell_server<'py>(
        &self,
        stream: StreamId,
        method: &Bound<'py, PyString>,
        arguments: impl pyo3::call::PyCallArgs<'py>,
    ) {
        let py = method.py();
        let attached = self.attached();
        let Some(server) = attached.as_ref().map(|attached| &attached.server) else {
            return;
        };
        if let Err(error) = server.bind(py).call_method1(method, arguments) {
            let message = error.to_string();
            self.log_internal(&format!("the event server failed in {method}(): {message}"));
            // An event that could not begin is over. One that could not be cancelled goes on.
            if method != "cancel" && self.open.borrow().contains_key(&stream) {
                self.stillborn(stream, &message);
            }
        }
    }

    /// Whether the event may be answered now: the host ends an isolate that answers one twice, or one it has not.
    /// `Some` tells whether its client went away.
    fn begin_reply(&self, stream: StreamId) -> Option<bool> {
        let mut open = self.open.borrow_mut();
        let event = open.get_mut(&stream)?;
        (!std::mem::replace(&mut event.answered, true)).then_some(event.cancelled)
    }

    /// Answers an event with a failure, unless it is answered.
    pub(crate) fn fail(&self, stream: StreamId, failure: &Failure<'_>) {
        if self.begin_reply(stream).is_none() {
            return;
        }
        let frame = Frame::Reply {
            stream,
            reply: Reply::Failed(failure.clone()),
            body: Body::None,
        };
        self.events.send(&frame);
    }

    /// Answers an event that has no value.
    pub(crate) fn finished(&self, stream: StreamId) {
        if self.begin_reply(stream).is_none() {
            return;
        }
        self.events.send(&Frame::Reply {
            stream,
            reply: Reply::Finished,
            body: Body::None,
        });
    }

    /// Answers a `fetch` event. Its body may go on after this.
    pub(crate) fn respond<'js>(
        self: &Rc<Self>,
        ctx: &Ctx<'js>,
        stream: StreamId,
        parts: &ResponseParts,
        body: OutgoingBody<'js>,
    ) -> rquickjs::Result<()> {
        let head = response_head(parts, false);
        // Without an event there is nobody to answer.
        let Some(cancelled) = self.begin_reply(stream) else {
            return Ok(());
        };
        let reply = |body: Body<'_>| {
            let reply = Reply::Response(head.clone());
            self.events.send(&Frame::Reply { stream, reply, body });
        };
        let streamed = |length| {
            reply(Body::Stream { length });
            if let Some(event) = self.open.borrow_mut().get_mut(&stream) {
                event.sending = true;
            }
            Outgoing::open(&self.events, stream, Some(stream))
        };
        match body {
            // A handler that outlived its client has answered all the same; what the answer holds is given up.
            body if cancelled => {
                reply(Body::None);
                match body {
                    OutgoingBody::Source { source, .. } => source.cancel(),
                    OutgoingBody::Stream { stream, .. } => {
                        isthmus_web::streams::drain(ctx, stream, Rc::new(Unwanted))?
                    }
                    OutgoingBody::None | OutgoingBody::Bytes(_) => {}
                }
            }
            OutgoingBody::None => reply(Body::None),
            OutgoingBody::Bytes(bytes) => match announce(&bytes) {
                Body::Stream { length } => streamed(length).send_all(bytes),
                inline => reply(inline),
            },
            // What has codings to be put on can't be passed on as it is.
            OutgoingBody::Source { source, length } => {
                match source.held().filter(|_| parts.codings.is_empty()) {
                    Some(name) => {
                        source.hand_over();
                        reply(named(name, length));
                    }
                    None => {
                        let outgoing = streamed(length);
                        match coded(&outgoing, &parts.codings) {
                            Ok(sink) => pump(ctx, source, sink),
                            Err(reason) => {
                                outgoing.abort(&reason);
                                source.cancel();
                            }
                        }
                    }
                }
            }
            OutgoingBody::Stream {
                stream: readable,
                length,
            } => {
                let outgoing = streamed(length);
                let drained = coded(&outgoing, &parts.codings)
                    .is_ok_and(|sink| isthmus_web::streams::drain(ctx, readable, sink).is_ok());
                if !drained {
                    // The reply is sent: a failure may not be a second one.
                    ctx.catch();
                    outgoing.abort("the response's body could not be read");
                }
            }
        }
        Ok(())
    }

    /// Answers a `fetch` event with a connection, of which `socket` is the client's end.
    pub(crate) fn upgrade<'js>(
        self: &Rc<Self>,
        ctx: &Ctx<'js>,
        stream: StreamId,
        parts: &ResponseParts,
        socket: &rquickjs::Object<'js>,
    ) -> rquickjs::Result<()> {
        let upgradable = match self.open.borrow().get(&stream) {
            Some(event) => event.upgradable,
            None => return Ok(()),
        };
        if !upgradable {
            return Err(rquickjs::Exception::throw_type(
                ctx,
                "Worker tried to return a WebSocket in a response to a request which did not contain the header \
                 \"Upgrade: websocket\".",
            ));
        }
        let link = SocketLink::new(&self.events, stream, Some(stream));
        let receiver = websocket::couple(ctx, socket, Rc::clone(&link) as _)?;
        let Some(cancelled) = self.begin_reply(stream) else {
            return Ok(());
        };
        let (reply, body) = (Reply::Response(response_head(parts, true)), Body::None);
        self.events.send(&Frame::Reply { stream, reply, body });
        if let Some(event) = self.open.borrow_mut().get_mut(&stream) {
            event.sending = true;
        }
        // What was sent before goes after the reply, from which the host learns that this is a connection.
        Rc::clone(&link).start(receiver);
        if cancelled {
            link.lost(ctx, None);
        }
        Ok(())
    }

    /// The event's handler has ended, its reply is sent.
    pub(crate) fn handler_ended(&self, stream: StreamId, outcome: Outcome) {
        if let Some(event) = self.open.borrow_mut().get_mut(&stream) {
            event.outcome = Some(outcome);
        }
        self.end_if_over(stream);
    }

    /// The event's response body is complete, or nobody wants it any more.
    pub(crate) fn body_sent(&self, stream: StreamId) {
        if let Some(event) = self.open.borrow_mut().get_mut(&stream) {
            event.sending = false;
        }
        self.end_if_over(stream);
    }

    /// Sends `Done` if nothing of the event is left.
    pub(crate) fn end_if_over(&self, stream: StreamId) {
        if self.waiting.borrow().contains_key(&stream) {
            return;
        }
        let mut open = self.open.borrow_mut();
        let Some((outcome, false)) = open
            .get(&stream)
            .and_then(|event| Some((event.outcome?, event.sending)))
        else {
            return;
        };
        let event = open.remove(&stream).unwrap_or_default();
        drop(open);
        // As upstream: what is waited for belongs to the event.
        let outcome = match outcome {
            Outcome::Ok if event.rejected => Outcome::Exception,
            outcome => outcome,
        };
        event.reported.report(|report| {
            self.events.send(&Frame::Done {
                stream,
                outcome,
                report,
            });
        });
    }

    /// A promise that the event waits for was rejected.
    pub(crate) fn waited_in_vain(&self, stream: StreamId) {
        if let Some(event) = self.open.borrow_mut().get_mut(&stream) {
            event.rejected = true;
        }
    }
}
