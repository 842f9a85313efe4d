//! Collects the value of a put as it arrives.

use bytes::{Bytes, BytesMut};

use super::{KvError, limits};

/// A value under way. Beyond the limit it only counts, since upstream's message tells the full length.
#[derive(Debug, Default)]
pub struct ValueBuffer {
    /// The only chunk so far: a value that comes in one piece is never copied.
    first: Bytes,
    /// All chunks, once there are several.
    joined: BytesMut,
    length: u64,
    announced: Option<u64>,
}

impl ValueBuffer {
    /// `announced` is the length in bytes, where known beforehand.
    ///
    /// # Errors
    /// 413 if that is beyond the limit.
    pub(super) fn new(announced: Option<u64>) -> Result<Self, KvError> {
        announced.map_or(Ok(()), limits::check_value_length)?;
        Ok(Self {
            announced,
            ..Self::default()
        })
    }

    /// Takes the next chunk.
    pub fn push(&mut self, chunk: Bytes) {
        let before = self.length;
        self.length += chunk.len() as u64;
        if self.length > limits::MAX_VALUE_BYTES {
            self.first = Bytes::new();
            self.joined = BytesMut::new();
        } else if before == 0 {
            self.first = chunk;
        } else {
            if self.joined.is_empty() {
                let expected = self.announced.unwrap_or(0).max(self.length);
                self.joined.reserve(expected as usize);
                self.joined.extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.joined.extend_from_slice(&chunk);
        }
    }

    /// The whole value.
    ///
    /// # Errors
    /// 413 if it is too long.
    pub fn finish(self) -> Result<Bytes, KvError> {
        limits::check_value_length(self.length)?;
        Ok(if self.joined.is_empty() {
            self.first
        } else {
            self.joined.freeze()
        })
    }
}
