//! The caches of one state folder: what is asked of them, and the bound of what they keep.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::conditions::{Range, Shape, shape};
use super::freshness::{Verdict, judge};
use super::{CacheError, CacheLimits, Draft, Headers, header};
use crate::Clock;
use crate::body::{BodySource, Part, StoredBody};
use crate::body_files::{self, BodyFiles, blocking};
use crate::sqlite::SqliteOptions;
use crate::sqlite::cache_index::{CacheIndex, Entry, EntryBody};

/// Stale entries are looked for at most this often, in milliseconds.
const SWEEP_EVERY: u64 = 60_000;

/// So many uses are noted together.
const USES: usize = 256;

/// When there is too much, so many hundredths of the bound stay.
const SHRINK_TO: u64 = 90;

/// The caches of one state folder. Clones are the same.
#[derive(Clone)]
pub struct Caches {
    folder: Arc<Path>,
    options: SqliteOptions,
    limits: CacheLimits,
    clock: Arc<dyn Clock>,
    store: Arc<OnceCell<Arc<Store>>>,
}

/// Which entry of which cache, and what else the request says.
#[derive(Clone, Copy, Debug)]
pub struct CacheRequest<'a> {
    /// The cache's name; `None` for the default one.
    pub cache: Option<&'a str>,
    /// The entry's.
    pub key: &'a str,
    /// Names in lower case, and values.
    pub headers: &'a Headers,
}

impl CacheRequest<'_> {
    /// A name that no other cache has.
    pub(super) fn cache_name(&self) -> String {
        self.cache
            .map_or_else(|| "default".to_owned(), |name| format!("named:{name}"))
    }
}

/// A response out of a cache.
pub struct Found {
    /// Its status: as stored, or 206, 304 or 416.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
    /// Its body; `None` for one that can have none.
    pub body: Option<StoredBody>,
}

impl Caches {
    /// The caches in `folder`, which need not exist: it is made when something is first stored or looked for.
    pub fn new(folder: PathBuf, options: SqliteOptions, limits: CacheLimits, clock: Arc<dyn Clock>) -> Self {
        Self {
            folder: folder.into(),
            options,
            limits,
            clock,
            store: Arc::default(),
        }
    }

    /// Looks for a fresh response.
    ///
    /// # Errors
    /// The caches can't be read. Something unreadable is no error later: it is not found any more.
    pub async fn find(&self, request: CacheRequest<'_>) -> Result<Option<Found>, CacheError> {
        let store = self.store().await?;
        let now = self.clock.now_ms();
        let cache = request.cache_name();
        // The file of an entry that is replaced right now may be gone before it is opened.
        for _ in 0..3 {
            let Some((id, entry)) = store.fresh(&cache, request.key, now)? else {
                return Ok(None);
            };
            let file = match &entry.body {
                EntryBody::Bytes(_) => None,
                EntryBody::File(name) => match store.open_body(name, entry.length).await? {
                    Some(file) => Some(Arc::new(file)),
                    None => continue,
                },
            };
            store.used(id);
            return Ok(Some(found(entry, file, request.headers, now)));
        }
        Ok(None)
    }

    /// Begins to store a response to a GET request, whose body is pushed into what is returned.
    ///
    /// # Errors
    /// The caches can't be opened. What may not be stored is no error.
    pub async fn put(
        &self,
        request: CacheRequest<'_>,
        status: u16,
        headers: Headers,
    ) -> Result<Draft, CacheError> {
        let store = self.store().await?;
        let now = self.clock.now_ms();
        store.sweep(now);
        Ok(match judge(request.headers, status, headers, now) {
            Verdict::Refused => Draft::refused(store, &request),
            Verdict::Stale => Draft::stale(store, &request),
            Verdict::Fresh(fresh) => Draft::stored(store, &request, status, fresh),
        })
    }

    /// Removes an entry; whether there was a fresh one.
    ///
    /// # Errors
    /// The caches can't be opened or written.
    pub async fn remove(&self, request: CacheRequest<'_>) -> Result<bool, CacheError> {
        let store = self.store().await?;
        let cache = request.cache_name();
        let was_there = store.fresh(&cache, request.key, self.clock.now_ms())?.is_some();
        if was_there {
            store.remove(&cache, request.key).await?;
        }
        Ok(was_there)
    }

    /// Opens the folder at its first use; one that can't be opened is tried again at the next.
    async fn store(&self) -> Result<Arc<Store>, CacheError> {
        let open = || async {
            let (folder, options, limits) = (Arc::clone(&self.folder), self.options, self.limits);
            let opened = tokio::task::spawn_blocking(move || Store::open(&folder, options, limits)).await;
            match opened {
                Ok(opened) => opened.map(Arc::new),
                Err(error) => Err(CacheError::new(&self.folder, error)),
            }
        };
        self.store.get_or_try_init(open).await.cloned()
    }
}

