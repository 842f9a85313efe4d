//! Methods of PyProxies that `support.js` puts on the prototypes as they are, without JavaScript around them.

use std::ffi::CStr;

use rquickjs::qjs::{self, JS_UNDEFINED, JSCFunction, JSValue};

use super::api::{self, Native};
use super::{Context, iterate, iteration};

/// The key in `native.methods`, the function's name, its number of arguments (at most [`MOST`]), and the function, whose
/// first argument is `this`.
const METHODS: &[(&CStr, &CStr, i32, Native)] = &[
    (c"toString", c"toString", 0, api::to_string),
    (c"destroy", c"destroy", 1, api::destroy_method),
    (c"copy", c"copy", 0, api::copy),
    (c"length", c"get length", 0, api::length),
    (c"get", c"get", 1, api::get),
    (c"set", c"set", 2, api::set),
    (c"delete", c"delete", 1, api::delete),
    (c"has", c"has", 1, api::has),
    (c"iterator", c"[Symbol.iterator]", 0, iteration::iteration),
    (c"next", c"next", 1, iterate::next),
    (c"throw", c"throw", 1, iterate::throw),
    (c"return", c"return", 1, iterate::return_),
];

const MOST: usize = 2;

type Step = unsafe extern "C" fn(Context, JSValue, i32, *mut JSValue, *mut i32, i32) -> JSValue;

/// Methods that answer as an iterator does, which `for … of` calls without an object for the answer. Key, name, function.
const STEPS: &[(&CStr, &CStr, Step)] = &[
    (c"iterationNext", c"next", iteration::next),
    (c"iterationReturn", c"return", iteration::return_),
    (c"iterationThrow", c"throw", iteration::throw),
];

/// The object `native.methods`.
///
/// # Safety
/// The engine is being set up, at home with the GIL.
pub(super) unsafe fn all(context: Context) -> JSValue {
    // SAFETY: as the caller promises. The engine calls a function by the kind it was registered with, so that the type
    // it is passed as doesn't matter; `JS_SetPropertyStr` takes the values.
    unsafe {
        let object = qjs::JS_NewObject(context);
        for (magic, (key, name, length, _)) in METHODS.iter().enumerate() {
            let function = std::mem::transmute::<*const (), JSCFunction>(dispatch as *const ());
            let kind = qjs::JSCFunctionEnum_JS_CFUNC_generic_magic;
            let method = qjs::JS_NewCFunction2(context, function, name.as_ptr(), *length, kind, magic as i32);
            qjs::JS_SetPropertyStr(context, object, key.as_ptr(), method);
        }
        for (key, name, step) in STEPS {
            let function = std::mem::transmute::<Step, JSCFunction>(*step);
            let kind = qjs::JSCFunctionEnum_JS_CFUNC_iterator_next;
            let method = qjs::JS_NewCFunction2(context, function, name.as_ptr(), 1, kind, 0);
            qjs::JS_SetPropertyStr(context, object, key.as_ptr(), method);
        }
        object
    }
}

unsafe extern "C" fn dispatch(
    _: Context,
    this: JSValue,
    _: i32,
    arguments: *mut JSValue,
    magic: i32,
) -> JSValue {
    // SAFETY: called by the engine at home with the GIL, which pads missing arguments with undefined up to the number
    // that the function was registered with.
    unsafe {
        let (_, _, length, function) = METHODS[magic as usize];
        let mut slots = [JS_UNDEFINED; MOST + 1];
        slots[0] = this;
        for index in 0..length as usize {
            slots[index + 1] = *arguments.add(index);
        }
        api::run(function, &slots[..=length as usize])
    }
}
