//! The link to the host: one socket, the bodies and the calls on it. An isolate has two, plain CPython one.
//!
//! | file | what |
//! |---|---|
//! | `connection` | [`Connection`]: frames in, frames out |
//! | `bodies` | [`Incoming`], [`Outgoing`]: bodies under credit, both ways |
//! | `gathering` | a body that is wanted as a whole |
//! | `sockets` | [`SocketLink`]: WebSockets under credit |
//! | `calls` | [`Calls`]: calls of capabilities and their answers |
//!
//! All of it belongs to the engine's thread and is driven by whatever event loop runs there. Every borrow ends before
//! foreign code can run, and [`LinkOwner`] counts as such.

mod bodies;
mod calls;
mod connection;
mod gathering;
mod sockets;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use bytes::Bytes;
use isthmus_protocol::{Frame, Message, StreamId};
use rquickjs::Ctx;

pub use bodies::{Incoming, Outgoing, announce, coded, named};
pub use calls::Calls;
pub use connection::{Connection, ConnectionError};
pub use sockets::SocketLink;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Requests in.
    Events,
    /// Capabilities out.
    Broker,
}

/// What a link tells the process that it is part of.
pub trait LinkOwner: 'static {
    /// Frames wait to be written, and none did before.
    fn has_outgoing(&self) {}

    /// A body that went out on `stream` is complete, or a connection on it over.
    fn body_sent(&self, _stream: StreamId) {}

    /// Runs `body`, and what it left to JavaScript jobs, in the course of an event, as the code of its own task runs.
    /// There is no JavaScript on the stack.
    fn in_event(&self, _event: Option<StreamId>, body: &mut dyn FnMut()) {
        body();
    }

    /// User code listens to a connection that it made in the course of an event, or does so no longer.
    fn socket_heard(&self, _event: Option<StreamId>, _is_heard: bool) {}

    /// The two sides do not understand each other: a line for the log.
    fn report(&self, text: &str);
}

/// A socket to the host, from when it is there, and the bodies on it.
pub struct Link {
    side: Side,
    owner: Box<dyn LinkOwner>,
    connection: RefCell<Option<Rc<Connection>>>,
    /// Bodies arriving; who reads one owns it, and dropping it tells the host.
    incoming: RefCell<HashMap<StreamId, Weak<Incoming>>>,
    outgoing: RefCell<HashMap<StreamId, Rc<Outgoing>>>,
    sockets: RefCell<HashMap<StreamId, Rc<SocketLink>>>,
}

impl Link {
    /// A link without a connection.
    pub fn new(side: Side, owner: Box<dyn LinkOwner>) -> Rc<Self> {
        Rc::new(Self {
            side,
            owner,
            connection: RefCell::default(),
            incoming: RefCell::default(),
            outgoing: RefCell::default(),
            sockets: RefCell::default(),
        })
    }

    /// The connection is there.
    pub fn connect(&self, connection: Connection) {
        self.connection.replace(Some(Rc::new(connection)));
    }

    /// Forgets the connection and what was being sent.
    pub fn disconnect(&self) {
        self.connection.replace(None);
        let outgoing = std::mem::take(&mut *self.outgoing.borrow_mut());
        drop(outgoing);
        let sockets = std::mem::take(&mut *self.sockets.borrow_mut());
        drop(sockets);
    }

    /// The connection, if there is one.
    pub fn connection(&self) -> Option<Rc<Connection>> {
        self.connection.borrow().clone()
    }

    /// Collects a frame for the next flush. Without a connection it is dropped: then nothing was opened either.
    pub fn send(&self, frame: &Frame<'_>) {
        let Some(connection) = self.connection() else {
            return;
        };
        let had_outgoing = connection.has_outgoing();
        match connection.send(frame) {
            Ok(()) if had_outgoing => {}
            Ok(()) => self.owner.has_outgoing(),
            // Everything of unbounded size is cut into chunks before; what remains is a bug worth a line.
            Err(error) => self
                .owner
                .report(&format!("a frame to the host could not be sent: {error}")),
        }
    }

    /// Whether bodies are on their way, or connections open.
    pub fn has_bodies(&self) -> bool {
        !self.incoming.borrow().is_empty()
            || !self.outgoing.borrow().is_empty()
            || !self.sockets.borrow().is_empty()
    }

    /// Something arrived that was waited for in the course of an event.
    fn in_event(&self, event: Option<StreamId>, body: &mut dyn FnMut()) {
        self.owner.in_event(event, body);
    }

    fn socket(&self, stream: StreamId) -> Option<Rc<SocketLink>> {
        self.sockets.borrow().get(&stream).cloned()
    }

    /// The connection on `stream` broke, for the reason given, if it was failed; whether there was one.
    pub fn lose_socket(&self, ctx: &Ctx<'_>, stream: StreamId, reason: Option<&str>) -> bool {
        let Some(socket) = self.socket(stream) else {
            return false;
        };
        self.in_event(socket.event(), &mut || socket.lost(ctx, reason));
        true
    }

