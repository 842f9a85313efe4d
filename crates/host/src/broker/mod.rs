//! The broker: what the capability calls of an isolate, or of a command of the command line, come to.
//!
//! A call names a channel; [`GrantTable`] says what that is, and one module per kind of capability does the
//! rest ([`kv`], [`d1`], [`r2`], [`fetch`], [`cache`], [`tcp`], [`state`]). Here are the calls themselves: their table, the bodies that come with them, the bodies that
//! are answers. A large answer is *held*: nothing of it is sent until the isolate grants credit, and the
//! isolate may instead name it as the body of a response, which then never enters the isolate.

mod assets;
mod cache;
mod d1;
mod events;
mod fetch;
mod grants;
mod held;
mod kv;
pub(crate) mod prompt;
mod queue;
mod r2;
mod rate_limit;
mod secret;
mod socket;
mod state;
mod tcp;
mod vigil;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use isthmus_protocol::flow::{CHUNK_MAX, INLINE_MAX};
use isthmus_protocol::{Body, Call, Failure, FailureKind, Frame, Open, Operation, Reply, StreamId, decode};
use isthmus_stores::{StoredPiece, SyncPoint};
use tokio::task::AbortHandle;

pub(crate) use d1::D1Grant;
pub(crate) use events::{GONE, Origin};
pub(crate) use grants::{Grant, GrantTable};
pub(crate) use held::HeldBody;
pub(crate) use queue::QueueGrant;
pub(crate) use r2::R2Grant;
pub(crate) use rate_limit::RateLimitGrant;
pub(crate) use secret::SecretGrant;
pub(crate) use vigil::Waits;

use crate::isolate::{EndReason, Frames, Gate, GatedFrames, Outgoing, Violation};
use crate::limits::OPEN_CALLS_MAX;
use crate::logs::Logs;
use crate::streams::{BodyQueue, SendFlow, lock};
use crate::websocket::{Gone, MessageQueue};
use events::OpenEvent;
use held::Account;
use tcp::OpenConnection;

/// One isolate's capability calls.
pub(crate) struct Broker {
    grants: Arc<GrantTable>,
    logs: Logs,
    /// Who calls may be told what isn't durable yet.
    gate: Option<Arc<Gate>>,
    outgoing: Outgoing,
    account: Arc<Account>,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    open: HashMap<StreamId, CallState>,
    /// The bodies that come with calls; those of outbound requests may go on after the answer.
    uploads: HashMap<StreamId, Arc<BodyQueue>>,
    /// Connections that the isolate sends to.
    connections: HashMap<StreamId, OpenConnection>,
    /// Events that are not over.
    events: HashMap<StreamId, OpenEvent>,
    closed: bool,
}

/// Where an open call stands.
enum CallState {
    /// It is being done.
    Running,
    /// An outbound request is under way.
    Fetching {
        /// On behalf of which event, if that is known.
        event: Option<StreamId>,
        task: AbortHandle,
    },
    /// It was answered with a WebSocket.
    Socket {
        queue: Arc<MessageQueue>,
        flow: Arc<SendFlow>,
        /// As above.
        event: Option<StreamId>,
    },
    /// It was answered with a body that nobody has asked for yet.
    Held {
        body: HeldBody,
        /// The event that an answer from the network belongs to.
        event: Option<StreamId>,
    },
    /// Its answer's body is being sent.
    Sending {
        flow: Arc<SendFlow>,
        /// As above.
        event: Option<StreamId>,
    },
}

impl CallState {
    /// Nobody wants it any more.
    fn give_up(self) {
        match self {
            Self::Sending { flow, .. } => flow.stop(),
            Self::Fetching { task, .. } => task.abort(),
            Self::Socket { queue, flow, .. } => {
                queue.finish(Gone::GaveUp);
                flow.stop();
            }
            Self::Running | Self::Held { .. } => {}
        }
    }
}

/// Why a call failed.
struct CallFailure {
    kind: FailureKind,
    name: &'static str,
    message: String,
}

impl CallFailure {
    fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            name: "Error",
            message: message.into(),
        }
    }

    fn no_room() -> Self {
        Self::new(
            FailureKind::Limit,
            "too many bytes are held for this isolate: values that were asked for but not read, \
             or that are being written, may sum to 512 MiB",
        )
    }
}

