//! Outbound WebSockets: a request on a channel whose answer is a connection.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use hyper_util::rt::TokioIo;
use isthmus_protocol::{Body, Reply, ResponseHead, StreamId};
use tokio::sync::watch;

use super::fetch::failure;
use super::{Broker, CallState, lock};
use crate::headers;
use crate::isolate::Outgoing;
use crate::network::{Network, OpenSocket, Opened};
use crate::streams::SendFlow;
use crate::websocket::{Carrier, Connection, Link, MessageQueue, Role};

impl Carrier for Broker {
    fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }
}

impl Broker {
    /// Asks a server for a WebSocket.
    pub(super) fn begin_socket(
        self: &Arc<Self>,
        stream: StreamId,
        network: &Network,
        event: Option<StreamId>,
        request: Request<()>,
    ) {
        let (broker, network) = (self.clone(), network.clone());
        let task = tokio::spawn(async move {
            match network.open_socket(request).await {
                Ok(Opened::Socket(socket)) => {
                    // Of its own: giving the request up must not cut the closing handshake short.
                    tokio::spawn(broker.serve_socket(stream, event, *socket));
                }
                Ok(Opened::Answer(answer)) => broker.answer_fetch(stream, *answer),
                Err(message) => broker.fail(stream, &failure(message), false),
            }
        });
        self.fetching(stream, event, task.abort_handle());
    }

    /// Answers with a connection, and serves it until it ends.
    async fn serve_socket(self: Arc<Self>, stream: StreamId, event: Option<StreamId>, socket: OpenSocket) {
        let link = Link {
            carrier: self.clone(),
            stream,
            queue: Arc::new(MessageQueue::new()),
            flow: Arc::new(SendFlow::stream()),
        };
        {
            let mut calls = lock(&self.calls);
            // It may have been given up at this moment.
            let Some(state) = calls.open.get_mut(&stream) else {
                return;
            };
            *state = CallState::Socket {
                queue: link.queue.clone(),
                flow: link.flow.clone(),
                event,
            };
        }
        let reason: String = socket.reason.iter().map(|&byte| char::from(byte)).collect();
        let headers = headers::of(&socket.headers);
        let head = ResponseHead {
            status: 101,
            status_text: &reason,
            headers: headers.collect(),
            upgrade: true,
        };
        self.send_answer(stream, Reply::Response(head), Body::None);
        // Nobody ends it from here: the isolate does, or its end.
        let (_, shutdown) = watch::channel(false);
        Connection::new(Role::Client, socket.agreement, link, shutdown)
            .run(TokioIo::new(socket.wire), Bytes::new())
            .await;
        lock(&self.calls).open.remove(&stream);
    }

    /// What an isolate sends on a connection.
    pub(super) fn socket(&self, stream: StreamId) -> Option<Arc<MessageQueue>> {
        match lock(&self.calls).open.get(&stream) {
            Some(CallState::Socket { queue, .. }) => Some(queue.clone()),
            _ => None,
        }
    }
}
