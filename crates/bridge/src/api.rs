//! What the `pyodide` object of JavaScript (`api.js`, `spec/ffi.md` §6) needs of the bridge. It is made when it is first
//! asked for; its behaviour is Python's (`isthmus._runtime.api`).

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_EXCEPTION, JS_UNDEFINED, JSContext, JSValue};

use crate::state::Entry;
use crate::{error, interrupt, js2python, jsproxy, lifetime, pyproxy, python2js, state, to_py};

const SOURCE: &[u8] = concat!(include_str!("api.js"), "\0").as_bytes();

type Native = unsafe fn(*mut JSContext, &[JSValue]) -> JSValue;

/// Name, number of arguments, function.
const FUNCTIONS: &[(&std::ffi::CStr, i32, Native)] = &[
    (c"toPy", 3, to_py),
    (c"setDebug", 1, set_debug),
    (c"setToStringRepr", 1, set_to_string_repr),
    (c"setInterruptBuffer", 1, set_interrupt_buffer),
    (c"checkInterrupt", 0, check_interrupt),
];

/// `pyodide_api(python)`: the `pyodide` object, whose behaviour are the attributes of `python`.
///
/// # Safety
/// A METH_O function, called by the interpreter.
pub(crate) unsafe extern "C" fn pyodide_api(_: *mut PyObject, python: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter; every value made here is freed or handed on once.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return ptr::null_mut();
        }
        let context = state::context();
        let function = qjs::JS_Eval(
            context,
            SOURCE.as_ptr().cast(),
            (SOURCE.len() - 1) as _,
            c"isthmus:api".as_ptr(),
            qjs::JS_EVAL_TYPE_GLOBAL as i32,
        );
        let behaviour = python2js::convert(python);
        if qjs::JS_IsException(behaviour) {
            qjs::JS_FreeValue(context, function);
            error::raise();
            return ptr::null_mut();
        }
        let support = &raw const (*state::state()).support;
        let mut arguments = [
            pyproxy::api::functions(
                context,
                FUNCTIONS.iter().map(|&(name, length, _)| (name, length)),
                dispatch,
            ),
            behaviour,
            (*support).classes,
        ];
        let made = qjs::JS_Call(
            context,
            function,
            JS_UNDEFINED,
            arguments.len() as i32,
            arguments.as_mut_ptr(),
        );
        qjs::JS_FreeValue(context, arguments[0]);
        qjs::JS_FreeValue(context, behaviour);
        qjs::JS_FreeValue(context, function);
        let result = js2python::convert_steal(made, JS_UNDEFINED);
        lifetime::safe_point_at_home();
        result
    }
}

unsafe extern "C" fn dispatch(
    context: *mut JSContext,
    _this: JSValue,
    count: i32,
    arguments: *mut JSValue,
    magic: i32,
    _: *mut JSValue,
) -> JSValue {
    // SAFETY: called by the engine at home with the GIL, which pads missing arguments with undefined up to the length.
    unsafe {
        let (_, length, function) = FUNCTIONS[magic as usize];
        let _entry = Entry::new();
        let length = count.max(length) as usize;
        let arguments = if length == 0 {
            &[]
        } else {
            std::slice::from_raw_parts(arguments, length)
        };
        function(context, arguments)
    }
}

/// `toPy(value, depth, converter)` of an object: its conversion, the object itself if it has none.
unsafe fn to_py(context: *mut JSContext, arguments: &[JSValue]) -> JSValue {
    // SAFETY: as for `dispatch`.
    unsafe {
        let mut depth = 0;
        if qjs::JS_ToInt64(context, &mut depth, arguments[1]) < 0 {
            return JS_EXCEPTION;
        }
        let converted = to_py::convert_deep_py(arguments[0], depth, arguments[2]);
        if converted.is_null() {
            return error::throw();
        }
        let value = if jsproxy::value_of(converted).is_some() {
            qjs::JS_DupValue(context, arguments[0])
        } else {
            python2js::convert(converted)
        };
        lifetime::release_object(converted);
        value
    }
}

unsafe fn set_debug(context: *mut JSContext, arguments: &[JSValue]) -> JSValue {
    // SAFETY: as for `dispatch`.
    unsafe {
        let debug = qjs::JS_ToBool(context, arguments[0]) > 0;
        let old = std::mem::replace(&mut (*state::state()).debug, debug);
        if old { qjs::JS_TRUE } else { qjs::JS_FALSE }
    }
}

unsafe fn set_to_string_repr(context: *mut JSContext, arguments: &[JSValue]) -> JSValue {
    // SAFETY: as for `dispatch`.
    unsafe {
        (*state::state()).to_string_repr = qjs::JS_ToBool(context, arguments[0]) > 0;
        JS_UNDEFINED
    }
}

unsafe fn set_interrupt_buffer(_: *mut JSContext, arguments: &[JSValue]) -> JSValue {
    // SAFETY: as for `dispatch`.
    unsafe { interrupt::set_buffer(arguments[0]) }
}

unsafe fn check_interrupt(_: *mut JSContext, _: &[JSValue]) -> JSValue {
    // SAFETY: as for `dispatch`.
    unsafe {
        interrupt::poll();
        if ffi::PyErr_CheckSignals() < 0 {
            return error::throw();
        }
        JS_UNDEFINED
    }
}
