//! Values in files beside a database ([`crate::body_files`]): who reads them, and when they are deleted.
//!
//! A file whose row goes is named in the table `garbage` by the statement that takes the row away, so that it is deleted
//! sooner or later whatever happens in between; but not while somebody reads it ([`Pinned`]).

use std::{
    collections::HashMap,
    io, mem,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rusqlite::{Connection, Row};
use tokio::sync::oneshot::{Receiver, Sender, channel};

use super::{failure::Failure, readers::Readers};
use crate::{
    Durability,
    body_files::{self, BodyFiles, blocking},
};

/// How many files one look for garbage names.
const BATCH: i64 = 500;

/// A body that a row names.
pub(crate) struct NamedBody {
    /// The file's name.
    pub(crate) file: String,
    /// In bytes.
    pub(crate) length: u64,
    /// The key of what has it.
    pub(crate) key: String,
}

impl NamedBody {
    /// Of a row of file, size and key.
    pub(super) fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            file: row.get(0)?,
            length: row.get::<_, i64>(1)?.cast_unsigned(),
            key: String::from_utf8_lossy(row.get_ref(2)?.as_blob()?).into_owned(),
        })
    }
}

/// A store whose database names files. Its table `garbage` has the columns `id` and `file`.
pub(super) trait BodyStore: Send + Sync + 'static {
    fn bodies(&self) -> &Bodies;

    fn readers(&self) -> &Readers;

    /// Takes rows out of `garbage`.
    fn forget(&self, ids: Vec<i64>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Whether a row names a file.
    fn is_used(connection: &Connection, file: &str) -> rusqlite::Result<bool>;
}

/// The files of one database.
pub(super) struct Bodies {
    pub(super) files: BodyFiles,
    pins: Mutex<HashMap<String, Pin>>,
    passage: Passage,
    /// Somebody deletes garbage, and should look again.
    tidying: AtomicBool,
    untidy: AtomicBool,
}

/// Somebody reads a file.
#[derive(Default)]
struct Pin {
    readers: usize,
    is_garbage: bool,
}

impl Bodies {
    /// The files beside `database`; their folder is made when it is needed.
    pub(super) fn new(database: &Path, durability: Durability) -> Self {
        Self {
            files: BodyFiles::new(body_files::folder_of(database), durability),
            pins: Mutex::default(),
            passage: Passage::new(),
            tidying: AtomicBool::new(false),
            untidy: AtomicBool::new(false),
        }
    }

    /// To be held while a row is read and the file that it names opened or pinned.
    pub(super) fn reading(&self) -> Reading {
        self.passage.enter()
    }

    fn pins(&self) -> MutexGuard<'_, HashMap<String, Pin>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those who have read a row, but not yet opened or pinned its file. Who deletes files lets them through once, after the
/// files are garbage: nobody that still saw their rows comes later. Nobody waits to enter.
struct Passage(Mutex<(Reading, Receiver<()>)>);

/// Somebody within a [`Passage`].
pub(super) type Reading = Arc<Sender<()>>;

impl Passage {
    fn new() -> Self {
        Self(Mutex::new(Self::empty()))
    }

    fn empty() -> (Reading, Receiver<()>) {
        let (sender, receiver) = channel();
        (Arc::new(sender), receiver)
    }

    fn lock(&self) -> MutexGuard<'_, (Reading, Receiver<()>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> Reading {
        Arc::clone(&self.lock().0)
    }

    /// Waits until everybody has left who is there now.
    async fn clear(&self) {
        let (ours, left) = mem::replace(&mut *self.lock(), Self::empty());
        drop(ours);
        // It is dropped with the last of them, without a word.
        let _ = left.await;
    }
}

/// A file that is not deleted as long as this is there.
pub(super) struct Pinned<S: BodyStore> {
    store: Arc<S>,
    name: String,
    path: PathBuf,
}

impl<S: BodyStore> Pinned<S> {
    pub(super) fn new(store: &Arc<S>, name: String) -> Self {
        let bodies = store.bodies();
        bodies.pins().entry(name.clone()).or_default().readers += 1;
        Self {
            path: bodies.files.path(&name),
            store: Arc::clone(store),
            name,
        }
    }
}

