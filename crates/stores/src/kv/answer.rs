//! What an operation of a namespace comes to.

use std::{fmt, mem};

use bytes::{Bytes, BytesMut};
use isthmus_protocol::kv::{FoundValue, ListedKey, Operation, Reply};

use super::{KvFound, KvKey};
use crate::StoredBody;

/// The answer to an operation.
pub enum KvAnswer {
    /// Answers `Get`; `None` if there is no such key.
    Value(Option<KvFound>),
    /// Answers `GetMany`.
    Values {
        /// For each key that was found, the length of its value in bytes, and its metadata as JSON.
        found: Vec<Option<(u32, Option<String>)>>,
        /// The values, one behind the other.
        values: StoredBody,
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
    pub(super) fn values(entries: Vec<Option<KvFound>>) -> Self {
        let mut bodies = Vec::with_capacity(entries.len());
        let found = entries
            .into_iter()
            .map(|entry| {
                let entry = entry?;
                // All of them together have at most `MAX_BULK_BYTES`.
                let length = entry.value.left() as u32;
                bodies.push(entry.value);
                Some((length, entry.metadata))
            })
            .collect();
        Self::Values {
            found,
            values: joined(bodies),
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

    /// Takes the reply's body: the value of a `Get` that found its key, the values of a `GetMany`.
    pub fn take_body(&mut self) -> Option<StoredBody> {
        match self {
            Self::Value(found) => found.as_mut().map(|found| mem::take(&mut found.value)),
            Self::Values { values, .. } => Some(mem::take(values)),
            Self::Done | Self::List { .. } => None,
        }
    }

    /// All of the reply's body. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// 500 if its file can't be read.
    pub async fn into_value(mut self) -> Result<Option<Bytes>, KvError> {
        match self.take_body() {
            None => Ok(None),
            Some(body) => body
                .read_all()
                .await
                .map(Some)
                .map_err(|reason| KvError::new(500, reason)),
        }
    }
}

impl fmt::Debug for KvAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reply().fmt(formatter)
    }
}

/// Bodies one behind the other; in one piece if they are in memory.
fn joined(bodies: Vec<StoredBody>) -> StoredBody {
    let in_memory: Option<Vec<Bytes>> = bodies.iter().map(StoredBody::in_memory).collect();
    let Some(in_memory) = in_memory else {
        return StoredBody::joined(bodies);
    };
    let mut joined = BytesMut::with_capacity(in_memory.iter().map(Bytes::len).sum());
    in_memory.iter().for_each(|bytes| joined.extend_from_slice(bytes));
    StoredBody::of_bytes(joined.freeze())
}

/// Why an operation failed, as an HTTP status and a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {message}")]
pub struct KvError {
    /// 4xx: the caller's fault; 5xx: the store's (507: there is no room).
    pub status: u16,
    /// The message, without the status.
    pub message: String,
    /// What the server's log says instead, if that is more than a Worker may know: which file is no good, and what to do.
    pub log: Option<String>,
}

impl KvError {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            log: None,
        }
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
