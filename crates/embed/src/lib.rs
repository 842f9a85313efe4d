//! JavaScript in plain CPython: the engine in a user's own interpreter, on the user's own event loop.
//!
//! What happens in Python is in `isthmus._embed`: `install` makes the modules importable, `pump` runs JavaScript's jobs
//! and timers on whatever asyncio loop runs, `tasks` makes `run_sync` possible in its tasks. This crate starts the engine
//! for it ([`start`]) and is called back through [`Embedded`].
//!
//! | file | subject |
//! |---|---|
//! | `python.rs` | the engine's start, and what Python sees of it |
//! | `world.rs` | the `Host` of the Web platform |
//! | `network.rs` | the link to the process that speaks to the network |
//! | `jobs.rs` | work on other threads |
//! | `modules.rs` | where JavaScript modules are |
//!
//! The engine lives until the process ends: proxies outlive everything here. After a fork the child goes on with a copy of
//! it, on the thread that forked.

#![warn(missing_docs)]

mod jobs;
mod modules;
mod network;
mod python;
mod world;

pub use python::{Embedded, start};
