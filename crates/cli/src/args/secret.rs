//! `isthmus secret …`, with wrangler's words.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::state::ProjectArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Write a secret to .dev.vars; its value comes from the terminal or from standard input.
    Put(SecretPutArguments),
    /// List the names of the secrets.
    List(SecretListArguments),
    /// Remove a secret from .dev.vars.
    Delete(SecretDeleteArguments),
    /// Write the secrets of a file, JSON or NAME=value lines, to .dev.vars.
    Bulk(SecretBulkArguments),
}

#[derive(Debug, Args)]
pub(crate) struct SecretPutArguments {
    /// The name that the Worker knows it by.
    pub(crate) key: String,

    #[command(flatten)]
    pub(crate) project: ProjectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SecretListArguments {
    /// The form of the list.
    #[arg(long, value_enum, default_value = "json")]
    pub(crate) format: SecretFormat,

    #[command(flatten)]
    pub(crate) project: ProjectArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SecretFormat {
    /// [{"name": …, "type": "secret_text"}, …]
    Json,
    /// A line for each.
    Pretty,
}

#[derive(Debug, Args)]
pub(crate) struct SecretDeleteArguments {
    /// Its name.
    pub(crate) key: String,

    /// Don't ask.
    #[arg(long, short)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) project: ProjectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SecretBulkArguments {
    /// The file; standard input if there is none.
    pub(crate) file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) project: ProjectArguments,
}
