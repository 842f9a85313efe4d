//! The platform's limits of R2. Facts: `spec/workers.md` §B5; `tests/r2_reference` where that is silent.

use isthmus_protocol::r2::Metadata;

use super::R2Error;

/// The longest key, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;
/// The longest value of a put or a part, in bytes.
pub const MAX_VALUE_BYTES: u64 = 5 * 1024 * 1024 * 1024 - 5 * 1024 * 1024;
/// The largest custom metadata: characters, each counted as two where a name or value has one beyond U+00FF.
pub const MAX_METADATA_BYTES: usize = 2048;
/// The most that is kept of HTTP headers, in bytes. Miniflare has no bound; the platform's documents name this one.
const MAX_HTTP_METADATA_BYTES: usize = 8192;
/// The least that all parts but the last must have, in bytes.
pub const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;
/// The most objects and prefixes in one part of a list.
pub const MAX_LIST_KEYS: usize = 1000;
/// The same where they come with metadata.
const MAX_LIST_KEYS_WITH_METADATA: usize = 100;
/// The most keys that are deleted at once.
pub const MAX_DELETED_KEYS: usize = 1000;

/// An upload that isn't completed ends after so long, in milliseconds: a week.
pub(super) const UPLOAD_MS: i64 = 7 * 24 * 3_600_000;
/// Those that have are looked for so often, in milliseconds: what they hold of the disk is to be free some day.
pub(super) const UPLOAD_SWEEP_MS: i64 = 3_600_000;

pub(super) fn check_key(key: &str) -> Result<(), R2Error> {
    if key.len() > MAX_KEY_BYTES {
        return Err(R2Error::invalid_key());
    }
    Ok(())
}

pub(super) fn check_size(size: u64) -> Result<(), R2Error> {
    if size > MAX_VALUE_BYTES {
        return Err(R2Error::too_large());
    }
    Ok(())
}

pub(super) fn check_metadata(metadata: &Metadata<'_>) -> Result<(), R2Error> {
    let cost = |text: &str| {
        let units = text.encode_utf16().count();
        if text.chars().any(|character| character > '\u{ff}') {
            units * 2
        } else {
            units
        }
    };
    let custom: usize = metadata
        .custom
        .iter()
        .map(|(name, value)| cost(name) + cost(value))
        .sum();
    let http = &metadata.http;
    let http: usize = [
        http.content_type,
        http.content_language,
        http.content_disposition,
        http.content_encoding,
        http.cache_control,
    ]
    .into_iter()
    .flatten()
    .map(str::len)
    .sum();
    if !matches!(
        metadata.storage_class,
        None | Some("Standard" | "InfrequentAccess")
    ) {
        return Err(R2Error::invalid_argument(
            "The specified storage class is not valid.",
        ));
    }
    if custom > MAX_METADATA_BYTES || http > MAX_HTTP_METADATA_BYTES {
        return Err(R2Error::metadata_too_large());
    }
    Ok(())
}

/// How many objects and prefixes a list may have.
pub(super) fn list_limit(limit: Option<i32>, with_metadata: bool) -> Result<usize, R2Error> {
    let limit = match limit {
        None => MAX_LIST_KEYS,
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=MAX_LIST_KEYS).contains(limit))
            .ok_or_else(R2Error::invalid_limit)?,
    };
    Ok(if with_metadata {
        limit.min(MAX_LIST_KEYS_WITH_METADATA)
    } else {
        limit
    })
}

pub(super) fn check_deleted(keys: &[&str]) -> Result<(), R2Error> {
    if keys.len() > MAX_DELETED_KEYS {
        return Err(R2Error::too_many_keys());
    }
    keys.iter().try_for_each(|key| check_key(key))
}
