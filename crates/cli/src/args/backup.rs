//! `isthmus backup` and `isthmus restore`.

use std::path::PathBuf;

use clap::Args;

use super::state::StateArguments;

#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    /// The folder to make, or an empty one.
    #[arg(value_name = "DIR")]
    pub(crate) to: PathBuf,

    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// The folder that `isthmus backup` has made.
    #[arg(value_name = "DIR")]
    pub(crate) from: PathBuf,

    /// Don't ask.
    #[arg(long, short)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) state: StateArguments,
}
