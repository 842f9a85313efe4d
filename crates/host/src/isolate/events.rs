//! The events connection: events that are open in an isolate and the frames that concern them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use isthmus_protocol::flow::CHUNK_MAX;
use isthmus_protocol::{Body, Event, Frame, Open, Outcome, Reply, Report, StreamId, decode};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{
    Answer, AnswerBody, AnswerHead, Broken, EndReason, EventEnd, EventFailure, EventHandle, Isolate,
    RequestBody, Violation,
};
use crate::broker::{GONE, HeldBody, Origin};
use crate::client_body;
use crate::limits::OPEN_EVENTS_MAX;
use crate::network::{LOOP_HEADER, accepts, depth_of};
use crate::streams::{BodyQueue, SendFlow, keep, lock};
use crate::supervisor::Note;
use crate::websocket::{Gone, MessageQueue};

/// The events open in one isolate.
#[derive(Default)]
pub(super) struct EventTable {
    last: StreamId,
    pub(super) open: HashMap<StreamId, EventState>,
    ready: bool,
    closed: bool,
}

/// One open event. It ends when the isolate is [`done`](Frame::Done) with it and the body of its
/// answer is complete.
pub(super) struct EventState {
    /// Who waits for the answer; gone once it came or the event was cancelled.
    waiter: Option<oneshot::Sender<Result<Answer, Broken>>>,
    answered: bool,
    done: bool,
    /// Who waits for the end; a client doesn't.
    ended: Option<oneshot::Sender<EventEnd>>,
    pub(super) cancelled: Option<Instant>,
    /// The answer's body while it arrives.
    response: Option<Arc<BodyQueue>>,
    /// The request's body while it is sent, or the messages of a WebSocket.
    request: Option<Arc<SendFlow>>,
    /// The messages of a WebSocket, from the isolate.
    pub(super) socket: Option<Arc<MessageQueue>>,
    /// It became a WebSocket.
    pub(super) upgraded: bool,
}

impl EventState {
    pub(super) fn is_over(&self) -> bool {
        self.done && self.response.is_none() && self.socket.is_none()
    }

    pub(super) fn close(self) {
        if let Some(flow) = self.request {
            flow.stop();
        }
    }

    /// Fails the event since its isolate ended; whether somebody still waited for it.
    pub(super) fn fail(self, reason: &EndReason) -> bool {
        let waited = self.waiter.is_some() || self.response.is_some() || self.socket.is_some();
        if let Some(queue) = self.socket {
            queue.finish(match reason {
                EndReason::Shutdown | EndReason::Zygote => Gone::Replaced,
                _ => Gone::Failed,
            });
        }
        if let Some(waiter) = self.waiter {
            // Nobody hears it if the client goes away at this moment.
            let _ = waiter.send(Err(Broken::Ended(reason.to_string())));
        }
        if let Some(queue) = self.response {
            queue.finish(Err(format!("the isolate ended: {reason}")));
        }
        if let Some(flow) = self.request {
            flow.stop();
        }
        waited
    }
}

impl EventTable {
    /// Takes no more events; answers those that were open, or `None` if it was closed already.
    pub(super) fn close(&mut self) -> Option<Vec<EventState>> {
        if std::mem::replace(&mut self.closed, true) {
            return None;
        }
        Some(self.open.drain().map(|(_, state)| state).collect())
    }

    /// Whether it takes no more events.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// A number that no open event has. They come round again after 2^32 events.
    fn next_stream(&mut self) -> StreamId {
        loop {
            self.last = self.last.wrapping_add(1);
            if !self.open.contains_key(&self.last) {
                return self.last;
            }
        }
    }
}

/// Where an event comes from.
fn origin(event: &Event<'_>) -> Origin {
    let Event::Fetch(head) = event else {
        return Origin::default();
    };
    let values = |name: &'static str| {
        let own = head.headers.iter().filter(move |header| header.name == name);
        own.map(|header| header.value)
    };
    Origin {
        depth: depth_of(values(LOOP_HEADER)),
        gzip: accepts(values("accept-encoding"), "gzip"),
        brotli: accepts(values("accept-encoding"), "br"),
    }
}

/// Whether nothing outside learns of a frame of the events connection.
pub(super) fn says_nothing(raw: &Bytes) -> bool {
    matches!(
        decode::<Frame<'_>>(raw),
        Ok(Frame::Credit { .. } | Frame::Ping { .. } | Frame::Pong { .. } | Frame::Log(_))
    )
}

