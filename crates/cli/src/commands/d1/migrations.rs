//! `isthmus d1 migrations …`: numbered files of SQL, and a table in the database that says which were applied.

use std::fs;
use std::path::{Path, PathBuf};

use isthmus_host::shell::{Access, d1::Value};
use isthmus_project::{D1Database, Project, Report, display_path};
use serde_json::json;

use super::{Cell, Database, of_project};
use crate::args::{D1DatabaseArguments, D1MigrationsCommand, D1MigrationsCreateArguments};
use crate::commands::state::failed;
use crate::commands::{input, project};
use crate::printer::{Printer, table};

pub(super) fn run(command: &D1MigrationsCommand, printer: &Printer) -> Result<(), Report> {
    match command {
        D1MigrationsCommand::Create(arguments) => create(arguments, printer),
        D1MigrationsCommand::List(arguments) => list(&arguments.database, printer),
        D1MigrationsCommand::Apply(arguments) => apply(&arguments.database, printer),
    }
}

fn create(arguments: &D1MigrationsCreateArguments, printer: &Printer) -> Result<(), Report> {
    let project = project::of(&arguments.project)?;
    let folder = folder_of(&project, of_project(&project, &arguments.database)?);
    fs::create_dir_all(&folder)
        .map_err(|error| failed(format!("cannot make {}: {error}", folder.display())))?;
    let number = files(&folder)?
        .iter()
        .filter_map(|name| number_of(name))
        .max()
        .unwrap_or(0)
        + 1;
    let name = format!("{number:04}_{}.sql", arguments.message.replace(' ', "_"));
    if name.contains(['/', '\\']) {
        return Err(failed(
            "the message becomes the name of a file: leave out slashes",
        ));
    }
    let path = folder.join(&name);
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
    fs::write(&path, format!("-- Migration number: {number:04} \t {now}\n"))
        .map_err(|error| failed(format!("cannot write {}: {error}", path.display())))?;
    if arguments.project.json {
        return printer
            .json(&json!({ "name": name, "path": path.display().to_string() }))
            .map_err(failed);
    }
    printer.data(&format!(
        "✅ Successfully created Migration '{name}'!\n\nThe migration is available for editing here\n{}\n",
        path.display()
    ));
    Ok(())
}

fn list(arguments: &D1DatabaseArguments, printer: &Printer) -> Result<(), Report> {
    let migrations = Migrations::open(arguments, Access::Existing)?;
    let pending = migrations.pending()?;
    if arguments.state.project.json {
        let names: Vec<_> = pending.iter().map(|name| json!({ "name": name })).collect();
        return printer.json(&names).map_err(failed);
    }
    if pending.is_empty() {
        printer.data("✅ No migrations to apply!\n");
    } else {
        let rows = pending.iter().map(|name| vec![name.clone()]);
        printer.data(&format!("Migrations to be applied:\n{}", table(&["Name"], rows)));
    }
    Ok(())
}

fn apply(arguments: &D1DatabaseArguments, printer: &Printer) -> Result<(), Report> {
    let is_json = arguments.state.project.json;
    let migrations = Migrations::open(arguments, Access::Make)?;
    let pending = migrations.pending()?;
    if !is_json && pending.is_empty() {
        printer.data("✅ No migrations to apply!\n");
        return Ok(());
    }
    if !is_json {
        let rows = pending.iter().map(|name| vec![name.clone()]);
        printer.data(&format!("Migrations to be applied:\n{}", table(&["name"], rows)));
        let question = format!("About to apply {} migration(s), continue?", pending.len());
        if !input::confirm(printer, &question)? {
            return Ok(());
        }
    }
    for (index, name) in pending.iter().enumerate() {
        let outcome = migrations.apply(name);
        if !is_json {
            let mark = |other: usize| match other.cmp(&index) {
                std::cmp::Ordering::Less => "✅",
                std::cmp::Ordering::Equal if outcome.is_ok() => "✅",
                std::cmp::Ordering::Equal => "❌",
                std::cmp::Ordering::Greater => "🕒️",
            };
            let rows = pending
                .iter()
                .enumerate()
                .map(|(other, name)| vec![name.clone(), mark(other).to_owned()]);
            printer.data(&table(&["name", "status"], rows));
        }
        outcome.map_err(|error| {
            failed(format!(
                "Migration {name} failed with the following errors:\n{error}"
            ))
        })?;
    }
    if is_json {
        let names: Vec<_> = pending
            .iter()
            .map(|name| json!({ "name": name, "status": "applied" }))
            .collect();
        return printer.json(&names).map_err(failed);
    }
    Ok(())
}

/// The migrations of a database.
struct Migrations {
    database: Database,
    folder: PathBuf,
    /// The name of the table, in quotes.
    table: String,
}

impl Migrations {
    fn open(arguments: &D1DatabaseArguments, access: Access) -> Result<Self, Report> {
        let project = project::of(&arguments.state.project)?;
        let configured = of_project(&project, &arguments.database)?;
        let folder = folder_of(&project, configured);
        if !folder.is_dir() {
            return Err(failed(format!(
                "No migrations present at {}.",
                display_path(&folder)
            )));
        }
        let table = format!("\"{}\"", configured.migrations_table.replace('"', "\"\""));
        Ok(Self {
            database: Database::open(arguments, access)?,
            folder,
            table,
        })
    }

    /// The files that were not applied, in the order of their numbers and names.
    fn pending(&self) -> Result<Vec<String>, Report> {
        let table = &self.table;
        let make = format!(
            "CREATE TABLE IF NOT EXISTS {table}(\n\t\tid         INTEGER PRIMARY KEY AUTOINCREMENT,\n\t\tname       TEXT \
             UNIQUE,\n\t\tapplied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL\n)"
        );
        self.database.run_one(&make).map_err(failed)?;
        let applied = self
            .database
            .run_one(&format!("SELECT name FROM {table}"))
            .map_err(failed)?;
        let is_pending = |name: &String| {
            !applied
                .rows
                .iter()
                .any(|row| row[..] == [Cell::Text(name.clone())])
        };
        let mut pending: Vec<_> = files(&self.folder)?.into_iter().filter(is_pending).collect();
        // What has no number comes last.
        pending.sort_by_key(|name| number_of(name).unwrap_or(u64::MAX));
        Ok(pending)
    }

    /// Applies one, all of it or nothing.
    fn apply(&self, name: &str) -> Result<(), String> {
        let path = self.folder.join(name);
        let sql =
            fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let note = format!("INSERT INTO {} (name) VALUES (?)", self.table);
        let applied = [Value::Text(name.as_bytes())];
        self.database.run_text(&sql, Some((&note, &applied))).map(drop)
    }
}

fn folder_of(project: &Project, database: &D1Database) -> PathBuf {
    project.root.join(&database.migrations_dir)
}

/// The names of the files, sorted.
fn files(folder: &Path) -> Result<Vec<String>, Report> {
    let unreadable = |error: std::io::Error| failed(format!("cannot read {}: {error}", folder.display()));
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.ends_with(".sql")) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The digits that a name begins with.
fn number_of(name: &str) -> Option<u64> {
    let end = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    name[..end].parse().ok()
}
