//! What an engine must do to be a D1 database: run statements in a transaction. Statements and results are in the form in
//! which they travel (`protocol::d1`).

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use isthmus_protocol::d1::{BodyReader, Malformed, Statement};

use crate::SyncPoint;

/// What a store's method returns. Reads may block for a millisecond while polled, never for long.
pub type D1Future<'a, T> = Pin<Box<dyn Future<Output = Result<T, D1Error>> + Send + 'a>>;

/// Statements to run in one transaction.
#[derive(Clone, Debug)]
pub struct D1Request {
    pub(super) statements: Bytes,
    /// Whether the answer is to have a bookmark.
    pub bookmark: bool,
    /// The answer may come before what was written is durable: [`D1Store::unsettled`].
    pub ahead: bool,
}

impl D1Request {
    /// The statements, of which each has a text that isn't blank.
    ///
    /// # Errors
    /// [`Malformed`]: whoever made the request didn't keep to the format.
    pub fn statements(&self) -> Result<Vec<Statement<'_>>, Malformed> {
        let mut reader = BodyReader::new(&self.statements);
        let mut statements = Vec::new();
        while let Some(statement) = reader.statement()? {
            statements.push(statement);
        }
        Ok(statements)
    }

    /// How many bytes the statements and their parameters have.
    pub fn size(&self) -> usize {
        self.statements.len()
    }
}

/// What statements came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct D1Answer {
    /// A result for each of them.
    pub results: Bytes,
    /// The state that they saw or made, if it was asked for: later ones sort after earlier ones.
    pub bookmark: Option<String>,
}

/// Why statements failed. Nothing of what they did is left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct D1Error {
    /// Upstream's message, without the prefix that tells the method.
    pub message: String,
    /// What the host's log is to say, if it isn't the caller's fault: which file, and what to do.
    pub report: Option<String>,
    /// Which of the statements it was, from 0 on, if it was one of them.
    pub statement: Option<u32>,
}

impl D1Error {
    /// An error of the caller's.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            report: None,
            statement: None,
        }
    }
}

/// One database in some engine.
pub trait D1Store: Send + Sync + 'static {
    /// Runs statements in one transaction; resolves when what they wrote is durable, or, if the request allows it, before. They
    /// see everything that was acknowledged before. Dropping the future may or may not prevent it.
    fn run(&self, request: D1Request) -> D1Future<'_, D1Answer>;

    /// What answers that were given until now may depend on, if that isn't durable yet.
    fn unsettled(&self) -> Option<SyncPoint> {
        None
    }

    /// Whether a state is one of this database's.
    fn has(&self, point: &SyncPoint) -> bool {
        let _ = point;
        false
    }
}
