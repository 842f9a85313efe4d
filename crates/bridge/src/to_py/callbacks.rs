//! The functions `convert` and `cache` that a default converter receives; they know their conversion by a number,
//! and throw once it ended.

use std::ptr;

use rquickjs::qjs::{self, JS_EXCEPTION, JS_UNDEFINED, JSContext, JSValue};

use super::Conversion;
use crate::state::Entry;
use crate::{error, pyproxy, python2js, state};

/// The conversions under way with their numbers, the innermost last. Guarded by the GIL.
static mut ACTIVE: Vec<(u32, *mut Conversion)> = Vec::new();
static mut LAST_NUMBER: u32 = 0;

/// The two functions of a conversion, and its registration.
pub(super) struct Callbacks {
    number: u32,
    /// `convert(value)`; owned.
    pub(super) convert: JSValue,
    /// `cache(value, object)`; owned.
    pub(super) cache: JSValue,
}

type Function =
    unsafe extern "C" fn(*mut JSContext, JSValue, i32, *mut JSValue, i32, *mut JSValue) -> JSValue;

impl Callbacks {
    /// Makes the functions; `None` with a Python exception set.
    ///
    /// # Safety
    /// At home with the GIL; `conversion` stays where it is until [`Callbacks::end`].
    pub(super) unsafe fn new(conversion: *mut Conversion) -> Option<Self> {
        // SAFETY: as the caller promises; the statics are guarded by the GIL.
        unsafe {
            LAST_NUMBER = LAST_NUMBER.wrapping_add(1) & 0x3FFF_FFFF;
            let number = LAST_NUMBER;
            let context = state::context();
            let function = |callback: Function, name: &std::ffi::CStr, length| {
                qjs::JS_NewCFunctionData2(
                    context,
                    Some(callback),
                    name.as_ptr(),
                    length,
                    number as i32,
                    0,
                    ptr::null_mut(),
                )
            };
            let functions = [
                function(convert, c"convert", 1),
                function(cache, c"cacheConversion", 2),
            ];
            if functions.iter().any(|&function| qjs::JS_IsException(function)) {
                for function in functions {
                    qjs::JS_FreeValue(context, function);
                }
                error::raise();
                return None;
            }
            let active = &raw mut ACTIVE;
            (*active).push((number, conversion));
            Some(Self {
                number,
                convert: functions[0],
                cache: functions[1],
            })
        }
    }

    /// Ends the registration and frees the functions.
    ///
    /// # Safety
    /// At home with the GIL.
    pub(super) unsafe fn end(self) {
        // SAFETY: as the caller promises.
        unsafe {
            let active = &raw mut ACTIVE;
            (*active).retain(|(number, _)| *number != self.number);
            qjs::JS_FreeValue(state::context(), self.convert);
            qjs::JS_FreeValue(state::context(), self.cache);
        }
    }
}

/// The conversion a function belongs to; `None` with a JavaScript exception set.
unsafe fn conversion(magic: i32) -> Option<*mut Conversion> {
    // SAFETY: the static is guarded by the GIL; a conversion in the list is alive.
    unsafe {
        let active = &raw const ACTIVE;
        let found = (*active).iter().rev().find(|(number, _)| *number == magic as u32);
        if found.is_none() {
            error::throw_error(
                c"Error",
                c"The conversion that this function belongs to has ended",
            );
        }
        found.map(|(_, conversion)| *conversion)
    }
}

/// `convert(x)`: the conversion of `x`, as a PyProxy if it has no value of its own in JavaScript.
unsafe extern "C" fn convert(
    context: *mut JSContext,
    _: JSValue,
    _: i32,
    arguments: *mut JSValue,
    magic: i32,
    _: *mut JSValue,
) -> JSValue {
    // SAFETY: called by the engine at home with the GIL; it pads the arguments up to the length, 1.
    unsafe {
        let Some(conversion) = conversion(magic) else {
            return JS_EXCEPTION;
        };
        let _entry = Entry::new();
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
unsafe extern "C" fn cache(
    _: *mut JSContext,
    _: JSValue,
    _: i32,
    arguments: *mut JSValue,
    magic: i32,
    _: *mut JSValue,
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
        let Some(conversion) = conversion(magic) else {
            return JS_EXCEPTION;
        };
        if qjs::JS_IsObject(*arguments) {
            Conversion::remember(conversion, *arguments, object);
        }
        JS_UNDEFINED
    }
}
