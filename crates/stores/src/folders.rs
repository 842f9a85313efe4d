//! Folders that are to survive a loss of power.

use std::{fs::File, io, path::Path};

/// Makes durable what a folder holds: which names there are.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
