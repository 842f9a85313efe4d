//! A put whose value comes in pieces.

use std::sync::Arc;

use bytes::Bytes;
use isthmus_protocol::kv::Operation;

use super::{KvDraft, KvError, limits};
use crate::Clock;

/// A put under way. Dropped, it leaves nothing behind.
pub struct KvPut {
    key: String,
    expiration: Option<i32>,
    expiration_ttl: Option<i32>,
    metadata: Option<String>,
    /// `None` beyond the limit: then it only counts, since upstream's message tells the full length.
    draft: Option<Box<dyn KvDraft>>,
    length: u64,
    clock: Arc<dyn Clock>,
}

impl KvPut {
    /// `operation` is checked.
    pub(super) fn new(
        operation: &Operation<'_>,
        draft: Box<dyn KvDraft>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KvError> {
        let Operation::Put {
            key,
            expiration,
            expiration_ttl,
            metadata,
        } = *operation
        else {
            return Err(KvError::new(500, "only a put has a value"));
        };
        Ok(Self {
            key: key.to_owned(),
            expiration,
            expiration_ttl,
            metadata: metadata.map(str::to_owned),
            draft: Some(draft),
            length: 0,
            clock,
        })
    }

    /// Takes the next bytes; waits while too many are ahead of them.
    ///
    /// # Errors
    /// 500 or 507 if the store fails.
    pub async fn push(&mut self, chunk: Bytes) -> Result<(), KvError> {
        self.length += chunk.len() as u64;
        if limits::check_value_length(self.length).is_err() {
            self.draft = None;
        }
        match &mut self.draft {
            Some(draft) if !chunk.is_empty() => draft.push(chunk).await,
            _ => Ok(()),
        }
    }

    /// Writes the entry; it is durable when this resolves.
    ///
    /// # Errors
    /// 413 if the value is too long; 400 if the expiration has come too near meanwhile; 500 or 507 if the store fails.
    pub async fn finish(self) -> Result<(), KvError> {
        limits::check_value_length(self.length)?;
        let now = self.clock.now();
        let expiration = limits::expiration_of(self.expiration, self.expiration_ttl, now)?;
        match self.draft {
            Some(draft) => draft.into_entry(self.key, expiration, self.metadata, now).await,
            None => Err(KvError::new(500, "the value is gone")),
        }
    }
}
