//! The functions `convert` and `cache` that converters receive.
//!
//! A converter may keep them, so they know their conversion by a number: once it ended they throw.

use std::ptr;

use rquickjs::qjs::{self, JS_UNDEFINED, JSContext, JSValue};

use super::conversion::{Conversion, Item};
use super::{Raised, checked};
use crate::state::Entry;
use crate::{error, pyproxy, state};

/// The conversions under way with their numbers, the innermost last. Guarded by the GIL.
static mut ACTIVE: Vec<(u32, *mut Conversion)> = Vec::new();
static mut LAST_NUMBER: u32 = 0;

/// The two functions of a conversion, and its registration.
pub(super) struct Callbacks {
    number: u32,
    /// `convert(object)`; owned.
    pub(super) convert: JSValue,
    /// `cache(object, value)`; owned.
    pub(super) cache: JSValue,
}

impl Callbacks {
    /// Makes the functions.
    ///
    /// # Safety
    /// At home with the GIL; `conversion` stays where it is until [`Callbacks::end`].
    pub(super) unsafe fn new(conversion: *mut Conversion) -> Result<Self, Raised> {
        // SAFETY: as the caller promises; the statics are guarded by the GIL.
        unsafe {
            LAST_NUMBER = LAST_NUMBER.wrapping_add(1) & 0x3FFF_FFFF;
            let number = LAST_NUMBER;
            let context = state::context();
            let function = |callback, name: &std::ffi::CStr, length| {
                checked(qjs::JS_NewCFunctionData2(
                    context,
                    Some(callback),
                    name.as_ptr(),
                    length,
                    number as i32,
                    0,
                    ptr::null_mut(),
                ))
            };
            let convert = function(convert as Function, c"convert", 1)?;
            let cache = match function(cache as Function, c"cacheConversion", 2) {
                Ok(cache) => cache,
                Err(raised) => {
                    qjs::JS_FreeValue(context, convert);
                    return Err(raised);
                }
            };
            let active = &raw mut ACTIVE;
            (*active).push((number, conversion));
            Ok(Self {
                number,
                convert,
                cache,
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

type Function =
    unsafe extern "C" fn(*mut JSContext, JSValue, i32, *mut JSValue, i32, *mut JSValue) -> JSValue;

/// The conversion a function belongs to; `Err` with a JavaScript exception set.
unsafe fn conversion(magic: i32) -> Result<*mut Conversion, JSValue> {
    // SAFETY: the static is guarded by the GIL; a conversion in the list is alive.
    unsafe {
        let active = &raw const ACTIVE;
        let found = (*active).iter().rev().find(|(number, _)| *number == magic as u32);
        match found {
            Some((_, conversion)) => Ok(*conversion),
            None => Err(error::throw_error(
                c"Error",
                c"The conversion that this function belongs to has ended",
            )),
        }
    }
}

/// `convert(x)`: the conversion of the object behind a PyProxy; other values come back as they are.
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
        let argument = *arguments;
        let Some(cell) = pyproxy::cell_of(argument) else {
            return qjs::JS_DupValue(context, argument);
        };
        let object = pyproxy::object_of(cell);
        if object.is_null() {
            return pyproxy::throw_destroyed(cell);
        }
        let conversion = match conversion(magic) {
            Ok(conversion) => conversion,
            Err(exception) => return exception,
        };
        let _entry = Entry::new();
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
unsafe extern "C" fn cache(
    context: *mut JSContext,
    _: JSValue,
    _: i32,
    arguments: *mut JSValue,
    magic: i32,
    _: *mut JSValue,
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
        match conversion(magic) {
            Ok(conversion) => {
                let value = qjs::JS_DupValue(context, *arguments.add(1));
                Conversion::remember_steal(conversion, object, value);
                JS_UNDEFINED
            }
            Err(exception) => exception,
        }
    }
}
