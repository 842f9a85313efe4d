//! The wire format: a 32-bit little-endian length, then that many bytes of postcard.

use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::Frame;
use crate::StreamId;

/// The longest frame either side accepts, in bytes, without its length prefix.
pub const MAX_FRAME: usize = 4 * 1024 * 1024;

const PREFIX: usize = 4;

/// What can be wrong with bytes from the other side.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The length prefix is beyond [`MAX_FRAME`].
    #[error("a frame of {length} bytes exceeds the limit of {MAX_FRAME}")]
    TooLong {
        /// The length announced or needed.
        length: usize,
    },
    /// The bytes are no such message.
    #[error("a frame could not be read: {0}")]
    Malformed(#[from] postcard::Error),
}

/// Appends `message` with its length prefix to `out`; on an error `out` is as before.
///
/// # Errors
/// [`WireError::TooLong`] if the message exceeds [`MAX_FRAME`].
pub fn encode<T: Serialize + ?Sized>(message: &T, out: &mut Vec<u8>) -> Result<(), WireError> {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    match postcard::to_extend(message, Appender(out)) {
        Ok(_) => {}
        Err(error) => {
            out.truncate(start);
            return Err(error.into());
        }
    }
    let length = out.len() - start - PREFIX;
    if length > MAX_FRAME {
        out.truncate(start);
        return Err(WireError::TooLong { length });
    }
    out[start..start + PREFIX].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(())
}

/// Appends the head of a [`Frame::Data`] whose `length` bytes are to follow it on the wire, however they get there.
///
/// # Errors
/// As [`encode`].
pub fn encode_chunk_head(stream: StreamId, length: usize, out: &mut Vec<u8>) -> Result<(), WireError> {
    let start = out.len();
    encode(&ChunkHead(CHUNK, stream, length), out)?;
    let total = out.len() - start - PREFIX + length;
    if total > MAX_FRAME {
        out.truncate(start);
        return Err(WireError::TooLong { length: total });
    }
    out[start..start + PREFIX].copy_from_slice(&(total as u32).to_le_bytes());
    Ok(())
}

/// A [`Frame::Data`] without its bytes: postcard puts the variant, the stream and the length one behind the other.
#[derive(Serialize, Deserialize)]
struct ChunkHead(u32, StreamId, usize);

/// Which variant of [`Frame`] that is.
const CHUNK: u32 = 2;

/// Lets postcard append to a borrowed vector.
struct Appender<'a>(&'a mut Vec<u8>);

impl Extend<u8> for Appender<'_> {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        self.0.extend(bytes);
    }
}

/// Reads one message from a whole frame (without its prefix); the result borrows from it.
///
/// # Errors
/// [`WireError::Malformed`] if the bytes are no such message.
pub fn decode<'a, T: Deserialize<'a>>(frame: &'a [u8]) -> Result<T, WireError> {
    Ok(postcard::from_bytes(frame)?)
}

/// Splits a byte stream into frames.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: BytesMut,
}

impl FrameReader {
    /// An empty reader.
    pub fn new() -> Self {
        Self::default()
    }

    /// The buffer to read more bytes into (append only).
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole frame, without its prefix; `None` until more bytes arrive.
    ///
    /// # Errors
    /// [`WireError::TooLong`]: the connection can't be read any further.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, WireError> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*prefix) as usize;
        if length > MAX_FRAME {
            return Err(WireError::TooLong { length });
        }
        if self.buffer.len() < PREFIX + length {
            self.buffer.reserve(PREFIX + length - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// If what has arrived is the beginning of a [`Frame::Data`]: its stream, the length of its chunk, and how much of
    /// that is here.
    pub fn begun_chunk(&self) -> Option<(StreamId, usize, usize)> {
        let (head, begun) = self.chunk_head()?;
        Some((head.1, head.2, begun.len()))
    }

    /// Gives up such a beginning to whoever reads the rest of the chunk by himself: the part of it that is here.
    pub fn take_begun_chunk(&mut self) -> BytesMut {
        let head = self
            .chunk_head()
            .map_or(0, |(_, begun)| self.buffer.len() - begun.len());
        let mut begun = self.buffer.split();
        begun.advance(head);
        begun
    }

    fn chunk_head(&self) -> Option<(ChunkHead, &[u8])> {
        let prefix = self.buffer.first_chunk::<PREFIX>()?;
        let length = u32::from_le_bytes(*prefix) as usize;
        let frame = &self.buffer[PREFIX..];
        let (head, begun) = postcard::take_from_bytes::<ChunkHead>(frame).ok()?;
        let is_sound = head.0 == CHUNK && length <= MAX_FRAME && frame.len() - begun.len() + head.2 == length;
        (is_sound && begun.len() < head.2).then_some((head, begun))
    }
}
