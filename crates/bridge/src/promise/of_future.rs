//! The promise of an asyncio future: a callback of the future settles it.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use crate::pyproxy::iteration_of;
use crate::{error, lifetime, state, wake, words};

/// The two functions that settle a promise made for a Python future.
struct Resolvers {
    /// Resolve, reject; owned.
    functions: [JSValue; 2],
    /// The future is that of a step of an asynchronous iterator.
    is_step: bool,
}

impl Drop for Resolvers {
    fn drop(&mut self) {
        for function in self.functions {
            // SAFETY: dropped with the GIL by the capsule, on whatever thread.
            unsafe { lifetime::drop_value(function) };
        }
    }
}

const RESOLVERS: &std::ffi::CStr = c"isthmus.resolvers";

/// A promise for an asyncio future (borrowed). `JS_EXCEPTION` with a JavaScript exception set.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn promise_of(future: *mut PyObject) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe { settled_by(future, false) }
}

/// The same for the future of a step of an asynchronous iterator: of `{done, value}`, done after `StopAsyncIteration`.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn step_of(future: *mut PyObject) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe { settled_by(future, true) }
}

unsafe fn settled_by(future: *mut PyObject, is_step: bool) -> JSValue {
    // SAFETY: as the caller promises; the resolvers go to a capsule, the capsule to the callback.
    unsafe {
        let context = state::context();
        let mut functions = [JS_UNDEFINED; 2];
        let promise = qjs::JS_NewPromiseCapability(context, functions.as_mut_ptr());
        if qjs::JS_IsException(promise) {
            return promise;
        }
        let resolvers = Box::into_raw(Box::new(Resolvers { functions, is_step }));
        let capsule = ffi::PyCapsule_New(resolvers.cast(), RESOLVERS.as_ptr(), Some(drop_resolvers));
        if capsule.is_null() {
            drop(Box::from_raw(resolvers));
        }
        let callback = if capsule.is_null() {
            ptr::null_mut()
        } else {
            ffi::PyCFunction_NewEx((&raw const DONE.0).cast_mut(), capsule, ptr::null_mut())
        };
        ffi::Py_XDECREF(capsule);
        let mut added = ptr::null_mut();
        if !callback.is_null() {
            let watch = (*state::state()).watch;
            added = if watch.is_null() {
                words::call_one(future, &words::ADD_DONE_CALLBACK, callback)
            } else {
                let mut arguments = [future, callback];
                ffi::PyObject_Vectorcall(watch, arguments.as_mut_ptr(), 2, ptr::null_mut())
            };
            ffi::Py_DECREF(callback);
        }
        if added.is_null() {
            qjs::JS_FreeValue(context, promise);
            return error::throw();
        }
        ffi::Py_DECREF(added);
        promise
    }
}

struct Definition(ffi::PyMethodDef);
// SAFETY: only read, by the interpreter under the GIL.
unsafe impl Sync for Definition {}

static DONE: Definition = Definition(ffi::PyMethodDef {
    ml_name: c"settle_promise".as_ptr(),
    ml_meth: ffi::PyMethodDefPointer {
        PyCFunction: future_done,
    },
    ml_flags: ffi::METH_O,
    ml_doc: ptr::null(),
});

/// The functions (borrowed) that settle a promise, if that is what a capsule holds.
///
/// # Safety
/// The GIL is held, `capsule` is a capsule.
pub(crate) unsafe fn resolvers_of(capsule: *mut PyObject) -> Option<[JSValue; 2]> {
    // SAFETY: as the caller promises; the name tells what the pointer is.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, RESOLVERS.as_ptr()) == 0 {
            return None;
        }
        let resolvers = ffi::PyCapsule_GetPointer(capsule, RESOLVERS.as_ptr()).cast::<Resolvers>();
        resolvers.as_ref().map(|resolvers| resolvers.functions)
    }
}

unsafe extern "C" fn drop_resolvers(capsule: *mut PyObject) {
    // SAFETY: the capsule's destructor, called once with the pointer it was made with.
    unsafe {
        let pointer = ffi::PyCapsule_GetPointer(capsule, RESOLVERS.as_ptr()).cast::<Resolvers>();
        if !pointer.is_null() {
            drop(Box::from_raw(pointer));
        }
    }
}

/// The callback of a future that is done: settles the promise.
unsafe extern "C" fn future_done(capsule: *mut PyObject, future: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the event loop with the GIL; the capsule is ours.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return ptr::null_mut();
        }
        let resolvers = ffi::PyCapsule_GetPointer(capsule, RESOLVERS.as_ptr()).cast::<Resolvers>();
        if resolvers.is_null() {
            return ptr::null_mut();
        }
        let context = state::context();
        let result = words::call_none(future, &words::RESULT);
        let is_step = (*resolvers).is_step;
        let (mut value, mut function) = if result.is_null() {
            if is_step && ffi::PyErr_Occurred() == ffi::PyExc_StopAsyncIteration {
                ffi::PyErr_Clear();
                (iteration_of(true, JS_UNDEFINED), (*resolvers).functions[0])
            } else {
                (error::pending_as_value(), (*resolvers).functions[1])
            }
        } else {
            let mut value = crate::python2js::convert(result);
            lifetime::release_object(result);
            if is_step && !qjs::JS_IsException(value) {
                value = iteration_of(false, value);
            }
            (value, (*resolvers).functions[0])
        };
        if qjs::JS_IsException(value) {
            (value, function) = (qjs::JS_GetException(context), (*resolvers).functions[1]);
        }
        let mut arguments = [value];
        let done = qjs::JS_Call(context, function, JS_UNDEFINED, 1, arguments.as_mut_ptr());
        qjs::JS_FreeValue(context, value);
        if qjs::JS_IsException(done) {
            error::discard();
        }
        qjs::JS_FreeValue(context, done);
        wake::if_pending();
        ffi::Py_INCREF(ffi::Py_None());
        ffi::Py_None()
    }
}
