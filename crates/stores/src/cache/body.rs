//! A stored body on its way out: bytes, and parts of a file that are read as they are asked for.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::JoinHandle;

/// The most that is read of a file at once, in bytes.
const READ_MAX: usize = 256 * 1024;

/// What is said of a file that ends too early or can't be read.
const BROKEN: &str = "the stored body can't be read";

/// A body that the cache holds. It stays whole if its entry is removed or replaced meanwhile.
pub struct StoredBody {
    parts: VecDeque<Part>,
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

pub(super) enum Part {
    Bytes(Bytes),
    File { file: Arc<File>, start: u64, end: u64 },
}

impl Part {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { start, end, .. } => end - start,
        }
    }
}

impl StoredBody {
    pub(super) fn new(parts: impl IntoIterator<Item = Part>) -> Self {
        let parts: VecDeque<_> = parts.into_iter().filter(|part| part.length() > 0).collect();
        Self {
            left: parts.iter().map(Part::length).sum(),
            parts,
            reading: None,
        }
    }

    /// How many bytes are left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// All of it, if it is here and nothing of it was taken.
    pub fn whole(&self) -> Option<Bytes> {
        match (self.parts.len(), self.parts.front()) {
            (0, _) => Some(Bytes::new()),
            (1, Some(Part::Bytes(bytes))) => Some(bytes.clone()),
            _ => None,
        }
    }

    /// The next piece, of at most `max` bytes; `None` at the end, `Err` with the reason if the file is no good. Must be
    /// called in a tokio runtime.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Option<Result<Bytes, String>>> {
        if self.reading.is_none() {
            match self.parts.front_mut() {
                None => return Poll::Ready(None),
                Some(Part::Bytes(bytes)) => {
                    let chunk = bytes.split_to(bytes.len().min(max));
                    if bytes.is_empty() {
                        self.parts.pop_front();
                    }
                    self.left -= chunk.len() as u64;
                    return Poll::Ready(Some(Ok(chunk)));
                }
                Some(Part::File { file, start, end }) => {
                    let length = (*end - *start).min(max.min(READ_MAX) as u64);
                    let (file, offset) = (Arc::clone(file), *start);
                    *start += length;
                    if start == end {
                        self.parts.pop_front();
                    }
                    self.left -= length;
                    self.reading = Some(tokio::task::spawn_blocking(move || {
                        let mut buffer = vec![0; length as usize];
                        file.read_exact_at(&mut buffer, offset)?;
                        Ok(buffer.into())
                    }));
                }
            }
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        Poll::Ready(Some(match read {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(_)) | Err(_) => {
                self.parts.clear();
                Err(BROKEN.to_owned())
            }
        }))
    }
}
