//! Binding signatures to proxies, and the attributes of bound proxies.

use std::ffi::c_void;
use std::ptr;

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyString;
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use super::Js2PyConverter;
use super::shape::Shape;
use crate::jsproxy::{self, methods};
use crate::{js2python, pyproxy, state, wake};

/// `JsProxy.bind_sig(signature)`: a proxy of the same object that has the signature.
///
/// # Safety
/// A METH_O method of our types, called by the interpreter.
pub(crate) unsafe extern "C" fn bind_sig(object: *mut PyObject, signature: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter with the GIL.
    unsafe {
        let signature = Bound::from_borrowed_ptr(Python::assume_attached(), signature);
        bind(object, &signature)
    }
}

/// `JsProxy.bind_class(cls)`: the same with the signature `type[cls]`, for a constructor.
///
/// # Safety
/// As for [`bind_sig`].
pub(crate) unsafe extern "C" fn bind_class(object: *mut PyObject, class: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter with the GIL.
    unsafe {
        let kind = (&raw mut ffi::PyType_Type).cast::<PyObject>();
        let alias = ffi::PyObject_GetItem(kind, class);
        if alias.is_null() {
            return alias;
        }
        bind(object, &Bound::from_owned_ptr(Python::assume_attached(), alias))
    }
}

unsafe fn bind(object: *mut PyObject, signature: &Bound<'_, PyAny>) -> *mut PyObject {
    // SAFETY: as for `bind_sig`; the caller keeps `object` alive, and with it the value.
    unsafe {
        let Some(value) = methods::home_value(object) else {
            return ptr::null_mut();
        };
        let _turn = wake::AtEnd::new();
        match Shape::of(signature.py(), signature) {
            Ok(shape) => {
                let copy = jsproxy::copy_steal(object, qjs::JS_DupValue(state::context(), value));
                if !copy.is_null() {
                    jsproxy::set_shape(copy, &shape);
                }
                copy
            }
            Err(error) => {
                error.restore(signature.py());
                ptr::null_mut()
            }
        }
    }
}

/// `JsProxy._sig`: the bound signature, None without one.
///
/// # Safety
/// A getter of our types, called by the interpreter.
pub(crate) unsafe extern "C" fn get_signature(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    // SAFETY: called by the interpreter with the GIL.
    unsafe {
        let py = Python::assume_attached();
        let shape = jsproxy::shape_of(object);
        if shape.is_null() {
            return py.None().into_ptr();
        }
        let shape = Bound::from_borrowed_ptr(py, shape).cast_into_unchecked::<Shape>();
        shape.get().signature().clone_ref(py).into_ptr()
    }
}

/// An object (taken) with the signature bound: a fresh proxy gets it, of another one a copy is made, and what is no proxy is
/// asked for `bind_sig`.
///
/// # Safety
/// At home with the GIL.
pub(super) unsafe fn bound_steal(object: *mut PyObject, shape: &Bound<'_, Shape>) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe {
        let object = Bound::from_owned_ptr(shape.py(), object);
        if jsproxy::value_of(object.as_ptr()).is_some() {
            if ffi::Py_REFCNT(object.as_ptr()) == 1 {
                jsproxy::set_shape(object.as_ptr(), shape);
                return object.into_ptr();
            }
            return bind(object.as_ptr(), shape.get().signature().bind(shape.py()));
        }
        match object.call_method1("bind_sig", (shape.get().signature(),)) {
            Ok(bound) => bound.into_ptr(),
            Err(error) => {
                error.restore(shape.py());
                ptr::null_mut()
            }
        }
    }
}

/// The attribute `name` (an exact str) of a proxy with the shape `shape`: converts `value`, which it takes; `this`
/// (borrowed) is what a function among them is bound to. Null with an exception set.
///
/// # Safety
/// At home with the GIL; the caller keeps `shape` alive.
#[inline(never)]
pub(crate) unsafe fn attribute_steal(
    shape: *mut PyObject,
    name: *mut PyObject,
    value: JSValue,
    this: JSValue,
) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe {
        if qjs::JS_IsException(value) {
            return js2python::convert_steal(value, JS_UNDEFINED);
        }
        let py = Python::assume_attached();
        let shape = Bound::from_borrowed_ptr(py, shape).cast_into_unchecked::<Shape>();
        let name = Bound::from_borrowed_ptr(py, name);
        debug_assert!(name.is_exact_instance_of::<PyString>());
        let found = match Shape::attribute(&shape, &name) {
            Ok(found) => found,
            Err(error) => {
                qjs::JS_FreeValue(state::context(), value);
                error.restore(py);
                return ptr::null_mut();
            }
        };
        if found.is_none() {
            return js2python::convert_steal(value, this);
        }
        if let Ok(shape) = found.cast::<Shape>() {
            let foreign = qjs::JS_IsObject(value) && pyproxy::cell_of(value).is_none();
            let object = js2python::convert_steal(value, this);
            if foreign && !object.is_null() {
                return bound_steal(object, shape);
            }
            return object;
        }
        found
            .cast_unchecked::<Js2PyConverter>()
            .get()
            .attribute_steal(value)
    }
}
