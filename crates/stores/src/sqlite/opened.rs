//! The databases of one kind that are open: asked for twice, one is opened once, and it is closed when its last handle is
//! dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Those of one kind, by id.
pub(super) struct Opened<T>(Mutex<HashMap<String, Weak<T>>>);

impl<T> Default for Opened<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Opened<T> {
    /// The one with this id, opened if it isn't.
    ///
    /// # Errors
    /// What `open` says.
    pub(super) fn get<E>(&self, id: &str, open: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = opened.get(id).and_then(Weak::upgrade) {
            return Ok(store);
        }
        let store = Arc::new(open()?);
        opened.retain(|_, store| store.strong_count() > 0);
        opened.insert(id.to_owned(), Arc::downgrade(&store));
        Ok(store)
    }
}
