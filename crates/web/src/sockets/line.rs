//! The two directions of a connection, as streams see them before the connection is there, while it is, and after it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use rquickjs::Ctx;

use crate::body::{ByteSink, ByteSource, HeldName, PullDone, Pulled, WriteDone};
use crate::host::Connection;
use crate::streams::Ticket;

/// A connection, and what comes through it.
type Taken = (Option<Rc<dyn Connection>>, Option<Rc<dyn ByteSource>>);

/// A connection, of which the streams of a socket are the ends. It is closed when nobody holds any of it.
pub(super) struct Line {
    connection: RefCell<Option<Rc<dyn Connection>>>,
    source: RefCell<Option<Rc<dyn ByteSource>>>,
    /// What waits for the connection: at most one each.
    pull: Cell<Option<PullDone>>,
    write: RefCell<Option<(Bytes, WriteDone)>>,
    close: Cell<bool>,
    /// Why there is no connection (any more).
    gone: RefCell<Option<String>>,
    /// The ends of the streams mean nothing: another line takes the connection over.
    is_held: Cell<bool>,
    is_read: Cell<bool>,
    is_written: Cell<bool>,
    /// The function of `sockets.js` that hears of the end of what is read.
    on_end: Cell<Option<Ticket>>,
}

impl Line {
    pub(super) fn new(on_end: Ticket) -> Rc<Self> {
        Rc::new(Self {
            connection: RefCell::default(),
            source: RefCell::default(),
            pull: Cell::default(),
            write: RefCell::default(),
            close: Cell::default(),
            gone: RefCell::default(),
            is_held: Cell::default(),
            is_read: Cell::default(),
            is_written: Cell::default(),
            on_end: Cell::new(Some(on_end)),
        })
    }

    /// A connection is being made.
    pub(super) fn begin(&self, connection: Rc<dyn Connection>) {
        if self.gone.borrow().is_some() {
            connection.close();
        } else {
            *self.connection.borrow_mut() = Some(connection);
        }
    }

    /// It is made.
    pub(super) fn open(self: &Rc<Self>, ctx: &Ctx<'_>, source: Rc<dyn ByteSource>) {
        if self.gone.borrow().is_some() {
            source.cancel();
            return;
        }
        *self.source.borrow_mut() = Some(source);
        if let Some(done) = self.pull.take() {
            self.read(ctx, done);
        }
        let write = self.write.borrow_mut().take();
        if let Some((chunk, done)) = write {
            self.write_on(ctx, chunk, done);
        }
        if self.close.take() {
            self.end_writing();
        }
    }

    /// It will not be made, or nobody wants it any more. What waits hears nothing: the streams have failed or ended before.
    pub(super) fn close(&self, ctx: Option<&Ctx<'_>>, reason: &str) {
        if self.gone.borrow().is_some() {
            return;
        }
        *self.gone.borrow_mut() = Some(reason.to_owned());
        drop(self.on_end.take());
        drop(self.pull.take());
        let write = self.write.borrow_mut().take();
        let connection = self.connection.borrow_mut().take();
        drop(self.source.borrow_mut().take());
        if let Some(connection) = connection {
            connection.close();
        }
        if let (Some(ctx), Some((_, done))) = (ctx, write) {
            done(ctx, Err(reason.to_owned()));
        }
    }

    /// From now on the ends of the streams mean nothing.
    pub(super) fn hold(&self) {
        self.is_held.set(true);
    }

    /// Gives the connection away, and what comes through it: letting go of that tells the host that the connection is over.
    pub(super) fn take(&self) -> Taken {
        let connection = self.connection.borrow_mut().take();
        let source = self.source.borrow_mut().take();
        *self.gone.borrow_mut() = Some("The connection was upgraded to TLS.".to_owned());
        drop(self.on_end.take());
        (connection, source)
    }

