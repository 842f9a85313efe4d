//! Exceptions across the border (`spec/ffi.md` §2 "Thrown", §3 `PythonError`).
//!
//! A JavaScript error becomes a `JsException` that *is* its proxy; a Python exception a `PythonError` with the
//! formatted traceback as its message. An exception that comes home is the object that left.

use std::ffi::CStr;
use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_EXCEPTION, JS_UNDEFINED, JSValue};

use crate::{jsproxy, pyproxy, state, strings, traceback};

/// Raises the pending JavaScript exception in Python.
///
/// # Safety
/// At home with the GIL, a JavaScript exception pending.
#[cold]
#[inline(never)]
pub(crate) unsafe fn raise() {
    // SAFETY: as the caller promises.
    unsafe { raise_value_steal(qjs::JS_GetException(state::context())) }
}

/// Raises a JavaScript value (taken) in Python.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn raise_value_steal(thrown: JSValue) {
    // SAFETY: as the caller promises; `thrown` is consumed on every path.
    unsafe {
        let exception = exception_of(thrown);
        qjs::JS_FreeValue(state::context(), thrown);
        if !exception.is_null() {
            ffi::PyErr_SetObject(ffi::Py_TYPE(exception).cast(), exception);
            ffi::Py_DECREF(exception);
        }
    }
}

/// The Python exception for a thrown value (borrowed): the very exception that it came from, or a new
/// `JsException`. Null with another exception set if even that fails.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn exception_of(thrown: JSValue) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe {
        if let Some(original) = original_exception(thrown) {
            return original;
        }
        let context = state::context();
        let error = if jsproxy::flags::is_error(thrown) {
            qjs::JS_DupValue(context, thrown)
        } else {
            let mut arguments = [thrown];
            qjs::JS_Call(
                context,
                (*state::state()).support.describe_thrown,
                JS_UNDEFINED,
                1,
                arguments.as_mut_ptr(),
            )
        };
        if qjs::JS_IsException(error) {
            // Even describing it threw (out of memory, a hostile proxy): say that much.
            let again = qjs::JS_GetException(context);
            qjs::JS_FreeValue(context, again);
            ffi::PyErr_SetString(
                ffi::PyExc_RuntimeError,
                c"JavaScript threw a value that cannot be described".as_ptr(),
            );
            return ptr::null_mut();
        }
        jsproxy::new_exception_steal(error)
    }
}

/// A `PythonError` that comes home while its exception is still the last one: that exception.
unsafe fn original_exception(thrown: JSValue) -> Option<*mut PyObject> {
    // SAFETY: as for `exception_of`.
    unsafe {
        let state = state::state();
        if !qjs::JS_IsObject(thrown) {
            return None;
        }
        let context = (*state).context;
        if !qjs::JS_IsError(thrown) {
            return None;
        }
        let address = qjs::JS_GetProperty(context, thrown, (*state).atoms.error_address);
        if qjs::JS_IsException(address) {
            qjs::JS_FreeValue(context, qjs::JS_GetException(context));
            return None;
        }
        if !qjs::JS_IsNumber(address) {
            qjs::JS_FreeValue(context, address);
            return None;
        }
        let mut number = 0.0;
        qjs::JS_ToFloat64(context, &mut number, address);
        let last = traceback::last();
        if last.is_null() {
            return None;
        }
        if last as usize as f64 == number && ffi::PyExceptionInstance_Check(last) != 0 {
            return Some(last);
        }
        ffi::Py_DECREF(last);
        None
    }
}

/// Throws the pending Python exception in JavaScript; returns `JS_EXCEPTION` for the caller to return.
///
/// # Safety
/// At home with the GIL, a Python exception pending.
#[cold]
#[inline(never)]
pub(crate) unsafe fn throw() -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        let error = pending_as_value();
        if qjs::JS_IsException(error) {
            return JS_EXCEPTION;
        }
        qjs::JS_Throw(state::context(), error)
    }
}

