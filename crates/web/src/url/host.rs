//! Hosts: domains, IPv4 and IPv6 addresses, opaque hosts. <https://url.spec.whatwg.org/#host-parsing>
//!
//! A host is kept as its serialisation. Domains become ASCII through the `idna` crate.

use core::net::Ipv6Addr;
use std::fmt::Write as _;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::percent::{self, Set};

/// A host from its text, or nothing if it is none. `special` says whether the URL's scheme is special.
pub(super) fn parse(text: &str, special: bool) -> Option<String> {
    if let Some(rest) = text.strip_prefix('[') {
        let address: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
        return Some(serialize_ipv6(address));
    }
    if !special {
        let allowed = !text.chars().any(is_forbidden);
        return allowed.then(|| percent::encode(text, Set::C0_CONTROL));
    }
    let domain = to_ascii(&String::from_utf8_lossy(&percent::decode(text)))?;
    if domain.is_empty() || domain.chars().any(is_forbidden_in_domain) {
        return None;
    }
    if ends_in_a_number(&domain) {
        let [a, b, c, d] = parse_ipv4(&domain)?.to_be_bytes();
        return Some(format!("{a}.{b}.{c}.{d}"));
    }
    Some(domain)
}

/// <https://url.spec.whatwg.org/#concept-domain-to-ascii>: ASCII is not looked into, not even what says that it
/// is Punycode.
fn to_ascii(domain: &str) -> Option<String> {
    if domain.is_ascii() {
        return Some(domain.to_ascii_lowercase());
    }
    Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::EMPTY,
            Hyphens::Allow,
            DnsLength::Ignore,
        )
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// <https://url.spec.whatwg.org/#forbidden-host-code-point>
fn is_forbidden(character: char) -> bool {
    matches!(
        character,
        '\0' | '\t'
            | '\n'
            | '\r'
            | ' '
            | '#'
            | '/'
            | ':'
            | '<'
            | '>'
            | '?'
            | '@'
            | '['
            | '\\'
            | ']'
            | '^'
            | '|'
    )
}

/// <https://url.spec.whatwg.org/#forbidden-domain-code-point>
fn is_forbidden_in_domain(character: char) -> bool {
    is_forbidden(character) || matches!(character, '\0'..='\x1f' | '%' | '\x7f')
}

/// <https://url.spec.whatwg.org/#ends-in-a-number-checker>
fn ends_in_a_number(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let last = domain.rsplit('.').next().unwrap_or_default();
    let digits = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    digits || parse_number(last).is_some()
}

/// <https://url.spec.whatwg.org/#concept-ipv4-parser>
fn parse_ipv4(domain: &str) -> Option<u32> {
    let parts: Vec<&str> = domain.strip_suffix('.').unwrap_or(domain).split('.').collect();
    if parts.len() > 4 {
        return None;
    }
    let (last, leading) = parts.split_last()?;
    let mut address: u64 = 0;
    for part in leading {
        address = address << 8 | parse_number(part).filter(|number| *number < 256)?;
    }
    let bits = 8 * (4 - leading.len());
    let last = parse_number(last).filter(|number| *number < 1 << bits)?;
    u32::try_from(address << bits | last).ok()
}

/// <https://url.spec.whatwg.org/#ipv4-number-parser>; too large a number is the largest there is.
fn parse_number(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let (digits, radix) = if let Some(rest) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        (rest, 16)
    } else if text.len() > 1 && text.starts_with('0') {
        (&text[1..], 8)
    } else {
        (text, 10)
    };
    digits.chars().try_fold(0_u64, |number, digit| {
        let digit = digit.to_digit(radix)?;
        Some(
            number
                .saturating_mul(u64::from(radix))
                .saturating_add(u64::from(digit)),
        )
    })
}

/// <https://url.spec.whatwg.org/#concept-ipv6-serializer>
fn serialize_ipv6(address: Ipv6Addr) -> String {
    let pieces = address.segments();
    let zeros = longest_zeros(&pieces);
    let mut text = String::from("[");
    let mut index = 0;
    while index < 8 {
        if index == zeros.start && !zeros.is_empty() {
            text.push_str(if index == 0 { "::" } else { ":" });
            index = zeros.end;
            continue;
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{:x}", pieces[index]);
        index += 1;
        if index < 8 {
            text.push(':');
        }
    }
    text.push(']');
    text
}

/// The first of the longest runs of more than one zero; empty if there is none.
fn longest_zeros(pieces: &[u16; 8]) -> std::ops::Range<usize> {
    let mut longest = 0..0;
    let mut start = 0;
    while start < 8 {
        let length = pieces[start..].iter().take_while(|piece| **piece == 0).count();
        if length > 1 && length > longest.len() {
            longest = start..start + length;
        }
        start += length + 1;
    }
    longest
}