impl Broker {
    /// With a `gate`, all that the caller says comes through it.
    pub(crate) fn new(grants: Arc<GrantTable>, logs: Logs, gate: Option<Arc<Gate>>) -> Self {
        Self {
            grants,
            logs,
            gate,
            outgoing: Outgoing::default(),
            account: Arc::default(),
            calls: Mutex::default(),
        }
    }

    /// What is to be written to the isolate.
    pub(crate) fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    /// The isolate has ended: whatever is under way goes nowhere. Writes that began are finished.
    pub(crate) fn close(&self) {
        let (open, events) = {
            let mut calls = lock(&self.calls);
            calls.closed = true;
            (std::mem::take(&mut calls.open), std::mem::take(&mut calls.events))
        };
        drop(events);
        for state in open.into_values() {
            state.give_up();
        }
        // Requests that were sending a body end with it.
        let uploads = std::mem::take(&mut lock(&self.calls).uploads);
        for queue in uploads.into_values() {
            queue.finish(Err("the Worker ended".to_owned()));
        }
        let connections = std::mem::take(&mut lock(&self.calls).connections);
        connections.into_values().for_each(OpenConnection::let_go);
        self.outgoing.close();
    }

    /// Gives out the body held on a stream, if nothing of it has been asked for.
    pub(crate) fn take_held(&self, stream: StreamId) -> Option<HeldBody> {
        let mut calls = lock(&self.calls);
        let Entry::Occupied(entry) = calls.open.entry(stream) else {
            return None;
        };
        if !matches!(entry.get(), CallState::Held { .. }) {
            return None;
        }
        match entry.remove() {
            CallState::Held { body, .. } => Some(body),
            _ => None,
        }
    }

    /// Serves what comes through a connection, until its end. Its answers are in [`Self::outgoing`].
    ///
    /// # Errors
    /// No honest isolate would send it, or it was told what can't be made durable.
    pub(crate) async fn serve(self: &Arc<Self>, frames: Frames) -> Result<(), EndReason> {
        let mut frames = GatedFrames::new(frames, self.gate.as_deref());
        while let Some(frame) = frames.next(|frame, points| self.passes(frame, points)).await? {
            // An isolate that asks but doesn't read the answers is not asked what else it wants.
            if !self.outgoing.has_room() {
                self.outgoing.room().await;
            }
            self.take_frame(&frame)?;
        }
        Ok(())
    }

