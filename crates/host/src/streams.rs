//! The two ends of a body on a connection to an isolate, under the credit of [`isthmus_protocol::flow`].
//!
//! [`SendFlow`] is held by the task that sends and by the connection's reader, which brings the credit.
//! [`BodyQueue`] is filled by the connection's reader and emptied by hyper; what it holds is bounded by the
//! credit granted, and small chunks are copied together, so that no chunk keeps a read buffer alive.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use isthmus_protocol::flow::{Overrun, ReceiveWindow, SendWindow};
use tokio::sync::Notify;

/// Chunks below this many bytes are copied out of the read buffer.
const COPY_BELOW: usize = 8 * 1024;

/// Locks a mutex whose value is whole between any two statements, so that poisoning means nothing.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A part of a read buffer to keep: copied if it is small, shared otherwise.
pub(crate) fn keep(buffer: &Bytes, part: &[u8]) -> Bytes {
    if part.len() < COPY_BELOW {
        Bytes::copy_from_slice(part)
    } else {
        buffer.slice_ref(part)
    }
}

/// The sender's side of a body.
pub(crate) struct SendFlow {
    state: Mutex<SendState>,
    wake: Notify,
}

struct SendState {
    window: SendWindow,
    stopped: bool,
}

impl SendFlow {
    /// For a body that begins with the initial credit.
    pub(crate) fn stream() -> Self {
        Self::new(SendWindow::stream())
    }

    /// For a body that waits for its first credit.
    pub(crate) fn held() -> Self {
        Self::new(SendWindow::held())
    }

    fn new(window: SendWindow) -> Self {
        Self {
            state: Mutex::new(SendState {
                window,
                stopped: false,
            }),
            wake: Notify::new(),
        }
    }

    /// The receiver allows more.
    pub(crate) fn credit(&self, bytes: u32) {
        lock(&self.state).window.credit(bytes);
        self.wake.notify_one();
    }

    /// The receiver wants no more, or is gone.
    pub(crate) fn stop(&self) {
        lock(&self.state).stopped = true;
        self.wake.notify_one();
    }

    /// Counts bytes as sent; they were at most what [`Self::next_chunk`] allowed.
    pub(crate) fn sent(&self, bytes: usize) {
        lock(&self.state).window.sent(bytes);
    }

    /// How long the next chunk may be, as soon as that isn't zero; `None` once the receiver wants no more.
    /// Only one task may wait.
    pub(crate) async fn next_chunk(&self) -> Option<usize> {
        loop {
            {
                let state = lock(&self.state);
                if state.stopped {
                    return None;
                }
                let length = state.window.next_chunk();
                if length > 0 {
                    return Some(length);
                }
            }
            self.wake.notified().await;
        }
    }

    /// How many bytes of a message may go into its next piece, as soon as any may; `None` once the receiver wants no
    /// more. Only one task may wait.
    pub(crate) async fn next_piece(&self) -> Option<usize> {
        loop {
            {
                let state = lock(&self.state);
                if state.stopped {
                    return None;
                }
                // Less than a character would be no progress.
                if let Some(length) = state.window.next_piece().filter(|length| *length >= 4) {
                    return Some(length);
                }
            }
            self.wake.notified().await;
        }
    }

    /// Ends once the receiver wants no more. Only one task may wait, here or in [`Self::next_chunk`].
    pub(crate) async fn stopped(&self) {
        while !lock(&self.state).stopped {
            self.wake.notified().await;
        }
    }
}

/// What the reader of a [`BodyQueue`] gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Some bytes, and the credit to grant now (0: none).
    Chunk(Bytes, u32),
    /// The body is complete.
    End,
    /// The body broke off; why.
    Broken(String),
}

/// The receiver's side of a body.
pub(crate) struct BodyQueue {
    state: Mutex<QueueState>,
}

struct QueueState {
    window: ReceiveWindow,
    chunks: VecDeque<Bytes>,
    tail: BytesMut,
    end: Option<Result<(), String>>,
    reader: Option<Waker>,
}

impl BodyQueue {
    /// For a body that begins with the initial credit.
    pub(crate) fn stream() -> Self {
        Self {
            state: Mutex::new(QueueState {
                window: ReceiveWindow::stream(),
                chunks: VecDeque::new(),
                tail: BytesMut::new(),
                end: None,
                reader: None,
            }),
        }
    }

