//! Calling Python from JavaScript.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_EXCEPTION, JSValue};

use super::{Cell, Context, Message, ONCE_CALLED, end, throw_destroyed};
use crate::lifetime::{self, Held};
use crate::state::Entry;
use crate::{error, js2python, python2js, state};

/// Arguments up to this number need no allocation.
const INLINE: usize = 8;

/// The class's `call`: `f(...)` where `f` is the PyProxy of a callable.
pub(super) unsafe extern "C" fn call(
    _: Context,
    function: JSValue,
    this: JSValue,
    count: i32,
    arguments: *mut JSValue,
    _: i32,
) -> JSValue {
    // SAFETY: called by the engine at home under the GIL; `function` is of our class and alive during the call.
    unsafe {
        let cell = qjs::JS_GetOpaque(function, (*state::state()).pyproxy_function_class).cast::<Cell>();
        let object = (*cell).object;
        if object.is_null() {
            return throw_destroyed(cell);
        }
        let Ok(_entry) = Entry::checked() else {
            return JS_EXCEPTION;
        };
        // The proxy may be destroyed during the call: the callable must outlive it.
        let _held = Held::new(object);
        let origin = (*cell).origin;
        if origin.once {
            end(cell, Message::Fixed(ONCE_CALLED));
        }
        let arguments = std::slice::from_raw_parts(
            if count == 0 {
                ptr::NonNull::dangling().as_ptr()
            } else {
                arguments
            },
            count as usize,
        );
        let result = if origin.capture_this {
            let mut with_this = Vec::with_capacity(arguments.len() + 1);
            with_this.push(this);
            with_this.extend_from_slice(arguments);
            invoke(object, &with_this)
        } else {
            invoke(object, arguments)
        };
        if result.is_null() {
            return error::throw();
        }
        result_steal(object, result)
    }
}

/// Calls `object` with converted arguments; null with a Python exception set.
#[inline(always)]
unsafe fn invoke(object: *mut PyObject, arguments: &[JSValue]) -> *mut PyObject {
    // SAFETY: as for `call`. Slot 0 is left free for CPython's use (PY_VECTORCALL_ARGUMENTS_OFFSET).
    unsafe {
        let mut inline = [ptr::null_mut(); INLINE + 1];
        let mut spilled = Vec::new();
        let slots: &mut [*mut PyObject] = if arguments.len() <= INLINE {
            &mut inline
        } else {
            spilled.resize(arguments.len() + 1, ptr::null_mut());
            &mut spilled
        };
        let mut converted = 0;
        for &argument in arguments {
            let object = js2python::convert(argument);
            if object.is_null() {
                break;
            }
            converted += 1;
            slots[converted] = object;
        }
        let result = if converted == arguments.len() {
            ffi::PyObject_Vectorcall(
                object,
                slots.as_ptr().add(1),
                converted | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                ptr::null_mut(),
            )
        } else {
            ptr::null_mut()
        };
        for &argument in &slots[1..=converted] {
            ffi::Py_DECREF(argument);
        }
        result
    }
}

/// Converts a result it takes. The coroutine of a coroutine function begins to run at once.
///
/// # Safety
/// At home with the GIL; `function` is what was called.
#[inline(always)]
pub(super) unsafe fn result_steal(function: *mut PyObject, result: *mut PyObject) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        if ffi::Py_TYPE(result) == &raw mut ffi::PyCoro_Type {
            return coroutine_steal(function, result);
        }
        let value = python2js::convert(result);
        lifetime::release_object(result);
        value
    }
}

#[inline(never)]
unsafe fn coroutine_steal(function: *mut PyObject, result: *mut PyObject) -> JSValue {
    // SAFETY: as for `result_steal`.
    unsafe {
        let value = python2js::convert(result);
        lifetime::release_object(result);
        if qjs::JS_IsException(value) {
            return value;
        }
        let python = &raw const (*state::state()).python;
        if !(*python).is_coroutine_function.is_null() {
            let answer = ffi::PyObject_CallOneArg((*python).is_coroutine_function, function);
            let starts = answer == ffi::Py_True();
            ffi::Py_XDECREF(answer);
            if answer.is_null() || (starts && super::api::start(value).is_err()) {
                qjs::JS_FreeValue(state::context(), value);
                if !ffi::PyErr_Occurred().is_null() {
                    return error::throw();
                }
                return JS_EXCEPTION;
            }
        }
        value
    }
}
