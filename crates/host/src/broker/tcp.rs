//! Connections to the outside world: calls on the channel of the network, done by [`Network::dial`].
//!
//! A connection belongs to the event on whose behalf it was made, and ends with it. What the isolate sends is written out by a
//! task of its own, which goes on until all of it is out or the other side takes no more; what comes is a held body.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use isthmus_protocol::{Body, FailureKind, Frame, Reply, StreamId, socket};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::fetch::failure;
use super::{Broker, CallFailure, CallState, HeldBody, lock};
use crate::limits::OPEN_CALLS_MAX;
use crate::network::{Connected, LOST, Network, SocketWriter, TcpSocket};
use crate::streams::{BodyQueue, Piece};

/// How long what was sent may take to reach the other side of a connection that nobody wants any more.
const LINGER: Duration = Duration::from_secs(5);

/// How long after the end of its event a connection takes what was sent before that: it comes on another way.
const GRACE: Duration = Duration::from_millis(500);

/// A connection that the isolate sends to.
pub(super) struct OpenConnection {
    /// On behalf of which event, if that is known.
    pub(super) event: Option<StreamId>,
    socket: TcpSocket,
    queue: Arc<BodyQueue>,
    writing: JoinHandle<()>,
}

impl OpenConnection {
    /// Nobody wants it any more: what was sent may still reach the other side, if that takes it soon.
    pub(super) fn let_go(self) {
        self.queue.finish(Err("the connection was given up".to_owned()));
        tokio::spawn(async move {
            let mut writing = self.writing;
            if timeout(LINGER, &mut writing).await.is_err() {
                writing.abort();
            }
            // What comes may be on its way to a client, which would wait for ever.
            self.socket.cut();
        });
    }
}

impl Broker {
    /// Begins an operation.
    pub(super) fn begin_connection(
        self: &Arc<Self>,
        stream: StreamId,
        network: &Network,
        event: Option<StreamId>,
        operation: &socket::Operation<'_>,
        body: &Body<'_>,
    ) -> Result<(), CallFailure> {
        if !matches!(body, Body::Stream { .. }) {
            return Err(CallFailure::new(
                FailureKind::Internal,
                "the body of this call doesn't fit its operation",
            ));
        }
        let queue = Arc::new(BodyQueue::stream());
        let before = {
            let mut calls = lock(&self.calls);
            if event.is_some_and(|event| !calls.events.contains_key(&event)) {
                // It was made while the event was open; that it is over came first, on the other connection.
                return Err(failure(LOST));
            }
            if calls.connections.len() >= OPEN_CALLS_MAX {
                let text =
                    format!("too many connections are open at once: an isolate may have {OPEN_CALLS_MAX}");
                return Err(CallFailure::new(FailureKind::Limit, text));
            }
            let before = match operation {
                socket::Operation::Connect { .. } => None,
                socket::Operation::StartTls { connection, .. } => {
                    let Some(before) = calls.connections.remove(connection) else {
                        return Err(failure(LOST));
                    };
                    calls.uploads.remove(connection);
                    Some((before, calls.open.remove(connection)))
                }
            };
            calls.uploads.insert(stream, queue.clone());
            before
        };
        let (broker, network) = (self.clone(), network.clone());
        let task = match operation {
            &socket::Operation::Connect { host, port, tls } => {
                let host = host.to_owned();
                tokio::spawn(async move {
                    let connected = network.dial(&host, port, tls).await;
                    broker.connected(stream, event, queue, connected);
                })
            }
            socket::Operation::StartTls { host, .. } => {
                let host = (*host).to_owned();
                tokio::spawn(async move {
                    let Some((before, call)) = before else { return };
                    // All that was sent so far goes first.
                    before.queue.finish(Err("it goes on with TLS".to_owned()));
                    let _ = before.writing.await;
                    if let Some(call) = call {
                        call.give_up();
                    }
                    let connected = network.secure(before.socket, &host).await;
                    broker.connected(stream, event, queue, connected);
                })
            }
        };
        let task = task.abort_handle();
        let mut calls = lock(&self.calls);
        // The answer may have come already.
        if let Some(state @ CallState::Running) = calls.open.get_mut(&stream) {
            *state = CallState::Fetching { event, task };
        }
        Ok(())
    }

    /// The event of these connections is over.
    pub(super) fn end_connections(self: &Arc<Self>, connections: Vec<StreamId>) {
        let broker = self.clone();
        tokio::spawn(async move {
            sleep(GRACE).await;
            for stream in connections {
                broker.end_call(stream);
            }
        });
    }

    fn connected(
        self: &Arc<Self>,
        stream: StreamId,
        event: Option<StreamId>,
        queue: Arc<BodyQueue>,
        connected: Result<Connected, String>,
    ) {
        let Connected {
            socket,
            reader,
            writer,
        } = match connected {
            Ok(connected) => connected,
            Err(reason) => {
                let unread = lock(&self.calls).uploads.remove(&stream).is_some();
                return self.fail(stream, &failure(reason), unread);
            }
        };
        {
            let mut calls = lock(&self.calls);
            // Nobody may want it any more; it is closed then.
            let Some(state) = calls.open.get_mut(&stream) else {
                return;
            };
            *state = CallState::Held {
                body: HeldBody::Tcp(reader),
                event,
            };
            let writing = tokio::spawn(write_out(self.clone(), stream, queue.clone(), writer));
            let open = OpenConnection {
                event,
                socket,
                queue,
                writing,
            };
            calls.connections.insert(stream, open);
        }
        self.send_answer(stream, Reply::Connected, Body::Held { stream, length: None });
    }
}

/// Writes out what the isolate sends, until its end.
async fn write_out(broker: Arc<Broker>, stream: StreamId, queue: Arc<BodyQueue>, mut writer: SocketWriter) {
    let is_lost = loop {
        match poll_fn(|cx| queue.poll_next(cx)).await {
            Piece::Chunk(chunk, credit) => {
                if writer.send(&chunk).await.is_err() {
                    break true;
                }
                if credit > 0 {
                    broker.outgoing.send_short(&Frame::Credit {
                        stream,
                        bytes: credit,
                    });
                }
            }
            Piece::End => {
                writer.end().await;
                break false;
            }
            Piece::Broken(_) => break false,
        }
    };
    let unread = {
        let mut calls = lock(&broker.calls);
        calls.connections.remove(&stream);
        calls.uploads.remove(&stream).is_some()
    };
    if is_lost && unread {
        broker.outgoing.send_short(&Frame::Cancel { stream });
    }
}
