//! Attribute access on a JsProxy (`spec/ffi.md` §2 "Attributes").

use std::os::raw::c_int;
use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_UNDEFINED};

use super::JsProxy;
use super::flags;
use crate::lifetime::Held;
use crate::{atoms, error, js2python, jsbind, python2js, state, wake};

unsafe extern "C" {
    /// CPython's attribute look-up through the type cache; exported, though not documented.
    fn _PyType_Lookup(kind: *mut ffi::PyTypeObject, name: *mut PyObject) -> *mut PyObject;
}

/// `tp_getattro`: a Python-level attribute if there is one, else the JavaScript property.
pub(crate) unsafe extern "C" fn getattro(object: *mut PyObject, name: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter with the GIL on an object of our layout. The caller keeps `object`
    // alive during the call, and with it `value`.
    unsafe {
        if !state::at_home() {
            return getattro_elsewhere(object, name);
        }
        let Some(entry) = atoms::name(name) else {
            return ptr::null_mut();
        };
        let proxy = object.cast::<JsProxy>();
        if entry.python {
            let kind = ffi::Py_TYPE(object);
            let found = _PyType_Lookup(kind, entry.text);
            if !found.is_null() {
                // Without attributes of its own an object has what its type has, be that a data descriptor or not.
                if (*proxy).dict.is_null()
                    && let Some(bind) = (*ffi::Py_TYPE(found)).tp_descr_get
                {
                    let _held = Held::new(found);
                    return bind(found, object, kind.cast());
                }
                return ffi::PyObject_GenericGetAttr(object, entry.text);
            }
            if !(*proxy).dict.is_null() {
                let found = ffi::PyDict_GetItemWithError((*proxy).dict, entry.text);
                if !found.is_null() {
                    ffi::Py_INCREF(found);
                    return found;
                }
            }
            if (*proxy).flags & WITHOUT_KEYS != 0 && entry.atom == (*state::state()).atoms.keys {
                return missing(name);
            }
        }
        let _turn = wake::AtEnd::new();
        // A getter may evict the name, and the text of it may be the cache's own.
        let _text = (!(*proxy).shape.is_null()).then(|| Held::new(entry.text));
        let context = state::context();
        let value = qjs::JS_GetProperty(context, (*proxy).value, entry.atom);
        if qjs::JS_IsUndefined(value) {
            match qjs::JS_HasProperty(context, (*proxy).value, entry.atom) {
                0 if entry.python => return missing_dunder(object, name),
                0 => return missing(name),
                found if found < 0 => {
                    error::raise();
                    return ptr::null_mut();
                }
                _ => {}
            }
        }
        if !(*proxy).shape.is_null() {
            return jsbind::attribute_steal((*proxy).shape, entry.text, value, (*proxy).value);
        }
        js2python::convert_steal(value, (*proxy).value)
    }
}

/// Their `keys` would have them taken for mappings.
pub(super) const WITHOUT_KEYS: u32 = flags::ARRAY | flags::TYPEDARRAY;

#[cold]
unsafe fn missing(name: *mut PyObject) -> *mut PyObject {
    // SAFETY: the GIL is held.
    unsafe { ffi::PyErr_SetObject(ffi::PyExc_AttributeError, name) };
    ptr::null_mut()
}

/// `__all__` is there for the statement `from module import *` alone: the own property names.
#[cold]
unsafe fn missing_dunder(object: *mut PyObject, name: *mut PyObject) -> *mut PyObject {
    // SAFETY: as for `getattro`; None means that somebody else asked.
    unsafe {
        let names = (*state::state()).python.star_names;
        if names.is_null() || ffi::PyUnicode_CompareWithASCIIString(name, c"__all__".as_ptr()) != 0 {
            return missing(name);
        }
        let found = ffi::PyObject_CallOneArg(names, object);
        if found == ffi::Py_None() {
            ffi::Py_DECREF(found);
            return missing(name);
        }
        found
    }
}

/// On another thread only what belongs to the Python type can be had (`__class__`, `__doc__` …).
#[cold]
unsafe fn getattro_elsewhere(object: *mut PyObject, name: *mut PyObject) -> *mut PyObject {
    // SAFETY: the GIL is held; nothing here touches JavaScript.
    unsafe {
        let dunder = {
            let mut length = 0;
            let text = ffi::PyUnicode_AsUTF8AndSize(name, &mut length);
            if text.is_null() {
                ffi::PyErr_Clear();
                false
            } else {
                std::slice::from_raw_parts(text.cast::<u8>(), length as usize).starts_with(b"__")
            }
        };
        if dunder && !_PyType_Lookup(ffi::Py_TYPE(object), name).is_null() {
            return ffi::PyObject_GenericGetAttr(object, name);
        }
        state::raise_not_home();
        ptr::null_mut()
    }
}

/// `tp_setattro`: sets or deletes the JavaScript property, in strict mode. The names the import system
/// sets on modules stay on the Python side.
pub(crate) unsafe extern "C" fn setattro(
    object: *mut PyObject,
    name: *mut PyObject,
    value: *mut PyObject,
) -> c_int {
    // SAFETY: as for `getattro`.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return -1;
        }
        let Some(entry) = atoms::name(name) else { return -1 };
        if entry.module_attribute {
            return ffi::PyObject_GenericSetAttr(object, entry.text, value);
        }
        let proxy = object.cast::<JsProxy>();
        let context = state::context();
        if value.is_null() {
            let key = qjs::JS_AtomToValue(context, entry.atom);
            let mut arguments = [(*proxy).value, key];
            let done = qjs::JS_Call(
                context,
                (*state::state()).support.delete_property,
                JS_UNDEFINED,
                2,
                arguments.as_mut_ptr(),
            );
            qjs::JS_FreeValue(context, key);
            wake::if_pending();
            if qjs::JS_IsException(done) {
                error::raise();
                return -1;
            }
            return 0;
        }
        let value = python2js::convert(value);
        if qjs::JS_IsException(value) {
            error::raise();
            return -1;
        }
        // The conversion may have run user code, which may have evicted the name.
        let Some(entry) = atoms::name(name) else {
            qjs::JS_FreeValue(context, value);
            return -1;
        };
        let set = qjs::JS_SetProperty(context, (*proxy).value, entry.atom, value);
        if set < 0 {
            error::raise();
        }
        wake::if_pending();
        if set < 0 { -1 } else { 0 }
    }
}

/// `tp_repr` and `tp_str`: what `toString()` gives; the interpreter refuses what is no string.
pub(crate) unsafe extern "C" fn repr(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: as for `getattro`; also called on exceptions, so the value is found by type.
    unsafe {
        let Some(value) = super::value_of(object).filter(|_| state::at_home()) else {
            return ffi::PyUnicode_FromFormat(c"<JsProxy of another thread at %p>".as_ptr(), object);
        };
        let _turn = wake::AtEnd::new();
        let context = state::context();
        let mut arguments = [value];
        let text = qjs::JS_Call(
            context,
            (*state::state()).support.to_string,
            JS_UNDEFINED,
            1,
            arguments.as_mut_ptr(),
        );
        if qjs::JS_IsException(text) {
            error::raise();
            return ptr::null_mut();
        }
        js2python::convert_steal(text, JS_UNDEFINED)
    }
}
