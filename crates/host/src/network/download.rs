//! The bodies of answers from the network, as they are asked for.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;
use isthmus_protocol::flow::INLINE_MAX;
use tokio::time::{Instant, Sleep, sleep};

use super::{Arrival, LOST};
use crate::pieces::Pieces;

/// How often a short body is looked for before it is held. The first looks only have hyper read what has arrived.
const LOOKS: u32 = 3;

/// The body of an answer. Dropping it before its end closes the connection, or resets the stream of it.
pub(crate) struct Download {
    pieces: Pieces,
    /// What was read of it already.
    begun: Bytes,
    /// Its length in bytes, where known, less what was taken.
    left: Option<u64>,
    limit: Duration,
    /// Runs while the peer is waited for.
    stalled: Pin<Box<Sleep>>,
    waiting: bool,
}

/// The body of an answer, as far as it is here.
pub(super) enum Arrived {
    /// All of it.
    Whole(Bytes),
    /// The rest comes on demand.
    Held(Download),
}

impl Download {
    /// Takes the body of an answer; a short one whose bytes have come with the head is taken as a whole.
    pub(super) async fn take(body: Incoming, arrival: Option<Arrival>, limit: Duration) -> Arrived {
        let left = body.size_hint().exact();
        let mut download = Self {
            pieces: Pieces::new(body, arrival),
            begun: Bytes::new(),
            left,
            limit,
            stalled: Box::pin(sleep(limit)),
            waiting: false,
        };
        if left.is_some_and(|left| left <= INLINE_MAX as u64)
            && let Some(bytes) = download.gather().await
        {
            return Arrived::Whole(bytes);
        }
        Arrived::Held(download)
    }

    /// All of a short body, if it is here.
    async fn gather(&mut self) -> Option<Bytes> {
        let expected = self.left.unwrap_or(0) as usize;
        let mut gathered: Vec<u8> = Vec::new();
        for _ in 0..LOOKS {
            loop {
                if self.begun.len() + gathered.len() == expected {
                    if gathered.is_empty() {
                        return Some(std::mem::take(&mut self.begun));
                    }
                    gathered.splice(0..0, self.begun.iter().copied());
                    return Some(gathered.into());
                }
                let next = poll_fn(|cx| Poll::Ready(self.pieces.poll_next(cx))).await;
                match next {
                    Poll::Ready(Some(Ok(data))) => {
                        if self.begun.is_empty() {
                            self.begun = data;
                        } else {
                            gathered.extend_from_slice(&data);
                        }
                    }
                    // It broke off: whoever reads it finds out again.
                    Poll::Ready(_) => return None,
                    Poll::Pending => break,
                }
            }
            tokio::task::yield_now().await;
        }
        if !gathered.is_empty() {
            gathered.splice(0..0, self.begun.iter().copied());
            self.begun = gathered.into();
        }
        None
    }

    /// How many bytes are left, where known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.left
    }

    /// The next piece, of at most `max` bytes; `None` at the end, `Err` if it broke off.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<Option<Result<Bytes, String>>> {
        while self.begun.is_empty() {
            match self.pieces.poll_next(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    self.waiting = false;
                    self.begun = data;
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(LOST.to_owned()))),
                Poll::Ready(None) => {
                    return Poll::Ready(match self.left {
                        None | Some(0) => None,
                        Some(_) => Some(Err(LOST.to_owned())),
                    });
                }
                Poll::Pending => {
                    if !std::mem::replace(&mut self.waiting, true) {
                        self.stalled.as_mut().reset(Instant::now() + self.limit);
                    }
                    return match self.stalled.as_mut().poll(cx) {
                        Poll::Ready(()) => Poll::Ready(Some(Err(LOST.to_owned()))),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
        let chunk = self.begun.split_to(self.begun.len().min(max));
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(chunk.len() as u64);
        }
        Poll::Ready(Some(Ok(chunk)))
    }
}
