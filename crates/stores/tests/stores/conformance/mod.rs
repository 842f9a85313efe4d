//! Suites that every implementation of a store's trait must pass.

mod queue;
