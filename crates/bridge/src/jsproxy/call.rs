//! Calling JavaScript from Python (`spec/ffi.md` §2 "Calling JS").

use std::mem::MaybeUninit;
use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use super::{JsProxy, flags};
use crate::{atoms, error, js2python, lifetime, promise, pyproxy, python2js, state};

/// Arguments up to this number need no allocation.
const INLINE: usize = 8;

/// What a temporary proxy says that is used after the call it was made for.
pub(crate) const AFTER_CALL: &str = "This borrowed proxy was automatically destroyed at the end of a function \
                                     call. Try using create_proxy or create_once_callable.";
/// The same for a proxy that waited for a promise.
pub(crate) const AFTER_ASYNC_CALL: &str = "This borrowed proxy was automatically destroyed at the end of an \
                                           asynchronous function call. Try using create_proxy or \
                                           create_once_callable.";
const AFTER_NEW: &str =
    "This borrowed proxy was automatically destroyed. Try using create_proxy or create_once_callable.";

/// The converted arguments of one call, owned.
struct Arguments {
    values: Vec<JSValue>,
    /// The proxies made for this call alone, with a reference of their own.
    temporaries: Vec<JSValue>,
}

impl Arguments {
    /// Converts `count` positional arguments and the keyword ones, which become one trailing plain object.
    /// `None` with a Python exception set.
    ///
    /// # Safety
    /// At home with the GIL; the arguments are as a vectorcall gives them.
    unsafe fn convert(values: *const *mut PyObject, count: usize, names: *mut PyObject) -> Option<Self> {
        let mut arguments = Self {
            values: Vec::with_capacity(count + 1),
            temporaries: Vec::new(),
        };
        // SAFETY: as the caller promises.
        unsafe {
            let keywords = if names.is_null() {
                0
            } else {
                ffi::PyTuple_GET_SIZE(names) as usize
            };
            for index in 0..count {
                let Some(value) = arguments.one(*values.add(index)) else {
                    return arguments.fail();
                };
                arguments.values.push(value);
            }
            if keywords > 0 {
                let options = qjs::JS_NewObject(state::context());
                for index in 0..keywords {
                    let name = atoms::atom_of_keyword(ffi::PyTuple_GET_ITEM(names, index as isize));
                    let value = arguments.one(*values.add(count + index));
                    let defined = match value {
                        Some(value) if name != 0 => {
                            qjs::JS_DefinePropertyValue(state::context(), options, name, value, DATA)
                        }
                        _ => -1,
                    };
                    qjs::JS_FreeAtom(state::context(), name);
                    if defined < 0 {
                        qjs::JS_FreeValue(state::context(), options);
                        return arguments.fail();
                    }
                }
                arguments.values.push(options);
            }
        }
        Some(arguments)
    }

    /// Converts one argument and notes it if it is a temporary.
    unsafe fn one(&mut self, object: *mut PyObject) -> Option<JSValue> {
        // SAFETY: as for `convert`.
        unsafe {
            let mut made = false;
            let value = python2js::convert_argument(object, &mut made);
            if qjs::JS_IsException(value) {
                return None;
            }
            if made {
                self.temporaries.push(qjs::JS_DupValue(state::context(), value));
            }
            Some(value)
        }
    }

    /// Frees the arguments; the temporaries are left to the caller.
    unsafe fn free(&mut self) -> Vec<JSValue> {
        // SAFETY: the values are owned and forgotten here.
        unsafe {
            for value in self.values.drain(..) {
                qjs::JS_FreeValue(state::context(), value);
            }
        }
        std::mem::take(&mut self.temporaries)
    }

    #[cold]
    unsafe fn fail(mut self) -> Option<Self> {
        // SAFETY: as for `convert`; a JavaScript exception is pending.
        unsafe {
            let thrown = qjs::JS_GetException(state::context());
            destroy(self.free(), AFTER_CALL);
            error::raise_value_steal(thrown);
        }
        None
    }
}

const DATA: i32 = qjs::JS_PROP_C_W_E as i32;

/// Destroys temporaries and frees the references to them.
///
/// # Safety
/// At home with the GIL.
#[inline(always)]
pub(crate) unsafe fn destroy(temporaries: Vec<JSValue>, message: &'static str) {
    for value in temporaries {
        // SAFETY: each is an owned PyProxy.
        unsafe {
            pyproxy::destroy(value, message);
            qjs::JS_FreeValue(state::context(), value);
        }
    }
}

