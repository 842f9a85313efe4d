//! The files beside a database that hold bodies too long for it.
//!
//! A file is written under a name that no other has, made durable, and only then named by a row: nothing can be read of
//! one that isn't complete. It is locked until then, so that what a process that was killed has left is told from what
//! is about to be finished, by this process or another.
//!
//! Whoever copies a database and then its files holds the folder ([`hold`]): a file whose row goes meanwhile stays, since
//! the copy still names it. It is deleted when the folder is next tidied.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{Durability, folders::sync_folder};

/// The folder of the files that a database names: `bodies` beside one that has a folder of its own and is called `index.sqlite`
/// there, `NAME.bodies` beside `NAME.sqlite`.
pub(crate) fn folder_of(database: &Path) -> PathBuf {
    if database.file_stem().is_some_and(|name| name == "index") {
        database.with_file_name("bodies")
    } else {
        database.with_extension("bodies")
    }
}

/// Keeps all files of a folder that rows have named, until it is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    #[expect(dead_code, reason = "held for its lock")]
    folder: File,
}

/// Waits for those who are deleting files of a folder, and lets nobody begin, in any process. `None` if there is no such
/// folder.
pub(crate) fn hold(folder: &Path) -> io::Result<Option<Hold>> {
    let folder = match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    folder.lock()?;
    Ok(Some(Hold { folder }))
}

/// The folder of the files.
pub(crate) struct BodyFiles {
    folder: PathBuf,
    durability: Durability,
    made: AtomicU64,
    /// Whether the folder itself is durable.
    is_settled: AtomicBool,
}

impl BodyFiles {
    /// The folder is made with the first file, if it does not exist.
    pub(crate) fn new(folder: PathBuf, durability: Durability) -> Self {
        Self {
            folder,
            durability,
            made: AtomicU64::new(0),
            is_settled: AtomicBool::new(false),
        }
    }

    /// Makes the folder if it does not exist.
    pub(crate) fn open(folder: PathBuf, durability: Durability) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self::new(folder, durability))
    }

    /// Whether there is a folder: without one there are no files.
    pub(crate) fn has_folder(&self) -> bool {
        self.folder.is_dir()
    }

    /// Where the file called `name` is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes a file.
    pub(crate) fn create(&self) -> io::Result<BodyFile> {
        use std::hash::BuildHasher;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        // Keyed at random; a name that exists all the same is refused when the file is made.
        let random = std::hash::RandomState::new().hash_one((number, std::process::id()));
        if !self.has_folder() {
            self.is_settled.store(false, Ordering::SeqCst);
            fs::create_dir_all(&self.folder)?;
        }
        BodyFile::create(self.path(&format!("{random:016x}-{number:x}")))
    }

    /// Whether there is a file called `name`, of this length.
    pub(crate) fn has_body(&self, name: &str, length: u64) -> io::Result<bool> {
        match fs::metadata(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            found => Ok(found?.len() == length),
        }
    }

    /// Opens the file called `name`; `None` if there is none, or not of this length.
    pub(crate) fn open_body(&self, name: &str, length: u64) -> io::Result<Option<File>> {
        let file = match File::open(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        Ok((file.metadata()?.len() == length).then_some(file))
    }

    /// Makes a file durable, unless that was relaxed.
    pub(crate) fn settle(&self, file: &BodyFile) -> io::Result<()> {
        if self.durability == Durability::Full {
            file.file.sync_all()?;
            sync_folder(&self.folder)?;
            if !self.is_settled.load(Ordering::SeqCst) {
                sync_folder(self.folder.parent().unwrap_or(Path::new(".")))?;
                self.is_settled.store(true, Ordering::SeqCst);
            }
        }
        Ok(())
    }

    /// Has the disk write what there is of a file that is to become durable, so that less is left to do in the end.
    pub(crate) fn flush(&self, file: &File) -> io::Result<()> {
        if self.durability == Durability::Full {
            file.sync_data()?;
        }
        Ok(())
    }

    /// Until what it answers is dropped, nobody can hold the folder.
    ///
    /// # Errors
    /// Of the kind `WouldBlock` if somebody does.
    fn deleting(&self) -> io::Result<Option<File>> {
        let folder = match File::open(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        match folder.try_lock_shared() {
            Ok(()) => Ok(Some(folder)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            // Where a file system knows no locks, nobody holds either.
            Err(TryLockError::Error(_)) => Ok(Some(folder)),
        }
    }

    /// Deletes files that no row names any more.
    ///
    /// # Errors
    /// Of the kind `WouldBlock` if somebody holds the folder.
    pub(crate) fn delete(&self, names: &[String]) -> io::Result<()> {
        let _deleting = self.deleting()?;
        for name in names {
            match fs::remove_file(self.path(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Deletes the files that a process that was killed has left: those that nobody has locked and no row names. Stops
    /// early when `is_used`, which is asked twice of each, fails, or when somebody holds the folder.
    pub(crate) fn sweep<E: From<io::Error>>(
        &self,
        is_used: impl Fn(&str) -> Result<bool, E>,
    ) -> Result<(), E> {
        for found in fs::read_dir(&self.folder)? {
            let found = found?;
            let name = found.file_name();
            let Some(name) = name.to_str() else { continue };
            if is_used(name)? {
                continue;
            }
            let Ok(file) = File::open(found.path()) else {
                continue;
            };
            let _deleting = self.deleting()?;
            // Another process may have finished it since.
            if file.try_lock().is_ok() && !is_used(name)? {
                let _ = fs::remove_file(found.path());
            }
        }
        Ok(())
    }
}

/// The file of a body. It is deleted unless it is kept.
pub(crate) struct BodyFile {
    path: PathBuf,
    /// To be written to.
    pub(crate) file: File,
    is_kept: bool,
}

impl BodyFile {
    fn create(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let file = Self {
            path,
            file,
            is_kept: false,
        };
        // Where a file system knows no locks, nothing is swept either.
        let _ = file.file.try_lock();
        Ok(file)
    }

    /// The name that a row is to have.
    pub(crate) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Whether a row names it, or may do so.
    pub(crate) fn keep(&mut self, is_kept: bool) {
        self.is_kept = is_kept;
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // It is gone, or will be swept.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Runs what blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error)),
    }
}
