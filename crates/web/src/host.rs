//! What the Web platform needs of the process it runs in. The isolate implements it; so do tests.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use rquickjs::{Ctx, Value};

use crate::body::{ByteSink, ByteSource, IncomingBody};

/// How grave a console message is; `count`, `time`, `group` and `assert` map onto these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// `console.debug`, `console.trace`.
    Debug,
    /// `console.log`.
    Log,
    /// `console.info`.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`, a failed `console.assert`.
    Error,
}

/// The compatibility flags that no date turns on.
const UNDATED: &[&str] = &["html_rewriter_treats_esi_include_as_void_tag"];

/// Names a timer; chosen by [`crate::timers`].
pub type TimerId = u32;

/// Two strings of code points up to U+00FF, a byte each.
pub type BytePair = (Vec<u8>, Vec<u8>);

/// Work that takes long and touches no JavaScript.
pub type Job = Box<dyn FnOnce() -> JobDone + Send>;

/// The end of a [`Job`], run on the engine's thread with no JavaScript on the stack.
pub type JobDone = Box<dyn for<'js> FnOnce(&Ctx<'js>) + Send>;

/// The world outside, as the Web platform sees it. All calls come from the thread that owns the engine
/// and must not run JavaScript themselves.
pub trait Host: 'static {
    /// Writes a console message. `position` is `file:line:column` of the caller, if known.
    fn log(&self, level: LogLevel, text: &str, position: Option<&str>);

    /// Has [`crate::timers::fire`] called with `id` once, after `delay`, with no JavaScript on the stack.
    fn start_timer(&self, id: TimerId, delay: Duration);

    /// Forgets a timer; it may have fired already.
    fn stop_timer(&self, id: TimerId);

    /// Monotonic time since the time origin.
    fn now(&self) -> Duration;

    /// The time origin, since the Unix epoch.
    fn time_origin(&self) -> Duration;

    /// What `Request`, `fetch` and `Response.redirect` resolve a relative URL against. A Worker has no such
    /// URL: there a relative one is an error.
    fn base_url(&self) -> Option<String> {
        None
    }

    /// Whether a compatibility flag is on, by the name that enables it. As of the newest date where there are none.
    fn is_enabled(&self, flag: &str) -> bool {
        !UNDATED.contains(&flag)
    }

    /// The pairs of strings that `value` yields, as bytes of one code point each, where the host can tell without running
    /// JavaScript: it may be an object of another language. `None` if JavaScript must ask for them.
    fn byte_pairs(&self, value: &Value<'_>) -> Option<Vec<BytePair>> {
        let _ = value;
        None
    }

    /// Fills `bytes` with cryptographically secure randomness.
    fn fill_random(&self, bytes: &mut [u8]);

    /// Has `job` run on another thread, and what it returns called once on the engine's thread, with no JavaScript on the
    /// stack.
    fn offload(&self, job: Job);

    /// The bytes that an object of another language lends where a `BufferSource` is expected: a `Uint8Array` that nobody
    /// writes to, whose memory stays as long as the array does. `None` if it is no such object.
    ///
    /// # Errors
    /// What the object throws.
    fn lent_bytes<'js>(&self, _: &Ctx<'js>, _: &Value<'js>) -> rquickjs::Result<Option<Value<'js>>> {
        Ok(None)
    }

    /// Begins one HTTP exchange with the world outside. Which content codings to ask for, where the headers say nothing,
    /// is the host's choice among those that [`crate::fetch`] can take off again. Redirects are not followed:
    /// [`crate::fetch`] does that, one exchange each. `done` is called once, not before this returns and with no
    /// JavaScript on the stack, or never after [`Exchange::cancel`].
    ///
    /// # Errors
    /// The message of an `Error`, if nothing may be sent at all: then `done` is dropped.
    fn fetch(&self, ctx: &Ctx<'_>, request: OutgoingRequest, done: FetchDone) -> Result<Begun, String>;

    /// Begins to connect to `address`. `done` is called once, not before this returns and with no JavaScript on the stack, or
    /// never after [`Connection::close`].
    ///
    /// # Errors
    /// The message of an `Error`, if nothing can be reached at all: then `done` is dropped.
    fn connect(
        &self,
        ctx: &Ctx<'_>,
        address: &SocketAddress,
        done: ConnectDone,
    ) -> Result<Rc<dyn Connection>, String> {
        let _ = (ctx, address, done);
        Err("There is no network here.".to_owned())
    }

    /// Asks one of the caches. `done` is called once, not before this returns and with no JavaScript on the stack. Returns
    /// where the body goes; `Some` iff it is [`UploadBody::Stream`].
    ///
    /// # Errors
    /// The message of an `Error`, if there are no caches: then `done` is dropped.
    fn cache(
        &self,
        ctx: &Ctx<'_>,
        call: CacheCall,
        done: CacheDone,
    ) -> Result<Option<Rc<dyn ByteSink>>, String> {
        let _ = (ctx, call, done);
        Err("The Cache API is not served here: there is no server that keeps the caches.".to_owned())
    }
}

