//! `isthmus d1 …`, with wrangler's words.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::state::StateArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum D1Command {
    /// Run SQL.
    Execute(D1ExecuteArguments),
    /// Work with migrations.
    #[command(subcommand)]
    Migrations(D1MigrationsCommand),
    /// Write the contents or the schema of a database as SQL.
    Export(D1ExportArguments),
    /// Run a file of SQL, such as `export` writes, all of it or nothing.
    Import(D1ImportArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum D1MigrationsCommand {
    /// Make the file of a new migration.
    Create(D1MigrationsCreateArguments),
    /// List the migrations that are to be applied.
    List(D1MigrationsArguments),
    /// Apply the migrations that are to be applied, one after the other.
    Apply(D1MigrationsArguments),
}

/// Which database.
#[derive(Debug, Args)]
pub(crate) struct D1DatabaseArguments {
    /// The database, by its name or that of its binding.
    pub(crate) database: String,

    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("sql").required(true).args(["command", "file"]))]
pub(crate) struct D1ExecuteArguments {
    #[command(flatten)]
    pub(crate) database: D1DatabaseArguments,

    /// The SQL: statements with `;` between them, which are done all or not at all.
    #[arg(long, value_name = "SQL", allow_hyphen_values = true)]
    pub(crate) command: Option<String>,

    /// Take the SQL from this file; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Answer yes to every question, of which there is none.
    #[arg(long, short, hide = true)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct D1ImportArguments {
    #[command(flatten)]
    pub(crate) database: D1DatabaseArguments,

    /// The file; `-` is standard input.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct D1ExportArguments {
    #[command(flatten)]
    pub(crate) database: D1DatabaseArguments,

    /// The file to write; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Only this table; may be given several times.
    #[arg(long = "table", value_name = "NAME")]
    pub(crate) tables: Vec<String>,

    /// Only the rows.
    #[arg(long, conflicts_with = "no_data")]
    pub(crate) no_schema: bool,

    /// Only the schema.
    #[arg(long)]
    pub(crate) no_data: bool,

    /// Answer yes to every question, of which there is none.
    #[arg(long, short = 'y', hide = true)]
    pub(crate) skip_confirmation: bool,
}

#[derive(Debug, Args)]
pub(crate) struct D1MigrationsArguments {
    #[command(flatten)]
    pub(crate) database: D1DatabaseArguments,
}

#[derive(Debug, Args)]
pub(crate) struct D1MigrationsCreateArguments {
    /// The database, by its name or that of its binding.
    pub(crate) database: String,

    /// What the migration does: the name of its file.
    pub(crate) message: String,

    #[command(flatten)]
    pub(crate) project: super::ProjectArguments,
}
