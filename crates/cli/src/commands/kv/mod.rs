//! `isthmus kv …`: the data of KV namespaces, with wrangler's words.

mod bulk;
mod key;
mod namespace;

use isthmus_host::shell::{Access, Answer, Operation, Resource, StoresClient, Upload, kv};
use isthmus_project::{Diagnostic, Report};

use super::state::{State, failed, offer};
use crate::args::{KvCommand, KvNamespaceArguments};
use crate::printer::Printer;

/// How many calls are under way at once where there are many to make: they share commits.
const IN_FLIGHT: usize = 64;

pub(crate) fn run(command: KvCommand, printer: &Printer) -> Result<(), Report> {
    match command {
        KvCommand::Key(command) => key::run(command, printer),
        KvCommand::Bulk(command) => bulk::run(command, printer),
        KvCommand::Namespace(command) => namespace::run(command, printer),
    }
}

/// The namespace that a command works on.
struct Namespace {
    client: StoresClient,
    id: String,
    /// What it is called in messages.
    shown: String,
}

impl Namespace {
    fn open(arguments: &KvNamespaceArguments, access: Access, printer: &Printer) -> Result<Self, Report> {
        let state = State::of(&arguments.state)?;
        let namespaces = state.project.iter().flat_map(|project| &project.kv_namespaces);
        let bound: Vec<_> = namespaces
            .map(|namespace| (namespace.id.as_str(), Some(namespace.binding.as_str())))
            .collect();
        let (id, shown) = match (&arguments.namespace_id, &arguments.binding) {
            (Some(id), _) => (id.clone(), format!("id: \"{id}\"")),
            (None, binding) => {
                let binding = binding.as_deref().unwrap_or_default();
                let namespaces = &state.project(&arguments.state)?.kv_namespaces;
                if namespaces.is_empty() {
                    return Err(failed(
                        "No KV Namespaces configured! Either use --namespace-id to upload directly or add a KV \
                         namespace to your wrangler config file.",
                    ));
                }
                let found = namespaces.iter().find(|namespace| namespace.binding == binding);
                let id = found.map(|namespace| namespace.id.clone()).ok_or_else(|| {
                    Diagnostic::error(format!(
                        "A namespace with binding name \"{binding}\" was not found in the configured \"kv_namespaces\"."
                    ))
                    .hint(offer(&bound))
                })?;
                let shown = format!("binding: \"{binding}\" (id: \"{id}\")");
                (id, shown)
            }
        };
        let client = state.connect(Resource::Kv { id: &id }, access)?;
        if !client.existed()
            && let Some(doubt) = state.doubt(access, "KV namespace", &id, &bound)
        {
            printer.report(&doubt);
        }
        Ok(Self { client, id, shown })
    }

    async fn call(&self, operation: kv::Operation<'_>, value: Upload) -> Result<Answer, Report> {
        self.client
            .call(0, Operation::Kv(operation), value)
            .await
            .map_err(failed)
    }
}

/// A value as JSON has it: text, or else base64 and a word that says so.
fn as_json(bytes: &[u8]) -> (String, bool) {
    use base64::Engine;
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (base64::engine::general_purpose::STANDARD.encode(bytes), true),
    }
}
