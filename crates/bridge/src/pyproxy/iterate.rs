//! Iterators and generators behind the methods of PyProxies.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_FALSE, JS_TRUE, JSValue};

use super::api::{Thrown, argument, awaited_steal, proxy_steal, steal, step_steal};
use super::{cell_of, items, receiver};
use crate::state;

pub(super) unsafe fn iterator(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let object = receiver.as_ptr();
        proxy_steal(ffi::PyObject_GetIter(object))
    }
}

/// `native.step(iterator, adapter)`: `{value}`, undefined at the end.
pub(super) unsafe fn step(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let iterator = receiver(arguments[0])?;
        let item = ffi::PyIter_Next(iterator.as_ptr());
        if item.is_null() {
            return if ffi::PyErr_Occurred().is_null() {
                Ok(qjs::JS_UNDEFINED)
            } else {
                Err(Thrown::Python)
            };
        }
        let value = match cell_of(arguments[1]) {
            Some(adapter) => items::shown_steal(adapter, item).map_err(|()| Thrown::JavaScript)?,
            None => steal(item)?,
        };
        let object = qjs::JS_NewObject(state::context());
        qjs::JS_SetProperty(state::context(), object, (*state::state()).atoms.value, value);
        Ok(object)
    }
}

/// `{done, value}` of a value it takes.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn answer(done: bool, value: JSValue) -> JSValue {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let context = state::context();
        let atoms = &raw const (*state::state()).atoms;
        let object = qjs::JS_NewObject(context);
        qjs::JS_SetProperty(
            context,
            object,
            (*atoms).done,
            if done { JS_TRUE } else { JS_FALSE },
        );
        qjs::JS_SetProperty(context, object, (*atoms).value, value);
        object
    }
}

/// The `__next__` of an iterator that can't be sent anything otherwise.
#[inline(always)]
unsafe fn plain_next(object: *mut PyObject) -> Option<ffi::iternextfunc> {
    // SAFETY: the GIL is held, `object` is valid.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        let asynchronous = (*kind).tp_as_async;
        if (!asynchronous.is_null() && (*asynchronous).am_send.is_some()) || ffi::PyIter_Check(object) == 0 {
            return None;
        }
        (*kind).tp_iternext
    }
}

/// What an iterator returned that just gave no item: the value of its `StopIteration`, None without one; a new reference.
/// Null if it raised something else.
#[cold]
unsafe fn stop_value() -> *mut PyObject {
    // SAFETY: the GIL is held. A normalized exception of the class has its layout.
    unsafe {
        if ffi::PyErr_Occurred().is_null() {
            ffi::Py_INCREF(ffi::Py_None());
            return ffi::Py_None();
        }
        if ffi::PyErr_ExceptionMatches(ffi::PyExc_StopIteration) == 0 {
            return ptr::null_mut();
        }
        let (mut kind, mut raised, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        ffi::PyErr_Fetch(&mut kind, &mut raised, &mut trace);
        ffi::PyErr_NormalizeException(&mut kind, &mut raised, &mut trace);
        if ffi::PyObject_TypeCheck(raised, ffi::PyExc_StopIteration.cast()) == 0 {
            ffi::PyErr_Restore(kind, raised, trace);
            return ptr::null_mut();
        }
        let value = (*raised.cast::<ffi::PyStopIterationObject>()).value;
        let value = if value.is_null() { ffi::Py_None() } else { value };
        ffi::Py_INCREF(value);
        for reference in [kind, raised, trace] {
            ffi::Py_XDECREF(reference);
        }
        value
    }
}

/// One step of the iterator behind a PyProxy, `sent` (borrowed) being sent to it: whether it ended, and the item or
/// what it returned.
#[inline(always)]
pub(super) unsafe fn advance(proxy: JSValue, sent: JSValue) -> Result<(bool, JSValue), Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let receiver = receiver(proxy)?;
        let object = receiver.as_ptr();
        if qjs::JS_IsUndefined(sent)
            && let Some(next) = plain_next(object)
        {
            let item = next(object);
            if item.is_null() {
                return Ok((true, steal(stop_value())?));
            }
            return Ok((false, steal(item)?));
        }
        let mut result = ptr::null_mut();
        let outcome = if qjs::JS_IsUndefined(sent) {
            ffi::PyIter_Send(object, ffi::Py_None(), &mut result)
        } else {
            let sent = argument(sent)?;
            let outcome = ffi::PyIter_Send(object, sent, &mut result);
            ffi::Py_DECREF(sent);
            outcome
        };
        if outcome == ffi::PySendResult::PYGEN_ERROR {
            return Err(Thrown::Python);
        }
        Ok((outcome == ffi::PySendResult::PYGEN_RETURN, steal(result)?))
    }
}

