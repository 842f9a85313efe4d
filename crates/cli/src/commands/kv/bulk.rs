//! `isthmus kv bulk …`: many keys at once, from JSON files.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use isthmus_host::shell::{Access, Reply, Upload, kv};
use isthmus_project::{Diagnostic, Report};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{IN_FLIGHT, Namespace, as_json};
use crate::args::{KvBulkArguments, KvBulkCommand, KvBulkDeleteArguments};
use crate::commands::input;
use crate::commands::state::failed;
use crate::printer::{Printer, Progress, Unit};

/// So many bad items of a file are shown, and so many strange ones.
const SHOWN: usize = 12;

pub(super) fn run(command: KvBulkCommand, printer: &Printer) -> Result<(), Report> {
    match command {
        KvBulkCommand::Put(arguments) => put(&arguments, printer),
        KvBulkCommand::Get(arguments) => get(&arguments, printer),
        KvBulkCommand::Delete(arguments) => delete(&arguments, printer),
    }
}

/// One item of a file to put.
#[derive(Deserialize)]
struct KeyValue {
    key: String,
    value: String,
    expiration: Option<i32>,
    expiration_ttl: Option<i32>,
    metadata: Option<Value>,
    #[serde(default)]
    base64: bool,
    #[serde(flatten)]
    unexpected: Map<String, Value>,
}

/// An item and the bytes of its value.
type Item = (KeyValue, Bytes);

impl KeyValue {
    fn bytes(&mut self) -> Result<Bytes, base64::DecodeError> {
        let value = std::mem::take(&mut self.value);
        Ok(if self.base64 {
            STANDARD.decode(value)?.into()
        } else {
            value.into()
        })
    }
}

fn put(arguments: &KvBulkArguments, printer: &Printer) -> Result<(), Report> {
    let (items, warnings) = key_values(&arguments.file)?;
    if !warnings.is_empty() {
        let message = format!(
            "Unexpected key-value properties in \"{}\".\n{}",
            arguments.file.display(),
            some_of(warnings)
        );
        printer.report(&Diagnostic::warning(message).into());
    }
    let namespace = Namespace::open(&arguments.namespace, Access::Make, printer)?;
    let count = items.len();
    let progress = printer.progress("Writing", Some(count as u64), Unit::Items);
    let puts = items.into_iter().map(|item| put_one(&namespace, item, &progress));
    all(&namespace, puts)?;
    drop(progress);
    succeeded(arguments.namespace.state.project.json, count, printer)
}

async fn put_one(namespace: &Namespace, (item, value): Item, progress: &Progress) -> Result<(), Report> {
    let metadata = item.metadata.as_ref().map(Value::to_string);
    let operation = kv::Operation::Put {
        key: &item.key,
        expiration: item.expiration,
        expiration_ttl: item.expiration_ttl,
        metadata: metadata.as_deref(),
    };
    let put = namespace.call(operation, Upload::Bytes(value)).await;
    put.map_err(|error| about(&item.key, error))?;
    progress.add(1);
    Ok(())
}

/// The items of a file, each key once: the last one counts, as if they were written one after the other. Beside them,
/// what is strange about some.
fn key_values(path: &Path) -> Result<(Vec<Item>, Vec<String>), Report> {
    let items = input::json_array(path, "key-value objects")?;
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let mut places: HashMap<String, usize> = HashMap::with_capacity(items.len());
    let mut found = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let read = KeyValue::deserialize(&item).map_err(|error| error.to_string());
        let read = read.and_then(|mut item| {
            let value = item.bytes().map_err(|error| format!("no base64: {error}"))?;
            if !item.unexpected.is_empty() {
                let names = json!(item.unexpected.keys().collect::<Vec<_>>());
                warnings.push(format!(
                    "The item at index {index} contains unexpected properties: {names}."
                ));
            }
            Ok((item, value))
        });
        match read {
            Ok((item, value)) => match places.get(&item.key) {
                Some(&place) => found[place] = (item, value),
                None => {
                    places.insert(item.key.clone(), found.len());
                    found.push((item, value));
                }
            },
            Err(reason) => errors.push(format!(
                "The item at index {index} is {} ({reason})",
                brief(&item)
            )),
        }
    }
    refuse(
        path,
        "Each item in the array should be an object that matches:\n\n\
         interface KeyValue {\n  key: string;\n  value: string;\n  expiration?: number;\n  expiration_ttl?: number;\n  \
         metadata?: object;\n  base64?: boolean;\n}\n",
        errors,
    )?;
    Ok((found, warnings))
}

