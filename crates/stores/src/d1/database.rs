//! A database as the platform sees it.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use isthmus_protocol::d1::{BodyWriter, Query};

use super::{D1Answer, D1Error, D1Request, D1Store};
use crate::{NotDurable, SyncPoint};

/// A D1 database. Clones share the store.
#[derive(Clone)]
pub struct D1Database {
    store: Arc<dyn D1Store>,
}

impl fmt::Debug for D1Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("D1Database").finish_non_exhaustive()
    }
}

impl D1Database {
    /// The rules over `store`.
    pub fn new(store: Arc<dyn D1Store>) -> Self {
        Self { store }
    }

    /// Runs the statements of a call's body in one transaction. What they wrote or read is durable when this resolves.
    ///
    /// # Errors
    /// Upstream's message. Nothing of what the statements did is left, unless the disk failed after they were committed.
    pub async fn execute(&self, query: Query, statements: Bytes) -> Result<D1Answer, D1Error> {
        let request = prepare(query, statements)?;
        let answer = self.store.run(request).await;
        if let Some(point) = self.store.unsettled() {
            point.wait().await.map_err(|NotDurable(report)| D1Error {
                report: Some(report),
                ..D1Error::new("the database failed: it can't be made durable")
            })?;
        }
        answer
    }

    /// As [`Self::execute`], but what the statements wrote or read may not be durable yet: [`Self::unsettled`], asked after it,
    /// says when it is. Until then nothing that depends on the answer, or on the error, may become known.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn execute_ahead(&self, query: Query, statements: Bytes) -> Result<D1Answer, D1Error> {
        let mut request = prepare(query, statements)?;
        request.ahead = true;
        self.store.run(request).await
    }

    /// What answers that were given until now may depend on, if that isn't durable yet.
    pub fn unsettled(&self) -> Option<SyncPoint> {
        self.store.unsettled()
    }

    /// Whether a state is one of this database's.
    pub fn has(&self, point: &SyncPoint) -> bool {
        self.store.has(point)
    }
}

/// Leaves out blank statements, and refuses what upstream refuses before it asks the engine.
fn prepare(query: Query, statements: Bytes) -> Result<D1Request, D1Error> {
    let mut request = D1Request {
        statements,
        bookmark: query.bookmark,
        ahead: false,
    };
    let all = request
        .statements()
        .map_err(|malformed| D1Error::new(malformed.to_string()))?;
    let (blank, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|statement| is_blank(statement.sql));
    if rest.is_empty() {
        return Err(D1Error::new("No SQL statements detected."));
    }
    // The engine would take it for the end of the text.
    if rest.iter().any(|statement| statement.sql.contains('\0')) {
        return Err(D1Error::new("SQL code did not contain a statement."));
    }
    if blank.is_empty() {
        return Ok(request);
    }
    let mut body = BodyWriter::default();
    for statement in &rest {
        body.statement(statement.sql, statement.parameters.len());
        statement.parameters.iter().for_each(|value| body.value(*value));
    }
    request.statements = body.finish().into();
    Ok(request)
}

/// Whether upstream finds no statement: nothing but white space and comments that don't begin their line.
fn is_blank(sql: &str) -> bool {
    sql.lines().all(|line| {
        let text = line.trim_start();
        text.is_empty() || (text.len() < line.len() && text.starts_with("--"))
    })
}
