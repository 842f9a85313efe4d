//! The functions `convert` and `cache` that the converters of deep conversions receive.
//!
//! A converter may keep them, so they know their conversion by a number: once it ended they throw.

use std::ffi::{CStr, c_void};

use rquickjs::qjs::{self, JSContext, JSValue};

use crate::{error, state};

/// A native function with the number of its conversion as its one datum (of `magic` the engine keeps 16 bits).
pub(crate) type Function =
    unsafe extern "C" fn(*mut JSContext, JSValue, i32, *mut JSValue, i32, *mut JSValue) -> JSValue;

/// The conversions under way with their numbers, the innermost last. Guarded by the GIL.
static mut ACTIVE: Vec<(i32, *mut c_void)> = Vec::new();
static mut LAST_NUMBER: i32 = 0;

/// The two functions of a conversion, and its registration.
pub(crate) struct Converters {
    number: i32,
    /// Owned.
    pub(crate) convert: JSValue,
    /// Owned.
    pub(crate) cache: JSValue,
}

impl Converters {
    /// Makes the functions, of one and two arguments. `Err` with a JavaScript exception set.
    ///
    /// # Safety
    /// At home with the GIL; `conversion` stays where it is until [`Converters::end`], and the functions ask
    /// [`conversion`] for its type.
    pub(crate) unsafe fn new<T>(conversion: *mut T, convert: Function, cache: Function) -> Result<Self, ()> {
        // SAFETY: as the caller promises; the statics are guarded by the GIL.
        unsafe {
            LAST_NUMBER = (LAST_NUMBER + 1) & 0x3FFF_FFFF;
            let number = LAST_NUMBER;
            let context = state::context();
            let mut data = [qjs::JS_MKVAL(qjs::JS_TAG_INT, number)];
            let data = data.as_mut_ptr();
            let function = |function: Function, name: &CStr, length| {
                qjs::JS_NewCFunctionData2(context, Some(function), name.as_ptr(), length, 0, 1, data)
            };
            let functions = [
                function(convert, c"convert", 1),
                function(cache, c"cacheConversion", 2),
            ];
            if functions.iter().any(|&function| qjs::JS_IsException(function)) {
                for function in functions {
                    qjs::JS_FreeValue(context, function);
                }
                return Err(());
            }
            let active = &raw mut ACTIVE;
            (*active).push((number, conversion.cast()));
            Ok(Self {
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
    pub(crate) unsafe fn end(self) {
        // SAFETY: as the caller promises.
        unsafe {
            let active = &raw mut ACTIVE;
            (*active).retain(|(number, _)| *number != self.number);
            qjs::JS_FreeValue(state::context(), self.convert);
            qjs::JS_FreeValue(state::context(), self.cache);
        }
    }
}

/// The conversion that a function with this `data` belongs to; `None` with a JavaScript exception set.
///
/// # Safety
/// At home with the GIL; `data` is what the engine passes to the function, `T` is the type that [`Converters::new`] was given for functions of this kind.
pub(crate) unsafe fn conversion<T>(data: *const JSValue) -> Option<*mut T> {
    // SAFETY: the static is guarded by the GIL; a conversion in the list is alive.
    unsafe {
        let wanted = qjs::JS_VALUE_GET_INT(*data);
        let active = &raw const ACTIVE;
        let found = (*active).iter().rev().find(|(number, _)| *number == wanted);
        if found.is_none() {
            error::throw_error(
                c"Error",
                c"The conversion that this function belongs to has ended",
            );
        }
        found.map(|(_, conversion)| conversion.cast())
    }
}
