//! Messages of an isolate on their way to the other side of a connection. What waits is bounded by the credit that the
//! isolate was granted.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use isthmus_protocol::Message;
use isthmus_protocol::flow::{MESSAGE_OVERHEAD, Overrun, ReceiveWindow};
use tokio::sync::Notify;

use crate::streams::{keep, lock};

/// A message, or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outbound {
    /// Data; `is_last` ends the message.
    Data {
        is_text: bool,
        bytes: Bytes,
        is_last: bool,
    },
    /// The closing handshake.
    Close { code: u16, reason: String },
}

/// Why an isolate sends no more, without a [`Message::Close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// It ended unexpectedly.
    Failed,
    /// It was told to end.
    Replaced,
    /// It gave the connection up.
    GaveUp,
}

/// The messages that wait, and what the task of the connection wakes up for.
pub(crate) struct MessageQueue {
    state: Mutex<State>,
    wake: Notify,
}

struct State {
    waiting: VecDeque<Outbound>,
    window: ReceiveWindow,
    is_closed: bool,
    gone: Option<Gone>,
    /// The payload of the last ping that is unanswered.
    pong: Option<Bytes>,
    ping: bool,
    /// What the connection is to be failed with.
    failure: Option<(u16, &'static str)>,
}

/// What is to be written now.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) pong: Option<Bytes>,
    pub(super) ping: bool,
    pub(super) messages: VecDeque<Outbound>,
    pub(super) gone: Option<Gone>,
    pub(super) failure: Option<(u16, &'static str)>,
}

impl MessageQueue {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                window: ReceiveWindow::stream(),
                is_closed: false,
                gone: None,
                pong: None,
                ping: false,
                failure: None,
            }),
            wake: Notify::new(),
        }
    }

    /// A message came from the isolate in the frame `raw`. After the last one it is ignored.
    ///
    /// # Errors
    /// [`Overrun`] if it had no credit for it.
    pub(crate) fn push(&self, raw: &Bytes, message: &Message<'_>) -> Result<(), Overrun> {
        {
            let mut state = lock(&self.state);
            if state.is_closed {
                return Ok(());
            }
            let (is_text, bytes, is_last) = match *message {
                Message::Close { code, reason } => {
                    state.is_closed = true;
                    let reason = reason.to_owned();
                    state.waiting.push_back(Outbound::Close { code, reason });
                    drop(state);
                    self.wake.notify_one();
                    return Ok(());
                }
                Message::Part { is_text, bytes } => (is_text, bytes, false),
                Message::Text(text) => (true, text.as_bytes(), true),
                Message::Binary(bytes) => (false, bytes, true),
            };
            state.window.received(bytes.len() + MESSAGE_OVERHEAD)?;
            let bytes = keep(raw, bytes);
            state.waiting.push_back(Outbound::Data {
                is_text,
                bytes,
                is_last,
            });
        }
        self.wake.notify_one();
        Ok(())
    }

    /// No message will come any more.
    pub(crate) fn finish(&self, gone: Gone) {
        lock(&self.state).gone.get_or_insert(gone);
        self.wake.notify_one();
    }

    /// A ping is to be answered; only the last one need be.
    pub(super) fn pong(&self, payload: Bytes) {
        lock(&self.state).pong = Some(payload);
        self.wake.notify_one();
    }

    /// The other side is to be asked for a sign of life.
    pub(super) fn ping(&self) {
        lock(&self.state).ping = true;
        self.wake.notify_one();
    }

    /// The connection is to be failed.
    pub(super) fn fail(&self, code: u16, reason: &'static str) {
        lock(&self.state).failure.get_or_insert((code, reason));
        self.wake.notify_one();
    }

    /// What there is to write, as soon as there is something. Only one task may wait.
    pub(super) async fn next(&self) -> Batch {
        loop {
            {
                let mut state = lock(&self.state);
                let batch = Batch {
                    pong: state.pong.take(),
                    ping: std::mem::take(&mut state.ping),
                    messages: std::mem::take(&mut state.waiting),
                    gone: state.gone,
                    failure: state.failure,
                };
                let is_empty = batch.pong.is_none()
                    && !batch.ping
                    && batch.messages.is_empty()
                    && batch.gone.is_none()
                    && batch.failure.is_none();
                if !is_empty {
                    return batch;
                }
            }
            self.wake.notified().await;
        }
    }

    /// Ends once there is no point in writing what waits: the isolate sends no more, or the connection is failed. For
    /// the task that else waits in [`Self::next`].
    pub(super) async fn doomed(&self) {
        loop {
            {
                let state = lock(&self.state);
                if state.gone.is_some() || state.failure.is_some() {
                    return;
                }
            }
            self.wake.notified().await;
        }
    }

    /// Counts what was written; the credit to grant now (0: none).
    pub(super) fn written(&self, cost: usize) -> u32 {
        lock(&self.state).window.consumed(cost)
    }
}
