//! Bodies that the host holds for an isolate, and the account of their bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use isthmus_stores::{StoredBody, StoredPiece};

use crate::client_body::ClientBody;
use crate::limits::HELD_BYTES_MAX;
use crate::network::{Download, SocketReader};

/// How many bytes the host holds for one isolate.
#[derive(Default)]
pub(crate) struct Account(AtomicUsize);

impl Account {
    /// Reserves room for bytes until the charge is dropped; `None` if there is too little.
    pub(crate) fn charge(self: &Arc<Self>, bytes: usize) -> Option<Charge> {
        let mut charge = Charge {
            account: self.clone(),
            bytes: 0,
        };
        charge.grow(bytes).then_some(charge)
    }
}

/// Bytes on an [`Account`]; dropping it gives them back.
pub(crate) struct Charge {
    account: Arc<Account>,
    bytes: usize,
}

impl Charge {
    /// Reserves room for more bytes; `false`, and no change, if there is too little.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let grown = self
            .account
            .0
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                held.checked_add(bytes).filter(|held| *held <= HELD_BYTES_MAX)
            });
        if grown.is_ok() {
            self.bytes += bytes;
        }
        grown.is_ok()
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A body in the host's hands. It stays on the isolate's account wherever it goes.
pub(crate) enum HeldBody {
    /// All of it.
    Bytes {
        /// What is left.
        bytes: Bytes,
        /// Its place on the account.
        #[expect(dead_code, reason = "held for its drop")]
        charge: Charge,
    },
    /// It comes from the network as it is asked for.
    Network(Box<Download>),
    /// It comes through a connection.
    Tcp(SocketReader),
    /// It lies in files of a store.
    Stored(StoredBody),
    /// A client sends it.
    Request(Box<ClientBody>),
    /// The same of one that is in memory in part.
    StoredInPart {
        /// What is left.
        body: StoredBody,
        /// The place on the account of what is in memory.
        #[expect(dead_code, reason = "held for its drop")]
        charge: Charge,
    },
}

impl HeldBody {
    /// A body whose bytes are on the account.
    pub(crate) fn new(bytes: Bytes, charge: Charge) -> Self {
        Self::Bytes { bytes, charge }
    }

    /// How many bytes are left, where known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Self::Bytes { bytes, .. } => Some(bytes.len() as u64),
            Self::Network(download) => download.left(),
            Self::Tcp(_) => None,
            Self::Stored(body) | Self::StoredInPart { body, .. } => Some(body.left()),
            Self::Request(body) => body.left(),
        }
    }

    /// As [`Self::poll_chunk`], for a connection to an isolate.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<Option<Result<StoredPiece, String>>> {
        match self {
            Self::Stored(body) | Self::StoredInPart { body, .. } => body.poll_piece(cx, max),
            other => other
                .poll_chunk(cx, max)
                .map(|chunk| chunk.map(|chunk| chunk.map(StoredPiece::Bytes))),
        }
    }

    /// The next piece, of at most `max` bytes; `None` at the end, `Err` with the reason if it broke off.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<Option<Result<Bytes, String>>> {
        match self {
            Self::Bytes { bytes, .. } if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes { bytes, .. } => Poll::Ready(Some(Ok(bytes.split_to(max.min(bytes.len()))))),
            Self::Network(download) => download.poll_chunk(cx, max),
            Self::Tcp(reader) => reader.poll_chunk(cx, max),
            Self::Stored(body) | Self::StoredInPart { body, .. } => body.poll_chunk(cx, max),
            Self::Request(body) => body.poll_chunk(cx, max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_gives_back_what_was_charged_and_never_exceeds_its_limit() {
        let account = Arc::new(Account::default());
        let mut first = account.charge(HELD_BYTES_MAX - 10).expect("room");
        assert!(account.charge(11).is_none());
        assert!(first.grow(10) && !first.grow(1) && !first.grow(usize::MAX));
        drop(first);
        assert!(account.charge(HELD_BYTES_MAX).is_some());
        assert_eq!(account.0.load(Ordering::Relaxed), 0);
    }
}