    /// Whether a frame needs not wait for `points`: nothing outside learns of it, or only the database that the points are of.
    fn passes(&self, raw: &Bytes, points: &[SyncPoint]) -> bool {
        match decode::<Frame<'_>>(raw) {
            Ok(Frame::Credit { .. } | Frame::Ping { .. } | Frame::Log(_)) => true,
            Ok(Frame::Open {
                open: Open::Call(call),
                body: Body::Inline(_),
                ..
            }) => match self.grants.get(call.channel) {
                Some(Grant::D1(database)) => database.is_all_of(points),
                _ => false,
            },
            _ => false,
        }
    }

    /// Takes one frame of the broker connection. Runs in the tokio runtime; what takes long goes on in a task.
    ///
    /// # Errors
    /// [`Violation`] if no honest isolate would send it.
    pub(crate) fn take_frame(self: &Arc<Self>, raw: &Bytes) -> Result<(), Violation> {
        match decode::<Frame<'_>>(raw)? {
            Frame::Open {
                stream,
                open: Open::Call(call),
                body,
            } => self.take_call(raw, stream, &call, &body),
            Frame::Data { stream, chunk } => self.take_data(raw, stream, chunk),
            Frame::End { stream, error } => {
                self.take_end(stream, error);
                Ok(())
            }
            Frame::Credit { stream, bytes } => {
                self.take_credit(stream, bytes);
                Ok(())
            }
            Frame::Cancel { stream } => {
                self.give_up(stream);
                Ok(())
            }
            Frame::Message { stream, message } => match self.socket(stream) {
                Some(queue) => Ok(queue.push(raw, &message)?),
                // It crossed with the connection's end.
                None => Ok(()),
            },
            Frame::Log(record) => {
                self.logs.record(&record);
                Ok(())
            }
            Frame::Ping { nonce } => {
                self.outgoing.send_short(&Frame::Pong { nonce });
                Ok(())
            }
            // No capability was ever given by a reply, so none can be given back; harmless.
            Frame::Release { .. } => Ok(()),
            _ => Err(Violation(
                "a frame that an isolate may not send on its broker connection".into(),
            )),
        }
    }

    fn take_call(
        self: &Arc<Self>,
        raw: &Bytes,
        stream: StreamId,
        call: &Call<'_>,
        body: &Body<'_>,
    ) -> Result<(), Violation> {
        {
            let mut calls = lock(&self.calls);
            if calls.closed {
                return Ok(());
            }
            if calls.open.contains_key(&stream) {
                return Err(Violation(format!("call {stream} was opened twice")));
            }
            if calls.open.len() < OPEN_CALLS_MAX {
                calls.open.insert(stream, CallState::Running);
            } else {
                drop(calls);
                self.answer_failure(
                    stream,
                    &CallFailure::new(
                        FailureKind::Limit,
                        format!("too many calls are open at once: an isolate may have {OPEN_CALLS_MAX}"),
                    ),
                );
                return Ok(());
            }
        }
        let begun = match (self.grants.get(call.channel), &call.operation) {
            (Some(Grant::Kv(namespace)), Operation::Kv(operation)) => {
                self.begin_kv(raw, stream, namespace, operation, body)
            }
            (Some(Grant::D1(database)), Operation::D1(query)) => {
                self.begin_d1(raw, stream, database, *query, body)
            }
            (Some(Grant::R2(bucket)), Operation::R2(operation)) => {
                self.begin_r2(raw, stream, bucket, operation, body)
            }
            (Some(Grant::Queue(queue)), Operation::Queue(operation)) => {
                self.begin_queue(raw, stream, queue, operation, body)
            }
            (Some(Grant::Fetch(network)), Operation::Fetch(head)) => {
                self.begin_fetch(raw, stream, network, call.event, head, body)
            }
            (Some(Grant::Fetch(network)), Operation::Socket(operation)) => {
                self.begin_connection(stream, network, call.event, operation, body)
            }
            (Some(Grant::Caches(caches)), Operation::Cache(operation)) => {
                self.begin_cache(raw, stream, caches, operation, body)
            }
            (Some(Grant::Assets(assets)), Operation::Fetch(head)) => {
                self.begin_asset(stream, assets, head, body)
            }
            (Some(Grant::RateLimit(limit)), Operation::RateLimit(used)) => {
                self.answer(stream, Reply::RateLimit(limit.is_within(used)), None);
                Ok(())
            }
            (Some(Grant::Secret(secret)), Operation::Secret) => {
                self.begin_secret(stream, secret);
                Ok(())
            }
            (Some(Grant::State(stores)), Operation::State(operation)) => {
                self.begin_state(stream, stores, *operation, body)
            }
            (Some(Grant::Unavailable), _) => Err(CallFailure::new(
                FailureKind::Internal,
                "the store behind this binding can't be opened; the log of the server says why",
            )),
            (Some(_), Operation::Rpc { .. }) => Err(CallFailure::new(
                FailureKind::User,
                "method calls on remote objects aren't served by Isthmus yet",
            )),
            (Some(_), _) => Err(CallFailure::new(
                FailureKind::Internal,
                format!("channel {} doesn't have this operation", call.channel.0),
            )),
            (None, _) => Err(CallFailure::new(
                FailureKind::Internal,
                format!("channel {} was not granted to this isolate", call.channel.0),
            )),
        };
        if let Err(failure) = begun {
            self.fail(stream, &failure, matches!(body, Body::Stream { .. }));
        }
        Ok(())
    }

    fn take_data(&self, raw: &Bytes, stream: StreamId, chunk: &[u8]) -> Result<(), Violation> {
        if chunk.len() > CHUNK_MAX {
            return Err(Violation(format!("a chunk of {} bytes", chunk.len())));
        }
        let upload = lock(&self.calls).uploads.get(&stream).cloned();
        // A call that failed early may have chunks under way.
        upload.map_or(Ok(()), |upload| Ok(upload.push(raw, chunk)?))
    }

    fn take_end(&self, stream: StreamId, error: Option<&str>) {
        let upload = lock(&self.calls).uploads.remove(&stream);
        if let Some(upload) = upload {
            upload.finish(error.map_or(Ok(()), |error| Err(error.to_owned())));
        }
    }

    fn take_credit(self: &Arc<Self>, stream: StreamId, bytes: u32) {
        let (body, flow) = {
            let mut calls = lock(&self.calls);
            let Some(state) = calls.open.get_mut(&stream) else {
                return;
            };
            match state {
                CallState::Sending { flow, .. } | CallState::Socket { flow, .. } => {
                    flow.credit(bytes);
                    return;
                }
                CallState::Held { event, .. } => {
                    let flow = Arc::new(SendFlow::held());
                    flow.credit(bytes);
                    let sending = CallState::Sending {
                        flow: flow.clone(),
                        event: *event,
                    };
                    let CallState::Held { body, .. } = std::mem::replace(state, sending) else {
                        return;
                    };
                    (body, flow)
                }
                CallState::Running | CallState::Fetching { .. } => return,
            }
        };
        tokio::spawn(self.clone().send_held(stream, body, flow));
    }

    /// Sends a held body that the isolate has begun to read.
    async fn send_held(self: Arc<Self>, stream: StreamId, mut body: HeldBody, flow: Arc<SendFlow>) {
        let error = loop {
            if body.left() == Some(0) {
                break None;
            }
            self.outgoing.room().await;
            let Some(length) = flow.next_chunk().await else {
                return;
            };
            let piece = tokio::select! {
                piece = poll_fn(|cx| body.poll_piece(cx, length)) => piece,
                () = flow.stopped() => return,
            };
            match piece {
                Some(Ok(StoredPiece::Bytes(chunk))) => {
                    flow.sent(chunk.len());
                    self.outgoing.send_chunk(stream, chunk);
                }
                Some(Ok(StoredPiece::File { file, offset, length })) => {
                    flow.sent(length);
                    self.outgoing.send_part(stream, file, offset, length);
                }
                Some(Err(reason)) => break Some(reason),
                None => break None,
            }
        };
        if lock(&self.calls).open.remove(&stream).is_some() {
            self.outgoing.send_short(&Frame::End {
                stream,
                error: error.as_deref(),
            });
        }
    }

    /// Answers a call that came to an end, with a body if there is one. Says nothing if the isolate has
    /// cancelled it meanwhile.
    fn answer(&self, stream: StreamId, reply: Reply<'_>, value: Option<&Bytes>) {
        let mut calls = lock(&self.calls);
        let Entry::Occupied(mut entry) = calls.open.entry(stream) else {
            return;
        };
        let Some(value) = value else {
            entry.remove();
            drop(calls);
            return self.send_answer(stream, reply, Body::None);
        };
        if value.len() <= INLINE_MAX {
            entry.remove();
            drop(calls);
            return self.send_answer(stream, reply, Body::Inline(value));
        }
        let Some(charge) = self.account.charge(value.len()) else {
            drop(calls);
            return self.fail(stream, &CallFailure::no_room(), false);
        };
        entry.insert(CallState::Held {
            body: HeldBody::new(value.clone(), charge),
            event: None,
        });
        drop(calls);
        let length = Some(value.len() as u64);
        self.send_answer(stream, reply, Body::Held { stream, length });
    }

    fn send_answer(&self, stream: StreamId, reply: Reply<'_>, body: Body<'_>) {
        let frame = Frame::Reply { stream, reply, body };
        if let Err(error) = self.outgoing.send(&frame) {
            lock(&self.calls).open.remove(&stream);
            self.answer_failure(
                stream,
                &CallFailure::new(
                    FailureKind::Internal,
                    format!("the answer can't be sent: {error}"),
                ),
            );
        }
    }

    /// Ends a call in failure; `unread` says that a body of the isolate's is still under way.
    fn fail(&self, stream: StreamId, failure: &CallFailure, unread: bool) {
        if lock(&self.calls).open.remove(&stream).is_none() {
            return;
        }
        self.answer_failure(stream, failure);
        if unread {
            self.outgoing.send_short(&Frame::Cancel { stream });
        }
    }

    fn answer_failure(&self, stream: StreamId, failure: &CallFailure) {
        self.outgoing.send_short(&Frame::Reply {
            stream,
            reply: Reply::Failed(Failure {
                kind: failure.kind,
                name: failure.name,
                message: &failure.message,
                trace: "",
            }),
            body: Body::None,
        });
    }
}
