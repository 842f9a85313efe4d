//! A body that comes in pieces, as one.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use bytes::{Bytes, BytesMut};
use isthmus_web::body::{ByteSource, IncomingBody, Pulled};
use rquickjs::Ctx;

/// Called exactly once with the whole body, or with the reason why it broke off; never if the source never
/// answers.
type Collected = Box<dyn for<'js> FnOnce(&Ctx<'js>, Result<Bytes, String>)>;

/// Reads all of a body.
pub(crate) fn collect<'js>(ctx: &Ctx<'js>, body: IncomingBody, done: Collected) {
    match body {
        IncomingBody::None | IncomingBody::Socket(_) => done(ctx, Ok(Bytes::new())),
        IncomingBody::Bytes(bytes) => done(ctx, Ok(bytes)),
        IncomingBody::Source { source, length } => {
            let kept = Rc::clone(&source);
            let gathered: Collected = Box::new(move |ctx, whole| {
                drop(kept);
                done(ctx, whole);
            });
            let Err(done) = source.gather(ctx, gathered) else {
                return;
            };
            let expected = length
                .and_then(|length| usize::try_from(length).ok())
                .unwrap_or(0);
            let collector = Rc::new(Collector {
                source,
                first: Cell::default(),
                joined: RefCell::new(BytesMut::new()),
                expected,
                done: Cell::new(Some(done)),
                pulling: Cell::new(false),
                again: Cell::new(false),
            });
            collector.pull(ctx);
        }
    }
}

struct Collector {
    source: Rc<dyn ByteSource>,
    /// The only chunk so far: a body in one piece is not copied.
    first: Cell<Bytes>,
    joined: RefCell<BytesMut>,
    /// The length announced, in bytes; never more than is announced by the host, which we trust.
    expected: usize,
    done: Cell<Option<Collected>>,
    /// Whether `pull` is on the stack: then it asks again itself instead of being called deeper and deeper.
    pulling: Cell<bool>,
    again: Cell<bool>,
}

impl Collector {
    fn pull(self: Rc<Self>, ctx: &Ctx<'_>) {
        self.pulling.set(true);
        loop {
            self.again.set(false);
            let this = Rc::clone(&self);
            self.source
                .pull(ctx, Box::new(move |ctx, pulled| this.take(ctx, pulled)));
            if !self.again.get() {
                break;
            }
        }
        self.pulling.set(false);
    }

    fn take(self: Rc<Self>, ctx: &Ctx<'_>, pulled: Pulled) {
        let result = match pulled {
            Pulled::Chunk(chunk) => {
                self.push(chunk);
                if self.pulling.get() {
                    self.again.set(true);
                } else {
                    self.pull(ctx);
                }
                return;
            }
            Pulled::End => Ok(self.whole()),
            Pulled::Failed(reason) => Err(reason),
        };
        if let Some(done) = self.done.take() {
            done(ctx, result);
        }
    }

    fn push(&self, chunk: Bytes) {
        let mut joined = self.joined.borrow_mut();
        let first = self.first.take();
        if joined.is_empty() && first.is_empty() {
            self.first.set(chunk);
            return;
        }
        if joined.is_empty() {
            joined.reserve(self.expected.max(first.len() + chunk.len()));
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&chunk);
    }

    fn whole(&self) -> Bytes {
        let joined = std::mem::take(&mut *self.joined.borrow_mut());
        if joined.is_empty() {
            self.first.take()
        } else {
            joined.freeze()
        }
    }
}