/// `next(value)` of the PyProxy of an iterator. The order of the answer's properties is upstream's, which is why the
/// engine doesn't make it.
pub(super) unsafe fn next(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let (done, value) = advance(arguments[0], arguments[1])?;
        Ok(answer(done, value))
    }
}

/// Throws an exception (taken) into a generator; `escaped` is the result if `GeneratorExit` comes out again.
unsafe fn throw_into(
    object: *mut PyObject,
    exception: *mut PyObject,
    escaped: Option<JSValue>,
) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let name = ffi::PyUnicode_InternFromString(c"throw".as_ptr());
        let mut arguments = [object, exception];
        let result = ffi::PyObject_VectorcallMethod(name, arguments.as_mut_ptr(), 2, ptr::null_mut());
        ffi::Py_XDECREF(name);
        ffi::Py_DECREF(exception);
        if !result.is_null() {
            return Ok(answer(false, steal(result)?));
        }
        if ffi::PyErr_ExceptionMatches(ffi::PyExc_StopIteration) != 0 {
            let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
            ffi::PyErr_Fetch(&mut kind, &mut value, &mut trace);
            ffi::PyErr_NormalizeException(&mut kind, &mut value, &mut trace);
            let returned = ffi::PyObject_GetAttrString(value, c"value".as_ptr());
            ffi::Py_XDECREF(kind);
            ffi::Py_XDECREF(value);
            ffi::Py_XDECREF(trace);
            return Ok(answer(true, steal(returned)?));
        }
        if let Some(value) = escaped
            && ffi::PyErr_ExceptionMatches(ffi::PyExc_GeneratorExit) != 0
        {
            ffi::PyErr_Clear();
            return Ok(answer(true, qjs::JS_DupValue(state::context(), value)));
        }
        Err(Thrown::Python)
    }
}

pub(super) unsafe fn throw(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let object = receiver.as_ptr();
        let exception = argument(arguments[1])?;
        throw_into(object, exception, None)
    }
}

pub(super) unsafe fn return_(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let object = receiver.as_ptr();
        let exit = ffi::PyObject_CallNoArgs(ffi::PyExc_GeneratorExit);
        if exit.is_null() {
            return Err(Thrown::Python);
        }
        throw_into(object, exit, Some(arguments[1]))
    }
}

pub(super) unsafe fn async_iterator(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let object = receiver.as_ptr();
        proxy_steal(ffi::PyObject_GetAIter(object))
    }
}

/// A promise of the next `{done, value}`.
pub(super) unsafe fn async_next(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let sent = argument(arguments[1])?;
        let awaitable = awaitable(receiver.as_ptr(), (*state::state()).python.async_step, sent);
        step_steal(awaitable)
    }
}

/// A promise of what the generator gives next after an exception was thrown into it.
pub(super) unsafe fn async_throw(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let exception = argument(arguments[1])?;
        awaited(receiver.as_ptr(), (*state::state()).python.async_throw, exception)
    }
}

/// The same for `GeneratorExit`.
pub(super) unsafe fn async_return(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let exit = ffi::PyExc_GeneratorExit;
        ffi::Py_INCREF(exit);
        awaited(receiver.as_ptr(), (*state::state()).python.async_throw, exit)
    }
}

/// A promise of what the awaitable gives that `helper` makes of the iterator and a value it takes.
unsafe fn awaited(
    iterator: *mut PyObject,
    helper: *mut PyObject,
    value: *mut PyObject,
) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`.
    unsafe { awaited_steal(awaitable(iterator, helper, value)) }
}

/// That awaitable; null with an exception set.
unsafe fn awaitable(iterator: *mut PyObject, helper: *mut PyObject, value: *mut PyObject) -> *mut PyObject {
    // SAFETY: as for `api::dispatch`.
    unsafe {
        let mut values = [iterator, value];
        let awaitable = ffi::PyObject_Vectorcall(helper, values.as_mut_ptr(), 2, ptr::null_mut());
        ffi::Py_DECREF(value);
        awaitable
    }
}
