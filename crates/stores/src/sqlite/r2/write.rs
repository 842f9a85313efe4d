//! What is written to a bucket's database.

use std::sync::{Arc, Mutex, PoisonError};

use isthmus_protocol::r2::Algorithm;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::read;
use crate::r2::{
    Checksums, Completion, Condition, Facts, HttpMetadata, Metadata, NewUpload, ObjectRecord, R2Error,
    StoredPart, UploadState, assemble,
};
use crate::sqlite::bodies;
use crate::sqlite::body_draft::NewBody;
use crate::sqlite::writer::{Progress, Write};

/// Where a write leaves what it came to. It may be done again, after a transaction that came to nothing.
pub(super) type Slot<T> = Arc<Mutex<Option<T>>>;

/// What the write came to in the end.
pub(super) fn take<T>(slot: &Slot<T>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn leave<T>(slot: &Slot<T>, outcome: T) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
}

pub(super) enum R2Write {
    Put {
        object: Box<NewObject>,
        body: NewBody,
        only_if: Option<Condition>,
        /// Whether the condition held.
        outcome: Slot<bool>,
    },
    Delete {
        keys: Vec<String>,
    },
    CreateUpload(NewUpload),
    PutPart {
        key: String,
        upload: String,
        part: StoredPart,
        body: NewBody,
        /// Whether the upload was open.
        outcome: Slot<bool>,
    },
    Complete {
        completion: Completion,
        /// `None`: the upload wasn't open.
        outcome: Slot<Result<Option<ObjectRecord>, R2Error>>,
    },
    Abort {
        key: String,
        upload: String,
        now: i64,
    },
    AbortBegunBefore {
        moment: i64,
        now: i64,
    },
    ForgetUploads {
        before: i64,
    },
    ForgetGarbage {
        ids: Vec<i64>,
    },
}

/// An object with its columns as they are written.
pub(super) struct NewObject {
    object: ObjectRecord,
    checksums: String,
    http: String,
    custom: String,
}

impl From<ObjectRecord> for NewObject {
    fn from(object: ObjectRecord) -> Self {
        let (http, custom) = columns_of(&object.metadata);
        Self {
            checksums: json(&StoredChecksums::of(&object.checksums)),
            http,
            custom,
            object,
        }
    }
}

/// HTTP metadata and custom metadata as they are written.
fn columns_of(metadata: &Metadata) -> (String, String) {
    let http = if metadata.http == HttpMetadata::default() {
        "{}".to_owned()
    } else {
        json(&metadata.http)
    };
    (http, json(&metadata.custom))
}

/// Maps and lists of strings and numbers have a JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredChecksums {
    #[serde(skip_serializing_if = "Option::is_none")]
    md5: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha384: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha512: Option<String>,
}

impl StoredChecksums {
    fn of(checksums: &Checksums) -> Self {
        let find = |wanted| {
            let found = checksums.iter().find(|(algorithm, _)| *algorithm == wanted);
            found.map(|(_, digest)| crate::r2::hex(digest))
        };
        Self {
            md5: find(Algorithm::Md5),
            sha1: find(Algorithm::Sha1),
            sha256: find(Algorithm::Sha256),
            sha384: find(Algorithm::Sha384),
            sha512: find(Algorithm::Sha512),
        }
    }
}

