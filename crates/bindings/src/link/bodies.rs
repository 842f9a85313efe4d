//! Bodies under credit, both ways: what the host sends becomes a [`ByteSource`], what goes to it a [`ByteSink`].

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use bytes::Bytes;
use isthmus_protocol::flow::{INLINE_MAX, Overrun, ReceiveWindow, SendWindow};
use isthmus_protocol::{Body, Frame, StreamId};
use isthmus_web::body::{
    ByteSink, ByteSource, GatherDone, HeldName, IncomingBody, PullDone, Pulled, WriteDone,
};
use isthmus_web::fetch::{Coding, Encoding};
use rquickjs::Ctx;

use super::gathering::{Gathering, Wanted};
use super::{Link, Side};

/// A body that comes from the host.
pub struct Incoming {
    link: Weak<Link>,
    stream: StreamId,
    /// The event in whose course it is read.
    event: Option<StreamId>,
    state: RefCell<Arriving>,
}

struct Arriving {
    chunks: VecDeque<Bytes>,
    window: ReceiveWindow,
    /// A held body of which nothing was asked for yet.
    held: bool,
    end: Option<Result<(), String>>,
    waiting: Option<PullDone>,
    cancelled: bool,
    /// Its length in bytes, where known.
    length: Option<u64>,
    /// All of it is wanted in one piece.
    wanted: Option<Wanted>,
}

impl Incoming {
    /// Makes the body that goes with a frame on `stream`, which `bytes` holds; what waits for it does so for `event`.
    pub fn open(
        link: &Rc<Link>,
        stream: StreamId,
        event: Option<StreamId>,
        body: &Body<'_>,
        bytes: &Bytes,
    ) -> IncomingBody {
        let (length, held) = match body {
            Body::None => return IncomingBody::None,
            Body::Inline(inline) => return IncomingBody::Bytes(bytes.slice_ref(inline)),
            Body::Stream { length } => (*length, false),
            Body::Held { length, .. } | Body::Request { length, .. } => (*length, true),
        };
        let incoming = Rc::new(Self {
            link: Rc::downgrade(link),
            stream,
            event,
            state: RefCell::new(Arriving {
                chunks: VecDeque::new(),
                window: if held {
                    ReceiveWindow::held()
                } else {
                    ReceiveWindow::stream()
                },
                held,
                end: None,
                waiting: None,
                cancelled: false,
                length,
                wanted: None,
            }),
        });
        link.incoming
            .borrow_mut()
            .insert(stream, Rc::downgrade(&incoming));
        IncomingBody::Source {
            source: incoming,
            length,
        }
    }

    /// The event in whose course it is read.
    pub(super) fn event(&self) -> Option<StreamId> {
        self.event
    }

    /// A chunk arrived.
    pub(super) fn data(&self, ctx: &Ctx<'_>, chunk: Bytes) -> Result<(), Overrun> {
        let waiting = {
            let mut state = self.state.borrow_mut();
            state.window.received(chunk.len())?;
            if state.cancelled || chunk.is_empty() {
                return Ok(());
            }
            if let Some(Wanted { body: Some(body), .. }) = &mut state.wanted {
                body.push(&chunk);
                return Ok(());
            }
            match state.waiting.take() {
                None => {
                    state.chunks.push_back(chunk);
                    return Ok(());
                }
                Some(waiting) => waiting,
            }
        };
        self.consumed(chunk.len());
        waiting(ctx, Pulled::Chunk(chunk));
        Ok(())
    }

    /// The memory of a body that is wanted as a whole, for its next chunk; `None` if it isn't, or has no room or credit for it.
    pub(super) fn lend(&self, chunk: usize) -> Option<Gathering> {
        let mut state = self.state.borrow_mut();
        let Arriving { wanted, window, .. } = &mut *state;
        let body = &mut wanted.as_mut()?.body;
        if body.as_ref()?.missing() < chunk || window.received(chunk).is_err() {
            return None;
        }
        body.take()
    }

