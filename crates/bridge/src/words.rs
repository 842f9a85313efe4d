//! Names of Python methods that the bridge calls, as interned strings: made when first needed, kept for good.

use std::cell::UnsafeCell;
use std::ffi::CStr;
use std::ptr;

use pyo3::ffi::{self, PyObject};

/// A name.
pub(crate) struct Word {
    text: &'static CStr,
    object: UnsafeCell<*mut PyObject>,
}

// SAFETY: only touched under the GIL.
unsafe impl Sync for Word {}

impl Word {
    const fn new(text: &'static CStr) -> Self {
        Self {
            text,
            object: UnsafeCell::new(ptr::null_mut()),
        }
    }

    /// The string, borrowed; null with a Python exception set for want of memory.
    ///
    /// # Safety
    /// The GIL is held.
    #[inline(always)]
    pub(crate) unsafe fn object(&self) -> *mut PyObject {
        // SAFETY: as the caller promises; the string is never released.
        unsafe {
            if (*self.object.get()).is_null() {
                *self.object.get() = ffi::PyUnicode_InternFromString(self.text.as_ptr());
            }
            *self.object.get()
        }
    }
}

pub(crate) static ADD_DONE_CALLBACK: Word = Word::new(c"add_done_callback");
pub(crate) static DONE: Word = Word::new(c"done");
pub(crate) static RESULT: Word = Word::new(c"result");
pub(crate) static SET_EXCEPTION: Word = Word::new(c"set_exception");
pub(crate) static SET_RESULT: Word = Word::new(c"set_result");

/// Calls a method of one argument (borrowed); a new reference, null with an exception set.
///
/// # Safety
/// The GIL is held; the objects are valid.
pub(crate) unsafe fn call_one(
    object: *mut PyObject,
    method: &Word,
    argument: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe {
        let name = method.object();
        if name.is_null() {
            return name;
        }
        let mut arguments = [object, argument];
        ffi::PyObject_VectorcallMethod(name, arguments.as_mut_ptr(), 2, ptr::null_mut())
    }
}

/// Calls a method without arguments; a new reference, null with an exception set.
///
/// # Safety
/// As for [`call_one`].
pub(crate) unsafe fn call_none(object: *mut PyObject, method: &Word) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe {
        let name = method.object();
        if name.is_null() {
            return name;
        }
        ffi::PyObject_CallMethodNoArgs(object, name)
    }
}
