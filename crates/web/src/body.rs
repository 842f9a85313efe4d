//! Bodies that cross the border between JavaScript and the process: Rust-backed sources that become
//! `ReadableStream`s, and sinks that `ReadableStream`s are drained into. A source handed to a sink is
//! moved by the isolate without visiting JavaScript.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use rquickjs::Ctx;

pub use crate::buffer_source::room_for;
use crate::fetch::Coding;
use crate::websocket::Socket;

/// What a [`ByteSource`] answers to a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// Some bytes, never none.
    Chunk(Bytes),
    /// The body is complete.
    End,
    /// The body broke off, with the reason as the message of the `TypeError` the reader sees.
    Failed(String),
}

/// Called exactly once with the answer to a pull, on the engine's thread; perhaps before the pull returns.
pub type PullDone = Box<dyn for<'js> FnOnce(&Ctx<'js>, Pulled)>;

/// Called exactly once with a whole body, or with the reason why it broke off, on the engine's thread; perhaps before
/// [`ByteSource::gather`] returns.
pub type GatherDone = Box<dyn for<'js> FnOnce(&Ctx<'js>, Result<Bytes, String>)>;

/// The name of a body that the host holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldName {
    /// That of the answer to a call on this broker stream (`protocol::Body::Held`).
    Answer(u32),
    /// That of the request of the event on this stream (`protocol::Body::Request`).
    Request(u32),
}

/// A body that comes from outside JavaScript.
pub trait ByteSource: 'static {
    /// Asks for the next piece. At most one pull is under way at a time.
    fn pull(&self, ctx: &Ctx<'_>, done: PullDone);

    /// The reader wants no more; a pull under way is answered with [`Pulled::End`] or never.
    fn cancel(&self);

    /// The name by which the host knows this body, as long as nothing of it has been read: such a body can be given to the
    /// host by its name alone.
    fn held(&self) -> Option<HeldName> {
        None
    }

    /// It was given to the host by the name that [`Self::held`] just answered: nothing can be read of it any more, and
    /// letting go of it does not cancel it.
    fn hand_over(&self) {}

    /// All of the body, if it is here and nothing of it has been read.
    fn whole(&self) -> Option<Bytes> {
        None
    }

    /// Asks for all of the body in one piece, which then comes with as few copies as can be: for a source of known length
    /// of which nothing has been read, and that can do better than its pieces one after the other. Others give `done` back.
    ///
    /// # Errors
    /// `done`, which was not called.
    fn gather(&self, ctx: &Ctx<'_>, done: GatherDone) -> Result<(), GatherDone> {
        let _ = ctx;
        Err(done)
    }

    /// The body as it was sent, as long as nothing of it has been read: where its content coding is taken off as it is
    /// read, and nobody has asked for that.
    fn undecoded(&self) -> Option<Undecoded> {
        None
    }
}

/// A body that is all here, as a source.
pub(crate) struct Whole(Cell<Bytes>);

impl Whole {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(Cell::new(bytes))
    }
}

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

    fn whole(&self) -> Option<Bytes> {
        let bytes = self.0.take();
        self.0.set(bytes.clone());
        Some(bytes)
    }
}

/// See [`ByteSource::undecoded`].
pub struct Undecoded {
    /// Where from.
    pub source: Rc<dyn ByteSource>,
    /// Its length in bytes, where known beforehand.
    pub length: Option<u64>,
    /// Its codings, in the order they were applied.
    pub codings: Vec<Coding>,
}

/// Called exactly once when a [`ByteSink`] can take more (`Ok`) or wants no more (`Err`, with the reason).
pub type WriteDone = Box<dyn for<'js> FnOnce(&Ctx<'js>, Result<(), String>)>;

/// Where a body goes that leaves JavaScript.
pub trait ByteSink: 'static {
    /// Takes a chunk. At most one write is under way at a time.
    fn write(&self, ctx: &Ctx<'_>, chunk: Bytes, done: WriteDone);

    /// Takes a small chunk on the spot, if it can take more after that; else `false`, and the chunk is to be written. Runs
    /// no JavaScript.
    fn take(&self, chunk: &[u8]) -> bool {
        let _ = chunk;
        false
    }

    /// The body is complete.
    fn close(&self);

    /// The body broke off.
    fn abort(&self, reason: &str);

    /// Everything written from now on comes from `source`, which is to be cancelled as soon as no more is wanted: one
    /// that has nothing to give for a long time would not notice by itself.
    fn fed_by(&self, source: &Rc<dyn ByteSource>) {
        let _ = source;
    }
}

/// A change of bytes on their way, such as a compression. After an `Err`, whose text becomes the message of a `TypeError`
/// at both ends, nothing is called any more.
pub trait ByteTransform: 'static {
    /// Takes bytes from the front of `input` and gives the next piece of output, never an empty one. It is called with
    /// the rest of `input` until it answers `None`, which it may only when `input` is empty. Pieces should stay near
    /// 64 KiB, however much `input` expands to: they are asked for at the pace of the reader.
    fn transform(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, String>;

    /// The input is complete: gives what is left, piece by piece, until it answers `None`.
    fn finish(&mut self) -> Result<Option<Bytes>, String>;

    /// Whether it takes long enough that much input is given to it in parts, with turns of the event loop in between.
    fn is_slow(&self) -> bool {
        false
    }

    /// The length of the output in bytes, where known beforehand; `input` is that of the input.
    fn length(&self, input: Option<u64>) -> Option<u64> {
        let _ = input;
        None
    }
}

