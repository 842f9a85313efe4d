//! Rust transforms: asked by `channel.js` chunk by chunk, or put behind a Rust body as a whole.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use rquickjs::class::{JsClass, Readable, Trace};
use rquickjs::function::{Constructor, Opt};
use rquickjs::{Class, Ctx, Exception, Function, JsLifetime, Object, Result, Value};

use super::Streams;
use super::native::{Held, NativeSource, buffer_bytes, chunk, hidden_class, type_error};
use super::pending::Ticket;
use crate::body::{ByteSource, ByteTransform, PullDone, Pulled};

/// A transform, and the part of the chunk written last that it has not taken yet.
struct Working {
    transform: Box<dyn ByteTransform>,
    input: Bytes,
}

/// The Rust side of a pair made by `channel.js`; empty once it has failed, finished or moved behind a body.
#[derive(Trace, JsLifetime)]
pub(super) struct NativeTransform {
    #[qjs(skip_trace)]
    working: RefCell<Option<Working>>,
}
hidden_class!(NativeTransform);

/// For `shared.streams.newPair`.
pub(crate) fn native_transform<'js>(ctx: &Ctx<'js>, transform: Box<dyn ByteTransform>) -> Result<Value<'js>> {
    let working = RefCell::new(Some(Working {
        transform,
        input: Bytes::new(),
    }));
    Ok(Class::instance(ctx.clone(), NativeTransform { working })?.into_value())
}

pub(super) fn fill<'js>(native: &Object<'js>) -> Result<()> {
    let ctx = native.ctx();
    native.set("feed", Function::new(ctx.clone(), feed)?)?;
    native.set("sizeOf", Function::new(ctx.clone(), size_of)?)?;
    native.set("next", Function::new(ctx.clone(), next)?)?;
    native.set("finish", Function::new(ctx.clone(), finish)?)?;
    native.set("drop", Function::new(ctx.clone(), drop_transform)?)?;
    native.set("compose", Function::new(ctx.clone(), compose)?)?;
    native.set("unchanged", Function::new(ctx.clone(), unchanged)?)
}

/// Takes the bytes of a chunk; how many there are, undefined if it is no buffer (nor a well-formed string, where that
/// will do).
fn feed<'js>(
    ctx: Ctx<'js>,
    transform: Class<'js, NativeTransform>,
    chunk: Value<'js>,
    takes_strings: bool,
) -> Result<Option<usize>> {
    let bytes = if takes_strings && chunk.is_string() {
        chunk.get::<String>()?.into_bytes()
    } else if let Some(bytes) = buffer_bytes(&ctx, &chunk)? {
        bytes
    } else {
        return Ok(None);
    };
    let size = bytes.len();
    if let Some(working) = &mut *transform.borrow().working.borrow_mut() {
        working.input = bytes.into();
    }
    Ok(Some(size))
}

/// How many bytes [`feed`] takes of a chunk.
fn size_of<'js>(ctx: Ctx<'js>, chunk: Value<'js>) -> Result<usize> {
    if chunk.is_string() {
        return Ok(chunk.get::<String>()?.len());
    }
    Ok(buffer_bytes(&ctx, &chunk)?.map_or(0, |bytes| bytes.len()))
}

/// The next piece of output of what was fed, undefined if there is none. Throws a `TypeError` if the transform fails.
fn next<'js>(ctx: Ctx<'js>, transform: Class<'js, NativeTransform>) -> Result<Value<'js>> {
    step(&ctx, &transform, |working| {
        working.transform.transform(&mut working.input)
    })
}

/// As [`next`], of what is left at the end.
fn finish<'js>(ctx: Ctx<'js>, transform: Class<'js, NativeTransform>) -> Result<Value<'js>> {
    step(&ctx, &transform, |working| working.transform.finish())
}

