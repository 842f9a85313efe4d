//! SQLite's errors in upstream's words: the message, where in the text, the code's name.

use std::path::Path;

use rusqlite::{Error, ffi};

use crate::{WHAT_TO_DO, d1::D1Error, sqlite::failure::Failure};

/// What upstream says of a statement, or a part of one, that is no statement.
pub(super) const NO_STATEMENT: &str = "SQL code did not contain a statement.";
/// What upstream says if parameters and places for them differ in number.
pub(super) const WRONG_PARAMETERS: &str = "Wrong number of parameter bindings for SQL query.";
/// What upstream says to `BEGIN`, `SAVEPOINT` and their like.
pub(super) const TRANSACTION: &str = "To execute a transaction, please use the state.storage.transaction() or \
    state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. The JavaScript \
    API is safer because it will automatically roll back on exceptions, and because it interacts correctly with Durable \
    Objects' automatic atomic write coalescing.";
/// What upstream documents for a statement that runs for too long.
pub(super) const TOO_LONG: &str = "D1 DB exceeded its CPU time limit and was reset.";
/// What upstream documents for a database that may not grow any more.
pub(super) const TOO_LARGE: &str = "Exceeded maximum DB size.";

/// The error of a statement.
pub(super) fn of_statement(error: &Error, path: &Path) -> D1Error {
    let (code, message, offset) = match error {
        Error::SqliteFailure(code, message) => {
            (code, message.clone().unwrap_or_else(|| code.to_string()), None)
        }
        Error::SqlInputError {
            error, msg, offset, ..
        } => (error, msg.clone(), Some(*offset)),
        _ => return D1Error::new(error.to_string()),
    };
    let (primary, extended) = (code.extended_code & 0xff, code.extended_code);
    let at = offset
        .map(|offset| format!(" at offset {offset}"))
        .unwrap_or_default();
    let more = (primary != extended)
        .then(|| extended_name(extended))
        .flatten()
        .map(|name| format!(" (extended: {name})"))
        .unwrap_or_default();
    D1Error {
        message: format!("{message}{at}: {}{more}", primary_name(primary)),
        report: is_ours(primary).then(|| report(&message, path)),
        statement: None,
    }
}

/// The error of a commit.
pub(super) fn of_commit(failure: &Failure, path: &Path) -> D1Error {
    if let Failure::Refused(message) = failure {
        // Nothing but a foreign key is checked so late.
        return D1Error::new(format!(
            "{message}: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)"
        ));
    }
    let message = match failure {
        Failure::Full => "database or disk is full: SQLITE_FULL".to_owned(),
        _ => failure.to_string(),
    };
    D1Error {
        report: Some(report(&message, path)),
        statement: None,
        message,
    }
}

fn report(reason: &str, path: &Path) -> String {
    format!(
        "the D1 database {} failed: {reason}. {WHAT_TO_DO}",
        path.display()
    )
}

/// Whether no statement can help it.
fn is_ours(primary: i32) -> bool {
    matches!(
        primary,
        ffi::SQLITE_BUSY
            | ffi::SQLITE_CANTOPEN
            | ffi::SQLITE_CORRUPT
            | ffi::SQLITE_FULL
            | ffi::SQLITE_IOERR
            | ffi::SQLITE_NOMEM
            | ffi::SQLITE_NOTADB
            | ffi::SQLITE_PERM
            | ffi::SQLITE_PROTOCOL
            | ffi::SQLITE_READONLY
    )
}

