//! Bodies whose content coding is taken off as they are read, or put on as they are written.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use bytes::Bytes;
use rquickjs::Ctx;

use super::coding::{Coding, Decoder, Encoder, encode_all};
use crate::body::{
    ByteSink, ByteSource, ByteTransform, OutgoingBody, PullDone, Pulled, Undecoded, WriteDone,
};

/// So many bytes are coded at once.
const PIECE: usize = 64 * 1024;

/// A coded body from outside, as what it means. One of which nothing was read can be passed on as it came.
pub(super) struct Decoded {
    me: Weak<Self>,
    inner: Rc<dyn ByteSource>,
    /// What `content-encoding` said.
    codings: Vec<Coding>,
    length: Option<u64>,
    state: RefCell<State>,
    waiting: Cell<Option<PullDone>>,
    /// A pull of `inner` is on the stack: it is asked again from there, instead of deeper and deeper.
    pulling: Cell<bool>,
    again: Cell<bool>,
}

struct State {
    touched: bool,
    decoder: Option<Decoder>,
    /// How the coded body ended.
    end: Option<Result<(), String>>,
}

impl Decoded {
    /// `length` is that of the coded body, where known.
    pub(super) fn new(inner: Rc<dyn ByteSource>, codings: Vec<Coding>, length: Option<u64>) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            inner,
            codings,
            length,
            state: RefCell::new(State {
                touched: false,
                decoder: None,
                end: None,
            }),
            waiting: Cell::new(None),
            pulling: Cell::new(false),
            again: Cell::new(false),
        })
    }

    /// What can be had without more of the coded body.
    fn ready(&self) -> Option<Pulled> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let decoder = match &mut state.decoder {
            Some(decoder) => decoder,
            none => match Decoder::new(&self.codings) {
                Ok(decoder) => none.insert(decoder),
                Err(reason) => return Some(Pulled::Failed(reason)),
            },
        };
        match decoder.next() {
            Err(reason) => {
                self.inner.cancel();
                Some(Pulled::Failed(reason))
            }
            Ok(bytes) if !bytes.is_empty() => Some(Pulled::Chunk(bytes.into())),
            Ok(_) => match state.end.clone()? {
                Ok(()) => Some(decoder.finish().map_or_else(Pulled::Failed, |()| Pulled::End)),
                Err(reason) => Some(Pulled::Failed(reason)),
            },
        }
    }

    fn fill(&self, ctx: &Ctx<'_>) {
        self.again.set(true);
        if self.pulling.replace(true) {
            return;
        }
        while self.again.take() {
            // Weak, or a body that nobody reads any more would keep itself.
            let me = self.me.clone();
            self.inner.pull(
                ctx,
                Box::new(move |ctx, pulled| {
                    if let Some(me) = me.upgrade() {
                        me.arrived(ctx, pulled);
                    }
                }),
            );
        }
        self.pulling.set(false);
    }

    fn arrived(&self, ctx: &Ctx<'_>, pulled: Pulled) {
        {
            let mut state = self.state.borrow_mut();
            match pulled {
                Pulled::Chunk(chunk) => {
                    if let Some(decoder) = &mut state.decoder {
                        decoder.feed(&chunk);
                    }
                }
                Pulled::End => state.end = Some(Ok(())),
                Pulled::Failed(reason) => state.end = Some(Err(reason)),
            }
        }
        match self.ready() {
            None => self.fill(ctx),
            Some(answer) => {
                if let Some(done) = self.waiting.take() {
                    done(ctx, answer);
                }
            }
        }
    }
}

impl ByteSource for Decoded {
    fn pull(&self, ctx: &Ctx<'_>, done: PullDone) {
        self.state.borrow_mut().touched = true;
        match self.ready() {
            Some(answer) => done(ctx, answer),
            None => {
                self.waiting.set(Some(done));
                self.fill(ctx);
            }
        }
    }

    fn cancel(&self) {
        drop(self.waiting.take());
        self.inner.cancel();
    }

    fn undecoded(&self) -> Option<Undecoded> {
        (!self.state.borrow().touched).then(|| Undecoded {
            source: Rc::clone(&self.inner),
            length: self.length,
            codings: self.codings.clone(),
        })
    }
}

/// A sink that puts a coding on what it passes on.
pub struct Encoding {
    inner: Rc<dyn ByteSink>,
    end: Box<dyn Fn(Bytes)>,
    encoder: RefCell<Option<Encoder>>,
}

