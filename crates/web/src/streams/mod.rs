//! Streams: <https://streams.spec.whatwg.org/>.
//!
//! The control flow is JavaScript (`stream.js` and its neighbours), the bytes are Rust (`native.rs`). A stream around a Rust
//! body pulls nothing before somebody reads, so an untouched one can be taken apart again with
//! [`take_source`] and its body moved without visiting JavaScript.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use rquickjs::{Class, Ctx, Exception, Function, JsLifetime, Object, Result, Value};

use crate::body::{ByteSink, ByteSource, ByteTransform};
use crate::script;

mod native;
mod pending;
mod pipe;
mod transform;
mod turns;

pub use native::buffer_bytes;
use native::{Gather, NativeSink, NativeSource};
pub(crate) use native::{Held, chunk};
use pending::Pending;
pub(crate) use pending::Ticket;
pub(crate) use transform::native_transform;

/// What Rust calls in `bodies.js`, and the objects that wait for Rust.
#[derive(JsLifetime)]
struct Streams<'js> {
    pending: Pending<'js>,
    buffer_bytes: Function<'js>,
    collect: Function<'js>,
    drain: Function<'js>,
    from_native: Function<'js>,
    is_stream: Function<'js>,
    length: Function<'js>,
    new_pair: Function<'js>,
    new_sink: Function<'js>,
    pass_on: Function<'js>,
    pulled: Function<'js>,
    spent: Function<'js>,
    status: Function<'js>,
    take_native: Function<'js>,
    through: Function<'js>,
    tee_body: Function<'js>,
}

impl<'js> Streams<'js> {
    fn of<'a>(ctx: &'a Ctx<'js>) -> Result<rquickjs::runtime::UserDataGuard<'a, Self>> {
        ctx.userdata::<Self>()
            .ok_or_else(|| Exception::throw_internal(ctx, "Streams are not installed in this context"))
    }
}

/// Defines `ReadableStream`, `WritableStream`, `TransformStream`, their readers, writers and controllers, and the
/// queuing strategies.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    macro_rules! run {
        ($($name:literal),*) => {
            for (name, source) in [$((concat!("streams/", $name), include_str!($name))),*] {
                script::evaluate(ctx, name, source, native::fill)?;
            }
        };
    }
    // Each builds on those before it.
    run!(
        "promises.js",
        "queue.js",
        "arguments.js",
        "views.js",
        "stream.js",
        "default_controller.js",
        "byte_controller.js",
        "readers.js",
        "readable.js",
        "tee.js",
        "byte_tee.js",
        "iteration.js",
        "from.js",
        "strategies.js",
        "writable.js",
        "writable_controller.js",
        "channel.js",
        "pipe.js",
        "transform.js",
        "identity.js",
        "bodies.js"
    );
    let shared = script::shared(ctx)?;
    let bodies: Object = shared.get("bodies")?;
    let webidl: Object = shared.get("webidl")?;
    let state = Streams {
        pending: Pending::default(),
        buffer_bytes: webidl.get("bytes")?,
        collect: bodies.get("collect")?,
        drain: bodies.get("drain")?,
        from_native: bodies.get("fromNative")?,
        is_stream: bodies.get("isStream")?,
        length: bodies.get("length")?,
        new_pair: bodies.get("newPair")?,
        new_sink: bodies.get("newSink")?,
        pass_on: bodies.get("passOn")?,
        pulled: bodies.get("pulled")?,
        spent: bodies.get("spent")?,
        status: bodies.get("status")?,
        take_native: bodies.get("takeNative")?,
        through: bodies.get("through")?,
        tee_body: bodies.get("teeBody")?,
    };
    ctx.store_userdata(state)
        .map_err(|_| Exception::throw_internal(ctx, "The streams are in use and cannot be replaced"))?;
    Ok(())
}

/// Lets go of every JavaScript value that Rust holds on behalf of streams.
pub(crate) fn teardown(ctx: &Ctx<'_>) {
    turns::teardown(ctx);
    // Fails only while a guard of `userdata` is alive, and no function here keeps one.
    drop(ctx.remove_userdata::<Streams<'_>>());
}

/// A `ReadableStream` of `Uint8Array` chunks that pulls from `source`, `length` bytes in all if that is known.
pub fn readable<'js>(ctx: &Ctx<'js>, source: Rc<dyn ByteSource>, length: Option<u64>) -> Result<Object<'js>> {
    from_held(ctx, Held::Source { source, length })
}

