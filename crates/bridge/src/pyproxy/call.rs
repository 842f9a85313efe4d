//! Calling Python from JavaScript.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_EXCEPTION, JS_UNDEFINED, JSValue};

use super::api::{Thrown, checked, start};
use super::coroutines::{context_of, is_coroutine_function};
use super::{Cell, Context, Origin, bound, cell_of, features, object_of, receiver, throw_destroyed};
use crate::lifetime::{self, Held};
use crate::state::Entry;
use crate::{error, js2python, own_properties, python2js, state};

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
        let object = object_of(cell);
        if object.is_null() {
            return throw_destroyed(cell);
        }
        let Ok(_entry) = Entry::checked() else {
            return JS_EXCEPTION;
        };
        // The proxy may be destroyed during the call: the callable must outlive it, and its context.
        let _held = Held::new(object);
        let context = context_of(cell);
        let arguments = std::slice::from_raw_parts(
            if count == 0 {
                ptr::NonNull::dangling().as_ptr()
            } else {
                arguments
            },
            count as usize,
        );
        let result = if (*cell).origin.capture_this || (*cell).bound.is_some() {
            let all = bound::arguments(cell, this, arguments);
            let result = invoke(object, &all);
            free_all(&all);
            result
        } else {
            invoke(object, arguments)
        };
        if result.is_null() {
            return error::throw();
        }
        result_steal(object, result, context.as_ref())
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

/// Converts a result it takes. The coroutine of a coroutine function begins to run at once, in the context that is given.
///
/// # Safety
/// At home with the GIL; `function` is what was called.
#[inline(always)]
pub(super) unsafe fn result_steal(
    function: *mut PyObject,
    result: *mut PyObject,
    context: Option<&Held>,
) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        if ffi::Py_TYPE(result) == &raw mut ffi::PyCoro_Type {
            return coroutine_steal(function, result, context);
        }
        let value = python2js::convert(result);
        lifetime::release_object(result);
        value
    }
}

#[inline(never)]
unsafe fn coroutine_steal(function: *mut PyObject, result: *mut PyObject, context: Option<&Held>) -> JSValue {
    // SAFETY: as for `result_steal`.
    unsafe {
        let value = python2js::convert(result);
        lifetime::release_object(result);
        let Some(cell) = cell_of(value) else {
            return value;
        };
        let started = match is_coroutine_function(function) {
            Ok(false) => return value,
            Ok(true) => start(cell, context),
            Err(()) => {
                error::throw();
                Err(())
            }
        };
        match started {
            Ok(promise) => qjs::JS_FreeValue(state::context(), promise),
            Err(()) => {
                qjs::JS_FreeValue(state::context(), value);
                return JS_EXCEPTION;
            }
        }
        value
    }
}

unsafe fn free_all(values: &[JSValue]) {
    for &value in values {
        // SAFETY: at home; the caller owns them.
        unsafe { qjs::JS_FreeValue(state::context(), value) };
    }
}

/// The elements of an array of our own making; owned.
unsafe fn elements(array: JSValue) -> Result<Vec<JSValue>, Thrown> {
    // SAFETY: at home with the GIL.
    unsafe {
        let context = state::context();
        let mut length = 0;
        if qjs::JS_GetLength(context, array, &mut length) < 0 {
            return Err(Thrown::JavaScript);
        }
        let mut all = Vec::new();
        for index in 0..length {
            let value = qjs::JS_GetPropertyInt64(context, array, index);
            if qjs::JS_IsException(value) {
                free_all(&all);
                return Err(Thrown::JavaScript);
            }
            all.push(value);
        }
        Ok(all)
    }
}

/// `native.callBound(proxy, this, arguments)`: what `call` and `apply` do.
pub(super) unsafe fn with_this(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let given = elements(arguments[2])?;
        let all = bound::arguments(receiver.cell, arguments[1], &given);
        free_all(&given);
        let context = context_of(receiver.cell);
        let result = invoke(receiver.as_ptr(), &all);
        free_all(&all);
        if result.is_null() {
            return Err(Thrown::Python);
        }
        checked(result_steal(receiver.as_ptr(), result, context.as_ref()))
    }
}