impl Isolate {
    /// Delivers an event.
    ///
    /// # Errors
    /// [`Broken`] if the isolate has ended or has too many events open.
    pub(crate) fn open(
        self: &Arc<Self>,
        event: Event<'_>,
        body: RequestBody<'_>,
    ) -> Result<EventHandle, Broken> {
        let (waiter, answer) = oneshot::channel();
        let (ended, end) = match event {
            Event::Fetch(_) => (None, None),
            _ => {
                let (ended, end) = oneshot::channel();
                (Some(ended), Some(end))
            }
        };
        let flow = matches!(body, RequestBody::Stream { .. }).then(|| Arc::new(SendFlow::stream()));
        let (stream, first) = {
            let mut table = lock(&self.table);
            if table.closed {
                return Err(Broken::Ended("its process ended".into()));
            }
            if table.open.len() >= OPEN_EVENTS_MAX {
                return Err(Broken::Full);
            }
            let stream = table.next_stream();
            table.open.insert(
                stream,
                EventState {
                    waiter: Some(waiter),
                    answered: false,
                    done: false,
                    ended,
                    cancelled: None,
                    response: None,
                    request: flow.clone(),
                    socket: None,
                    upgraded: false,
                },
            );
            self.open.store(table.open.len(), Ordering::Relaxed);
            (stream, table.open.len() == 1)
        };
        let mut kept = None;
        let (body, held) = match body {
            RequestBody::None => (Body::None, None),
            RequestBody::Inline(bytes) => (Body::Inline(bytes), None),
            RequestBody::Stream { length } => (Body::Stream { length }, None),
            RequestBody::Held(body) => {
                let held = body.take().map(|mut body| {
                    body.of_event(Arc::downgrade(self), stream);
                    body
                });
                kept = Some(body);
                let length = held.as_ref().and_then(|body| body.left());
                (Body::Request { stream, length }, held)
            }
        };
        self.broker.event_begins(stream, origin(&event), held);
        if first {
            self.vitals.wake();
        }
        let handle = EventHandle {
            isolate: self.clone(),
            stream,
            answer,
            end,
            flow,
            settled: false,
        };
        let frame = Frame::Open {
            stream,
            open: Open::Event(event),
            body,
        };
        // The limits of the front keep a head far below the longest frame.
        if let Err(error) = self.events.send(&frame) {
            if let Some(kept) = kept {
                *kept = self.broker.take_request(stream);
            }
            self.forget(stream);
            return Err(Broken::Ended(error.to_string()));
        }
        Ok(handle)
    }

    /// The outgoing side is full: nothing should be sent before it has drained.
    pub(crate) async fn events_room(&self) {
        if !self.events.has_room() {
            self.events.room().await;
        }
    }

    /// Sends a chunk of a request's body, at most what its flow allows.
    pub(crate) fn send_chunk(&self, stream: StreamId, chunk: Bytes) {
        self.events.send_chunk(stream, chunk);
    }

    /// Ends a request's body.
    pub(crate) fn send_end(&self, stream: StreamId, error: Option<&str>) {
        self.events.send_short(&Frame::End { stream, error });
    }

    /// Grants credit for an answer's body.
    pub(crate) fn send_credit(&self, stream: StreamId, bytes: u32) {
        self.events.send_short(&Frame::Credit { stream, bytes });
    }

    /// Answers an event in the isolate's place and cancels it there.
    pub(crate) fn reject(&self, stream: StreamId, why: Broken) {
        let waiter = lock(&self.table)
            .open
            .get_mut(&stream)
            .and_then(|state| state.waiter.take());
        if let Some(waiter) = waiter {
            let _ = waiter.send(Err(why));
        }
        self.cancel(stream);
    }

    /// The client went away. The event stays open until the isolate is done with it.
    pub(crate) fn cancel(&self, stream: StreamId) {
        let over;
        {
            let mut table = lock(&self.table);
            let Entry::Occupied(mut entry) = table.open.entry(stream) else {
                return;
            };
            let state = entry.get_mut();
            state.waiter = None;
            state.response = None;
            state.socket = None;
            if let Some(flow) = state.request.take() {
                flow.stop();
            }
            state.cancelled.get_or_insert_with(Instant::now);
            over = state.is_over();
            if over {
                entry.remove();
            }
            self.open.store(table.open.len(), Ordering::Relaxed);
        }
        if over {
            self.broker.event_is_over(stream);
        } else {
            drop(self.broker.take_request(stream));
        }
        self.events.send_short(&Frame::Cancel { stream });
    }

    /// Whether an event is still open this long after its client went away.
    pub(super) fn has_event_cancelled_for(&self, long: Duration) -> bool {
        lock(&self.table)
            .open
            .values()
            .any(|state| state.cancelled.is_some_and(|at| at.elapsed() >= long))
    }

