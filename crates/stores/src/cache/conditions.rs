//! What a request's headers ask of a stored response: nothing if the client has it, a part, or all of it.
//! <https://www.rfc-editor.org/rfc/rfc9110#name-conditional-requests>, <https://www.rfc-editor.org/rfc/rfc9110#name-range-requests>
//!
//! A range that can't be read is answered with 416, as upstream does; the standard would ignore it.

use super::freshness::date;
use super::{Headers, header, header_list};

/// More ranges, or ranges of more bytes than twice the body, are no honest wish: the whole body is the answer.
const RANGES_MAX: usize = 32;

/// A part of a body: the first byte, and the first after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// What to answer with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// All of it.
    Whole,
    /// The client has it.
    NotModified,
    /// These parts, at least one.
    Parts(Vec<Range>),
    /// 416.
    Unsatisfiable,
}

/// What a request with the headers `request` gets of a stored response.
pub(super) fn shape(request: &Headers, status: u16, stored: &Headers, length: u64) -> Shape {
    if (200..300).contains(&status) && is_known(request, stored) {
        return Shape::NotModified;
    }
    let Some(range) = header(request, "range").filter(|_| status == 200) else {
        return Shape::Whole;
    };
    if header(request, "if-range").is_some_and(|condition| !holds(condition, stored)) {
        return Shape::Whole;
    }
    match ranges(&String::from_utf8_lossy(range), length) {
        None => Shape::Unsatisfiable,
        Some(ranges) => {
            let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            if ranges.is_empty() || ranges.len() > RANGES_MAX || bytes > length.saturating_mul(2) {
                Shape::Whole
            } else {
                Shape::Parts(ranges)
            }
        }
    }
}

/// Whether the client has the response already.
fn is_known(request: &Headers, stored: &Headers) -> bool {
    if let Some(tags) = header_list(request, "if-none-match") {
        let Some(stored) = header(stored, "etag").and_then(|tag| opaque(&String::from_utf8_lossy(tag)))
        else {
            return false;
        };
        return tags.trim() == "*" || tags.split(',').any(|tag| opaque(tag).as_ref() == Some(&stored));
    }
    let since = header(request, "if-modified-since").and_then(date);
    let changed = header(stored, "last-modified").and_then(date);
    matches!((since, changed), (Some(since), Some(changed)) if changed <= since)
}

/// An entity tag without its quotes and without `W/`.
fn opaque(tag: &str) -> Option<String> {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let inner = tag.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.is_empty()).then(|| inner.to_owned())
}

/// Whether what `if-range` names is exactly what is stored.
fn holds(condition: &[u8], stored: &Headers) -> bool {
    let condition = condition.trim_ascii();
    if condition.starts_with(b"\"") {
        return header(stored, "etag").is_some_and(|tag| tag.trim_ascii() == condition);
    }
    let stored = header(stored, "last-modified").and_then(date);
    stored.is_some() && date(condition) == stored
}

/// The ranges of `bytes=…`; `None` if they can't be satisfied or read, empty if they mean everything.
fn ranges(text: &str, length: u64) -> Option<Vec<Range>> {
    let list = text.trim_start();
    let list = list
        .get(..5)
        .filter(|unit| unit.eq_ignore_ascii_case("bytes"))
        .map(|_| list[5..].trim_start())?;
    let list = list.strip_prefix('=')?;
    let mut ranges = Vec::new();
    if list.trim().is_empty() {
        return Some(ranges);
    }
    for part in list.split(',') {
        let (first, last) = part.trim().split_once('-')?;
        let (first, last) = (first.trim(), last.trim());
        let position = |text: &str| -> Option<u64> {
            // A position beyond 2^64 is behind every end.
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().unwrap_or(u64::MAX))
        };
        let range = if first.is_empty() {
            let count = position(last)?;
            if count >= length {
                return Some(Vec::new());
            }
            Range {
                start: length - count,
                end: length,
            }
        } else {
            let start = position(first)?;
            let end = if last.is_empty() {
                length
            } else {
                position(last)?.saturating_add(1).min(length)
            };
            if start >= length || start >= end {
                return None;
            }
            Range { start, end }
        };
        if range.start < range.end {
            ranges.push(range);
        }
        if ranges.len() > RANGES_MAX {
            break;
        }
    }
    Some(ranges)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(name: &str, value: &str) -> Headers {
        vec![(name.to_owned(), value.as_bytes().to_vec())]
    }

    fn of_range(range: &str, length: u64) -> Shape {
        shape(&one("range", range), 200, &Vec::new(), length)
    }

    #[test]
    fn ranges_are_cut_to_the_body() {
        let part = |start, end| Shape::Parts(vec![Range { start, end }]);
        for (range, expected) in [
            ("bytes=0-3", part(0, 4)),
            ("Bytes = 0-3", Shape::Parts(vec![Range { start: 0, end: 4 }])),
            ("bytes=7-", part(7, 10)),
            ("bytes=-3", part(7, 10)),
            ("bytes=5-99999999999999999999999", part(5, 10)),
            ("bytes=99999999999999999999999-", Shape::Unsatisfiable),
            ("bytes=-99999999999999999999999", Shape::Whole),
            ("bytes=10-", Shape::Unsatisfiable),
            ("bytes=3-2", Shape::Unsatisfiable),
            ("bytes=--1", Shape::Unsatisfiable),
            ("bytes=1", Shape::Unsatisfiable),
            ("bytes", Shape::Unsatisfiable),
            ("äbytes=1-2", Shape::Unsatisfiable),
            ("bytes=-0", Shape::Whole),
            ("bytes= ", Shape::Whole),
        ] {
            assert_eq!(of_range(range, 10), expected, "{range}");
        }
        assert_eq!(of_range("bytes=0-", 0), Shape::Unsatisfiable);
    }

    #[test]
    fn many_ranges_cannot_multiply_a_body() {
        let many = format!("bytes={}", vec!["0-"; 1000].join(","));
        assert_eq!(of_range(&many, 1 << 30), Shape::Whole);
        assert_eq!(of_range("bytes=0-,0-,0-", 1000), Shape::Whole);
    }

    #[test]
    fn if_range_names_what_is_meant() {
        let stored = one("etag", "\"a\"");
        let ask = |condition: &str| {
            let mut request = one("range", "bytes=0-1");
            request.extend(one("if-range", condition));
            shape(&request, 200, &stored, 10)
        };
        assert_eq!(ask("\"a\""), Shape::Parts(vec![Range { start: 0, end: 2 }]));
        for other in ["\"b\"", "W/\"a\"", "Wed, 21 Oct 2015 07:28:00 GMT", "nonsense"] {
            assert_eq!(ask(other), Shape::Whole, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_range_leaves_the_body(range in "(bytes=)?[-0-9,= ]{0,20}|\\PC{0,12}", length in 0_u64..50) {
            if let Shape::Parts(parts) = of_range(&range, length) {
                for part in parts {
                    prop_assert!(part.start < part.end && part.end <= length);
                }
            }
        }
    }
}
