//! The classes behind `env.*`. Their names are upstream's, since the SDK decides by
//! `constructor.name` how to wrap a binding.
//!
//! | file | what |
//! |---|---|
//! | `env` | [`install_env`]: makes the `env` object |
//! | `kv` | `KvNamespace`: arguments in, one call on a channel, the answer out |
//! | `scheduled` | [`scheduled_controller`]: what a `scheduled` handler is called with |
//! | `queue` | [`queue_controller`]: what a `queue` handler is called with |
//! | `interface` | what classes written in Rust have in common |
//! | `d1` | `D1Database` and its kin: classes in a script, values in Rust |
//! | `r2` | `R2Bucket` and its objects: classes in scripts, what is known of objects in Rust |
//! | `fetcher` | `Fetcher`: requests to what is not the network |
//! | `rate_limit` | `Ratelimit`, counted by the host |
//! | `secret` | `SecretsStoreSecret` |
//! | `convert` | JavaScript values to Rust by the rules of workerd |
//! | `settle` | promises that the host's answer settles |
//! | `upload` | a call with a value that may be a stream |
//! | `collect` | a body that comes in pieces, as one |
//! | [`modules`] | the loader of JavaScript modules |
//! | `workers` | `cloudflare:workers`, `ctx`, the SDK's entrypoint helper |
//! | `outbound` | `fetch()` through the host: the Web platform's way out |
//! | `sockets` | `connect()` through the host |
//! | `caches` | the Cache API through the host |
//! | `exchange` | what these have in common |
//! | `broker` | the seam to the process around |
//! | [`link`] | the link to the host, under that seam: connection, bodies, calls |
//!
//! **Lifetimes.** The closures given to [`Broker::call`] and to body sources hold no JavaScript value, only a number
//! (see `settle`): their owner may drop them whenever it likes, also after the runtime. Nothing needs to be torn down.

#![warn(missing_docs)]

mod broker;
mod caches;
mod collect;
mod convert;
mod d1;
mod env;
mod exchange;
mod fetcher;
mod interface;
mod json;
mod kv;
pub mod link;
pub mod modules;
mod outbound;
mod queue;
mod r2;
mod rate_limit;
mod scheduled;
mod secret;
mod settle;
mod sockets;
mod upload;
mod workers;

pub use broker::{Broker, CallBody, CallDone, Opened};
pub use caches::cache;
pub use env::install_env;
pub use outbound::fetch;
pub use queue::{BatchState, queue_controller};
pub use scheduled::scheduled_controller;
pub use sockets::connect;
pub use workers::{Events, WORKERS_MODULE, Workers, install_workers, workers_module};
