//! Where a class of ours keeps a Python object.

use std::cell::UnsafeCell;

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

/// A Python reference that can be replaced.
pub(crate) struct Slot(UnsafeCell<Option<Py<PyAny>>>);
// SAFETY: used under the GIL only, which methods have by their token; a reference handed out is a new one, so that
// replacing the content, and what that runs, never meets a borrow.
unsafe impl Sync for Slot {}

impl Slot {
    pub(crate) const fn new(content: Option<Py<PyAny>>) -> Self {
        Self(UnsafeCell::new(content))
    }

    #[inline(always)]
    pub(crate) fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        // SAFETY: see above.
        unsafe { (*self.0.get()).as_ref().map(|content| content.bind(py).clone()) }
    }

    pub(crate) fn set(&self, py: Python<'_>, content: Option<Py<PyAny>>) {
        // SAFETY: see above; the old content ends after the new one is in place.
        let old = unsafe { std::mem::replace(&mut *self.0.get(), content) };
        drop(old.map(|old| old.into_bound(py)));
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: see above: the collector runs under the GIL.
        unsafe { visit.call(&*self.0.get()) }
    }
}
