//! A backup put in the place of a state folder's data.
//!
//! The files are copied into the state folder's own [`STAGED`] and checked there; nothing else is touched so far. Renaming
//! that folder to [`READY`] is the moment from which on the restore holds: whatever ends the process after it, the next
//! one that uses the folder goes on ([`complete`]), first with removing the old data, then, under the name [`MOVING`], with
//! moving the new data in.

use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    path::{Component, Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use super::{
    backup::{Backup, LIST, ListedFile},
    files,
    folder::{StateError, StateFolder, VERSION, write_version},
};
use crate::{
    body_files,
    folders::sync_folder,
    sqlite::{NamedBody, bodies_named_by, newest_version},
};

const STAGED: &str = ".restore-staged";
const READY: &str = ".restore-ready";
const MOVING: &str = ".restore-moving";

/// What was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// How many databases.
    pub databases: u64,
    /// How many files beside them.
    pub bodies: u64,
}

/// Why a backup can't be restored. The state folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The state folder can't be had alone.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is no backup, or an incomplete one.
    #[error("{} is no complete backup: {reason}", path.display())]
    NoBackup {
        /// Where it should be.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A newer Isthmus has written the backup.
    #[error(
        "the backup {} has version {found}, but this Isthmus knows versions up to {VERSION}: use the newer Isthmus that \
         wrote it",
        path.display()
    )]
    Newer {
        /// The backup.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// A file of the backup isn't what was backed up.
    #[error("{} in the backup can't be used: {reason}", path.display())]
    Damaged {
        /// The file, relative to the backup.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file can't be read or written.
    #[error("{} can't be restored: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Puts a backup in the place of a state folder's data. Nobody else may use the folder meanwhile. `done` hears of each file
/// that is copied: how many are, and how many there are in all.
///
/// # Errors
/// [`RestoreError`]; nothing has changed then.
pub fn restore(
    state: &Path,
    from: &Path,
    mut done: impl FnMut(usize, usize),
) -> Result<Restored, RestoreError> {
    let backup = list_of(from)?;
    let file_error = |path: &Path| {
        let path = path.to_owned();
        move |source| RestoreError::File { path, source }
    };
    fs::create_dir_all(state).map_err(file_error(state))?;
    let _alone = StateFolder::alone(state)?;
    let staged = state.join(STAGED);
    remove(&staged).map_err(file_error(&staged))?;
    fs::create_dir(&staged).map_err(file_error(&staged))?;
    let (mut summary, mut named) = (Restored::default(), Vec::new());
    let count = backup.files.len();
    for (index, file) in backup.files.iter().enumerate() {
        match stage(file, from, &staged)? {
            Some(bodies) => {
                summary.databases += 1;
                named.push((&file.path, bodies));
            }
            None => summary.bodies += 1,
        }
        done(index + 1, count);
    }
    let lengths: HashMap<&Path, u64> = backup
        .files
        .iter()
        .map(|file| (&*file.path, file.length))
        .collect();
    for (database, bodies) in named {
        let folder = body_files::folder_of(database);
        for NamedBody { file, length, key } in bodies {
            let path = folder.join(file);
            if lengths.get(&*path) != Some(&length) {
                let reason = format!("it isn't the value of {key:?} that {} names", database.display());
                return Err(RestoreError::Damaged { path, reason });
            }
        }
    }
    files::sync_folders(&staged).map_err(file_error(&staged))?;
    let hold = || -> io::Result<()> {
        fs::rename(&staged, state.join(READY))?;
        sync_folder(state)
    };
    hold().map_err(file_error(&staged))?;
    complete(state).map_err(file_error(state))?;
    Ok(summary)
}

/// Reads and checks the list of a backup.
fn list_of(folder: &Path) -> Result<Backup, RestoreError> {
    let no_backup = |reason: String| RestoreError::NoBackup {
        path: folder.to_owned(),
        reason,
    };
    let text = match fs::read(folder.join(LIST)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(no_backup(format!("it has no {LIST}, which is written last")));
        }
        Err(source) => {
            return Err(RestoreError::File {
                path: folder.join(LIST),
                source,
            });
        }
    };
    // The version before all else: a newer list may look otherwise.
    let value: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| no_backup(format!("{LIST}: {error}")))?;
    let found = value.get("version").and_then(serde_json::Value::as_u64);
    match found.and_then(|found| u32::try_from(found).ok()) {
        Some(found) if found > VERSION => {
            return Err(RestoreError::Newer {
                path: folder.to_owned(),
                found,
            });
        }
        Some(_) => {}
        None => return Err(no_backup(format!("{LIST} names no version"))),
    }
    let backup: Backup =
        serde_json::from_value(value).map_err(|error| no_backup(format!("{LIST}: {error}")))?;
    // A list may come from elsewhere: it names nothing outside of the folder, nor what isn't data.
    let is_data = |file: &ListedFile| {
        let plain = |part| matches!(part, Component::Normal(_));
        let first = file.path.components().next();
        file.path.components().all(plain)
            && file.path.components().count() > 1
            && first.is_some_and(|first| files::is_store(first.as_os_str()))
    };
    match backup.files.iter().find(|file| !is_data(file)) {
        Some(file) => Err(no_backup(format!("{LIST} names {:?}", file.path))),
        None => Ok(backup),
    }
}