/// A request that leaves for the world outside.
#[derive(Debug)]
pub struct OutgoingRequest {
    /// A token, upper case where it is one of the standard's.
    pub method: String,
    /// Absolute, `http` or `https`.
    pub url: String,
    /// Names in lower case, and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The `cf` object, as JSON.
    pub cf: Option<String>,
    /// The body.
    pub body: UploadBody,
}

/// The body of an [`OutgoingRequest`].
pub enum UploadBody {
    /// There is none.
    None,
    /// All of it.
    Bytes(Bytes),
    /// It came from outside and goes there again, without visiting JavaScript.
    Source {
        /// Where from.
        source: Rc<dyn ByteSource>,
        /// Its length in bytes, where known beforehand.
        length: Option<u64>,
    },
    /// It is written to [`Begun::upload`].
    Stream {
        /// Its length in bytes, where known beforehand.
        length: Option<u64>,
    },
}

impl std::fmt::Debug for UploadBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Source { length, .. } => write!(f, "Source({length:?})"),
            Self::Stream { length } => write!(f, "Stream({length:?})"),
        }
    }
}

/// The answer to an [`OutgoingRequest`].
pub struct FetchAnswer {
    /// 200 to 999.
    pub status: u16,
    /// One code point per byte; may be empty.
    pub status_text: String,
    /// Names, and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body as it was sent: still compressed, where `content-encoding` says so.
    pub body: IncomingBody,
}

/// Called with the answer, or with the message of the `TypeError` that `fetch` rejects with.
pub type FetchDone = Box<dyn for<'js> FnOnce(&Ctx<'js>, Result<FetchAnswer, String>)>;

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketAddress {
    /// A name, or an address; IPv6 perhaps in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// TLS from the beginning; the certificate must be for the host.
    pub tls: bool,
}

/// Called with what comes through a connection, or with the reason why there is none.
pub type ConnectDone = Box<dyn for<'js> FnOnce(&Ctx<'js>, Result<Rc<dyn ByteSource>, String>)>;

/// A connection, perhaps not made yet.
pub trait Connection: 'static {
    /// Where to write what goes through it; to be used once it is made. `None` if nothing can.
    fn sink(&self) -> Option<Rc<dyn ByteSink>>;

    /// Puts TLS on it, after all that was written so far: the new connection takes its place.
    fn start_tls(&self, ctx: &Ctx<'_>, host: &str, done: ConnectDone) -> Rc<dyn Connection>;

    /// Nobody wants any more of it, neither way. It may be called more than once, and within the engine's collection.
    fn close(&self);
}

/// What is asked of a cache.
#[derive(Debug)]
pub struct CacheCall {
    /// The cache's name; `None` for the default one.
    pub cache: Option<String>,
    /// The entry's.
    pub key: String,
    /// The headers of the request: names in lower case, and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What is to be done.
    pub operation: CacheOperation,
}

/// What is to be done with an entry of a cache.
#[derive(Debug)]
pub enum CacheOperation {
    /// Look for it: [`CacheAnswer::Found`] or [`CacheAnswer::Nothing`].
    Match,
    /// Store a response if it may be stored: [`CacheAnswer::Done`].
    Put {
        /// 200 to 599.
        status: u16,
        /// Names in lower case, and values, in order.
        headers: Vec<(String, Vec<u8>)>,
        /// The body, with the codings that the headers speak of.
        body: UploadBody,
    },
    /// Remove it: [`CacheAnswer::Done`], or [`CacheAnswer::Nothing`] if there was none.
    Delete,
}

/// What came of a [`CacheCall`].
pub enum CacheAnswer {
    /// There is no such entry.
    Nothing,
    /// It was done.
    Done,
    /// A response, its body with the codings that the headers speak of.
    Found(FetchAnswer),
}

/// Called with the answer, or with the message of an `Error`.
pub type CacheDone = Box<dyn for<'js> FnOnce(&Ctx<'js>, Result<CacheAnswer, String>)>;

/// What [`Host::fetch`] returns.
pub struct Begun {
    /// The exchange, to be given up.
    pub exchange: Rc<dyn Exchange>,
    /// Where the body goes; `Some` iff it is [`UploadBody::Stream`].
    pub upload: Option<Rc<dyn ByteSink>>,
}

/// An exchange under way.
pub trait Exchange: 'static {
    /// Gives it up: the answer is not wanted any more. Does nothing once it has come; its body is cancelled by itself.
    fn cancel(&self);
}
