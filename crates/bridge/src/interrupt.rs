//! `pyodide.setInterruptBuffer`: signals by writing their number into a typed array.
//!
//! The array is looked at by `checkInterrupt` and at every safe point, hence after each call that Python made into
//! JavaScript: nobody else than JavaScript writes there. While there is a buffer, `dropped_values` is never empty
//! (it holds an undefined), so that the safe point takes its slow way; without one it costs nothing.

use pyo3::ffi;
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use crate::{error, state};

/// Signal numbers are below this.
const SIGNALS: i64 = 65;

/// Takes a typed array (borrowed) as the buffer, none for a false value; returns undefined or throws TypeError.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn set_buffer(buffer: JSValue) -> JSValue {
    // SAFETY: as the caller promises; the old buffer is freed once it is out of the state.
    unsafe {
        let state = state::state();
        let context = (*state).context;
        let fresh = if qjs::JS_ToBool(context, buffer) <= 0 {
            JS_UNDEFINED
        } else if qjs::JS_GetTypedArrayType(buffer) < 0 {
            return error::throw_error(c"TypeError", c"the interrupt buffer must be a typed array");
        } else {
            qjs::JS_DupValue(context, buffer)
        };
        let old = std::mem::replace(&mut (*state).interrupt_buffer, fresh);
        qjs::JS_FreeValue(context, old);
        arm();
        JS_UNDEFINED
    }
}

/// Has the next safe point look at the buffer, if there is one.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn arm() {
    // SAFETY: as the caller promises.
    unsafe {
        let state = state::state();
        if !qjs::JS_IsUndefined((*state).interrupt_buffer) {
            (*state).dropped_values.push(JS_UNDEFINED);
        }
    }
}

/// Takes the number out of the buffer, if there is one; if it is a signal's, Python handles that at its next opportunity:
/// SIGINT raises KeyboardInterrupt, a signal without a handler in Python does nothing.
///
/// # Safety
/// At home with the GIL. Runs no foreign code.
pub(crate) unsafe fn poll() {
    // SAFETY: as the caller promises. Elements of a typed array are read and written without user code; those of a
    // detached one are undefined.
    unsafe {
        let state = state::state();
        let (context, buffer) = ((*state).context, (*state).interrupt_buffer);
        if qjs::JS_IsUndefined(buffer) {
            return;
        }
        let element = qjs::JS_GetPropertyUint32(context, buffer, 0);
        let is_big = matches!(
            qjs::JS_VALUE_GET_TAG(element),
            qjs::JS_TAG_BIG_INT | qjs::JS_TAG_SHORT_BIG_INT
        );
        let mut number = 0;
        let read = if is_big {
            qjs::JS_ToBigInt64(context, &mut number, element)
        } else {
            qjs::JS_ToInt64(context, &mut number, element)
        };
        qjs::JS_FreeValue(context, element);
        if read < 0 {
            error::discard();
            return;
        }
        if number == 0 {
            return;
        }
        let zero = if is_big {
            qjs::JS_NewBigInt64(context, 0)
        } else {
            qjs::JS_MKVAL(qjs::JS_TAG_INT, 0)
        };
        if qjs::JS_SetPropertyUint32(context, buffer, 0, zero) < 0 {
            error::discard();
        }
        if (1..SIGNALS).contains(&number) {
            ffi::PyErr_SetInterruptEx(number as i32);
        }
    }
}
