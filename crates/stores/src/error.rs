//! Why a store could not be opened.

use std::{io, path::PathBuf};

/// Why a store could not be opened; each variant is the step that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The identifier can't name a file.
    #[error("the id {id:?} can't be used: {reason}")]
    InvalidId {
        /// The id as configured.
        id: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The folder of the databases can't be made.
    #[error("the folder {} can't be created: {source}", path.display())]
    CreateFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder of the databases can't be read.
    #[error("the folder {} can't be read: {source}", path.display())]
    ReadFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database can't be opened or set up: no permission, not a database, damaged, disk full …
    #[error("the database {} can't be opened: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why, in plain words.
        reason: String,
    },
    /// The file is a database of something else.
    #[error("the file {} is a database of another kind, not the one that Isthmus keeps there", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer Isthmus wrote the database.
    #[error(
        "the database {} has schema version {found}, but this Isthmus knows versions up to {known}: \
         use the newer Isthmus that wrote it",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: i64,
        /// The newest version known.
        known: i64,
    },
    /// The thread that writes can't be started.
    #[error("the writer of {} can't be started: {source}", path.display())]
    StartWriter {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What can be done about a file that is damaged.
pub const WHAT_TO_DO: &str = "If it is damaged, restore it from a backup (`isthmus restore`) or move it away";

impl StoreError {
    /// What is wrong, for those who may not know where the file is.
    pub fn reason(&self) -> String {
        match self {
            Self::InvalidId { reason, .. } => (*reason).to_owned(),
            Self::CreateFolder { source, .. } => format!("its folder can't be created: {source}"),
            Self::ReadFolder { source, .. } => format!("its folder can't be read: {source}"),
            Self::Open { reason, .. } => reason.clone(),
            Self::Foreign { .. } => "its database is of another kind".to_owned(),
            Self::NewerSchema { .. } => "a newer Isthmus has written its database".to_owned(),
            Self::StartWriter { source, .. } => format!("its writer can't be started: {source}"),
        }
    }

    /// Whether one file is what is wrong, so that other stores may well be opened.
    pub fn concerns_one_file(&self) -> bool {
        matches!(
            self,
            Self::Open { .. } | Self::Foreign { .. } | Self::NewerSchema { .. }
        )
    }
}
