//! Records of the state folder as a whole, for commands of the command line; no isolate is granted it.

use serde::{Deserialize, Serialize};

/// What is asked of the state folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation<'a> {
    /// Asks which stores of a kind there are; the answer is [`Reply::Stores`].
    Stores(StoreKind),
    /// Copies all data to a folder that is empty or doesn't exist yet; the answer is [`Reply::BackedUp`].
    Backup {
        /// The folder, as an absolute path.
        to: &'a str,
    },
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
    /// Stores of secrets.
    Secrets,
}

/// The answer of the state folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// Answers `Stores`: their ids, sorted.
    Stores(#[serde(borrow)] Vec<&'a str>),
    /// Answers `Backup`.
    BackedUp {
        /// How many databases were copied.
        databases: u64,
        /// How many files beside them.
        bodies: u64,
        /// How many bytes all of them have.
        bytes: u64,
    },
}