/// A body given to JavaScript, or what comes in its place.
pub enum IncomingBody {
    /// There is none: `body` is `null`.
    None,
    /// All of it.
    Bytes(Bytes),
    /// It comes piece by piece.
    Source {
        /// Where from.
        source: Rc<dyn ByteSource>,
        /// Its length in bytes, where known beforehand.
        length: Option<u64>,
    },
    /// A connection: the response's `webSocket`.
    Socket(Rc<dyn Socket>),
}

/// A body taken from JavaScript. The stream is locked and disturbed from then on.
pub enum OutgoingBody<'js> {
    /// There is none.
    None,
    /// All of it.
    Bytes(Bytes),
    /// An [`IncomingBody::Source`] that JavaScript never touched comes out as it went in.
    Source {
        /// Where from.
        source: Rc<dyn ByteSource>,
        /// Its length in bytes, where known beforehand.
        length: Option<u64>,
    },
    /// A `ReadableStream` to be drained with [`crate::streams::drain`].
    Stream {
        /// The stream.
        stream: rquickjs::Object<'js>,
        /// Its length in bytes, where known beforehand (`FixedLengthStream`, a `content-length` given by the user).
        length: Option<u64>,
    },
}

/// Moves a source into a sink without visiting JavaScript, from its next piece to its end.
pub fn pump(ctx: &Ctx<'_>, source: Rc<dyn ByteSource>, sink: Rc<dyn ByteSink>) {
    sink.fed_by(&source);
    let target = Rc::clone(&sink);
    let origin = Rc::clone(&source);
    Pump::start(
        ctx,
        source,
        sink,
        Box::new(move |_, outcome| match outcome {
            Pumped::All => target.close(),
            Pumped::Failed(reason) => target.abort(&reason),
            Pumped::Refused(_) => origin.cancel(),
            Pumped::Stopped => {}
        }),
    );
}

/// Why a [`Pump`] has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// The source has ended, and the sink has taken everything.
    All,
    /// As [`Pulled::Failed`].
    Failed(String),
    /// The sink wants no more.
    Refused(String),
    /// [`Pump::stop`] was called.
    Stopped,
}

type PumpDone = Box<dyn for<'js> FnOnce(&Ctx<'js>, Pumped)>;

/// Moves pieces from a source to a sink, and neither closes nor cancels any of them. It lives as long as a pull or write
/// is under way. A loop, not a recursion: pieces that are already here may be many and small.
pub(crate) struct Pump {
    source: Rc<dyn ByteSource>,
    sink: Rc<dyn ByteSink>,
    running: Cell<bool>,
    again: Cell<bool>,
    writing: Cell<bool>,
    stopping: Cell<bool>,
    done: Cell<Option<PumpDone>>,
}

impl Pump {
    pub(crate) fn start(
        ctx: &Ctx<'_>,
        source: Rc<dyn ByteSource>,
        sink: Rc<dyn ByteSink>,
        done: PumpDone,
    ) -> Rc<Self> {
        let pump = Rc::new(Self {
            source,
            sink,
            running: Cell::new(false),
            again: Cell::new(false),
            writing: Cell::new(false),
            stopping: Cell::new(false),
            done: Cell::new(Some(done)),
        });
        pump.run(ctx);
        pump
    }

    /// Moves nothing more. What is being written is finished first.
    pub(crate) fn stop(&self, ctx: &Ctx<'_>) {
        self.stopping.set(true);
        if !self.writing.get() {
            self.over(ctx, Pumped::Stopped);
        }
    }

    fn over(&self, ctx: &Ctx<'_>, outcome: Pumped) {
        if let Some(done) = self.done.take() {
            done(ctx, outcome);
        }
    }

    fn run(self: &Rc<Self>, ctx: &Ctx<'_>) {
        self.again.set(true);
        if self.running.replace(true) {
            return;
        }
        while self.again.take() {
            if self.stopping.get() {
                self.over(ctx, Pumped::Stopped);
                break;
            }
            let pump = Rc::clone(self);
            self.source
                .pull(ctx, Box::new(move |ctx, pulled| pump.pulled(ctx, pulled)));
        }
        self.running.set(false);
    }

    fn pulled(self: &Rc<Self>, ctx: &Ctx<'_>, pulled: Pulled) {
        match pulled {
            Pulled::End => self.over(ctx, Pumped::All),
            Pulled::Failed(reason) => self.over(ctx, Pumped::Failed(reason)),
            // A source that was not cancelled at once may still have answered.
            Pulled::Chunk(_) if self.stopping.get() => self.over(ctx, Pumped::Stopped),
            Pulled::Chunk(chunk) => {
                self.writing.set(true);
                let pump = Rc::clone(self);
                let written: WriteDone = Box::new(move |ctx, written| {
                    pump.writing.set(false);
                    match written {
                        Ok(()) => pump.run(ctx),
                        Err(reason) => pump.over(ctx, Pumped::Refused(reason)),
                    }
                });
                self.sink.write(ctx, chunk, written);
            }
        }
    }
}
