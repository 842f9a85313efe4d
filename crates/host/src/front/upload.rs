//! How the body of a request goes to an isolate: with its head, right after it, or when it is asked for.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use hyper::body::Incoming;
use isthmus_protocol::flow::{INITIAL_CREDIT, INLINE_MAX};

use crate::client_body::ClientBody;

/// How often in a row the connection may look in vain for more of a body before that is streamed or held. The first looks
/// only have hyper read what has arrived.
const LOOKS: u32 = 3;

/// A request's body.
pub(super) enum Upload {
    /// There is none.
    None,
    /// A short one that is here already.
    Whole(Bytes),
    /// It is to be streamed at once: no more than the first credit allows, or here already.
    Stream {
        /// The body.
        body: ClientBody,
        /// Its length in bytes, where known.
        length: Option<u64>,
    },
    /// It waits to be asked for.
    Held(ClientBody),
}

impl Upload {
    /// Takes a body of at most `max` bytes; `Err` gives it back if it is longer. A client that `expects` to be asked for
    /// it is not asked here.
    pub(super) async fn take(mut body: Incoming, max: u64, expects: bool) -> Result<Self, Incoming> {
        if body.is_end_stream() {
            return Ok(Self::None);
        }
        let length = body.size_hint().exact();
        match length {
            Some(0) => return Ok(Self::None),
            Some(length) if length > max => return Err(body),
            _ => {}
        }
        let is_short = |limit: u64| length.is_some_and(|length| length <= limit);
        if expects {
            return Ok(Self::Held(ClientBody::new(body, length, max).unasked()));
        }
        if length.is_some() && !is_short(INLINE_MAX as u64) {
            let body = ClientBody::new(body, length, max);
            return Ok(if is_short(u64::from(INITIAL_CREDIT)) {
                Self::Stream { body, length }
            } else {
                Self::Held(body)
            });
        }
        let expected = length.unwrap_or(u64::from(INITIAL_CREDIT)) as usize;
        let (begun, ended) = gather(&mut body, expected).await;
        if length.is_some() && begun.len() == expected {
            return Ok(Self::Whole(begun));
        }
        let is_here = ended.is_some();
        let body = ClientBody::new(body, length, max).begun(begun, ended);
        Ok(if length.is_some() || is_here {
            Self::Stream { body, length }
        } else {
            Self::Held(body)
        })
    }
}

/// What arrives of a body, up to about so many bytes, without waiting for the client; and how it ended, if it has.
async fn gather(body: &mut Incoming, expected: usize) -> (Bytes, Option<Result<(), hyper::Error>>) {
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let mut looks = LOOKS;
    let ended = poll_fn(|cx| {
        while first.len() + joined.len() < expected {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    looks = LOOKS;
                    if let Ok(data) = frame.into_data() {
                        if first.is_empty() && joined.is_empty() {
                            first = data;
                        } else {
                            joined.extend_from_slice(&std::mem::take(&mut first));
                            joined.extend_from_slice(&data);
                        }
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(Some(Ok(()))),
                Poll::Pending if looks == 0 => return Poll::Ready(None),
                Poll::Pending => {
                    looks -= 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(None)
    })
    .await;
    (if joined.is_empty() { first } else { joined.freeze() }, ended)
}
