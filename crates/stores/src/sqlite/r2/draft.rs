//! A value on its way into a bucket: in memory as long as it is short, then in a file.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::Shared;
use super::write::{self, NewObject, R2Write, Slot};
use crate::beside::Beside;
use crate::body_files::{BodyFile, blocking};
use crate::r2::{Condition, Draft, ObjectRecord, R2Error, StoreFuture, StoredPart};
use crate::sqlite::failure::Failure;

/// Values up to this many bytes lie in the database: one that is written is durable with the log alone.
const SHORT: usize = 64 * 1024;

/// So many bytes are gathered before they are written, while more come.
const GATHERED: usize = 1024 * 1024;

/// So many bytes are written before the disk is told to have them: it would be busy for long at the end otherwise. As many
/// may be written meanwhile.
const FLUSHED: u64 = 64 * 1024 * 1024;

pub(super) struct SqliteDraft {
    shared: Arc<Shared>,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    writing: Option<Beside<Writing>>,
    /// All of it, once it is durable.
    file: Option<BodyFile>,
}

/// A file that is being written.
struct Writing {
    shared: Arc<Shared>,
    /// `None` before there was anything to write.
    file: Option<BodyFile>,
    written: u64,
    /// The disk is told to have what was written.
    flushing: Option<JoinHandle<io::Result<()>>>,
}

impl Writing {
    fn write(&mut self, chunks: Vec<Bytes>) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(self.shared.files.create()?),
        };
        let before = self.written / FLUSHED;
        self.written += write_all(&file.file, &chunks)?;
        if self.written / FLUSHED == before {
            return Ok(());
        }
        let runtime = Handle::current();
        // A disk that is slower than the client sets the pace.
        if let Some(flushing) = self.flushing.take() {
            runtime.block_on(flushing).map_err(io::Error::other)??;
        }
        let (shared, file) = (Arc::clone(&self.shared), file.file.try_clone()?);
        self.flushing = Some(runtime.spawn_blocking(move || shared.files.flush(&file)));
        Ok(())
    }
}

/// Writes all of the chunks; how many bytes they are.
fn write_all(mut file: &File, chunks: &[Bytes]) -> io::Result<u64> {
    let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
    let mut left = &mut slices[..];
    // Empty ones at the front would look like the end.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(chunks.iter().map(|chunk| chunk.len() as u64).sum())
}

/// Where the bytes of a complete draft are.
pub(super) enum NewBody {
    Bytes(Bytes),
    File(String),
}

impl SqliteDraft {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            gathered: Vec::new(),
            gathered_bytes: 0,
            writing: None,
            file: None,
        }
    }

    async fn take(&mut self, chunk: Bytes) -> Result<(), R2Error> {
        self.gathered_bytes += chunk.len();
        self.gathered.push(chunk);
        if self.gathered_bytes >= GATHERED {
            self.write_out().await?;
        }
        Ok(())
    }

    /// Has what is gathered written; waits while too much is waiting for that.
    async fn write_out(&mut self) -> Result<(), R2Error> {
        self.gathered_bytes = 0;
        let chunks = std::mem::take(&mut self.gathered);
        let writing = self.writing.get_or_insert_with(|| {
            let writing = Writing {
                shared: Arc::clone(&self.shared),
                file: None,
                written: 0,
                flushing: None,
            };
            Beside::new(writing, Writing::write)
        });
        writing.give(chunks).await.map_err(unwritten)
    }

    /// All of it, durable if it lies in a file. The file is deleted with the draft unless it is kept.
    async fn settled(&mut self) -> Result<NewBody, R2Error> {
        if self.writing.is_none() && self.gathered_bytes <= SHORT {
            return Ok(NewBody::Bytes(joined(std::mem::take(&mut self.gathered))));
        }
        if self.gathered_bytes > 0 {
            self.write_out().await?;
        }
        let Some(writing) = self.writing.take() else {
            return Err(R2Error::store("the value was given up"));
        };
        let written = writing.finish().await.map_err(unwritten)?;
        let Some(file) = written.file else {
            return Err(R2Error::store("the file of the value is gone"));
        };
        let shared = Arc::clone(&self.shared);
        let settled = blocking(move || shared.files.settle(&file).map(|()| file)).await;
        // A failure is told to one of them only.
        if let Some(flushing) = written.flushing {
            let flushed = flushing.await.map_err(R2Error::store)?;
            flushed.map_err(unwritten)?;
        }
        let file = self.file.insert(settled.map_err(unwritten)?);
        Ok(NewBody::File(file.name()))
    }

    /// Has it written by the rows that `write` makes; what it comes to. `is_kept` says whether they name the file.
    async fn commit<T: Clone>(
        mut self: Box<Self>,
        write: impl FnOnce(NewBody, Slot<T>) -> R2Write,
        is_kept: impl FnOnce(&T) -> bool,
    ) -> Result<T, R2Error> {
        let body = self.settled().await?;
        // From here on a row may come to name it, even if nobody waits for that any more.
        if let Some(file) = &mut self.file {
            file.keep(true);
        }
        let outcome = Slot::default();
        let written = self.shared.writer.submit(write(body, Arc::clone(&outcome))).await;
        let outcome = write::take(&outcome);
        let is_kept = match (&written, &outcome) {
            (Ok(()), Some(outcome)) => is_kept(outcome),
            // Nothing was written.
            (Err(Failure::Full), _) => false,
            // What failed at its last step may yet be found in the log when the database is next opened; if it is not,
            // the file is swept then.
            _ => true,
        };
        if let Some(file) = &mut self.file {
            file.keep(is_kept);
        }
        self.shared.tidy();
        written?;
        outcome.ok_or_else(|| R2Error::store("the write came to nothing"))
    }
}

impl Draft for SqliteDraft {
    fn push(&mut self, chunk: Bytes) -> StoreFuture<'_, ()> {
        Box::pin(self.take(chunk))
    }

    fn into_object(
        self: Box<Self>,
        object: ObjectRecord,
        only_if: Option<Condition>,
    ) -> StoreFuture<'static, bool> {
        let object = Box::new(NewObject::from(object));
        let write = |body, outcome| R2Write::Put {
            object,
            body,
            only_if,
            outcome,
        };
        Box::pin(self.commit(write, |is_stored: &bool| *is_stored))
    }

    fn into_part(
        self: Box<Self>,
        key: String,
        upload: String,
        part: StoredPart,
    ) -> StoreFuture<'static, bool> {
        let write = |body, outcome| R2Write::PutPart {
            key,
            upload,
            part,
            body,
            outcome,
        };
        Box::pin(self.commit(write, |is_stored: &bool| *is_stored))
    }
}

fn unwritten(error: io::Error) -> R2Error {
    if matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    ) {
        return R2Error::store("there is no room left on the disk");
    }
    R2Error::store(format!("the value can't be written: {error}"))
}

/// The chunks as one; a single one is not copied.
fn joined(mut chunks: Vec<Bytes>) -> Bytes {
    match chunks.len() {
        0 | 1 => chunks.pop().unwrap_or_default(),
        _ => {
            let mut joined = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
            chunks.iter().for_each(|chunk| joined.extend_from_slice(chunk));
            joined.freeze()
        }
    }
}
