//! What an operation of a namespace comes to.

use bytes::{Bytes, BytesMut};
use isthmus_protocol::kv::{FoundValue, ListedKey, Operation, Reply};

use super::{KvEntry, KvKey};

/// The answer to an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvAnswer {
    /// Answers `Get`; `None` if there is no such key.
    Value(Option<KvEntry>),
    /// Answers `GetMany`.
    Values {
        /// For each key that was found, the length of its value in bytes, and its metadata as JSON.
        found: Vec<Option<(u32, Option<String>)>>,
        /// The values, one behind the other.
        values: Bytes,
    },
    /// Answers `Put` and `Delete`.
    Done,
    /// Answers `List`.
    List {
        /// The keys, in the order of their UTF-8 bytes.
        keys: Vec<KvKey>,
        /// Where to go on; `None` when the list is complete.
        cursor: Option<String>,
    },
}

impl KvAnswer {
    /// The answer to `GetMany`.
    pub(super) fn values(entries: Vec<Option<KvEntry>>) -> Self {
        let length = entries.iter().flatten().map(|entry| entry.value.len()).sum();
        let mut values = BytesMut::with_capacity(length);
        let found = entries
            .into_iter()
            .map(|entry| {
                let entry = entry?;
                values.extend_from_slice(&entry.value);
                // All of them together have at most `MAX_BULK_BYTES`.
                Some((entry.value.len() as u32, entry.metadata))
            })
            .collect();
        Self::Values {
            found,
            values: values.freeze(),
        }
    }

    /// The protocol's form of the answer, without the value.
    pub fn reply(&self) -> Reply<'_> {
        match self {
            Self::Value(entry) => Reply::Value {
                found: entry.is_some(),
                metadata: entry.as_ref().and_then(|entry| entry.metadata.as_deref()),
            },
            Self::Values { found, .. } => Reply::Values(
                found
                    .iter()
                    .map(|found| {
                        let (length, metadata) = found.as_ref()?;
                        Some(FoundValue {
                            length: *length,
                            metadata: metadata.as_deref(),
                        })
                    })
                    .collect(),
            ),
            Self::Done => Reply::Done,
            Self::List { keys, cursor } => Reply::List {
                keys: keys
                    .iter()
                    .map(|key| ListedKey {
                        name: &key.name,
                        expiration: key.expiration,
                        metadata: key.metadata.as_deref(),
                    })
                    .collect(),
                cursor: cursor.as_deref(),
            },
        }
    }

    /// The reply's body: the value of a `Get` that found its key, the values of a `GetMany`.
    pub fn value(&self) -> Option<&Bytes> {
        match self {
            Self::Value(Some(entry)) => Some(&entry.value),
            Self::Values { values, .. } => Some(values),
            _ => None,
        }
    }
}

/// Why an operation failed, as an HTTP status and a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {message}")]
pub struct KvError {
    /// 4xx: the caller's fault; 5xx: the store's (507: there is no room).
    pub status: u16,
    /// The message, without the status.
    pub message: String,
}

impl KvError {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, message }
    }

    /// Whether the store failed rather than the caller.
    pub fn is_internal(&self) -> bool {
        self.status >= 500
    }

    /// The message of the JavaScript `Error`: `KV PUT failed: 413 Value length of …`.
    pub fn message_of(&self, operation: &Operation<'_>) -> String {
        let method = match operation {
            Operation::Get { .. } | Operation::List { .. } => "GET",
            Operation::GetMany { .. } => "GET_BULK",
            Operation::Put { .. } => "PUT",
            Operation::Delete { .. } => "DELETE",
        };
        format!("KV {method} failed: {self}")
    }
}
