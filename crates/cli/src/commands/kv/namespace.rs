//! `isthmus kv namespace …`.

use isthmus_host::shell::state::StoreKind;
use isthmus_project::Report;
use serde::Serialize;

use crate::args::{KvNamespaceCommand, KvNamespaceListArguments};
use crate::commands::state::{State, failed};
use crate::printer::Printer;

pub(super) fn run(command: KvNamespaceCommand, printer: &Printer) -> Result<(), Report> {
    match command {
        KvNamespaceCommand::List(arguments) => list(&arguments, printer),
    }
}

/// A namespace as wrangler lists it; the title is the name of its binding, where there is one.
#[derive(Serialize)]
struct Namespace<'a> {
    id: &'a str,
    title: &'a str,
    supports_url_encoding: bool,
}

impl<'a> Namespace<'a> {
    fn new(id: &'a str, title: &'a str) -> Self {
        Self {
            id,
            title,
            supports_url_encoding: true,
        }
    }
}

fn list(arguments: &KvNamespaceListArguments, printer: &Printer) -> Result<(), Report> {
    let state = State::of(&arguments.state)?;
    let bound = state
        .project
        .as_ref()
        .map_or(&[][..], |project| &project.kv_namespaces);
    let held = state.held(StoreKind::Kv)?;
    let mut namespaces: Vec<_> = bound
        .iter()
        .map(|namespace| Namespace::new(&namespace.id, &namespace.binding))
        .collect();
    for id in &held {
        if bound.iter().all(|namespace| namespace.id != *id) {
            namespaces.push(Namespace::new(id, id));
        }
    }
    printer.json(&namespaces).map_err(failed)
}
