//! Which bytes of an object are read.

use std::ops::Range;

use isthmus_protocol::r2;

use super::R2Error;

/// The bytes that `range` asks for of an object of `size` bytes.
pub(super) fn resolve(range: Option<&r2::Range<'_>>, size: u64) -> Result<Range<u64>, R2Error> {
    let (offset, length) = match range {
        None => return Ok(0..size),
        Some(r2::Range::Header(header)) => return Ok(of_header(header, size).unwrap_or(0..size)),
        Some(r2::Range::Suffix(0)) => return Err(R2Error::invalid_range()),
        Some(&r2::Range::Suffix(suffix)) => (size.saturating_sub(suffix), suffix.min(size)),
        Some(&r2::Range::Span { offset, length }) => {
            let offset = offset.unwrap_or(0);
            (offset, length.unwrap_or(size.saturating_sub(offset)))
        }
    };
    if offset > size || length == 0 {
        return Err(R2Error::invalid_range());
    }
    Ok(offset..offset.saturating_add(length).min(size))
}

/// The only range of a header; `None` if there are others, or it can't be read or satisfied: then it is ignored.
fn of_header(header: &str, size: u64) -> Option<Range<u64>> {
    let header = header.trim_ascii_start();
    let unit = header
        .get(..5)
        .filter(|unit| unit.eq_ignore_ascii_case("bytes"))?;
    let list = header[unit.len()..].trim_ascii_start().strip_prefix('=')?;
    let mut found = None;
    for part in list.split(',') {
        let (first, last) = part.split_once('-')?;
        let range = match (number(first)?, number(last)?) {
            (Some(first), last) => {
                let last = last.unwrap_or(u64::MAX);
                if first > last || first >= size {
                    return None;
                }
                first..last.saturating_add(1).min(size)
            }
            (None, Some(0)) => continue,
            // One that asks for all of it, or more, asks for nothing special.
            (None, Some(suffix)) if suffix >= size => return None,
            (None, Some(suffix)) => size - suffix..size,
            (None, None) => return None,
        };
        if found.replace(range).is_some() {
            return None;
        }
    }
    found
}

/// Digits, or nothing, between blanks; `None` for anything else.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Some(None);
    }
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        // What is beyond 64 bits is beyond every object.
        .then(|| Some(text.parse().unwrap_or(u64::MAX)))
}
