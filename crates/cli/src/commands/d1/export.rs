//! `isthmus d1 export`: a database as SQL, in wrangler's form, from one state of it.

use std::fmt::Write;
use std::fs;

use isthmus_host::shell::Access;
use isthmus_project::Report;
use serde_json::json;

use super::{Cell, Database, Found, execute::announce};
use crate::args::D1ExportArguments;
use crate::commands::state::failed;
use crate::printer::Printer;

/// All that makes up the schema, each after what it may need.
const SCHEMA: &str = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL \
    ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, \
    tbl_name = 'sqlite_sequence', rowid";

/// The columns that rows are written with: those that are generated are left to be generated again.
const COLUMNS: &str = "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c \
    WHERE t.type = 'table' ORDER BY t.rowid, c.cid";

/// How often a database may change its schema while it is looked at.
const ATTEMPTS: usize = 10;

pub(super) fn run(arguments: &D1ExportArguments, printer: &Printer) -> Result<(), Report> {
    let output = &arguments.output;
    let to_stdout = output.as_os_str() == "-";
    if output.is_dir() {
        return Err(failed(
            "Please specify a file path for --output, not a directory.",
        ));
    }
    let name = &arguments.database.database;
    let database = Database::open(&arguments.database, Access::Existing)?;
    let is_json = arguments.database.state.project.json;
    if !is_json {
        announce(&database, name, "Exporting", printer);
        printer.message(&format!("🌀 Exporting SQL to {}...\n", output.display()));
    }
    let sql = dump(&database, arguments)?;
    if to_stdout {
        return printer.bytes(sql.as_bytes()).map_err(failed);
    }
    fs::write(output, sql).map_err(|error| failed(format!("cannot write {}: {error}", output.display())))?;
    if is_json {
        let done = json!({ "database": name, "output": output.display().to_string() });
        return printer.json(&done).map_err(failed);
    }
    printer.message("Done!\n");
    Ok(())
}

/// What the schema has: a table, an index …
#[derive(PartialEq)]
struct Object {
    kind: String,
    name: String,
    sql: String,
}

impl Object {
    fn all(found: &Found) -> Vec<Self> {
        let text = |cell: &Cell| match cell {
            Cell::Text(text) => text.clone(),
            _ => String::new(),
        };
        let rows = found.rows.iter().filter_map(|row| match &row[..] {
            [kind, name, sql] => Some(Self {
                kind: text(kind),
                name: text(name),
                sql: text(sql),
            }),
            _ => None,
        });
        rows.collect()
    }

    fn is_table(&self) -> bool {
        self.kind == "table"
    }

    /// A table with rows of the user's.
    fn has_rows(&self) -> bool {
        let of_sqlite = self.name.starts_with("sqlite_") && self.name != "sqlite_sequence";
        self.is_table() && !of_sqlite && !self.name.starts_with("_cf_")
    }
}

fn dump(database: &Database, arguments: &D1ExportArguments) -> Result<String, Report> {
    let wanted = |object: &Object| arguments.tables.is_empty() || arguments.tables.contains(&object.name);
    for _ in 0..ATTEMPTS {
        let [before, columns] = &database.run(&[(SCHEMA, &[]), (COLUMNS, &[])]).map_err(failed)?[..] else {
            return Err(failed("the answer lacks a result"));
        };
        let objects: Vec<_> = Object::all(before).into_iter().filter(wanted).collect();
        if let Some(missing) = arguments
            .tables
            .iter()
            .find(|name| !objects.iter().any(|object| object.name == **name))
        {
            return Err(failed(format!("there is no table `{missing}`")));
        }
        if objects.iter().any(|object| is_virtual(&object.sql)) {
            return Err(failed(
                "D1 Export error: cannot export databases with Virtual Tables (fts5)",
            ));
        }
        let tables: Vec<_> = if arguments.no_data {
            Vec::new()
        } else {
            objects.iter().filter(|object| object.has_rows()).collect()
        };
        let selects: Vec<_> = tables.iter().map(|table| select(&table.name, columns)).collect();
        let mut statements = vec![(SCHEMA, &[][..])];
        statements.extend(selects.iter().map(|sql| (sql.as_str(), &[][..])));
        // A table may have gone meanwhile; then the next attempt doesn't ask for it.
        let Ok(mut found) = database.run(&statements) else {
            continue;
        };
        let rows = found.split_off(1);
        if found[0].rows == before.rows {
            let rows: Vec<_> = tables
                .iter()
                .map(|table| table.name.as_str())
                .zip(&rows)
                .collect();
            return Ok(write(&objects, &rows, arguments.no_schema));
        }
    }
    // Whatever keeps failing is told as it is.
    let found = database.run_one(SCHEMA).map_err(failed)?;
    let names = Object::all(&found)
        .into_iter()
        .filter(Object::has_rows)
        .filter(wanted);
    for name in names {
        database
            .run_one(&format!("SELECT * FROM {}", quoted(&name.name)))
            .map_err(failed)?;
    }
    Err(failed(
        "the database changes all the time, or is too large to be exported at once",
    ))
}

