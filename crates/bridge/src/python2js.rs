//! Implicit conversion from Python to JavaScript (`spec/ffi.md` §1): arguments, return values, attribute and
//! element values. Shallow: what has no JavaScript counterpart becomes a PyProxy.

use std::os::raw::c_int;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_FALSE, JS_NULL, JS_TRUE, JS_UNDEFINED, JSValue};

use crate::{jsproxy, pyproxy, state, strings};

/// 2^53 − 1, the largest integer that a Number stands for without loss.
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Converts a borrowed object. `JS_EXCEPTION` has a JavaScript exception set.
///
/// # Safety
/// At home with the GIL; `object` is valid.
#[inline(always)]
pub(crate) unsafe fn convert(object: *mut PyObject) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        match implicit(object) {
            Some(value) => value,
            None => pyproxy::new(object, pyproxy::Origin::OWNED),
        }
    }
}

/// As [`convert`], but a PyProxy made for it is a temporary: `made` says so, and the caller destroys it.
///
/// # Safety
/// As for [`convert`].
#[inline(always)]
pub(crate) unsafe fn convert_argument(object: *mut PyObject, made: &mut bool) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        match implicit(object) {
            Some(value) => value,
            None => {
                *made = true;
                pyproxy::new(object, pyproxy::Origin::OWNED)
            }
        }
    }
}

/// The JavaScript value that stands for `object`; `None` if only a proxy can.
///
/// # Safety
/// As for [`convert`].
#[inline(always)]
pub(crate) unsafe fn implicit(object: *mut PyObject) -> Option<JSValue> {
    // SAFETY: as the caller promises. Exact types are compared by address first: they are nearly all there is.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        if kind == &raw mut ffi::PyLong_Type {
            return Some(integer(object));
        }
        if kind == &raw mut ffi::PyUnicode_Type {
            return Some(strings::to_javascript(object));
        }
        if let Some(value) = jsproxy::value_of(object) {
            return Some(qjs::JS_DupValue(state::context(), value));
        }
        if kind == &raw mut ffi::PyFloat_Type {
            return Some(qjs::JS_NewFloat64(ffi::PyFloat_AS_DOUBLE(object)));
        }
        if object == ffi::Py_None() {
            return Some(JS_UNDEFINED);
        }
        if object == ffi::Py_True() {
            return Some(JS_TRUE);
        }
        if object == ffi::Py_False() {
            return Some(JS_FALSE);
        }
        let python = &raw const (*state::state()).python;
        if object == (*python).jsnull {
            return Some(JS_NULL);
        }
        if ffi::PyLong_Check(object) != 0 {
            if !(*python).JsBigInt.is_null()
                && ffi::PyObject_TypeCheck(object, (*python).JsBigInt.cast()) != 0
            {
                return Some(bigint(object));
            }
            return Some(integer(object));
        }
        if ffi::PyFloat_Check(object) != 0 {
            return Some(qjs::JS_NewFloat64(ffi::PyFloat_AS_DOUBLE(object)));
        }
        if ffi::PyUnicode_Check(object) != 0 {
            return Some(strings::to_javascript(object));
        }
        None
    }
}

/// An `int`: a Number within ±(2^53 − 1), a BigInt beyond.
///
/// # Safety
/// As for [`convert`]; `object` is an `int`.
#[inline(always)]
unsafe fn integer(object: *mut PyObject) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        let mut overflow: c_int = 0;
        let number = ffi::PyLong_AsLongLongAndOverflow(object, &mut overflow);
        if overflow == 0 {
            if number as i32 as i64 == number {
                return qjs::JS_MKVAL(qjs::JS_TAG_INT, number as i32);
            }
            if (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&number) {
                return qjs::JS_NewFloat64(number as f64);
            }
        }
        bigint(object)
    }
}

/// An `int` of any size as a BigInt.
///
/// # Safety
/// As for [`convert`]; `object` is an `int`.
#[cold]
unsafe fn bigint(object: *mut PyObject) -> JSValue {
    // SAFETY: as the caller promises. Hexadecimal text is not subject to Python's limit on digits.
    unsafe {
        let context = state::context();
        let mut overflow: c_int = 0;
        let number = ffi::PyLong_AsLongLongAndOverflow(object, &mut overflow);
        if overflow == 0 {
            return qjs::JS_NewBigInt64(context, number);
        }
        let text = ffi::PyNumber_ToBase(object, 16);
        if text.is_null() {
            return crate::error::throw();
        }
        let digits = strings::to_javascript(text);
        ffi::Py_DECREF(text);
        let mut arguments = [digits];
        let result = qjs::JS_Call(
            context,
            (*state::state()).support.bigint_from_hex,
            JS_UNDEFINED,
            1,
            arguments.as_mut_ptr(),
        );
        qjs::JS_FreeValue(context, digits);
        result
    }
}
