//! Iteration over JavaScript objects: the iterator protocol, and the short way for true arrays.

use std::os::raw::c_int;
use std::ptr;

use pyo3::ffi::{self, PyObject, PyTypeObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSAtom, JSValue};

use super::types::slot;
use super::{JsProxy, flags};
use crate::lifetime::{self, HeldValue};
use crate::{error, js2python, state, wake};

/// `tp_iter` of iterables.
pub(crate) unsafe extern "C" fn iter(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter with the GIL on an object of our layout, kept alive by the caller.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return ptr::null_mut();
        }
        let proxy = object.cast::<JsProxy>();
        let value = (*proxy).value;
        let atoms = &raw const (*state::state()).atoms;
        let _turn = wake::AtEnd::new();
        if (*proxy).flags & flags::ARRAY != 0 && has_array_iteration(value) {
            return array_iterator(value);
        }
        // A map iterates over its keys, as a dict does.
        const MAP: u32 = flags::HAS_GET | flags::HAS_LENGTH | flags::ITERABLE;
        let by = if (*proxy).flags & MAP == MAP && flags::method(value, (*atoms).keys) {
            (*atoms).keys
        } else {
            (*atoms).iterator
        };
        js2python::convert_steal(invoke(value, by), JS_UNDEFINED)
    }
}

/// Calls a method without arguments; the result is owned.
unsafe fn invoke(value: JSValue, name: JSAtom) -> JSValue {
    // SAFETY: as for `iter`.
    unsafe { qjs::JS_Invoke(state::context(), value, name, 0, ptr::null_mut()) }
}

/// Whether iterating over the array would call the engine's own `Array.prototype.values`.
unsafe fn has_array_iteration(array: JSValue) -> bool {
    // SAFETY: as for `iter`.
    unsafe {
        let context = state::context();
        let method = qjs::JS_GetProperty(context, array, (*state::state()).atoms.iterator);
        if qjs::JS_IsException(method) {
            error::discard();
            return false;
        }
        let own = qjs::JS_IsStrictEqual(context, method, (*state::state()).support.array_values);
        qjs::JS_FreeValue(context, method);
        own
    }
}

/// `tp_iter` of iterators that are no iterables.
pub(crate) unsafe extern "C" fn iter_self(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: a valid object.
    unsafe { ffi::Py_INCREF(object) };
    object
}

/// `tp_iternext`: calls `next()`; the end without an exception set.
pub(crate) unsafe extern "C" fn iternext(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: as for `iter`.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return ptr::null_mut();
        }
        let value = (*object.cast::<JsProxy>()).value;
        let mut sent = [JS_UNDEFINED];
        let next = (*state::state()).atoms.next;
        let result = qjs::JS_Invoke(state::context(), value, next, 1, sent.as_mut_ptr());
        match step_steal(result) {
            Step::Value(value) => {
                let item = js2python::convert_steal(value, JS_UNDEFINED);
                lifetime::safe_point_at_home();
                item
            }
            Step::Done(value) => {
                let _turn = wake::AtEnd::new();
                if !qjs::JS_IsUndefined(value) {
                    let result = js2python::convert_steal(value, JS_UNDEFINED);
                    if !result.is_null() {
                        stop_iteration(result);
                    }
                }
                ptr::null_mut()
            }
            Step::Failed => ptr::null_mut(),
        }
    }
}

/// Raises `StopIteration(result)`; takes the reference.
unsafe fn stop_iteration(result: *mut PyObject) {
    // SAFETY: the GIL is held. A tuple or exception must not be unpacked as arguments, so the instance is made here.
    unsafe {
        let stop = ffi::PyObject_CallOneArg(ffi::PyExc_StopIteration, result);
        ffi::Py_DECREF(result);
        if !stop.is_null() {
            ffi::PyErr_SetObject(ffi::PyExc_StopIteration, stop);
            ffi::Py_DECREF(stop);
        }
    }
}

/// What a call of `next` gave.
pub(crate) enum Step {
    /// An item; owned.
    Value(JSValue),
    /// The end and the value returned; owned.
    Done(JSValue),
    /// A Python exception is set.
    Failed,
}

