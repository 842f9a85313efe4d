//! Everything that crosses a process boundary in Isthmus, and nothing else does.
//!
//! Three connections exist between a host and its processes, each a Unix stream socket pair that carries length-delimited
//! [`postcard`](https://postcard.jamesmunns.com/) frames:
//!
//! | connection | between | who opens streams | frames |
//! |---|---|---|---|
//! | control | host ⇄ zygote | – (one message each) | [`control::ToZygote`], [`control::FromZygote`] |
//! | events | host ⇄ isolate | the host: one stream per event | [`Frame`] with [`Open::Event`] |
//! | broker | host ⇄ isolate | the isolate: one stream per call | [`Frame`] with [`Open::Call`] |
//!
//! A fourth, [`shell`], is how commands of the command line reach the stores.
//!
//! A stream begins with [`Frame::Open`], is answered by [`Frame::Reply`] and has at most one body in
//! each direction ([`Body`]; chunks under credit, see [`flow`]). An event's stream ends with
//! [`Frame::Done`], which may come long after its reply (`waitUntil`); a call's stream ends when its
//! reply and both bodies are complete.
//!
//! An isolate holds [`ChannelId`]s, never a name, path, URL, store or socket: the host's grant table
//! says what a channel is.
//!
//! How long an end may wait awake for the other is the same question for both: [`Patience`].

#![warn(missing_docs)]

pub mod cache;
pub mod control;
pub mod d1;
pub mod flow;
mod frame;
pub mod kv;
mod patience;
pub mod queue;
pub mod r2;
pub mod shell;
pub mod socket;
pub mod state;
mod wire;

pub use frame::{
    Body, Call, ChannelId, Event, Failure, FailureKind, Frame, Header, LogLevel, LogRecord, LogSource,
    Message, Open, Operation, Outcome, RateLimit, Redirect, Reply, Report, RequestHead, ResponseHead,
    StreamId,
};
pub use patience::Patience;
pub use wire::{FrameReader, MAX_FRAME, WireError, decode, encode, encode_chunk_head};
