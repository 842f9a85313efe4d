//! A bucket as the platform sees it: limits, conditions, ranges and cursors over a store.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use isthmus_protocol::r2::{Operation, Part};
use tokio::sync::OnceCell;

use super::error::hex;
use super::upload::Target;
use super::{
    ChosenPart, Completion, Condition, Facts, Found, ListEntry, ListRange, Metadata, NewUpload, ObjectRecord,
    R2Answer, R2Error, R2Store, R2Upload, UploadState, limits, range,
};
use crate::{Clock, StoreError};

/// Opens a store.
type Open = Box<dyn Fn() -> Opening + Send + Sync>;
type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn R2Store>, StoreError>> + Send>>;

/// An R2 bucket. Clones share the store, which is opened at its first use; one that can't be opened is tried again at the
/// next.
#[derive(Clone)]
pub struct R2Bucket {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
}

struct Shared {
    store: OnceCell<Arc<dyn R2Store>>,
    open: Open,
    /// When uploads that take too long are next looked for, in milliseconds since the epoch.
    sweep_due: AtomicI64,
}

impl fmt::Debug for R2Bucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("R2Bucket").finish_non_exhaustive()
    }
}

impl R2Bucket {
    /// The rules over the store that `open` opens, with the time that `clock` tells.
    pub fn new<F>(open: impl Fn() -> F + Send + Sync + 'static, clock: Arc<dyn Clock>) -> Self
    where
        F: Future<Output = Result<Arc<dyn R2Store>, StoreError>> + Send + 'static,
    {
        let open: Open = Box::new(move || Box::pin(open()));
        Self {
            shared: Arc::new(Shared {
                store: OnceCell::new(),
                open,
                sweep_due: AtomicI64::new(i64::MIN),
            }),
            clock,
        }
    }

    /// Does one operation that brings no value. A write is durable when this resolves.
    ///
    /// # Errors
    /// Upstream's code and message for a bad argument; 10001 if the store fails.
    pub async fn execute(&self, operation: &Operation<'_>) -> Result<R2Answer, R2Error> {
        match operation {
            Operation::Head { key } => {
                limits::check_key(key)?;
                Ok(match self.store().await?.head(key).await? {
                    Some(object) => whole(object),
                    None => R2Answer::Nothing,
                })
            }
            Operation::Get { key, range, only_if } => {
                limits::check_key(key)?;
                let Some(Found { object, value }) = self.store().await?.get(key).await? else {
                    return Ok(R2Answer::Nothing);
                };
                let facts = Facts {
                    etag: &object.etag,
                    uploaded: object.uploaded,
                };
                let holds = |condition| Condition::from(condition).holds(Some(facts));
                if !only_if.as_ref().is_none_or(holds) {
                    return Ok(whole(object));
                }
                let range = range::resolve(range.as_ref(), object.size)?;
                Ok(R2Answer::Value {
                    object,
                    range: (range.start, range.end - range.start),
                    body: value.body(range),
                })
            }
            Operation::Delete { keys } => {
                limits::check_deleted(keys)?;
                let keys = keys.iter().map(|key| (*key).to_owned()).collect();
                self.store().await?.delete(keys).await?;
                Ok(R2Answer::Done)
            }
            Operation::List { .. } => self.list(operation).await,
            Operation::CreateUpload { key, metadata } => {
                limits::check_key(key)?;
                limits::check_metadata(metadata)?;
                let id = upload_id()?;
                let upload = NewUpload {
                    id: id.clone(),
                    key: (*key).to_owned(),
                    metadata: Metadata::from(metadata),
                    created: self.now(),
                };
                self.store().await?.create_upload(upload).await?;
                Ok(R2Answer::Upload { id })
            }
            Operation::CompleteUpload { key, upload, parts } => self.complete(key, upload, parts).await,
            Operation::AbortUpload { key, upload } => {
                limits::check_key(key)?;
                let store = self.store().await?;
                match store.upload_state(key, upload).await? {
                    None => return Err(R2Error::no_such_upload()),
                    Some(UploadState::Over) => {}
                    Some(UploadState::Open { .. }) => store.abort(key, upload, self.now()).await?,
                }
                Ok(R2Answer::Done)
            }
            // A value of no bytes.
            Operation::Put { .. } | Operation::UploadPart { .. } => {
                self.begin(operation, Some(0)).await?.finish().await
            }
        }
    }

    /// Begins an operation that brings a value, of `length` bytes if that is known. What must fail fails early.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn begin(&self, operation: &Operation<'_>, length: Option<u64>) -> Result<R2Upload, R2Error> {
        let target = match operation {
            Operation::Put {
                key,
                metadata,
                only_if,
                checksum,
            } => {
                limits::check_key(key)?;
                limits::check_size(length.unwrap_or(0))?;
                limits::check_metadata(metadata)?;
                Target::Object {
                    object: Box::new(ObjectRecord {
                        key: (*key).to_owned(),
                        version: version()?,
                        size: 0,
                        etag: String::new(),
                        uploaded: 0,
                        checksums: Vec::new(),
                        metadata: Metadata::from(metadata),
                    }),
                    only_if: only_if.as_ref().map(Condition::from),
                    expected: checksum.map(|checksum| (checksum.algorithm, checksum.digest.to_vec())),
                }
            }
            Operation::UploadPart { key, upload, number } => {
                limits::check_key(key)?;
                limits::check_size(length.unwrap_or(0))?;
                self.check_upload(key, upload).await?;
                Target::Part {
                    key: (*key).to_owned(),
                    upload: (*upload).to_owned(),
                    number: *number,
                    etag: upload_id()?,
                }
            }
            _ => return Err(R2Error::store("this operation brings no value")),
        };
        let draft = self.store().await?.draft();
        Ok(R2Upload::new(draft, target, Arc::clone(&self.clock)))
    }

