//! `isthmus kv …`, with wrangler's words.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::state::StateArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum KvCommand {
    /// Work with the values of single keys.
    #[command(subcommand)]
    Key(KvKeyCommand),
    /// Work with many keys at once.
    #[command(subcommand)]
    Bulk(KvBulkCommand),
    /// Work with namespaces.
    #[command(subcommand)]
    Namespace(KvNamespaceCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum KvKeyCommand {
    /// Write a single key and value.
    Put(KvPutArguments),
    /// Read the value of a key.
    Get(KvGetArguments),
    /// List the keys of a namespace, as JSON.
    List(KvListArguments),
    /// Remove a key.
    Delete(KvDeleteArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum KvBulkCommand {
    /// Write the keys and values of a JSON file: [{"key": …, "value": …}, …].
    Put(KvBulkArguments),
    /// Read the keys that a JSON file lists.
    Get(KvBulkArguments),
    /// Remove the keys that a JSON file lists.
    Delete(KvBulkDeleteArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum KvNamespaceCommand {
    /// List the namespaces that the project binds or the state folder holds, as JSON.
    List(KvNamespaceListArguments),
}

/// Which namespace.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("namespace").required(true).args(["binding", "namespace_id"]))]
pub(crate) struct KvNamespaceArguments {
    /// The namespace by the name of its binding.
    #[arg(long, value_name = "NAME")]
    pub(crate) binding: Option<String>,

    /// The namespace by its id.
    #[arg(long, value_name = "ID")]
    pub(crate) namespace_id: Option<String>,

    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("content").required(true).args(["value", "path"]))]
pub(crate) struct KvPutArguments {
    /// The key.
    pub(crate) key: String,

    /// The value.
    #[arg(allow_negative_numbers = true)]
    pub(crate) value: Option<String>,

    /// Take the value from this file; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) path: Option<PathBuf>,

    /// How long the value lives, in seconds, at least 60.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) ttl: Option<i32>,

    /// When the value ends, in seconds since the epoch.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) expiration: Option<i32>,

    /// Metadata of the key, as JSON.
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub(crate) metadata: Option<serde_json::Value>,

    #[command(flatten)]
    pub(crate) namespace: KvNamespaceArguments,
}

#[derive(Debug, Args)]
pub(crate) struct KvGetArguments {
    /// The key.
    pub(crate) key: String,

    /// Write the value as text, with a line break after it.
    #[arg(long)]
    pub(crate) text: bool,

    #[command(flatten)]
    pub(crate) namespace: KvNamespaceArguments,
}

#[derive(Debug, Args)]
pub(crate) struct KvListArguments {
    /// Only keys that begin with this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,

    #[command(flatten)]
    pub(crate) namespace: KvNamespaceArguments,
}

#[derive(Debug, Args)]
pub(crate) struct KvDeleteArguments {
    /// The key.
    pub(crate) key: String,

    #[command(flatten)]
    pub(crate) namespace: KvNamespaceArguments,
}

#[derive(Debug, Args)]
pub(crate) struct KvBulkArguments {
    /// The file; `-` is standard input.
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) namespace: KvNamespaceArguments,
}

#[derive(Debug, Args)]
pub(crate) struct KvBulkDeleteArguments {
    /// The file; `-` is standard input.
    pub(crate) file: PathBuf,

    /// Don't ask.
    #[arg(long, short)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) namespace: KvNamespaceArguments,
}

#[derive(Debug, Args)]
pub(crate) struct KvNamespaceListArguments {
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

fn json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}