/// `tp_vectorcall` of callable proxies. Recursion is bounded without a check here: a cycle passes through
/// Python's evaluation loop and the engine's stack limit, each with its own.
pub(crate) unsafe extern "C" fn vectorcall(
    object: *mut PyObject,
    values: *const *mut PyObject,
    nargsf: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter with the GIL on a callable of our layout, which the caller keeps alive.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return ptr::null_mut();
        }
        let proxy = object.cast::<JsProxy>();
        let count = ffi::PyVectorcall_NARGS(nargsf) as usize;
        if names.is_null() && count <= INLINE {
            call_few((*proxy).value, (*proxy).this, values, count)
        } else {
            call_many((*proxy).value, (*proxy).this, values, count, names)
        }
    }
}

/// The usual call: few arguments, no keywords.
#[inline(always)]
unsafe fn call_few(
    function: JSValue,
    this: JSValue,
    values: *const *mut PyObject,
    count: usize,
) -> *mut PyObject {
    // SAFETY: at home with the GIL; `count` is at most INLINE.
    unsafe {
        let called = with_few(values, count, |count, arguments| {
            qjs::JS_Call(state::context(), function, this, count, arguments)
        });
        match called {
            Some((result, temporaries)) => finish_call(result, temporaries),
            None => ptr::null_mut(),
        }
    }
}

/// Converts few arguments for `call`, with nothing allocated or moved; its result (owned) and the proxies made for it
/// alone. `None` with a Python exception set.
#[inline(always)]
unsafe fn with_few(
    values: *const *mut PyObject,
    count: usize,
    call: impl FnOnce(i32, *mut JSValue) -> JSValue,
) -> Option<(JSValue, Vec<JSValue>)> {
    // SAFETY: at home with the GIL; `count` is at most INLINE, and the first `count` slots are written
    // before they are read.
    unsafe {
        let mut slots = [const { MaybeUninit::<JSValue>::uninit() }; INLINE];
        let mut made = 0_u32;
        for index in 0..count {
            let mut temporary = false;
            let value = python2js::convert_argument(*values.add(index), &mut temporary);
            if qjs::JS_IsException(value) {
                abandon(&slots[..index], made);
                return None;
            }
            slots[index].write(value);
            made |= u32::from(temporary) << index;
        }
        let result = call(count as i32, slots.as_mut_ptr().cast());
        let mut temporaries = Vec::new();
        for (index, slot) in slots[..count].iter().enumerate() {
            let value = slot.assume_init();
            if made & (1 << index) != 0 {
                temporaries.push(value);
            } else if qjs::JS_VALUE_HAS_REF_COUNT(value) {
                qjs::JS_FreeValue(state::context(), value);
            }
        }
        Some((result, temporaries))
    }
}

/// An argument could not be converted: undoes those before it and raises.
#[cold]
unsafe fn abandon(slots: &[MaybeUninit<JSValue>], made: u32) {
    // SAFETY: at home with the GIL, a JavaScript exception pending; the slots are written.
    unsafe {
        let thrown = qjs::JS_GetException(state::context());
        for (index, slot) in slots.iter().enumerate() {
            let value = slot.assume_init();
            if made & (1 << index) != 0 {
                pyproxy::destroy(value, AFTER_CALL);
            }
            qjs::JS_FreeValue(state::context(), value);
        }
        error::raise_value_steal(thrown);
    }
}

/// Calls `function` on `this` (both borrowed) with any Python arguments.
#[cold]
#[inline(never)]
unsafe fn call_many(
    function: JSValue,
    this: JSValue,
    values: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: at home with the GIL; arguments as for a vectorcall.
    unsafe {
        let Some(mut arguments) = Arguments::convert(values, count, names) else {
            return ptr::null_mut();
        };
        let result = qjs::JS_Call(
            state::context(),
            function,
            this,
            arguments.values.len() as i32,
            arguments.values.as_mut_ptr(),
        );
        let temporaries = arguments.free();
        finish_call(result, temporaries)
    }
}

/// Converts the result of a call (taken) and ends the life of its temporaries, or ties it to the result.
///
/// # Safety
/// At home with the GIL.
#[inline(always)]
pub(crate) unsafe fn finish_call(result: JSValue, temporaries: Vec<JSValue>) -> *mut PyObject {
    // SAFETY: as for `call_few`.
    unsafe {
        if qjs::JS_VALUE_GET_TAG(result) == qjs::JS_TAG_OBJECT {
            return finish_object(result, temporaries);
        }
        if temporaries.is_empty() {
            let converted = js2python::convert_steal(result, JS_UNDEFINED);
            lifetime::safe_point_at_home();
            return converted;
        }
        let converted = if qjs::JS_IsException(result) {
            raise_and_destroy(temporaries, AFTER_CALL);
            ptr::null_mut()
        } else {
            destroy(temporaries, AFTER_CALL);
            js2python::convert_steal(result, JS_UNDEFINED)
        };
        lifetime::safe_point_at_home();
        converted
    }
}

