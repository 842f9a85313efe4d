//! The functions `convert` and `cache` of a conversion to Python.

use rquickjs::qjs::{self, JS_EXCEPTION, JS_UNDEFINED, JSContext, JSValue};

use super::Conversion;
use crate::converters::conversion;
use crate::state::Entry;
use crate::{error, pyproxy, python2js};

/// `convert(x)`: the conversion of `x`, as a PyProxy if it has no value of its own in JavaScript.
pub(super) unsafe extern "C" fn convert(
    context: *mut JSContext,
    _: JSValue,
    _: i32,
    arguments: *mut JSValue,
    _: i32,
    data: *mut JSValue,
) -> JSValue {
    // SAFETY: called by the engine at home with the GIL; it pads the arguments up to the length, 1.
    unsafe {
        let Some(conversion) = conversion::<Conversion>(data) else {
            return JS_EXCEPTION;
        };
        let Ok(_entry) = Entry::checked() else {
            return JS_EXCEPTION;
        };
        let object = Conversion::value_steal(conversion, qjs::JS_DupValue(context, *arguments));
        if object.is_null() {
            return error::throw();
        }
        let value = python2js::convert(object);
        pyo3::ffi::Py_DECREF(object);
        value
    }
}

/// `cache(x, object)`: from now on `x` converts to the object behind the PyProxy.
pub(super) unsafe extern "C" fn cache(
    _: *mut JSContext,
    _: JSValue,
    _: i32,
    arguments: *mut JSValue,
    _: i32,
    data: *mut JSValue,
) -> JSValue {
    // SAFETY: as for `convert`; the length is 2.
    unsafe {
        let Some(cell) = pyproxy::cell_of(*arguments.add(1)) else {
            return error::throw_error(c"Error", c"Second argument should be a PyProxy!");
        };
        let object = pyproxy::object_of(cell);
        if object.is_null() {
            return pyproxy::throw_destroyed(cell);
        }
        let Some(conversion) = conversion::<Conversion>(data) else {
            return JS_EXCEPTION;
        };
        if qjs::JS_IsObject(*arguments) {
            Conversion::remember(conversion, *arguments, object);
        }
        JS_UNDEFINED
    }
}
