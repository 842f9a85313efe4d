//! Deep conversion from Python to JavaScript (`spec/ffi.md` §4): `to_js` and `PyProxy.toJs`.
//!
//! [`conversion`] walks the containers (dicts and sets in [`mapping`]), [`options`] reads what the caller asks for, [`callbacks`] are the
//! functions that converters receive.

mod callbacks;
mod conversion;
mod keys;
mod mapping;
mod options;

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_EXCEPTION, JS_UNDEFINED, JSValue};

use crate::{error, js2python, jsproxy, pyproxy, state, wake};

use conversion::Conversion;
pub(crate) use options::Options;

/// A Python exception is set.
#[derive(Debug)]
pub(crate) struct Raised;

/// What a proxy says that was made for a converter alone.
const DESTROYED: &str = "Object has already been destroyed";

/// Converts a borrowed object. `JS_EXCEPTION` with a JavaScript exception set.
///
/// # Safety
/// At home with the GIL; the values in `options` stay alive.
pub(crate) unsafe fn convert_deep(object: *mut PyObject, options: &Options) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        match convert(object, options) {
            Ok(value) => value,
            Err(Raised) => error::throw(),
        }
    }
}

/// `PyProxy.toJs(options)`: as [`convert_deep`] with the options in a JavaScript object (borrowed).
///
/// # Safety
/// At home with the GIL; `object` is valid.
pub(crate) unsafe fn with_options_object(object: *mut PyObject, options: JSValue) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        let Ok(options) = Options::from_object(options) else {
            return JS_EXCEPTION;
        };
        let value = convert_deep(object, &options);
        options.free();
        value
    }
}

/// `isthmus._native.ffi.to_js`.
///
/// # Safety
/// Called by the interpreter (METH_FASTCALL | METH_KEYWORDS).
pub(crate) unsafe extern "C" fn to_js(
    _: *mut PyObject,
    values: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter; the arguments live as long as the call.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return ptr::null_mut();
        }
        let _turn = wake::AtEnd::new();
        if count != 1 {
            ffi::PyErr_Format(
                ffi::PyExc_TypeError,
                c"to_js() takes exactly 1 positional argument (%zd given)".as_ptr(),
                count,
            );
            return ptr::null_mut();
        }
        let object = *values;
        let keywords = if names.is_null() {
            0
        } else {
            ffi::PyTuple_GET_SIZE(names)
        };
        if keywords == 0 && stays_as_it_is(object) {
            ffi::Py_INCREF(object);
            return object;
        }
        let unchanged = stays_as_it_is(object);
        let Ok(options) = Options::from_keywords(values.add(1), names, keywords, !unchanged) else {
            return ptr::null_mut();
        };
        let result = if unchanged {
            ffi::Py_INCREF(object);
            object
        } else {
            match convert(object, &options) {
                Ok(value) if pyproxy::cell_of(value).is_some() => jsproxy::new_steal(value, JS_UNDEFINED),
                Ok(value) => js2python::convert_steal(value, JS_UNDEFINED),
                Err(Raised) => ptr::null_mut(),
            }
        };
        options.release();
        result
    }
}

/// Whether an object is the answer itself: it crosses by value, or is JavaScript's already.
unsafe fn stays_as_it_is(object: *mut PyObject) -> bool {
    // SAFETY: at home with the GIL.
    unsafe {
        ffi::PyLong_Check(object) != 0
            || ffi::PyUnicode_Check(object) != 0
            || ffi::PyFloat_Check(object) != 0
            || object == ffi::Py_None()
            || object == (*state::state()).python.jsnull
            || jsproxy::value_of(object).is_some()
    }
}

/// Runs a conversion and puts what failed in it under a `ConversionError`.
///
/// # Safety
/// As for [`convert_deep`].
pub(crate) unsafe fn convert(object: *mut PyObject, options: &Options) -> Result<JSValue, Raised> {
    // SAFETY: as for `convert_deep`.
    unsafe {
        let mut conversion = Conversion::new(options);
        let result = Conversion::run(&raw mut conversion, object);
        conversion.end();
        if result.is_err() {
            chain_failure();
        }
        result
    }
}

/// Chains the pending exception under `ConversionError("Conversion from python to javascript failed")`, unless
/// it is one already, or about the machine and not the conversion.
#[cold]
unsafe fn chain_failure() {
    // SAFETY: the GIL is held, an exception pending.
    unsafe {
        let class = (*state::state()).python.ConversionError;
        if class.is_null()
            || ffi::PyErr_ExceptionMatches(class) != 0
            || ffi::PyErr_ExceptionMatches(ffi::PyExc_RecursionError) != 0
            || ffi::PyErr_ExceptionMatches(ffi::PyExc_MemoryError) != 0
            || ffi::PyErr_ExceptionMatches(ffi::PyExc_Exception) == 0
        {
            return;
        }
        let (mut kind, mut cause, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        ffi::PyErr_Fetch(&mut kind, &mut cause, &mut trace);
        ffi::PyErr_NormalizeException(&mut kind, &mut cause, &mut trace);
        if !trace.is_null() {
            ffi::PyException_SetTraceback(cause, trace);
        }
        ffi::Py_XDECREF(kind);
        ffi::Py_XDECREF(trace);
        ffi::PyErr_SetString(class, c"Conversion from python to javascript failed".as_ptr());
        let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        ffi::PyErr_Fetch(&mut kind, &mut value, &mut trace);
        ffi::PyErr_NormalizeException(&mut kind, &mut value, &mut trace);
        // Both take a reference.
        ffi::Py_INCREF(cause);
        ffi::PyException_SetCause(value, cause);
        ffi::PyException_SetContext(value, cause);
        ffi::PyErr_Restore(kind, value, trace);
    }
}

/// Raises `ConversionError` with a text in which `%R` stands for `object`.
#[cold]
unsafe fn raise_about(text: &std::ffi::CStr, object: *mut PyObject) -> Raised {
    // SAFETY: the GIL is held; the text asks for at most one object.
    unsafe {
        ffi::PyErr_Format((*state::state()).python.ConversionError, text.as_ptr(), object);
    }
    Raised
}

/// Raises the pending JavaScript exception in Python.
#[cold]
unsafe fn raised() -> Raised {
    // SAFETY: at home with the GIL, a JavaScript exception pending.
    unsafe { error::raise() };
    Raised
}

/// `Ok` with a value that is no exception.
#[inline(always)]
unsafe fn checked(value: JSValue) -> Result<JSValue, Raised> {
    // SAFETY: at home with the GIL.
    unsafe {
        if qjs::JS_IsException(value) {
            Err(raised())
        } else {
            Ok(value)
        }
    }
}
