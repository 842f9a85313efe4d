//! `isthmus d1 execute` and `isthmus d1 import`.

use std::path::Path;

use isthmus_host::shell::Access;
use isthmus_project::Report;
use serde_json::{Map, Value as Json, json};

use super::{Database, Found};
use crate::args::{D1ExecuteArguments, D1ImportArguments};
use crate::commands::input;
use crate::commands::state::failed;
use crate::printer::{Printer, table};

/// What a file of SQLite's own begins with.
const BINARY: &[u8] = b"SQLite format 3\0";

pub(super) fn execute(arguments: &D1ExecuteArguments, printer: &Printer) -> Result<(), Report> {
    let is_json = arguments.database.state.project.json;
    let sql = match (&arguments.file, &arguments.command) {
        (Some(file), _) => read(file)?,
        (None, command) => command.clone().unwrap_or_default(),
    };
    let database = Database::open(&arguments.database, Access::Make)?;
    if !is_json {
        announce(&database, &arguments.database.database, "Executing on", printer);
    }
    let found = database.run_text(&sql, None).map_err(failed)?;
    if !is_json {
        let plural = if found.len() == 1 { "" } else { "s" };
        printer.message(&format!(
            "🚣 {} command{plural} executed successfully.\n",
            found.len()
        ));
    }
    if is_json || !printer.shows_tables() {
        let results: Vec<_> = found.iter().map(as_json).collect();
        return printer.json(&results).map_err(failed);
    }
    for found in found.iter().filter(|found| !found.rows.is_empty()) {
        let rows = found
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| shown(&cell.json())).collect());
        printer.data(&table(&found.columns, rows));
    }
    Ok(())
}

pub(super) fn import(arguments: &D1ImportArguments, printer: &Printer) -> Result<(), Report> {
    let is_json = arguments.database.state.project.json;
    let sql = read(&arguments.file)?;
    let database = Database::open(&arguments.database, Access::Make)?;
    if !is_json {
        announce(&database, &arguments.database.database, "Importing into", printer);
    }
    let found = database.run_text(&sql, None).map_err(failed)?;
    if is_json {
        let duration: f64 = found.iter().map(|found| found.duration).sum();
        let summary = json!({ "success": true, "statements": found.len(), "meta": { "duration": duration } });
        return printer.json(&summary).map_err(failed);
    }
    printer.message(&format!("🚣 Executed {} statements.\n", found.len()));
    Ok(())
}

/// Says which database it is, and where.
pub(super) fn announce(database: &Database, name: &str, what: &str, printer: &Printer) {
    let (id, folder) = (&database.id, database.state.folder.join("d1"));
    printer.message(&format!(
        "🌀 {what} local database {name} ({id}) from {}:\n",
        folder.display()
    ));
}

fn read(file: &Path) -> Result<String, Report> {
    let bytes = input::read(file)?;
    if bytes.starts_with(BINARY) {
        return Err(failed(
            "Provided file is a binary SQLite database file instead of an SQL text file. The execute command can only \
             process SQL text files. Please export an SQL file from your SQLite database and try again.",
        ));
    }
    String::from_utf8(bytes).map_err(|_| failed(format!("cannot read {}: it is no UTF-8", file.display())))
}

/// In wrangler's form. Of columns with one name the last counts.
fn as_json(found: &Found) -> Json {
    let rows = found.rows.iter().map(|row| {
        let cells = found.columns.iter().zip(row);
        Json::Object(
            cells
                .map(|(name, cell)| (name.clone(), cell.json()))
                .collect::<Map<_, _>>(),
        )
    });
    json!({
        "results": rows.collect::<Vec<_>>(),
        "success": true,
        "meta": { "duration": found.duration },
    })
}

/// In a table: text without its quotes.
fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