/// A `ReadableStream` of at most one `Uint8Array` chunk.
pub(crate) fn from_bytes<'js>(ctx: &Ctx<'js>, bytes: Bytes) -> Result<Object<'js>> {
    from_held(ctx, Held::Bytes(bytes))
}

fn from_held<'js>(ctx: &Ctx<'js>, held: Held) -> Result<Object<'js>> {
    let source = Class::instance(
        ctx.clone(),
        NativeSource {
            held: RefCell::new(Some(held)),
        },
    )?;
    let make = Streams::of(ctx)?.from_native.clone();
    make.call((source,))
}

/// A `WritableStream` into `sink`, at its pace; chunks that are no buffers abort it. One that a Rust body is piped into
/// takes that without visiting JavaScript.
pub fn writable<'js>(ctx: &Ctx<'js>, sink: Rc<dyn ByteSink>) -> Result<Object<'js>> {
    let make = Streams::of(ctx)?.new_sink.clone();
    make.call((native_sink(ctx, sink)?,))
}

/// The readable and the writable side of `transform`. A Rust body that is piped into them becomes, with the transform,
/// a Rust body again.
pub fn transform_pair<'js>(
    ctx: &Ctx<'js>,
    transform: Box<dyn ByteTransform>,
) -> Result<(Object<'js>, Object<'js>)> {
    let make = Streams::of(ctx)?.new_pair.clone();
    let pair: Object = make.call((native_transform(ctx, transform)?,))?;
    Ok((pair.get("readable")?, pair.get("writable")?))
}

/// The bytes of `stream`, which is locked from then on, as `transform` changes them.
pub(crate) fn through<'js>(
    ctx: &Ctx<'js>,
    stream: Object<'js>,
    transform: Box<dyn ByteTransform>,
) -> Result<Object<'js>> {
    let through = Streams::of(ctx)?.through.clone();
    through.call((stream, native_transform(ctx, transform)?))
}

/// For `shared.writables.newSink`.
pub(crate) fn native_sink<'js>(ctx: &Ctx<'js>, sink: Rc<dyn ByteSink>) -> Result<Value<'js>> {
    Ok(Class::instance(ctx.clone(), NativeSink::new(sink))?.into_value())
}

/// Whether `value` is a `ReadableStream`.
pub fn is_readable_stream(value: &Value<'_>) -> bool {
    if !value.is_object() {
        return false;
    }
    let Some(streams) = value.ctx().userdata::<Streams<'_>>() else {
        return false;
    };
    let is_stream = streams.is_stream.clone();
    drop(streams);
    // The function tests for a private field and nothing else, so it cannot throw.
    is_stream.call((value.clone(),)).unwrap_or(false)
}

/// The source and length of a stream made by [`readable`] that nobody has read from or locked. The stream is
/// closed, disturbed and locked from then on. `None` leaves it as it was.
pub fn take_source<'js>(ctx: &Ctx<'js>, stream: &Object<'js>) -> Option<(Rc<dyn ByteSource>, Option<u64>)> {
    match take_held(ctx, stream, |held| matches!(held, Held::Source { .. }))? {
        Held::Source { source, length } => Some((source, length)),
        Held::Bytes(_) => None,
    }
}

/// As [`take_source`], for bodies of either kind that `wanted` agrees to.
pub(crate) fn take_held<'js>(
    ctx: &Ctx<'js>,
    stream: &Object<'js>,
    wanted: impl FnOnce(&Held) -> bool,
) -> Option<Held> {
    let peek: Function = Streams::of(ctx).ok()?.take_native.clone();
    let native: Option<Class<'js, NativeSource>> = peek.call((stream.clone(), false)).ok()?;
    if !wanted(native?.borrow().held.borrow().as_ref()?) {
        return None;
    }
    let native: Option<Class<'js, NativeSource>> = peek.call((stream.clone(), true)).ok()?;
    native?.borrow().held.borrow_mut().take()
}

