//! The own enumerable properties with string keys of a JavaScript object, as a dict.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JSAtom, JSPropertyEnum, JSValue};

use crate::{error, state};

/// Fills `dict` (taken) with what `item` makes of each property's value (taken, perhaps `JS_EXCEPTION`) under the name that
/// `name` makes of its atom, both new references or null with an exception set; `begin` comes before the first. Returns it,
/// or null with a Python exception set.
///
/// # Safety
/// At home with the GIL; `dict` is a dict or null, which is passed on.
#[inline(always)]
pub(crate) unsafe fn fill_steal(
    dict: *mut PyObject,
    object: JSValue,
    begin: impl FnOnce(),
    item: impl Fn(JSValue) -> *mut PyObject,
    name: impl Fn(JSAtom) -> *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as the caller promises; the table of names is freed on every path.
    unsafe {
        if dict.is_null() {
            return dict;
        }
        let context = state::context();
        let mut table: *mut JSPropertyEnum = ptr::null_mut();
        let mut length = 0;
        let flags = (qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_ENUM_ONLY) as i32;
        if qjs::JS_GetOwnPropertyNames(context, &mut table, &mut length, object, flags) < 0 {
            ffi::Py_DECREF(dict);
            error::raise();
            return ptr::null_mut();
        }
        begin();
        let mut failed = false;
        for index in 0..length {
            let atom = (*table.add(index as usize)).atom;
            let value = item(qjs::JS_GetProperty(context, object, atom));
            let key = if value.is_null() { value } else { name(atom) };
            failed = key.is_null() || ffi::PyDict_SetItem(dict, key, value) < 0;
            ffi::Py_XDECREF(key);
            ffi::Py_XDECREF(value);
            if failed {
                break;
            }
        }
        qjs::JS_FreePropertyEnum(context, table, length);
        if failed {
            ffi::Py_DECREF(dict);
            return ptr::null_mut();
        }
        dict
    }
}
