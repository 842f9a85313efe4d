//! The trusted process: HTTP in, the broker behind every binding, the isolate pool, the log.
//!
//! It runs no user code. `serve` owns everything: it binds the port, boots the Worker's zygote, keeps
//! isolates forked from it and hands them events; what isolates ask for goes through the broker.
//! See `docs/design.md`, "Processes" and "The way of a request".

#![warn(missing_docs)]

mod broker;
mod front;
mod isolate;
mod launch;
mod limits;
mod logs;
mod pages;
mod plan;
mod pool;
mod serve;
mod server;
mod streams;
mod supervisor;
#[cfg(test)]
mod tests;
mod zygote;

pub use logs::{LogLevel, LogLine, LogOrigin, LogSink, UnknownLogLevel};
pub use serve::{ServeError, ServeOptions, serve};
