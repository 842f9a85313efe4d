//! What is to be written to one connection: a buffer that everyone appends frames to and one task writes.
//!
//! The task takes all that has gathered per wake-up and writes it at once, so that a busy connection needs
//! few system calls.

use std::future::poll_fn;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::task::Poll;

use isthmus_protocol::{Frame, WireError, encode};
use rustix::net::SendFlags;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

use crate::broker::prompt;
use crate::limits::OUTGOING_HIGH_WATER;
use crate::streams::lock;

/// A buffer that grew beyond this is given back once it is written.
const KEEP_CAPACITY: usize = 256 * 1024;

/// The frames on their way to one connection.
#[derive(Default)]
pub(crate) struct Outgoing {
    state: Mutex<State>,
    written: Notify,
    wake: Notify,
}

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    in_flight: usize,
    closed: bool,
    /// The connection's socket, for threads that write themselves.
    socket: Option<OwnedFd>,
}

impl State {
    /// Has the kernel take what it can, if nothing is on its way already. Whether that was all.
    fn write_here(&mut self) -> bool {
        let Some(socket) = self.socket.as_ref().filter(|_| self.in_flight == 0) else {
            return false;
        };
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        // What went wrong the writing task finds out as well.
        let written = rustix::net::send(socket, &self.buffer, flags).unwrap_or(0);
        self.buffer.drain(..written);
        self.buffer.is_empty()
    }
}

impl Outgoing {
    /// Lets threads that aren't the runtime's write to the connection themselves (see [`prompt`]). It needs a descriptor more.
    pub(crate) fn write_through(&self, socket: BorrowedFd<'_>) {
        let mut state = lock(&self.state);
        if !state.closed {
            state.socket = socket.try_clone_to_owned().ok();
        }
    }

    /// Appends a frame. After [`Self::close`] it goes nowhere.
    ///
    /// # Errors
    /// [`WireError::TooLong`] if the frame exceeds the limit; nothing was appended.
    pub(crate) fn send(&self, frame: &Frame<'_>) -> Result<(), WireError> {
        let is_to_be_written = {
            let mut state = lock(&self.state);
            if state.closed {
                return Ok(());
            }
            let was_empty = state.buffer.is_empty();
            encode(frame, &mut state.buffer)?;
            was_empty && !(prompt::is_carrying_on() && state.write_here())
        };
        // Otherwise the writer has been woken already and will find this frame as well.
        if is_to_be_written {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Appends a frame that is short by its nature: a credit, a cancellation, an end.
    pub(crate) fn send_short(&self, frame: &Frame<'_>) {
        let sent = self.send(frame);
        debug_assert!(sent.is_ok(), "{frame:?} is short");
    }

    /// Whether less waits than the high-water mark.
    pub(crate) fn has_room(&self) -> bool {
        let state = lock(&self.state);
        state.closed || state.buffer.len() + state.in_flight < OUTGOING_HIGH_WATER
    }

    /// Ends once less waits than the high-water mark, or the connection is closed.
    pub(crate) async fn room(&self) {
        loop {
            let written = self.written.notified();
            tokio::pin!(written);
            // Register before looking, or a write in between would go unnoticed.
            written.as_mut().enable();
            if self.has_room() {
                return;
            }
            written.await;
        }
    }

    /// Drops what waits and everything sent from now on.
    pub(crate) fn close(&self) {
        {
            let mut state = lock(&self.state);
            state.closed = true;
            state.buffer = Vec::new();
            state.socket = None;
        }
        self.wake.notify_one();
        self.written.notify_waiters();
    }

    /// Writes until the connection is closed here or breaks.
    ///
    /// # Errors
    /// What the connection says when it breaks.
    pub(crate) async fn write_to(&self, connection: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let mut batch = Vec::new();
        loop {
            let closed = {
                let mut state = lock(&self.state);
                std::mem::swap(&mut batch, &mut state.buffer);
                state.in_flight = batch.len();
                state.closed
            };
            if closed {
                return Ok(());
            }
            if batch.is_empty() {
                self.wake.notified().await;
                let_others_go_first().await;
                continue;
            }
            let result = connection.write_all(&batch).await;
            let was_full = {
                let mut state = lock(&self.state);
                let waiting = std::mem::take(&mut state.in_flight) + state.buffer.len();
                waiting >= OUTGOING_HIGH_WATER
            };
            if was_full {
                self.written.notify_waiters();
            }
            result?;
            batch.clear();
            batch.shrink_to(KEEP_CAPACITY);
        }
    }
}

/// Goes to the end of the worker's queue once. The runtime runs a task that was just woken next, so that
/// without this each frame would be written before the next connection is even read.
async fn let_others_go_first() {
    let mut gone = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut gone, true) {
            return Poll::Ready(());
        }
        // Unlike `yield_now` this doesn't visit the driver first.
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use isthmus_protocol::FrameReader;
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn frames_arrive_in_order_and_a_full_buffer_makes_room() {
        let outgoing = std::sync::Arc::new(Outgoing::default());
        let chunk = vec![1; 100_000];
        for stream in 0..20 {
            outgoing
                .send(&Frame::Data {
                    stream,
                    chunk: &chunk,
                })
                .expect("short enough");
        }
        assert!(!outgoing.has_room());
        let (mut here, mut there) = tokio::io::duplex(10_000);
        let writer = tokio::spawn({
            let outgoing = outgoing.clone();
            async move { outgoing.write_to(&mut here).await }
        });
        let mut reader = FrameReader::new();
        for expected in 0..20 {
            let frame = loop {
                if let Some(frame) = reader.next_frame().expect("well formed") {
                    break frame;
                }
                assert_ne!(there.read_buf(reader.buffer()).await.expect("open"), 0);
            };
            let Frame::Data { stream, .. } = isthmus_protocol::decode(&frame).expect("a frame") else {
                panic!("only data was sent");
            };
            assert_eq!(stream, expected);
        }
        outgoing.room().await;
        outgoing.close();
        writer.await.expect("no panic").expect("closed, not broken");
    }

    #[tokio::test]
    async fn closing_frees_those_who_wait_for_room() {
        let outgoing = std::sync::Arc::new(Outgoing::default());
        let chunk = vec![1; OUTGOING_HIGH_WATER];
        outgoing
            .send(&Frame::Data {
                stream: 1,
                chunk: &chunk,
            })
            .expect("short enough");
        let waiting = tokio::spawn({
            let outgoing = outgoing.clone();
            async move { outgoing.room().await }
        });
        tokio::task::yield_now().await;
        outgoing.close();
        waiting.await.expect("no panic");
    }
}