/// The checksums that a column has.
pub(super) fn checksums_of(column: &str) -> Checksums {
    let stored: StoredChecksums = serde_json::from_str(column).unwrap_or_default();
    [
        (Algorithm::Md5, stored.md5),
        (Algorithm::Sha1, stored.sha1),
        (Algorithm::Sha256, stored.sha256),
        (Algorithm::Sha384, stored.sha384),
        (Algorithm::Sha512, stored.sha512),
    ]
    .into_iter()
    .filter_map(|(algorithm, digest)| Some((algorithm, bytes_of(&digest?)?)))
    .collect()
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Its columns `file` and `body`.
fn columns_of_body(body: &NewBody) -> (Option<&str>, Option<&[u8]>) {
    match body {
        NewBody::Bytes(bytes) => (None, Some(bytes)),
        NewBody::File { name, .. } => (Some(name), None),
    }
}

impl Write for R2Write {
    fn apply(&self, connection: &Connection) -> rusqlite::Result<Progress> {
        match self {
            Self::Put {
                object,
                body,
                only_if,
                outcome,
            } => {
                let holds = match only_if {
                    None => true,
                    Some(condition) => holds(connection, &object.object.key, condition)?,
                };
                if holds {
                    put(connection, object, Some(body))?;
                }
                leave(outcome, holds);
            }
            Self::Delete { keys } => {
                let mut statement = connection.prepare_cached("DELETE FROM objects WHERE key = ?1")?;
                atomically(connection, || {
                    keys.iter()
                        .try_for_each(|key| statement.execute([key.as_bytes()]).map(drop))
                })?;
            }
            Self::CreateUpload(upload) => {
                let (http, custom) = columns_of(&upload.metadata);
                connection
                    .prepare_cached(
                        "INSERT INTO uploads (id, key, created, storage_class, http, custom)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    )?
                    .execute(params![
                        upload.id,
                        upload.key.as_bytes(),
                        upload.created,
                        upload.metadata.storage_class,
                        http,
                        custom
                    ])?;
            }
            Self::PutPart {
                key,
                upload,
                part,
                body,
                outcome,
            } => {
                let is_open = is_open(connection, key, upload)?;
                if is_open {
                    put_part(connection, upload, part, body)?;
                }
                leave(outcome, is_open);
            }
            Self::Complete { completion, outcome } => {
                let completed = atomically(connection, || complete(connection, completion))?;
                leave(outcome, completed);
            }
            Self::Abort { key, upload, now } => atomically(connection, || {
                if end(connection, key, upload, *now)? {
                    connection
                        .prepare_cached("DELETE FROM parts WHERE upload = ?1")?
                        .execute([upload])?;
                }
                Ok(())
            })?,
            Self::AbortBegunBefore { moment, now } => atomically(connection, || {
                connection
                    .prepare_cached(
                        "DELETE FROM parts WHERE upload IN
                             (SELECT id FROM uploads WHERE ended IS NULL AND created < ?1)",
                    )?
                    .execute([moment])?;
                connection
                    .prepare_cached("UPDATE uploads SET ended = ?2 WHERE ended IS NULL AND created < ?1")?
                    .execute([moment, now])
                    .map(drop)
            })?,
            Self::ForgetUploads { before } => {
                connection
                    .prepare_cached("DELETE FROM uploads WHERE ended < ?1")?
                    .execute([before])?;
            }
            Self::ForgetGarbage { ids } => bodies::forget(connection, ids)?,
        }
        Ok(Progress::Done)
    }

    fn size(&self) -> usize {
        match self {
            Self::Put { object, body, .. } => {
                let rest = object.http.len() + object.custom.len();
                columns_of_body(body).1.map_or(0, <[u8]>::len) + rest
            }
            Self::PutPart { body, .. } => columns_of_body(body).1.map_or(0, <[u8]>::len),
            _ => 0,
        }
    }
}

/// Several statements that fail as one.
fn atomically<T>(connection: &Connection, work: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    connection.execute_batch("SAVEPOINT several")?;
    let done = work();
    // A full disk, say, may have undone the whole transaction.
    if !connection.is_autocommit() {
        let end = if done.is_ok() {
            "RELEASE several"
        } else {
            "ROLLBACK TO several; RELEASE several"
        };
        connection.execute_batch(end)?;
    }
    done
}

fn holds(connection: &Connection, key: &str, condition: &Condition) -> rusqlite::Result<bool> {
    let found: Option<(String, i64)> = connection
        .prepare_cached("SELECT etag, uploaded FROM objects WHERE key = ?1")?
        .query_row([key.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(condition.holds(found.as_ref().map(|(etag, uploaded)| Facts {
        etag,
        uploaded: *uploaded,
    })))
}

/// Writes an object; without a body its value is in its parts. Answers its row.
fn put(connection: &Connection, new: &NewObject, body: Option<&NewBody>) -> rusqlite::Result<i64> {
    let (file, body) = body.map_or((None, None), columns_of_body);
    let object = &new.object;
    connection
        .prepare_cached(
            "INSERT INTO objects
                 (key, version, size, etag, uploaded, checksums, storage_class, http, custom, file, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (key) DO UPDATE SET
                 version = excluded.version, size = excluded.size, etag = excluded.etag,
                 uploaded = excluded.uploaded, checksums = excluded.checksums,
                 storage_class = excluded.storage_class, http = excluded.http, custom = excluded.custom,
                 file = excluded.file, body = excluded.body
             RETURNING id",
        )?
        .query_row(
            params![
                object.key.as_bytes(),
                object.version,
                object.size.cast_signed(),
                object.etag,
                object.uploaded,
                new.checksums,
                object.metadata.storage_class,
                new.http,
                new.custom,
                file,
                body
            ],
            |row| row.get(0),
        )
}

fn put_part(
    connection: &Connection,
    upload: &str,
    part: &StoredPart,
    body: &NewBody,
) -> rusqlite::Result<()> {
    let (file, body) = columns_of_body(body);
    connection
        .prepare_cached(
            "INSERT INTO parts (upload, number, size, etag, md5, file, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (upload, number) DO UPDATE SET
                 size = excluded.size, etag = excluded.etag, md5 = excluded.md5, file = excluded.file,
                 body = excluded.body",
        )?
        .execute(params![
            upload,
            part.number,
            part.size.cast_signed(),
            part.etag,
            part.md5,
            file,
            body
        ])?;
    Ok(())
}

fn is_open(connection: &Connection, key: &str, upload: &str) -> rusqlite::Result<bool> {
    let state = read::upload_state(connection, key, upload)?;
    Ok(matches!(state, Some(UploadState::Open { .. })))
}

/// Ends an upload; whether it was open.
fn end(connection: &Connection, key: &str, upload: &str, now: i64) -> rusqlite::Result<bool> {
    let ended = connection
        .prepare_cached("UPDATE uploads SET ended = ?3 WHERE id = ?1 AND key = ?2 AND ended IS NULL")?
        .execute(params![upload, key.as_bytes(), now])?;
    Ok(ended > 0)
}

fn complete(
    connection: &Connection,
    completion: &Completion,
) -> rusqlite::Result<Result<Option<ObjectRecord>, R2Error>> {
    let Completion {
        upload,
        key,
        parts,
        version,
        uploaded,
    } = completion;
    if !is_open(connection, key, upload)? {
        return Ok(Ok(None));
    }
    let assembled = match assemble(parts, &read::parts(connection, upload)?) {
        Ok(assembled) => assembled,
        Err(error) => return Ok(Err(error)),
    };
    let metadata = connection
        .prepare_cached("SELECT storage_class, http, custom FROM uploads WHERE id = ?1")?
        .query_row([upload], |row| read::metadata(row, 0))?;
    let object = ObjectRecord {
        key: key.clone(),
        version: version.clone(),
        size: assembled.size,
        etag: assembled.etag,
        uploaded: *uploaded,
        checksums: Vec::new(),
        metadata,
    };
    // Takes the parts away that the object before had.
    let id = put(connection, &NewObject::from(object.clone()), None)?;
    connection
        .prepare_cached(
            "UPDATE parts SET object = ?1 WHERE upload = ?2 AND number IN (SELECT value FROM json_each(?3))",
        )?
        .execute(params![id, upload, json(&assembled.numbers)])?;
    connection
        .prepare_cached("DELETE FROM parts WHERE upload = ?1 AND object IS NULL")?
        .execute([upload])?;
    end(connection, key, upload, *uploaded)?;
    Ok(Ok(Some(object)))
}