    async fn list(&self, operation: &Operation<'_>) -> Result<R2Answer, R2Error> {
        let &Operation::List {
            limit,
            prefix,
            cursor,
            delimiter,
            start_after,
            with_http,
            with_custom,
        } = operation
        else {
            return Err(R2Error::store("this operation is no list"));
        };
        let limit = limits::list_limit(limit, with_http || with_custom)?;
        let cursor = cursor.map(position_of).transpose()?;
        let range = ListRange {
            prefix: prefix.unwrap_or_default().to_owned(),
            after: cursor.max(start_after.map(str::to_owned)),
            delimiter: delimiter.filter(|text| !text.is_empty()).map(str::to_owned),
            limit,
            with_http,
            with_custom,
        };
        let page = self.store().await?.list(range).await?;
        let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
        for entry in page.entries {
            match entry {
                ListEntry::Object(object) => objects.push(*object),
                ListEntry::Prefix(prefix) => prefixes.push(prefix),
            }
        }
        Ok(R2Answer::List {
            objects,
            prefixes,
            // It names a key, so it stays good whatever is written.
            cursor: page.last.map(|last| STANDARD.encode(last)),
        })
    }

    async fn complete(&self, key: &str, upload: &str, parts: &[Part<'_>]) -> Result<R2Answer, R2Error> {
        limits::check_key(key)?;
        self.check_upload(key, upload).await?;
        let completion = Completion {
            upload: upload.to_owned(),
            key: key.to_owned(),
            parts: parts
                .iter()
                .map(|part| ChosenPart {
                    number: part.number,
                    etag: part.etag.to_owned(),
                })
                .collect(),
            version: version()?,
            uploaded: self.now(),
        };
        match self.store().await?.complete(completion).await? {
            Some(object) => Ok(R2Answer::Object(object, None)),
            None => Err(R2Error::no_such_upload()),
        }
    }

    /// An upload must be open, and not for too long.
    async fn check_upload(&self, key: &str, upload: &str) -> Result<(), R2Error> {
        match self.store().await?.upload_state(key, upload).await? {
            Some(UploadState::Open { created }) if created >= self.now() - limits::UPLOAD_MS => Ok(()),
            _ => Err(R2Error::no_such_upload()),
        }
    }

    async fn store(&self) -> Result<&Arc<dyn R2Store>, R2Error> {
        let shared = &*self.shared;
        let store = shared
            .store
            .get_or_try_init(&shared.open)
            .await
            .map_err(|error| R2Error::unopened(&error))?;
        let (now, due) = (self.now(), shared.sweep_due.load(Ordering::Relaxed));
        if now >= due {
            let next = now + limits::UPLOAD_SWEEP_MS;
            let claimed = shared
                .sweep_due
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
            if claimed.is_ok() {
                let store = Arc::clone(store);
                tokio::spawn(async move {
                    // What fails now is done the next time.
                    let _ = store.abort_begun_before(now - limits::UPLOAD_MS, now).await;
                });
            }
        }
        Ok(store)
    }

    fn now(&self) -> i64 {
        self.clock.now_ms().cast_signed()
    }
}

fn whole(object: ObjectRecord) -> R2Answer {
    let size = object.size;
    R2Answer::Object(object, Some((0, size)))
}

fn version() -> Result<String, R2Error> {
    Ok(hex(&random::<16>()?))
}

fn upload_id() -> Result<String, R2Error> {
    Ok(URL_SAFE_NO_PAD.encode(random::<128>()?))
}

fn random<const N: usize>() -> Result<[u8; N], R2Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(R2Error::store)?;
    Ok(bytes)
}

/// The key after which a cursor goes on.
fn position_of(cursor: &str) -> Result<String, R2Error> {
    STANDARD
        .decode(cursor)
        .ok()
        .and_then(|key| String::from_utf8(key).ok())
        .ok_or_else(|| R2Error::invalid_argument("The cursor is none that a list has returned."))
}
