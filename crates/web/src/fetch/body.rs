//! Bodies and what `Request` and `Response` share: <https://fetch.spec.whatwg.org/#bodies>.
//!
//! A body stays Rust bytes, or the Rust source it came from, until somebody asks for its stream.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use rquickjs::class::{JsClass, Trace, Tracer};
use rquickjs::function::Params;
use rquickjs::{ArrayBuffer, Class, Ctx, Error, Exception, JsLifetime, Object, Result, Value};

use super::interface::{Interface, receiver, settled, string, thrown};
use crate::body::{ByteSource, GatherDone, IncomingBody, OutgoingBody};
use crate::file_api::{self, BlobParts, Rope, utf8_decode};
use crate::form_data;
use crate::mime_type::MimeType;
use crate::streams::{self, Held, Ticket};

const USED: &str =
    "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.";
const LOCKED: &str = "This ReadableStream is currently locked to a reader.";

/// The body of a request or response.
#[derive(Default, JsLifetime)]
pub(super) struct Body<'js>(RefCell<State<'js>>);

#[derive(Default, JsLifetime)]
enum State<'js> {
    /// There is none, and `body` is `null`.
    #[default]
    Null,
    Bytes(Bytes),
    Source {
        source: Rc<dyn ByteSource>,
        length: Option<u64>,
    },
    /// JavaScript has seen the stream, or made it.
    Stream {
        stream: Object<'js>,
        length: Option<u64>,
    },
    /// Used up before anyone asked for its stream.
    Spent,
}

impl<'js> Trace<'js> for Body<'js> {
    fn trace<'a>(&self, tracer: Tracer<'a, 'js>) {
        // What is borrowed during a collection counts as held from outside, which errs on the safe side.
        if let Ok(state) = self.0.try_borrow()
            && let State::Stream { stream, .. } = &*state
        {
            stream.trace(tracer);
        }
    }
}

impl<'js> From<IncomingBody> for Body<'js> {
    fn from(body: IncomingBody) -> Self {
        Self(RefCell::new(match body {
            IncomingBody::None | IncomingBody::Socket(_) => State::Null,
            IncomingBody::Bytes(bytes) => State::Bytes(bytes),
            IncomingBody::Source { source, length } => State::Source { source, length },
        }))
    }
}

impl From<Held> for State<'_> {
    fn from(held: Held) -> Self {
        match held {
            Held::Bytes(bytes) => State::Bytes(bytes),
            Held::Source { source, length } => State::Source { source, length },
        }
    }
}

fn used(ctx: &Ctx<'_>) -> Error {
    Exception::throw_type(ctx, USED)
}

impl<'js> Body<'js> {
    pub(super) fn of_bytes(bytes: Bytes) -> Self {
        Self(RefCell::new(State::Bytes(bytes)))
    }

    pub(super) fn of_stream(ctx: &Ctx<'js>, stream: Object<'js>) -> Result<Self> {
        let length = streams::expected_length(ctx, &stream)?;
        Ok(Self(RefCell::new(State::Stream { stream, length })))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(*self.0.borrow(), State::Null)
    }

    /// Whether it is known to have no bytes. A stream may turn out to have none.
    pub(super) fn is_empty(&self) -> bool {
        match &*self.0.borrow() {
            State::Null => true,
            State::Bytes(bytes) => bytes.is_empty(),
            _ => false,
        }
    }

    /// The `body` attribute.
    pub(super) fn stream(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let (stream, length) = match self.0.take() {
            State::Null => return Ok(Value::new_null(ctx.clone())),
            State::Bytes(bytes) => {
                let length = bytes.len() as u64;
                (streams::from_bytes(ctx, bytes)?, Some(length))
            }
            State::Source { source, length } => (streams::readable(ctx, source, length)?, length),
            State::Stream { stream, length } => (stream, length),
            State::Spent => (streams::spent(ctx)?, None),
        };
        *self.0.borrow_mut() = State::Stream {
            stream: stream.clone(),
            length,
        };
        Ok(stream.into_value())
    }

    /// The `bodyUsed` attribute.
    pub(super) fn is_used(&self, ctx: &Ctx<'js>) -> Result<bool> {
        let stream = match &*self.0.borrow() {
            State::Stream { stream, .. } => stream.clone(),
            state => return Ok(matches!(state, State::Spent)),
        };
        Ok(streams::status(ctx, &stream)?.disturbed)
    }

    /// Throws if the body was read from, or is being read.
    fn require_usable(&self, ctx: &Ctx<'js>) -> Result<()> {
        let stream = match &*self.0.borrow() {
            State::Stream { stream, .. } => stream.clone(),
            State::Spent => return Err(used(ctx)),
            _ => return Ok(()),
        };
        let status = streams::status(ctx, &stream)?;
        if status.disturbed {
            return Err(used(ctx));
        }
        if status.locked {
            return Err(Exception::throw_type(ctx, LOCKED));
        }
        Ok(())
    }