impl Encoding {
    /// `end` takes the last bytes and closes `inner`.
    ///
    /// # Errors
    /// What the coder says if there is no memory for it.
    pub fn new(inner: Rc<dyn ByteSink>, end: Box<dyn Fn(Bytes)>, coding: Coding) -> Result<Self, String> {
        Ok(Self {
            inner,
            end,
            encoder: RefCell::new(Some(Encoder::new(coding)?)),
        })
    }
}

impl Encoding {
    /// Takes the last bytes and closes the sink.
    pub fn end_with(&self, last: Bytes) {
        let Some(mut encoder) = self.encoder.take() else {
            return;
        };
        let coded = if last.is_empty() {
            Ok(Vec::new())
        } else {
            encoder.encode(&last)
        };
        let coded = coded.and_then(|mut coded| {
            coded.extend_from_slice(&encoder.finish()?);
            Ok(coded)
        });
        match coded {
            Ok(coded) => (self.end)(coded.into()),
            Err(reason) => self.inner.abort(&reason),
        }
    }
}

impl ByteSink for Encoding {
    fn write(&self, ctx: &Ctx<'_>, chunk: Bytes, done: WriteDone) {
        let coded = match &mut *self.encoder.borrow_mut() {
            Some(encoder) => encoder.encode(&chunk),
            None => Err("the body has ended".to_owned()),
        };
        match coded {
            Ok(coded) if coded.is_empty() => done(ctx, Ok(())),
            Ok(coded) => self.inner.write(ctx, coded.into(), done),
            Err(reason) => done(ctx, Err(reason)),
        }
    }

    fn close(&self) {
        self.end_with(Bytes::new());
    }

    fn abort(&self, reason: &str) {
        self.encoder.take();
        self.inner.abort(reason);
    }

    fn fed_by(&self, source: &Rc<dyn ByteSource>) {
        self.inner.fed_by(source);
    }
}

/// A coding put on bytes on their way.
pub(crate) struct BodyEncoder(Option<Encoder>);

impl BodyEncoder {
    /// # Errors
    /// What the coder says if there is no memory for it.
    pub(crate) fn new(coding: Coding) -> Result<Self, String> {
        Ok(Self(Some(Encoder::new(coding)?)))
    }
}

impl ByteTransform for BodyEncoder {
    fn transform(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, String> {
        while !input.is_empty() {
            let piece = input.split_to(input.len().min(PIECE));
            let Some(encoder) = &mut self.0 else { break };
            let coded = encoder.encode(&piece)?;
            if !coded.is_empty() {
                return Ok(Some(coded.into()));
            }
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<Option<Bytes>, String> {
        let Some(encoder) = self.0.take() else {
            return Ok(None);
        };
        let last = encoder.finish()?;
        Ok((!last.is_empty()).then(|| last.into()))
    }
}

/// A body on its way out, and the codings that are still to be put on it as it goes. One that came with the codings its
/// headers promise goes as it came.
///
/// # Errors
/// What the coder says if there is no memory for it.
pub(super) fn settle(
    body: OutgoingBody<'_>,
    codings: Vec<Coding>,
) -> Result<(OutgoingBody<'_>, Vec<Coding>), String> {
    if codings.is_empty() {
        return Ok((body, codings));
    }
    match body {
        OutgoingBody::None => Ok((OutgoingBody::None, Vec::new())),
        OutgoingBody::Bytes(bytes) if bytes.is_empty() => Ok((OutgoingBody::Bytes(bytes), Vec::new())),
        OutgoingBody::Bytes(mut bytes) => {
            for coding in codings {
                bytes = encode_all(coding, &bytes)?.into();
            }
            Ok((OutgoingBody::Bytes(bytes), Vec::new()))
        }
        OutgoingBody::Source { source, .. } => match source.undecoded() {
            Some(Undecoded {
                source,
                length,
                codings: its,
            }) if its == codings => {
                let body = match source.whole() {
                    Some(bytes) => OutgoingBody::Bytes(bytes),
                    None => OutgoingBody::Source { source, length },
                };
                Ok((body, Vec::new()))
            }
            _ => Ok((OutgoingBody::Source { source, length: None }, codings)),
        },
        OutgoingBody::Stream { stream, .. } => Ok((OutgoingBody::Stream { stream, length: None }, codings)),
    }
}