    /// That chunk has arrived.
    pub(super) fn landed(&self, body: Gathering) {
        if let Some(wanted) = &mut self.state.borrow_mut().wanted {
            wanted.body = Some(body);
        }
    }

    /// The body is complete, or broke off; the first of several ends counts.
    pub(super) fn end(&self, ctx: &Ctx<'_>, end: Result<(), String>) {
        let (waiting, wanted) = {
            let mut state = self.state.borrow_mut();
            if state.end.is_some() {
                return;
            }
            state.end = Some(end.clone());
            state.held = false;
            (state.waiting.take(), state.wanted.take())
        };
        if let Some(Wanted { body, done }) = wanted {
            let whole = end.and_then(|()| match body {
                Some(body) => body.finish(),
                None => Err("it is shorter than was announced".to_owned()),
            });
            return done(ctx, whole);
        }
        if let Some(waiting) = waiting {
            waiting(ctx, ended(end));
        }
    }

    fn consumed(&self, bytes: usize) {
        let credit = self.state.borrow_mut().window.consumed(bytes);
        if credit > 0 {
            self.send(&Frame::Credit {
                stream: self.stream,
                bytes: credit,
            });
        }
    }

    fn send(&self, frame: &Frame<'_>) {
        if let Some(link) = self.link.upgrade() {
            link.send(frame);
        }
    }
}

fn ended(end: Result<(), String>) -> Pulled {
    match end {
        Ok(()) => Pulled::End,
        Err(reason) => Pulled::Failed(reason),
    }
}

impl ByteSource for Incoming {
    fn pull(&self, ctx: &Ctx<'_>, done: PullDone) {
        let (answer, open) = {
            let mut state = self.state.borrow_mut();
            let open = std::mem::take(&mut state.held).then(|| state.window.open());
            match state.chunks.pop_front() {
                Some(chunk) => (Some((Pulled::Chunk(chunk), done)), open),
                None => match state.end.clone() {
                    Some(end) => (Some((ended(end), done)), open),
                    None => {
                        state.waiting = Some(done);
                        (None, open)
                    }
                },
            }
        };
        if let Some(bytes) = open {
            self.send(&Frame::Credit {
                stream: self.stream,
                bytes,
            });
        }
        if let Some((answer, done)) = answer {
            if let Pulled::Chunk(chunk) = &answer {
                self.consumed(chunk.len());
            }
            done(ctx, answer);
        }
    }

    fn cancel(&self) {
        let (finished, given_up) = {
            let mut state = self.state.borrow_mut();
            let finished = state.end.is_some() || std::mem::replace(&mut state.cancelled, true);
            state.chunks.clear();
            (finished, (state.waiting.take(), state.wanted.take()))
        };
        // Not under the borrow: they may hold the source.
        drop(given_up);
        if !finished {
            if let Some(link) = self.link.upgrade() {
                link.incoming.borrow_mut().remove(&self.stream);
            }
            self.send(&Frame::Cancel { stream: self.stream });
        }
    }

    fn gather(&self, ctx: &Ctx<'_>, done: GatherDone) -> Result<(), GatherDone> {
        let (credit, end) = {
            let mut state = self.state.borrow_mut();
            let (Some(length), None, false) = (state.length, &state.waiting, state.cancelled) else {
                return Err(done);
            };
            // Below that the pieces are one, and come as they are.
            let Some(mut body) = (length > INLINE_MAX as u64)
                .then(|| Gathering::new(length))
                .flatten()
            else {
                return Err(done);
            };
            for chunk in std::mem::take(&mut state.chunks) {
                body.push(&chunk);
            }
            if let Some(end) = state.end.clone() {
                (None, Some((end.and_then(|()| body.finish()), done)))
            } else {
                state.held = false;
                // It fits: there would be no room otherwise.
                let credit = state.window.widen(body.missing() as u32);
                state.wanted = Some(Wanted {
                    body: Some(body),
                    done,
                });
                (Some(credit), None)
            }
        };
        if let Some(bytes) = credit.filter(|bytes| *bytes > 0) {
            self.send(&Frame::Credit {
                stream: self.stream,
                bytes,
            });
        }
        if let Some((whole, done)) = end {
            done(ctx, whole);
        }
        Ok(())
    }