    /// A chunk arrived; `part` lies in `buffer`.
    ///
    /// # Errors
    /// [`Overrun`] if the sender had no credit for it.
    pub(crate) fn push(&self, buffer: &Bytes, part: &[u8]) -> Result<(), Overrun> {
        let waker = {
            let mut state = lock(&self.state);
            state.window.received(part.len())?;
            if part.is_empty() || state.end.is_some() {
                return Ok(());
            }
            if part.len() < COPY_BELOW {
                state.tail.extend_from_slice(part);
            } else {
                state.seal_tail();
                state.chunks.push_back(buffer.slice_ref(part));
            }
            state.reader.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// No more will arrive.
    pub(crate) fn finish(&self, end: Result<(), String>) {
        let waker = {
            let mut state = lock(&self.state);
            state.end.get_or_insert(end);
            state.reader.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next piece. Only one task may poll.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Piece> {
        let mut state = lock(&self.state);
        if state.chunks.is_empty() {
            state.seal_tail();
        }
        if let Some(chunk) = state.chunks.pop_front() {
            let credit = state.window.consumed(chunk.len());
            return Poll::Ready(Piece::Chunk(chunk, credit));
        }
        match &state.end {
            Some(Ok(())) => Poll::Ready(Piece::End),
            Some(Err(reason)) => Poll::Ready(Piece::Broken(reason.clone())),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl QueueState {
    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail = self.tail.split().freeze();
            self.chunks.push_back(tail);
        }
    }
}

#[cfg(test)]
mod tests {
    use isthmus_protocol::flow::INITIAL_CREDIT;

    use super::*;

    fn next(queue: &BodyQueue) -> Poll<Piece> {
        queue.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn pieces_come_in_order_and_small_ones_together() {
        let queue = BodyQueue::stream();
        let large = Bytes::from(vec![7; COPY_BELOW]);
        for part in [&b"a"[..], b"b", b""] {
            queue
                .push(&Bytes::copy_from_slice(part), part)
                .expect("within credit");
        }
        queue.push(&large, &large).expect("within credit");
        queue
            .push(&Bytes::from_static(b"c"), b"c")
            .expect("within credit");
        queue.finish(Ok(()));
        assert_eq!(
            next(&queue),
            Poll::Ready(Piece::Chunk(Bytes::from_static(b"ab"), 0))
        );
        assert_eq!(next(&queue), Poll::Ready(Piece::Chunk(large, 0)));
        assert_eq!(
            next(&queue),
            Poll::Ready(Piece::Chunk(Bytes::from_static(b"c"), 0))
        );
        assert_eq!(next(&queue), Poll::Ready(Piece::End));
    }

    #[test]
    fn an_unread_queue_never_holds_more_than_the_credit() {
        let queue = BodyQueue::stream();
        let chunk = Bytes::from(vec![0; 1000]);
        let mut held = 0;
        while queue.push(&chunk, &chunk).is_ok() {
            held += chunk.len();
        }
        assert!(held <= INITIAL_CREDIT as usize && held + chunk.len() > INITIAL_CREDIT as usize);
    }

    #[test]
    fn reading_gives_credit_back() {
        let queue = BodyQueue::stream();
        let all = Bytes::from(vec![0; INITIAL_CREDIT as usize]);
        queue.push(&all, &all).expect("within credit");
        let Poll::Ready(Piece::Chunk(_, credit)) = next(&queue) else {
            panic!("a chunk is there");
        };
        assert_eq!(credit, INITIAL_CREDIT);
        queue.push(&all, &all).expect("credit was given back");
        assert!(queue.push(&all, &all).is_err());
    }

    #[test]
    fn the_first_end_counts() {
        let queue = BodyQueue::stream();
        queue.finish(Err("broke off".into()));
        queue.finish(Ok(()));
        assert_eq!(next(&queue), Poll::Ready(Piece::Broken("broke off".into())));
    }

    #[tokio::test]
    async fn a_sender_waits_for_credit_and_stops_when_told() {
        let flow = std::sync::Arc::new(SendFlow::held());
        let waiting = tokio::spawn({
            let flow = flow.clone();
            async move { (flow.next_chunk().await, flow) }
        });
        flow.credit(5);
        assert_eq!(waiting.await.expect("no panic").0, Some(5));
        flow.sent(5);
        flow.stop();
        assert_eq!(flow.next_chunk().await, None);
        flow.stopped().await;
    }
}
