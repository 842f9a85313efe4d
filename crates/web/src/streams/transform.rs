//! Rust transforms: asked by `channel.js` chunk by chunk, or put behind a Rust body as a whole.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use rquickjs::class::Trace;
use rquickjs::function::Opt;
use rquickjs::{Class, Ctx, Exception, Function, JsLifetime, Object, Result, Value};

use super::Streams;
use super::native::{Held, NativeSource, buffer_bytes, chunk, type_error};
use super::pending::Ticket;
use super::turns::{Turns, next_turn};
use crate::body::{ByteSource, ByteTransform, PullDone, Pulled, Whole};

/// How much a slow transform is given at once, in bytes: a few milliseconds' work for the slowest.
const PART: usize = 128 * 1024;

/// How long a slow transform may work on a chunk before the event loop has its turn.
const TURN: Duration = Duration::from_millis(10);

/// A transform, and the part of the chunk written last that it has not taken yet.
struct Working {
    transform: Box<dyn ByteTransform>,
    input: Bytes,
    /// Since when a slow transform has worked on the chunk in this turn.
    since: Option<Instant>,
}

/// What came of some work.
enum Step {
    /// A piece of output.
    Output(Bytes),
    /// It takes longer: the rest is for a later turn.
    Pause,
    /// The transform needs more input.
    Idle,
}

impl Working {
    fn new(transform: Box<dyn ByteTransform>) -> Self {
        Self {
            transform,
            input: Bytes::new(),
            since: None,
        }
    }

    /// Gives it the next chunk, once it has taken the last.
    fn feed(&mut self, input: Bytes) {
        self.input = input;
        self.since = None;
    }

    fn step(&mut self) -> std::result::Result<Step, String> {
        if !self.transform.is_slow() {
            let output = self.transform.transform(&mut self.input)?;
            return Ok(output.map_or(Step::Idle, Step::Output));
        }
        loop {
            if self.since.get_or_insert_with(Instant::now).elapsed() >= TURN {
                self.since = None;
                return Ok(Step::Pause);
            }
            let mut part = self.input.slice(..self.input.len().min(PART));
            let length = part.len();
            let output = self.transform.transform(&mut part)?;
            self.input.advance(length - part.len());
            match output {
                Some(output) => return Ok(Step::Output(output)),
                None if self.input.is_empty() => return Ok(Step::Idle),
                None => {}
            }
        }
    }
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
    let working = RefCell::new(Some(Working::new(transform)));
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
    native.set("unchanged", Function::new(ctx.clone(), unchanged)?)?;
    native.set("nextTurn", Function::new(ctx.clone(), next_turn)?)
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
        working.feed(bytes.into());
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

/// The next piece of output of what was fed, undefined if there is none, null if it is to be asked for in a later turn.
/// Throws a `TypeError` if the transform fails.
fn next<'js>(ctx: Ctx<'js>, transform: Class<'js, NativeTransform>) -> Result<Value<'js>> {
    step(&ctx, &transform, Working::step)
}

/// As [`next`], of what is left at the end.
fn finish<'js>(ctx: Ctx<'js>, transform: Class<'js, NativeTransform>) -> Result<Value<'js>> {
    step(&ctx, &transform, |working| {
        let output = working.transform.finish()?;
        Ok(output.map_or(Step::Idle, Step::Output))
    })
}

fn step<'js>(
    ctx: &Ctx<'js>,
    transform: &Class<'js, NativeTransform>,
    work: impl FnOnce(&mut Working) -> std::result::Result<Step, String>,
) -> Result<Value<'js>> {
    let transform = transform.borrow();
    let step = transform
        .working
        .borrow_mut()
        .as_mut()
        .map_or(Ok(Step::Idle), work);
    match step {
        Ok(Step::Output(bytes)) => chunk(ctx, bytes),
        Ok(Step::Pause) => Ok(Value::new_null(ctx.clone())),
        Ok(Step::Idle) => Ok(Value::new_undefined(ctx.clone())),
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
/// body. `ended(error, whose)` is called once when that has come to its end, with no error if it is complete; else `whose` is 0
/// if the source failed, 1 if the transform did, 2 if the body was cancelled.
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
            (Rc::new(Whole::new(bytes)), Some(length))
        }
        Held::Source { source, length } => (source, length),
    };
    let length = working.transform.length(length);
    let turns = Turns::of(&ctx)?;
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
        paused: Cell::new(false),
        ended: Cell::new(Some(ended)),
        turns,
    }));
    let held = RefCell::new(Some(Held::Source {
        source: Rc::new(transformed),
        length,
    }));
    Ok(Class::instance(ctx, NativeSource { held })?.into_value())
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
    /// It goes on in a later turn.
    paused: Cell<bool>,
    /// Stands for the function to tell of the end.
    ended: Cell<Option<Ticket>>,
    turns: Turns,
}