    /// What the body is made of, for its only reader: bytes or a source, also those of a stream that nobody has touched
    /// if `wanted` agrees. The body is used up by it. A stream that was touched stays, and is the reader's to lock.
    fn take(&self, ctx: &Ctx<'js>, wanted: impl FnOnce(&Held) -> bool) -> State<'js> {
        let state = self.0.take();
        *self.0.borrow_mut() = match &state {
            State::Null => State::Null,
            State::Stream { stream, length } => State::Stream {
                stream: stream.clone(),
                length: *length,
            },
            _ => State::Spent,
        };
        if let State::Stream { stream, .. } = &state
            && let Some(held) = streams::take_held(ctx, stream, wanted)
        {
            return held.into();
        }
        state
    }

    /// A promise of the whole body as `kind`. Throws, rather than rejects, as the caller settles it.
    fn consume(&self, ctx: &Ctx<'js>, mut kind: Kind) -> Result<Value<'js>> {
        if let Err(error) = self.require_usable(ctx) {
            return settled(ctx, Err(error));
        }
        let stream = match self.take(ctx, |held| matches!(held, Held::Bytes(_))) {
            State::Null => return settled(ctx, kind.of(ctx, Bytes::new())),
            State::Bytes(bytes) => return settled(ctx, kind.of(ctx, bytes)),
            State::Source { source, length } => {
                kind = match gather(ctx, &source, kind)? {
                    Ok(promise) => return Ok(promise),
                    Err(kind) => kind,
                };
                let stream = streams::readable(ctx, source, length)?;
                *self.0.borrow_mut() = State::Stream {
                    stream: stream.clone(),
                    length,
                };
                stream
            }
            State::Stream { stream, .. } => stream,
            State::Spent => return settled(ctx, Err(used(ctx))),
        };
        streams::collect(ctx, stream, move |ctx, bytes| kind.of(ctx, bytes.into()))
    }

    /// A second body with the same bytes. Throws if this one was read from, or is being read.
    pub(super) fn copy(&self, ctx: &Ctx<'js>) -> Result<Self> {
        self.require_usable(ctx)?;
        let stream = match &*self.0.borrow() {
            State::Stream { stream, .. } => Some(stream.clone()),
            _ => None,
        };
        if let Some(stream) = stream
            && let Some(held) = streams::take_held(ctx, &stream, |held| matches!(held, Held::Bytes(_)))
        {
            *self.0.borrow_mut() = held.into();
        }
        if let State::Bytes(bytes) = &*self.0.borrow() {
            return Ok(Self::of_bytes(bytes.clone()));
        }
        if self.is_null() {
            return Ok(Self::default());
        }
        let Some(stream) = self.stream(ctx)?.into_object() else {
            return Ok(Self::default());
        };
        let length = match &*self.0.borrow() {
            State::Stream { length, .. } => *length,
            _ => None,
        };
        let [first, second] = streams::tee(ctx, stream, length)?;
        *self.0.borrow_mut() = State::Stream {
            stream: first,
            length,
        };
        Ok(Self(RefCell::new(State::Stream {
            stream: second,
            length,
        })))
    }

    /// The body for a new owner; this one is used up. Throws if it was read from, or is being read.
    pub(super) fn hand_over(&self, ctx: &Ctx<'js>) -> Result<Self> {
        self.require_usable(ctx)?;
        Ok(Self(RefCell::new(match self.take(ctx, |_| true) {
            State::Stream { stream, length } => State::Stream {
                stream: streams::pass_on(ctx, stream)?,
                length,
            },
            state => state,
        })))
    }

    /// The body for the process outside; this one is used up. `declared` is the length its headers speak of.
    /// Throws if it was read from, or is being read.
    pub(super) fn send(&self, ctx: &Ctx<'js>, declared: Option<u64>) -> Result<OutgoingBody<'js>> {
        self.require_usable(ctx)?;
        Ok(match self.take(ctx, |_| true) {
            State::Null => OutgoingBody::None,
            State::Bytes(bytes) => OutgoingBody::Bytes(bytes),
            State::Source { source, length } => OutgoingBody::Source { source, length },
            State::Stream { stream, length } => OutgoingBody::Stream {
                stream,
                length: length.or(declared),
            },
            State::Spent => return Err(used(ctx)),
        })
    }
}

/// A promise of all of a source as `kind`, without a stream in between. A source that has no way to that gives `kind` back.
fn gather<'js>(
    ctx: &Ctx<'js>,
    source: &Rc<dyn ByteSource>,
    kind: Kind,
) -> Result<std::result::Result<Value<'js>, Kind>> {
    let (promise, resolve, reject) = ctx.promise()?;
    let ends = (
        streams::keep(ctx, resolve.into_inner())?,
        streams::keep(ctx, reject.into_inner())?,
    );
    let waiting = Rc::new(Cell::new(Some((kind, ends))));
    let (settled, alive) = (Rc::clone(&waiting), Rc::clone(source));
    let done: GatherDone = Box::new(move |ctx, whole| {
        if let Some((kind, ends)) = settled.take()
            && settle(ctx, &kind, ends, whole).is_err()
        {
            // Only the engine's limits (memory, stack) can have thrown; there is nobody here to tell.
            ctx.catch();
        }
        drop(alive);
    });
    Ok(match (source.gather(ctx, done), waiting.take()) {
        (Err(_), Some((kind, _))) => Err(kind),
        (_, unsettled) => {
            waiting.set(unsettled);
            Ok(promise.into_value())
        }
    })
}

/// Resolves or rejects a promise of a whole body.
fn settle<'js>(
    ctx: &Ctx<'js>,
    kind: &Kind,
    (resolve, reject): (Ticket, Ticket),
    whole: std::result::Result<Bytes, String>,
) -> Result<()> {
    let value = whole
        .map_err(|reason| Exception::throw_type(ctx, &reason))
        .and_then(|bytes| kind.of(ctx, bytes));
    let (end, value) = match value {
        Ok(value) => (resolve, value),
        Err(error) => (reject, thrown(ctx, error)),
    };
    match end.redeem(ctx).and_then(|end| end.into_value().into_function()) {
        Some(end) => end.call((value,)),
        None => Ok(()),
    }
}

