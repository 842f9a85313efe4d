//! A namespace as the platform sees it: limits, expiry and cursors over a store.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use isthmus_protocol::kv::Operation;

use super::{KvAnswer, KvEntry, KvError, KvPut, KvRange, KvStore, limits};
use crate::{Clock, Told, WHAT_TO_DO};

/// A KV namespace. Clones share the store.
#[derive(Clone)]
pub struct KvNamespace {
    store: Arc<dyn KvStore>,
    clock: Arc<dyn Clock>,
    operator: Arc<Operator>,
}

/// What whoever runs the server is told of a namespace, beside what a Worker hears.
struct Operator {
    /// What the namespace is called there.
    place: String,
    told: Told<KvError>,
}

impl fmt::Debug for KvNamespace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KvNamespace").finish_non_exhaustive()
    }
}

impl KvNamespace {
    /// The rules over `store`, with the time that `clock` tells. `place` names the store in messages that no Worker sees.
    pub fn new(store: Arc<dyn KvStore>, clock: Arc<dyn Clock>, place: String) -> Self {
        Self {
            store,
            clock,
            operator: Arc::new(Operator {
                place,
                told: Told::default(),
            }),
        }
    }

    /// What the server's log should say of an error of [`Self::execute`]: nothing if it is the caller's, or the same as the
    /// one before.
    pub fn news(&self, error: &KvError) -> Option<String> {
        let is_news = error.is_internal() && self.operator.told.is_news(error);
        is_news.then(|| match &error.log {
            Some(log) => log.clone(),
            None => format!(
                "the database {}: {}. {WHAT_TO_DO}",
                self.operator.place, error.message
            ),
        })
    }

    /// Begins a put whose value comes in pieces; what must fail fails here. `length` is the value's length in bytes, where
    /// known beforehand.
    ///
    /// # Errors
    /// Those that [`Self::execute`] would return for the same operation, and 413 for the length.
    pub fn begin_put(&self, operation: &Operation<'_>, length: Option<u64>) -> Result<KvPut, KvError> {
        limits::check(operation, self.clock.now())?;
        length.map_or(Ok(()), limits::check_value_length)?;
        KvPut::new(operation, self.store.draft(), Arc::clone(&self.clock))
    }

    /// Does one operation. `value` is that of a put, empty for the others. A put or delete is durable when this
    /// resolves.
    ///
    /// # Errors
    /// Upstream's status and message for a bad argument; 500 or 507 if the store fails.
    pub async fn execute(&self, operation: &Operation<'_>, value: Bytes) -> Result<KvAnswer, KvError> {
        let now = self.clock.now();
        limits::check(operation, now)?;
        match *operation {
            Operation::Get { key, .. } => Ok(KvAnswer::Value(self.store.get(key, now).await?)),
            Operation::GetMany { ref keys, .. } => {
                let found = self.store.get_many(keys, limits::MAX_BULK_BYTES, now).await?;
                found.map(KvAnswer::values).ok_or_else(limits::bulk_too_long)
            }
            Operation::Put {
                key,
                expiration,
                expiration_ttl,
                metadata,
            } => {
                limits::check_value_length(value.len() as u64)?;
                let entry = KvEntry {
                    value,
                    expiration: limits::expiration_of(expiration, expiration_ttl, now)?,
                    metadata: metadata.map(str::to_owned),
                };
                self.store.put(key, entry, now).await?;
                Ok(KvAnswer::Done)
            }
            Operation::Delete { key } => {
                self.store.delete(key, now).await?;
                Ok(KvAnswer::Done)
            }
            Operation::List {
                prefix,
                limit,
                cursor,
            } => {
                let after = cursor.map_or(Ok(Vec::new()), limits::position_of)?;
                let range = KvRange {
                    prefix: prefix.unwrap_or(""),
                    after: &after,
                    limit: limits::list_limit(limit)?,
                };
                let page = self.store.list(range, now).await?;
                let last = page.keys.last().filter(|_| !page.complete);
                let cursor = last.map(|key| limits::cursor_after(&key.name));
                Ok(KvAnswer::List {
                    keys: page.keys,
                    cursor,
                })
            }
        }
    }
}
