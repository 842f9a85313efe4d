//! Where the data is that a command works on, and the way to it.

use std::fmt::Display;
use std::path::PathBuf;

use isthmus_host::shell::state::{self, StoreKind};
use isthmus_host::shell::{Access, Operation, Reply, Resource, StoresClient, Upload};
use isthmus_project::{Diagnostic, Project, Report, display_path};

use super::project;
use crate::args::StateArguments;

/// Where the stores are, beside the configuration, if `--persist-to` doesn't say.
pub(crate) const FOLDER: &str = ".wrangler/state";

/// A state folder and, if there is one, its project.
pub(crate) struct State {
    pub(crate) project: Option<Project>,
    pub(crate) folder: PathBuf,
}

impl State {
    /// The state that the arguments name. Without a configuration there is no project, which only some commands can
    /// do without.
    pub(crate) fn of(arguments: &StateArguments) -> Result<Self, Report> {
        if arguments.remote {
            return Err(Diagnostic::error(
                "there is no remote data: Isthmus keeps all of it on this machine",
            )
            .hint("leave out --remote")
            .into());
        }
        if arguments.preview == Some(true) {
            return Err(Diagnostic::error(
                "there is nothing of the kind `preview`: `isthmus dev` uses what the configuration binds",
            )
            .hint("leave out --preview")
            .into());
        }
        let wanted = &arguments.project;
        if !wanted.cwd.is_dir() {
            return Err(failed(format!("there is no folder {}", wanted.cwd.display())));
        }
        let has_project = wanted.config.is_some() || isthmus_project::find(&wanted.cwd).is_some();
        let project = if has_project {
            Some(project::of(wanted)?)
        } else {
            None
        };
        let folder = match (&arguments.persist_to, &project) {
            (Some(folder), _) => folder.clone(),
            (None, Some(project)) => project.root.join(FOLDER),
            (None, None) => std::path::absolute(wanted.cwd.join(FOLDER)).map_err(failed)?,
        };
        Ok(Self { project, folder })
    }

    /// The project, for commands that need one.
    pub(crate) fn project(&self, arguments: &StateArguments) -> Result<&Project, Report> {
        match &self.project {
            Some(project) => Ok(project),
            // There is none: loading it says so, and where it was looked for.
            None => Err(project::of(&arguments.project)
                .err()
                .unwrap_or_else(|| Diagnostic::error("the configuration has only just been made").into())),
        }
    }

    /// The stores of a kind that the folder holds, sorted.
    pub(crate) fn held(&self, kind: StoreKind) -> Result<Vec<String>, Report> {
        let client = self.connect(Resource::State, Access::Existing)?;
        let operation = Operation::State(state::Operation::Stores(kind));
        let answer = client
            .block_on(client.call(0, operation, Upload::None))
            .map_err(failed)?;
        match answer.reply() {
            Reply::State(state::Reply::Stores(held)) => Ok(held.into_iter().map(str::to_owned).collect()),
            _ => Err(failed("the answer is none to the question asked")),
        }
    }

    /// Connects to a store: that of a running `isthmus dev`, or in this process.
    pub(crate) fn connect(&self, resource: Resource<'_>, access: Access) -> Result<StoresClient, Report> {
        StoresClient::connect(&self.folder, &[resource], access).map_err(failed)
    }

    /// What there is in place of what there isn't.
    pub(crate) fn offer(&self, bound: &[(&str, Option<&str>)]) -> String {
        match self.project {
            Some(_) => offer(bound),
            None => "there is no configuration here either: --cwd or --config says where it is".to_owned(),
        }
    }

    /// What to say of a store that was not there and that the project doesn't bind: its name may be mistyped. `bound` is
    /// what the project binds of the kind, as [`offer`] takes it.
    pub(crate) fn doubt(
        &self,
        access: Access,
        kind: &str,
        name: &str,
        bound: &[(&str, Option<&str>)],
    ) -> Option<Report> {
        if bound.iter().any(|(known, _)| *known == name) {
            return None;
        }
        let folder = display_path(&self.folder);
        let doubt = match (&self.project, access) {
            (Some(_), Access::Make) => Diagnostic::warning(format!(
                "the {kind} \"{name}\" is new, and the project doesn't bind it"
            )),
            // Without a project stores are only known by what is written to them.
            (None, Access::Make) => return None,
            (_, Access::Existing) => {
                Diagnostic::warning(format!("there is no {kind} \"{name}\" in {folder}"))
            }
        };
        Some(doubt.hint(self.offer(bound)).into())
    }
}

/// What a project has in place of something that it hasn't: names, and the bindings that have another name.
pub(crate) fn offer(bound: &[(&str, Option<&str>)]) -> String {
    /// So many are named.
    const SHOWN: usize = 10;
    let mut names: Vec<_> = bound
        .iter()
        .take(SHOWN)
        .map(
            |(name, binding)| match binding.filter(|binding| binding != name) {
                Some(binding) => format!("\"{name}\" (binding {binding})"),
                None => format!("\"{name}\""),
            },
        )
        .collect();
    match bound.len() {
        0 => return "this project has none".to_owned(),
        all if all > SHOWN => names.push("…".to_owned()),
        _ => {}
    }
    format!("this project has {}", names.join(", "))
}

/// A report with one error.
pub(crate) fn failed(error: impl Display) -> Report {
    Diagnostic::error(error.to_string()).into()
}