/// The pending Python exception, cleared, as the JavaScript value to throw or to reject with.
///
/// # Safety
/// At home with the GIL, a Python exception pending.
pub(crate) unsafe fn pending_as_value() -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        ffi::PyErr_Fetch(&mut kind, &mut value, &mut trace);
        ffi::PyErr_NormalizeException(&mut kind, &mut value, &mut trace);
        if !trace.is_null() && !value.is_null() {
            ffi::PyException_SetTraceback(value, trace);
        }
        let error = if value.is_null() {
            make(c"InternalError", c"a Python function failed without an exception")
        } else {
            value_of_exception(value)
        };
        ffi::Py_XDECREF(kind);
        ffi::Py_XDECREF(value);
        ffi::Py_XDECREF(trace);
        error
    }
}

/// The JavaScript value for a Python exception (borrowed): the error inside a `JsException`, else a new
/// `PythonError`. `JS_EXCEPTION` with a JavaScript exception set if that fails.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn value_of_exception(exception: *mut PyObject) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        let context = state::context();
        if let Some(error) = jsproxy::value_of(exception) {
            return qjs::JS_DupValue(context, error);
        }
        let kept = traceback::keep(exception);
        let text = if kept.is_null() {
            formatted(exception)
        } else {
            ptr::null_mut()
        };
        traceback::remember(exception);
        let name = ffi::PyType_GetQualName(ffi::Py_TYPE(exception));
        ffi::PyErr_Clear();
        let kind = text_or_undefined(name);
        let address = qjs::JS_NewFloat64(exception as usize as f64);
        if kept.is_null() {
            construct_steal([kind, text_or_undefined(text), address, JS_UNDEFINED, JS_UNDEFINED])
        } else {
            let proxy = pyproxy::new(kept, pyproxy::Origin::OWNED);
            ffi::Py_DECREF(kept);
            lazy_steal(kind, proxy, address)
        }
    }
}

/// A `PythonError` of constructor arguments it takes.
unsafe fn construct_steal(mut arguments: [JSValue; 5]) -> JSValue {
    // SAFETY: at home with the GIL.
    unsafe {
        let context = state::context();
        let class = (*state::state()).support.PythonError;
        let failed = arguments.iter().any(|&argument| qjs::JS_IsException(argument));
        let error = if failed {
            JS_EXCEPTION
        } else {
            qjs::JS_CallConstructor(context, class, arguments.len() as i32, arguments.as_mut_ptr())
        };
        for argument in arguments {
            qjs::JS_FreeValue(context, argument);
        }
        error
    }
}

/// A `PythonError` whose message is made of what `kept` is the proxy of when somebody reads it. Takes the values.
unsafe fn lazy_steal(kind: JSValue, kept: JSValue, address: JSValue) -> JSValue {
    // SAFETY: at home with the GIL.
    unsafe {
        let context = state::context();
        let state = state::state();
        if qjs::JS_IsException(kind) {
            qjs::JS_FreeValue(context, kept);
            return kind;
        }
        let key = qjs::JS_DupValue(context, (*state).support.python_error_key);
        let error = construct_steal([JS_UNDEFINED, JS_UNDEFINED, JS_UNDEFINED, key, kept]);
        if qjs::JS_IsException(error) {
            qjs::JS_FreeValue(context, kind);
            return error;
        }
        let accessors = [(*state).support.read_message, (*state).support.write_message]
            .map(|function| qjs::JS_DupValue(context, function));
        let hidden = qjs::JS_PROP_CONFIGURABLE as i32;
        let atoms = &raw const (*state).atoms;
        let defined = qjs::JS_DefinePropertyGetSet(
            context,
            error,
            (*atoms).message,
            accessors[0],
            accessors[1],
            hidden,
        )
        .min(qjs::JS_DefinePropertyValue(
            context,
            error,
            (*atoms).type_,
            kind,
            qjs::JS_PROP_C_W_E as i32,
        ))
        .min(qjs::JS_DefinePropertyValue(
            context,
            error,
            (*atoms).error_address,
            address,
            hidden,
        ));
        if defined < 0 {
            qjs::JS_FreeValue(context, error);
            return JS_EXCEPTION;
        }
        error
    }
}

