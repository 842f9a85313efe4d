//! `isthmus secrets-store …`: secrets that Workers read when they need them, with wrangler's words. They are kept in the state
//! folder as the entries of a KV namespace are.

use isthmus_host::shell::state::StoreKind;
use isthmus_host::shell::{Access, Answer, Operation, Reply, Resource, StoresClient, Upload, kv};
use isthmus_project::Report;
use serde_json::{Value, json};

use super::input;
use super::state::{State, failed};
use crate::args::{
    SecretsStoreArguments, SecretsStoreCommand, SecretsStoresCommand, SecretsStoresListArguments,
    StoredSecretArguments, StoredSecretCommand, StoredSecretCreateArguments, StoredSecretUpdateArguments,
};
use crate::printer::{Printer, table};

pub(crate) fn run(command: SecretsStoreCommand, printer: &Printer) -> Result<(), Report> {
    let command = match command {
        SecretsStoreCommand::Store(SecretsStoresCommand::List(arguments)) => {
            return stores(&arguments, printer);
        }
        SecretsStoreCommand::Secret(command) => command,
    };
    match command {
        StoredSecretCommand::Create(arguments) => create(arguments, printer),
        StoredSecretCommand::List(arguments) => list(&arguments, printer),
        StoredSecretCommand::Get(arguments) => get(&arguments, printer),
        StoredSecretCommand::Update(arguments) => update(arguments, printer),
        StoredSecretCommand::Delete(arguments) => delete(&arguments, printer),
    }
}

struct Store<'a> {
    client: StoresClient,
    arguments: &'a SecretsStoreArguments,
}

impl<'a> Store<'a> {
    fn open(arguments: &'a SecretsStoreArguments, access: Access, printer: &Printer) -> Result<Self, Report> {
        let state = State::of(&arguments.state)?;
        let id = &arguments.store_id;
        let client = state.connect(Resource::Secrets { id }, access)?;
        let mut bound = Vec::new();
        for secret in state.project.iter().flat_map(|project| &project.stored_secrets) {
            let store = (secret.store_id.as_str(), None);
            if !bound.contains(&store) {
                bound.push(store);
            }
        }
        if !client.existed()
            && let Some(doubt) = state.doubt(access, "store of secrets", id, &bound)
        {
            printer.report(&doubt);
        }
        Ok(Self { client, arguments })
    }

    fn call(&self, operation: kv::Operation<'_>, value: Upload) -> Result<Answer, Report> {
        let call = self.client.call(0, Operation::Kv(operation), value);
        self.client.block_on(call).map_err(failed)
    }

    fn has(&self, name: &str) -> Result<bool, Report> {
        let operation = kv::Operation::Get {
            key: name,
            cache_ttl: None,
        };
        let answer = self.call(operation, Upload::None)?;
        Ok(matches!(
            answer.reply(),
            Reply::Kv(kv::Reply::Value { found: true, .. })
        ))
    }

    /// # Errors
    /// There is no such secret.
    fn require(&self, name: &str) -> Result<(), Report> {
        if self.has(name)? {
            return Ok(());
        }
        Err(failed(format!(
            "there is no secret \"{name}\" in the store {}",
            self.arguments.store_id
        )))
    }

    fn put(&self, name: &str, value: Option<String>, printer: &Printer) -> Result<(), Report> {
        let value = value.map_or_else(|| input::secret(printer), Ok)?;
        if value.is_empty() {
            return Err(failed("a secret can't be empty"));
        }
        let operation = kv::Operation::Put {
            key: name,
            expiration: None,
            expiration_ttl: None,
            metadata: None,
        };
        self.call(operation, Upload::Bytes(value.into())).map(drop)
    }

    /// Says what was done, or shows the secret as JSON.
    fn done(&self, name: &str, did: &str, printer: &Printer) -> Result<(), Report> {
        let store = &self.arguments.store_id;
        if self.arguments.state.project.json {
            return printer.json(&shown(store, name)).map_err(failed);
        }
        printer.data(&format!("✅ {did} secret! (Name: {name}, Store: {store})\n"));
        Ok(())
    }
}

