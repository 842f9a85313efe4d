//! A project's configuration, read and resolved: `wrangler.jsonc`, `.json` or `.toml` in, [`Project`] out.
//!
//! The way is: `discover` the file → `raw`, one tree for both syntaxes in which every value knows
//! its place → `schema`, which checks shapes → `environment`, which says what counts → `resolve`. All that
//! is to be said about it comes as one [`Report`]. See
//! [wrangler's reference](https://developers.cloudflare.com/workers/wrangler/configuration/).

#![warn(missing_docs)]

mod assets;
mod bindings;
mod cron;
mod discover;
mod dotenv;
mod environment;
mod flags;
mod model;
mod queues;
mod raw;
mod report;
mod resolve;
mod schema;
mod secret_file;
mod secrets;
mod source;
mod suggest;
mod triggers;

use std::path::PathBuf;

pub use bindings::is_bucket_name;
pub use cron::{Cron, CronError};
pub use flags::{Flag, FlagState, Standing, flags};
pub use model::{
    Assets, Build, ConsumerType, D1Database, HtmlHandling, KvNamespace, ModuleRule, NotFoundHandling,
    Project, QueueConsumer, QueueProducer, R2Bucket, RateLimit, RunWorkerFirst, StoredSecret, Unserved,
    VarValue,
};
pub use report::{Diagnostic, Report, Severity};
pub use secret_file::{SecretFile, parse_secrets, secret_names};
pub use source::{Origin, Source, Span, display_path};

/// Which project to load, and what is said about it outside of it.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Where to look for the configuration, and above.
    pub dir: PathBuf,
    /// The configuration itself (`--config`).
    pub config: Option<PathBuf>,
    /// The environment (`--env`); else `CLOUDFLARE_ENV` in [`Self::process_env`] names it.
    pub env: Option<String>,
    /// Further vars, each as `NAME:VALUE` (`--var`).
    pub vars: Vec<String>,
    /// The environment variables of the process.
    pub process_env: Vec<(String, String)>,
}

/// Finds, reads and resolves a project. What should be said though it can be used is in
/// [`Project::warnings`].
///
/// # Errors
/// A [`Report`] with at least one error, and with the warnings as well.
pub fn load(options: &LoadOptions) -> Result<Project, Report> {
    let (source, syntax, mut findings) = discover::discover(&options.dir, options.config.as_deref())?;
    match raw::parse(&source, syntax, &mut findings) {
        Some((table, span)) => resolve::resolve(&source, (&table, span), options, findings),
        None => Err(findings.into_report()),
    }
}

/// The configuration that [`load`] would take for a folder: the one in it, or the nearest above it.
pub fn find(dir: &std::path::Path) -> Option<PathBuf> {
    discover::find(dir)
}

/// An address to listen on: an IP address, or what wrangler takes for one (`localhost`, `*`).
pub fn parse_ip(text: &str) -> Option<std::net::IpAddr> {
    resolve::parse_ip(text)
}
