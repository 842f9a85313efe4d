//! The arguments as they are typed. Commands that are families have a file each.

mod backup;
mod d1;
mod kv;
mod queues;
mod r2;
mod secret;
mod secrets_store;
mod state;

use std::ffi::OsString;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use isthmus_host::{AddressPolicy, LogLevel};

pub(crate) use backup::{BackupArguments, RestoreArguments};
pub(crate) use d1::{
    D1Command, D1DatabaseArguments, D1ExecuteArguments, D1ExportArguments, D1ImportArguments,
    D1MigrationsCommand, D1MigrationsCreateArguments,
};
pub(crate) use kv::{
    KvBulkArguments, KvBulkCommand, KvBulkDeleteArguments, KvCommand, KvDeleteArguments, KvGetArguments,
    KvKeyCommand, KvListArguments, KvNamespaceArguments, KvNamespaceCommand, KvNamespaceListArguments,
    KvPutArguments,
};
pub(crate) use queues::{
    QueueArguments, QueueContentType, QueuesCommand, QueuesListArguments, QueuesPurgeArguments,
    QueuesSendArguments, QueuesUpdateArguments,
};
pub(crate) use r2::{
    R2BucketCommand, R2BucketListArguments, R2Command, R2DeleteArguments, R2GetArguments, R2ListArguments,
    R2ObjectArguments, R2ObjectCommand, R2PutArguments,
};
pub(crate) use secret::{
    SecretBulkArguments, SecretCommand, SecretDeleteArguments, SecretFormat, SecretListArguments,
    SecretPutArguments,
};
pub(crate) use secrets_store::{
    SecretsStoreArguments, SecretsStoreCommand, SecretsStoresCommand, SecretsStoresListArguments,
    StoredSecretArguments, StoredSecretCommand, StoredSecretCreateArguments, StoredSecretUpdateArguments,
};
pub(crate) use state::{ProjectArguments, StateArguments};

/// Runs Cloudflare-style Python Workers on your own machine.
#[derive(Debug, Parser)]
#[command(name = "isthmus", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a Worker while you write it.
    Dev(DevArguments),
    /// Run a Python script or module as `python` does, with `js` and `pyodide` importable.
    Run(RunArguments),
    /// Work with the data of KV namespaces.
    #[command(subcommand)]
    Kv(KvCommand),
    /// Work with D1 databases.
    #[command(subcommand)]
    D1(D1Command),
    /// Work with the objects of R2 buckets.
    #[command(subcommand)]
    R2(R2Command),
    /// Work with the messages of queues.
    #[command(subcommand)]
    Queues(QueuesCommand),
    /// Work with secrets of the Worker.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Work with the secrets of a Secrets Store.
    #[command(subcommand)]
    SecretsStore(SecretsStoreCommand),
    /// Copy all data of the state folder, also while `isthmus dev` runs on it.
    Backup(BackupArguments),
    /// Check a backup and put it in the place of the state folder's data.
    Restore(RestoreArguments),
}

/// Only for the help: the console script runs programs without the command line.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// A module to run in place of a script.
    #[arg(short, value_name = "MODULE")]
    module: Option<String>,

    /// The script, and what goes to it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "SCRIPT")]
    rest: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct DevArguments {
    /// The project's folder; wrangler.jsonc, wrangler.json or wrangler.toml is looked for in it and
    /// above.
    #[arg(default_value = ".", hide_default_value = true)]
    pub(crate) dir: PathBuf,

    /// The configuration, if it has another name or place.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The environment of the configuration to use.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) env: Option<String>,

    /// The port to listen on, 0 for a free one [default: `dev.port` of the configuration, or 8787].
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,

    /// The address to listen on [default: `dev.ip` of the configuration, or 127.0.0.1].
    #[arg(long, value_name = "ADDR", value_parser = ip)]
    pub(crate) ip: Option<IpAddr>,

    /// Where the data of bindings is kept [default: .wrangler/state beside the configuration].
    #[arg(long, value_name = "DIR")]
    pub(crate) persist_to: Option<PathBuf>,

    /// A var for the Worker, over the one of the configuration; may be given several times.
    #[arg(long = "var", value_name = "NAME:VALUE")]
    pub(crate) vars: Vec<String>,

    /// The least grave lines of the log to show.
    #[arg(long, value_name = "LEVEL", default_value = "log", value_parser = log_level())]
    pub(crate) log_level: LogLevel,

    /// What the Worker's requests may reach: any, public (the public internet), none, or a list such as
    /// public,10.1.2.3,192.168.0.0/16.
    #[arg(long, value_name = "ADDRESSES", default_value = "any")]
    pub(crate) outbound: AddressPolicy,

    /// Serve /__scheduled, which runs the Worker's `scheduled` handler (clients of this machine only).
    #[arg(long)]
    pub(crate) test_scheduled: bool,

    /// How many isolates serve requests.
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) isolates: NonZeroUsize,
}

fn log_level() -> impl TypedValueParser<Value = LogLevel> {
    PossibleValuesParser::new(["debug", "info", "log", "warn", "error", "none"])
        .try_map(|name| name.parse::<LogLevel>())
}

fn ip(text: &str) -> Result<IpAddr, &'static str> {
    isthmus_project::parse_ip(text).ok_or("not an IP address")
}