fn step<'js>(
    ctx: &Ctx<'js>,
    transform: &Class<'js, NativeTransform>,
    work: impl FnOnce(&mut Working) -> std::result::Result<Option<Bytes>, String>,
) -> Result<Value<'js>> {
    let transform = transform.borrow();
    let output = transform.working.borrow_mut().as_mut().map_or(Ok(None), work);
    match output {
        Ok(Some(bytes)) => chunk(ctx, bytes),
        Ok(None) => Ok(Value::new_undefined(ctx.clone())),
        Err(reason) => {
            transform.working.borrow_mut().take();
            Err(Exception::throw_type(ctx, &reason))
        }
    }
}

fn drop_transform(transform: Class<'_, NativeTransform>) {
    let working = transform.borrow().working.borrow_mut().take();
    drop(working);
}

/// Moves a transform of which nothing was asked yet behind the body of `source`; both are empty then. Gives the new
/// body. `ended(error, isOfTransform)` is called when that has come to its end by itself, with no error if it is complete.
/// Undefined if there is nothing to move.
fn compose<'js>(
    ctx: Ctx<'js>,
    source: Class<'js, NativeSource>,
    transform: Class<'js, NativeTransform>,
    ended: Function<'js>,
) -> Result<Value<'js>> {
    let undefined = Value::new_undefined(ctx.clone());
    let Some(held) = source.borrow().held.borrow_mut().take() else {
        return Ok(undefined);
    };
    let Some(working) = transform.borrow().working.borrow_mut().take() else {
        *source.borrow().held.borrow_mut() = Some(held);
        return Ok(undefined);
    };
    let (source, length): (Rc<dyn ByteSource>, _) = match held {
        Held::Bytes(bytes) => {
            let length = bytes.len() as u64;
            (Rc::new(Whole(RefCell::new(bytes))), Some(length))
        }
        Held::Source { source, length } => (source, length),
    };
    let length = working.transform.length(length);
    let ended = Streams::of(&ctx)?.pending.keep(ended.into_inner());
    let transformed = Transformed(Rc::new(Inner {
        source,
        working: RefCell::new(Some(working)),
        is_complete: Cell::new(false),
        failed: RefCell::default(),
        is_own_failure: Cell::new(false),
        running: Cell::new(false),
        again: Cell::new(false),
        waiting: Cell::new(None),
        ended: Cell::new(Some(ended)),
    }));
    let held = RefCell::new(Some(Held::Source {
        source: Rc::new(transformed),
        length,
    }));
    Ok(Class::instance(ctx, NativeSource { held })?.into_value())
}

/// Bytes as a source.
pub(super) struct Whole(pub(super) RefCell<Bytes>);

impl ByteSource for Whole {
    fn pull(&self, ctx: &Ctx<'_>, done: PullDone) {
        let bytes = self.0.take();
        let answer = if bytes.is_empty() {
            Pulled::End
        } else {
            Pulled::Chunk(bytes)
        };
        done(ctx, answer);
    }

    fn cancel(&self) {
        self.0.take();
    }
}

/// A source whose bytes go through a transform.
struct Transformed(Rc<Inner>);

struct Inner {
    source: Rc<dyn ByteSource>,
    working: RefCell<Option<Working>>,
    /// The source has ended.
    is_complete: Cell<bool>,
    /// Why the source broke off.
    failed: RefCell<Option<String>>,
    is_own_failure: Cell<bool>,
    running: Cell<bool>,
    again: Cell<bool>,
    waiting: Cell<Option<PullDone>>,
    /// Stands for the function to tell of the end.
    ended: Cell<Option<Ticket>>,
}

impl ByteSource for Transformed {
    fn pull(&self, ctx: &Ctx<'_>, done: PullDone) {
        self.0.waiting.set(Some(done));
        self.0.run(ctx);
    }

    fn cancel(&self) {
        self.0.working.take();
        self.0.waiting.take();
        self.0.source.cancel();
    }
}

