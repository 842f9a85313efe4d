//! Records of the state folder as a whole, for commands of the command line; no isolate is granted it.

use serde::{Deserialize, Serialize};

/// What is asked of the state folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Asks which stores of a kind there are; the answer is [`Reply::Stores`].
    Stores(StoreKind),
}

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StoreKind {
    /// KV namespaces.
    Kv,
    /// R2 buckets.
    R2,
    /// Queues.
    Queue,
}

/// The answer of the state folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// Answers `Stores`: their ids, sorted.
    Stores(#[serde(borrow)] Vec<&'a str>),
}