/// What a body is read as.
enum Kind {
    Text,
    Json,
    ArrayBuffer,
    Bytes,
    Blob(Option<MimeType>),
    FormData(Option<MimeType>),
}

impl Kind {
    fn of<'js>(&self, ctx: &Ctx<'js>, bytes: Bytes) -> Result<Value<'js>> {
        match self {
            Kind::Text => string(ctx, &utf8_decode(bytes)),
            Kind::Json => parse_json(ctx, utf8_decode(bytes)),
            Kind::ArrayBuffer => Ok(ArrayBuffer::new(ctx.clone(), Vec::from(bytes))?.into_value()),
            Kind::Bytes => streams::chunk(ctx, bytes),
            Kind::Blob(mime) => {
                let parts = BlobParts {
                    rope: Rope::from(bytes),
                    // The type of a blob is in lower case.
                    media_type: mime
                        .as_ref()
                        .map(|mime| mime.to_string().to_ascii_lowercase())
                        .unwrap_or_default(),
                    file: None,
                };
                file_api::new_blob(ctx, parts)
            }
            Kind::FormData(mime) => form_data::decode(ctx, mime.as_ref(), &bytes),
        }
    }
}

fn parse_json<'js>(ctx: &Ctx<'js>, text: String) -> Result<Value<'js>> {
    match ctx.json_parse(text) {
        // The parser takes C strings; outside of them a NUL is no JSON, inside it has to be escaped.
        Err(Error::InvalidString(_)) => Err(Exception::throw_syntax(ctx, "Unexpected NUL character in JSON")),
        other => other,
    }
}

/// A class with a body.
pub(super) trait HasBody<'js>: JsClass<'js> {
    fn body(&self) -> &Body<'js>;

    /// What its headers say of the body.
    fn mime_type(&self) -> Option<MimeType>;
}

/// Adds the members of the `Body` mixin.
pub(super) fn mix_in<'js, C: HasBody<'js>>(interface: &Interface<'js>) -> Result<()> {
    interface
        .attribute("body", |params| {
            receiver::<C>(params)?.borrow().body().stream(params.ctx())
        })?
        .attribute("bodyUsed", |params| {
            let used = receiver::<C>(params)?.borrow().body().is_used(params.ctx())?;
            Ok(Value::new_bool(params.ctx().clone(), used))
        })?
        .operation("arrayBuffer", 0, |params| {
            consume::<C>(params, |_| Kind::ArrayBuffer)
        })?
        .operation("blob", 0, |params| {
            consume::<C>(params, |owner| Kind::Blob(owner.mime_type()))
        })?
        .operation("bytes", 0, |params| consume::<C>(params, |_| Kind::Bytes))?
        .operation("formData", 0, |params| {
            consume::<C>(params, |owner| Kind::FormData(owner.mime_type()))
        })?
        .operation("json", 0, |params| consume::<C>(params, |_| Kind::Json))?
        .operation("text", 0, |params| consume::<C>(params, |_| Kind::Text))?;
    Ok(())
}

fn consume<'js, C: HasBody<'js>>(
    params: &Params<'_, 'js>,
    kind: impl FnOnce(&C) -> Kind,
) -> Result<Value<'js>> {
    match receiver::<C>(params) {
        Ok(owner) => {
            let owner: Class<'js, C> = owner;
            let owner = owner.borrow();
            owner.body().consume(params.ctx(), kind(&owner))
        }
        Err(error) => settled(params.ctx(), Err(error)),
    }
}
