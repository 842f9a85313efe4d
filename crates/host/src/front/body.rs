//! The bodies of responses, as hyper pulls them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use isthmus_protocol::flow::CHUNK_MAX;

use crate::broker::HeldBody;
use crate::isolate::EventHandle;
use crate::limits::DISCARD_MAX;
use crate::logs::{LogLevel, Logs};
use crate::streams::{BodyQueue, Piece};

/// The body of a response.
pub(crate) enum ResponseBody {
    /// There is none, or nothing is left.
    Empty,
    /// All of it.
    Full(Bytes),
    /// It comes from an isolate.
    Stream(StreamBody),
    /// The host had it all along.
    Held(HeldBody),
}

/// The body broke off: hyper then closes the connection or resets the stream, so that the client notices.
#[derive(Debug, thiserror::Error)]
#[error("the body of the response broke off: {0}")]
pub(crate) struct BrokenBody(String);

/// A body that comes from an isolate. Dropping it before its end cancels the event.
pub(crate) struct StreamBody {
    event: EventHandle,
    queue: Arc<BodyQueue>,
    remaining: Option<u64>,
    logs: Logs,
}

impl StreamBody {
    pub(crate) fn new(event: EventHandle, queue: Arc<BodyQueue>, length: Option<u64>, logs: Logs) -> Self {
        Self {
            event,
            queue,
            remaining: length,
            logs,
        }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenBody>>> {
        let broken = match std::task::ready!(self.queue.poll_next(cx)) {
            Piece::Chunk(chunk, credit) => {
                if credit > 0 {
                    self.event.isolate().send_credit(self.event.stream(), credit);
                }
                let length = chunk.len() as u64;
                match &mut self.remaining {
                    Some(remaining) if *remaining < length => "it is longer than was announced".into(),
                    Some(remaining) => {
                        *remaining -= length;
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                    None => return Poll::Ready(Some(Ok(chunk))),
                }
            }
            Piece::End => {
                self.event.settle();
                match self.remaining {
                    None | Some(0) => return Poll::Ready(None),
                    Some(_) => "it is shorter than was announced".into(),
                }
            }
            Piece::Broken(reason) => {
                self.event.settle();
                reason
            }
        };
        let broken = BrokenBody(broken);
        self.logs.host(LogLevel::Error, format_args!("{broken}"));
        Poll::Ready(Some(Err(broken)))
    }

    /// Reads and drops the body: the client wants none of it (`HEAD`), but the Worker made one and its
    /// event is to end in peace.
    pub(crate) async fn discard(mut self) {
        let mut discarded = 0;
        while let Some(Ok(chunk)) = std::future::poll_fn(|cx| self.poll_chunk(cx)).await {
            discarded += chunk.len() as u64;
            if discarded > DISCARD_MAX {
                return;
            }
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        let polled = match &mut *self {
            Self::Empty => return Poll::Ready(None),
            Self::Full(_) => {
                let Self::Full(bytes) = std::mem::replace(&mut *self, Self::Empty) else {
                    return Poll::Ready(None);
                };
                return Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))));
            }
            Self::Held(held) => {
                std::task::ready!(held.poll_chunk(cx, CHUNK_MAX)).map(|chunk| chunk.map_err(BrokenBody))
            }
            Self::Stream(stream) => std::task::ready!(stream.poll_chunk(cx)),
        };
        // What has ended is let go of now, not when the client has taken the last byte.
        if !matches!(polled, Some(Ok(_))) {
            *self = Self::Empty;
        }
        Poll::Ready(polled.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Held(held) => held.left() == Some(0),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Held(held) => held.left().map_or_else(SizeHint::new, SizeHint::with_exact),
            Self::Stream(StreamBody { remaining, .. }) => {
                remaining.map_or_else(SizeHint::new, SizeHint::with_exact)
            }
        }
    }
}
