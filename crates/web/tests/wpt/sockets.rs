//! The tests' own WebSocket server, as far as the runner stands in for it: some of `websockets/handlers`.
//!
//! It speaks in messages. Handshakes, frames and what lies below them are the business of the process around the engine.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use isthmus_web::FetchAnswer;
use isthmus_web::body::IncomingBody;
use isthmus_web::websocket::{Receiver, Socket, SocketMessage};

use crate::server::{Outbox, Received};

/// What ends a conversation with `echo`.
const GOODBYE: &str = "Goodbye";

/// Code 1000, without a reason.
const NORMAL: SocketMessage = SocketMessage::Close {
    code: 1000,
    reason: String::new(),
};

/// What a handler does with a connection.
enum Habit {
    /// Sends back what comes.
    Echo,
    /// Sends back how long it was.
    Measure,
    /// Says something, and leaves.
    Say(String),
    /// Leaves.
    Leave,
}

/// Whether a request asks for a WebSocket.
pub(crate) fn is_wanted(request: &Received) -> bool {
    request
        .header("upgrade")
        .is_some_and(|upgrade| upgrade.eq_ignore_ascii_case(b"websocket"))
}

/// The answer of a handler; as if nobody were there where the runner has none.
pub(crate) fn answer(request: &Received, outbox: &Outbox) -> Result<FetchAnswer, String> {
    let text = |name| {
        let value = request.header(name)?;
        Some(String::from_utf8_lossy(&value).into_owned())
    };
    let offered = text("sec-websocket-protocol").unwrap_or_default();
    let mut protocol = None;
    let habit = match request.url.path() {
        "/echo" => {
            protocol = offered
                .split(',')
                .map(str::trim)
                .find(|offered| *offered == "echo");
            Habit::Echo
        }
        "/receive-many-with-backpressure" => Habit::Measure,
        "/referrer" => Habit::Say(text("referer").unwrap_or_else(|| "MISSING AS PER FETCH".to_owned())),
        "/handshake_no_extensions" | "/handshake_sleep_2" => Habit::Leave,
        "/basic_auth" if text("authorization").as_deref() == Some("Basic Zm9vOmJhcg==") => Habit::Leave,
        "/basic_auth" => return Ok(head(401, None, IncomingBody::None)),
        path => return Err(format!("The runner stands in for no {path}.")),
    };
    let peer = Peer {
        habit,
        outbox: Rc::clone(outbox),
        receiver: Rc::default(),
        arriving: Rc::default(),
        is_over: Cell::new(false),
    };
    Ok(head(101, protocol, IncomingBody::Socket(Rc::new(peer))))
}

fn head(status: u16, protocol: Option<&str>, body: IncomingBody) -> FetchAnswer {
    let headers = protocol.map(|protocol| ("sec-websocket-protocol".to_owned(), protocol.into()));
    FetchAnswer {
        status,
        status_text: String::new(),
        headers: headers.into_iter().collect(),
        body,
    }
}

/// The server's end of a connection.
struct Peer {
    habit: Habit,
    outbox: Outbox,
    receiver: Rc<RefCell<Option<Receiver>>>,
    /// How many bytes were sent in this turn.
    arriving: Rc<Cell<usize>>,
    /// Whether it has said that it closes.
    is_over: Cell<bool>,
}

impl Peer {
    fn say(&self, message: SocketMessage) {
        if matches!(message, SocketMessage::Close { .. }) && self.is_over.replace(true) {
            return;
        }
        let receiver = Rc::clone(&self.receiver);
        self.outbox.borrow_mut().push_back(Box::new(move |ctx| {
            if let Some(receiver) = &*receiver.borrow() {
                receiver.receive(ctx, message);
            }
        }));
    }
}

impl Socket for Peer {
    fn start(self: Rc<Self>, receiver: Receiver) {
        *self.receiver.borrow_mut() = Some(receiver);
        match &self.habit {
            Habit::Echo | Habit::Measure => {}
            Habit::Say(text) => {
                self.say(SocketMessage::Text(text.clone()));
                self.say(NORMAL);
            }
            Habit::Leave => self.say(NORMAL),
        }
    }

    fn send(&self, message: SocketMessage) {
        let length = match &message {
            SocketMessage::Text(text) => text.len(),
            SocketMessage::Binary(bytes) => bytes.len(),
            SocketMessage::Close { .. } => 0,
        };
        self.arriving.update(|before| before + length);
        let arriving = Rc::clone(&self.arriving);
        self.outbox
            .borrow_mut()
            .push_back(Box::new(move |_| arriving.update(|before| before - length)));
        match (&self.habit, message) {
            (Habit::Echo, SocketMessage::Text(text)) => {
                let is_last = text == GOODBYE;
                self.say(SocketMessage::Text(text));
                if is_last {
                    self.say(NORMAL);
                }
            }
            (Habit::Echo, message) => self.say(message),
            (_, SocketMessage::Close { .. }) => self.say(NORMAL),
            (Habit::Measure, SocketMessage::Text(text)) => {
                self.say(SocketMessage::Text(text.len().to_string()));
            }
            (Habit::Measure, SocketMessage::Binary(bytes)) => {
                self.say(SocketMessage::Text(bytes.len().to_string()));
            }
            (Habit::Say(_) | Habit::Leave, _) => {}
        }
    }

    fn accept(&self) {}

    fn buffered(&self) -> usize {
        self.arriving.get()
    }

    fn abandon(&self) {
        let receiver = Rc::clone(&self.receiver);
        self.outbox.borrow_mut().push_back(Box::new(move |ctx| {
            if let Some(receiver) = &*receiver.borrow() {
                receiver.lost(ctx, None);
            }
        }));
    }
}