/// Raises the pending JavaScript exception, which may be a temporary itself, and ends the temporaries.
#[cold]
unsafe fn raise_and_destroy(temporaries: Vec<JSValue>, message: &'static str) {
    // SAFETY: at home with the GIL, a JavaScript exception pending. No code of either engine meets the Python one.
    unsafe {
        error::raise();
        let (mut kind, mut raised, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        ffi::PyErr_Fetch(&mut kind, &mut raised, &mut trace);
        destroy(temporaries, message);
        ffi::PyErr_Restore(kind, raised, trace);
    }
}

/// The proxy of a generator (taken) that goes on using its arguments: they live until it ends.
#[cold]
unsafe fn generator_steal(generator: JSValue, flags: u32, temporaries: Vec<JSValue>) -> *mut PyObject {
    // SAFETY: at home with the GIL; the engine takes the values of the array even when it fails.
    unsafe {
        let context = state::context();
        let count = i32::try_from(temporaries.len()).unwrap_or(i32::MAX);
        let asynchronous = flags & flags::ASYNC_GENERATOR != 0;
        let mut arguments = [
            generator,
            if asynchronous { qjs::JS_TRUE } else { qjs::JS_FALSE },
            qjs::JS_NewArrayFrom(context, count, temporaries.as_ptr()),
        ];
        let wrapped = if qjs::JS_IsException(arguments[2]) {
            arguments[2]
        } else {
            let function = (*state::state()).support.generator_with;
            qjs::JS_Call(context, function, JS_UNDEFINED, 3, arguments.as_mut_ptr())
        };
        for argument in arguments {
            qjs::JS_FreeValue(context, argument);
        }
        js2python::convert_steal(wrapped, JS_UNDEFINED)
    }
}

#[inline(never)]
unsafe fn finish_object(result: JSValue, temporaries: Vec<JSValue>) -> *mut PyObject {
    // SAFETY: as for `call_few`.
    unsafe {
        let converted = if let Some(cell) = pyproxy::cell_of(result) {
            // A PyProxy that a function returns is unwrapped, and as good as handed over: it is destroyed.
            let own = pyproxy::unwrap(cell).is_some();
            let keep = qjs::JS_DupValue(state::context(), result);
            let converted = js2python::convert_steal(result, JS_UNDEFINED);
            if own && !converted.is_null() {
                pyproxy::destroy(keep, AFTER_CALL);
            }
            qjs::JS_FreeValue(state::context(), keep);
            destroy(temporaries, AFTER_CALL);
            converted
        } else {
            let flags = flags::detect(result);
            if flags & flags::AWAITABLE != 0 {
                return promise::future_steal(result, temporaries);
            }
            if !temporaries.is_empty() && flags & (flags::GENERATOR | flags::ASYNC_GENERATOR) != 0 {
                generator_steal(result, flags, temporaries)
            } else {
                let object = super::new_detected_steal(result, JS_UNDEFINED, flags);
                destroy(temporaries, AFTER_CALL);
                object
            }
        };
        lifetime::safe_point_at_home();
        converted
    }
}

/// `JsProxy.new(*args, **options)`: constructs.
pub(crate) unsafe extern "C" fn new(
    object: *mut PyObject,
    values: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: a METH_FASTCALL | METH_KEYWORDS method of our types, called by the interpreter.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return ptr::null_mut();
        }
        if ffi::Py_EnterRecursiveCall(c" while calling a JavaScript constructor".as_ptr()) != 0 {
            return ptr::null_mut();
        }
        let constructor = (*object.cast::<JsProxy>()).value;
        let construct =
            |count, arguments| qjs::JS_CallConstructor(state::context(), constructor, count, arguments);
        let constructed = if names.is_null() && count as usize <= INLINE {
            with_few(values, count as usize, construct)
        } else {
            Arguments::convert(values, count as usize, names).map(|mut arguments| {
                let result = construct(arguments.values.len() as i32, arguments.values.as_mut_ptr());
                (result, arguments.free())
            })
        };
        let converted = match constructed {
            None => ptr::null_mut(),
            Some((result, temporaries)) if temporaries.is_empty() => {
                js2python::convert_steal(result, JS_UNDEFINED)
            }
            Some((result, temporaries)) => {
                // What is constructed may be one of the temporaries. A pending exception must survive their destruction.
                let converted = js2python::convert_steal(result, JS_UNDEFINED);
                let pending = converted.is_null().then(|| lifetime::Pending::take());
                destroy(temporaries, AFTER_NEW);
                drop(pending);
                converted
            }
        };
        lifetime::safe_point_at_home();
        ffi::Py_LeaveRecursiveCall();
        converted
    }
}
