//! Outbound `fetch`: calls on a channel, done by [`Network`].
//!
//! A request ends with the event on whose behalf it was made: what nobody waits for any more holds no connection.

use std::sync::Arc;

use bytes::Bytes;
use isthmus_protocol::{Body, FailureKind, Frame, Reply, RequestHead, ResponseHead, StreamId};
use tokio::task::AbortHandle;

use super::{Broker, CallFailure, CallState, GONE, HeldBody, Origin, lock};
use crate::headers;
use crate::network::{LOST, Network, NetworkAnswer, NetworkBody, Upload, UploadEvent};
use crate::streams::{BodyQueue, keep};

/// A failure whose message `fetch` rejects with.
pub(super) fn failure(message: impl Into<String>) -> CallFailure {
    CallFailure {
        kind: FailureKind::User,
        name: "TypeError",
        message: message.into(),
    }
}

impl Broker {
    /// Gives up a call whose event is over.
    pub(super) fn end_call(&self, stream: StreamId) {
        let (state, is_sending) = self.forget(stream);
        if is_sending {
            self.outgoing.send_short(&Frame::Cancel { stream });
        }
        let Some(state) = state else { return };
        if matches!(
            state,
            CallState::Sending { .. } | CallState::Socket { .. } | CallState::Held { .. }
        ) {
            self.outgoing.send_short(&Frame::End {
                stream,
                error: Some(LOST),
            });
        } else {
            self.answer_failure(stream, &failure(LOST));
        }
        state.give_up();
    }

    /// Forgets a call and the body it sends; whether there was more of that to come.
    fn forget(&self, stream: StreamId) -> (Option<CallState>, bool) {
        let (state, upload, connection) = {
            let mut calls = lock(&self.calls);
            (
                calls.open.remove(&stream),
                calls.uploads.remove(&stream),
                calls.connections.remove(&stream),
            )
        };
        let is_sending = upload.is_some();
        if let Some(upload) = upload {
            upload.finish(Err("the request was given up".to_owned()));
            // What was sent as a whole, with its end, is written out at the pace of the other side.
            if let Some(connection) = connection {
                connection.let_go();
            }
        }
        (state, is_sending)
    }

    /// The isolate gives a call up, or wants no more of its answer.
    pub(super) fn give_up(&self, stream: StreamId) {
        if let (Some(state), _) = self.forget(stream) {
            state.give_up();
        }
    }

    /// Begins an exchange; `raw` is the frame that opened the call.
    pub(super) fn begin_fetch(
        self: &Arc<Self>,
        raw: &Bytes,
        stream: StreamId,
        network: &Network,
        event: Option<StreamId>,
        head: &RequestHead<'_>,
        body: &Body<'_>,
    ) -> Result<(), CallFailure> {
        let origin = {
            let calls = lock(&self.calls);
            match event.map(|event| calls.events.get(&event)) {
                Some(Some(open)) => open.origin,
                // It was made while the event was open; that it is over came first, on the other connection.
                Some(None) => return Err(failure(LOST)),
                // A call that belongs to no event may belong to any.
                None => Origin {
                    depth: calls
                        .events
                        .values()
                        .map(|open| open.origin.depth)
                        .max()
                        .unwrap_or(0),
                    ..Origin::default()
                },
            }
        };
        let request = network
            .request(head, !matches!(body, Body::None), origin)
            .map_err(failure)?;
        let asks_for_socket = head
            .headers
            .iter()
            .any(|header| header.name == "upgrade" && header.value.eq_ignore_ascii_case(b"websocket"));
        if asks_for_socket && matches!(body, Body::None) {
            self.begin_socket(stream, network, event, request);
            return Ok(());
        }
        let upload = self.upload(raw, stream, body)?;
        let (broker, network) = (self.clone(), network.clone());
        let task = tokio::spawn(async move {
            let answer = network.exchange(request, upload).await;
            if !broker.outgoing.has_room() {
                broker.outgoing.room().await;
            }
            match answer {
                Ok(answer) => broker.answer_fetch(stream, answer),
                Err(message) => broker.fail(stream, &failure(message), false),
            }
        });
        self.fetching(stream, event, task.abort_handle());
        Ok(())
    }

    /// A request is under way in `task`.
    pub(super) fn fetching(&self, stream: StreamId, event: Option<StreamId>, task: AbortHandle) {
        let mut calls = lock(&self.calls);
        // The answer may have come already.
        if let Some(state @ CallState::Running) = calls.open.get_mut(&stream) {
            *state = CallState::Fetching { event, task };
        }
    }

    /// The body that comes with a call.
    pub(super) fn upload(
        self: &Arc<Self>,
        raw: &Bytes,
        stream: StreamId,
        body: &Body<'_>,
    ) -> Result<Upload, CallFailure> {
        Ok(match *body {
            Body::None => Upload::empty(),
            Body::Inline(bytes) => Upload::full(keep(raw, bytes)),
            Body::Held { stream: held, .. } => match self.take_held(held) {
                Some(held) => Upload::held(held),
                None => {
                    let text = format!("the host doesn't hold the body of call {held}");
                    return Err(CallFailure::new(FailureKind::Internal, text));
                }
            },
            Body::Request { stream: event, .. } => match self.take_request(event) {
                Some(body) => Upload::held(HeldBody::Request(body)),
                None => return Err(CallFailure::new(FailureKind::User, GONE)),
            },
            Body::Stream { length } => self.receive_upload(stream, length),
        })
    }

    /// A body that comes from the isolate.
    fn receive_upload(self: &Arc<Self>, stream: StreamId, length: Option<u64>) -> Upload {
        let queue = Arc::new(BodyQueue::stream());
        lock(&self.calls).uploads.insert(stream, queue.clone());
        let broker = Arc::downgrade(self);
        let tell = move |event| {
            let Some(broker) = broker.upgrade() else { return };
            match event {
                UploadEvent::Credit(bytes) => broker.outgoing.send_short(&Frame::Credit { stream, bytes }),
                UploadEvent::Unwanted => {
                    if lock(&broker.calls).uploads.remove(&stream).is_some() {
                        broker.outgoing.send_short(&Frame::Cancel { stream });
                    }
                }
            }
        };
        Upload::queue(queue, length, Box::new(tell))
    }

    pub(super) fn answer_fetch(&self, stream: StreamId, answer: NetworkAnswer) {
        let reason: String = answer.reason.iter().map(|&byte| char::from(byte)).collect();
        let head = ResponseHead {
            status: answer.status.as_u16(),
            status_text: &reason,
            headers: headers::of(&answer.headers).collect(),
            upgrade: false,
        };
        let mut calls = lock(&self.calls);
        let Some(state) = calls.open.get_mut(&stream) else {
            return;
        };
        let (body, length) = match answer.body {
            NetworkBody::Held(download) => {
                let length = download.left();
                let event = match state {
                    CallState::Fetching { event, .. } => *event,
                    _ => None,
                };
                *state = CallState::Held {
                    body: HeldBody::Network(Box::new(download)),
                    event,
                };
                drop(calls);
                return self.send_answer(stream, Reply::Response(head), Body::Held { stream, length });
            }
            NetworkBody::None => (None, 0),
            NetworkBody::Whole(bytes) => {
                let length = bytes.len();
                (Some(bytes), length)
            }
        };
        debug_assert!(
            length <= isthmus_protocol::flow::INLINE_MAX,
            "longer bodies are held"
        );
        calls.open.remove(&stream);
        drop(calls);
        self.send_answer(
            stream,
            Reply::Response(head),
            body.as_ref().map_or(Body::None, |bytes| Body::Inline(bytes)),
        );
    }
}