impl<S: BodyStore> AsRef<Path> for Pinned<S> {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

impl<S: BodyStore> Drop for Pinned<S> {
    fn drop(&mut self) {
        let mut pins = self.store.bodies().pins();
        let Some(pin) = pins.get_mut(&self.name) else {
            return;
        };
        pin.readers -= 1;
        if pin.readers > 0 {
            return;
        }
        let is_garbage = pin.is_garbage;
        pins.remove(&self.name);
        drop(pins);
        if is_garbage {
            tidy(&self.store);
        }
    }
}

/// Deletes what a process that was killed has left, beside the caller: there may be many files to look at.
pub(super) fn sweep<S: BodyStore>(store: &Arc<S>) {
    if !store.bodies().files.has_folder() {
        return;
    }
    let store = Arc::clone(store);
    let sweep = move || {
        // What can't be looked at stays.
        let _ = store.bodies().files.sweep(|name| {
            let is_used = store.readers().with(|connection| S::is_used(connection, name));
            is_used.map_err(io::Error::other)
        });
    };
    // Without a thread nothing is swept this time.
    let _ = thread::Builder::new().name("body-sweep".to_owned()).spawn(sweep);
}

/// Deletes files that are not needed any more, beside the caller, if a tokio runtime is there.
pub(super) fn tidy<S: BodyStore>(store: &Arc<S>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let bodies = store.bodies();
    bodies.untidy.store(true, Ordering::SeqCst);
    if bodies.tidying.swap(true, Ordering::SeqCst) {
        return;
    }
    let store = Arc::clone(store);
    runtime.spawn(async move {
        let Bodies { untidy, tidying, .. } = store.bodies();
        loop {
            while untidy.swap(false, Ordering::SeqCst) {
                // What could not be deleted is still garbage when the next one comes by.
                let _ = tidy_up(&store).await;
            }
            tidying.store(false, Ordering::SeqCst);
            // Somebody may have come in between, and left it to us.
            if !untidy.load(Ordering::SeqCst) || tidying.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    });
}

async fn tidy_up<S: BodyStore>(store: &Arc<S>) -> Result<(), Failure> {
    let mut seen = 0;
    loop {
        let found = store.readers().with(|connection| garbage(connection, seen))?;
        let Some(&(last, _)) = found.last() else {
            return Ok(());
        };
        seen = last;
        store.bodies().passage.clear().await;
        let (ids, files): (Vec<_>, Vec<_>) = {
            let mut pins = store.bodies().pins();
            let mut is_free = |file: &str| match pins.get_mut(file) {
                None => true,
                Some(pin) => {
                    pin.is_garbage = true;
                    false
                }
            };
            found.into_iter().filter(|(_, file)| is_free(file)).unzip()
        };
        if files.is_empty() {
            continue;
        }
        let deleting = Arc::clone(store);
        let deleted = blocking(move || deleting.bodies().files.delete(&files)).await;
        deleted.map_err(|error| Failure::of_file(&error))?;
        store.forget(ids).await?;
    }
}

/// Files that no row names any more, some of those after `seen`.
fn garbage(connection: &Connection, seen: i64) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut statement =
        connection.prepare_cached("SELECT id, file FROM garbage WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let rows = statement.query_map([seen, BATCH], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Takes rows out of the table `garbage`.
pub(super) fn forget(connection: &Connection, ids: &[i64]) -> rusqlite::Result<()> {
    let ids = format!("{ids:?}");
    connection
        .prepare_cached("DELETE FROM garbage WHERE id IN (SELECT value FROM json_each(?1))")?
        .execute([ids])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_clears_a_passage_waits_for_those_within_and_for_no_others() {
        let passage = Arc::new(Passage::new());
        passage.clear().await;
        let (first, second) = (passage.enter(), passage.enter());
        let clearing = tokio::spawn({
            let passage = Arc::clone(&passage);
            async move { passage.clear().await }
        });
        tokio::task::yield_now().await;
        let later = passage.enter();
        drop(first);
        tokio::task::yield_now().await;
        assert!(!clearing.is_finished());
        drop(second);
        clearing.await.expect("no panic");
        drop(later);
        passage.clear().await;
    }
}