/// What a request with these headers gets of a stored response.
fn found(entry: Entry, file: Option<Arc<File>>, request: &Headers, now: u64) -> Found {
    let Entry {
        mut status,
        mut headers,
        born,
        length,
        body,
        ..
    } = entry;
    let part = |start, end| match (&file, &body) {
        (Some(file), _) => Part::File {
            file: BodySource::Open(Arc::clone(file)),
            start,
            end,
        },
        // In memory, so it fits.
        (None, EntryBody::Bytes(bytes)) => Part::Bytes(bytes.slice(start as usize..end as usize)),
        (None, EntryBody::File(_)) => Part::Bytes(Bytes::new()),
    };
    let set = |headers: &mut Headers, name: &str, value: String| {
        headers.retain(|(known, _)| known != name);
        headers.push((name.to_owned(), value.into_bytes()));
    };
    set(&mut headers, "age", (now.saturating_sub(born) / 1000).to_string());
    set(&mut headers, "cf-cache-status", "HIT".to_owned());
    set(&mut headers, "content-length", length.to_string());
    let body = match shape(request, status, &headers, length) {
        Shape::NotModified => {
            status = 304;
            None
        }
        Shape::Whole if matches!(status, 204 | 205 | 304) => None,
        Shape::Whole => Some(StoredBody::new([part(0, length)])),
        Shape::Unsatisfiable => {
            status = 416;
            headers.retain(|(name, _)| name == "cf-cache-status");
            set(&mut headers, "content-range", format!("bytes */{length}"));
            Some(StoredBody::new([]))
        }
        Shape::Parts(ranges) => {
            status = 206;
            match ranges.as_slice() {
                [Range { start, end }] => {
                    set(&mut headers, "content-range", content_range(*start, *end, length));
                    set(&mut headers, "content-length", (end - start).to_string());
                    Some(StoredBody::new([part(*start, *end)]))
                }
                _ => {
                    let boundary = format!("isthmus-{:016x}", boundary_number(&headers, born, length));
                    let kind = header(&headers, "content-type").map(<[u8]>::to_vec);
                    let mut parts = Vec::new();
                    for Range { start, end } in ranges {
                        let mut head = format!("--{boundary}\r\n").into_bytes();
                        if let Some(kind) = &kind {
                            head.extend_from_slice(b"Content-Type: ");
                            head.extend_from_slice(kind);
                            head.extend_from_slice(b"\r\n");
                        }
                        let range = content_range(start, end, length);
                        head.extend_from_slice(format!("Content-Range: {range}\r\n\r\n").as_bytes());
                        parts.extend([
                            Part::Bytes(head.into()),
                            part(start, end),
                            Part::Bytes(Bytes::from_static(b"\r\n")),
                        ]);
                    }
                    parts.push(Part::Bytes(format!("--{boundary}--").into()));
                    let body = StoredBody::new(parts);
                    let kind = format!("multipart/byteranges; boundary={boundary}");
                    set(&mut headers, "content-type", kind);
                    set(&mut headers, "content-length", body.left().to_string());
                    Some(body)
                }
            }
        }
    };
    Found {
        status,
        headers,
        body,
    }
}

fn content_range(start: u64, end: u64, length: u64) -> String {
    format!("bytes {start}-{}/{length}", end - 1)
}

/// A boundary that who wrote the body could not know: the hasher is keyed at random.
fn boundary_number(headers: &Headers, born: u64, length: u64) -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one((headers, born, length))
}

/// The open folder.
pub(super) struct Store {
    folder: PathBuf,
    index: CacheIndex,
    bodies: BodyFiles,
    limits: CacheLimits,
    /// Bytes of drafts.
    drafted: AtomicU64,
    uses: Mutex<HashMap<i64, i64>>,
    swept: AtomicU64,
    /// Somebody tidies up, and should look again.
    tidying: AtomicBool,
    untidy: AtomicBool,
}

impl Store {
    fn open(folder: &Path, options: SqliteOptions, limits: CacheLimits) -> Result<Self, CacheError> {
        let path = folder.join("index.sqlite");
        let index =
            CacheIndex::open(&path, options).map_err(|error| CacheError::new(folder, error.reason()))?;
        let bodies = BodyFiles::open(body_files::folder_of(&path), options.durability)
            .map_err(|error| CacheError::new(folder, error))?;
        let store = Self {
            folder: folder.to_owned(),
            index,
            bodies,
            limits,
            drafted: AtomicU64::new(0),
            uses: Mutex::default(),
            swept: AtomicU64::new(0),
            tidying: AtomicBool::new(false),
            untidy: AtomicBool::new(false),
        };
        let swept = store
            .bodies
            .sweep(|name| store.index.is_used(name).map_err(io::Error::other));
        swept.map_err(|error| store.error(error))?;
        Ok(store)
    }

