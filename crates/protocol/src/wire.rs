//! The wire format: a 32-bit little-endian length, then that many bytes of postcard.

use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

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
}
