//! `isthmus secrets-store …`, with wrangler's words.

use clap::{ArgGroup, Args, Subcommand};

use super::state::StateArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsStoreCommand {
    /// Work with stores.
    #[command(subcommand)]
    Store(SecretsStoresCommand),
    /// Work with the secrets of a store.
    #[command(subcommand)]
    Secret(StoredSecretCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsStoresCommand {
    /// List the stores that the project binds or the state folder holds.
    List(SecretsStoresListArguments),
}

#[derive(Debug, Args)]
pub(crate) struct SecretsStoresListArguments {
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoredSecretCommand {
    /// Create a secret; without --value it comes from the terminal or from standard input.
    Create(StoredSecretCreateArguments),
    /// List the secrets of a store. Their values are not shown.
    List(SecretsStoreArguments),
    /// Show a secret, but for its value.
    Get(StoredSecretArguments),
    /// Give a secret another value.
    Update(StoredSecretUpdateArguments),
    /// Remove a secret.
    Delete(StoredSecretArguments),
}

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct SecretsStoreArguments {
    /// The id of the store.
    pub(crate) store_id: String,

    #[command(flatten)]
    pub(crate) state: StateArguments,
}

/// Which secret.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("secret").required(true).args(["secret_id", "name"]))]
pub(crate) struct StoredSecretArguments {
    /// Its id, which is its name on this machine.
    #[arg(long, value_name = "ID")]
    secret_id: Option<String>,

    /// Its name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    pub(crate) store: SecretsStoreArguments,
}

impl StoredSecretArguments {
    /// The name of the secret.
    pub(crate) fn name(&self) -> &str {
        // Clap requires one of them.
        self.name
            .as_deref()
            .or(self.secret_id.as_deref())
            .unwrap_or_default()
    }
}

#[derive(Debug, Args)]
pub(crate) struct StoredSecretCreateArguments {
    /// Its name.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,

    /// Its value, which others on this machine may see while the command runs.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) value: Option<String>,

    /// Which products may read it: any Worker here may.
    #[arg(long, value_name = "SCOPES")]
    pub(crate) scopes: Option<String>,

    #[command(flatten)]
    pub(crate) store: SecretsStoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct StoredSecretUpdateArguments {
    /// Its value, which others on this machine may see while the command runs.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) value: Option<String>,

    #[command(flatten)]
    pub(crate) secret: StoredSecretArguments,
}
