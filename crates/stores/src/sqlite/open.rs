//! Which databases this process has open for writing, so that its end can wait for them.

use std::{
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

static OPEN: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static CLOSED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Vec<PathBuf>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A database that is open, until this is dropped.
pub(super) struct Mark(PathBuf);

impl Mark {
    pub(super) fn new(path: &Path) -> Self {
        lock().push(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut open = lock();
        if let Some(place) = open.iter().position(|path| *path == self.0) {
            open.swap_remove(place);
        }
        CLOSED.notify_all();
    }
}

/// Waits until the databases below `root` are closed, each after its last handle is dropped, but no longer than `most`. A
/// process that ends before has their logs put into them by the next one. Whether they are.
pub fn wait_until_closed(root: &Path, most: Duration) -> bool {
    let end = Instant::now() + most;
    let mut open = lock();
    while open.iter().any(|path| path.starts_with(root)) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        open = CLOSED
            .wait_timeout(open, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_what_lies_below_the_root() {
        let marks = ["a/kv/x", "a/kv/x", "b/kv/x"].map(|path| Mark::new(Path::new(path)));
        let moment = Duration::from_millis(10);
        assert!(!wait_until_closed(Path::new("a"), moment));
        assert!(wait_until_closed(Path::new("c"), moment));
        let [first, second, other] = marks;
        drop(first);
        assert!(!wait_until_closed(Path::new("a"), moment));
        let thread = std::thread::spawn(move || drop(second));
        assert!(wait_until_closed(Path::new("a"), Duration::from_secs(60)));
        thread.join().expect("no panic");
        assert!(!wait_until_closed(Path::new("b"), moment));
        drop(other);
    }
}
