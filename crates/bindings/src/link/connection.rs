//! One socket to the host: frames in, frames out.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use bytes::Bytes;
use isthmus_protocol::{Frame, FrameReader, StreamId, WireError, encode};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::SendFlags;

use super::gathering::Gathering;

/// How much one read may bring.
const READ_SIZE: usize = 256 * 1024;

/// How much a read may bring behind the end of a chunk that goes to its body by itself: the head of the next one, which
/// goes there too.
const BEHIND: usize = 32;

/// The rest of a chunk goes to its body by itself if it has at least so many bytes.
const LANDS: usize = 16 * 1024;

/// How much one turn of the event loop reads of such chunks.
const TURN: usize = 4 * 1024 * 1024;

/// Chunks of a body below this many bytes are put together, up to about as much.
const SMALL: usize = 8 * 1024;

/// While the event loop has other work, small chunks are written no more often: each write wakes the host, which writes to
/// its client in turn. A chunk that comes after a pause is not held back.
const GATHERING: Duration = Duration::from_micros(200);

/// What is wrong with a connection; either way nothing more comes or goes.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The host closed it.
    #[error("the host closed the connection")]
    Closed,
    /// The kernel refused.
    #[error("the connection to the host failed: {0}")]
    Io(#[from] io::Error),
    /// The host sent something else than frames.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// A socket to the host. Frames are collected and written once per turn of the event loop.
pub struct Connection {
    socket: OwnedFd,
    reader: RefCell<FrameReader>,
    /// What a read fills. Never cleared memory: its pages are this process's own from the first byte written.
    scratch: RefCell<Vec<u8>>,
    /// A large chunk whose rest is read to where its body gathers.
    landing: RefCell<Option<Landing>>,
    outgoing: RefCell<Vec<u8>>,
    /// Small chunks of one body that followed each other, to be sent as one frame after `outgoing`.
    joined: RefCell<Joined>,
    /// The kernel's buffer was full: the event loop watches for room.
    blocked: Cell<bool>,
    /// When something was written last.
    flushed: Cell<Option<Instant>>,
}

struct Landing {
    stream: StreamId,
    /// How much of the chunk is still to come.
    left: usize,
    body: Gathering,
}

#[derive(Default)]
struct Joined {
    stream: StreamId,
    chunk: Vec<u8>,
}

impl Joined {
    /// Makes a frame of what there is.
    fn seal(&mut self, outgoing: &mut Vec<u8>) -> Result<(), WireError> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let frame = Frame::Data {
            stream: self.stream,
            chunk: &self.chunk,
        };
        let sealed = encode(&frame, outgoing);
        self.chunk.clear();
        sealed
    }
}