fn primary_name(code: i32) -> &'static str {
    match code {
        ffi::SQLITE_ERROR => "SQLITE_ERROR",
        ffi::SQLITE_INTERNAL => "SQLITE_INTERNAL",
        ffi::SQLITE_PERM => "SQLITE_PERM",
        ffi::SQLITE_ABORT => "SQLITE_ABORT",
        ffi::SQLITE_BUSY => "SQLITE_BUSY",
        ffi::SQLITE_LOCKED => "SQLITE_LOCKED",
        ffi::SQLITE_NOMEM => "SQLITE_NOMEM",
        ffi::SQLITE_READONLY => "SQLITE_READONLY",
        ffi::SQLITE_INTERRUPT => "SQLITE_INTERRUPT",
        ffi::SQLITE_IOERR => "SQLITE_IOERR",
        ffi::SQLITE_CORRUPT => "SQLITE_CORRUPT",
        ffi::SQLITE_NOTFOUND => "SQLITE_NOTFOUND",
        ffi::SQLITE_FULL => "SQLITE_FULL",
        ffi::SQLITE_CANTOPEN => "SQLITE_CANTOPEN",
        ffi::SQLITE_PROTOCOL => "SQLITE_PROTOCOL",
        ffi::SQLITE_SCHEMA => "SQLITE_SCHEMA",
        ffi::SQLITE_TOOBIG => "SQLITE_TOOBIG",
        ffi::SQLITE_CONSTRAINT => "SQLITE_CONSTRAINT",
        ffi::SQLITE_MISMATCH => "SQLITE_MISMATCH",
        ffi::SQLITE_MISUSE => "SQLITE_MISUSE",
        ffi::SQLITE_AUTH => "SQLITE_AUTH",
        ffi::SQLITE_RANGE => "SQLITE_RANGE",
        ffi::SQLITE_NOTADB => "SQLITE_NOTADB",
        _ => "SQLITE_UNKNOWN_ERROR_CODE",
    }
}

fn extended_name(code: i32) -> Option<&'static str> {
    Some(match code {
        ffi::SQLITE_CONSTRAINT_CHECK => "SQLITE_CONSTRAINT_CHECK",
        ffi::SQLITE_CONSTRAINT_DATATYPE => "SQLITE_CONSTRAINT_DATATYPE",
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "SQLITE_CONSTRAINT_FOREIGNKEY",
        ffi::SQLITE_CONSTRAINT_FUNCTION => "SQLITE_CONSTRAINT_FUNCTION",
        ffi::SQLITE_CONSTRAINT_NOTNULL => "SQLITE_CONSTRAINT_NOTNULL",
        ffi::SQLITE_CONSTRAINT_PINNED => "SQLITE_CONSTRAINT_PINNED",
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY => "SQLITE_CONSTRAINT_PRIMARYKEY",
        ffi::SQLITE_CONSTRAINT_ROWID => "SQLITE_CONSTRAINT_ROWID",
        ffi::SQLITE_CONSTRAINT_TRIGGER => "SQLITE_CONSTRAINT_TRIGGER",
        ffi::SQLITE_CONSTRAINT_UNIQUE => "SQLITE_CONSTRAINT_UNIQUE",
        ffi::SQLITE_CONSTRAINT_VTAB => "SQLITE_CONSTRAINT_VTAB",
        ffi::SQLITE_CORRUPT_INDEX => "SQLITE_CORRUPT_INDEX",
        ffi::SQLITE_CORRUPT_SEQUENCE => "SQLITE_CORRUPT_SEQUENCE",
        ffi::SQLITE_CORRUPT_VTAB => "SQLITE_CORRUPT_VTAB",
        ffi::SQLITE_ERROR_MISSING_COLLSEQ => "SQLITE_ERROR_MISSING_COLLSEQ",
        ffi::SQLITE_ERROR_SNAPSHOT => "SQLITE_ERROR_SNAPSHOT",
        ffi::SQLITE_IOERR_FSYNC => "SQLITE_IOERR_FSYNC",
        ffi::SQLITE_IOERR_READ => "SQLITE_IOERR_READ",
        ffi::SQLITE_IOERR_SHORT_READ => "SQLITE_IOERR_SHORT_READ",
        ffi::SQLITE_IOERR_WRITE => "SQLITE_IOERR_WRITE",
        ffi::SQLITE_LOCKED_VTAB => "SQLITE_LOCKED_VTAB",
        _ => return None,
    })
}
