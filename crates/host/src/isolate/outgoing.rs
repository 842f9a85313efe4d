//! What is to be written to one connection: frames and bodies that everyone appends to and one task writes.
//!
//! The task takes all that has gathered per wake-up and writes it at once, so that a busy connection needs
//! few system calls. Large chunks are written from where they are: those in memory as they are, those of a file by the
//! kernel, which puts the pages of its cache on the way and copies none of them.

use std::collections::VecDeque;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::{Buf, Bytes};
use isthmus_protocol::{Frame, StreamId, WireError, encode, encode_chunk_head};
use rustix::fs::sendfile;
use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Notify;

use crate::broker::prompt;
use crate::limits::OUTGOING_HIGH_WATER;
use crate::streams::lock;

/// A buffer that grew beyond this is given back once it is written.
const KEEP_CAPACITY: usize = 256 * 1024;

/// Chunks from this many bytes on are not copied together with what goes before and after.
const LARGE: usize = 16 * 1024;

/// How many pieces one system call writes.
const PIECES: usize = 16;

/// The frames on their way to one connection.
#[derive(Default)]
pub(crate) struct Outgoing {
    state: Mutex<State>,
    written: Notify,
    wake: Notify,
}

#[derive(Default)]
struct State {
    queue: Queue,
    in_flight: usize,
    closed: bool,
    /// The connection's socket, for threads that write themselves.
    socket: Option<OwnedFd>,
}

impl State {
    /// Has the kernel take what it can, if nothing is on its way already. Whether that was all.
    fn write_here(&mut self) -> bool {
        let is_free = self.in_flight == 0 && self.queue.large.is_empty();
        let Some(socket) = self.socket.as_ref().filter(|_| is_free) else {
            return false;
        };
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        // What went wrong the writing task finds out as well.
        let written = rustix::net::send(socket, &self.queue.frames, flags).unwrap_or(0);
        self.queue.frames.drain(..written);
        self.queue.bytes -= written;
        self.queue.frames.is_empty()
    }
}

/// What waits, in order.
#[derive(Default)]
struct Queue {
    /// Large chunks, and the frames before each.
    large: VecDeque<(Vec<u8>, Chunk)>,
    /// The frames after them.
    frames: Vec<u8>,
    /// How many bytes these are together.
    bytes: usize,
}

/// The bytes of a large chunk.
enum Chunk {
    Memory(Bytes),
    File {
        file: Arc<File>,
        offset: u64,
        left: usize,
    },
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.large.is_empty() && self.frames.is_empty()
    }

    fn push(&mut self, frame: &Frame<'_>) -> Result<(), WireError> {
        let before = self.frames.len();
        encode(frame, &mut self.frames)?;
        self.bytes += self.frames.len() - before;
        Ok(())
    }

    fn push_chunk(&mut self, stream: StreamId, length: usize, chunk: Chunk) -> Result<(), WireError> {
        let before = self.frames.len();
        encode_chunk_head(stream, length, &mut self.frames)?;
        self.bytes += self.frames.len() - before + length;
        self.large.push_back((std::mem::take(&mut self.frames), chunk));
        Ok(())
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
        self.append(|queue| queue.push(frame))
    }

    /// Appends a frame that is short by its nature: a credit, a cancellation, an end.
    pub(crate) fn send_short(&self, frame: &Frame<'_>) {
        let sent = self.send(frame);
        debug_assert!(sent.is_ok(), "{frame:?} is short");
    }

    /// Appends a chunk of a body, of at most [`isthmus_protocol::flow::CHUNK_MAX`] bytes.
    pub(crate) fn send_chunk(&self, stream: StreamId, chunk: Bytes) {
        if chunk.len() < LARGE {
            return self.send_short(&Frame::Data {
                stream,
                chunk: &chunk,
            });
        }
        let sent = self.append(|queue| queue.push_chunk(stream, chunk.len(), Chunk::Memory(chunk)));
        debug_assert!(sent.is_ok(), "a chunk is shorter than a frame may be");
    }

    /// Appends a chunk of a body that lies in a file which doesn't change: `length` bytes at `offset`, at most as above.
    pub(crate) fn send_part(&self, stream: StreamId, file: Arc<File>, offset: u64, length: usize) {
        let left = length;
        let sent = self.append(|queue| queue.push_chunk(stream, length, Chunk::File { file, offset, left }));
        debug_assert!(sent.is_ok(), "a chunk is shorter than a frame may be");
    }

    fn append(&self, push: impl FnOnce(&mut Queue) -> Result<(), WireError>) -> Result<(), WireError> {
        let is_to_be_written = {
            let mut state = lock(&self.state);
            if state.closed {
                return Ok(());
            }
            let was_empty = state.queue.is_empty();
            push(&mut state.queue)?;
            was_empty && !(prompt::is_carrying_on() && state.write_here())
        };
        // Otherwise the writer has been woken already and will find this frame as well.
        if is_to_be_written {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Whether less waits than the high-water mark.
    pub(crate) fn has_room(&self) -> bool {
        let state = lock(&self.state);
        state.closed || state.queue.bytes + state.in_flight < OUTGOING_HIGH_WATER
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
            state.queue = Queue::default();
            state.socket = None;
        }
        self.wake.notify_one();
        self.written.notify_waiters();
    }

    /// Writes until the connection is closed here or breaks.
    ///
    /// # Errors
    /// What the connection says when it breaks, and what a file says that can't be read: the connection is of no use
    /// any more then.
    pub(crate) async fn write_to(&self, connection: &UnixStream) -> io::Result<()> {
        // The memory of what was written last.
        let mut spare = Vec::new();
        loop {
            let (mut batch, closed) = {
                let mut state = lock(&self.state);
                let batch = std::mem::take(&mut state.queue);
                state.queue.frames = std::mem::take(&mut spare);
                state.in_flight = batch.bytes;
                (batch, state.closed)
            };
            if closed {
                return Ok(());
            }
            if batch.is_empty() {
                spare = batch.frames;
                self.wake.notified().await;
                let_others_go_first().await;
                continue;
            }
            let result = write_queue(connection, &mut batch).await;
            let was_full = {
                let mut state = lock(&self.state);
                let waiting = std::mem::take(&mut state.in_flight) + state.queue.bytes;
                waiting >= OUTGOING_HIGH_WATER
            };
            if was_full {
                self.written.notify_waiters();
            }
            result?;
            spare = batch.frames;
            spare.clear();
            spare.shrink_to(KEEP_CAPACITY);
        }
    }
}