impl Connection {
    /// Takes over a socket and makes it non-blocking.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self {
            socket,
            reader: RefCell::default(),
            scratch: RefCell::new(Vec::with_capacity(READ_SIZE)),
            landing: RefCell::default(),
            outgoing: RefCell::default(),
            joined: RefCell::default(),
            blocked: Cell::new(false),
            flushed: Cell::new(None),
        })
    }

    /// The descriptor, for the event loop.
    pub fn raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Puts a frame into the buffer. Small chunks that one body sends in a row become one.
    ///
    /// # Errors
    /// If it is too long; nothing was added then.
    pub fn send(&self, frame: &Frame<'_>) -> Result<(), WireError> {
        let mut outgoing = self.outgoing.borrow_mut();
        let mut joined = self.joined.borrow_mut();
        if let Frame::Data { stream, chunk } = frame
            && chunk.len() < SMALL
        {
            if joined.stream != *stream || joined.chunk.len() >= SMALL {
                joined.seal(&mut outgoing)?;
                joined.stream = *stream;
            }
            joined.chunk.extend_from_slice(chunk);
            return Ok(());
        }
        joined.seal(&mut outgoing)?;
        encode(frame, &mut outgoing)
    }

    /// Whether frames wait for [`Self::flush`].
    pub fn has_outgoing(&self) -> bool {
        !self.outgoing.borrow().is_empty() || !self.joined.borrow().chunk.is_empty()
    }

    /// Whether nothing waits but small chunks that more may be put to, provided that there will be another turn at once.
    pub fn can_gather(&self) -> bool {
        self.outgoing.borrow().is_empty()
            && self.joined.borrow().chunk.len() < SMALL
            && self
                .flushed
                .get()
                .is_some_and(|flushed| flushed.elapsed() < GATHERING)
    }

    /// Whether the kernel took less than all, so that its readiness is to be awaited.
    pub fn blocked(&self) -> bool {
        self.blocked.get()
    }

    /// Writes what the kernel takes of the collected frames.
    ///
    /// # Errors
    /// If the connection is broken.
    pub fn flush(&self) -> Result<(), ConnectionError> {
        let mut outgoing = self.outgoing.borrow_mut();
        self.joined.borrow_mut().seal(&mut outgoing)?;
        let mut written = 0;
        while written < outgoing.len() {
            // Not by `write`: a program that has SIGPIPE as the system has it would die of a companion's end.
            match rustix::net::send(self.socket.as_fd(), &outgoing[written..], SendFlags::NOSIGNAL) {
                Ok(count) => written += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => {
                    return Err(ConnectionError::Closed);
                }
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        outgoing.drain(..written);
        self.flushed.set(Some(Instant::now()));
        self.blocked.set(!outgoing.is_empty());
        Ok(())
    }

    /// Reads what has arrived; whole frames are then had from [`super::Link::next_frame`].
    ///
    /// # Errors
    /// If the connection is broken.
    pub fn fill(&self) -> Result<(), ConnectionError> {
        if let Some(landing) = &mut *self.landing.borrow_mut() {
            return self.read_on(landing);
        }
        let mut scratch = self.scratch.borrow_mut();
        loop {
            scratch.clear();
            match rustix::io::read(self.socket.as_fd(), spare_capacity(&mut scratch)) {
                Ok(0) => return Err(ConnectionError::Closed),
                Ok(_) => {
                    self.reader.borrow_mut().buffer().extend_from_slice(&scratch);
                    return Ok(());
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(rustix::io::Errno::CONNRESET) => return Err(ConnectionError::Closed),
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }

    /// Reads more of a chunk that goes to its body by itself, and a little of what is behind.
    fn read_on(&self, landing: &mut Landing) -> Result<(), ConnectionError> {
        let mut read = 0;
        while landing.left > 0 && read < TURN {
            let mut behind = [0; BEHIND];
            let room = landing.body.room(landing.left);
            let wanted = room.len();
            let mut parts = [IoSliceMut::new(room), IoSliceMut::new(&mut behind)];
            let count = match rustix::io::readv(self.socket.as_fd(), &mut parts) {
                Ok(0) | Err(rustix::io::Errno::CONNRESET) => return Err(ConnectionError::Closed),
                Ok(count) => count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(io::Error::from(error).into()),
            };
            let landed = count.min(wanted);
            landing.body.filled(landed);
            landing.left -= landed;
            read += count;
            self.reader
                .borrow_mut()
                .buffer()
                .extend_from_slice(&behind[..count - landed]);
        }
        Ok(())
    }

    /// The stream of which a large chunk has begun to arrive, and the chunk's length.
    pub(super) fn begun_chunk(&self) -> Option<(StreamId, usize)> {
        let (stream, length, here) = self.reader.borrow().begun_chunk()?;
        (length - here >= LANDS).then_some((stream, length))
    }

    /// Has such a chunk go to `body`, which has room for it.
    pub(super) fn land(&self, stream: StreamId, length: usize, mut body: Gathering) {
        let begun = self.reader.borrow_mut().take_begun_chunk();
        body.push(&begun);
        self.landing.replace(Some(Landing {
            stream,
            left: length - begun.len(),
            body,
        }));
    }

    /// Whether the rest of such a chunk is awaited.
    pub(super) fn is_landing(&self) -> bool {
        self.landing
            .borrow()
            .as_ref()
            .is_some_and(|landing| landing.left > 0)
    }

    /// The body whose chunk has arrived.
    pub(super) fn landed(&self) -> Option<(StreamId, Gathering)> {
        let landing = self.landing.borrow_mut().take_if(|landing| landing.left == 0)?;
        Some((landing.stream, landing.body))
    }

    /// Whether the other side has closed the socket, be there something left to read or not.
    pub fn is_ended(&self) -> bool {
        let mut polled = [PollFd::new(&self.socket, PollFlags::empty())];
        matches!(
            rustix::event::poll(&mut polled, Some(&Timespec::default())),
            Ok(1..)
        ) && polled[0].revents().contains(PollFlags::HUP)
    }

    /// The next whole frame that has arrived.
    ///
    /// # Errors
    /// If what arrived is no frame.
    pub(super) fn next_frame(&self) -> Result<Option<Bytes>, ConnectionError> {
        Ok(self.reader.borrow_mut().next_frame()?)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn only_small_chunks_that_follow_others_are_gathered() {
        let (here, _there) = UnixStream::pair().expect("a pair of sockets");
        let connection = Connection::new(here.into()).expect("a connection");
        let small = Frame::Data {
            stream: 1,
            chunk: b"small",
        };
        connection.send(&small).expect("short enough");
        assert!(!connection.can_gather(), "it comes after a pause");
        connection.flush().expect("an open connection");
        assert!(!connection.has_outgoing());
        connection.send(&small).expect("short enough");
        connection
            .send(&Frame::End {
                stream: 1,
                error: None,
            })
            .expect("short enough");
        assert!(!connection.can_gather(), "an end is not held back");
        connection.flush().expect("an open connection");
        for _ in 0..SMALL {
            connection.send(&small).expect("short enough");
        }
        assert!(!connection.can_gather(), "that is enough for a write");
    }
}
