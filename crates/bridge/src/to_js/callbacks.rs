//! The functions `convert` and `cache` of a conversion to JavaScript.

use rquickjs::qjs::{self, JS_EXCEPTION, JS_UNDEFINED, JSContext, JSValue};

use super::Raised;
use super::conversion::{Conversion, Item};
use crate::converters::conversion;
use crate::state::Entry;
use crate::{error, pyproxy};

/// `convert(x)`: the conversion of the object behind a PyProxy; other values come back as they are.
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
        let argument = *arguments;
        let Some(cell) = pyproxy::cell_of(argument) else {
            return qjs::JS_DupValue(context, argument);
        };
        let object = pyproxy::object_of(cell);
        if object.is_null() {
            return pyproxy::throw_destroyed(cell);
        }
        let Some(conversion) = conversion::<Conversion>(data) else {
            return JS_EXCEPTION;
        };
        let Ok(_entry) = Entry::checked() else {
            return JS_EXCEPTION;
        };
        pyo3::ffi::Py_INCREF(object);
        let result = Conversion::value(conversion, object);
        pyo3::ffi::Py_DECREF(object);
        match result {
            Ok(Item::Value(value)) => value,
            Ok(Item::UnderWay(_)) => JS_UNDEFINED,
            Err(Raised) => error::throw(),
        }
    }
}

/// `cache(x, value)`: from now on the object behind the PyProxy `x` converts to `value`.
pub(super) unsafe extern "C" fn cache(
    context: *mut JSContext,
    _: JSValue,
    _: i32,
    arguments: *mut JSValue,
    _: i32,
    data: *mut JSValue,
) -> JSValue {
    // SAFETY: as for `convert`; the length is 2.
    unsafe {
        let Some(cell) = pyproxy::cell_of(*arguments) else {
            return error::throw_error(
                c"TypeError",
                c"The first argument to cacheConversion must be a PyProxy.",
            );
        };
        let object = pyproxy::object_of(cell);
        if object.is_null() {
            return pyproxy::throw_destroyed(cell);
        }
        let Some(conversion) = conversion::<Conversion>(data) else {
            return JS_EXCEPTION;
        };
        let value = qjs::JS_DupValue(context, *arguments.add(1));
        Conversion::remember_steal(conversion, object, value);
        JS_UNDEFINED
    }
}