/// Whose end the end of a composed body is, as `channel.js` has it.
#[derive(Clone, Copy)]
enum Whose {
    Source = 0,
    Transform = 1,
    Reader = 2,
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
        // Nobody may call JavaScript here.
        if let Some(ended) = self.0.ended.take() {
            self.0.turns.later(Box::new(move |ctx| {
                tell(ctx, ended, Some(GONE.to_owned()), Whose::Reader)
            }));
        }
    }
}

impl Inner {
    /// Works until there is an answer, or the source lets us wait. A loop, as in [`crate::body::Pump`].
    fn run(self: &Rc<Self>, ctx: &Ctx<'_>) {
        self.again.set(true);
        if self.paused.get() || self.running.replace(true) {
            return;
        }
        while self.again.take() {
            let answer = match self.work() {
                Work::Answer(answer) => answer,
                Work::Pause => {
                    self.paused.set(true);
                    let inner = Rc::clone(self);
                    self.turns.later(Box::new(move |ctx| {
                        inner.paused.set(false);
                        inner.run(ctx);
                    }));
                    break;
                }
                Work::Pull => {
                    let inner = Rc::clone(self);
                    self.source.pull(
                        ctx,
                        Box::new(move |ctx, pulled| {
                            inner.take(pulled);
                            inner.run(ctx);
                        }),
                    );
                    continue;
                }
            };
            self.running.set(false);
            self.answer(ctx, answer);
            return;
        }
        self.running.set(false);
    }

    /// Works until there is a piece, or something else is to be done first.
    fn work(&self) -> Work {
        if let Some(reason) = self.failed.take() {
            self.working.take();
            return Work::Answer(Pulled::Failed(reason));
        }
        let mut working = self.working.borrow_mut();
        let Some(now) = &mut *working else {
            return Work::Answer(Pulled::End);
        };
        let step = match now.step() {
            Ok(Step::Idle) if self.is_complete.get() => match now.transform.finish() {
                Ok(None) => {
                    *working = None;
                    return Work::Answer(Pulled::End);
                }
                Ok(Some(output)) => Ok(Step::Output(output)),
                Err(reason) => Err(reason),
            },
            other => other,
        };
        match step {
            Ok(Step::Output(bytes)) => Work::Answer(Pulled::Chunk(bytes)),
            Ok(Step::Pause) => Work::Pause,
            Ok(Step::Idle) => Work::Pull,
            Err(reason) => {
                *working = None;
                self.is_own_failure.set(true);
                self.source.cancel();
                Work::Answer(Pulled::Failed(reason))
            }
        }
    }

    fn take(&self, pulled: Pulled) {
        match pulled {
            Pulled::Chunk(bytes) => {
                if let Some(working) = &mut *self.working.borrow_mut() {
                    working.feed(bytes);
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
        let whose = if self.is_own_failure.get() {
            Whose::Transform
        } else {
            Whose::Source
        };
        if let Some(ended) = self.ended.take() {
            tell(ctx, ended, error, whose);
        }
    }
}

/// What there is to do next for a composed body.
enum Work {
    /// Its reader gets this.
    Answer(Pulled),
    /// The rest is for a later turn.
    Pause,
    /// The source is asked for more.
    Pull,
}

/// Why a pipe ends whose bytes nobody reads any more.
const GONE: &str = "the receiver of this body is gone";

/// Tells the script of the end of a composed body.
fn tell(ctx: &Ctx<'_>, ended: Ticket, error: Option<String>, whose: Whose) {
    let ended = ended.redeem(ctx);
    let Some(ended) = ended.and_then(|function| function.into_value().into_function()) else {
        return;
    };
    let called: Result<()> = match error {
        None => ended.call(()),
        Some(reason) => ended.call((type_error(ctx, &reason), whose as u8)),
    };
    if called.is_err() {
        // Only the engine's limits can have thrown.
        ctx.catch();
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
