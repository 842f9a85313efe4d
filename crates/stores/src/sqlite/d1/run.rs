//! Runs a user's statements on one connection, and writes what they answer as it travels.

use std::{
    path::Path,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::Instant,
};

use isthmus_protocol::d1::{BodyWriter, Meta, Statement, Value};
use rusqlite::{
    Connection, ErrorCode, StatementStatus,
    types::{ToSqlOutput, ValueRef},
};

use super::{
    connection::{Guard, Patience},
    failure,
};
use crate::d1::{D1Error, Piece, pieces};

/// Longer statements are compiled each time.
const CACHED_SQL_BYTES: usize = 4096;
/// The largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 100 * 1024 * 1024;

/// A disk with no more room than this, in bytes, is full.
const NEARLY_FULL: u64 = 16 * 1024 * 1024;

/// Why statements did not come to their end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// They failed.
    Failed(D1Error),
    /// They need the connection that writes.
    NeedsWriter,
    /// A read isn't short.
    NotShort,
}

/// One connection, and what it runs with.
pub(super) struct Runner<'a> {
    pub(super) connection: &'a Connection,
    pub(super) guard: &'a Guard,
    pub(super) patience: Patience,
    /// The last row inserted into the database by anyone.
    pub(super) last_row_id: &'a AtomicI64,
    pub(super) path: &'a Path,
    pub(super) is_reader: bool,
}

