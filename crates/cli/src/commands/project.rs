//! The project that a command is about.

use std::path::PathBuf;

use isthmus_project::{LoadOptions, Project, Report};

use crate::args::ProjectArguments;

/// Loads a project with the environment variables of this process.
pub(crate) fn load(
    dir: PathBuf,
    config: Option<PathBuf>,
    env: Option<String>,
    vars: Vec<String>,
) -> Result<Project, Report> {
    isthmus_project::load(&LoadOptions {
        dir,
        config,
        env,
        vars,
        process_env: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    })
}

/// The project that the arguments name. Its warnings are left to `dev`.
pub(crate) fn of(arguments: &ProjectArguments) -> Result<Project, Report> {
    load(
        arguments.cwd.clone(),
        arguments.config.clone(),
        arguments.env.clone(),
        Vec::new(),
    )
}
