//! Records of a KV namespace. A value travels as the stream's body. Numbers are 32-bit, since the platform
//! converts them so before it looks at them.

use serde::{Deserialize, Serialize};

/// An operation of a KV namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation<'a> {
    /// Reads a value; the answer is [`Reply::Value`].
    Get {
        /// The key.
        key: &'a str,
        /// `cacheTtl` in seconds, only checked: the host's reads are always fresh.
        cache_ttl: Option<i32>,
    },
    /// Reads up to 100 values from one state; the answer is [`Reply::Values`].
    GetMany {
        /// The keys.
        #[serde(borrow)]
        keys: Vec<&'a str>,
        /// As above.
        cache_ttl: Option<i32>,
    },
    /// Writes the value that is the stream's body; the answer is [`Reply::Done`], sent when it is durable.
    Put {
        /// The key.
        key: &'a str,
        /// When the value ends, in seconds since the epoch.
        expiration: Option<i32>,
        /// How long the value lives from now, in seconds.
        expiration_ttl: Option<i32>,
        /// The metadata as JSON.
        metadata: Option<&'a str>,
    },
    /// Deletes a key, which need not exist; the answer is [`Reply::Done`], sent when it is durable.
    Delete {
        /// The key.
        key: &'a str,
    },
    /// Lists keys in the order of their UTF-8 bytes; the answer is [`Reply::List`].
    List {
        /// Only keys that begin with this.
        prefix: Option<&'a str>,
        /// At most this many keys.
        limit: Option<i32>,
        /// Where an earlier, incomplete list ended.
        cursor: Option<&'a str>,
    },
}

/// The answer of a KV namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// Answers `Get`. The value is the reply's body; a missing key has `found: false` and no body.
    Value {
        /// Whether the key exists.
        found: bool,
        /// Its metadata as JSON.
        metadata: Option<&'a str>,
    },
    /// Answers `GetMany`, in the order of its keys. The values, one behind the other, are the reply's body.
    Values(#[serde(borrow)] Vec<Option<FoundValue<'a>>>),
    /// Answers `Put` and `Delete`.
    Done,
    /// Answers `List`.
    List {
        /// The keys.
        #[serde(borrow)]
        keys: Vec<ListedKey<'a>>,
        /// Where to go on; `None` when the list is complete.
        cursor: Option<&'a str>,
    },
}

/// One key of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedKey<'a> {
    /// The key.
    pub name: &'a str,
    /// When it ends, in seconds since the epoch.
    pub expiration: Option<u64>,
    /// Its metadata as JSON.
    pub metadata: Option<&'a str>,
}

/// One of several values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundValue<'a> {
    /// Its length in bytes.
    pub length: u32,
    /// The key's metadata as JSON.
    pub metadata: Option<&'a str>,
}
