//! The platform's limits of KV, with its statuses and messages, in its order of checks.
//!
//! Facts: `spec/workers.md` §B3; `tests/kv_reference` where that is silent. One answer is not miniflare's, which
//! takes any text for a cursor: a cursor that no list can have returned is refused.

use base64::{Engine, engine::general_purpose::STANDARD};
use isthmus_protocol::kv::Operation;

use super::KvError;

/// The longest key, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 512;
/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: u64 = 25 * 1024 * 1024;
/// The longest metadata, in bytes of JSON.
pub const MAX_METADATA_BYTES: usize = 1024;
/// The most keys that can be read at once.
pub const MAX_BULK_KEYS: usize = 100;
/// How long the values that are read at once may be together, in bytes.
pub const MAX_BULK_BYTES: u64 = 25 * 1024 * 1024;
/// The most keys in one part of a list.
pub const MAX_LIST_KEYS: usize = 1000;

const MIN_CACHE_TTL_SECONDS: i32 = 30;
const MIN_EXPIRATION_SECONDS: u64 = 60;

/// Checks all that an operation says but the length of a put's value. `now` is in seconds since the epoch.
pub(super) fn check(operation: &Operation<'_>, now: u64) -> Result<(), KvError> {
    match operation {
        Operation::Get { key, cache_ttl } => {
            check_key(key)?;
            cache_ttl.map_or(Ok(()), check_cache_ttl)
        }
        Operation::GetMany { keys, cache_ttl } => {
            let refused = |message: String| Err(KvError::new(400, message));
            match keys.len() {
                0 => return refused("You must request a minimum of 1 key".to_owned()),
                1..=MAX_BULK_KEYS => {}
                _ => return refused(format!("You can request a maximum of {MAX_BULK_KEYS} keys")),
            }
            keys.iter().try_for_each(|key| {
                check_key(key)?;
                cache_ttl.map_or(Ok(()), check_cache_ttl)
            })
        }
        Operation::Put {
            key,
            expiration,
            expiration_ttl,
            metadata,
        } => {
            check_key(key)?;
            expiration_of(*expiration, *expiration_ttl, now)?;
            metadata.map_or(Ok(()), check_metadata)
        }
        Operation::Delete { key } => check_key(key),
        Operation::List {
            prefix,
            limit,
            cursor,
        } => {
            list_limit(*limit)?;
            prefix.map_or(Ok(()), check_key_length)?;
            cursor.map_or(Ok(()), |cursor| position_of(cursor).map(drop))
        }
    }
}

fn check_key(key: &str) -> Result<(), KvError> {
    match key {
        "" => Err(KvError::new(400, "Key names must not be empty")),
        "." | ".." => {
            let message = format!("Illegal key name \"{key}\". Please use a different name.");
            Err(KvError::new(400, message))
        }
        _ => check_key_length(key),
    }
}

fn check_key_length(key: &str) -> Result<(), KvError> {
    let length = key.len();
    if length <= MAX_KEY_BYTES {
        return Ok(());
    }
    let message = format!("UTF-8 encoded length of {length} exceeds key length limit of {MAX_KEY_BYTES}.");
    Err(KvError::new(414, message))
}

fn check_cache_ttl(ttl: i32) -> Result<(), KvError> {
    if ttl >= MIN_CACHE_TTL_SECONDS {
        return Ok(());
    }
    let message = format!("Invalid cache_ttl of {ttl}. Cache TTL must be at least {MIN_CACHE_TTL_SECONDS}.");
    Err(KvError::new(400, message))
}

/// The second from which on the entry is gone. A TTL goes before an absolute time.
pub(super) fn expiration_of(
    expiration: Option<i32>,
    ttl: Option<i32>,
    now: u64,
) -> Result<Option<u64>, KvError> {
    if let Some(ttl) = ttl {
        let seconds = u64::try_from(ttl).unwrap_or(0);
        let reason = match seconds {
            0 => "Please specify integer greater than 0.".to_owned(),
            1..MIN_EXPIRATION_SECONDS => {
                format!("Expiration TTL must be at least {MIN_EXPIRATION_SECONDS}.")
            }
            _ => return Ok(Some(now + seconds)),
        };
        return Err(KvError::new(
            400,
            format!("Invalid expiration_ttl of {ttl}. {reason}"),
        ));
    }
    let Some(expiration) = expiration else {
        return Ok(None);
    };
    let second = u64::try_from(expiration).unwrap_or(0);
    let reason = if second <= now {
        "Please specify integer greater than the current number of seconds since the UNIX epoch.".to_owned()
    } else if second < now + MIN_EXPIRATION_SECONDS {
        format!("Expiration times must be at least {MIN_EXPIRATION_SECONDS} seconds in the future.")
    } else {
        return Ok(Some(second));
    };
    Err(KvError::new(
        400,
        format!("Invalid expiration of {expiration}. {reason}"),
    ))
}

fn check_metadata(json: &str) -> Result<(), KvError> {
    let length = json.len();
    if length > MAX_METADATA_BYTES {
        let message = format!("Metadata length of {length} exceeds limit of {MAX_METADATA_BYTES}.");
        return Err(KvError::new(413, message));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(json)
        .map(drop)
        .map_err(|_| KvError::new(400, "Metadata must be valid JSON."))
}

/// Checks the length of a value in bytes.
pub(super) fn check_value_length(length: u64) -> Result<(), KvError> {
    if length <= MAX_VALUE_BYTES {
        return Ok(());
    }
    let message = format!("Value length of {length} exceeds limit of {MAX_VALUE_BYTES}.");
    Err(KvError::new(413, message))
}

/// The error of values that are too long together.
pub(super) fn bulk_too_long() -> KvError {
    let message = format!(
        "Total size of request exceeds the limit of {}MB",
        MAX_BULK_BYTES / 1024 / 1024
    );
    KvError::new(413, message)
}

/// How many keys a list may have.
pub(super) fn list_limit(limit: Option<i32>) -> Result<usize, KvError> {
    let Some(limit) = limit else {
        return Ok(MAX_LIST_KEYS);
    };
    let reason = match usize::try_from(limit) {
        Err(_) | Ok(0) => "Please specify an integer greater than 0.".to_owned(),
        Ok(keys) if keys > MAX_LIST_KEYS => format!("Please specify an integer less than {MAX_LIST_KEYS}."),
        Ok(keys) => return Ok(keys),
    };
    Err(KvError::new(
        400,
        format!("Invalid key_count_limit of {limit}. {reason}"),
    ))
}

/// The cursor of a list that ended with `key`. It names a key, not a row, so it stays good whatever is written.
pub(super) fn cursor_after(key: &str) -> String {
    STANDARD.encode(key)
}

/// The key after which a cursor goes on.
pub(super) fn position_of(cursor: &str) -> Result<Vec<u8>, KvError> {
    STANDARD
        .decode(cursor)
        .ok()
        .filter(|key| std::str::from_utf8(key).is_ok())
        .ok_or_else(|| KvError::new(400, "Invalid cursor"))
}
