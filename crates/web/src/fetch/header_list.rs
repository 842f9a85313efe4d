//! A header list: <https://fetch.spec.whatwg.org/#concept-header-list>.

use std::collections::BTreeMap;

use super::interface::latin1;
use crate::mime_type::{MimeType, is_token};

/// Why a name or value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Invalid {
    #[error("Invalid header name.")]
    Name,
    #[error("Invalid header value.")]
    Value,
}

/// Names in lower case, with their values, in the order they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HeaderList {
    entries: Vec<(String, Vec<u8>)>,
}

const SET_COOKIE: &str = "set-cookie";

/// A name in lower case.
pub(super) fn normalize_name(mut name: String) -> Result<String, Invalid> {
    if !is_token(name.as_bytes()) {
        return Err(Invalid::Name);
    }
    name.make_ascii_lowercase();
    Ok(name)
}

/// A value without the white space around it.
pub(super) fn normalize_value(value: Vec<u8>) -> Result<Vec<u8>, Invalid> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let value = match (
        value.iter().position(|byte| !is_space(byte)),
        value.iter().rposition(|byte| !is_space(byte)),
    ) {
        (Some(0), Some(last)) if last + 1 == value.len() => value,
        (Some(first), Some(last)) => value[first..=last].to_vec(),
        _ => Vec::new(),
    };
    if value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return Err(Invalid::Value);
    }
    Ok(value)
}

impl HeaderList {
    /// Headers that are known to be valid; names need not be in lower case.
    pub(super) fn trusted(mut entries: Vec<(String, Vec<u8>)>) -> Self {
        for (name, _) in &mut entries {
            name.make_ascii_lowercase();
        }
        Self { entries }
    }

    pub(super) fn append(&mut self, name: String, value: Vec<u8>) {
        self.entries.push((name, value));
    }

    pub(super) fn delete(&mut self, name: &str) {
        self.entries.retain(|(other, _)| other != name);
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(other, _)| other == name)
    }

    /// All values of `name`, in order.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.entries
            .iter()
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| value.as_slice())
    }

    /// All values of `name`, joined by a comma and a space.
    pub(super) fn get(&self, name: &str) -> Option<Vec<u8>> {
        let mut values = self.all(name);
        let mut combined = values.next()?.to_vec();
        for value in values {
            combined.extend_from_slice(b", ");
            combined.extend_from_slice(value);
        }
        Some(combined)
    }

    /// Replaces the first value of `name` and drops the others, or adds it.
    pub(super) fn set(&mut self, name: String, value: Vec<u8>) {
        let Some(index) = self.entries.iter().position(|(other, _)| *other == name) else {
            self.entries.push((name, value));
            return;
        };
        let mut position = 0;
        self.entries.retain(|(other, _)| {
            let keep = position <= index || *other != name;
            position += 1;
            keep
        });
        self.entries[index].1 = value;
    }

    /// Sorted by name, values of one name combined, except those of `set-cookie`.
    pub(super) fn sorted(&self) -> Vec<(String, Vec<u8>)> {
        let mut by_name: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
        for (name, value) in &self.entries {
            let values = by_name.entry(name).or_default();
            match values.last_mut() {
                Some(combined) if name != SET_COOKIE => {
                    combined.extend_from_slice(b", ");
                    combined.extend_from_slice(value);
                }
                _ => values.push(value.clone()),
            }
        }
        by_name
            .into_iter()
            .flat_map(|(name, values)| values.into_iter().map(move |value| (name.to_owned(), value)))
            .collect()
    }

    /// What the `content-type` says: <https://fetch.spec.whatwg.org/#concept-header-extract-mime-type>.
    pub(super) fn mime_type(&self) -> Option<MimeType> {
        let values: Vec<String> = self.all("content-type").map(latin1).collect();
        MimeType::extract(values.iter().map(String::as_str))
    }

    /// The entries as they were added.
    pub(super) fn into_entries(self) -> Vec<(String, Vec<u8>)> {
        self.entries
    }

    /// The declared length of the body, if there is exactly one and it is a number.
    pub(super) fn content_length(&self) -> Option<u64> {
        let mut values = self.all("content-length");
        let value = values.next()?;
        if values.next().is_some() || !value.iter().all(u8::is_ascii_digit) {
            return None;
        }
        std::str::from_utf8(value).ok()?.parse().ok()
    }
}