/// Copies a file to where it is checked. If it is a database, answers the bodies that it names.
fn stage(file: &ListedFile, from: &Path, staged: &Path) -> Result<Option<Vec<NamedBody>>, RestoreError> {
    let damaged = |reason: String| RestoreError::Damaged {
        path: file.path.clone(),
        reason,
    };
    let (source, target) = (from.join(&file.path), staged.join(&file.path));
    let file_error = |source| RestoreError::File {
        path: from.join(&file.path),
        source,
    };
    fs::create_dir_all(target.parent().unwrap_or(staged)).map_err(file_error)?;
    let length = match files::copy(&source, &target) {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("it is missing".into())),
        Err(error) => return Err(file_error(error)),
    };
    if length != file.length {
        let expected = file.length;
        return Err(damaged(format!(
            "it has {length} bytes, but {expected} were written"
        )));
    }
    if files::is_database(&file.path) {
        check(&target).map(Some).map_err(damaged)
    } else {
        Ok(None)
    }
}

/// Has SQLite check a database, and compares its version with what is known. Answers the bodies that it names.
fn check(path: &Path) -> Result<Vec<NamedBody>, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags).map_err(|error| error.to_string())?;
    let read = || -> rusqlite::Result<(String, i64, i64)> {
        let verdict = database.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        let kind = database.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((verdict, kind, version))
    };
    let (verdict, kind, version) = read().map_err(|error| error.to_string())?;
    if verdict != "ok" {
        return Err(verdict);
    }
    match newest_version(kind) {
        Some(known) if version > known => Err(format!(
            "a newer Isthmus wrote it: it has schema version {version}, but this one knows versions up to {known}"
        )),
        _ => bodies_named_by(&database).map_err(|error| error.to_string()),
    }
}

/// Whether a restore was broken off after its data had been checked.
pub(super) fn is_pending(state: &Path) -> bool {
    state.join(READY).exists() || state.join(MOVING).exists()
}

/// Goes on with a restore whose data is checked, if there is one. The caller is alone with the folder.
pub(super) fn complete(state: &Path) -> io::Result<()> {
    let (ready, moving) = (state.join(READY), state.join(MOVING));
    if ready.exists() {
        for name in entries(state)? {
            if files::is_store(name.as_os_str()) || name == Path::new("cache") {
                remove(&state.join(name))?;
            }
        }
        sync_folder(state)?;
        fs::rename(&ready, &moving)?;
        sync_folder(state)?;
    }
    if moving.exists() {
        for name in entries(&moving)? {
            fs::rename(moving.join(&name), state.join(&name))?;
        }
        write_version(state)?;
        fs::remove_dir(&moving)?;
        sync_folder(state)?;
    }
    Ok(())
}

fn entries(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    fs::read_dir(folder)?
        .map(|entry| Ok(PathBuf::from(entry?.file_name())))
        .collect()
}

/// Removes a file or a folder with all that is in it, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