fn get(arguments: &KvBulkArguments, printer: &Printer) -> Result<(), Report> {
    let keys = keys(&arguments.file)?;
    let namespace = Namespace::open(&arguments.namespace, Access::Existing, printer)?;
    let progress = printer.progress("Reading", Some(keys.len() as u64), Unit::Items);
    let gets = keys.into_iter().map(|key| get_one(&namespace, key, &progress));
    let values: Vec<_> = namespace
        .client
        .block_on(stream::iter(gets).buffered(IN_FLIGHT).try_collect())?;
    drop(progress);
    printer.json(&Map::from_iter(values)).map_err(failed)?;
    if !arguments.namespace.state.project.json {
        printer.message("\nSuccess!\n");
    }
    Ok(())
}

async fn get_one(namespace: &Namespace, key: String, progress: &Progress) -> Result<(String, Value), Report> {
    let operation = kv::Operation::Get {
        key: &key,
        cache_ttl: None,
    };
    let answer = namespace.call(operation, Upload::None).await;
    let mut answer = answer.map_err(|error| about(&key, error))?;
    let found = matches!(answer.reply(), Reply::Kv(kv::Reply::Value { found: true, .. }));
    let value = answer.bytes().await.map_err(failed)?;
    progress.add(1);
    let value = match as_json(&value) {
        _ if !found => json!({ "value": null }),
        (text, false) => json!({ "value": text }),
        (text, true) => json!({ "value": text, "base64": true }),
    };
    Ok((key, value))
}

fn delete(arguments: &KvBulkDeleteArguments, printer: &Printer) -> Result<(), Report> {
    let file = &arguments.file;
    let json_only = arguments.namespace.state.project.json;
    let namespace = Namespace::open(&arguments.namespace, Access::Existing, printer)?;
    let question = format!(
        "Are you sure you want to delete all the keys read from \"{}\" from kv-namespace {}?",
        file.display(),
        namespace.shown
    );
    // What stands on standard input is the file then.
    let may_ask = file.as_os_str() != "-" && !json_only && !arguments.force;
    if may_ask && !input::confirm(printer, &question)? {
        printer.data(&format!("Not deleting keys read from \"{}\".\n", file.display()));
        return Ok(());
    }
    let keys = keys(file)?;
    let count = keys.len();
    let progress = printer.progress("Deleting", Some(count as u64), Unit::Items);
    let deletes = keys.into_iter().map(|key| delete_one(&namespace, key, &progress));
    all(&namespace, deletes)?;
    drop(progress);
    succeeded(json_only, count, printer)
}

async fn delete_one(namespace: &Namespace, key: String, progress: &Progress) -> Result<(), Report> {
    let operation = kv::Operation::Delete { key: &key };
    let deleted = namespace.call(operation, Upload::None).await;
    deleted.map_err(|error| about(&key, error))?;
    progress.add(1);
    Ok(())
}

/// Runs many calls, some of them at once, up to the first that fails.
fn all(
    namespace: &Namespace,
    calls: impl Iterator<Item = impl Future<Output = Result<(), Report>>>,
) -> Result<(), Report> {
    let calls = stream::iter(calls).buffer_unordered(IN_FLIGHT);
    namespace
        .client
        .block_on(calls.try_for_each(|()| std::future::ready(Ok(()))))
}

/// The keys that a file lists: texts, or objects with a `name`, as `kv key list` writes them.
fn keys(path: &Path) -> Result<Vec<String>, Report> {
    let mut errors = Vec::new();
    let mut keys = Vec::new();
    for (index, item) in input::json_array(path, "strings")?.iter().enumerate() {
        match item.as_str().or_else(|| item.get("name")?.as_str()) {
            Some(key) => keys.push(key.to_owned()),
            None => errors.push(format!("The item at index {index} is {}", brief(item))),
        }
    }
    let expected = "Expected an array of strings or objects with a \"name\" key.";
    refuse(path, expected, errors)?;
    Ok(keys)
}

/// An error that lists the bad items of a file, if there are any.
fn refuse(path: &Path, expected: &str, errors: Vec<String>) -> Result<(), Report> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(failed(format!(
        "Unexpected JSON input from \"{}\".\n{expected}\n{}",
        path.display(),
        some_of(errors)
    )))
}

/// The first lines.
fn some_of(mut lines: Vec<String>) -> String {
    if lines.len() > SHOWN {
        lines.truncate(SHOWN);
        lines.push("...".to_owned());
    }
    lines.join("\n")
}

/// The beginning of a value as JSON.
fn brief(item: &Value) -> String {
    const LENGTH: usize = 100;
    let text = item.to_string();
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn about(key: &str, mut error: Report) -> Report {
    for diagnostic in &mut error.diagnostics {
        diagnostic.message = format!("key {key:?}: {}", diagnostic.message);
    }
    error
}

fn succeeded(json_only: bool, count: usize, printer: &Printer) -> Result<(), Report> {
    if json_only {
        return printer.json(&json!({ "keys": count })).map_err(failed);
    }
    printer.data("Success!\n");
    Ok(())
}
