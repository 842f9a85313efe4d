//! Suites that every implementation of a store's trait must pass.

pub(crate) mod d1;
mod queue;
pub(crate) mod r2;
