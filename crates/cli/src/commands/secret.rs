//! `isthmus secret …`: the secrets that a Worker has on this machine, with wrangler's words. They are in `.dev.vars`.

use std::path::Path;

use isthmus_project::{Project, Report, SecretFile, display_path};
use serde_json::{Value, json};

use super::state::failed;
use super::{input, project};
use crate::args::{
    SecretBulkArguments, SecretCommand, SecretDeleteArguments, SecretFormat, SecretListArguments,
    SecretPutArguments,
};
use crate::printer::Printer;

pub(crate) fn run(command: SecretCommand, printer: &Printer) -> Result<(), Report> {
    match command {
        SecretCommand::Put(arguments) => put(&arguments, printer),
        SecretCommand::List(arguments) => list(&arguments, printer),
        SecretCommand::Delete(arguments) => delete(&arguments, printer),
        SecretCommand::Bulk(arguments) => bulk(&arguments, printer),
    }
}

fn put(arguments: &SecretPutArguments, printer: &Printer) -> Result<(), Report> {
    let project = project::of(&arguments.project)?;
    let mut file = SecretFile::of(&project)?;
    let value = input::secret(printer)?;
    let key = &arguments.key;
    file.set(key, &value)?;
    file.save()?;
    if arguments.project.json {
        return printer.json(&json!({ "name": key })).map_err(failed);
    }
    tell_of_copy(&file, printer);
    printer.data(&format!(
        "🌀 Creating the secret for the Worker \"{}\" in {}\n✨ Success! Uploaded secret {key}\n",
        project.name,
        display_path(file.path())
    ));
    Ok(())
}

fn list(arguments: &SecretListArguments, printer: &Printer) -> Result<(), Report> {
    let names = isthmus_project::secret_names(&project::of(&arguments.project)?)?;
    if arguments.format == SecretFormat::Pretty && !arguments.project.json {
        for name in names {
            printer.data(&format!("Secret Name: {name}\n"));
        }
        return Ok(());
    }
    let secrets: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "type": "secret_text" }))
        .collect();
    printer.json(&secrets).map_err(failed)
}

fn delete(arguments: &SecretDeleteArguments, printer: &Printer) -> Result<(), Report> {
    let project = project::of(&arguments.project)?;
    let mut file = SecretFile::of(&project)?;
    let key = &arguments.key;
    if !file.remove(key)? {
        return Err(failed(format!(
            "there is no secret {key} in {}",
            display_path(file.copied_from().unwrap_or(file.path()))
        )));
    }
    let question = format!(
        "Are you sure you want to permanently delete the secret {key} on the Worker {}?",
        project.name
    );
    let may_ask = !arguments.force && !arguments.project.json;
    if may_ask && !input::confirm(printer, &question)? {
        return Ok(());
    }
    file.save()?;
    if arguments.project.json {
        return printer.json(&json!({ "name": key })).map_err(failed);
    }
    tell_of_copy(&file, printer);
    printer.data(&format!(
        "🌀 Deleting the secret {key} on the Worker {}\n✨ Success! Deleted secret {key}\n",
        project.name
    ));
    Ok(())
}

fn bulk(arguments: &SecretBulkArguments, printer: &Printer) -> Result<(), Report> {
    let project = project::of(&arguments.project)?;
    let mut file = SecretFile::of(&project)?;
    let path = arguments.file.as_deref().unwrap_or(Path::new("-"));
    let secrets = secrets_in(path)?;
    if secrets.is_empty() {
        return Err(failed("🚨 No content found in file, or piped input."));
    }
    for (name, value) in &secrets {
        file.set(name, value)?;
    }
    file.save()?;
    if arguments.project.json {
        let names: Vec<&String> = secrets.iter().map(|(name, _)| name).collect();
        return printer.json(&json!({ "names": names })).map_err(failed);
    }
    tell_of_copy(&file, printer);
    printer.data(&bulk_text(&project, &file, &secrets));
    Ok(())
}

fn bulk_text(project: &Project, file: &SecretFile, secrets: &[(String, String)]) -> String {
    let mut text = format!(
        "🌀 Creating the secrets for the Worker \"{}\" in {}\n",
        project.name,
        display_path(file.path())
    );
    for (name, _) in secrets {
        text.push_str(&format!("✨ Successfully created secret for key: {name}\n"));
    }
    let count = secrets.len();
    text.push_str(&format!(
        "\nFinished processing secrets file:\n✨ {count} secrets successfully uploaded\n"
    ));
    text
}

/// The secrets of a file: an object of texts in JSON, or lines `NAME=value`.
fn secrets_in(path: &Path) -> Result<Vec<(String, String)>, Report> {
    let text = String::from_utf8(input::read(path)?)
        .map_err(|_| failed(format!("{} is not UTF-8", path.display())))?;
    let value = match serde_json::from_str::<Value>(&text) {
        Ok(value) => value,
        // No line of the other form begins so.
        Err(error) if text.trim_start().starts_with('{') => {
            return Err(failed(format!(
                "The contents of \"{}\" is not valid JSON: {error}",
                path.display()
            )));
        }
        Err(_) => return Ok(isthmus_project::parse_secrets(&text)),
    };
    let object = value.as_object().ok_or_else(|| {
        failed(format!(
            "The contents of \"{}\" is not valid JSON: an object of names and texts is expected",
            path.display()
        ))
    })?;
    object
        .iter()
        .map(|(name, value)| match value {
            Value::String(value) => Ok((name.clone(), value.clone())),
            _ => Err(failed(format!(
                "The value for \"{name}\" in \"{}\" is not a string",
                path.display()
            ))),
        })
        .collect()
}

fn tell_of_copy(file: &SecretFile, printer: &Printer) {
    if let Some(original) = file.copied_from() {
        printer.message(&format!(
            "{} begins as a copy of {}, which held for this environment so far\n",
            display_path(file.path()),
            display_path(original)
        ));
    }
}
