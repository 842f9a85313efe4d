//! Who frees what, when: finalizers only enqueue, safe points release.

use std::ptr;

use pyo3::ffi;
use rquickjs::qjs::{self, JSValue};

use crate::{cycles, state, wake};

/// Releases what finalizers and other threads gave up. Called where neither engine is in the middle of
/// anything: after a call into JavaScript returned, after JavaScript jobs ran, before the event loop waits.
pub fn safe_point() {
    // SAFETY: callers hold the GIL; the check for home makes the rest right.
    unsafe {
        let state = state::state();
        if nothing_dropped(state) || !state::at_home() {
            return;
        }
        release();
    }
}

/// As [`safe_point`], where it is known to be the home thread: two loads when there is nothing to do.
///
/// # Safety
/// At home with the GIL.
#[inline(always)]
pub(crate) unsafe fn safe_point_at_home() {
    // SAFETY: as the caller promises.
    unsafe {
        let state = state::state();
        if !nothing_dropped(state) {
            release();
        }
        wake::if_pending();
    }
}

#[inline(always)]
unsafe fn nothing_dropped(state: *mut state::State) -> bool {
    // SAFETY: the GIL is held.
    unsafe {
        (*state).dropped_objects.is_empty()
            && (*state).dropped_buffers.is_empty()
            && (*state).dropped_values.is_empty()
            && ((*state).dropped_atoms.is_empty() && !cycles::due() || (*state).depth > 0)
    }
}

#[cold]
#[inline(never)]
unsafe fn release() {
    static mut UNDER_WAY: bool = false;
    // SAFETY: at home with the GIL, which guards the static. A pending exception is kept out of the way of `__del__`,
    // which may not switch greenlets.
    unsafe {
        // What a `__del__` sets off has its turn when that has returned, however long a chain it is.
        if UNDER_WAY {
            return;
        }
        UNDER_WAY = true;
        let _pending = Pending::take();
        let _entry = state::Entry::new();
        release_dropped();
        UNDER_WAY = false;
        // No other entry than ours: nothing of JavaScript is under way.
        if cycles::due() && (*state::state()).depth == 1 {
            cycles::collect_if_due();
        }
    }
}

/// Releases what is on the lists, and what that puts there.
///
/// # Safety
/// At home with the GIL, within an entry and without an exception set: releasing runs any code.
pub(crate) unsafe fn release_dropped() {
    // SAFETY: as the caller promises. The lists are taken before anything is released, since releasing runs
    // arbitrary finalizers, which may append to them and come here again.
    unsafe {
        loop {
            let state = state::state();
            let objects = std::mem::take(&mut (*state).dropped_objects);
            let values = std::mem::take(&mut (*state).dropped_values);
            // No other entry than ours: no frame uses an atom that a cache evicted.
            if (*state).depth == 1 {
                for atom in std::mem::take(&mut (*state).dropped_atoms) {
                    qjs::JS_FreeAtom((*state).context, atom);
                }
            }
            crate::buffer::release_dropped();
            if objects.is_empty() && values.is_empty() {
                break;
            }
            for value in values {
                qjs::JS_FreeValue((*state).context, value);
            }
            for object in objects {
                ffi::Py_DECREF(object);
            }
        }
        crate::interrupt::poll();
        crate::interrupt::arm();
    }
}

/// Keeps the Python exception that is set aside while it lives.
pub(crate) struct Pending([*mut ffi::PyObject; 3]);

impl Pending {
    /// # Safety
    /// The GIL is held, and so when it is dropped.
    pub(crate) unsafe fn take() -> Self {
        let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: as the caller promises.
        unsafe { ffi::PyErr_Fetch(&mut kind, &mut value, &mut trace) };
        Self([kind, value, trace])
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let [kind, value, trace] = self.0;
        // SAFETY: the references are those taken.
        unsafe { ffi::PyErr_Restore(kind, value, trace) };
    }
}

/// Gives up a JavaScript value from any thread: at once at home, at the next safe point elsewhere. Without an
/// engine nothing is left to free.
///
/// # Safety
/// The GIL is held; `value` is owned by the caller, who forgets it.
#[inline(always)]
pub(crate) unsafe fn drop_value(value: JSValue) {
    // SAFETY: as the caller promises.
    unsafe {
        if !qjs::JS_VALUE_HAS_REF_COUNT(value) {
            return;
        }
        if state::at_home() {
            qjs::JS_FreeValue(state::context(), value);
        } else if !(*state::state()).home.is_null() {
            (*state::state()).dropped_values.push(value);
        }
    }
}

/// Gives up a Python reference where a JavaScript exception may be pending: `__del__` may run JavaScript, which
/// would take it for its own.
///
/// # Safety
/// At home with the GIL, neither engine inside a free or collection; the caller owns the reference and forgets it.
#[inline(always)]
pub(crate) unsafe fn release_object(object: *mut ffi::PyObject) {
    // SAFETY: as the caller promises.
    unsafe {
        if ffi::Py_REFCNT(object) > 1 {
            ffi::Py_DECREF(object);
        } else {
            release_last(object);
        }
    }
}

#[inline(never)]
unsafe fn release_last(object: *mut ffi::PyObject) {
    // SAFETY: as for `release_object`; the exception is kept aside meanwhile.
    unsafe {
        let context = state::context();
        let thrown = qjs::JS_HasException(context).then(|| qjs::JS_GetException(context));
        ffi::Py_DECREF(object);
        if let Some(thrown) = thrown {
            qjs::JS_Throw(context, thrown);
        }
    }
}

/// A Python object kept alive while foreign code runs that may give up the reference it was found by.
pub(crate) struct Held(*mut ffi::PyObject);

impl Held {
    /// Takes a reference of its own.
    ///
    /// # Safety
    /// At home with the GIL, and so when it is dropped; `object` is valid.
    #[inline(always)]
    pub(crate) unsafe fn new(object: *mut ffi::PyObject) -> Self {
        // SAFETY: as the caller promises.
        unsafe { ffi::Py_INCREF(object) };
        Self(object)
    }

    /// Keeps a reference that it takes.
    ///
    /// # Safety
    /// As for [`Held::new`].
    #[inline(always)]
    pub(crate) unsafe fn steal(object: *mut ffi::PyObject) -> Self {
        Self(object)
    }

    /// The object, borrowed.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut ffi::PyObject {
        self.0
    }
}

impl Drop for Held {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the reference is ours; it never leaves the stack frame it was made in.
        unsafe { release_object(self.0) };
    }
}

/// A JavaScript value kept alive while foreign code runs.
pub(crate) struct HeldValue(JSValue);

impl HeldValue {
    /// Takes a reference of its own.
    ///
    /// # Safety
    /// At home with the GIL, and so when it is dropped.
    #[inline(always)]
    pub(crate) unsafe fn new(value: JSValue) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { qjs::JS_DupValue(state::context(), value) })
    }
}

impl Drop for HeldValue {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the reference is ours; finalizers that this sets off only enqueue.
        unsafe { qjs::JS_FreeValue(state::context(), self.0) };
    }
}

/// Gives up a Python reference from a JavaScript finalizer.
///
/// # Safety
/// The GIL is held (JavaScript only runs under it); the caller owns the reference and forgets it.
pub(crate) unsafe fn drop_object(object: *mut ffi::PyObject) {
    if !object.is_null() {
        // SAFETY: as the caller promises; pushing runs no foreign code.
        unsafe { (*state::state()).dropped_objects.push(object) };
    }
}
