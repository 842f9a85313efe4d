//! A state folder in use: locked, and of the version that this Isthmus knows.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{files, restore};
use crate::folders::make_folder;

/// The version of the layout that this Isthmus makes and reads. Version 0 is a folder without a version file, from before
/// there was one; its layout is that of version 1.
pub const VERSION: u32 = 1;

/// The version file.
const VERSION_FILE: &str = "isthmus.json";
/// The file whose lock says who uses the folder.
const LOCK_FILE: &str = "isthmus.lock";

/// What leads from each version to the next; the index is the version led from.
const UPGRADES: [fn(&Path) -> io::Result<()>; VERSION as usize] = [|_| Ok(())];

/// Why a state folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A newer Isthmus has written it.
    #[error(
        "the state folder {} has version {found}, but this Isthmus knows versions up to {VERSION}: use the newer Isthmus \
         that wrote it, or another folder (--persist-to)",
        path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Its version file can't be understood.
    #[error(
        "{} can't be understood ({reason}): it says which version the state folder has; restore it, or remove it if \
         this Isthmus wrote the folder",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process is alone with the folder, or uses it while this one must be alone with it.
    #[error("the state folder {} is in use by another process: end it first", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The system refuses something.
    #[error("the state folder {} can't be used: {source}", path.display())]
    System {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct VersionFile {
    version: u32,
}

/// A state folder in use. It is no longer in use when this is dropped.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    #[expect(dead_code, reason = "held for its lock")]
    lock: File,
}

impl StateFolder {
    /// Uses a folder along with others; it is made if it does not exist. One of an older version is upgraded, and a
    /// restore that broke off is completed.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let system = |source| StateError::System {
            path: path.to_owned(),
            source,
        };
        make_folder(path).map_err(system)?;
        let lock = locked(path, File::try_lock_shared)?;
        let found = version_of(path)?;
        if found == VERSION && !restore::is_pending(path) {
            return Ok(Self {
                path: path.to_owned(),
                lock,
            });
        }
        drop(lock);
        Self::alone(path)?.share()
    }

    /// Uses a folder alone, which exists; it is then of this version.
    pub(super) fn alone(path: &Path) -> Result<Self, StateError> {
        let lock = locked(path, File::try_lock)?;
        let system = |source| StateError::System {
            path: path.to_owned(),
            source,
        };
        restore::complete(path).map_err(system)?;
        let found = version_of(path)?;
        for upgrade in &UPGRADES[found as usize..] {
            upgrade(path).map_err(system)?;
        }
        if found < VERSION {
            write_version(path).map_err(system)?;
        }
        Ok(Self {
            path: path.to_owned(),
            lock,
        })
    }

    /// Lets others in again.
    fn share(self) -> Result<Self, StateError> {
        let path = self.path.clone();
        drop(self);
        let lock = locked(&path, File::try_lock_shared)?;
        Ok(Self { path, lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Locks a folder.
fn locked(path: &Path, lock: fn(&File) -> Result<(), TryLockError>) -> Result<File, StateError> {
    let system = |source| StateError::System {
        path: path.to_owned(),
        source,
    };
    let name = path.join(LOCK_FILE);
    loop {
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .map_err(system)?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StateError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(system(source)),
        }
        // Somebody may have removed it meanwhile, and another made a new one.
        let ours = file.metadata().map_err(system)?;
        match fs::metadata(&name) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => return Ok(file),
            _ => {}
        }
    }
}

/// The version of a folder, if this Isthmus knows it.
fn version_of(path: &Path) -> Result<u32, StateError> {
    let file = path.join(VERSION_FILE);
    let bytes = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(source) => {
            return Err(StateError::System {
                path: path.to_owned(),
                source,
            });
        }
    };
    match serde_json::from_slice::<VersionFile>(&bytes) {
        Ok(VersionFile { version }) if version <= VERSION => Ok(version),
        Ok(VersionFile { version: found }) => Err(StateError::Newer {
            path: path.to_owned(),
            found,
        }),
        Err(error) => Err(StateError::Unreadable {
            path: file,
            reason: error.to_string(),
        }),
    }
}

/// Writes the version file: the old one or the new one is there at any moment.
pub(super) fn write_version(folder: &Path) -> io::Result<()> {
    let text = serde_json::to_vec(&VersionFile { version: VERSION })?;
    files::write_new(&folder.join(VERSION_FILE), &text)
}
