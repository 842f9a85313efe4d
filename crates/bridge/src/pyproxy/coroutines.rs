//! Coroutine functions behind proxies: their coroutines begin to run when JavaScript calls them, and in which context.

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use rquickjs::qjs::JSValue;

use super::{Cell, cell_of, is_callable, source};
use crate::lifetime::Held;
use crate::{member, state};

/// Has the coroutines of calls of a proxy (borrowed; anything else is left alone) run in the context of this moment, all
/// in the same one: what one call sets the next one sees, as in the callbacks of a stream. Only where the object is a
/// coroutine function. `Err` with a Python exception set.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn keep_context(value: JSValue) -> Result<(), ()> {
    // SAFETY: as the caller promises; the cell is alive with its value, and looked at again after the call.
    unsafe {
        let Some(cell) = cell_of(value) else { return Ok(()) };
        let task_context = (*state::state()).python.task_context;
        if !is_callable(cell) || (*cell).object.is_null() || task_context.is_null() {
            return Ok(());
        }
        // Nearly every proxy is of something else, which is seen without a call of Python's.
        if !is_coroutine_function((*cell).object)? {
            return Ok(());
        }
        let context = ffi::PyObject_CallNoArgs(task_context);
        if context.is_null() {
            return Err(());
        }
        if context == ffi::Py_None() {
            ffi::Py_DECREF(context);
        } else {
            let old = std::mem::replace(&mut (*cell).context, context);
            ffi::Py_XDECREF(old);
        }
        Ok(())
    }
}

/// The context that a proxy's coroutines run in, if it is not the caller's.
pub(super) unsafe fn context_of(cell: *mut Cell) -> Option<Held> {
    // SAFETY: at home with the GIL, the cell alive.
    unsafe {
        let context = (*source(cell)).context;
        (!context.is_null()).then(|| Held::new(context))
    }
}

/// Whether calling an object gives a coroutine that should begin to run at once. `Err` with a Python exception set.
///
/// # Safety
/// At home with the GIL; `object` is borrowed.
pub(super) unsafe fn is_coroutine_function(object: *mut PyObject) -> Result<bool, ()> {
    // SAFETY: as the caller promises.
    unsafe {
        let ask = (*state::state()).python.is_coroutine_function;
        if ask.is_null() {
            return Ok(false);
        }
        if ffi::PyFunction_Check(object) != 0 {
            return Ok(flags_of(ffi::PyFunction_GetCode(object))? & i64::from(ffi::CO_COROUTINE) != 0);
        }
        let answer = ffi::PyObject_CallOneArg(ask, object);
        if answer.is_null() {
            return Err(());
        }
        let is = answer == ffi::Py_True();
        ffi::Py_DECREF(answer);
        Ok(is)
    }
}

/// `co_flags` of a code object, which CPython's C API shows in no other way.
unsafe fn flags_of(code: *mut PyObject) -> Result<i64, ()> {
    /// Where code objects keep it; guarded by the GIL.
    static PLACE: PyOnceLock<Option<usize>> = PyOnceLock::new();
    // SAFETY: under the GIL; a function always has a code object, which is borrowed of it and of the exact type whose
    // member descriptor has told the place.
    unsafe {
        let py = Python::assume_attached();
        let place = PLACE.get_or_init(py, || {
            let class = Bound::from_borrowed_ptr(py, ffi::Py_TYPE(code).cast());
            member::place_of(class.cast::<PyType>().ok()?, "co_flags", member::Kind::Int)
        });
        if let Some(place) = place {
            return Ok(i64::from(*code.cast::<u8>().add(*place).cast::<i32>()));
        }
        let flags = ffi::PyObject_GetAttrString(code, c"co_flags".as_ptr());
        if flags.is_null() {
            return Err(());
        }
        let number = ffi::PyLong_AsLong(flags);
        ffi::Py_DECREF(flags);
        // An int of C's that fits; -1 would be an error.
        if number == -1 { Err(()) } else { Ok(number) }
    }
}
