//! A value on its way into a store: in memory as long as it is short, then in a file.

use std::{
    fs::File,
    io::{self, IoSlice, Write as _},
    mem,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use tokio::{runtime::Handle, task::JoinHandle};

use super::{bodies::BodyStore, failure::Failure};
use crate::{
    beside::Beside,
    body_files::{BodyFile, blocking},
};

/// So many bytes are gathered before they are written, while more come.
const GATHERED: usize = 1024 * 1024;

/// So many bytes are written before the disk is told to have them: it would be busy for long at the end otherwise.
const FLUSHED: u64 = 64 * 1024 * 1024;

/// The value so far. Dropped, it leaves nothing behind.
pub(super) struct BodyDraft<S: BodyStore> {
    store: Arc<S>,
    /// Values up to this many bytes lie in the database: one that is written is durable with the log alone.
    short: usize,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    writing: Option<Beside<Writing<S>>>,
    /// All of it, once it is durable.
    file: Option<BodyFile>,
}

/// A file that is being written.
struct Writing<S> {
    store: Arc<S>,
    /// `None` before there was anything to write.
    file: Option<BodyFile>,
    written: u64,
    /// The disk is told to have what was written.
    flushing: Option<JoinHandle<io::Result<()>>>,
}

impl<S: BodyStore> Writing<S> {
    fn write(&mut self, chunks: Vec<Bytes>) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(self.store.bodies().files.create()?),
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
        let (store, file) = (Arc::clone(&self.store), file.file.try_clone()?);
        self.flushing = Some(runtime.spawn_blocking(move || store.bodies().files.flush(&file)));
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
    File {
        name: String,
        /// In bytes.
        length: u64,
        /// Locked, so that no other process sweeps the file before a row names it, whoever waits for that.
        #[expect(dead_code, reason = "held for its lock")]
        locked: File,
    },
}

impl<S: BodyStore> BodyDraft<S> {
    /// `short` is the length in bytes up to which a value stays in memory; less than 1 MiB.
    pub(super) fn new(store: Arc<S>, short: usize) -> Self {
        Self {
            store,
            short,
            gathered: Vec::new(),
            gathered_bytes: 0,
            writing: None,
            file: None,
        }
    }

    /// Where it goes.
    pub(super) fn store(&self) -> &Arc<S> {
        &self.store
    }

    /// Takes the next bytes; waits while too many are ahead of them.
    pub(super) async fn push(&mut self, chunk: Bytes) -> Result<(), Failure> {
        self.gathered_bytes += chunk.len();
        self.gathered.push(chunk);
        if self.gathered_bytes >= GATHERED {
            self.write_out().await?;
        }
        Ok(())
    }

    /// Has what is gathered written; waits while too much is waiting for that.
    async fn write_out(&mut self) -> Result<(), Failure> {
        self.gathered_bytes = 0;
        let chunks = mem::take(&mut self.gathered);
        let writing = self.writing.get_or_insert_with(|| {
            let writing = Writing {
                store: Arc::clone(&self.store),
                file: None,
                written: 0,
                flushing: None,
            };
            Beside::new(writing, Writing::write)
        });
        let given = writing.give(chunks).await;
        given.map_err(|error| Failure::of_file(&error))
    }

    /// All of it, durable if it lies in a file. The file is deleted with the draft unless it is kept.
    async fn settled(&mut self) -> Result<NewBody, Failure> {
        if self.writing.is_none() && self.gathered_bytes <= self.short {
            return Ok(NewBody::Bytes(joined(mem::take(&mut self.gathered))));
        }
        if self.gathered_bytes > 0 {
            self.write_out().await?;
        }
        let Some(writing) = self.writing.take() else {
            return Err(Failure::Unwritten("it was given up".to_owned()));
        };
        let unwritten = |error: io::Error| Failure::of_file(&error);
        let written = writing.finish().await.map_err(unwritten)?;
        let Some(file) = written.file else {
            return Err(Failure::Unwritten("its file is gone".to_owned()));
        };
        let store = Arc::clone(&self.store);
        let settled = blocking(move || {
            store.bodies().files.settle(&file)?;
            let locked = file.file.try_clone()?;
            Ok((file, locked))
        });
        let settled = settled.await;
        // A failure is told to one of them only.
        if let Some(flushing) = written.flushing {
            let flushed = flushing
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)));
            flushed.map_err(unwritten)?;
        }
        let (file, locked) = settled.map_err(unwritten)?;
        let file = self.file.insert(file);
        Ok(NewBody::File {
            name: file.name(),
            length: written.written,
            locked,
        })
    }

    /// Has the database take it: `write` names it there, and `is_kept` says then whether it came to that.
    pub(super) async fn commit<F>(
        mut self,
        write: impl FnOnce(&S, NewBody) -> F,
        is_kept: impl FnOnce() -> bool,
    ) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let body = self.settled().await?;
        // From here on a row may come to name it, even if nobody waits for that any more.
        if let Some(file) = &mut self.file {
            file.keep(true);
        }
        let written = write(&self.store, body).await;
        let is_kept = match &written {
            Ok(()) => is_kept(),
            // Nothing was written.
            Err(Failure::Full) => false,
            // What failed at its last step may yet be found in the log when the database is next opened; if it is not,
            // the file is swept then.
            Err(_) => true,
        };
        if let Some(file) = &mut self.file {
            file.keep(is_kept);
        }
        written
    }
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
