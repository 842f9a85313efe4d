//! Credit-based flow control of bodies: a sender never has more unread bytes under way than the
//! receiver allowed, so a slow reader costs bounded memory and blocks nobody else.

/// A body up to this many bytes travels in the frame of its head ([`crate::Body::Inline`]).
pub const INLINE_MAX: usize = 64 * 1024;

/// The largest chunk in one [`crate::Frame::Data`]. Only a receiver that has granted more credit than
/// [`INITIAL_CREDIT`] gets such.
pub const CHUNK_MAX: usize = 1024 * 1024;

/// What a sender may send of a [`crate::Body::Stream`] before the first credit. A
/// [`crate::Body::Held`] and a [`crate::Body::Request`] begin with none.
pub const INITIAL_CREDIT: u32 = 256 * 1024;

/// What each [`crate::Message`] costs beside its bytes.
pub const MESSAGE_OVERHEAD: usize = 64;

/// The longest message that the host passes on to an isolate, in bytes. Upstream's limit.
pub const MESSAGE_MAX: usize = 32 * 1024 * 1024;

/// The sender's side of one body.
#[derive(Debug, Clone)]
pub struct SendWindow {
    available: u64,
}

impl SendWindow {
    /// The window of a [`crate::Body::Stream`].
    pub fn stream() -> Self {
        Self {
            available: u64::from(INITIAL_CREDIT),
        }
    }

    /// The window of a [`crate::Body::Held`] or a [`crate::Body::Request`].
    pub fn held() -> Self {
        Self { available: 0 }
    }

    /// How long the next chunk may be: zero means wait for credit.
    pub fn next_chunk(&self) -> usize {
        self.available.min(CHUNK_MAX as u64) as usize
    }

    /// How many bytes of a message may go into the next [`crate::Message`]; `None` means wait for credit.
    pub fn next_piece(&self) -> Option<usize> {
        self.next_chunk()
            .checked_sub(MESSAGE_OVERHEAD)
            .filter(|bytes| *bytes > 0)
    }

    /// Counts `bytes` as sent. They must have been at most [`Self::next_chunk`].
    pub fn sent(&mut self, bytes: usize) {
        debug_assert!(bytes as u64 <= self.available);
        self.available = self.available.saturating_sub(bytes as u64);
    }

    /// Adds the credit of a [`crate::Frame::Credit`].
    pub fn credit(&mut self, bytes: u32) {
        self.available = self.available.saturating_add(u64::from(bytes));
    }
}

/// The receiver's side of one body: checks the sender and says when to grant more.
#[derive(Debug, Clone)]
pub struct ReceiveWindow {
    granted: u64,
    consumed: u64,
}

/// The other side sent more than it was allowed: the connection is broken by a bug or on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a body exceeded its credit by {excess} bytes")]
pub struct Overrun {
    /// By how many bytes.
    pub excess: u64,
}

impl ReceiveWindow {
    /// The window of a [`crate::Body::Stream`].
    pub fn stream() -> Self {
        Self {
            granted: u64::from(INITIAL_CREDIT),
            consumed: 0,
        }
    }

    /// The window of a [`crate::Body::Held`] or a [`crate::Body::Request`] before the first credit.
    pub fn held() -> Self {
        Self {
            granted: 0,
            consumed: 0,
        }
    }

    /// Counts a chunk that arrived.
    ///
    /// # Errors
    /// [`Overrun`] if the sender had no credit for it.
    pub fn received(&mut self, bytes: usize) -> Result<(), Overrun> {
        let bytes = bytes as u64;
        if bytes > self.granted {
            return Err(Overrun {
                excess: bytes - self.granted,
            });
        }
        self.granted -= bytes;
        Ok(())
    }

    /// Counts bytes that the reader took; returns the credit to grant now, or 0 to wait until more
    /// has been read (so that credits are few).
    pub fn consumed(&mut self, bytes: usize) -> u32 {
        self.consumed += bytes as u64;
        if self.consumed < u64::from(INITIAL_CREDIT) / 2 {
            return 0;
        }
        let credit = self.consumed.min(u64::from(u32::MAX)) as u32;
        self.consumed -= u64::from(credit);
        self.granted += u64::from(credit);
        credit
    }

    /// Sees to it that `bytes` in all may be sent, for a reader that has room for them; the credit to grant now.
    pub fn widen(&mut self, bytes: u32) -> u32 {
        let missing = u64::from(bytes).saturating_sub(self.granted);
        self.granted += missing;
        // No more than `bytes`.
        missing as u32
    }

    /// Grants the first credit of a held body that is to be read now.
    pub fn open(&mut self) -> u32 {
        self.granted += u64::from(INITIAL_CREDIT);
        INITIAL_CREDIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_that_obeys_its_window_never_overruns_the_receiver() {
        let (mut send, mut receive) = (SendWindow::stream(), ReceiveWindow::stream());
        let mut moved = 0;
        while moved < 10_000_000 {
            let chunk = send.next_chunk().min(70_001);
            assert_ne!(chunk, 0, "stuck after {moved} bytes");
            send.sent(chunk);
            receive.received(chunk).expect("within credit");
            send.credit(receive.consumed(chunk));
            moved += chunk;
        }
    }

    #[test]
    fn an_overrun_is_noticed() {
        let mut receive = ReceiveWindow::held();
        assert_eq!(receive.received(3), Err(Overrun { excess: 3 }));
        receive.open();
        assert_eq!(receive.received(INITIAL_CREDIT as usize), Ok(()));
        assert_eq!(receive.received(1), Err(Overrun { excess: 1 }));
    }
}
