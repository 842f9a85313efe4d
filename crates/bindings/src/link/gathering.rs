//! A body that is wanted as a whole: what arrives of it is read to where it stays.

use bytes::Bytes;
use isthmus_web::body::{GatherDone, room_for};

/// The longest body that gathers, in bytes: the host is asked for all of it at once.
const LONGEST: u64 = 512 * 1024 * 1024;

/// The memory of a whole body, filled from the front.
pub(super) struct Gathering {
    bytes: Vec<u8>,
    filled: usize,
}

impl Gathering {
    /// Room for a body of `length` bytes; `None` if it is too long or there is none.
    pub(super) fn new(length: u64) -> Option<Self> {
        if length > LONGEST {
            return None;
        }
        let bytes = room_for(usize::try_from(length).ok()?)?;
        Some(Self { bytes, filled: 0 })
    }

    /// How many bytes are missing.
    pub(super) fn missing(&self) -> usize {
        self.bytes.len() - self.filled
    }

    /// Where the next bytes go, `most` at most.
    pub(super) fn room(&mut self, most: usize) -> &mut [u8] {
        let end = self.bytes.len().min(self.filled + most);
        &mut self.bytes[self.filled..end]
    }

    /// Counts bytes that were put into [`Self::room`].
    pub(super) fn filled(&mut self, bytes: usize) {
        self.filled += bytes;
    }

    /// Adds bytes, of which no more than are missing count.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = self.room(bytes.len());
        let length = room.len();
        room.copy_from_slice(&bytes[..length]);
        self.filled(length);
    }

    /// The body, once it has ended.
    pub(super) fn finish(self) -> Result<Bytes, String> {
        match self.missing() {
            0 => Ok(self.bytes.into()),
            _ => Err("it is shorter than was announced".to_owned()),
        }
    }
}

/// A body that gathers, and who waits for it.
pub(super) struct Wanted {
    /// `None` while a chunk is read into it.
    pub(super) body: Option<Gathering>,
    pub(super) done: GatherDone,
}
