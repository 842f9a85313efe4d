//! One isolate: the engine, the event loop's native side, the module loader, the entrypoints' environment.
//!
//! [`zygote::run`] is the life of a zygote process, from its control socket to the forks; each forked child goes
//! on in [`serve`]. What happens in Python is in `isthmus._runtime`: this crate calls it through
//! [`python`], and it calls back through [`python::Isolate`].
//!
//! | file | subject |
//! |---|---|
//! | `zygote.rs` | boot, import, self-check, fork loop |
//! | `rehearsal.rs` | an isolate's life before the first fork, so that isolates share what it leaves in memory |
//! | `serve.rs` | what a forked child does first |
//! | `shared.rs` | the state that everything below shares |
//! | `events.rs` | frames of the events connection |
//! | `deliveries.rs` | events that are no requests: cron triggers, batches of a queue |
//! | `calls.rs` | the broker connection; the `Broker` of the bindings |
//! | `linger.rs` | waiting awake for the host's answer |
//! | `world.rs` | the `Host` of the Web platform |
//! | `workers.rs` | the events and proxies behind `cloudflare:workers` |
//! | `modules.rs` | where JavaScript modules are |

#![warn(missing_docs)]

mod calls;
mod deliveries;
mod events;
mod jobs;
mod linger;
mod modules;
pub mod python;
mod rehearsal;
mod serve;
mod shared;
mod workers;
mod world;
pub mod zygote;