/// Reads `stream` to its end into `sink`, at the pace of `sink`. Locks the stream. A chunk that is no buffer, and
/// an error of the stream, abort the sink; an error of the sink cancels the stream.
///
/// Throws a `TypeError` if `stream` is no `ReadableStream` or is locked already; the sink is not called then.
pub fn drain<'js>(ctx: &Ctx<'js>, stream: Object<'js>, sink: Rc<dyn ByteSink>) -> Result<()> {
    if !is_readable_stream(stream.as_value()) {
        return Err(Exception::throw_type(ctx, "The body is not a ReadableStream"));
    }
    let sink = Class::instance(ctx.clone(), NativeSink::new(sink))?;
    let drain = Streams::of(ctx)?.drain.clone();
    drain.call((stream, sink))
}

/// As [`drain`], and calls `failed` with the error itself after the sink was aborted. It must not throw.
pub fn drain_watched<'js>(
    ctx: &Ctx<'js>,
    stream: Object<'js>,
    sink: Rc<dyn ByteSink>,
    failed: Function<'js>,
) -> Result<()> {
    if !is_readable_stream(stream.as_value()) {
        return Err(Exception::throw_type(ctx, "The body is not a ReadableStream"));
    }
    let sink = Class::instance(ctx.clone(), NativeSink::new(sink))?;
    let drain = Streams::of(ctx)?.drain.clone();
    drain.call((stream, sink, failed))
}

/// Keeps an object for a callback of the process, which may be dropped at any time.
pub(crate) fn keep<'js>(ctx: &Ctx<'js>, object: Object<'js>) -> Result<Ticket> {
    Ok(Streams::of(ctx)?.pending.keep(object))
}

/// How many bytes `stream` gives in all, where it is known though no Rust body knows it (`FixedLengthStream`).
pub(crate) fn expected_length<'js>(ctx: &Ctx<'js>, stream: &Object<'js>) -> Result<Option<u64>> {
    let length = Streams::of(ctx)?.length.clone();
    let length: Option<f64> = length.call((stream.clone(),))?;
    Ok(length.map(|length| length as u64))
}

/// Whether a `ReadableStream` is locked, and whether it was ever read from or cancelled.
pub(crate) struct Status {
    pub(crate) locked: bool,
    pub(crate) disturbed: bool,
}

pub(crate) fn status<'js>(ctx: &Ctx<'js>, stream: &Object<'js>) -> Result<Status> {
    let status = Streams::of(ctx)?.status.clone();
    let bits: u8 = status.call((stream.clone(),))?;
    Ok(Status {
        locked: bits & 1 != 0,
        disturbed: bits & 2 != 0,
    })
}

/// A promise of what `finish` makes of all the bytes of `stream`, which must not be locked.
pub(crate) fn collect<'js>(
    ctx: &Ctx<'js>,
    stream: Object<'js>,
    finish: impl Fn(&Ctx<'js>, Vec<u8>) -> Result<Value<'js>> + 'js,
) -> Result<Value<'js>> {
    let finish = Function::new(ctx.clone(), move |ctx: Ctx<'js>, gather: Class<'js, Gather>| {
        let bytes = gather.borrow().bytes.take();
        finish(&ctx, bytes)
    })?;
    let collect = Streams::of(ctx)?.collect.clone();
    collect.call((stream, finish))
}

/// A closed, disturbed and locked stream: what is left of a body that was read as a whole.
pub(crate) fn spent<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let spent = Streams::of(ctx)?.spent.clone();
    spent.call(())
}

/// Two streams of the bytes of `stream`, which must not be locked, and is from then on; `length` bytes if that is known.
pub(crate) fn tee<'js>(ctx: &Ctx<'js>, stream: Object<'js>, length: Option<u64>) -> Result<[Object<'js>; 2]> {
    let tee = Streams::of(ctx)?.tee_body.clone();
    let branches: rquickjs::Array = tee.call((stream, length.map(|length| length as f64)))?;
    Ok([branches.get(0)?, branches.get(1)?])
}

/// A stream of the chunks of `stream`, which must not be locked, and is from then on.
pub(crate) fn pass_on<'js>(ctx: &Ctx<'js>, stream: Object<'js>) -> Result<Object<'js>> {
    let pass_on = Streams::of(ctx)?.pass_on.clone();
    pass_on.call((stream,))
}