/// Writes all of a queue, whose frames it leaves.
async fn write_queue(connection: &UnixStream, queue: &mut Queue) -> io::Result<()> {
    // How much of the first frames is written.
    let mut begun = 0;
    loop {
        if let Some((frames, Chunk::File { file, offset, left })) = queue.large.front_mut()
            && begun == frames.len()
        {
            while *left > 0 {
                let send = || Ok(sendfile(connection, &*file, Some(offset), *left)?);
                match connection.async_io(Interest::WRITABLE, send).await {
                    // What its chunk was announced with can't be taken back.
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(sent) => *left -= sent,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            queue.large.pop_front();
            begun = 0;
            continue;
        }
        let mut slices = [IoSlice::new(&[]); PIECES];
        let mut filled = 0;
        let mut skip = begun;
        let mut ends_in_file = false;
        for (frames, chunk) in &queue.large {
            if filled + 2 > PIECES {
                break;
            }
            slices[filled] = IoSlice::new(&frames[skip..]);
            filled += 1;
            skip = 0;
            match chunk {
                Chunk::Memory(bytes) => {
                    slices[filled] = IoSlice::new(bytes);
                    filled += 1;
                }
                Chunk::File { .. } => {
                    ends_in_file = true;
                    break;
                }
            }
        }
        if !ends_in_file && filled < PIECES {
            slices[filled] = IoSlice::new(&queue.frames[skip..]);
            filled += 1;
        }
        let slices = &slices[..filled];
        if slices.iter().all(|slice| slice.is_empty()) {
            return Ok(());
        }
        connection.writable().await?;
        let mut written = match connection.try_write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        loop {
            let Some((frames, chunk)) = queue.large.front_mut() else {
                begun += written;
                break;
            };
            let first = written.min(frames.len() - begun);
            begun += first;
            written -= first;
            let Chunk::Memory(bytes) = chunk else { break };
            if begun < frames.len() || written < bytes.len() {
                bytes.advance(written);
                break;
            }
            written -= bytes.len();
            queue.large.pop_front();
            begun = 0;
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
        let (here, mut there) = UnixStream::pair().expect("a pair of sockets");
        let writer = tokio::spawn({
            let outgoing = outgoing.clone();
            async move { outgoing.write_to(&here).await }
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

    /// A file of the bytes, which is gone with the test.
    fn file_of(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().expect("a temporary file");
        io::Write::write_all(&mut file, bytes).expect("there is room");
        Arc::new(file)
    }

    #[tokio::test]
    async fn chunks_from_memory_and_from_files_come_between_frames_as_they_were_sent() {
        let outgoing = Outgoing::default();
        let bytes: Vec<u8> = (0..600_000_u32).map(|number| (number % 251) as u8).collect();
        let (whole, file) = (Bytes::from(bytes.clone()), file_of(&bytes));
        let mut expected = Vec::new();
        for stream in 0..40 {
            // Short and long ones, some that fill the socket, several of a kind in a row.
            let offset = stream as usize * 31;
            let length = [1, 20_000, LARGE, 500_000, 100][stream as usize % 5];
            match stream % 3 {
                0 => outgoing.send_chunk(stream, whole.slice(offset..offset + length)),
                1 => outgoing.send_part(stream, file.clone(), offset as u64, length),
                _ => {}
            }
            outgoing.send_short(&Frame::End { stream, error: None });
            if stream % 3 != 2 {
                expected.push((stream, bytes[offset..offset + length].to_vec()));
            }
        }
        let (here, mut there) = UnixStream::pair().expect("a pair of sockets");
        let read = async {
            let (mut reader, mut found, mut ends) = (FrameReader::new(), Vec::new(), 0);
            while ends < 40 {
                while let Some(frame) = reader.next_frame().expect("well formed") {
                    match isthmus_protocol::decode(&frame).expect("a frame") {
                        Frame::Data { stream, chunk } => found.push((stream, chunk.to_vec())),
                        Frame::End { stream, .. } => {
                            assert_eq!(stream, ends, "in order");
                            ends += 1;
                        }
                        other => panic!("{other:?} was not sent"),
                    }
                }
                if ends < 40 {
                    assert_ne!(there.read_buf(reader.buffer()).await.expect("open"), 0);
                }
            }
            found
        };
        tokio::select! {
            found = read => assert!(found == expected),
            _ = outgoing.write_to(&here) => panic!("it was not closed"),
        }
    }

    #[tokio::test]
    async fn a_file_that_is_cut_off_breaks_the_connection() {
        let outgoing = Outgoing::default();
        outgoing.send_part(1, file_of(&[7; 1000]), 0, 2000);
        let (here, _there) = UnixStream::pair().expect("a pair of sockets");
        let broken = outgoing
            .write_to(&here)
            .await
            .expect_err("what was announced can't come");
        assert_eq!(broken.kind(), io::ErrorKind::UnexpectedEof);
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