/// `native.bind(proxy, this, arguments)`: a twin that adds them.
pub(super) unsafe fn bind(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let cell = receiver.cell;
        let given = elements(arguments[2])?;
        let bound = bound::Bound::over(cell, arguments[1], &given);
        free_all(&given);
        let origin = (*cell).origin;
        checked(super::twin(
            receiver.value,
            cell,
            (*cell).features,
            origin,
            Some(Box::new(bound)),
        ))
    }
}

/// `native.captureThis(proxy)`: a twin that passes `this`.
pub(super) unsafe fn capture_this(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let cell = receiver.cell;
        let origin = Origin {
            capture_this: true,
            ..(*cell).origin
        };
        let bound = (*cell).bound.as_deref().map(|bound| Box::new(bound.duplicate()));
        checked(super::twin(receiver.value, cell, (*cell).features, origin, bound))
    }
}

/// `native.call(proxy, arguments, named, relaxed, promising)`.
pub(super) unsafe fn with_options(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let context = state::context();
        let receiver = receiver(arguments[0])?;
        let (cell, object) = (receiver.cell, receiver.as_ptr());
        if (*cell).features & features::CALLABLE == 0 {
            return Err(error::throw_error(c"TypeError", c"the Python object is not callable").into());
        }
        let kept = context_of(cell);
        let positional = tuple_of(arguments[1]);
        let named = if positional.is_null() {
            ptr::null_mut()
        } else {
            dict_of(arguments[2])
        };
        let result = if named.is_null() {
            ptr::null_mut()
        } else {
            let relaxed = qjs::JS_ToBool(context, arguments[3]) == 1;
            let promising = qjs::JS_ToBool(context, arguments[4]) == 1;
            if relaxed || promising {
                let helper = (*state::state()).python.call_with;
                let flags =
                    [relaxed, promising].map(|flag| if flag { ffi::Py_True() } else { ffi::Py_False() });
                let mut values = [object, positional, named, flags[0], flags[1]];
                ffi::PyObject_Vectorcall(helper, values.as_mut_ptr(), values.len(), ptr::null_mut())
            } else {
                ffi::PyObject_Call(object, positional, named)
            }
        };
        ffi::Py_XDECREF(positional);
        ffi::Py_XDECREF(named);
        if result.is_null() {
            return Err(Thrown::Python);
        }
        checked(result_steal(object, result, kept.as_ref()))
    }
}

/// A tuple of the elements of a JavaScript array.
unsafe fn tuple_of(array: JSValue) -> *mut PyObject {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let context = state::context();
        let mut length = 0;
        if qjs::JS_GetLength(context, array, &mut length) < 0 {
            error::raise();
            return ptr::null_mut();
        }
        let tuple = ffi::PyTuple_New(length as isize);
        if tuple.is_null() {
            return tuple;
        }
        for index in 0..length {
            let item =
                js2python::convert_steal(qjs::JS_GetPropertyInt64(context, array, index), JS_UNDEFINED);
            if item.is_null() {
                ffi::Py_DECREF(tuple);
                return item;
            }
            ffi::PyTuple_SetItem(tuple, index as isize, item);
        }
        tuple
    }
}

/// A dict of the own enumerable string properties of a JavaScript object; empty for undefined.
unsafe fn dict_of(object: JSValue) -> *mut PyObject {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let dict = ffi::PyDict_New();
        if !qjs::JS_IsObject(object) {
            return dict;
        }
        let context = state::context();
        own_properties::fill_steal(
            dict,
            object,
            || (),
            |value| js2python::convert_steal(value, JS_UNDEFINED),
            |atom| js2python::convert_steal(qjs::JS_AtomToString(context, atom), JS_UNDEFINED),
        )
    }
}
