//! Folders: made where nothing else is, and durable.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Makes a folder, and those it lies in, unless it is there.
///
/// # Errors
/// As the system's; something else that has its place is not a directory.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
        _ => error,
    })
}

/// Makes durable what a folder holds: which names there are.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
