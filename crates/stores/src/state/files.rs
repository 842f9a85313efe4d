//! Files that are durable once a function returns, and what of a state folder is data.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::folders::sync_folder;

/// The ending of databases.
const DATABASE: &str = "sqlite";

/// The folders of stores in a state folder. What else lies there (the cache, whose entries may be lost at any time; another
/// tool's state) is neither backed up nor replaced.
const STORES: [&str; 5] = ["kv", "d1", "queues", "r2", "secrets_store"];

/// Whether an entry of a state folder is the folder of a store.
pub(super) fn is_store(name: &OsStr) -> bool {
    STORES.iter().any(|store| name == *store)
}

/// Whether a state folder holds the folder of any store.
pub(super) fn holds_stores(folder: &Path) -> io::Result<bool> {
    for store in STORES {
        if folder.join(store).try_exists()? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The databases of all stores in a state folder, relative to it. All other data are bodies that they name.
pub(super) fn databases_in(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut databases = BTreeSet::new();
    for store in STORES.map(Path::new) {
        gather(folder, store, &mut databases)?;
    }
    Ok(databases)
}

/// Finds databases below a folder. One that goes meanwhile is none.
fn gather(folder: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder.join(below)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = below.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => gather(folder, &path, found)?,
            Ok(kind) if kind.is_file() && is_database(&path) => {
                found.insert(path);
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn is_database(path: &Path) -> bool {
    path.extension() == Some(OsStr::new(DATABASE))
}

/// Writes a file beside its place and moves it there.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Makes all folders in a tree durable, deepest first.
pub(super) fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync_folder(folder)
}

/// Copies a file, durably.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    let length = fs::copy(from, to)?;
    File::open(to)?.sync_all()?;
    Ok(length)
}
