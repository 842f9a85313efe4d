//! Bodies under credit, both ways: what the host sends becomes a [`ByteSource`], what goes to it a [`ByteSink`].

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use bytes::Bytes;
use isthmus_protocol::flow::{INLINE_MAX, Overrun, ReceiveWindow, SendWindow};
use isthmus_protocol::{Body, Frame};
use isthmus_web::body::{ByteSink, ByteSource, IncomingBody, PullDone, Pulled, WriteDone};
use isthmus_web::fetch::{Coding, Encoding};
use rquickjs::Ctx;

use crate::shared::{Shared, Side, StreamKey};

/// A body that comes from the host.
pub(crate) struct Incoming {
    shared: Weak<Shared>,
    key: StreamKey,
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
}

impl Incoming {
    /// Makes the body that goes with a frame on `key`, whose bytes (if inline) are `inline`.
    pub(crate) fn open(shared: &Rc<Shared>, key: StreamKey, body: &Body<'_>, inline: Bytes) -> IncomingBody {
        let (length, held) = match body {
            Body::None => return IncomingBody::None,
            Body::Inline(_) => return IncomingBody::Bytes(inline),
            Body::Stream { length } => (*length, false),
            Body::Held { length, .. } => (*length, true),
        };
        let incoming = Rc::new(Self {
            shared: Rc::downgrade(shared),
            key,
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
            }),
        });
        shared.incoming.borrow_mut().insert(key, Rc::downgrade(&incoming));
        IncomingBody::Source {
            source: incoming,
            length,
        }
    }

    /// A chunk arrived.
    pub(crate) fn data(&self, ctx: &Ctx<'_>, chunk: Bytes) -> Result<(), Overrun> {
        let waiting = {
            let mut state = self.state.borrow_mut();
            state.window.received(chunk.len())?;
            if state.cancelled || chunk.is_empty() {
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

    /// The host passes the held body on by itself: it must not hear of this one's end, which on the broker connection
    /// could come before the reply that names the body.
    pub(crate) fn handed_over(&self) {
        let mut state = self.state.borrow_mut();
        state.held = false;
        state.cancelled = true;
        state.end = Some(Err("this body is another response's".to_owned()));
    }

    /// The body is complete, or broke off; the first of several ends counts.
    pub(crate) fn end(&self, ctx: &Ctx<'_>, end: Result<(), String>) {
        let waiting = {
            let mut state = self.state.borrow_mut();
            if state.end.is_some() {
                return;
            }
            let waiting = state.waiting.take();
            state.end = Some(end.clone());
            waiting
        };
        if let Some(waiting) = waiting {
            waiting(ctx, ended(end));
        }
    }

    fn consumed(&self, bytes: usize) {
        let credit = self.state.borrow_mut().window.consumed(bytes);
        if credit > 0 {
            self.send(&Frame::Credit {
                stream: self.key.1,
                bytes: credit,
            });
        }
    }

    fn send(&self, frame: &Frame<'_>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.send(self.key.0, frame);
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
                stream: self.key.1,
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
        let finished = {
            let mut state = self.state.borrow_mut();
            let finished = state.end.is_some() || std::mem::replace(&mut state.cancelled, true);
            state.chunks.clear();
            state.waiting = None;
            finished
        };
        if !finished {
            if let Some(shared) = self.shared.upgrade() {
                shared.incoming.borrow_mut().remove(&self.key);
            }
            self.send(&Frame::Cancel { stream: self.key.1 });
        }
    }

    fn held(&self) -> Option<u32> {
        (self.key.0 == Side::Broker && self.state.borrow().held).then_some(self.key.1)
    }
}

impl Drop for Incoming {
    /// Nobody will read it: the host need not send it.
    fn drop(&mut self) {
        self.cancel();
    }
}

/// A body that goes to the host.
pub(crate) struct Outgoing {
    shared: Weak<Shared>,
    key: StreamKey,
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
    /// Makes the sink of the body that the isolate sends on `key`.
    pub(crate) fn open(shared: &Rc<Shared>, key: StreamKey) -> Rc<Self> {
        let outgoing = Rc::new(Self {
            shared: Rc::downgrade(shared),
            key,
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
        shared.outgoing.borrow_mut().insert(key, Rc::clone(&outgoing));
        outgoing
    }

    /// Sends all of `bytes`, as credit allows, then the end.
    pub(crate) fn send_all(&self, ctx: &Ctx<'_>, bytes: Bytes) {
        {
            let mut state = self.state.borrow_mut();
            state.pending = bytes;
            state.closing = Some(Ok(()));
        }
        self.advance(ctx);
    }

    /// The host allows more.
    pub(crate) fn credit(&self, ctx: &Ctx<'_>, bytes: u32) {
        self.state.borrow_mut().window.credit(bytes);
        self.advance(ctx);
    }

    /// The host wants no more of it.
    pub(crate) fn refuse(&self, ctx: &Ctx<'_>, reason: &str) {
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
    pub(crate) fn give_up(&self) {
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
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let mut waiting = None;
        let mut source = None;
        let mut over = false;
        {
            let mut state = self.state.borrow_mut();
            if state.finished {
                return;
            }
            while !state.pending.is_empty() {
                let size = state.window.next_chunk().min(state.pending.len());
                if size == 0 {
                    break;
                }
                let chunk = state.pending.split_to(size);
                state.window.sent(size);
                shared.send(
                    self.key.0,
                    &Frame::Data {
                        stream: self.key.1,
                        chunk: &chunk,
                    },
                );
            }
            if state.pending.is_empty() {
                if let Some(end) = state.closing.take() {
                    let error = end.as_ref().err().map(String::as_str);
                    shared.send(
                        self.key.0,
                        &Frame::End {
                            stream: self.key.1,
                            error,
                        },
                    );
                    state.finished = true;
                    source = state.source.take();
                    over = true;
                } else {
                    waiting = state.waiting.take();
                }
            }
        }
        drop(source);
        if over {
            shared.outgoing.borrow_mut().remove(&self.key);
            if self.key.0 == Side::Events {
                shared.body_sent(self.key.1);
            }
        }
        if let Some(waiting) = waiting {
            waiting(ctx, Ok(()));
        }
    }

    /// The last bytes, and the end. Nothing waits for credit any more.
    fn end_with(&self, last: Bytes) {
        self.state.borrow_mut().pending = last;
        self.finish(Ok(()));
    }

    fn finish(&self, end: Result<(), String>) {
        // The engine is entered only to call a waiting writer, and none waits while its stream closes.
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        self.state.borrow_mut().closing = Some(end);
        pyo3::Python::attach(|py| shared.engine.with(py, |ctx| self.advance(&ctx)));
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
pub(crate) fn coded(outgoing: &Rc<Outgoing>, codings: &[Coding]) -> Result<Rc<dyn ByteSink>, String> {
    let target = Rc::clone(outgoing);
    let mut sink: Rc<dyn ByteSink> = Rc::clone(outgoing) as _;
    let mut end: Box<dyn Fn(Bytes)> = Box::new(move |last| target.end_with(last));
    for &coding in codings.iter().rev() {
        let encoding = Rc::new(Encoding::new(sink, end, coding)?);
        sink = Rc::clone(&encoding) as _;
        end = Box::new(move |last| encoding.end_with(last));
    }
    Ok(sink)
}

/// The body to announce for bytes that are all there, and whether they go with the frame itself.
pub(crate) fn announce(bytes: &Bytes) -> Body<'_> {
    if bytes.len() <= INLINE_MAX {
        Body::Inline(bytes)
    } else {
        Body::Stream {
            length: Some(bytes.len() as u64),
        }
    }
}
