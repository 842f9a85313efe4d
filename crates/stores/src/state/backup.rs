//! A copy of a state folder that is in use.
//!
//! Each database is copied from one consistent state of its own (`VACUUM INTO`, which may run beside readers and the
//! writer), and then the bodies that this copy names, as hard links where the disk is the same: until that is done, the
//! folder of the bodies is held, so that none goes whose row is removed meanwhile. Databases are not consistent with each
//! other: nothing that a Worker does spans two of them. The list of files is written last: a copy without it is
//! incomplete, and no restore takes it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use super::{files, folder::VERSION};
use crate::{
    WHAT_TO_DO,
    body_files::{self, Hold},
    folders::make_folder,
    sqlite::{NamedBody, bodies_named_by},
};

/// The list of a backup's files.
pub(super) const LIST: &str = "isthmus-backup.json";

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackedUp {
    /// How many databases.
    pub databases: u64,
    /// How many files beside them.
    pub bodies: u64,
    /// How many bytes all of them have.
    pub bytes: u64,
}

/// Why a backup can't be made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The target isn't empty.
    #[error("{} isn't empty: name a folder that is, or that doesn't exist yet", path.display())]
    NotEmpty {
        /// The target.
        path: PathBuf,
    },
    /// The target lies in the state folder.
    #[error("{} lies in the state folder itself", path.display())]
    Inside {
        /// The target.
        path: PathBuf,
    },
    /// The target can't be made or read.
    #[error("{} can't be used: {source}", path.display())]
    Target {
        /// The target.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A database can't be copied: damaged, in use for too long, no room …
    #[error("the database {} can't be copied: {source}. {WHAT_TO_DO}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A file that a database names isn't there, or not whole.
    #[error(
        "the file {} with the value of {key:?} is missing or damaged: delete that key, or put it again",
        path.display()
    )]
    Body {
        /// The file.
        path: PathBuf,
        /// Whose value it has.
        key: String,
    },
    /// A file can't be read or written.
    #[error("{} can't be copied: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The list, as it is written.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Backup {
    /// The version of the state folder.
    pub(super) version: u32,
    pub(super) files: Vec<ListedFile>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ListedFile {
    /// Relative to the backup.
    pub(super) path: PathBuf,
    /// In bytes.
    pub(super) length: u64,
}

/// Copies the data of the state folder `from`, which may be in use, to `to`, which must be empty or not exist yet. `done` hears of each file that is
/// copied: how many are, and how many there are in all.
///
/// # Errors
/// [`BackupError`]; what was copied so far stays, without a list.
pub fn backup(from: &Path, to: &Path, mut done: impl FnMut(usize, usize)) -> Result<BackedUp, BackupError> {
    let file_error = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::File { path, source }
    };
    let target_error = |source| BackupError::Target {
        path: to.to_owned(),
        source,
    };
    // Of a target that isn't there yet, what it will lie in.
    let absolute = std::path::absolute(to).map_err(target_error)?;
    let place = absolute.ancestors().find_map(|path| fs::canonicalize(path).ok());
    let state = fs::canonicalize(from).map_err(file_error(from))?;
    if place.is_some_and(|place| place.starts_with(state)) {
        return Err(BackupError::Inside { path: to.to_owned() });
    }
    make_folder(to).map_err(target_error)?;
    if fs::read_dir(to).map_err(target_error)?.next().is_some() {
        return Err(BackupError::NotEmpty { path: to.to_owned() });
    }
    let mut copy = Copy {
        from,
        to,
        summary: BackedUp::default(),
        listed: BTreeMap::new(),
    };
    let databases = files::databases_in(from).map_err(file_error(from))?;
    let (mut copied, mut count) = (0, databases.len());
    for path in databases {
        let (_hold, folder, bodies) = copy.database(path)?;
        copied += 1;
        count += bodies.len();
        done(copied, count);
        for body in bodies {
            copy.body(&folder, body)?;
            copied += 1;
            done(copied, count);
        }
    }
    let Copy { summary, listed, .. } = copy;
    let listed = listed
        .into_iter()
        .map(|(path, length)| ListedFile { path, length })
        .collect();
    let list = Backup {
        version: VERSION,
        files: listed,
    };
    let text = serde_json::to_vec_pretty(&list).map_err(|error| BackupError::File {
        path: to.join(LIST),
        source: error.into(),
    })?;
    files::sync_folders(to).map_err(file_error(to))?;
    files::write_new(&to.join(LIST), &text).map_err(file_error(&to.join(LIST)))?;
    Ok(summary)
}

