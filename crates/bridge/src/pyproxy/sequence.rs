//! What the array methods of mutable sequences need of Python.

use std::ptr;

use pyo3::ffi;
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use super::api::{Thrown, argument, checked, proxy_steal, steal};
use super::receiver;
use crate::{lifetime, state, to_js};

/// `native.method(proxy, name, ...arguments)`: calls a Python method of the object.
pub(super) unsafe fn method(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`; `converted` owns its references but for the first.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let name = argument(arguments[1])?;
        let mut converted = vec![receiver.as_ptr()];
        let mut failed = None;
        for &value in &arguments[2..] {
            match argument(value) {
                Ok(value) => converted.push(value),
                Err(thrown) => {
                    failed = Some(thrown);
                    break;
                }
            }
        }
        let result = if failed.is_none() {
            ffi::PyObject_VectorcallMethod(name, converted.as_mut_ptr(), converted.len(), ptr::null_mut())
        } else {
            ptr::null_mut()
        };
        ffi::Py_DECREF(name);
        for &value in &converted[1..] {
            ffi::Py_DECREF(value);
        }
        match failed {
            Some(thrown) => Err(thrown),
            None => steal(result),
        }
    }
}

/// `native.pop(sequence, first)`: the last or the first item, taken out; undefined if there is none.
pub(super) unsafe fn pop(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let sequence = receiver.as_ptr();
        let length = ffi::PyObject_Size(sequence);
        if length < 0 {
            return Err(Thrown::Python);
        }
        if length == 0 {
            return Ok(JS_UNDEFINED);
        }
        let first = qjs::JS_ToBool(state::context(), arguments[1]) == 1;
        let name = ffi::PyUnicode_InternFromString(c"pop".as_ptr());
        let index = ffi::PyLong_FromLong(0);
        let mut values = [sequence, index];
        let count = if first { 2 } else { 1 };
        let item = ffi::PyObject_VectorcallMethod(name, values.as_mut_ptr(), count, ptr::null_mut());
        ffi::Py_DECREF(index);
        ffi::Py_DECREF(name);
        steal(item)
    }
}

/// `native.splice(sequence, start, stop, items)`: replaces items and gives those taken out, as
/// `toJs({depth: 1})` has them.
pub(super) unsafe fn splice(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let context = state::context();
        let receiver = receiver(arguments[0])?;
        let sequence = receiver.as_ptr();
        let length = ffi::PyObject_Size(sequence);
        if length < 0 {
            return Err(Thrown::Python);
        }
        let mut range = [0; 2];
        for (number, &value) in range.iter_mut().zip(&arguments[1..3]) {
            if qjs::JS_ToInt64(context, number, value) < 0 {
                return Err(Thrown::JavaScript);
            }
        }
        let [start, stop] = range.map(|number| number.clamp(0, length as i64) as isize);
        let removed = ffi::PySequence_GetSlice(sequence, start, stop);
        if removed.is_null() {
            return Err(Thrown::Python);
        }
        let added = argument(arguments[3]);
        let done = match &added {
            Ok(added) => ffi::PySequence_SetSlice(sequence, start, stop, *added),
            Err(_) => -1,
        };
        if let Ok(added) = added {
            ffi::Py_DECREF(added);
        }
        if done < 0 {
            lifetime::release_object(removed);
            return Err(Thrown::Python);
        }
        let options = to_js::Options {
            depth: 1,
            ..to_js::Options::DEFAULT
        };
        let result = to_js::convert_deep(removed, &options);
        lifetime::release_object(removed);
        checked(result)
    }
}

/// `native.compareKey(compare)`: what Python's `sort` takes as `key`, in a proxy.
pub(super) unsafe fn compare_key(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let compare = argument(arguments[0])?;
        let key = ffi::PyObject_CallOneArg((*state::state()).python.compare_key, compare);
        ffi::Py_DECREF(compare);
        proxy_steal(key)
    }
}
