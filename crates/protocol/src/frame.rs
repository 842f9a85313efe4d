//! The frames of the events and broker connections. All borrow from the buffer they were read into.

use serde::{Deserialize, Serialize};

use crate::{cache, d1, kv, queue, r2, socket, state};

/// Names a stream on one connection; chosen by the side that opens it, never used twice.
pub type StreamId = u32;

/// A capability: a row of the host's grant table for this isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChannelId(pub u32);

impl ChannelId {
    /// The outside world, which every isolate has.
    pub const NETWORK: Self = Self(0);
    /// The project's caches, which every isolate has.
    pub const CACHES: Self = Self(1);
}

/// One frame of the events or the broker connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Frame<'a> {
    /// Begins a stream: an event delivered to the isolate, or a call on one of its capabilities.
    Open {
        /// The new stream.
        stream: StreamId,
        /// What is opened.
        #[serde(borrow)]
        open: Open<'a>,
        /// The body that goes with it.
        #[serde(borrow)]
        body: Body<'a>,
    },
    /// Answers a stream, once.
    Reply {
        /// The stream answered.
        stream: StreamId,
        /// The answer.
        #[serde(borrow)]
        reply: Reply<'a>,
        /// The body that goes with it.
        #[serde(borrow)]
        body: Body<'a>,
    },
    /// A chunk of the sender's body on this stream. Never longer than [`crate::flow::CHUNK_MAX`].
    Data {
        /// The stream.
        stream: StreamId,
        /// The bytes.
        #[serde(borrow, with = "serde_bytes")]
        chunk: &'a [u8],
    },
    /// The sender's body on this stream is complete, or broke off for the reason given.
    End {
        /// The stream.
        stream: StreamId,
        /// Why the body is incomplete; `None` for a good end.
        #[serde(borrow)]
        error: Option<&'a str>,
    },
    /// The receiver of a body allows this many bytes more.
    Credit {
        /// The stream.
        stream: StreamId,
        /// How many bytes more may be sent.
        bytes: u32,
    },
    /// The sender no longer wants the answer or the body of this stream. On the events connection:
    /// the client went away. Unknown streams are ignored, since both sides may end one at once.
    Cancel {
        /// The stream.
        stream: StreamId,
    },
    /// The event is over: its handler and all it passed to `waitUntil` have ended.
    Done {
        /// The event's stream.
        stream: StreamId,
        /// How it ended.
        outcome: Outcome,
        /// What it came to, beyond its reply.
        #[serde(borrow)]
        report: Report<'a>,
    },
    /// A message on an upgraded stream (after a reply whose head says [`ResponseHead::upgrade`]).
    Message {
        /// The stream.
        stream: StreamId,
        /// The message.
        #[serde(borrow)]
        message: Message<'a>,
    },
    /// The isolate no longer holds a capability that a reply gave it.
    Release {
        /// The channel given back.
        channel: ChannelId,
    },
    /// A line for the host's log.
    Log(#[serde(borrow)] LogRecord<'a>),
    /// The isolate serves from now on. Its first frame on the events connection.
    Ready,
    /// Asks whether the other side's loop still turns; answered by [`Frame::Pong`].
    Ping {
        /// Comes back in the answer.
        nonce: u32,
    },
    /// Answers [`Frame::Ping`].
    Pong {
        /// That of the question.
        nonce: u32,
    },
    /// The host wants the isolate to finish what it has begun and to exit.
    Shutdown,
}

