//! Before the first fork the zygote goes a few times through what an isolate does first: it connects, serves requests,
//! ends. Nobody is at the other end, and no code of the Worker runs.
//!
//! What that leaves behind (code that CPython has specialised, cached look-ups, types of proxies, bound symbols) is
//! then in memory that all isolates share. Without it each of them would make its own copy of every page that is touched.

use std::io;
use std::os::fd::OwnedFd;

use isthmus_bindings::link::Connection;
use isthmus_protocol::{
    Body, Event, Frame, Header, LogLevel, LogSource, Open, Redirect, RequestHead, StreamId, WireError, encode,
};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::shared::Shared;

/// Enough for CPython to specialise what runs once in an isolate's life (after 8 to 16 executions).
const ROUNDS: u32 = 20;

/// Requests in a round.
const REQUESTS: u32 = 3;

/// The number of the first request; JavaScript takes such numbers up to 2^31.
const FIRST_STREAM: StreamId = 1 << 30;

/// Goes through an isolate's life; `serve` serves until the shutdown. What fails in it fails for nobody but is told.
pub(crate) fn rehearse(shared: &Shared, serve: &Bound<'_, PyAny>) {
    shared.rehearsing.set(true);
    let rehearsed = (0..ROUNDS).try_for_each(|number| round(shared, serve, number));
    shared.rehearsing.set(false);
    if let Err(error) = rehearsed {
        let text = format!("isolates will use more memory than they need: the rehearsal failed: {error}");
        shared.log(LogLevel::Warn, LogSource::Runtime, &text, None);
    }
    // What was dropped last is freed before the fork, not after it.
    isthmus_bridge::safe_point();
}

fn round(shared: &Shared, serve: &Bound<'_, PyAny>, number: u32) -> PyResult<()> {
    let (host_events, events) = pair()?;
    // Held open: an isolate whose host is gone ends.
    let (_host_broker, broker) = pair()?;
    let script = script(number).map_err(|error| PyOSError::new_err(error.to_string()))?;
    rustix::io::write(&host_events, &script).map_err(io::Error::from)?;
    shared.connect(Connection::new(events)?, Connection::new(broker)?);
    let served = serve.call0();
    shared.disconnect();
    served.map(drop)
}

fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// What the host would send: requests, and that this is all. Their numbers are none that an isolate will see: what patches
/// of the SDK left behind for them (`waitUntil`) must not count for its events.
fn script(round: u32) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::new();
    for request in 0..REQUESTS {
        let stream = FIRST_STREAM + round * REQUESTS + request;
        let header = |name, value: &'static str| Header {
            name,
            value: value.as_bytes(),
        };
        let head = RequestHead {
            method: "GET",
            url: "http://localhost/",
            headers: vec![header("host", "localhost"), header("accept", "*/*")],
            cf: None,
            redirect: Redirect::Manual,
        };
        let open = Open::Event(Event::Fetch(head));
        encode(
            &Frame::Open {
                stream,
                open,
                body: Body::None,
            },
            &mut bytes,
        )?;
    }
    encode(&Frame::Shutdown, &mut bytes)?;
    Ok(bytes)
}
