//! `isthmus kv key …`: one key at a time.

use std::path::Path;

use isthmus_host::shell::{Access, Reply, Upload, kv};
use isthmus_project::Report;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Namespace, as_json};
use crate::args::{KvDeleteArguments, KvGetArguments, KvKeyCommand, KvListArguments, KvPutArguments};
use crate::commands::input;
use crate::commands::state::failed;
use crate::printer::{Printer, Unit};

pub(super) fn run(command: KvKeyCommand, printer: &Printer) -> Result<(), Report> {
    match command {
        KvKeyCommand::Put(arguments) => put(&arguments, printer),
        KvKeyCommand::Get(arguments) => get(&arguments, printer),
        KvKeyCommand::List(arguments) => list(&arguments, printer),
        KvKeyCommand::Delete(arguments) => delete(&arguments, printer),
    }
}

fn put(arguments: &KvPutArguments, printer: &Printer) -> Result<(), Report> {
    let key = &arguments.key;
    let metadata = arguments.metadata.as_ref().map(Value::to_string);
    let progress;
    let (what, value) = match (&arguments.path, &arguments.value) {
        (Some(path), _) => {
            let input = input::open(path)?;
            progress = printer.progress("Writing", input.length, Unit::Bytes);
            let reader = progress.counting(input.reader);
            let length = input.length;
            (contents_of(path), Upload::Reader { reader, length })
        }
        (None, value) => {
            let value = value.clone().unwrap_or_default();
            (format!("value \"{value}\" to"), Upload::Bytes(value.into()))
        }
    };
    let namespace = Namespace::open(&arguments.namespace, Access::Make, printer)?;
    let json_only = arguments.namespace.state.project.json;
    if !json_only {
        let with = metadata
            .as_ref()
            .map_or_else(String::new, |metadata| format!(" with metadata \"{metadata}\""));
        printer.data(&format!(
            "Writing the {what} key \"{key}\" on namespace {}{with}.\n",
            namespace.shown
        ));
    }
    let operation = kv::Operation::Put {
        key,
        expiration: arguments.expiration,
        expiration_ttl: arguments.ttl,
        metadata: metadata.as_deref(),
    };
    namespace.client.block_on(namespace.call(operation, value))?;
    if json_only {
        printer
            .json(&json!({ "key": key, "namespace_id": namespace.id }))
            .map_err(failed)?;
    }
    Ok(())
}

fn contents_of(path: &Path) -> String {
    format!("contents of {} to the", path.display())
}

fn get(arguments: &KvGetArguments, printer: &Printer) -> Result<(), Report> {
    let namespace = Namespace::open(&arguments.namespace, Access::Existing, printer)?;
    let key = &arguments.key;
    namespace.client.block_on(async {
        let operation = kv::Operation::Get { key, cache_ttl: None };
        let mut answer = namespace.call(operation, Upload::None).await?;
        let Reply::Kv(kv::Reply::Value {
            found: true,
            metadata,
        }) = answer.reply()
        else {
            return Err(failed("Value not found"));
        };
        let metadata = metadata.map(str::to_owned);
        let value = answer.bytes().await.map_err(failed)?;
        let written = if arguments.namespace.state.project.json {
            let (text, is_base64) = as_json(&value);
            let mut object = json!({ "key": key, "value": text });
            if is_base64 {
                object["base64"] = Value::Bool(true);
            }
            if let Some(metadata) = metadata {
                object["metadata"] = serde_json::from_str(&metadata).map_err(failed)?;
            }
            printer.json(&object)
        } else if arguments.text {
            printer.bytes(format!("{}\n", String::from_utf8_lossy(&value)).as_bytes())
        } else {
            printer.bytes(&value)
        };
        written.map_err(failed)
    })
}

/// A key as wrangler lists it.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
}

fn list(arguments: &KvListArguments, printer: &Printer) -> Result<(), Report> {
    let namespace = Namespace::open(&arguments.namespace, Access::Existing, printer)?;
    let mut list = printer.json_list();
    let mut position: Option<String> = None;
    namespace.client.block_on(async {
        loop {
            let operation = kv::Operation::List {
                prefix: arguments.prefix.as_deref(),
                limit: None,
                cursor: position.as_deref(),
            };
            let answer = namespace.call(operation, Upload::None).await?;
            let Reply::Kv(kv::Reply::List { keys, cursor }) = answer.reply() else {
                return Err(failed("the answer is none to the question asked"));
            };
            let keys = keys.into_iter().map(|key| Listed {
                name: key.name,
                expiration: key.expiration,
                metadata: key
                    .metadata
                    .and_then(|metadata| serde_json::from_str(metadata).ok()),
            });
            list.extend(keys).map_err(failed)?;
            position = cursor.map(str::to_owned);
            if position.is_none() {
                return Ok(());
            }
        }
    })?;
    list.end().map_err(failed)
}

fn delete(arguments: &KvDeleteArguments, printer: &Printer) -> Result<(), Report> {
    let namespace = Namespace::open(&arguments.namespace, Access::Existing, printer)?;
    let key = &arguments.key;
    let json_only = arguments.namespace.state.project.json;
    if !json_only {
        printer.data(&format!(
            "Deleting the key \"{key}\" on namespace {}.\n",
            namespace.shown
        ));
    }
    namespace
        .client
        .block_on(namespace.call(kv::Operation::Delete { key }, Upload::None))?;
    if json_only {
        printer
            .json(&json!({ "key": key, "namespace_id": namespace.id }))
            .map_err(failed)?;
    }
    Ok(())
}
