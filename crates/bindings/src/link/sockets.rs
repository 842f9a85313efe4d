//! WebSockets that the host has upgraded: messages under credit, both ways, on the stream whose reply said `upgrade`.
//!
//! A connection is over when both sides have sent their [`Message::Close`], or one has broken it off.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use bytes::Bytes;
use isthmus_protocol::flow::{MESSAGE_OVERHEAD, Overrun, ReceiveWindow, SendWindow};
use isthmus_protocol::{Frame, Message, StreamId};
use isthmus_web::websocket::{Receiver, Socket, SocketMessage};
use rquickjs::Ctx;

use super::{Link, Side};

/// How many bytes of messages may wait for a slow client, before the connection is given up.
const QUEUE_MAX: usize = 64 * 1024 * 1024;

/// A WebSocket on a stream.
pub struct SocketLink {
    link: Weak<Link>,
    stream: StreamId,
    /// The event in whose course its messages arrive.
    event: Option<StreamId>,
    receiver: RefCell<Option<Rc<Receiver>>>,
    state: RefCell<State>,
}

struct State {
    send: SendWindow,
    /// What waits for credit.
    queue: VecDeque<SocketMessage>,
    /// How much of the first of these has been sent.
    begun: usize,
    /// How many bytes wait.
    queued: usize,
    receive: ReceiveWindow,
    /// The cost of what arrived before user code listened.
    unheard: usize,
    accepted: bool,
    /// The parts of a message that is arriving.
    parts: Vec<u8>,
    close_sent: bool,
    close_received: bool,
    /// The host knows of the connection.
    started: bool,
    /// The connection broke.
    broken: bool,
}

impl State {
    /// Takes a frame's message; what it completes.
    fn join(&mut self, message: &Message<'_>, frame: &Bytes) -> Option<SocketMessage> {
        let (bytes, is_text) = match *message {
            Message::Close { code, reason } => {
                self.close_received = true;
                let reason = reason.to_owned();
                return Some(SocketMessage::Close { code, reason });
            }
            Message::Part { bytes, .. } => {
                self.parts.extend_from_slice(bytes);
                return None;
            }
            Message::Text(text) => (text.as_bytes(), true),
            Message::Binary(bytes) => (bytes, false),
        };
        let mut whole = std::mem::take(&mut self.parts);
        Some(match (whole.is_empty(), message) {
            (true, Message::Text(text)) => SocketMessage::Text((*text).to_owned()),
            (true, _) => SocketMessage::Binary(frame.slice_ref(bytes)),
            (false, _) => {
                whole.extend_from_slice(bytes);
                if is_text {
                    // Parts end between characters, so the whole is text as they are.
                    SocketMessage::Text(String::from_utf8(whole).unwrap_or_default())
                } else {
                    SocketMessage::Binary(whole.into())
                }
            }
        })
    }

    fn is_over(&self) -> bool {
        self.broken || (self.close_sent && self.close_received)
    }
}

/// What a frame costs of the credit.
fn cost(message: &Message<'_>) -> usize {
    match message {
        Message::Part { bytes, .. } | Message::Binary(bytes) => bytes.len() + MESSAGE_OVERHEAD,
        Message::Text(text) => text.len() + MESSAGE_OVERHEAD,
        Message::Close { .. } => 0,
    }
}

/// What a message takes of the queue.
fn length(message: &SocketMessage) -> usize {
    match message {
        SocketMessage::Text(text) => text.len(),
        SocketMessage::Binary(bytes) => bytes.len(),
        SocketMessage::Close { .. } => 0,
    }
}

impl SocketLink {
    /// A connection on `stream`, whose messages belong to `event`. Nothing is sent before it is started.
    pub fn new(link: &Rc<Link>, stream: StreamId, event: Option<StreamId>) -> Rc<Self> {
        Rc::new(Self {
            link: Rc::downgrade(link),
            stream,
            event,
            receiver: RefCell::default(),
            state: RefCell::new(State {
                send: SendWindow::stream(),
                queue: VecDeque::new(),
                begun: 0,
                queued: 0,
                receive: ReceiveWindow::stream(),
                unheard: 0,
                accepted: false,
                parts: Vec::new(),
                close_sent: false,
                close_received: false,
                started: false,
                broken: false,
            }),
        })
    }

    /// The event in whose course its messages arrive.
    pub(super) fn event(&self) -> Option<StreamId> {
        self.event
    }

    /// A message arrived in `frame`.
    ///
    /// # Errors
    /// [`Overrun`] if the host had no credit for it.
    pub(super) fn arrived(&self, ctx: &Ctx<'_>, message: &Message<'_>, frame: &Bytes) -> Result<(), Overrun> {
        let cost = cost(message);
        let whole = {
            let mut state = self.state.borrow_mut();
            if state.is_over() {
                return Ok(());
            }
            state.receive.received(cost)?;
            let whole = state.join(message, frame);
            if !state.accepted {
                state.unheard += cost;
            }
            whole
        };
        if self.state.borrow().accepted {
            self.consumed(cost);
        }
        let receiver = self.receiver.borrow().clone();
        if let (Some(whole), Some(receiver)) = (whole, receiver) {
            receiver.receive(ctx, whole);
        }
        self.end_if_over();
        Ok(())
    }

