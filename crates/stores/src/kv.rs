//! KV namespaces: the platform's rules ([`KvNamespace`]) over an engine that only keeps entries ([`KvStore`]).
//!
//! Limits, statuses and messages are upstream's; `tests/kv_reference` holds its recorded answers.

mod answer;
mod limits;
mod namespace;
mod put;
mod store;

pub use answer::{KvAnswer, KvError};
pub use limits::{
    MAX_BULK_BYTES, MAX_BULK_KEYS, MAX_KEY_BYTES, MAX_LIST_KEYS, MAX_METADATA_BYTES, MAX_VALUE_BYTES,
};
pub use namespace::KvNamespace;
pub use put::KvPut;
pub use store::{KvDraft, KvEntry, KvFound, KvKey, KvPage, KvRange, KvStore, StoreFuture};