    fn forget(&self, stream: StreamId) {
        {
            let mut table = lock(&self.table);
            table.open.remove(&stream);
            self.open.store(table.open.len(), Ordering::Relaxed);
        }
        self.broker.event_is_over(stream);
    }

    /// Takes one frame of the events connection.
    ///
    /// # Errors
    /// [`Violation`] if no honest isolate would send it.
    pub(super) fn take_event_frame(self: &Arc<Self>, raw: &Bytes) -> Result<(), Violation> {
        match decode::<Frame<'_>>(raw)? {
            Frame::Ready => {
                if std::mem::replace(&mut lock(&self.table).ready, true) {
                    return Err(Violation("it was ready twice".into()));
                }
                // The supervisor is gone only when the server ends.
                let _ = self.context.notes.send(Note::Ready { isolate: self.id });
                Ok(())
            }
            Frame::Reply { stream, reply, body } => self.take_reply(raw, stream, &reply, &body),
            Frame::Data { stream, chunk } => self.take_data(raw, stream, chunk),
            Frame::End { stream, error } => {
                self.take_end(stream, error);
                Ok(())
            }
            Frame::Credit { stream, bytes } => {
                match self.request_flow(stream) {
                    Some(flow) => flow.credit(bytes),
                    None => self.send_request(stream, bytes),
                }
                Ok(())
            }
            Frame::Cancel { stream } => {
                match self.request_flow(stream) {
                    Some(flow) => flow.stop(),
                    None => drop(self.broker.take_request(stream)),
                }
                if let Some(queue) = self.socket(stream) {
                    queue.finish(Gone::GaveUp);
                }
                Ok(())
            }
            Frame::Message { stream, message } => self.take_message(raw, stream, &message),
            Frame::Done {
                stream,
                outcome,
                report,
            } => self.take_done(stream, outcome, &report),
            Frame::Log(record) => {
                self.context.logs.record(&record);
                Ok(())
            }
            Frame::Ping { nonce } => {
                // An isolate that asks without reading gets no answers, rather than a growing pile.
                if self.events.has_room() {
                    self.events.send_short(&Frame::Pong { nonce });
                }
                Ok(())
            }
            Frame::Pong { nonce } => {
                self.vitals.answered(nonce);
                Ok(())
            }
            Frame::Open { .. } | Frame::Release { .. } | Frame::Shutdown => Err(Violation(
                "a frame that an isolate may not send on its events connection".into(),
            )),
        }
    }

    fn take_reply(
        &self,
        raw: &Bytes,
        stream: StreamId,
        reply: &Reply<'_>,
        body: &Body<'_>,
    ) -> Result<(), Violation> {
        let mut queue = None;
        let answer_body = match *body {
            Body::None => AnswerBody::None,
            Body::Inline(bytes) => AnswerBody::Inline(keep(raw, bytes)),
            Body::Stream { length } => {
                let incoming = Arc::new(BodyQueue::stream());
                queue = Some(incoming.clone());
                AnswerBody::Stream {
                    queue: incoming,
                    length,
                }
            }
            Body::Held { stream: held, .. } => {
                AnswerBody::Held(self.broker.take_held(held).ok_or_else(|| {
                    Violation(format!(
                        "an answer names a held body ({held}) that the host doesn't hold"
                    ))
                })?)
            }
            // Of an event that is over it is gone, and the answer may be late.
            Body::Request { stream, length } => match self.broker.take_request(stream) {
                Some(body) => AnswerBody::Held(HeldBody::Request(body)),
                None => {
                    let gone = BodyQueue::stream();
                    gone.finish(Err(GONE.to_owned()));
                    AnswerBody::Stream {
                        queue: Arc::new(gone),
                        length,
                    }
                }
            },
        };
        let mut socket = None;
        let answer = match reply {
            Reply::Response(head) => match AnswerHead::read(head) {
                Ok(read) if head.upgrade => {
                    if !matches!(answer_body, AnswerBody::None) {
                        return Err(Violation("a WebSocket was answered with a body".into()));
                    }
                    let (queue, flow) = (Arc::new(MessageQueue::new()), Arc::new(SendFlow::stream()));
                    socket = Some((queue.clone(), flow.clone()));
                    Answer::Upgrade {
                        head: read,
                        queue,
                        flow,
                    }
                }
                Ok(head) => Answer::Response {
                    head,
                    body: answer_body,
                },
                Err(reason) => Answer::Failed(EventFailure::internal(reason)),
            },
            Reply::Finished => Answer::Finished,
            Reply::Failed(failure) => Answer::Failed(failure.into()),
            Reply::Kv(_)
            | Reply::D1(_)
            | Reply::Queue(_)
            | Reply::R2(_)
            | Reply::Cache(_)
            | Reply::RateLimit(_)
            | Reply::Secret(_)
            | Reply::State(_)
            | Reply::Connected
            | Reply::Rpc { .. } => {
                return Err(Violation("an event was answered as if it were a call".into()));
            }
        };
        let mut table = lock(&self.table);
        let state = table
            .open
            .get_mut(&stream)
            .filter(|state| !state.answered && !state.done)
            .ok_or_else(|| Violation(format!("an answer to event {stream}, which awaits none")))?;
        state.answered = true;
        if let Some(waiter) = state.waiter.take() {
            let unread = queue.is_some() && !matches!(answer, Answer::Response { .. });
            state.response = queue;
            if let Some((queue, flow)) = socket {
                state.socket = Some(queue);
                state.upgraded = true;
                if let Some(body) = state.request.replace(flow) {
                    body.stop();
                }
            }
            let is_upgraded = state.upgraded;
            drop(table);
            if is_upgraded {
                drop(self.broker.take_request(stream));
            }
            // If the client goes away at this moment, the handle's drop cancels the event.
            let _ = waiter.send(Ok(answer));
            if unread {
                self.cancel(stream);
            }
        }
        Ok(())
    }

    fn take_data(&self, raw: &Bytes, stream: StreamId, chunk: &[u8]) -> Result<(), Violation> {
        if chunk.len() > CHUNK_MAX {
            return Err(Violation(format!("a chunk of {} bytes", chunk.len())));
        }
        let queue = {
            let table = lock(&self.table);
            // A body that was cancelled may have chunks under way.
            let Some(state) = table.open.get(&stream).filter(|state| state.cancelled.is_none()) else {
                return Ok(());
            };
            state.response.clone()
        };
        match queue {
            Some(queue) => Ok(queue.push(raw, chunk)?),
            None => Err(Violation(format!(
                "a chunk for event {stream}, which has no body under way"
            ))),
        }
    }

    fn take_end(&self, stream: StreamId, error: Option<&str>) {
        let (queue, over) = {
            let mut table = lock(&self.table);
            let Entry::Occupied(mut entry) = table.open.entry(stream) else {
                return;
            };
            let queue = entry.get_mut().response.take();
            let over = entry.get().is_over();
            if over {
                entry.remove().close();
            }
            self.open.store(table.open.len(), Ordering::Relaxed);
            (queue, over)
        };
        if over {
            self.broker.event_is_over(stream);
        }
        if let Some(queue) = queue {
            queue.finish(error.map_or(Ok(()), |error| Err(error.to_owned())));
        }
    }

    fn take_done(&self, stream: StreamId, outcome: Outcome, report: &Report<'_>) -> Result<(), Violation> {
        let (waiter, ended, over) = {
            let mut table = lock(&self.table);
            let Entry::Occupied(mut entry) = table.open.entry(stream) else {
                return Err(Violation(format!("event {stream} is done, but was not open")));
            };
            let state = entry.get_mut();
            if std::mem::replace(&mut state.done, true) {
                return Err(Violation(format!("event {stream} was done twice")));
            }
            let (waiter, ended) = (state.waiter.take(), state.ended.take());
            let over = state.is_over();
            if over {
                entry.remove().close();
            }
            self.open.store(table.open.len(), Ordering::Relaxed);
            (waiter, ended, over)
        };
        if let Some(ended) = ended {
            // Nobody hears it if the host gives the event up at this moment.
            let _ = ended.send(EventEnd::read(outcome, report));
        }
        if over {
            self.broker.event_is_over(stream);
        }
        if let Some(waiter) = waiter {
            let _ = waiter.send(Err(Broken::NoAnswer));
        }
        Ok(())
    }

    /// The isolate begins to read a request's body that the host holds, with so much credit.
    fn send_request(self: &Arc<Self>, stream: StreamId, credit: u32) {
        let Some(body) = self.broker.take_request(stream) else {
            return;
        };
        let flow = Arc::new(SendFlow::held());
        flow.credit(credit);
        {
            let mut table = lock(&self.table);
            // It may have ended just now; the body is dropped then.
            let Some(state) = table.open.get_mut(&stream) else {
                return;
            };
            state.request = Some(flow.clone());
        }
        tokio::spawn(client_body::send(self.clone(), stream, flow, *body));
    }

    fn request_flow(&self, stream: StreamId) -> Option<Arc<SendFlow>> {
        lock(&self.table)
            .open
            .get(&stream)
            .and_then(|state| state.request.clone())
    }
}