/// What a stream is opened for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Open<'a> {
    /// An event for the Worker (events connection, sent by the host).
    Event(#[serde(borrow)] Event<'a>),
    /// A call on a capability (broker connection, sent by the isolate).
    Call(#[serde(borrow)] Call<'a>),
}

/// An event for the Worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event<'a> {
    /// `fetch`: the request's body is the stream's.
    Fetch(#[serde(borrow)] RequestHead<'a>),
    /// `test`: the Worker's own test handler.
    Test,
    /// `scheduled`: a cron trigger.
    Scheduled {
        /// The cron expression as configured; empty if a developer set it off without one.
        cron: &'a str,
        /// For when it was scheduled, in milliseconds since the epoch.
        time: i64,
    },
    /// `queue`: a batch of messages.
    Queue(#[serde(borrow)] queue::Batch<'a>),
}

/// What an event came to, known only when all it passed to `waitUntil` has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Report<'a> {
    /// Nothing beyond its outcome: `fetch`, `test`.
    None,
    /// Of [`Event::Scheduled`].
    Scheduled {
        /// The Worker called `noRetry()`.
        no_retry: bool,
    },
    /// Of [`Event::Queue`].
    Queue(#[serde(borrow)] queue::Verdict<'a>),
}

/// A call on a capability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call<'a> {
    /// The capability.
    pub channel: ChannelId,
    /// The event on whose behalf the call is made, if any: its stream on the events connection.
    pub event: Option<StreamId>,
    /// What is asked of it.
    #[serde(borrow)]
    pub operation: Operation<'a>,
}

/// What is asked of a capability. An operation that doesn't fit the capability is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation<'a> {
    /// An operation of a KV namespace; a value to put is the stream's body.
    Kv(#[serde(borrow)] kv::Operation<'a>),
    /// An operation of a queue.
    Queue(#[serde(borrow)] queue::Operation<'a>),
    /// An operation of an R2 bucket; a value to put is the stream's body.
    R2(#[serde(borrow)] r2::Operation<'a>),
    /// An operation on one of the project's caches.
    Cache(#[serde(borrow)] cache::Call<'a>),
    /// Statements for a D1 database, which are the stream's body.
    D1(d1::Query),
    /// An HTTP request through a fetcher or to the internet; its body is the stream's.
    Fetch(#[serde(borrow)] RequestHead<'a>),
    /// A TCP or TLS connection to the internet.
    Socket(#[serde(borrow)] socket::Operation<'a>),
    /// Counts one more use of a rate limit.
    RateLimit(#[serde(borrow)] RateLimit<'a>),
    /// Reads a secret.
    Secret,
    /// An operation on the state folder as a whole; only commands of the command line may.
    State(#[serde(borrow)] state::Operation<'a>),
    /// A method call on a remote object.
    Rpc {
        /// The method's name.
        method: &'a str,
        /// The arguments, serialised by structured clone.
        #[serde(borrow, with = "serde_bytes")]
        arguments: &'a [u8],
        /// Capabilities that the arguments mention by index.
        capabilities: Vec<ChannelId>,
    },
}

/// One use of a rate limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateLimit<'a> {
    /// What is limited.
    pub key: &'a str,
    /// How often in a period, if not as configured.
    pub limit: Option<f64>,
    /// 10 or 60 seconds, if not as configured.
    pub period: Option<u32>,
}

/// The answer on a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// Answers `fetch`; the body is the stream's.
    Response(#[serde(borrow)] ResponseHead<'a>),
    /// Answers an event that has no value, such as `test`.
    Finished,
    /// Answers [`Operation::Kv`]; a value is the stream's body.
    Kv(#[serde(borrow)] kv::Reply<'a>),
    /// Answers [`Operation::Queue`].
    Queue(queue::Reply),
    /// Answers [`Operation::R2`]; a value is the stream's body.
    R2(#[serde(borrow)] r2::Reply<'a>),
    /// Answers [`Operation::Cache`]; the body of a response is the stream's.
    Cache(#[serde(borrow)] cache::Reply<'a>),
    /// Answers [`Operation::D1`]; the results are the stream's body.
    D1(#[serde(borrow)] d1::Reply<'a>),
    /// Answers [`Operation::RateLimit`]: whether the use was within the limit.
    RateLimit(bool),
    /// Answers [`Operation::Secret`].
    Secret(&'a str),
    /// Answers [`Operation::State`].
    State(#[serde(borrow)] state::Reply<'a>),
    /// Answers [`Operation::Socket`]; what comes from the other side is the stream's body.
    Connected,
    /// Answers [`Operation::Rpc`].
    Rpc {
        /// The result, serialised by structured clone.
        #[serde(borrow, with = "serde_bytes")]
        result: &'a [u8],
        /// New capabilities that the result mentions by index; given back by [`Frame::Release`].
        capabilities: Vec<ChannelId>,
    },
    /// The event or call failed.
    Failed(#[serde(borrow)] Failure<'a>),
}

/// Why an event or a call failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure<'a> {
    /// Whose fault it is.
    pub kind: FailureKind,
    /// The class of the error: `TypeError`, `Error`, a Python exception's name …
    pub name: &'a str,
    /// The message, without the class.
    pub message: &'a str,
    /// The full text for the log: a Python traceback, a JavaScript stack; empty if there is none.
    pub trace: &'a str,
}

/// Whose fault a failure is; each has its own HTTP answer and its own log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// The Worker's code raised, or misused an API.
    User,
    /// A limit ended it: start-up time, CPU time, memory.
    Limit,
    /// A bug in Isthmus.
    Internal,
}

/// How an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The handler returned.
    Ok,
    /// The handler raised.
    Exception,
    /// The client went away or the host cancelled it.
    Canceled,
}

/// The body that goes with an open or a reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body<'a> {
    /// There is none (`null` in JavaScript).
    None,
    /// The whole body. At most [`crate::flow::INLINE_MAX`] bytes.
    Inline(#[serde(borrow, with = "serde_bytes")] &'a [u8]),
    /// Chunks follow on this stream, [`crate::flow::INITIAL_CREDIT`] bytes unasked.
    Stream {
        /// The length in bytes, where it is known beforehand.
        length: Option<u64>,
    },
    /// The host holds the body of this *broker* stream. In a host's reply it names the reply's own
    /// stream: nothing is sent until the isolate grants credit. In an isolate's call or reply to an event it
    /// names a body the isolate was given that way and never read: the host moves it by itself.
    Held {
        /// The broker stream whose body it is.
        stream: StreamId,
        /// The length in bytes, where it is known beforehand.
        length: Option<u64>,
    },
    /// The host holds the body of this *event's* request. With an event it names the event's own stream: nothing is sent
    /// until the isolate grants credit. In an isolate's call or reply it names the body of an event that isn't over, of
    /// which the isolate read nothing: the host moves it by itself, as long as it comes.
    Request {
        /// The event whose request's body it is.
        stream: StreamId,
        /// The length in bytes, where it is known beforehand.
        length: Option<u64>,
    },
}

/// One HTTP header as it came: the name in lower case, the value as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header<'a> {
    /// The name, in lower case.
    pub name: &'a str,
    /// The value.
    #[serde(borrow, with = "serde_bytes")]
    pub value: &'a [u8],
}

impl<'a> Header<'a> {
    /// Headers as they travel.
    pub fn borrowed(headers: &'a [(String, Vec<u8>)]) -> Vec<Self> {
        headers.iter().map(|(name, value)| Self { name, value }).collect()
    }

    /// Headers that outlive their frame.
    pub fn owned(headers: &[Self]) -> Vec<(String, Vec<u8>)> {
        headers
            .iter()
            .map(|header| (header.name.to_owned(), header.value.to_vec()))
            .collect()
    }
}

/// The head of an HTTP request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestHead<'a> {
    /// The method, in the case it came in.
    pub method: &'a str,
    /// The absolute URL.
    pub url: &'a str,
    /// The headers in order.
    #[serde(borrow)]
    pub headers: Vec<Header<'a>>,
    /// The `cf` object as JSON, if there is one.
    pub cf: Option<&'a str>,
    /// What to do with a redirect (outbound requests).
    pub redirect: Redirect,
}

/// [`RequestInit.redirect`](https://fetch.spec.whatwg.org/#concept-request-redirect-mode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Redirect {
    /// Follow it.
    #[default]
    Follow,
    /// Fail.
    Error,
    /// Hand the redirect itself to the caller.
    Manual,
}

/// The head of an HTTP response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseHead<'a> {
    /// The status code, 101 or 200..=599.
    pub status: u16,
    /// The reason phrase; empty for the usual one.
    pub status_text: &'a str,
    /// The headers in order.
    #[serde(borrow)]
    pub headers: Vec<Header<'a>>,
    /// The connection becomes a WebSocket: [`Frame::Message`] follows instead of a body.
    pub upgrade: bool,
}

/// A message on an upgraded stream. Under credit as bodies are: each frame costs its bytes and
/// [`crate::flow::MESSAGE_OVERHEAD`], [`Message::Close`] nothing. A stream whose connection broke ends with
/// [`Frame::End`] (the host's word) or [`Frame::Cancel`] (the isolate's).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message<'a> {
    /// A part of a message, which goes on in the next frame; the last one is [`Message::Text`] or
    /// [`Message::Binary`]. Parts of a text end between two characters.
    Part {
        /// What kind of message it is.
        is_text: bool,
        /// The bytes.
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// A text message, or the end of one.
    Text(&'a str),
    /// A binary message, or the end of one.
    Binary(#[serde(borrow, with = "serde_bytes")] &'a [u8]),
    /// The closing handshake: the sender's last message.
    Close {
        /// The status code of RFC 6455; 1005 stands for none.
        code: u16,
        /// The reason.
        reason: &'a str,
    },
}

/// How grave a log record is; console methods map onto it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LogLevel {
    /// `console.debug`, `console.trace`.
    Debug,
    /// `console.log`.
    Log,
    /// `console.info`.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error` and failed events.
    Error,
}

/// Where a log record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogSource {
    /// `console.*`.
    Console,
    /// Python's `sys.stdout`.
    Stdout,
    /// Python's `sys.stderr`, so also `logging`.
    Stderr,
    /// Isthmus itself, inside the isolate.
    Runtime,
}

/// A line (or several) for the host's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord<'a> {
    /// How grave it is.
    pub level: LogLevel,
    /// Where it comes from.
    pub source: LogSource,
    /// The event in whose course it was written, if known.
    pub event: Option<StreamId>,
    /// The text as the user wrote it: the host makes control characters harmless.
    pub text: &'a str,
    /// `file:line:column` of the call, if known.
    pub position: Option<&'a str>,
}
