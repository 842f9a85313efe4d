//! What can go wrong with an open database, in plain words.

use std::io;

use rusqlite::{Error, ErrorCode};

/// Why a statement or a commit failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There is no room: the disk's, or the limit's.
    #[error("there is no room left in the database or on the disk")]
    Full,
    /// Another process holds the database for too long.
    #[error("another process holds the database")]
    Busy,
    /// The file or its folder is not there, or can't be written.
    #[error("the database can't be reached: {0}")]
    Unreachable(String),
    /// The file is damaged, or no database at all.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// The file of a value can't be written.
    #[error("the value can't be written: {0}")]
    Unwritten(String),
    /// A constraint that is checked at the end of a transaction doesn't hold.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("the database failed: {0}")]
    Other(String),
    /// The writing thread is gone.
    #[error("the database is closed")]
    Closed,
}

impl Failure {
    /// What went wrong with the file of a value.
    pub(super) fn of_file(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Unwritten(error.to_string()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::Unreachable(error.to_string())
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            Some(ErrorCode::ConstraintViolation) => Self::Refused(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}
