//! The attributes of the object behind a PyProxy, and the proxies they are handed out as.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JSValue};

use super::attributes::{self, Kind};
use super::traps::Asked;
use super::{Cell, Origin, source};
use crate::{error, lifetime, python2js};

unsafe extern "C" {
    /// CPython's look-up for method calls: 1 with the function of an unbound method, 0 with the attribute or null and an
    /// exception. Exported, though not documented.
    fn _PyObject_GetMethod(
        object: *mut PyObject,
        name: *mut PyObject,
        method: *mut *mut PyObject,
    ) -> std::os::raw::c_int;
    /// The look-up in a type and its bases, through the type cache; exported, though not documented.
    fn _PyType_Lookup(kind: *mut ffi::PyTypeObject, name: *mut PyObject) -> *mut PyObject;
    /// `PyObject_GenericGetAttr`, which with a last argument of 1 raises no `AttributeError`.
    fn _PyObject_GenericGetAttrWithDict(
        object: *mut PyObject,
        name: *mut PyObject,
        dict: *mut PyObject,
        suppress: std::os::raw::c_int,
    ) -> *mut PyObject;
}

/// An attribute; its proxy is handed out again as long as it is the same.
///
/// # Safety
/// At home with the GIL; the cell is alive.
#[inline]
pub(super) unsafe fn attribute(cell: *mut Cell, asked: &Asked) -> Result<Option<JSValue>, ()> {
    // SAFETY: as the caller promises.
    unsafe {
        let target = asked.target.as_ptr();
        let (found, is_method) = find(target, asked.text.as_ptr());
        if found.is_null() {
            if !ffi::PyErr_Occurred().is_null() {
                error::throw();
                return Err(());
            }
            return Ok(None);
        }
        if !is_method && let Some(value) = python2js::implicit(found) {
            lifetime::release_object(found);
            return checked(value).map(Some);
        }
        let found = TakenObject(found);
        let kind = if is_method { Kind::Method } else { Kind::Value };
        if let Some(value) = attributes::find(source(cell), found.0, kind) {
            return Ok(Some(value));
        }
        let object = match (*ffi::Py_TYPE(found.0)).tp_descr_get {
            Some(bind) if is_method => bind(found.0, target, ffi::Py_TYPE(target).cast()),
            _ => {
                ffi::Py_INCREF(found.0);
                found.0
            }
        };
        if object.is_null() {
            error::throw();
            return Err(());
        }
        let object = TakenObject(object);
        if is_method && let Some(value) = python2js::implicit(object.0) {
            return checked(value).map(Some);
        }
        let value = checked(super::new(object.0, Origin::OWNED))?;
        attributes::enter(source(cell), found.0, kind, value);
        Ok(Some(value))
    }
}

/// An attribute, or the function of a method and true; a new reference. Null without an exception set if there is none:
/// the usual attribute protocol is spared making an `AttributeError`.
unsafe fn find(target: *mut PyObject, name: *mut PyObject) -> (*mut PyObject, bool) {
    // SAFETY: the GIL is held; both are valid.
    unsafe {
        let kind = ffi::Py_TYPE(target);
        let generic = (*kind).tp_getattro.map(|function| function as usize)
            == Some(ffi::PyObject_GenericGetAttr as *const () as usize);
        if generic {
            let found = _PyType_Lookup(kind, name);
            let method = !found.is_null()
                && ffi::PyType_HasFeature(ffi::Py_TYPE(found), ffi::Py_TPFLAGS_METHOD_DESCRIPTOR) != 0;
            if !method {
                let found = _PyObject_GenericGetAttrWithDict(target, name, ptr::null_mut(), 1);
                return (found, false);
            }
        }
        let mut found = ptr::null_mut();
        let is_method = _PyObject_GetMethod(target, name, &mut found) != 0;
        if found.is_null() && ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) != 0 {
            ffi::PyErr_Clear();
        }
        (found, is_method)
    }
}

/// A reference to be given up.
struct TakenObject(*mut PyObject);

impl Drop for TakenObject {
    fn drop(&mut self) {
        // SAFETY: made at home with the GIL from a reference of its own; it never leaves its stack frame.
        unsafe { lifetime::release_object(self.0) };
    }
}

unsafe fn checked(value: JSValue) -> Result<JSValue, ()> {
    // SAFETY: only the tag is looked at.
    if unsafe { qjs::JS_IsException(value) } {
        Err(())
    } else {
        Ok(value)
    }
}
