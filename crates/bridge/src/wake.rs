//! JavaScript in an interpreter whose event loop is not ours: it has to be told that jobs wait.
//!
//! An isolate's loop looks for jobs after every callback. Any other loop runs them only if somebody schedules that,
//! so each way from Python into JavaScript ends with [`if_pending`]: when jobs, settled promises or unhandled
//! rejections are left, the function given to [`on_foreign_loop`] is called, which asks the running loop for a turn. Where
//! nothing was given, as in isolates, that is one load and a branch.

use std::ptr;

use pyo3::prelude::*;
use pyo3::{ffi, types::PyAny};
use rquickjs::qjs;

use crate::state::{self, Entry, State};

/// Has `wake()` called when JavaScript returns to Python and leaves jobs behind, and `watch(future, callback)` in place of
/// `future.add_done_callback(callback)` for the futures that JavaScript waits for. Neither may raise.
pub fn on_foreign_loop(wake: &Bound<'_, PyAny>, watch: &Bound<'_, PyAny>) {
    // SAFETY: the Bounds prove the GIL; references that were there are released after they are replaced.
    unsafe {
        let state = state::state();
        let old = [
            std::mem::replace(&mut (*state).wake, wake.clone().into_ptr()),
            std::mem::replace(&mut (*state).watch, watch.clone().into_ptr()),
        ];
        for object in old {
            ffi::Py_XDECREF(object);
        }
    }
}

/// Runs `work`, which calls Python on behalf of JavaScript: no greenlet may switch meanwhile.
pub fn calling_python<R>(_py: Python<'_>, work: impl FnOnce() -> R) -> R {
    // SAFETY: `_py` proves the GIL. On another thread JavaScript is not running, and nobody counts.
    unsafe {
        let _entry = state::at_home().then(|| Entry::new());
        work()
    }
}

/// Asks for a turn if there is something to do in it.
///
/// # Safety
/// At home with the GIL, neither engine in the middle of anything.
#[inline(always)]
pub(crate) unsafe fn if_pending() {
    // SAFETY: as the caller promises.
    unsafe {
        let state = state::state();
        if !(*state).wake.is_null() && pending(state) {
            call(state);
        }
    }
}

/// Calls [`if_pending`] where it goes out of scope: at the end of a way with many exits.
pub(crate) struct AtEnd(());

impl AtEnd {
    /// # Safety
    /// At home with the GIL, and so where it is dropped.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

impl Drop for AtEnd {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: as the maker promises; what it stands at the end of is over.
        unsafe { if_pending() };
    }
}

#[inline]
unsafe fn pending(state: *mut State) -> bool {
    // SAFETY: as for `if_pending`.
    unsafe {
        !(*state).runtime.is_null()
            && (qjs::JS_IsJobPending((*state).runtime)
                || !(*state).settled.is_empty()
                || !(*state).rejections.is_empty())
    }
}

#[cold]
#[inline(never)]
unsafe fn call(state: *mut State) {
    // SAFETY: as for `if_pending`. An exception on its way to Python is kept out of the way.
    unsafe {
        let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        ffi::PyErr_Fetch(&mut kind, &mut value, &mut trace);
        let done = ffi::PyObject_CallNoArgs((*state).wake);
        if done.is_null() {
            report(state);
        }
        ffi::Py_XDECREF(done);
        ffi::PyErr_Restore(kind, value, trace);
    }
}

/// What came out of `wake`: Ctrl-C is asked for again; at the interpreter's end, when modules are empty, nothing is said.
unsafe fn report(state: *mut State) {
    // SAFETY: as for `if_pending`, an exception is set.
    unsafe {
        if ffi::PyErr_ExceptionMatches(ffi::PyExc_KeyboardInterrupt) != 0 {
            ffi::PyErr_Clear();
            ffi::PyErr_SetInterrupt();
        } else if ffi::Py_IsInitialized() == 0 {
            ffi::PyErr_Clear();
        } else {
            ffi::PyErr_WriteUnraisable((*state).wake);
        }
    }
}
