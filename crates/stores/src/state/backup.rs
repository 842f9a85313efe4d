//! A copy of a state folder that is in use.
//!
//! Each database is copied from one consistent state of its own (`VACUUM INTO`, which may run beside readers and the
//! writer). Bodies are taken before the databases, since those that a database names may be removed right after it was
//! copied, and once more after them, for those that are newer; as hard links where the disk is the same. What no database
//! names is garbage to the stores, which sweep it. Databases are not consistent with each other: nothing that a Worker does
//! spans two of them. The list of files is written last: a copy without it is incomplete, and no restore takes it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use super::{files, folder::VERSION};

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
    /// A database can't be copied: damaged, in use for too long, no room …
    #[error("the database {} can't be copied: {source}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
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
    fs::create_dir_all(to).map_err(file_error(to))?;
    if fs::read_dir(to).map_err(file_error(to))?.next().is_some() {
        return Err(BackupError::NotEmpty { path: to.to_owned() });
    }
    let inside = |path: &Path| fs::canonicalize(path).map_err(file_error(path));
    if inside(to)?.starts_with(inside(from)?) {
        return Err(BackupError::Inside { path: to.to_owned() });
    }
    let mut copy = Copy {
        from,
        to,
        summary: BackedUp::default(),
        listed: BTreeMap::new(),
    };
    let (databases, bodies) = files::data_in(from).map_err(file_error(from))?;
    let count = databases.len() + bodies.len();
    for (index, path) in bodies.into_iter().enumerate() {
        copy.body(path)?;
        done(index + 1, count);
    }
    let first = count - databases.len();
    for (index, path) in databases.into_iter().enumerate() {
        copy.database(path)?;
        done(first + index + 1, count);
    }
    let (_, bodies) = files::data_in(from).map_err(file_error(from))?;
    for path in bodies {
        copy.body(path)?;
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
    fn database(&mut self, path: PathBuf) -> Result<(), BackupError> {
        let target = self.target(&path)?;
        let length = copy_database(&self.from.join(&path), &target)?;
        self.summary.databases += 1;
        self.summary.bytes += length;
        self.listed.insert(path, length);
        Ok(())
    }

    /// Takes a body, unless it is taken already or gone.
    fn body(&mut self, path: PathBuf) -> Result<(), BackupError> {
        if self.listed.contains_key(&path) {
            return Ok(());
        }
        let (source, target) = (self.from.join(&path), self.target(&path)?);
        let copied = link_or_copy(&source, &target);
        if let Some(length) = copied.map_err(|error| BackupError::File {
            path: source,
            source: error,
        })? {
            self.summary.bodies += 1;
            self.summary.bytes += length;
            self.listed.insert(path, length);
        }
        Ok(())
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

/// Copies one consistent state of a database; answers its length in bytes.
fn copy_database(from: &Path, to: &Path) -> Result<u64, BackupError> {
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
    let synced = fs::File::open(to).and_then(|file| {
        file.sync_all()?;
        Ok(file.metadata()?.len())
    });
    synced.map_err(|source| BackupError::File {
        path: to.to_owned(),
        source,
    })
}

/// A body never changes, so a link to it is a copy. `None` if it is gone.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<Option<u64>> {
    let linked = fs::hard_link(from, to).and_then(|()| Ok(fs::metadata(to)?.len()));
    match linked.or_else(|_| files::copy(from, to)) {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !from.exists() => Ok(None),
        Err(error) => Err(error),
    }
}
