//! The bodies of requests on their way to an isolate.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use isthmus_protocol::StreamId;
use isthmus_protocol::flow::INLINE_MAX;

use crate::isolate::{Broken, Isolate};
use crate::pieces::Pieces;
use crate::streams::SendFlow;

/// How often the connection may look for the rest of a short body before it is streamed. The first looks
/// only have hyper read what has arrived.
const LOOKS: u32 = 3;

/// How much of a body that nobody wants is read, so that the client hears the answer and the connection
/// can be kept.
const DRAIN_MAX: u64 = 1024 * 1024;

/// A request's body.
pub(super) enum Upload {
    /// There is none.
    None,
    /// A short one that is here already.
    Whole(Bytes),
    /// It is to be streamed.
    Stream {
        /// What is here of it.
        begun: Bytes,
        /// The rest.
        rest: Incoming,
        /// Its length in bytes, where known.
        length: Option<u64>,
    },
}

impl Upload {
    /// Takes a body of at most `max` bytes; `Err` gives it back if it is longer.
    pub(super) async fn take(mut body: Incoming, max: u64) -> Result<Self, Incoming> {
        if body.is_end_stream() {
            return Ok(Self::None);
        }
        let length = body.size_hint().exact();
        match length {
            Some(0) => return Ok(Self::None),
            Some(length) if length > max => return Err(body),
            Some(length) if length <= INLINE_MAX as u64 => {}
            _ => {
                return Ok(Self::Stream {
                    begun: Bytes::new(),
                    rest: body,
                    length,
                });
            }
        }
        let expected = length.unwrap_or(0) as usize;
        let begun = gather(&mut body, expected).await;
        Ok(if begun.len() == expected {
            Self::Whole(begun)
        } else {
            // Also if it broke off: the pump will find out again and say so.
            Self::Stream {
                begun,
                rest: body,
                length,
            }
        })
    }
}

/// What arrives of a short body without waiting for the client.
async fn gather(body: &mut Incoming, expected: usize) -> Bytes {
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let mut looks = LOOKS;
    poll_fn(|cx| {
        while first.len() + joined.len() < expected {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        if first.is_empty() && joined.is_empty() {
                            first = data;
                        } else {
                            joined.extend_from_slice(&std::mem::take(&mut first));
                            joined.extend_from_slice(&data);
                        }
                    }
                }
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending if looks == 0 => return Poll::Ready(()),
                Poll::Pending => {
                    looks -= 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(())
    })
    .await;
    if joined.is_empty() { first } else { joined.freeze() }
}

/// Streams a body to an isolate until it is complete, breaks off, exceeds `max` bytes or isn't wanted any more.
pub(super) async fn pump(
    isolate: Arc<Isolate>,
    stream: StreamId,
    flow: Arc<SendFlow>,
    begun: Bytes,
    rest: Incoming,
    max: u64,
) {
    let mut rest = Pieces::new(rest, None);
    let mut total = 0;
    let mut chunk = begun;
    loop {
        total += chunk.len() as u64;
        if total > max {
            isolate.reject(stream, Broken::BodyTooLarge(max));
            break;
        }
        while !chunk.is_empty() {
            isolate.events_room().await;
            let Some(length) = flow.next_chunk().await else {
                return drain(rest.into_body()).await;
            };
            let part = chunk.split_to(length.min(chunk.len()));
            flow.sent(part.len());
            isolate.send_chunk(stream, part);
        }
        let piece = tokio::select! {
            piece = poll_fn(|cx| rest.poll_next(cx)) => piece,
            () = flow.stopped() => break,
        };
        chunk = match piece {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => {
                let reason = format!("the client broke off the request's body: {error}");
                return isolate.send_end(stream, Some(&reason));
            }
            None => return isolate.send_end(stream, None),
        };
    }
    drain(rest.into_body()).await;
}

/// Reads and drops a little of a body that nobody wants.
pub(super) async fn drain(mut body: Incoming) {
    let mut drained = 0;
    while let Some(Ok(frame)) = body.frame().await {
        drained += frame.data_ref().map_or(0, |data| data.len() as u64);
        if drained > DRAIN_MAX {
            return;
        }
    }
}
