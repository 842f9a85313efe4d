//! The caches behind the Cache API: responses by cache and key, for as long as HTTP says that they are fresh.
//!
//! | file | what |
//! |---|---|
//! | `store` | [`Caches`]: looking up, storing and removing, the bound of what is kept |
//! | `freshness` | may it be stored, and for how long: [RFC 9111](https://www.rfc-editor.org/rfc/rfc9111) |
//! | `conditions` | 304, ranges: [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110) |
//! | `draft` | a body on its way in, which becomes an entry as a whole or not at all |
//!
//! Everything lies in one folder, `cache/`: `index.sqlite` (`crate::sqlite::cache_index`) with the heads and
//! short bodies, `bodies/` with the long ones, a file each. It may be deleted at any time while no server runs.

mod conditions;
mod draft;
mod freshness;
mod store;

use std::path::{Path, PathBuf};

pub use draft::Draft;
pub use store::{CacheRequest, Caches, Found};

/// Headers as they are stored: names in lower case, values as bytes.
pub type Headers = Vec<(String, Vec<u8>)>;

/// The first value of a header.
fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a [u8]> {
    let found = headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_slice())
}

/// All values of a header, as one list.
fn header_list(headers: &Headers, name: &str) -> Option<String> {
    let values: Vec<_> = headers
        .iter()
        .filter(|(known, _)| known == name)
        .map(|(_, value)| String::from_utf8_lossy(value))
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// Bounds of what is kept.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// How many bytes all entries may have together; beyond it those go that were not used for longest.
    pub total: u64,
    /// How many bytes one body may have; a longer one is not stored.
    pub body: u64,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            total: 1024 * 1024 * 1024,
            body: 512 * 1024 * 1024,
        }
    }
}

/// Why the caches can't be used: damaged, unreadable, no room on the disk. What may not be stored is no error.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the cache in {} can't be used: {reason}", path.display())]
pub struct CacheError {
    path: PathBuf,
    reason: String,
}

impl CacheError {
    fn new(path: &Path, reason: impl ToString) -> Self {
        Self {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The reason without the path, for those who may not know it.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
