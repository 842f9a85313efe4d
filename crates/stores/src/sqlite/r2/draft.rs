//! A value on its way into a bucket: in memory as long as it is short, then in a file.

use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::Shared;
use super::write::{self, NewObject, R2Write, Slot};
use crate::body_files::{BodyFile, blocking};
use crate::r2::{Condition, Draft, ObjectRecord, R2Error, StoreFuture, StoredPart};
use crate::sqlite::failure::Failure;

/// Values up to this many bytes lie in the database: one that is written is durable with the log alone.
const SHORT: usize = 64 * 1024;

/// So many bytes are gathered before they are written, while more come.
const GATHERED: usize = 1024 * 1024;

/// So many bytes are written before the disk is told to have them: it would be busy for long at the end otherwise.
const FLUSHED: u64 = 64 * 1024 * 1024;

pub(super) struct SqliteDraft {
    shared: Arc<Shared>,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    written: u64,
    file: Option<BodyFile>,
    writing: Option<JoinHandle<io::Result<BodyFile>>>,
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
            written: 0,
            file: None,
            writing: None,
        }
    }

    async fn take(&mut self, chunk: Bytes) -> Result<(), R2Error> {
        self.gathered_bytes += chunk.len();
        self.gathered.push(chunk);
        if self.gathered_bytes >= GATHERED {
            self.written_out().await?;
            self.write_out();
        }
        Ok(())
    }

    /// Waits until what was given to a thread is written.
    async fn written_out(&mut self) -> Result<(), R2Error> {
        if let Some(writing) = self.writing.take() {
            let file = writing.await.map_err(R2Error::store)?;
            self.file = Some(file.map_err(unwritten)?);
        }
        Ok(())
    }

    /// Gives what is gathered to a thread.
    fn write_out(&mut self) {
        let (shared, file) = (Arc::clone(&self.shared), self.file.take());
        let chunks = std::mem::take(&mut self.gathered);
        let before = self.written / FLUSHED;
        self.written += self.gathered_bytes as u64;
        self.gathered_bytes = 0;
        let flush = self.written / FLUSHED != before;
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let file = match file {
                Some(file) => file,
                None => shared.files.create()?,
            };
            for chunk in chunks {
                (&file.file).write_all(&chunk)?;
            }
            if flush {
                shared.files.flush(&file)?;
            }
            Ok(file)
        }));
    }

    /// All of it, durable if it lies in a file. The file is deleted with the draft unless it is kept.
    async fn settled(&mut self) -> Result<NewBody, R2Error> {
        self.written_out().await?;
        if self.file.is_none() && self.gathered_bytes <= SHORT {
            return Ok(NewBody::Bytes(joined(std::mem::take(&mut self.gathered))));
        }
        if self.gathered_bytes > 0 {
            self.write_out();
            self.written_out().await?;
        }
        let Some(file) = self.file.take() else {
            return Err(R2Error::store("the file of the value is gone"));
        };
        let shared = Arc::clone(&self.shared);
        let settled = blocking(move || shared.files.settle(&file).map(|()| file)).await;
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