    fn read(self: &Rc<Self>, ctx: &Ctx<'_>, done: PullDone) {
        let source = self.source.borrow().clone();
        let Some(source) = source else {
            return done(ctx, Pulled::End);
        };
        // Weak: what waits in the source must not keep it.
        let line = Rc::downgrade(self);
        source.pull(
            ctx,
            Box::new(move |ctx, pulled| {
                let end = match &pulled {
                    Pulled::Chunk(_) => None,
                    Pulled::End => Some(None),
                    Pulled::Failed(reason) => Some(Some(reason.clone())),
                };
                done(ctx, pulled);
                if let (Some(reason), Some(line)) = (end, line.upgrade()) {
                    line.read_to_end(ctx, reason);
                }
            }),
        );
    }

    fn read_to_end(&self, ctx: &Ctx<'_>, reason: Option<String>) {
        self.is_read.set(true);
        let on_end = self.on_end.take().and_then(|ticket| ticket.redeem(ctx));
        let Some(on_end) = on_end.and_then(|on_end| on_end.into_value().into_function()) else {
            return;
        };
        let told: rquickjs::Result<()> = match reason {
            Some(reason) => on_end.call((reason,)),
            None => on_end.call(()),
        };
        if told.is_err() {
            // Only the engine's limits (memory, stack) can have thrown; there is nobody here to tell.
            ctx.catch();
        }
    }

    fn write_on(&self, ctx: &Ctx<'_>, chunk: Bytes, done: WriteDone) {
        let sink = self
            .connection
            .borrow()
            .as_ref()
            .and_then(|connection| connection.sink());
        match sink {
            Some(sink) => sink.write(ctx, chunk, done),
            None => done(ctx, Err("The connection is closed.".to_owned())),
        }
    }

    fn end_writing(&self) {
        let sink = self
            .connection
            .borrow()
            .as_ref()
            .and_then(|connection| connection.sink());
        if let Some(sink) = sink {
            sink.close();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.close(None, "");
    }
}

/// What comes from the other side.
pub(super) struct Reader(pub(super) Rc<Line>);

impl ByteSource for Reader {
    fn pull(&self, ctx: &Ctx<'_>, done: PullDone) {
        let line = &self.0;
        if line.gone.borrow().is_some() {
            return done(ctx, Pulled::End);
        }
        if line.source.borrow().is_none() {
            line.pull.set(Some(done));
            return;
        }
        line.read(ctx, done);
    }

    /// The other direction goes on, if it is still needed.
    fn cancel(&self) {
        let line = &self.0;
        drop(line.pull.take());
        line.is_read.set(true);
        if line.is_written.get() && !line.is_held.get() {
            line.close(None, "The connection is closed.");
        }
    }

    fn held(&self) -> Option<HeldName> {
        self.0.source.borrow().as_ref()?.held()
    }

    fn hand_over(&self) {
        let source = self.0.source.borrow().clone();
        if let Some(source) = source {
            source.hand_over();
        }
    }
}

/// What goes to the other side.
pub(super) struct Writer(pub(super) Rc<Line>);

impl ByteSink for Writer {
    fn write(&self, ctx: &Ctx<'_>, chunk: Bytes, done: WriteDone) {
        let line = &self.0;
        let gone = line.gone.borrow().clone();
        if let Some(reason) = gone {
            return done(ctx, Err(reason));
        }
        if line.source.borrow().is_none() {
            // Nobody knows yet whether it can be sent.
            *line.write.borrow_mut() = Some((chunk, done));
            return;
        }
        line.write_on(ctx, chunk, done);
    }

    fn close(&self) {
        let line = &self.0;
        line.is_written.set(true);
        if line.is_held.get() || line.gone.borrow().is_some() {
            return;
        }
        if line.source.borrow().is_none() {
            line.close.set(true);
        } else {
            line.end_writing();
        }
    }

    fn abort(&self, reason: &str) {
        self.0.close(None, reason);
    }

    fn fed_by(&self, source: &Rc<dyn ByteSource>) {
        let connection = self.0.connection.borrow();
        if let Some(sink) = connection.as_ref().and_then(|connection| connection.sink()) {
            sink.fed_by(source);
        }
    }
}