impl Runner<'_> {
    /// Runs statements; the caller makes a transaction of them.
    pub(super) fn run_all(&self, statements: &[Statement<'_>]) -> Result<Vec<u8>, Stopped> {
        let mut body = BodyWriter::default();
        for (number, statement) in (0..).zip(statements) {
            self.run(statement, &mut body).map_err(|stopped| match stopped {
                Stopped::Failed(error) => Stopped::Failed(D1Error {
                    statement: Some(number),
                    ..error
                }),
                stopped => stopped,
            })?;
        }
        Ok(body.finish())
    }

    fn run(&self, statement: &Statement<'_>, body: &mut BodyWriter) -> Result<(), Stopped> {
        let begun = Instant::now();
        let before = if self.is_reader { None } else { Some(self.state()?) };
        let all = pieces(statement.sql);
        let Some((last, firsts)) = all.split_last() else {
            return Err(Stopped::Failed(D1Error::new(failure::NO_STATEMENT)));
        };
        let mut ignored = BodyWriter::default();
        for piece in firsts {
            self.run_piece(piece, &[], &mut ignored)?;
            ignored.truncate(0);
        }
        if !self.is_reader {
            // Upstream counts what the last one wrote.
            drop(self.guard.take_inserted());
        }
        let changes_before = self.connection.total_changes();
        let rows_read = self.run_piece(last, &statement.parameters, body)?;
        let mut meta = Meta {
            last_row_id: self.last_row_id.load(Relaxed),
            rows_read,
            ..Meta::default()
        };
        match before {
            None => meta.size_after = self.size()?,
            Some(before) => {
                let after = self.state()?;
                let written = self.connection.total_changes() - changes_before;
                meta.changes = after.changes - before.changes;
                meta.last_row_id = after.last_row_id;
                meta.changed_db = after != before;
                meta.size_after = after.size;
                meta.rows_written = written + self.index_entries()?;
                self.last_row_id.store(after.last_row_id, Relaxed);
            }
        }
        meta.duration = begun.elapsed().as_secs_f64() * 1000.0;
        body.end(&meta);
        Ok(())
    }

    /// Runs one statement of SQL and writes its columns and rows; answers how many rows it looked at.
    fn run_piece(
        &self,
        piece: &Piece<'_>,
        parameters: &[Value<'_>],
        body: &mut BodyWriter,
    ) -> Result<u64, Stopped> {
        if piece.keyword.is_empty() {
            return Err(Stopped::Failed(D1Error::new(failure::NO_STATEMENT)));
        }
        let _watch = self.guard.watch(self.patience);
        // Our own of these are in the cache: the authorizer, which refuses the caller's, sees only what is compiled.
        let is_ours = piece.begins_with(&["begin", "commit", "end", "release", "rollback", "savepoint"]);
        let found = if piece.sql.len() <= CACHED_SQL_BYTES && !is_ours {
            self.connection
                .prepare_cached(piece.sql)
                .map(|mut statement| self.step(&mut statement, parameters, body))
        } else {
            self.connection
                .prepare(piece.sql)
                .map(|mut statement| self.step(&mut statement, parameters, body))
        };
        found.unwrap_or_else(|error| Err(self.stopped(&error)))
    }

    fn step(
        &self,
        statement: &mut rusqlite::Statement<'_>,
        parameters: &[Value<'_>],
        body: &mut BodyWriter,
    ) -> Result<u64, Stopped> {
        let stopped = |error: rusqlite::Error| self.stopped(&error);
        if self.is_reader && !statement.readonly() {
            return Err(Stopped::NeedsWriter);
        }
        if statement.parameter_count() != parameters.len() {
            return Err(Stopped::Failed(D1Error::new(failure::WRONG_PARAMETERS)));
        }
        for (index, value) in parameters.iter().enumerate() {
            let bound = ToSqlOutput::Borrowed(sql_value(*value));
            statement.raw_bind_parameter(index + 1, bound).map_err(stopped)?;
        }
        statement.reset_status(StatementStatus::FullscanStep);
        let (mut answered, mut columns) = (0, 0);
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(stopped)? {
            if answered == 0 {
                // Only now, since the first step may compile the statement again, for a table that has changed.
                let names = row.as_ref().column_names();
                columns = names.len();
                body.columns(names);
            }
            answered += 1;
            body.row();
            for column in 0..columns {
                body.value(wire_value(row.get_ref(column).map_err(stopped)?));
            }
            if body.len() > MAX_ANSWER_BYTES {
                let message =
                    format!("The result exceeds the limit of {MAX_ANSWER_BYTES} bytes: ask for fewer rows.");
                return Err(Stopped::Failed(D1Error::new(message)));
            }
        }
        drop(rows);
        if answered == 0 {
            body.columns(statement.column_names());
        }
        let scanned = statement.get_status(StatementStatus::FullscanStep);
        // The steps between the rows of a scan: one less than there are.
        let scanned = u64::try_from(scanned).unwrap_or(0);
        Ok(answered.max(if scanned > 0 { scanned + 1 } else { 0 }))
    }

    fn stopped(&self, error: &rusqlite::Error) -> Stopped {
        let guard = self.guard;
        if self.is_reader && guard.wants_writer() {
            return Stopped::NeedsWriter;
        }
        let message = match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) if guard.interrupted() => match self.patience {
                Patience::Short => return Stopped::NotShort,
                Patience::Until(_) => failure::TOO_LONG,
            },
            Some(ErrorCode::AuthorizationForStatementDenied) if guard.refused_transaction() => {
                failure::TRANSACTION
            }
            Some(ErrorCode::DiskFull) if self.is_full() => failure::TOO_LARGE,
            _ => return Stopped::Failed(failure::of_statement(error, self.path)),
        };
        Stopped::Failed(D1Error::new(message))
    }

    /// Whether it is the limit rather than the disk that allows no more.
    fn is_full(&self) -> bool {
        // SQLite tells neither from the other.
        rustix::fs::statvfs(self.path).is_ok_and(|disk| disk.f_bavail * disk.f_frsize > NEARLY_FULL)
    }

    fn state(&self) -> Result<State, Stopped> {
        Ok(State {
            changes: self.connection.total_changes(),
            last_row_id: self.connection.last_insert_rowid(),
            size: self.size()?,
        })
    }

    /// The size of the database in bytes, in this transaction.
    fn size(&self) -> Result<u64, Stopped> {
        let pages = || -> rusqlite::Result<i64> {
            self.connection
                .prepare_cached("PRAGMA page_count")?
                .query_row([], |row| row.get(0))
        };
        let pages = pages().map_err(|error| self.stopped(&error))?;
        Ok(pages.unsigned_abs() * u64::from(crate::sqlite::database::PAGE_BYTES))
    }

    /// How many entries of indices go with the rows inserted.
    fn index_entries(&self) -> Result<u64, Stopped> {
        let mut entries = 0;
        for (table, rows) in self.guard.take_inserted() {
            let indices = || -> rusqlite::Result<i64> {
                self.connection
                    .prepare_cached("SELECT count(*) FROM pragma_index_list(?1)")?
                    .query_row([&table], |row| row.get(0))
            };
            entries += rows * indices().map_err(|error| self.stopped(&error))?.unsigned_abs();
        }
        Ok(entries)
    }
}

/// What a statement may change.
#[derive(PartialEq, Eq)]
struct State {
    changes: u64,
    last_row_id: i64,
    size: u64,
}

fn sql_value(value: Value<'_>) -> ValueRef<'_> {
    match value {
        Value::Null => ValueRef::Null,
        Value::Integer(number) => ValueRef::Integer(number),
        Value::Real(number) => ValueRef::Real(number),
        Value::Text(text) => ValueRef::Text(text),
        Value::Blob(blob) => ValueRef::Blob(blob),
    }
}

fn wire_value(value: ValueRef<'_>) -> Value<'_> {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(text),
        ValueRef::Blob(blob) => Value::Blob(blob),
    }
}