    /// The connection broke; why, if it was failed.
    pub fn lost(&self, ctx: &Ctx<'_>, reason: Option<&str>) {
        {
            let mut state = self.state.borrow_mut();
            state.broken = true;
            state.queue.clear();
            state.queued = 0;
        }
        let receiver = self.receiver.borrow().clone();
        if let Some(receiver) = receiver {
            receiver.lost(ctx, reason);
        }
        self.end_if_over();
    }

    /// The host allows more.
    pub(super) fn credit(&self, bytes: u32) {
        self.state.borrow_mut().send.credit(bytes);
        self.advance();
    }

    fn consumed(&self, cost: usize) {
        let credit = self.state.borrow_mut().receive.consumed(cost);
        if credit > 0
            && let Some(link) = self.link.upgrade()
        {
            link.send(&Frame::Credit {
                stream: self.stream,
                bytes: credit,
            });
        }
    }

    /// Sends what credit allows.
    fn advance(&self) {
        let Some(link) = self.link.upgrade() else {
            return;
        };
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if !state.started {
            return;
        }
        let send = |message: Message<'_>| {
            let stream = self.stream;
            link.send(&Frame::Message { stream, message });
        };
        while let Some(first) = state.queue.front() {
            let length = length(first);
            let rest = length - state.begun;
            let piece = match (first, state.send.next_piece()) {
                (SocketMessage::Close { code, reason }, _) => {
                    send(Message::Close { code: *code, reason });
                    state.close_sent = true;
                    state.queue.clear();
                    break;
                }
                (_, None) => break,
                (_, Some(room)) if rest <= room => rest,
                (SocketMessage::Text(text), Some(room)) => {
                    text.floor_char_boundary(state.begun + room) - state.begun
                }
                (_, Some(room)) => room,
            };
            let end = state.begun + piece;
            if end < length && piece == 0 {
                break;
            }
            match first {
                SocketMessage::Text(text) if end == length => send(Message::Text(&text[state.begun..])),
                SocketMessage::Text(text) => send(Message::Part {
                    is_text: true,
                    bytes: &text.as_bytes()[state.begun..end],
                }),
                SocketMessage::Binary(bytes) if end == length => send(Message::Binary(&bytes[state.begun..])),
                SocketMessage::Binary(bytes) => send(Message::Part {
                    is_text: false,
                    bytes: &bytes[state.begun..end],
                }),
                SocketMessage::Close { .. } => {}
            }
            state.send.sent(piece + MESSAGE_OVERHEAD);
            state.queued -= piece;
            state.begun = end;
            if end == length {
                state.queue.pop_front();
                state.begun = 0;
            }
        }
    }

    /// Forgets a connection that is over, and its event with it.
    fn end_if_over(&self) {
        let was_heard = {
            let mut state = self.state.borrow_mut();
            if !state.is_over() {
                return;
            }
            std::mem::take(&mut state.accepted)
        };
        let Some(link) = self.link.upgrade() else {
            return;
        };
        let known = link.sockets.borrow_mut().remove(&self.stream);
        let receiver = self.receiver.replace(None);
        if known.is_some() {
            match link.side {
                Side::Events => link.owner.body_sent(self.stream),
                Side::Broker if was_heard => link.owner.socket_heard(self.event, false),
                Side::Broker => {}
            }
        }
        drop((known, receiver));
    }
}

impl Socket for SocketLink {
    fn start(self: Rc<Self>, receiver: Receiver) {
        if let Some(link) = self.link.upgrade() {
            link.sockets.borrow_mut().insert(self.stream, Rc::clone(&self));
        }
        self.receiver.replace(Some(Rc::new(receiver)));
        self.state.borrow_mut().started = true;
        self.advance();
        self.end_if_over();
    }

    fn send(&self, message: SocketMessage) {
        let too_slow = {
            let mut state = self.state.borrow_mut();
            if state.broken || state.close_sent {
                return;
            }
            state.queued += length(&message);
            state.queue.push_back(message);
            state.queued > QUEUE_MAX
        };
        self.advance();
        if too_slow && self.state.borrow().queued > QUEUE_MAX {
            // Its client takes too long for what is sent.
            self.abandon();
        }
        self.end_if_over();
    }

    fn accept(&self) {
        let unheard = {
            let mut state = self.state.borrow_mut();
            if state.is_over() || std::mem::replace(&mut state.accepted, true) {
                return;
            }
            std::mem::take(&mut state.unheard)
        };
        if let Some(link) = self.link.upgrade()
            && link.side == Side::Broker
        {
            link.owner.socket_heard(self.event, true);
        }
        self.consumed(unheard);
    }

    fn buffered(&self) -> usize {
        self.state.borrow().queued
    }

    fn abandon(&self) {
        {
            let mut state = self.state.borrow_mut();
            state.queue.clear();
            state.queued = 0;
            state.close_sent = true;
        }
        if let Some(link) = self.link.upgrade() {
            link.send(&Frame::Cancel { stream: self.stream });
        }
        self.end_if_over();
    }
}