impl Inner {
    /// Works until there is an answer, or the source lets us wait. A loop, as in [`crate::body::Pump`].
    fn run(self: &Rc<Self>, ctx: &Ctx<'_>) {
        self.again.set(true);
        if self.running.replace(true) {
            return;
        }
        while self.again.take() {
            let Some(answer) = self.work() else {
                let inner = Rc::clone(self);
                self.source.pull(
                    ctx,
                    Box::new(move |ctx, pulled| {
                        inner.take(pulled);
                        inner.run(ctx);
                    }),
                );
                continue;
            };
            self.running.set(false);
            self.answer(ctx, answer);
            return;
        }
        self.running.set(false);
    }

    /// The next piece, or the end; nothing if the transform needs more.
    fn work(&self) -> Option<Pulled> {
        if let Some(reason) = self.failed.take() {
            self.working.take();
            return Some(Pulled::Failed(reason));
        }
        let mut working = self.working.borrow_mut();
        let Some(now) = &mut *working else {
            return Some(Pulled::End);
        };
        let output = match now.transform.transform(&mut now.input) {
            Ok(None) if self.is_complete.get() => now.transform.finish(),
            other => other,
        };
        match output {
            Ok(Some(bytes)) => Some(Pulled::Chunk(bytes)),
            Ok(None) if self.is_complete.get() => {
                *working = None;
                Some(Pulled::End)
            }
            Ok(None) => None,
            Err(reason) => {
                *working = None;
                self.is_own_failure.set(true);
                self.source.cancel();
                Some(Pulled::Failed(reason))
            }
        }
    }

    fn take(&self, pulled: Pulled) {
        match pulled {
            Pulled::Chunk(bytes) => {
                if let Some(working) = &mut *self.working.borrow_mut() {
                    working.input = bytes;
                }
            }
            Pulled::End => self.is_complete.set(true),
            Pulled::Failed(reason) => {
                self.failed.replace(Some(reason));
            }
        }
    }

    fn answer(&self, ctx: &Ctx<'_>, answer: Pulled) {
        let error = match &answer {
            Pulled::Chunk(_) => None,
            Pulled::End => Some(None),
            Pulled::Failed(reason) => Some(Some(reason.clone())),
        };
        if let Some(done) = self.waiting.take() {
            done(ctx, answer);
        }
        let Some(error) = error else { return };
        let ended = self.ended.take().and_then(|ticket| ticket.redeem(ctx));
        let Some(ended) = ended.and_then(|function| function.into_value().into_function()) else {
            return;
        };
        let called: Result<()> = match error {
            None => ended.call(()),
            Some(reason) => ended.call((type_error(ctx, &reason), self.is_own_failure.get())),
        };
        if called.is_err() {
            // Only the engine's limits can have thrown.
            ctx.catch();
        }
    }
}

/// Bytes as they are, and as many as announced if `left` is given: `IdentityTransformStream`, `FixedLengthStream`.
struct Unchanged {
    expected: Option<u64>,
    left: u64,
}

impl ByteTransform for Unchanged {
    fn transform(&mut self, input: &mut Bytes) -> std::result::Result<Option<Bytes>, String> {
        if input.is_empty() {
            return Ok(None);
        }
        if self.expected.is_some() {
            self.left = self
                .left
                .checked_sub(input.len() as u64)
                .ok_or("Attempt to write too many bytes through a FixedLengthStream.")?;
        }
        Ok(Some(std::mem::take(input)))
    }

    fn finish(&mut self) -> std::result::Result<Option<Bytes>, String> {
        if self.expected.is_some() && self.left > 0 {
            return Err("FixedLengthStream did not see all expected bytes before close().".to_owned());
        }
        Ok(None)
    }

    fn length(&self, input: Option<u64>) -> Option<u64> {
        self.expected.or(input)
    }
}

/// The transform that changes nothing, but insists on `expected` bytes if that is given.
fn unchanged<'js>(ctx: Ctx<'js>, expected: Opt<f64>) -> Result<Value<'js>> {
    // The script has seen to it that this is an integer in range.
    let expected = expected.0.map(|length| length as u64);
    native_transform(
        &ctx,
        Box::new(Unchanged {
            expected,
            left: expected.unwrap_or(0),
        }),
    )
}
