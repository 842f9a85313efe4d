//! The bodies of outbound requests, as hyper pulls them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use isthmus_protocol::flow::CHUNK_MAX;

use super::stall::Pulse;
use crate::broker::HeldBody;
use crate::streams::{BodyQueue, Piece};

/// The body of an outbound request.
pub(crate) struct Upload {
    source: Source,
    /// Told of every sign of progress.
    pub(super) pulse: Option<Arc<Pulse>>,
}

enum Source {
    Empty,
    Full(Bytes),
    Held(HeldBody),
    Queue(QueueBody),
}

/// Grants the isolate credit, or tells it that no more is wanted.
pub(crate) type Grant = Box<dyn Fn(UploadEvent) + Send + Sync>;

/// What the isolate must hear of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadEvent {
    /// So many bytes more may be sent.
    Credit(u32),
    /// Nobody reads it any more.
    Unwanted,
}

/// A body that comes from an isolate.
struct QueueBody {
    queue: Arc<BodyQueue>,
    remaining: Option<u64>,
    tell: Grant,
    ended: bool,
}

/// The body broke off, and the request with it.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request broke off: {0}")]
pub(crate) struct BrokenUpload(String);

impl BrokenUpload {
    /// Why.
    pub(crate) fn into_reason(self) -> String {
        self.0
    }
}

impl Upload {
    pub(crate) fn empty() -> Self {
        Self::new(Source::Empty)
    }

    pub(crate) fn full(bytes: Bytes) -> Self {
        Self::new(Source::Full(bytes))
    }

    pub(crate) fn held(body: HeldBody) -> Self {
        Self::new(Source::Held(body))
    }

    /// A body whose chunks arrive in `queue`.
    pub(crate) fn queue(queue: Arc<BodyQueue>, length: Option<u64>, tell: Grant) -> Self {
        Self::new(Source::Queue(QueueBody {
            queue,
            remaining: length,
            tell,
            ended: false,
        }))
    }

    fn new(source: Source) -> Self {
        Self { source, pulse: None }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.source, Source::Empty)
    }
}

impl QueueBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenUpload>>> {
        let broken = match ready!(self.queue.poll_next(cx)) {
            Piece::Chunk(chunk, credit) => {
                if credit > 0 {
                    (self.tell)(UploadEvent::Credit(credit));
                }
                let length = chunk.len() as u64;
                match &mut self.remaining {
                    Some(remaining) if *remaining < length => "it is longer than was announced".to_owned(),
                    Some(remaining) => {
                        *remaining -= length;
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                    None => return Poll::Ready(Some(Ok(chunk))),
                }
            }
            Piece::End => {
                self.ended = true;
                match self.remaining {
                    None | Some(0) => return Poll::Ready(None),
                    Some(_) => "it is shorter than was announced".to_owned(),
                }
            }
            Piece::Broken(reason) => {
                self.ended = true;
                reason
            }
        };
        Poll::Ready(Some(Err(BrokenUpload(broken))))
    }
}

impl Drop for QueueBody {
    fn drop(&mut self) {
        if !self.ended {
            (self.tell)(UploadEvent::Unwanted);
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BrokenUpload;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenUpload>>> {
        let polled = match &mut self.source {
            Source::Empty => None,
            Source::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                (!bytes.is_empty()).then_some(Ok(bytes))
            }
            Source::Held(held) => {
                ready!(held.poll_chunk(cx, CHUNK_MAX)).map(|chunk| chunk.map_err(BrokenUpload))
            }
            Source::Queue(queue) => ready!(queue.poll(cx)),
        };
        if let Some(pulse) = &self.pulse {
            pulse.beat();
        }
        if polled.is_none() {
            self.source = Source::Empty;
        }
        Poll::Ready(polled.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Full(bytes) => bytes.is_empty(),
            Source::Held(held) => held.left() == Some(0),
            Source::Queue(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.source {
            Source::Empty => Some(0),
            Source::Full(bytes) => Some(bytes.len() as u64),
            Source::Held(held) => held.left(),
            Source::Queue(queue) => queue.remaining,
        };
        left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
