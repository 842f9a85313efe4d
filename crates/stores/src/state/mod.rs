//! The state folder as a whole: its version, who uses it, backup and restore.
//!
//! Each store has a folder of its own in it (`kv`, `cache` …), and each database a schema version of its own. What is here
//! is the layout around them. Whoever opens stores holds a [`StateFolder`], and with it a shared lock; what must be alone
//! with the folder (an upgrade, a restore) takes the lock for itself.

mod backup;
mod files;
mod folder;
mod restore;

pub use backup::{BackedUp, BackupError, backup};
pub use folder::{StateError, StateFolder, VERSION};
pub use restore::{RestoreError, Restored, restore};

/// Whether a state folder holds any store; one that doesn't exist holds none.
///
/// # Errors
/// It can't be looked at.
pub fn holds_stores(folder: &std::path::Path) -> std::io::Result<bool> {
    files::holds_stores(folder)
}