/// A backup under way.
struct Copy<'a> {
    from: &'a Path,
    to: &'a Path,
    summary: BackedUp,
    /// What is copied, and its length in bytes.
    listed: BTreeMap<PathBuf, u64>,
}

impl Copy<'_> {
    /// Copies a database. Answers the bodies that the copy names and their folder, which is held.
    fn database(&mut self, path: PathBuf) -> Result<(Option<Hold>, PathBuf, Vec<NamedBody>), BackupError> {
        let target = self.target(&path)?;
        let folder = body_files::folder_of(&path);
        let bodies = self.from.join(&folder);
        let hold = || {
            body_files::hold(&bodies).map_err(|source| BackupError::File {
                path: bodies.clone(),
                source,
            })
        };
        let mut held = hold()?;
        let mut copied = copy_database(&self.from.join(&path), &target)?;
        // It was opened for the first time just now.
        while held.is_none() && bodies.is_dir() {
            held = hold()?;
            let again = fs::remove_file(&target).map_err(|source| BackupError::File {
                path: target.clone(),
                source,
            });
            again?;
            copied = copy_database(&self.from.join(&path), &target)?;
        }
        let (length, named) = copied;
        self.summary.databases += 1;
        self.summary.bytes += length;
        self.listed.insert(path, length);
        Ok((held, folder, named))
    }

    /// Takes a body.
    fn body(&mut self, folder: &Path, body: NamedBody) -> Result<(), BackupError> {
        let path = folder.join(&body.file);
        let (source, target) = (self.from.join(&path), self.target(&path)?);
        match link_or_copy(&source, &target) {
            Ok(length) if length == body.length => {
                self.summary.bodies += 1;
                self.summary.bytes += length;
                self.listed.insert(path, length);
                Ok(())
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BackupError::File {
                path: source,
                source: error,
            }),
            _ => Err(BackupError::Body {
                path: source,
                key: body.key,
            }),
        }
    }

    /// Where a file goes; its folder is made.
    fn target(&self, path: &Path) -> Result<PathBuf, BackupError> {
        let target = self.to.join(path);
        let folder = target.parent().unwrap_or(self.to);
        fs::create_dir_all(folder).map_err(|source| BackupError::File {
            path: folder.to_owned(),
            source,
        })?;
        Ok(target)
    }
}

/// Copies one consistent state of a database; answers its length in bytes, and the bodies that it names.
fn copy_database(from: &Path, to: &Path) -> Result<(u64, Vec<NamedBody>), BackupError> {
    let failed = |source| BackupError::Database {
        path: from.to_owned(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(from, flags).map_err(failed)?;
    database
        .busy_timeout(std::time::Duration::from_secs(30))
        .map_err(failed)?;
    let Some(name) = to.to_str() else {
        return Err(BackupError::File {
            path: to.to_owned(),
            source: io::Error::other("SQLite takes no path that isn't UTF-8"),
        });
    };
    database.execute("VACUUM INTO ?1", [name]).map_err(failed)?;
    drop(database);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copied = Connection::open_with_flags(to, flags).map_err(failed)?;
    let named = bodies_named_by(&copied).map_err(failed)?;
    let synced = fs::File::open(to).and_then(|file| {
        file.sync_all()?;
        Ok(file.metadata()?.len())
    });
    let length = synced.map_err(|source| BackupError::File {
        path: to.to_owned(),
        source,
    })?;
    Ok((length, named))
}

/// A body that is named never changes, so a link to it is a copy. Answers its length in bytes.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<u64> {
    fs::hard_link(from, to)
        .and_then(|()| Ok(fs::metadata(to)?.len()))
        .or_else(|_| files::copy(from, to))
}