/// A str (taken, or null) as a JavaScript value.
unsafe fn text_or_undefined(text: *mut PyObject) -> JSValue {
    // SAFETY: at home with the GIL.
    unsafe {
        if text.is_null() {
            return JS_UNDEFINED;
        }
        let value = strings::to_javascript(text);
        ffi::Py_DECREF(text);
        value
    }
}

/// The formatted traceback of an exception (borrowed), a new reference; null if that fails.
unsafe fn formatted(exception: *mut PyObject) -> *mut PyObject {
    // SAFETY: at home with the GIL.
    unsafe {
        let format = (*state::state()).python.format_exception;
        if format.is_null() {
            ffi::PyObject_Str(exception)
        } else {
            ffi::PyObject_CallOneArg(format, exception)
        }
    }
}

/// A JavaScript error of the global class `class` with a message.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn make(class: &CStr, message: &CStr) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        let context = state::context();
        let mut arguments = [
            qjs::JS_NewStringLen(context, class.as_ptr(), class.count_bytes() as _),
            qjs::JS_NewStringLen(context, message.as_ptr(), message.count_bytes() as _),
        ];
        let error = qjs::JS_Call(
            context,
            (*state::state()).support.make_error,
            JS_UNDEFINED,
            2,
            arguments.as_mut_ptr(),
        );
        for argument in arguments {
            qjs::JS_FreeValue(context, argument);
        }
        error
    }
}

/// Throws an `Error` with this message in JavaScript.
///
/// # Safety
/// At home with the GIL.
#[cold]
pub(crate) unsafe fn throw_error(class: &CStr, message: &CStr) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        let error = make(class, message);
        if qjs::JS_IsException(error) {
            return JS_EXCEPTION;
        }
        qjs::JS_Throw(state::context(), error)
    }
}

/// Drops the pending JavaScript exception; returns whether there was one to drop.
///
/// # Safety
/// At home with the GIL.
#[cold]
pub(crate) unsafe fn discard() {
    // SAFETY: as the caller promises.
    unsafe { qjs::JS_FreeValue(state::context(), qjs::JS_GetException(state::context())) }
}

/// The message of an error (borrowed) for a text of our own, as `String(error)` gives it.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn describe(error: JSValue) -> String {
    // SAFETY: as the caller promises; `string` leaves no exception pending that we don't clear.
    unsafe {
        let context = state::context();
        let text = qjs::JS_ToString(context, error);
        if qjs::JS_IsException(text) {
            discard();
            return "an error that has no text".to_owned();
        }
        let python = strings::to_python(text);
        qjs::JS_FreeValue(context, text);
        let mut length = 0;
        let bytes = if python.is_null() {
            ptr::null()
        } else {
            ffi::PyUnicode_AsUTF8AndSize(python, &mut length)
        };
        let result = if bytes.is_null() {
            ffi::PyErr_Clear();
            "an error that has no text".to_owned()
        } else {
            String::from_utf8_lossy(std::slice::from_raw_parts(bytes.cast::<u8>(), length as usize))
                .into_owned()
        };
        ffi::Py_XDECREF(python);
        result
    }
}

/// The pending JavaScript exception of `ctx` as a Python one: for crates that call JavaScript through `rquickjs`.
///
/// # Panics
/// Off the home thread.
pub fn raise_pending(py: pyo3::Python<'_>, _ctx: &rquickjs::Ctx<'_>) -> pyo3::PyErr {
    // SAFETY: `py` proves the GIL, the assertion home.
    unsafe {
        assert!(
            state::at_home(),
            "the JavaScript engine belongs to another thread"
        );
        raise();
    }
    pyo3::PyErr::fetch(py)
}
