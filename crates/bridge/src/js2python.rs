//! Implicit conversion from JavaScript to Python (`spec/ffi.md` §1).

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use crate::{error, jsproxy, pyproxy, state, strings};

/// 2^53 − 1.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Converts a value it takes. `this` (borrowed) is what a function among them is bound to. An exception
/// value raises the pending JavaScript exception.
///
/// # Safety
/// At home with the GIL.
#[inline(always)]
pub(crate) unsafe fn convert_steal(value: JSValue, this: JSValue) -> *mut PyObject {
    // SAFETY: as the caller promises; each arm consumes the value.
    unsafe {
        match qjs::JS_VALUE_GET_TAG(value) {
            qjs::JS_TAG_INT => ffi::PyLong_FromLong(i64::from(qjs::JS_VALUE_GET_INT(value))),
            qjs::JS_TAG_OBJECT => object_steal(value, this),
            qjs::JS_TAG_UNDEFINED => new_reference(ffi::Py_None()),
            qjs::JS_TAG_BOOL => new_reference(if qjs::JS_VALUE_GET_BOOL(value) {
                ffi::Py_True()
            } else {
                ffi::Py_False()
            }),
            qjs::JS_TAG_FLOAT64 => number(qjs::JS_VALUE_GET_FLOAT64(value)),
            qjs::JS_TAG_STRING | qjs::JS_TAG_STRING_ROPE => {
                let text = strings::to_python(value);
                qjs::JS_FreeValue(state::context(), value);
                text
            }
            qjs::JS_TAG_EXCEPTION => {
                error::raise();
                ptr::null_mut()
            }
            _ => rare_steal(value),
        }
    }
}

/// As [`convert_steal`] for a borrowed value.
///
/// # Safety
/// At home with the GIL.
#[inline(always)]
pub(crate) unsafe fn convert(value: JSValue) -> *mut PyObject {
    // SAFETY: as the caller promises; the copy is consumed.
    unsafe {
        let value = if qjs::JS_VALUE_HAS_REF_COUNT(value) {
            qjs::JS_DupValue(state::context(), value)
        } else {
            value
        };
        convert_steal(value, JS_UNDEFINED)
    }
}

#[inline(always)]
unsafe fn new_reference(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: a valid object.
    unsafe { ffi::Py_INCREF(object) };
    object
}

#[inline(always)]
unsafe fn object_steal(value: JSValue, this: JSValue) -> *mut PyObject {
    // SAFETY: as for `convert_steal`.
    unsafe {
        if let Some(cell) = pyproxy::cell_of(value) {
            if pyproxy::is_destroyed(cell) {
                pyproxy::throw_destroyed(cell);
                qjs::JS_FreeValue(state::context(), value);
                error::raise();
                return ptr::null_mut();
            }
            if let Some(object) = pyproxy::unwrap(cell) {
                let object = new_reference(object);
                qjs::JS_FreeValue(state::context(), value);
                return object;
            }
        }
        jsproxy::new_steal(value, this)
    }
}

/// A Number: an `int` if it is a safe integer (so −0 is 0), else a `float`.
unsafe fn number(number: f64) -> *mut PyObject {
    // SAFETY: the GIL is held.
    unsafe {
        if number.trunc() == number && number.abs() <= MAX_SAFE_INTEGER {
            ffi::PyLong_FromLong(number as i64)
        } else {
            ffi::PyFloat_FromDouble(number)
        }
    }
}

#[cold]
unsafe fn rare_steal(value: JSValue) -> *mut PyObject {
    // SAFETY: as for `convert_steal`.
    unsafe {
        let tag = qjs::JS_VALUE_GET_TAG(value);
        match tag {
            qjs::JS_TAG_NULL => {
                let jsnull = (*state::state()).python.jsnull;
                new_reference(if jsnull.is_null() { ffi::Py_None() } else { jsnull })
            }
            qjs::JS_TAG_BIG_INT | qjs::JS_TAG_SHORT_BIG_INT => {
                let integer = bigint(value);
                qjs::JS_FreeValue(state::context(), value);
                integer
            }
            qjs::JS_TAG_SYMBOL => jsproxy::new_steal(value, JS_UNDEFINED),
            _ => {
                qjs::JS_FreeValue(state::context(), value);
                ffi::PyErr_Format(
                    ffi::PyExc_SystemError,
                    c"isthmus: a JavaScript value with the internal tag %d reached Python".as_ptr(),
                    tag,
                );
                ptr::null_mut()
            }
        }
    }
}

/// A BigInt (borrowed) as a `JsBigInt`.
unsafe fn bigint(value: JSValue) -> *mut PyObject {
    // SAFETY: as for `convert_steal`.
    unsafe {
        let context = state::context();
        let mut arguments = [value];
        let hex = qjs::JS_Call(
            context,
            (*state::state()).support.bigint_to_hex,
            JS_UNDEFINED,
            1,
            arguments.as_mut_ptr(),
        );
        let text = qjs::JS_ToCString(context, hex);
        if text.is_null() {
            qjs::JS_FreeValue(context, hex);
            error::raise();
            return ptr::null_mut();
        }
        let integer = ffi::PyLong_FromString(text, ptr::null_mut(), 16);
        qjs::JS_FreeCString(context, text);
        qjs::JS_FreeValue(context, hex);
        let class = (*state::state()).python.JsBigInt;
        if integer.is_null() || class.is_null() {
            return integer;
        }
        let result = ffi::PyObject_CallOneArg(class, integer);
        ffi::Py_DECREF(integer);
        result
    }
}