    fn held(&self) -> Option<HeldName> {
        if !self.state.borrow().held {
            return None;
        }
        Some(match self.link.upgrade()?.side {
            Side::Broker => HeldName::Answer(self.stream),
            Side::Events => HeldName::Request(self.stream),
        })
    }

    /// The host must not hear of the end here: on this connection that could come before the frame that names the body
    /// comes on the other.
    fn hand_over(&self) {
        if let Some(link) = self.link.upgrade() {
            link.incoming.borrow_mut().remove(&self.stream);
        }
        let mut state = self.state.borrow_mut();
        state.held = false;
        state.cancelled = true;
        state.end = Some(Err("this body was passed on".to_owned()));
    }
}

impl Drop for Incoming {
    /// Nobody will read it: the host need not send it.
    fn drop(&mut self) {
        self.cancel();
    }
}

/// A body that goes to the host.
pub struct Outgoing {
    link: Weak<Link>,
    stream: StreamId,
    /// The event in whose course it is written.
    event: Option<StreamId>,
    state: RefCell<Leaving>,
}

struct Leaving {
    window: SendWindow,
    /// What waits for credit.
    pending: Bytes,
    waiting: Option<WriteDone>,
    /// Set when no more will be written: the end to send after `pending`.
    closing: Option<Result<(), String>>,
    finished: bool,
    /// The host wants no more.
    refused: bool,
    /// What is moved into this sink without visiting JavaScript, to be given up when the host wants no more.
    source: Option<Rc<dyn ByteSource>>,
}

impl Outgoing {
    /// Makes the sink of the body that this process sends on `stream`, in the course of `event`.
    pub fn open(link: &Rc<Link>, stream: StreamId, event: Option<StreamId>) -> Rc<Self> {
        let outgoing = Rc::new(Self {
            link: Rc::downgrade(link),
            stream,
            event,
            state: RefCell::new(Leaving {
                window: SendWindow::stream(),
                pending: Bytes::new(),
                waiting: None,
                closing: None,
                finished: false,
                refused: false,
                source: None,
            }),
        });
        link.outgoing.borrow_mut().insert(stream, Rc::clone(&outgoing));
        outgoing
    }

    /// Sends all of `bytes`, the last ones, as credit allows, then the end. Nothing else may wait for credit.
    pub fn send_all(&self, bytes: Bytes) {
        self.state.borrow_mut().pending = bytes;
        self.finish(Ok(()));
    }

    /// The event in whose course it is written.
    pub(super) fn event(&self) -> Option<StreamId> {
        self.event
    }

    /// The host allows more.
    pub(super) fn credit(&self, ctx: &Ctx<'_>, bytes: u32) {
        self.state.borrow_mut().window.credit(bytes);
        self.advance(ctx);
    }

    /// The host wants no more of it.
    pub(super) fn refuse(&self, ctx: &Ctx<'_>, reason: &str) {
        let (waiting, source) = {
            let mut state = self.state.borrow_mut();
            state.refused = true;
            state.finished = true;
            state.pending = Bytes::new();
            (state.waiting.take(), state.source.take())
        };
        if let Some(waiting) = waiting {
            waiting(ctx, Err(reason.to_owned()));
        }
        // A source that has nothing to give for a long time would not notice by itself.
        if let Some(source) = source {
            source.cancel();
        }
    }

    /// Gives the body up: nothing more is sent, whoever writes it hears nothing more.
    pub(super) fn give_up(&self) {
        let (waiting, source) = {
            let mut state = self.state.borrow_mut();
            state.refused = true;
            state.finished = true;
            state.pending = Bytes::new();
            (state.waiting.take(), state.source.take())
        };
        drop(waiting);
        if let Some(source) = source {
            source.cancel();
        }
    }

    /// Sends what credit allows; then the write is done, or the body ends.
    fn advance(&self, ctx: &Ctx<'_>) {
        if let Some(written) = self.move_on() {
            written(ctx, Ok(()));
        }
    }

