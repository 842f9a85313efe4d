//! The Web platform on QuickJS, a module (or folder) per specification.
//!
//! Everything reaches the world through [`Host`]. Nothing here knows Python, Workers' bindings or the
//! protocol between processes.
//!
//! [`install`] is called once per runtime, before any user code; the scripts it runs capture the
//! intrinsics (see `primordials.js`), so that what user code patches later does not reach in here.
//! State lives in the runtime's user data and in closures of those scripts. [`teardown`] must be called
//! before the runtime is dropped: it lets go of all that Rust holds of the engine.

#![warn(missing_docs)]

use std::rc::Rc;

use rquickjs::{Ctx, Result};

#[macro_use]
mod hidden_class;

pub mod body;
mod buffer_source;
mod bytecode;
mod cache;
mod class_id;
mod compression;
pub mod console;
pub mod crypto;
mod encoding;
mod event_source;
pub mod events;
pub mod fetch;
mod file_api;
mod form_data;
mod global_scope;
mod host;
mod html_rewriter;
mod messaging;
mod microtask;
mod mime_type;
mod navigator;
mod performance;
mod scheduler;
mod script;
mod sockets;
pub mod streams;
pub mod structured_clone;
pub mod timers;
mod url;
mod url_pattern;
pub mod websocket;

pub use console::report_exception;
pub use host::{
    Begun, BytePair, CacheAnswer, CacheCall, CacheDone, CacheOperation, ConnectDone, Connection, Exchange,
    FetchAnswer, FetchDone, Host, Job, JobDone, LogLevel, OutgoingRequest, SocketAddress, TimerId,
    UploadBody,
};
pub use script::run as run_script;

pub use sockets::{SOCKETS_MODULE, sockets_exports, sockets_module};

/// Gives the global object of `ctx` the Web platform, with `host` as the world around it. Throws only
/// if the engine is out of memory or the platform is in use.
pub fn install(ctx: &Ctx<'_>, host: Rc<dyn Host>) -> Result<()> {
    script::install(ctx, Rc::clone(&host))?;
    console::install(ctx, &host)?;
    microtask::install(ctx)?;
    timers::install(ctx, &host)?;
    events::install(ctx, &host)?;
    global_scope::install(ctx)?;
    performance::install(ctx, &host)?;
    navigator::install(ctx)?;
    crypto::install(ctx, &host)?;
    encoding::install(ctx)?;
    url::install(ctx)?;
    url_pattern::install(ctx)?;
    streams::install(ctx)?;
    encoding::install_streams(ctx)?;
    crypto::install_digest_stream(ctx)?;
    scheduler::install(ctx)?;
    compression::install(ctx)?;
    file_api::install(ctx)?;
    structured_clone::install(ctx)?;
    messaging::install(ctx)?;
    form_data::install(ctx)?;
    fetch::install(ctx)?;
    websocket::install(ctx)?;
    event_source::install(ctx)?;
    html_rewriter::install(ctx)?;
    cache::install(ctx)?;
    sockets::install(ctx)?;
    Ok(())
}

/// Lets go of every JavaScript value that Rust holds on behalf of the platform. Nothing of the
/// platform may be used afterwards.
pub fn teardown(ctx: &Ctx<'_>) {
    websocket::teardown(ctx);
    fetch::teardown(ctx);
    structured_clone::teardown(ctx);
    form_data::teardown(ctx);
    file_api::teardown(ctx);
    streams::teardown(ctx);
    crypto::teardown(ctx);
    console::teardown(ctx);
    script::teardown(ctx);
}
