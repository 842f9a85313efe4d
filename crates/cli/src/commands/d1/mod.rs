//! `isthmus d1 …`: D1 databases, with wrangler's words.

mod execute;
mod export;
mod migrations;

use isthmus_host::shell::d1::{BodyReader, BodyWriter, Malformed, Query, Value};
use isthmus_host::shell::{
    Access, CallError, Operation, Piece, Reply, Resource, StoresClient, Upload, pieces,
};
use isthmus_project::{D1Database, Diagnostic, Project, Report};
use serde_json::Value as Json;

use super::state::{State, offer};
use crate::args::{D1Command, D1DatabaseArguments};
use crate::printer::Printer;

pub(crate) fn run(command: D1Command, printer: &Printer) -> Result<(), Report> {
    match command {
        D1Command::Execute(arguments) => execute::execute(&arguments, printer),
        D1Command::Import(arguments) => execute::import(&arguments, printer),
        D1Command::Export(arguments) => export::run(&arguments, printer),
        D1Command::Migrations(command) => migrations::run(&command, printer),
    }
}

/// A statement and its parameters.
type Statement<'a> = (&'a str, &'a [Value<'a>]);

/// What a statement answered.
struct Found {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
    /// In milliseconds.
    duration: f64,
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    /// Text that is no UTF-8.
    BrokenText(Vec<u8>),
    Blob(Vec<u8>),
}

impl Cell {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(number),
            Value::Real(number) => Self::Real(number),
            Value::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Self::Text(text.to_owned()),
                Err(_) => Self::BrokenText(text.to_vec()),
            },
            Value::Blob(blob) => Self::Blob(blob.to_vec()),
        }
    }

    /// As wrangler shows it: bytes are a text that looks like a list.
    fn json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Integer(number) => (*number).into(),
            Self::Real(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::BrokenText(text) => String::from_utf8_lossy(text).into(),
            Self::Blob(blob) => {
                let bytes: Vec<_> = blob.iter().map(u8::to_string).collect();
                format!("[{}]", bytes.join(", ")).into()
            }
        }
    }
}

/// The database that a command works on.
struct Database {
    client: StoresClient,
    id: String,
    state: State,
}

impl Database {
    fn open(arguments: &D1DatabaseArguments, access: Access) -> Result<Self, Report> {
        let state = State::of(&arguments.state)?;
        let id = of_project(state.project(&arguments.state)?, &arguments.database)?
            .id
            .clone();
        let client = state.connect(Resource::D1 { id: &id }, access)?;
        Ok(Self { client, id, state })
    }

    /// Runs statements in one transaction.
    fn run(&self, statements: &[Statement<'_>]) -> Result<Vec<Found>, Failed> {
        let mut body = BodyWriter::default();
        for (sql, parameters) in statements {
            body.statement(sql, parameters.len());
            parameters.iter().for_each(|value| body.value(*value));
        }
        let operation = Operation::D1(Query {
            bookmark: false,
            locate: true,
        });
        let body = Upload::Bytes(body.finish().into());
        let (failed, results) = self.client.block_on(async {
            let mut answer = self.client.call(0, operation, body).await?;
            match answer.reply() {
                Reply::D1(reply) => {
                    let failed = reply.failed;
                    answer.bytes().await.map(|bytes| (failed, bytes))
                }
                _ => Err(CallError::Broken(
                    "the answer is none to the question asked".to_owned(),
                )),
            }
        })?;
        if let Some(statement) = failed {
            return Err(Failed {
                message: String::from_utf8_lossy(&results).into_owned(),
                statement: Some(statement as usize),
            });
        }
        Ok(read(&results).map_err(|malformed| CallError::Broken(malformed.to_string()))?)
    }

    /// Runs the statements of a text, and then one more, in one transaction. An error says where in the text it is.
    fn run_text(&self, sql: &str, last: Option<Statement<'_>>) -> Result<Vec<Found>, String> {
        let pieces = statements_of(sql)?;
        let mut statements: Vec<Statement<'_>> = pieces.iter().map(|piece| (piece.sql, &[][..])).collect();
        statements.extend(last);
        if statements.is_empty() {
            return Err("No SQL statements detected.".to_owned());
        }
        self.run(&statements).map_err(|failed| {
            let piece = failed
                .statement
                .and_then(|number| Some((number, pieces.get(number)?)));
            match piece {
                Some((number, piece)) => format!("{failed}\n{}", place(sql, number, piece)),
                None => failed.to_string(),
            }
        })
    }

    /// Runs one statement without parameters.
    fn run_one(&self, sql: &str) -> Result<Found, Failed> {
        let mut found = self.run(&[(sql, &[])])?;
        match found.pop() {
            Some(found) => Ok(found),
            None => Err(CallError::Broken("the answer lacks a result".to_owned()).into()),
        }
    }
}

/// Why statements failed.
#[derive(Debug)]
struct Failed {
    message: String,
    /// Which of them, from 0 on, if it was one.
    statement: Option<usize>,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Self {
            message: error.to_string(),
            statement: None,
        }
    }
}

