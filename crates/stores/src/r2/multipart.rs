//! When an object can be made of parts, and its etag.

use std::collections::{HashMap, HashSet};

use md5::{Digest, Md5};

use super::R2Error;
use super::error::hex;
use super::limits::MIN_PART_BYTES;

/// A part that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Its number.
    pub number: u32,
    /// What the caller knows it by.
    pub etag: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its MD5.
    pub md5: [u8; 16],
}

/// A part that the caller wants the object to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenPart {
    /// Its number.
    pub number: u32,
    /// What uploading it has answered.
    pub etag: String,
}

/// What the object is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembled {
    /// The numbers of its parts, in order.
    pub numbers: Vec<u32>,
    /// Its length in bytes.
    pub size: u64,
    /// Its etag.
    pub etag: String,
}

/// Makes an object of the parts `chosen` among those `stored`. An engine asks in the transaction that writes.
///
/// # Errors
/// A part isn't there or named twice; all but the last must have the same length, the least that is allowed or more.
pub fn assemble(chosen: &[ChosenPart], stored: &[StoredPart]) -> Result<Assembled, R2Error> {
    let mut seen = HashSet::with_capacity(chosen.len());
    if !chosen.iter().all(|part| seen.insert(part.number)) {
        return Err(R2Error::bad_upload());
    }
    let stored: HashMap<u32, &StoredPart> = stored.iter().map(|part| (part.number, part)).collect();
    let find = |part: &ChosenPart| {
        let found = stored.get(&part.number).copied();
        found
            .filter(|found| found.etag == part.etag)
            .ok_or_else(R2Error::invalid_part)
    };
    let mut parts = chosen.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    // As they were given: the order of the checks is the platform's.
    let Some((_, all_but_last)) = parts.split_last() else {
        return Ok(of(&parts));
    };
    if all_but_last.iter().any(|part| part.size < MIN_PART_BYTES) {
        return Err(R2Error::too_small());
    }
    parts.sort_by_key(|part| part.number);
    if let Some((last, all_but_last)) = parts.split_last()
        && let Some(first) = all_but_last.first()
    {
        let is_regular = |part: &&StoredPart| part.size == first.size && part.size >= MIN_PART_BYTES;
        if !all_but_last.iter().all(is_regular) || last.size > first.size {
            return Err(R2Error::bad_upload());
        }
    }
    Ok(of(&parts))
}

fn of(parts: &[&StoredPart]) -> Assembled {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(part.md5);
    }
    Assembled {
        numbers: parts.iter().map(|part| part.number).collect(),
        size: parts.iter().map(|part| part.size).sum(),
        etag: format!("{}-{}", hex(&digest.finalize()), parts.len()),
    }
}
