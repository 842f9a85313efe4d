//! A stored body on its way out: bytes, and parts of files that are read as they are asked for.

use std::collections::VecDeque;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

/// The most that is read of a file at once, in bytes.
const READ_MAX: usize = 256 * 1024;

/// What is said of a file that ends too early or can't be read.
const BROKEN: &str = "the stored body can't be read";

/// A body that a store holds; by default an empty one. It stays whole if what it belongs to is removed or replaced meanwhile.
#[derive(Default)]
pub struct StoredBody {
    parts: VecDeque<Part>,
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

pub(crate) enum Part {
    Bytes(Bytes),
    File { file: BodySource, start: u64, end: u64 },
}

/// Where the bytes of a part are.
#[derive(Clone)]
pub(crate) enum BodySource {
    /// In a file that is open, and so stays readable when it is deleted.
    Open(Arc<File>),
    /// The same of a file that is not ours: it may change, or become shorter.
    Foreign(Arc<File>),
    /// In a file that is opened when it is read, and not deleted as long as this is there: not all can be open that may be
    /// asked for.
    Kept(Arc<dyn AsRef<Path> + Send + Sync>),
}

impl BodySource {
    fn read(&self, length: usize, offset: u64) -> io::Result<Bytes> {
        let mut buffer = vec![0; length];
        match self {
            Self::Open(file) | Self::Foreign(file) => file.read_exact_at(&mut buffer, offset)?,
            Self::Kept(kept) => File::open((**kept).as_ref())?.read_exact_at(&mut buffer, offset)?,
        }
        Ok(buffer.into())
    }

    /// What can be had without waiting for the disk, up to `length` bytes; `None` if that is nothing.
    fn read_cached(&self, length: usize, offset: u64) -> Option<Bytes> {
        let opened;
        let file = match self {
            Self::Open(file) | Self::Foreign(file) => &**file,
            Self::Kept(kept) => {
                opened = File::open((**kept).as_ref()).ok()?;
                &opened
            }
        };
        let mut buffer = vec![0; length];
        let read = read_now(file, &mut buffer, offset)?;
        buffer.truncate(read);
        (read > 0).then(|| buffer.into())
    }
}

#[cfg(target_os = "linux")]
fn read_now(file: &File, buffer: &mut [u8], offset: u64) -> Option<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};
    preadv2(
        file,
        &mut [io::IoSliceMut::new(buffer)],
        offset,
        ReadWriteFlags::NOWAIT,
    )
    .ok()
}

/// Other systems don't say beforehand whether a read has to wait.
#[cfg(not(target_os = "linux"))]
fn read_now(_: &File, _: &mut [u8], _: u64) -> Option<usize> {
    None
}

/// Whether a read would find the beginning and the end of a part without waiting: so, in all likelihood, what is between.
fn is_cached(file: &File, offset: u64, length: usize) -> bool {
    let has = |at| read_now(file, &mut [0], at) == Some(1);
    length > 0 && has(offset) && has(offset + length as u64 - 1)
}

impl Part {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { start, end, .. } => end - start,
        }
    }
}

/// The next bytes of a body.
pub enum StoredPiece {
    /// Here they are.
    Bytes(Bytes),
    /// They are in a file, which never changes, and in all likelihood in the memory of the system.
    File {
        /// The file.
        file: Arc<File>,
        /// Where they begin in it.
        offset: u64,
        /// How many they are.
        length: usize,
    },
}

impl StoredBody {
    pub(crate) fn new(parts: impl IntoIterator<Item = Part>) -> Self {
        let parts: VecDeque<_> = parts.into_iter().filter(|part| part.length() > 0).collect();
        Self {
            left: parts.iter().map(Part::length).sum(),
            parts,
            reading: None,
        }
    }

    /// Bytes that are in memory.
    pub fn of_bytes(bytes: Bytes) -> Self {
        Self::new([Part::Bytes(bytes)])
    }

