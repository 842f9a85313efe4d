//! The trusted process: HTTP in, the broker behind every binding, the isolate pool, the log.
//!
//! It runs no user code. `serve` owns everything: it binds the port, boots the Worker's zygote, keeps
//! isolates forked from it and hands them events; what isolates ask for goes through the broker.
//!
//! | module | what it does |
//! |---|---|
//! | [`serve`](mod@serve), `server` | options in, everything put together, the orderly end |
//! | `plan` | a project → what an isolate may know ([`IsolateSpec`]) and what its channels are |
//! | `front` | HTTP in: a request becomes an event, its answer a response |
//! | `pool`, `supervisor` | which isolate takes an event; boots, deaths, replacements |
//! | `launch`, `zygote` | where zygotes come from; one zygote's control connection |
//! | `isolate` | one isolate: its two connections, its open events, its vital signs |
//! | `delivery` | an event to the isolate that takes it, and to its end |
//! | `cron` | when cron triggers come |
//! | `queues` | consumers: when batches are due, what becomes of their messages |
//! | `broker` | capability calls, by grant |
//! | [`shell`] | how commands of the command line reach the stores |
//! | `companion` | the network alone, for a program in plain CPython |
//! | `network` | outbound `fetch`: connections, TLS, addresses, bodies |
//! | `streams` | bodies under credit |
//! | `logs`, `pages` | what the developer and the client are told |
//!
//! [`IsolateSpec`]: isthmus_protocol::control::IsolateSpec

#![warn(missing_docs)]

mod assets;
mod broker;
mod client_body;
mod companion;
mod cron;
mod delivery;
mod front;
mod headers;
mod isolate;
mod launch;
mod limits;
mod logs;
mod network;
mod pages;
mod pieces;
mod plan;
mod pool;
mod queues;
mod serve;
mod server;
pub mod shell;
mod streams;
mod supervisor;
#[cfg(test)]
mod tests;
mod websocket;
mod zygote;

pub use companion::accompany;
pub use logs::{LogLevel, LogLine, LogOrigin, LogSink, UnknownLogLevel};
pub use network::{AddressBlock, AddressPolicy, UnknownAddresses};
pub use serve::{ServeError, ServeOptions, serve};
