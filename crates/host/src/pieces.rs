//! Bodies as hyper reads them, with small pieces put together.
//!
//! Hyper gives each chunk of a chunked body by itself. Borders of chunks mean nothing in HTTP, while each piece costs a
//! frame, a wake-up and a promise on its way to its reader. So what has arrived already is handed over as one piece; nothing
//! waits for what has not.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use hyper::body::Incoming;

use crate::network::Arrival;

/// Pieces of at least this many bytes stay as they are; smaller ones are put together up to about as much.
const SMALL: usize = 8 * 1024;

/// A body and what was read of it ahead.
pub(crate) struct Pieces {
    body: Incoming,
    /// Of the connection that it comes from, where that tells.
    arrival: Option<Arrival>,
    /// Its length in bytes, where known, less what was given.
    left: Option<u64>,
    /// Small pieces.
    joined: BytesMut,
    /// A large one, which comes after those.
    large: Bytes,
    /// How it ended, once it has.
    end: Option<Result<(), hyper::Error>>,
    /// Hyper had its turn since the last piece, for a connection that doesn't tell.
    looked: bool,
}

impl Pieces {
    pub(crate) fn new(body: Incoming, arrival: Option<Arrival>) -> Self {
        Self {
            left: body.size_hint().exact(),
            body,
            arrival,
            joined: BytesMut::new(),
            large: Bytes::new(),
            end: None,
            looked: false,
        }
    }

    /// The next piece, never an empty one; `None` at the end, `Err` once if it broke off.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        while self.wants_more() {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.looked = false;
                    // Trailers are of no use to anybody here.
                    let data = frame.into_data().unwrap_or_default();
                    if data.len() < SMALL {
                        self.joined.extend_from_slice(&data);
                    } else {
                        self.large = data;
                    }
                }
                Poll::Ready(Some(Err(error))) => self.end = Some(Err(error)),
                Poll::Ready(None) => self.end = Some(Ok(())),
                Poll::Pending if self.joined.is_empty() => return Poll::Pending,
                // What hyper has read already comes chunk by chunk, each after a turn of the connection's task.
                Poll::Pending => {
                    match &self.arrival {
                        Some(arrival) if arrival.poll_over(cx).is_ready() => break,
                        Some(_) => {}
                        None if self.looked => break,
                        None => {
                            self.looked = true;
                            cx.waker().wake_by_ref();
                        }
                    }
                    return Poll::Pending;
                }
            }
        }
        self.looked = false;
        let piece = if self.joined.is_empty() {
            std::mem::take(&mut self.large)
        } else {
            self.joined.split().freeze()
        };
        if piece.is_empty() {
            return Poll::Ready(match self.end.replace(Ok(())) {
                Some(Err(error)) => Some(Err(error)),
                _ => None,
            });
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(Some(Ok(piece)))
    }

    /// Whether more could become part of the next piece.
    fn wants_more(&self) -> bool {
        self.end.is_none()
            && self.large.is_empty()
            && self.joined.len() < SMALL
            && (self.joined.is_empty() || self.left != Some(self.joined.len() as u64))
    }

    /// The body, less what was read of it.
    pub(crate) fn into_body(self) -> Incoming {
        self.body
    }
}