    fn message(&self, ctx: &Ctx<'_>, stream: StreamId, message: &Message<'_>, bytes: &Bytes) {
        // It may have crossed with the connection's end.
        let Some(socket) = self.socket(stream) else { return };
        let mut arrived = Ok(());
        self.in_event(socket.event(), &mut || {
            arrived = socket.arrived(ctx, message, bytes);
        });
        if let Err(overrun) = arrived {
            self.owner
                .report(&format!("the host sent more than allowed: {overrun}"));
            self.send(&Frame::Cancel { stream });
            self.lose_socket(ctx, stream, None);
        }
    }

    /// The next whole frame of what [`Connection::fill`] has read. Large chunks of a body that is wanted as a whole are none:
    /// they are read to where it gathers.
    ///
    /// # Errors
    /// If what arrived is no frame, or the connection is broken.
    pub fn next_frame(&self, connection: &Connection) -> Result<Option<Bytes>, ConnectionError> {
        loop {
            if let Some((stream, body)) = connection.landed()
                && let Some(incoming) = self.arriving(stream)
            {
                incoming.landed(body);
            }
            if connection.is_landing() {
                return Ok(None);
            }
            if let Some(frame) = connection.next_frame()? {
                return Ok(Some(frame));
            }
            let Some((stream, length)) = connection.begun_chunk() else {
                return Ok(None);
            };
            let Some(body) = self.arriving(stream).and_then(|incoming| incoming.lend(length)) else {
                return Ok(None);
            };
            connection.land(stream, length, body);
            connection.fill()?;
        }
    }

    fn arriving(&self, stream: StreamId) -> Option<Rc<Incoming>> {
        self.incoming.borrow().get(&stream).and_then(Weak::upgrade)
    }

    /// `Data`, `Message`, `End` and `Credit`, which both sides have. Frames for a stream that is over on this side are ignored: they
    /// crossed with its end.
    pub fn body_frame(&self, ctx: &Ctx<'_>, frame: Frame<'_>, bytes: &Bytes) {
        match frame {
            Frame::Data { stream, chunk } => {
                if let Some(incoming) = self.arriving(stream) {
                    let chunk = bytes.slice_ref(chunk);
                    self.in_event(incoming.event(), &mut || {
                        if let Err(overrun) = incoming.data(ctx, chunk.clone()) {
                            self.owner
                                .report(&format!("the host sent more than allowed: {overrun}"));
                            self.incoming.borrow_mut().remove(&stream);
                            self.send(&Frame::Cancel { stream });
                            incoming.end(ctx, Err(overrun.to_string()));
                        }
                    });
                }
            }
            Frame::Message { stream, message } => self.message(ctx, stream, &message, bytes),
            Frame::End { stream, error } => {
                if self.lose_socket(ctx, stream, error) {
                    return;
                }
                let incoming = self.incoming.borrow_mut().remove(&stream);
                if let Some(incoming) = incoming.and_then(|incoming| incoming.upgrade()) {
                    self.in_event(incoming.event(), &mut || {
                        incoming.end(ctx, error.map_or(Ok(()), |error| Err(error.to_owned())));
                    });
                }
            }
            Frame::Credit { stream, bytes } => {
                let outgoing = self.outgoing.borrow().get(&stream).cloned();
                if let Some(outgoing) = outgoing {
                    self.in_event(outgoing.event(), &mut || outgoing.credit(ctx, bytes));
                } else if let Some(socket) = self.socket(stream) {
                    socket.credit(bytes);
                }
            }
            frame => self.owner.report(&format!(
                "the host sent a frame that has no meaning here: {frame:?}"
            )),
        }
    }

    /// The host wants no more of the body that goes out on `stream`; whether there was one.
    pub fn refuse(&self, ctx: &Ctx<'_>, stream: StreamId, reason: &str) -> bool {
        let outgoing = self.outgoing.borrow_mut().remove(&stream);
        if let Some(outgoing) = &outgoing {
            self.in_event(outgoing.event(), &mut || outgoing.refuse(ctx, reason));
        }
        outgoing.is_some()
    }

    /// The connection is lost: every body breaks off.
    fn lose(&self, ctx: &Ctx<'_>, reason: &str) {
        self.connection.replace(None);
        let incoming = std::mem::take(&mut *self.incoming.borrow_mut());
        for incoming in incoming.into_values().filter_map(|incoming| incoming.upgrade()) {
            incoming.end(ctx, Err(reason.to_owned()));
        }
        let outgoing = std::mem::take(&mut *self.outgoing.borrow_mut());
        for outgoing in outgoing.into_values() {
            outgoing.refuse(ctx, reason);
        }
        let sockets: Vec<_> = self.sockets.borrow().keys().copied().collect();
        for stream in sockets {
            self.lose_socket(ctx, stream, None);
        }
    }
}
