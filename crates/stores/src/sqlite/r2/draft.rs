//! A value on its way into a bucket.

use std::sync::Arc;

use bytes::Bytes;

use super::Shared;
use super::write::{self, NewObject, R2Write, Slot};
use crate::r2::{Condition, Draft, ObjectRecord, R2Error, StoreFuture, StoredPart};
use crate::sqlite::body_draft::{BodyDraft, NewBody};

/// Values up to this many bytes lie in the database.
const SHORT: usize = 64 * 1024;

pub(super) struct SqliteDraft(BodyDraft<Shared>);

impl SqliteDraft {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(BodyDraft::new(shared, SHORT))
    }

    /// Has it written by the rows that `write` makes; whether they are there.
    async fn commit(self, write: impl FnOnce(NewBody, Slot<bool>) -> R2Write) -> Result<bool, R2Error> {
        let outcome = Slot::default();
        let mut is_stored = None;
        let submit = |shared: &Shared, body| shared.writer.submit(write(body, Arc::clone(&outcome)));
        let is_kept = || {
            is_stored = write::take(&outcome);
            is_stored != Some(false)
        };
        let shared = Arc::clone(self.0.store());
        let committed = self.0.commit(submit, is_kept).await;
        shared.tidy();
        committed?;
        is_stored.ok_or_else(|| R2Error::store("the write came to nothing"))
    }
}

impl Draft for SqliteDraft {
    fn push(&mut self, chunk: Bytes) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(self.0.push(chunk).await?) })
    }

    fn into_object(
        self: Box<Self>,
        object: ObjectRecord,
        only_if: Option<Condition>,
    ) -> StoreFuture<'static, bool> {
        let object = Box::new(NewObject::from(object));
        Box::pin(self.commit(|body, outcome| R2Write::Put {
            object,
            body,
            only_if,
            outcome,
        }))
    }

    fn into_part(
        self: Box<Self>,
        key: String,
        upload: String,
        part: StoredPart,
    ) -> StoreFuture<'static, bool> {
        Box::pin(self.commit(|body, outcome| R2Write::PutPart {
            key,
            upload,
            part,
            body,
            outcome,
        }))
    }
}
