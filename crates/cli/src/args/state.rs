//! What commands that work on a project's data have in common.

use std::path::PathBuf;

use clap::{ArgAction, Args};

/// Which project, and how to speak.
#[derive(Debug, Args)]
pub(crate) struct ProjectArguments {
    /// The folder to look from for wrangler.jsonc, wrangler.json or wrangler.toml.
    #[arg(long, value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) cwd: PathBuf,

    /// The configuration, if it has another name or place.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The environment of the configuration to use.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) env: Option<String>,

    /// Write nothing but JSON to standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which state.
#[derive(Debug, Args)]
pub(crate) struct StateArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,

    /// Where the data of bindings is kept [default: .wrangler/state beside the configuration].
    #[arg(long, value_name = "DIR")]
    pub(crate) persist_to: Option<PathBuf>,

    /// The data on this machine, which is what there is.
    #[arg(long)]
    pub(crate) local: bool,

    /// Refused: Isthmus keeps all data on this machine.
    #[arg(long, hide = true)]
    pub(crate) remote: bool,

    /// Only `false` makes sense: there are no preview namespaces, buckets and databases.
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", action = ArgAction::Set)]
    pub(crate) preview: Option<bool>,
}