/// How much of a statement is shown, in characters.
const SHOWN: usize = 80;

/// Where a statement of a text is, and how it begins.
fn place(sql: &str, number: usize, piece: &Piece<'_>) -> String {
    let at = piece.keyword.as_ptr() as usize - sql.as_ptr() as usize;
    let line = sql[..at].matches('\n').count() + 1;
    let end = piece.sql.as_ptr() as usize + piece.sql.len() - sql.as_ptr() as usize;
    let text = sql[at..end].lines().next().unwrap_or_default().trim_end();
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < sql[at..end].trim_end().len() {
        " …"
    } else {
        ""
    };
    format!("in statement {}, line {line}: {shown}{more}", number + 1)
}

fn read(results: &[u8]) -> Result<Vec<Found>, Malformed> {
    let mut reader = BodyReader::new(results);
    let mut all = Vec::new();
    while let Some(columns) = reader.columns()? {
        let mut rows = Vec::new();
        while reader.row()? {
            let row = columns.iter().map(|_| reader.value().map(Cell::of));
            rows.push(row.collect::<Result<_, _>>()?);
        }
        all.push(Found {
            columns: columns.into_iter().map(str::to_owned).collect(),
            rows,
            duration: reader.meta()?.duration,
        });
    }
    Ok(all)
}

/// The database of this name or binding.
fn of_project<'a>(project: &'a Project, name: &str) -> Result<&'a D1Database, Report> {
    let is_it = |database: &&D1Database| database.name.as_deref() == Some(name) || database.binding == name;
    project.d1_databases.iter().find(is_it).ok_or_else(|| {
        let file = project
            .config_path
            .file_name()
            .unwrap_or_default()
            .display()
            .to_string();
        let databases = project.d1_databases.iter();
        let bound: Vec<_> = databases
            .map(|database| {
                let binding = database.binding.as_str();
                (database.name.as_deref().unwrap_or(binding), Some(binding))
            })
            .collect();
        Diagnostic::error(format!(
            "Couldn't find a D1 DB with the name or binding '{name}' in your {file} file."
        ))
        .hint(offer(&bound))
        .into()
    })
}

/// The statements of a text, which may be what `sqlite3 .dump` writes: the transaction around it is left out, since D1
/// makes one anyway.
fn statements_of(sql: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut statements: Vec<_> = pieces(sql)
        .into_iter()
        .filter(|piece| !piece.keyword.is_empty())
        .collect();
    let begin = statements.iter().position(|piece| piece.begins_with(&["begin"]));
    if let Some(begin) = begin {
        statements.remove(begin);
        let commit = statements
            .iter()
            .rposition(|piece| piece.begins_with(&["commit", "end"]));
        commit.map(|commit| statements.remove(commit));
    }
    if statements.iter().any(|piece| piece.begins_with(&["begin"])) {
        return Err(
            "the SQL contains several transactions.\nD1 runs your SQL in a transaction for you.\nPlease export an SQL \
             file from your SQLite database and try again."
                .to_owned(),
        );
    }
    Ok(statements)
}
