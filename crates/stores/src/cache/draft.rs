//! A response on its way into a cache. Nothing can be found of it before it is complete; one that is dropped leaves
//! nothing behind.
//!
//! A long body goes to a file of its own (`crate::body_files`).

use std::io::{self, Write};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::freshness::Fresh;
use super::store::Store;
use super::{CacheError, CacheRequest};
use crate::body_files::{BodyFile, blocking};
use crate::sqlite::cache_index::{Entry, EntryBody};

/// Bodies up to this many bytes lie in the database.
pub(super) const SHORT: usize = 64 * 1024;

/// So many bytes are gathered before they are written to the file.
const GATHERED: usize = 256 * 1024;

/// A response that is being stored, or only being read because it may not be.
pub struct Draft {
    cache: String,
    key: String,
    status: u16,
    kind: Kind,
    length: u64,
    /// How much room it holds among the drafts.
    reserved: u64,
    gathered: BytesMut,
    file: Option<BodyFile>,
    store: Arc<Store>,
}

enum Kind {
    /// It may not be stored.
    Refused,
    /// It would be stale at once: only what it replaces has to go.
    Stale,
    Stored(Fresh),
}

impl Draft {
    pub(super) fn refused(store: Arc<Store>, request: &CacheRequest<'_>) -> Self {
        Self::new(store, request, 0, Kind::Refused)
    }

    pub(super) fn stale(store: Arc<Store>, request: &CacheRequest<'_>) -> Self {
        Self::new(store, request, 0, Kind::Stale)
    }

    pub(super) fn stored(store: Arc<Store>, request: &CacheRequest<'_>, status: u16, fresh: Fresh) -> Self {
        Self::new(store, request, status, Kind::Stored(fresh))
    }

    fn new(store: Arc<Store>, request: &CacheRequest<'_>, status: u16, kind: Kind) -> Self {
        Self {
            cache: request.cache_name(),
            key: request.key.to_owned(),
            status,
            kind,
            length: 0,
            reserved: 0,
            gathered: BytesMut::new(),
            file: None,
            store,
        }
    }

    /// Takes the next bytes of the body.
    ///
    /// # Errors
    /// They can't be written. What is too long is no error: it isn't stored.
    pub async fn push(&mut self, chunk: Bytes) -> Result<(), CacheError> {
        if !matches!(self.kind, Kind::Stored(_)) {
            return Ok(());
        }
        let length = chunk.len() as u64;
        self.length += length;
        if self.length > self.store.body_limit() || !self.store.reserve(length) {
            self.give_up();
            return Ok(());
        }
        self.reserved += length;
        self.gathered.extend_from_slice(&chunk);
        let enough = if self.file.is_some() { GATHERED } else { SHORT + 1 };
        if self.gathered.len() >= enough {
            self.write_out().await?;
        }
        Ok(())
    }

    /// The body is complete; resolves when the entry is durable.
    ///
    /// # Errors
    /// It can't be written.
    pub async fn finish(mut self) -> Result<(), CacheError> {
        let kind = std::mem::replace(&mut self.kind, Kind::Refused);
        let fresh = match kind {
            Kind::Refused => return Ok(()),
            Kind::Stale => return self.store.remove(&self.cache, &self.key).await,
            Kind::Stored(fresh) => fresh,
        };
        let body = if self.file.is_some() {
            self.write_out().await?;
            EntryBody::File(self.settle_file().await?)
        } else {
            EntryBody::Bytes(self.gathered.split().freeze())
        };
        let entry = Entry {
            status: self.status,
            headers: fresh.headers,
            born: fresh.born,
            expires: fresh.expires,
            length: self.length,
            body,
        };
        let (cache, key) = (std::mem::take(&mut self.cache), std::mem::take(&mut self.key));
        self.store.put(cache, key, entry).await?;
        if let Some(file) = &mut self.file {
            file.keep(true);
        }
        Ok(())
    }

    fn give_up(&mut self) {
        self.release();
        self.kind = Kind::Refused;
        self.gathered = BytesMut::new();
        self.file = None;
    }

    fn release(&mut self) {
        self.store.release(std::mem::take(&mut self.reserved));
    }

    /// Writes what is gathered to the file, which is made for it.
    async fn write_out(&mut self) -> Result<(), CacheError> {
        let store = Arc::clone(&self.store);
        let (file, bytes) = (self.file.take(), self.gathered.split().freeze());
        let written = blocking(move || {
            let file = match file {
                Some(file) => file,
                None => store.bodies().create()?,
            };
            (&file.file).write_all(&bytes)?;
            Ok(file)
        });
        self.file = Some(written.await.map_err(|error| self.store.error(error))?);
        Ok(())
    }

    /// Makes the file durable; answers its name.
    async fn settle_file(&mut self) -> Result<String, CacheError> {
        let store = Arc::clone(&self.store);
        let file = self.file.take();
        let settled = blocking(move || {
            let file = file.ok_or(io::ErrorKind::NotFound)?;
            store.bodies().settle(&file)?;
            Ok(file)
        });
        let file = settled.await.map_err(|error| self.store.error(error))?;
        let name = file.name();
        self.file = Some(file);
        Ok(name)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.release();
    }
}
