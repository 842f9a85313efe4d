//! A value on its way in.

use std::sync::Arc;

use bytes::Bytes;
use isthmus_protocol::r2::Algorithm;

use super::digest::Digests;
use super::{Condition, Draft, ObjectRecord, R2Answer, R2Error, StoredPart, limits};
use crate::Clock;

/// A value that becomes an object or a part. Dropped, it leaves nothing behind.
pub struct R2Upload {
    draft: Box<dyn Draft>,
    digests: Digests,
    length: u64,
    target: Target,
    clock: Arc<dyn Clock>,
}

/// What becomes of the value.
pub(super) enum Target {
    Object {
        object: Box<ObjectRecord>,
        only_if: Option<Condition>,
        /// What its digest has to be.
        expected: Option<(Algorithm, Vec<u8>)>,
    },
    Part {
        key: String,
        upload: String,
        number: u32,
        etag: String,
    },
}

impl R2Upload {
    pub(super) fn new(draft: Box<dyn Draft>, target: Target, clock: Arc<dyn Clock>) -> Self {
        let other = match &target {
            Target::Object { expected, .. } => expected.as_ref().map(|(algorithm, _)| *algorithm),
            Target::Part { .. } => None,
        };
        Self {
            draft,
            digests: Digests::new(other),
            length: 0,
            target,
            clock,
        }
    }

    /// Takes the next bytes; waits while too many are ahead of them.
    ///
    /// # Errors
    /// It has become too long, or can't be written.
    pub async fn push(&mut self, chunk: Bytes) -> Result<(), R2Error> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.length += chunk.len() as u64;
        limits::check_size(self.length)?;
        self.digests.push(chunk.clone()).await?;
        self.draft.push(chunk).await
    }

    /// The value is complete; resolves when it is durable.
    ///
    /// # Errors
    /// Its digest is another than was said, or it can't be written.
    pub async fn finish(self) -> Result<R2Answer, R2Error> {
        let digested = self.digests.finish().await?;
        match self.target {
            Target::Object {
                mut object,
                only_if,
                expected,
            } => {
                object.size = self.length;
                object.uploaded = self.clock.now_ms().cast_signed();
                object.etag = super::error::hex(&digested.md5);
                object.checksums.push((Algorithm::Md5, digested.md5.to_vec()));
                if let Some((algorithm, expected)) = expected {
                    let found = digested.other.unwrap_or_else(|| digested.md5.to_vec());
                    if found != expected {
                        return Err(R2Error::bad_digest(algorithm, &expected, &found));
                    }
                    if algorithm != Algorithm::Md5 {
                        object.checksums.push((algorithm, found));
                    }
                }
                let is_stored = self.draft.into_object((*object).clone(), only_if).await?;
                Ok(if is_stored {
                    R2Answer::Object(*object, None)
                } else {
                    R2Answer::Nothing
                })
            }
            Target::Part {
                key,
                upload,
                number,
                etag,
            } => {
                let part = StoredPart {
                    number,
                    etag: etag.clone(),
                    size: self.length,
                    md5: digested.md5,
                };
                if self.draft.into_part(key, upload, part).await? {
                    Ok(R2Answer::Part { etag })
                } else {
                    Err(R2Error::no_such_upload())
                }
            }
        }
    }
}