/// What asks for the rows of a table.
fn select(table: &str, columns: &Found) -> String {
    let names = columns.rows.iter().filter_map(|row| match &row[..] {
        [Cell::Text(of), Cell::Text(name)] if of == table => Some(quoted(name)),
        _ => None,
    });
    format!(
        "SELECT {} FROM {}",
        names.collect::<Vec<_>>().join(", "),
        quoted(table)
    )
}

fn write(objects: &[Object], rows: &[(&str, &Found)], no_schema: bool) -> String {
    let mut sql = String::from("PRAGMA defer_foreign_keys=TRUE;\n");
    for table in objects.iter().filter(|object| object.is_table()) {
        if !no_schema {
            write_table(&mut sql, table);
        }
        if let Some((_, found)) = rows.iter().find(|(name, _)| *name == table.name) {
            for row in &found.rows {
                let cells: Vec<_> = row.iter().map(literal).collect();
                // Writing to memory can't fail.
                let _ = writeln!(
                    sql,
                    "INSERT INTO {} VALUES({});",
                    quoted(&table.name),
                    cells.join(",")
                );
            }
        }
    }
    if !no_schema {
        for object in objects.iter().filter(|object| !object.is_table()) {
            let _ = writeln!(sql, "{};", object.sql);
        }
    }
    sql
}

fn write_table(sql: &mut String, table: &Object) {
    let _ = if table.name == "sqlite_sequence" {
        writeln!(sql, "DELETE FROM sqlite_sequence;")
    } else if table.name.starts_with("sqlite_stat") {
        writeln!(sql, "ANALYZE sqlite_schema;")
    } else if !table.has_rows() {
        Ok(())
    } else if let Some(rest) = table
        .sql
        .strip_prefix("CREATE TABLE ")
        .filter(|rest| rest.starts_with(['\'', '"']))
    {
        writeln!(sql, "CREATE TABLE IF NOT EXISTS {rest};")
    } else {
        writeln!(sql, "{};", table.sql)
    };
}

fn is_virtual(sql: &str) -> bool {
    sql.get(..20)
        .is_some_and(|start| start.eq_ignore_ascii_case("CREATE VIRTUAL TABLE"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A value as SQL has it. A text with line breaks stays on one line.
fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) if number.is_infinite() => {
            if *number > 0.0 { "9e999" } else { "-9e999" }.to_owned()
        }
        Cell::Real(number) => format!("{number:?}"),
        Cell::Blob(blob) => hexadecimal(blob),
        Cell::BrokenText(text) => format!("CAST({} AS TEXT)", hexadecimal(text)),
        // No SQL has a zero in it.
        Cell::Text(text) if text.contains('\0') => format!("CAST({} AS TEXT)", hexadecimal(text.as_bytes())),
        Cell::Text(text) => {
            let mut quoted = format!("'{}'", text.replace('\'', "''"));
            for (breaking, escaped, code) in [('\r', "\\r", 13), ('\n', "\\n", 10)] {
                // Unless it would be taken for another; SQL may have line breaks as well.
                if text.contains(breaking) && !text.contains(escaped) {
                    quoted = format!(
                        "replace({},'{escaped}',char({code}))",
                        quoted.replace(breaking, escaped)
                    );
                }
            }
            quoted
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + 3);
    text.push_str("X'");
    for byte in bytes {
        // Writing to memory can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_sql() {
        let text = |text: &str| literal(&Cell::Text(text.to_owned()));
        assert_eq!(text("it's"), "'it''s'");
        assert_eq!(text("a\nb"), "replace('a\\nb','\\n',char(10))");
        assert_eq!(
            text("a\r\nb"),
            "replace(replace('a\\r\\nb','\\r',char(13)),'\\n',char(10))"
        );
        assert_eq!(text("a\nb\\n"), "'a\nb\\n'");
        assert_eq!(text("\0"), "CAST(X'00' AS TEXT)");
        assert_eq!(literal(&Cell::Real(36.0)), "36.0");
        assert_eq!(literal(&Cell::Real(1e300)), "1e300");
        assert_eq!(literal(&Cell::Real(f64::NEG_INFINITY)), "-9e999");
        assert_eq!(literal(&Cell::Integer(i64::MIN)), "-9223372036854775808");
        assert_eq!(literal(&Cell::Blob(vec![0, 255])), "X'00ff'");
        assert_eq!(literal(&Cell::Null), "NULL");
    }
}