/// Reads an iterator result it takes, with upstream's errors for malformed ones.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn step_steal(result: JSValue) -> Step {
    // SAFETY: as the caller promises.
    unsafe {
        let state = state::state();
        let context = (*state).context;
        if qjs::JS_IsException(result) {
            error::raise();
            return Step::Failed;
        }
        let callable = qjs::JS_IsFunction(context, result);
        if !qjs::JS_IsObject(result) || callable {
            let kind = if qjs::JS_IsNull(result) {
                c"null"
            } else {
                super::methods::type_of(result)
            };
            ffi::PyErr_Format(
                ffi::PyExc_TypeError,
                c"Result should have type \"object\" not \"%s\"".as_ptr(),
                kind.as_ptr(),
            );
            qjs::JS_FreeValue(context, result);
            return Step::Failed;
        }
        let done = qjs::JS_GetProperty(context, result, (*state).atoms.done);
        if qjs::JS_IsUndefined(done) {
            let text = if flags::method(result, (*state).atoms.then) {
                c"Result was a promise, use anext() / asend() / athrow() instead."
            } else {
                c"Result has no \"done\" field."
            };
            ffi::PyErr_SetString(ffi::PyExc_TypeError, text.as_ptr());
            qjs::JS_FreeValue(context, result);
            return Step::Failed;
        }
        if qjs::JS_IsException(done) {
            qjs::JS_FreeValue(context, result);
            error::raise();
            return Step::Failed;
        }
        let finished = qjs::JS_ToBool(context, done) == 1;
        qjs::JS_FreeValue(context, done);
        let value = qjs::JS_GetProperty(context, result, (*state).atoms.value);
        qjs::JS_FreeValue(context, result);
        if qjs::JS_IsException(value) {
            error::raise();
            return Step::Failed;
        }
        if finished {
            Step::Done(value)
        } else {
            Step::Value(value)
        }
    }
}

/// A Python iterator over a true array: what its iterator would give, without an object per step.
#[repr(C)]
struct ArrayIterator {
    base: PyObject,
    /// The array; owned, undefined once it is exhausted.
    array: JSValue,
    index: i64,
}

static mut ARRAY_ITERATOR: *mut PyTypeObject = ptr::null_mut();

/// Whether an object iterates over a true array.
///
/// # Safety
/// The GIL is held, `object` is valid.
pub(crate) unsafe fn is_array_iterator(object: *mut PyObject) -> bool {
    // SAFETY: as the caller promises; the static is guarded by the GIL.
    unsafe { ffi::Py_TYPE(object) == ARRAY_ITERATOR }
}

/// The array (borrowed) that an iterator over one holds.
///
/// # Safety
/// The GIL is held, [`is_array_iterator`].
pub(crate) unsafe fn array_of(iterator: *mut PyObject) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe { (*iterator.cast::<ArrayIterator>()).array }
}

unsafe fn array_iterator(array: JSValue) -> *mut PyObject {
    // SAFETY: as for `iter`; the static is guarded by the GIL.
    unsafe {
        if ARRAY_ITERATOR.is_null() {
            let mut slots = [
                slot(ffi::Py_tp_dealloc, array_dealloc as *const ()),
                slot(ffi::Py_tp_iter, iter_self as *const ()),
                slot(ffi::Py_tp_iternext, array_next as *const ()),
                ffi::PyType_Slot {
                    slot: 0,
                    pfunc: ptr::null_mut(),
                },
            ];
            let mut spec = ffi::PyType_Spec {
                name: c"pyodide.ffi.JsArrayIterator".as_ptr(),
                basicsize: size_of::<ArrayIterator>() as c_int,
                itemsize: 0,
                flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION) as u32,
                slots: slots.as_mut_ptr(),
            };
            ARRAY_ITERATOR = ffi::PyType_FromSpec(&mut spec).cast();
            if ARRAY_ITERATOR.is_null() {
                return ptr::null_mut();
            }
        }
        let object = ffi::PyType_GenericAlloc(ARRAY_ITERATOR, 0).cast::<ArrayIterator>();
        if !object.is_null() {
            (*object).array = qjs::JS_DupValue(state::context(), array);
            (*object).index = 0;
        }
        object.cast()
    }
}

unsafe extern "C" fn array_dealloc(object: *mut PyObject) {
    // SAFETY: called once by the interpreter on an object of this layout.
    unsafe {
        let array = (*object.cast::<ArrayIterator>()).array;
        let kind = ffi::Py_TYPE(object);
        if let Some(free) = (*kind).tp_free {
            free(object.cast());
        }
        lifetime::drop_value(array);
        ffi::Py_DECREF(kind.cast());
    }
}

unsafe extern "C" fn array_next(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: as for `iter`.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return ptr::null_mut();
        }
        let iterator = object.cast::<ArrayIterator>();
        let array = (*iterator).array;
        if qjs::JS_IsUndefined(array) {
            return ptr::null_mut();
        }
        let context = state::context();
        // A getter may come back to this iterator and exhaust it.
        let _alive = HeldValue::new(array);
        let item = qjs::JS_GetPropertyInt64(context, array, (*iterator).index);
        // Undefined may be an element or the end: only then the length is asked for.
        if qjs::JS_IsUndefined(item) {
            let mut length = 0;
            if qjs::JS_GetLength(context, array, &mut length) < 0 {
                error::raise();
                return ptr::null_mut();
            }
            if (*iterator).index >= length {
                let array = std::mem::replace(&mut (*iterator).array, JS_UNDEFINED);
                qjs::JS_FreeValue(context, array);
                return ptr::null_mut();
            }
        }
        (*iterator).index += 1;
        js2python::convert_steal(item, JS_UNDEFINED)
    }
}
