//! What the scripts ask of Rust: bodies that come from outside, sinks they go to, and all work on bytes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use rquickjs::class::Trace;
use rquickjs::{
    Class, Ctx, Error, Exception, Function, IntoJs, JsLifetime, Object, Result, TypedArray, Value,
};

use super::{Streams, Ticket, pipe, transform};
use crate::body::{ByteSink, ByteSource, Pulled};
use crate::buffer_source::{copy_bytes, copy_small, detach, is_detachable};

/// A body from outside, as long as nobody has read of it.
pub(crate) enum Held {
    /// All of it.
    Bytes(Bytes),
    /// It comes piece by piece.
    Source {
        /// Where from.
        source: Rc<dyn ByteSource>,
        /// Its length in bytes, where known beforehand.
        length: Option<u64>,
    },
}

/// The Rust side of a stream made by [`super::readable`] or [`super::from_bytes`]; empty once its bytes are read.
#[derive(Trace, JsLifetime)]
pub(super) struct NativeSource {
    #[qjs(skip_trace)]
    pub(super) held: RefCell<Option<Held>>,
}

/// Where [`super::drain`] puts the chunks.
#[derive(Trace, JsLifetime)]
pub(super) struct NativeSink {
    #[qjs(skip_trace)]
    pub(super) sink: Rc<dyn ByteSink>,
    /// A small chunk on its way, in memory that serves the next one.
    #[qjs(skip_trace)]
    small: RefCell<Vec<u8>>,
}

impl NativeSink {
    pub(super) fn new(sink: Rc<dyn ByteSink>) -> Self {
        Self {
            sink,
            small: RefCell::default(),
        }
    }

    /// Whether the sink has taken a chunk on the spot: a small `Uint8Array`, of which it can take more.
    fn take(&self, chunk: &Value<'_>) -> bool {
        let mut small = self.small.take();
        let is_taken = copy_small(chunk, SMALL, &mut small) && (small.is_empty() || self.sink.take(&small));
        self.small.replace(small);
        is_taken
    }
}

/// The longest chunk that a sink is asked to take on the spot, in bytes.
const SMALL: usize = 4 * 1024;

/// The bytes of a body that is read as a whole.
#[derive(Trace, JsLifetime)]
pub(super) struct Gather {
    #[qjs(skip_trace)]
    pub(super) bytes: RefCell<Vec<u8>>,
}

hidden_class!(NativeSource);
hidden_class!(NativeSink);
hidden_class!(Gather);

/// Fills the `native` object of `readable.js`, which lends it to the other scripts.
pub(super) fn fill<'js>(native: &Object<'js>) -> Result<()> {
    let ctx = native.ctx();
    native.set("pull", Function::new(ctx.clone(), pull)?)?;
    native.set("cancel", Function::new(ctx.clone(), cancel)?)?;
    native.set("copyChunk", Function::new(ctx.clone(), copy_chunk)?)?;
    native.set("gather", Function::new(ctx.clone(), gather)?)?;
    native.set("gathered", Function::new(ctx.clone(), gathered)?)?;
    native.set("write", Function::new(ctx.clone(), write)?)?;
    native.set("take", Function::new(ctx.clone(), take)?)?;
    native.set("takeText", Function::new(ctx.clone(), take_text)?)?;
    native.set("takeOver", Function::new(ctx.clone(), take_over)?)?;
    native.set("close", Function::new(ctx.clone(), close)?)?;
    native.set("abort", Function::new(ctx.clone(), abort)?)?;
    transform::fill(native)?;
    pipe::fill(native)
}

/// `stream` is the state to which the answer goes.
fn pull<'js>(ctx: Ctx<'js>, source: Class<'js, NativeSource>, stream: Object<'js>) -> Result<()> {
    let mut held = source.borrow().held.borrow_mut().take();
    let source_of_chunks = match &mut held {
        None => return pulled(&ctx, stream, Pulled::End),
        Some(Held::Bytes(bytes)) => {
            let bytes = std::mem::take(bytes);
            return pulled(
                &ctx,
                stream,
                if bytes.is_empty() {
                    Pulled::End
                } else {
                    Pulled::Chunk(bytes)
                },
            );
        }
        Some(Held::Source { source, .. }) => Rc::clone(source),
    };
    *source.borrow().held.borrow_mut() = held;
    let ticket = Streams::of(&ctx)?.pending.keep(stream);
    source_of_chunks.pull(
        &ctx,
        Box::new(move |ctx, answer| {
            let Some(stream) = ticket.redeem(ctx) else { return };
            if pulled(ctx, stream, answer).is_err() {
                // Only the engine's limits (memory, stack) can have thrown; there is nobody here to tell.
                ctx.catch();
            }
        }),
    );
    Ok(())
}