/// What is said of a secret; on this machine its name is its id.
fn shown(store: &str, name: &str) -> Value {
    json!({ "id": name, "store_id": store, "name": name })
}

fn create(arguments: StoredSecretCreateArguments, printer: &Printer) -> Result<(), Report> {
    let store = Store::open(&arguments.store, Access::Make, printer)?;
    let name = &arguments.name;
    if store.has(name)? {
        return Err(failed(format!(
            "there is a secret \"{name}\" in the store {} already; use `secrets-store secret update`",
            arguments.store.store_id
        )));
    }
    store.put(name, arguments.value, printer)?;
    store.done(name, "Created", printer)
}

fn update(arguments: StoredSecretUpdateArguments, printer: &Printer) -> Result<(), Report> {
    let store = Store::open(&arguments.secret.store, Access::Existing, printer)?;
    let name = arguments.secret.name();
    store.require(name)?;
    store.put(name, arguments.value, printer)?;
    store.done(name, "Updated", printer)
}

fn get(arguments: &StoredSecretArguments, printer: &Printer) -> Result<(), Report> {
    let store = Store::open(&arguments.store, Access::Existing, printer)?;
    store.require(arguments.name())?;
    print(&arguments.store, &[arguments.name().to_owned()], printer)
}

fn delete(arguments: &StoredSecretArguments, printer: &Printer) -> Result<(), Report> {
    let store = Store::open(&arguments.store, Access::Existing, printer)?;
    let name = arguments.name();
    store.require(name)?;
    store.call(kv::Operation::Delete { key: name }, Upload::None)?;
    store.done(name, "Deleted", printer)
}

fn list(arguments: &SecretsStoreArguments, printer: &Printer) -> Result<(), Report> {
    let store = Store::open(arguments, Access::Existing, printer)?;
    let mut names = Vec::new();
    let mut position: Option<String> = None;
    loop {
        let operation = kv::Operation::List {
            prefix: None,
            limit: None,
            cursor: position.as_deref(),
        };
        let answer = store.call(operation, Upload::None)?;
        let Reply::Kv(kv::Reply::List { keys, cursor }) = answer.reply() else {
            return Err(failed("the answer is none to the question asked"));
        };
        names.extend(keys.iter().map(|key| key.name.to_owned()));
        position = cursor.map(str::to_owned);
        if position.is_none() {
            break;
        }
    }
    print(arguments, &names, printer)
}

fn stores(arguments: &SecretsStoresListArguments, printer: &Printer) -> Result<(), Report> {
    let state = State::of(&arguments.state)?;
    let mut ids = state.held(StoreKind::Secrets)?;
    let bound = state.project.iter().flat_map(|project| &project.stored_secrets);
    ids.extend(bound.map(|secret| secret.store_id.clone()));
    ids.sort();
    ids.dedup();
    if arguments.state.project.json {
        let stores: Vec<_> = ids.iter().map(|id| json!({ "id": id, "name": id })).collect();
        return printer.json(&stores).map_err(failed);
    }
    let rows = ids.iter().map(|id| vec![id.clone(), id.clone()]);
    printer.data(&table(&["Name", "ID"], rows));
    Ok(())
}

fn print(arguments: &SecretsStoreArguments, names: &[String], printer: &Printer) -> Result<(), Report> {
    let store = &arguments.store_id;
    if arguments.state.project.json {
        let secrets: Vec<_> = names.iter().map(|name| shown(store, name)).collect();
        return printer.json(&secrets).map_err(failed);
    }
    let rows = names
        .iter()
        .map(|name| vec![name.clone(), name.clone(), store.clone()]);
    printer.data(&table(&["Name", "ID", "StoreID"], rows));
    Ok(())
}