    pub(super) fn error(&self, reason: impl ToString) -> CacheError {
        CacheError::new(&self.folder, reason)
    }

    pub(super) fn bodies(&self) -> &BodyFiles {
        &self.bodies
    }

    pub(super) fn body_limit(&self) -> u64 {
        self.limits.body.min(self.limits.total)
    }

    /// Takes room for bytes of a draft; `false` if the drafts have too many.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        let taken = self
            .drafted
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |drafted| {
                drafted
                    .checked_add(bytes)
                    .filter(|drafted| *drafted <= self.limits.total)
            });
        taken.is_ok()
    }

    pub(super) fn release(&self, bytes: u64) {
        self.drafted.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn fresh(&self, cache: &str, key: &str, now: u64) -> Result<Option<(i64, Entry)>, CacheError> {
        let entry = self.index.find(cache, key).map_err(|error| self.error(error))?;
        Ok(entry.filter(|(_, entry)| entry.expires > now))
    }

    /// Opens the file of an entry; `None` if it is not what the entry says, which is removed then.
    async fn open_body(self: &Arc<Self>, name: &str, length: u64) -> Result<Option<File>, CacheError> {
        let (store, file) = (Arc::clone(self), name.to_owned());
        let opened = blocking(move || store.bodies.open_body(&file, length)).await;
        if let Some(file) = opened.map_err(|error| self.error(error))? {
            return Ok(Some(file));
        }
        self.index
            .remove_file(name)
            .await
            .map_err(|error| self.error(error))?;
        self.tidy();
        Ok(None)
    }

    /// An entry was used.
    fn used(&self, id: i64) {
        let noted = {
            let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
            uses.insert(id, self.index.next_use());
            (uses.len() >= USES).then(|| std::mem::take(&mut *uses))
        };
        if let Some(noted) = noted {
            self.note(noted);
        }
    }

    fn note(&self, uses: HashMap<i64, i64>) {
        if !uses.is_empty() {
            self.index.touch(&uses.into_iter().collect::<Vec<_>>());
        }
    }

    pub(super) async fn put(
        self: &Arc<Self>,
        cache: String,
        key: String,
        entry: Entry,
    ) -> Result<(), CacheError> {
        self.index
            .put(cache, key, entry)
            .await
            .map_err(|error| self.error(error))?;
        self.tidy();
        Ok(())
    }

    pub(super) async fn remove(self: &Arc<Self>, cache: &str, key: &str) -> Result<(), CacheError> {
        self.index
            .remove(cache, key)
            .await
            .map_err(|error| self.error(error))?;
        self.tidy();
        Ok(())
    }

    fn sweep(&self, now: u64) {
        let last = self.swept.load(Ordering::Relaxed);
        if now < last.saturating_add(SWEEP_EVERY) {
            return;
        }
        let claimed = self
            .swept
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        if claimed.is_ok() {
            self.index.sweep(now);
        }
    }

    /// Brings what is kept below its bound and deletes files that are not needed any more, beside the caller.
    fn tidy(self: &Arc<Self>) {
        self.untidy.store(true, Ordering::SeqCst);
        if self.tidying.swap(true, Ordering::SeqCst) {
            return;
        }
        let store = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                while store.untidy.swap(false, Ordering::SeqCst) {
                    // Who uses the caches next hears of what is wrong with them.
                    let _ = store.tidy_up().await;
                }
                store.tidying.store(false, Ordering::SeqCst);
                // Somebody may have come in between, and left it to us.
                if !store.untidy.load(Ordering::SeqCst) || store.tidying.swap(true, Ordering::SeqCst) {
                    return;
                }
            }
        });
    }

    async fn tidy_up(self: &Arc<Self>) -> Result<(), String> {
        if self.index.total()? > self.limits.total {
            let uses = std::mem::take(&mut *self.uses.lock().unwrap_or_else(PoisonError::into_inner));
            self.note(uses);
            self.index.shrink(self.limits.total / 100 * SHRINK_TO).await?;
        }
        loop {
            let garbage = self.index.garbage()?;
            if garbage.is_empty() {
                return Ok(());
            }
            let (store, files) = (Arc::clone(self), garbage.clone());
            let deleted = blocking(move || store.bodies.delete(&files));
            deleted.await.map_err(|error| error.to_string())?;
            self.index.forget_garbage(&garbage).await?;
        }
    }
}
