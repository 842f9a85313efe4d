//! The commands, a file or folder each; `state`, `project` and `input` are what they share.

pub(crate) mod backup;
pub(crate) mod d1;
pub(crate) mod dev;
mod input;
pub(crate) mod kv;
mod project;
pub(crate) mod queues;
pub(crate) mod r2;
pub(crate) mod secret;
pub(crate) mod secrets_store;
mod state;