fn pulled<'js>(ctx: &Ctx<'js>, stream: Object<'js>, answer: Pulled) -> Result<()> {
    if !matches!(answer, Pulled::Chunk(_)) {
        // What stands behind the source is not kept until the stream is collected.
        let source: Class<NativeSource> = stream.get("native")?;
        source.borrow().held.borrow_mut().take();
    }
    let function = Streams::of(ctx)?.pulled.clone();
    let undefined = || Value::new_undefined(ctx.clone());
    match answer {
        Pulled::Chunk(bytes) => function.call((stream, chunk(ctx, bytes)?)),
        Pulled::End => function.call((stream,)),
        Pulled::Failed(reason) => function.call((stream, undefined(), type_error(ctx, &reason))),
    }
}

/// What fails in the network is a `TypeError` everywhere in fetch; so is what cannot be decoded.
pub(super) fn type_error<'js>(ctx: &Ctx<'js>, message: &str) -> Value<'js> {
    // The error it returns only says that one was thrown.
    let _ = Exception::throw_type(ctx, message);
    ctx.catch()
}

/// A `Uint8Array` of `bytes`; no copy is made if nobody else holds them.
pub(crate) fn chunk<'js>(ctx: &Ctx<'js>, bytes: Bytes) -> Result<Value<'js>> {
    Ok(TypedArray::<u8>::new(ctx.clone(), Vec::from(bytes))?.into_value())
}

fn cancel(source: Class<'_, NativeSource>) {
    let held = source.borrow().held.borrow_mut().take();
    if let Some(Held::Source { source, .. }) = held {
        source.cancel();
    }
}

/// The bytes of a chunk. Throws a `TypeError` if it is no buffer.
fn chunk_bytes<'js>(ctx: &Ctx<'js>, chunk: &Value<'js>) -> Result<Vec<u8>> {
    match buffer_bytes(ctx, chunk)? {
        Some(bytes) => Ok(bytes),
        None => Err(Exception::throw_type(
            ctx,
            "This ReadableStream did not return bytes.",
        )),
    }
}

/// A copy of the bytes of any `BufferSource`, detached ones being empty; `None` for other values.
pub fn buffer_bytes<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<Vec<u8>>> {
    if !value.is_object() {
        return Ok(None);
    }
    // By far the most frequent kind needs no script.
    if value
        .as_object()
        .is_some_and(|object| object.as_typed_array::<u8>().is_some())
    {
        return Ok(Some(copy_bytes(value).unwrap_or_default()));
    }
    let bytes = Streams::of(ctx)?.buffer_bytes.clone();
    let plain: Value = bytes.call((value.clone(),))?;
    Ok(if plain.is_undefined() {
        None
    } else {
        Some(copy_bytes(&plain).unwrap_or_default())
    })
}

fn copy_chunk<'js>(ctx: Ctx<'js>, chunk: Value<'js>) -> Result<TypedArray<'js, u8>> {
    TypedArray::new(ctx.clone(), chunk_bytes(&ctx, &chunk)?)
}

fn gather(ctx: Ctx<'_>) -> Result<Class<'_, Gather>> {
    Class::instance(
        ctx,
        Gather {
            bytes: RefCell::default(),
        },
    )
}

fn gathered<'js>(ctx: Ctx<'js>, gather: Class<'js, Gather>, chunk: Value<'js>) -> Result<bool> {
    let bytes = chunk_bytes(&ctx, &chunk)?;
    let gather = gather.borrow();
    let mut all = gather.bytes.borrow_mut();
    if all.is_empty() {
        *all = bytes;
    } else {
        all.extend_from_slice(&bytes);
    }
    Ok(true)
}

