//! The Python objects that own JavaScript values.

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::JSValue;

use crate::{jsproxy, promise};

/// Whether an object may own JavaScript values.
///
/// # Safety
/// The GIL is held, `object` is valid.
pub(super) unsafe fn is_leaf(object: *mut PyObject) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        jsproxy::value_of(object).is_some()
            || jsproxy::iterate::is_array_iterator(object)
            || (ffi::PyCapsule_CheckExact(object) != 0 && promise::resolvers_of(object).is_some())
    }
}

/// Calls `each` with every JavaScript value (borrowed) that the object owns.
///
/// # Safety
/// As for [`is_leaf`].
pub(super) unsafe fn for_each_value(object: *mut PyObject, each: impl FnMut(JSValue)) {
    // SAFETY: as the caller promises.
    unsafe {
        if ffi::PyCapsule_CheckExact(object) != 0 {
            promise::resolvers_of(object).into_iter().flatten().for_each(each);
        } else if jsproxy::iterate::is_array_iterator(object) {
            std::iter::once(jsproxy::iterate::array_of(object)).for_each(each);
        } else {
            jsproxy::owned_values(object).into_iter().for_each(each);
        }
    }
}