    /// The same, but for telling whoever wrote, which is left to the caller.
    fn move_on(&self) -> Option<WriteDone> {
        let link = self.link.upgrade()?;
        loop {
            let chunk = {
                let mut state = self.state.borrow_mut();
                if state.finished {
                    return None;
                }
                if state.pending.is_empty() {
                    break;
                }
                let size = state.window.next_chunk().min(state.pending.len());
                if size == 0 {
                    return None;
                }
                state.window.sent(size);
                state.pending.split_to(size)
            };
            link.send(&Frame::Data {
                stream: self.stream,
                chunk: &chunk,
            });
        }
        let (end, source) = {
            let mut state = self.state.borrow_mut();
            let Some(end) = state.closing.take() else {
                return state.waiting.take();
            };
            state.finished = true;
            (end, state.source.take())
        };
        drop(source);
        link.outgoing.borrow_mut().remove(&self.stream);
        link.send(&Frame::End {
            stream: self.stream,
            error: end.as_ref().err().map(String::as_str),
        });
        link.owner.body_sent(self.stream);
        None
    }

    fn finish(&self, end: Result<(), String>) {
        self.state.borrow_mut().closing = Some(end);
        // Nobody is told: a body that closes has no writer that waits.
        drop(self.move_on());
    }
}

impl ByteSink for Outgoing {
    fn fed_by(&self, source: &Rc<dyn ByteSource>) {
        self.state.borrow_mut().source = Some(Rc::clone(source));
    }

    fn write(&self, ctx: &Ctx<'_>, chunk: Bytes, done: WriteDone) {
        {
            let mut state = self.state.borrow_mut();
            if state.refused {
                drop(state);
                done(ctx, Err("the receiver of this body is gone".to_owned()));
                return;
            }
            state.pending = chunk;
            state.waiting = Some(done);
        }
        self.advance(ctx);
    }

    fn take(&self, chunk: &[u8]) -> bool {
        let Some(link) = self.link.upgrade() else {
            return false;
        };
        {
            let mut state = self.state.borrow_mut();
            let is_idle = state.pending.is_empty() && state.waiting.is_none();
            if state.finished || !is_idle || state.window.next_chunk() < chunk.len() {
                return false;
            }
            state.window.sent(chunk.len());
        }
        link.send(&Frame::Data {
            stream: self.stream,
            chunk,
        });
        true
    }

    fn close(&self) {
        self.finish(Ok(()));
    }

    fn abort(&self, reason: &str) {
        // What waits for credit is worth nothing without the rest.
        self.state.borrow_mut().pending = Bytes::new();
        self.finish(Err(reason.to_owned()));
    }
}

/// What puts codings on a body, in order, on its way into `outgoing`.
///
/// # Errors
/// What a coder says if there is no memory for it.
pub fn coded(outgoing: &Rc<Outgoing>, codings: &[Coding]) -> Result<Rc<dyn ByteSink>, String> {
    let target = Rc::clone(outgoing);
    let mut sink: Rc<dyn ByteSink> = Rc::clone(outgoing) as _;
    let mut end: Box<dyn Fn(Bytes)> = Box::new(move |last| target.send_all(last));
    for &coding in codings.iter().rev() {
        let encoding = Rc::new(Encoding::new(sink, end, coding)?);
        sink = Rc::clone(&encoding) as _;
        end = Box::new(move |last| encoding.end_with(last));
    }
    Ok(sink)
}

/// A body that the host has, by its name.
pub fn named(name: HeldName, length: Option<u64>) -> Body<'static> {
    match name {
        HeldName::Answer(stream) => Body::Held { stream, length },
        HeldName::Request(stream) => Body::Request { stream, length },
    }
}

/// The body to announce for bytes that are all there, and whether they go with the frame itself.
pub fn announce(bytes: &Bytes) -> Body<'_> {
    if bytes.len() <= INLINE_MAX {
        Body::Inline(bytes)
    } else {
        Body::Stream {
            length: Some(bytes.len() as u64),
        }
    }
}