/// How far a write has come.
#[derive(Default)]
enum Progress {
    /// The sink has not returned yet.
    #[default]
    Calling,
    /// It has returned without an answer; this stands for `resume`, which is called later.
    Waiting(Ticket),
    /// It answered before it returned.
    Answered(std::result::Result<(), String>),
}

/// Answers as `pump` in `bodies.js` wants it: `true`, `false` if `resume` is called later, or why the sink wants no
/// more.
fn write<'js>(
    ctx: Ctx<'js>,
    sink: Class<'js, NativeSink>,
    chunk: Value<'js>,
    resume: Function<'js>,
) -> Result<Value<'js>> {
    let target = {
        let sink = sink.borrow();
        if sink.take(&chunk) {
            return Ok(Value::new_bool(ctx, true));
        }
        Rc::clone(&sink.sink)
    };
    let bytes = chunk_bytes(&ctx, &chunk)?;
    if bytes.is_empty() {
        return Ok(Value::new_bool(ctx, true));
    }
    let progress = Rc::new(Cell::new(Progress::Calling));
    let answered = Rc::clone(&progress);
    target.write(
        &ctx,
        bytes.into(),
        Box::new(move |ctx, result| {
            let ticket = match answered.take() {
                Progress::Waiting(ticket) => ticket,
                Progress::Calling | Progress::Answered(_) => {
                    answered.set(Progress::Answered(result));
                    return;
                }
            };
            let resume = ticket.redeem(ctx);
            let Some(resume) = resume.and_then(|resume| resume.into_value().into_function()) else {
                return;
            };
            let called: Result<()> = match result {
                Ok(()) => resume.call(()),
                Err(reason) => resume.call((reason,)),
            };
            if called.is_err() {
                // As in `pull`.
                ctx.catch();
            }
        }),
    );
    match progress.take() {
        Progress::Answered(Ok(())) => Ok(Value::new_bool(ctx, true)),
        Progress::Answered(Err(reason)) => reason.into_js(&ctx),
        Progress::Calling | Progress::Waiting(_) => {
            let ticket = Streams::of(&ctx)?.pending.keep(resume.into_inner());
            progress.set(Progress::Waiting(ticket));
            Ok(Value::new_bool(ctx, false))
        }
    }
}

/// As [`write`], of what needs no waiting; false, with nothing done, for everything else.
fn take<'js>(sink: Class<'js, NativeSink>, chunk: Value<'js>) -> bool {
    sink.borrow().take(&chunk)
}

/// As [`take`], of a string in UTF-8. One with lone surrogates is not taken.
fn take_text<'js>(sink: Class<'js, NativeSink>, text: rquickjs::String<'js>) -> bool {
    // Its conversion fails for the surrogates, which no encoding has.
    text.to_string().is_ok_and(|text| {
        text.len() <= SMALL && (text.is_empty() || sink.borrow().sink.take(text.as_bytes()))
    })
}

/// As [`take`], and detaches the buffer behind the chunk, which must be of fixed length. Empty chunks are not taken.
fn take_over<'js>(sink: Class<'js, NativeSink>, chunk: Value<'js>) -> bool {
    is_detachable(&chunk) && sink.borrow().take(&chunk) && {
        detach(&chunk);
        true
    }
}

fn close(sink: Class<'_, NativeSink>) {
    let sink = Rc::clone(&sink.borrow().sink);
    sink.close();
}

fn abort<'js>(ctx: Ctx<'js>, sink: Class<'js, NativeSink>, error: Value<'js>) {
    let sink = Rc::clone(&sink.borrow().sink);
    sink.abort(&describe(&ctx, &error));
}

/// A thrown value in one line. User code may run (`toString`), what it throws is swallowed.
fn describe<'js>(ctx: &Ctx<'js>, error: &Value<'js>) -> String {
    let text: Result<rquickjs::Coerced<String>> = error.get();
    match text {
        Ok(text) => text.0,
        Err(Error::Exception) => {
            ctx.catch();
            "The stream failed with a value that cannot be converted to a string".to_owned()
        }
        Err(other) => other.to_string(),
    }
}
