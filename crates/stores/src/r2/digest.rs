//! The digests of a value, made beside its writing.

use bytes::Bytes;
use isthmus_protocol::r2::Algorithm;
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::R2Error;
use crate::beside::Beside;

/// So many bytes are digested at once, on another thread; what is shorter as a whole is digested where it is.
const AT_ONCE: usize = 1024 * 1024;
const SHORT: usize = 64 * 1024;

/// The digests of a value that comes piece by piece: always its MD5, and one more if that is asked for.
pub(super) struct Digests {
    digesting: Beside<State>,
    is_begun: bool,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
}

/// The digests of a value.
pub(super) struct Digested {
    pub(super) md5: [u8; 16],
    /// That of the other algorithm.
    pub(super) other: Option<Vec<u8>>,
}

struct State {
    md5: Md5,
    other: Other,
}

enum Other {
    None,
    Sha1(Sha1),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl State {
    fn update(&mut self, chunks: &[Bytes]) {
        for chunk in chunks {
            self.md5.update(chunk);
            match &mut self.other {
                Other::None => {}
                Other::Sha1(digest) => digest.update(chunk),
                Other::Sha256(digest) => digest.update(chunk),
                Other::Sha384(digest) => digest.update(chunk),
                Other::Sha512(digest) => digest.update(chunk),
            }
        }
    }

    fn finish(self) -> Digested {
        Digested {
            md5: self.md5.finalize().into(),
            other: match self.other {
                Other::None => None,
                Other::Sha1(digest) => Some(digest.finalize().to_vec()),
                Other::Sha256(digest) => Some(digest.finalize().to_vec()),
                Other::Sha384(digest) => Some(digest.finalize().to_vec()),
                Other::Sha512(digest) => Some(digest.finalize().to_vec()),
            },
        }
    }
}

impl Digests {
    pub(super) fn new(other: Option<Algorithm>) -> Self {
        let other = match other {
            None | Some(Algorithm::Md5) => Other::None,
            Some(Algorithm::Sha1) => Other::Sha1(Sha1::new()),
            Some(Algorithm::Sha256) => Other::Sha256(Sha256::new()),
            Some(Algorithm::Sha384) => Other::Sha384(Sha384::new()),
            Some(Algorithm::Sha512) => Other::Sha512(Sha512::new()),
        };
        Self {
            digesting: Beside::new(
                State {
                    md5: Md5::new(),
                    other,
                },
                |state, chunks| {
                    state.update(&chunks);
                    Ok(())
                },
            ),
            is_begun: false,
            waiting: Vec::new(),
            waiting_bytes: 0,
        }
    }

    /// Takes the next bytes; waits while too many are ahead of them.
    pub(super) async fn push(&mut self, chunk: Bytes) -> Result<(), R2Error> {
        self.waiting_bytes += chunk.len();
        self.waiting.push(chunk);
        if self.waiting_bytes >= AT_ONCE {
            self.give().await?;
        }
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<Digested, R2Error> {
        if self.is_begun || self.waiting_bytes > SHORT {
            self.give().await?;
        }
        let mut state = self.digesting.finish().await.map_err(R2Error::store)?;
        state.update(&self.waiting);
        Ok(state.finish())
    }

    async fn give(&mut self) -> Result<(), R2Error> {
        self.is_begun = true;
        self.waiting_bytes = 0;
        let chunks = std::mem::take(&mut self.waiting);
        self.digesting.give(chunks).await.map_err(R2Error::store)
    }
}
