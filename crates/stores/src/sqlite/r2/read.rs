//! What is read of a bucket's database.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::write::checksums_of;
use crate::r2::{
    HttpMetadata, ListEntry, ListPage, ListRange, Metadata, ObjectRecord, StoredPart, UploadState,
};
use crate::sqlite::bodies::NamedBody;

/// A piece of a value.
pub(super) struct Segment {
    pub(super) size: u64,
    pub(super) body: SegmentBody,
}

/// Where the bytes of a segment are.
pub(super) enum SegmentBody {
    Bytes(Bytes),
    File(String),
}

/// The columns of an object, as [`object`] takes them.
macro_rules! columns {
    () => {
        "key, version, size, etag, uploaded, checksums, storage_class, http, custom"
    };
}

fn object(row: &Row<'_>) -> rusqlite::Result<ObjectRecord> {
    Ok(ObjectRecord {
        key: text(row.get_ref(0)?.as_blob()?),
        version: row.get(1)?,
        size: row.get::<_, i64>(2)?.cast_unsigned(),
        etag: row.get(3)?,
        uploaded: row.get(4)?,
        checksums: checksums_of(row.get_ref(5)?.as_str()?),
        metadata: metadata(row, 6)?,
    })
}

/// Three columns from `first` on.
pub(super) fn metadata(row: &Row<'_>, first: usize) -> rusqlite::Result<Metadata> {
    let json = |column: usize, error: serde_json::Error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    };
    let http: HttpMetadata = match row.get_ref(first + 1)?.as_str_or_null()? {
        None => HttpMetadata::default(),
        Some(text) => serde_json::from_str(text).map_err(|error| json(first + 1, error))?,
    };
    let custom = match row.get_ref(first + 2)?.as_str_or_null()? {
        None => Vec::new(),
        Some(text) => serde_json::from_str(text).map_err(|error| json(first + 2, error))?,
    };
    Ok(Metadata {
        storage_class: row.get(first)?,
        http,
        custom,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn head(connection: &Connection, key: &str) -> rusqlite::Result<Option<ObjectRecord>> {
    connection
        .prepare_cached(concat!("SELECT ", columns!(), " FROM objects WHERE key = ?1"))?
        .query_row([key.as_bytes()], object)
        .optional()
}

/// An object, and its value if that is in one piece.
pub(super) fn single(
    connection: &Connection,
    key: &str,
) -> rusqlite::Result<Option<(ObjectRecord, Option<Segment>)>> {
    connection
        .prepare_cached(concat!(
            "SELECT ",
            columns!(),
            ", file, body FROM objects WHERE key = ?1"
        ))?
        .query_row([key.as_bytes()], |row| {
            let object = object(row)?;
            let segment = segment_body(row, 9)?.map(|body| Segment {
                size: object.size,
                body,
            });
            Ok((object, segment))
        })
        .optional()
}

/// An object and the pieces of its value, in order.
pub(super) fn whole(
    connection: &Connection,
    key: &str,
) -> rusqlite::Result<Option<(ObjectRecord, Vec<Segment>)>> {
    // One state for both queries.
    let transaction = connection.unchecked_transaction()?;
    let Some((object, segment)) = single(&transaction, key)? else {
        return Ok(None);
    };
    if let Some(segment) = segment {
        return Ok(Some((object, vec![segment])));
    }
    let mut statement = transaction.prepare_cached(
        "SELECT size, file, body FROM parts
         WHERE object = (SELECT id FROM objects WHERE key = ?1) ORDER BY number",
    )?;
    let segments = statement.query_map([key.as_bytes()], |row| {
        Ok(Segment {
            size: row.get::<_, i64>(0)?.cast_unsigned(),
            body: segment_body(row, 1)?.unwrap_or(SegmentBody::Bytes(Bytes::new())),
        })
    })?;
    let segments = segments.collect::<rusqlite::Result<_>>()?;
    Ok(Some((object, segments)))
}

/// Two columns from `first` on: at most one of them has something.
fn segment_body(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<SegmentBody>> {
    if let Some(file) = row.get(first)? {
        return Ok(Some(SegmentBody::File(file)));
    }
    let body = row.get_ref(first + 1)?.as_blob_or_null()?;
    Ok(body.map(|body| SegmentBody::Bytes(Bytes::copy_from_slice(body))))
}

pub(super) fn upload_state(
    connection: &Connection,
    key: &str,
    upload: &str,
) -> rusqlite::Result<Option<UploadState>> {
    connection
        .prepare_cached("SELECT iif(ended IS NULL, created, NULL) FROM uploads WHERE id = ?1 AND key = ?2")?
        .query_row(params![upload, key.as_bytes()], |row| {
            Ok(match row.get(0)? {
                Some(created) => UploadState::Open { created },
                None => UploadState::Over,
            })
        })
        .optional()
}

/// The parts of an upload that are there.
pub(super) fn parts(connection: &Connection, upload: &str) -> rusqlite::Result<Vec<StoredPart>> {
    let mut statement = connection
        .prepare_cached("SELECT number, etag, size, md5 FROM parts WHERE upload = ?1 ORDER BY number")?;
    let rows = statement.query_map([upload], |row| {
        Ok(StoredPart {
            number: row.get(0)?,
            etag: row.get(1)?,
            size: row.get::<_, i64>(2)?.cast_unsigned(),
            md5: row.get(3)?,
        })
    })?;
    rows.collect()
}

/// Whether a row names a file.
pub(super) fn is_used(connection: &Connection, file: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM objects WHERE file = ?1) OR EXISTS (SELECT 1 FROM parts WHERE file = ?1)",
        )?
        .query_row([file], |row| row.get(0))
}

/// All files that rows name.
pub(in crate::sqlite) fn bodies_named_by(connection: &Connection) -> rusqlite::Result<Vec<NamedBody>> {
    let mut statement = connection.prepare(
        "SELECT file, size, key FROM objects WHERE file IS NOT NULL
         UNION ALL
         SELECT parts.file, parts.size, coalesce(objects.key, uploads.key, x'')
         FROM parts LEFT JOIN objects ON objects.id = parts.object LEFT JOIN uploads ON uploads.id = parts.upload
         WHERE parts.file IS NOT NULL",
    )?;
    let rows = statement.query_map([], NamedBody::of_row)?;
    rows.collect()
}

/// No byte of UTF-8 is 0xff: the last one can be raised, and 0xff is above every key.
fn above(prefix: &[u8]) -> Vec<u8> {
    let mut above = prefix.to_vec();
    match above.last_mut() {
        Some(last) => *last += 1,
        None => above.push(0xff),
    }
    above
}

/// Lists a part of the objects. Of keys that one prefix stands for only the first and the last are looked at, however many
/// there are.
pub(super) fn list(connection: &Connection, range: &ListRange) -> rusqlite::Result<ListPage> {
    // One state for all queries.
    let transaction = connection.unchecked_transaction()?;
    let prefix = range.prefix.as_bytes();
    let mut from = match &range.after {
        None => Vec::new(),
        // What follows a key most closely is that key and a zero byte.
        Some(after) => [after.as_bytes(), &[0]].concat(),
    };
    if &*from < prefix {
        from = prefix.to_vec();
    }
    let below = above(prefix);
    let (mut entries, mut last) = (Vec::new(), None);
    let mut statement = transaction.prepare_cached(
        "SELECT key, version, size, etag, uploaded, checksums, storage_class,
                iif(?3, http, NULL), iif(?4, custom, NULL)
         FROM objects WHERE key >= ?1 AND key < ?2 ORDER BY key",
    )?;
    let mut last_of = transaction
        .prepare_cached("SELECT key FROM objects WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT 1")?;
    'seek: loop {
        let mut rows = statement.query(params![from, below, range.with_http, range.with_custom])?;
        while let Some(row) = rows.next()? {
            if entries.len() == range.limit {
                return Ok(ListPage { entries, last });
            }
            let key = row.get_ref(0)?.as_blob()?;
            let together = range.delimiter.as_deref().and_then(|delimiter| {
                let rest = key.get(prefix.len()..)?;
                let at = rest
                    .windows(delimiter.len())
                    .position(|window| window == delimiter.as_bytes())?;
                Some(&key[..prefix.len() + at + delimiter.len()])
            });
            let Some(together) = together else {
                last = Some(text(key));
                entries.push(ListEntry::Object(Box::new(object(row)?)));
                continue;
            };
            let next = above(together);
            let final_key: Vec<u8> = last_of.query_row(params![together, next], |row| row.get(0))?;
            last = Some(text(&final_key));
            entries.push(ListEntry::Prefix(text(together)));
            from = next;
            continue 'seek;
        }
        return Ok(ListPage { entries, last: None });
    }
}