    /// The bytes of somebody's file from `start` to before `end`, which must be there.
    pub fn of_file(file: File, start: u64, end: u64) -> Self {
        let file = BodySource::Foreign(Arc::new(file));
        Self::new([Part::File { file, start, end }])
    }

    /// What is left of it, if all of that is in memory and in one piece.
    pub fn in_memory(&self) -> Option<Bytes> {
        match (self.parts.len(), self.parts.front()) {
            (0, _) if self.reading.is_none() => Some(Bytes::new()),
            (1, Some(Part::Bytes(bytes))) => Some(bytes.clone()),
            _ => None,
        }
    }

    /// How many bytes of it are in memory.
    pub fn bytes_in_memory(&self) -> usize {
        let in_memory = self.parts.iter().map(|part| match part {
            Part::Bytes(bytes) => bytes.len(),
            Part::File { .. } => 0,
        });
        in_memory.sum()
    }

    /// Bodies of which nothing was taken, one behind the other.
    pub(crate) fn joined(bodies: impl IntoIterator<Item = Self>) -> Self {
        Self::new(bodies.into_iter().flat_map(|body| body.parts))
    }

    /// All that is left of it. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// The reason, if the file is no good.
    pub async fn read_all(mut self) -> Result<Bytes, String> {
        if let Some(bytes) = self.in_memory() {
            return Ok(bytes);
        }
        // What is left is in files that are there, or in memory already.
        let mut all = BytesMut::with_capacity(usize::try_from(self.left).unwrap_or(0));
        while let Some(chunk) = poll_fn(|cx| self.poll_chunk(cx, READ_MAX)).await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all.freeze())
    }

    /// How many bytes are left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// All of it, if nothing of it was taken, it has at most `max` bytes and need not be waited for.
    pub fn at_hand(&self, max: usize) -> Option<Bytes> {
        if self.left > max as u64 || self.reading.is_some() {
            return None;
        }
        match (self.parts.len(), self.parts.front()) {
            (1, Some(Part::File { file, start, .. })) => {
                let read = file.read_cached(self.left as usize, *start);
                read.filter(|read| read.len() as u64 == self.left)
            }
            _ => self.in_memory(),
        }
    }

    /// What is read next stays open from here on, if it can be opened.
    fn open_front(&mut self) {
        if let Some(Part::File { file, .. }) = self.parts.front_mut()
            && let BodySource::Kept(kept) = file
            && let Ok(open) = File::open((**kept).as_ref())
        {
            *file = BodySource::Open(Arc::new(open));
        }
    }

    /// As [`Self::poll_chunk`], for a caller that can do with what is still in a file.
    pub fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<Option<Result<StoredPiece, String>>> {
        self.open_front();
        if self.reading.is_none()
            && let Some(Part::File {
                file: BodySource::Open(file),
                start,
                end,
            }) = self.parts.front_mut()
        {
            let (offset, length) = (*start, (*end - *start).min(max as u64) as usize);
            if is_cached(file, offset, length) {
                let file = Arc::clone(file);
                *start += length as u64;
                if start == end {
                    self.parts.pop_front();
                }
                self.left -= length as u64;
                return Poll::Ready(Some(Ok(StoredPiece::File { file, offset, length })));
            }
        }
        let chunk = ready!(self.poll_chunk(cx, max));
        Poll::Ready(chunk.map(|chunk| chunk.map(StoredPiece::Bytes)))
    }

    /// The next piece, of at most `max` bytes; `None` at the end, `Err` with the reason if the file is no good. Must be
    /// called in a tokio runtime.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Option<Result<Bytes, String>>> {
        self.open_front();
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
                    let (file, offset) = (file.clone(), *start);
                    let cached = file.read_cached(length as usize, offset);
                    let length = cached.as_ref().map_or(length, |chunk| chunk.len() as u64);
                    *start += length;
                    if start == end {
                        self.parts.pop_front();
                    }
                    self.left -= length;
                    if let Some(chunk) = cached {
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                    self.reading = Some(tokio::task::spawn_blocking(move || {
                        file.read(length as usize, offset)
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
