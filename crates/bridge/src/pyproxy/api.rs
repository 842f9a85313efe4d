//! The functions behind the methods of PyProxies: `classes.js` builds the prototypes from them, and from those of
//! [`methods`], which are methods as they are.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_EXCEPTION, JS_FALSE, JS_TRUE, JS_UNDEFINED, JSValue};

use super::{
    ASK_FOR_MORE, Cell, Context, Message, call, end, features, items, iterate, methods, object_of,
    proxy_behind, receiver, sequence, source,
};
use crate::state::Entry;
use crate::{buffer, error, js2python, lifetime, promise, python2js, state, to_js};

pub(super) type Native = unsafe fn(&[JSValue]) -> Result<JSValue, Thrown>;

/// Why a native function failed: which engine has the exception.
pub(crate) enum Thrown {
    /// A Python exception is set.
    Python,
    /// A JavaScript exception is set.
    JavaScript,
}

impl From<JSValue> for Thrown {
    /// `receiver` fails with `JS_EXCEPTION`.
    fn from(_: JSValue) -> Self {
        Self::JavaScript
    }
}

/// Name, number of arguments, function.
const FUNCTIONS: &[(&std::ffi::CStr, i32, Native)] = &[
    (c"type", 1, type_name),
    (c"destroy", 1, destroy),
    (c"toJs", 2, to_js_method),
    (c"iterator", 1, iterate::iterator),
    (c"step", 2, iterate::step),
    (c"asyncIterator", 1, iterate::async_iterator),
    (c"asyncNext", 2, iterate::async_next),
    (c"asyncThrow", 2, iterate::async_throw),
    (c"asyncReturn", 1, iterate::async_return),
    (c"promise", 1, promise_method),
    (c"method", 2, sequence::method),
    (c"pop", 2, sequence::pop),
    (c"splice", 4, sequence::splice),
    (c"compareKey", 1, sequence::compare_key),
    (c"asJsJson", 1, as_js_json),
    (c"call", 5, call::with_options),
    (c"callBound", 3, call::with_this),
    (c"bind", 3, call::bind),
    (c"captureThis", 1, call::capture_this),
    (c"getBuffer", 2, get_buffer),
    (c"releaseBuffer", 1, release_buffer),
    (c"features_of", 1, features_of),
    (c"formatKept", 1, format_kept),
];

/// A new object of native functions with these names and lengths; each gives `dispatch` its place in the list as `magic`.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn functions(
    context: Context,
    names: impl Iterator<Item = (&'static std::ffi::CStr, i32)>,
    dispatch: crate::converters::Function,
) -> JSValue {
    // SAFETY: as the caller promises; setting a property takes the value.
    unsafe {
        let object = qjs::JS_NewObject(context);
        for (index, (name, length)) in names.enumerate() {
            let function = qjs::JS_NewCFunctionData2(
                context,
                Some(dispatch),
                name.as_ptr(),
                length,
                index as i32,
                0,
                ptr::null_mut(),
            );
            qjs::JS_SetPropertyStr(context, object, name.as_ptr(), function);
        }
        object
    }
}

/// The object that `support.js` receives: the functions and the table of features.
///
/// # Safety
/// The engine is being set up, at home with the GIL.
pub(crate) unsafe fn natives(context: Context) -> JSValue {
    // SAFETY: as the caller promises; `JS_SetPropertyStr` takes the values.
    unsafe {
        let names = FUNCTIONS.iter().map(|&(name, length, _)| (name, length));
        let object = functions(context, names, dispatch);
        qjs::JS_SetPropertyStr(context, object, c"features".as_ptr(), features::table(context));
        qjs::JS_SetPropertyStr(context, object, c"methods".as_ptr(), methods::all(context));
        object
    }
}

unsafe extern "C" fn dispatch(
    _: Context,
    _this: JSValue,
    count: i32,
    arguments: *mut JSValue,
    magic: i32,
    _: *mut JSValue,
) -> JSValue {
    // SAFETY: called by the engine at home with the GIL. `FUNCTIONS` gives the length, so that the engine
    // pads missing arguments with undefined up to it.
    unsafe {
        let (_, length, function) = FUNCTIONS[magic as usize];
        let count = count.max(length) as usize;
        run(function, std::slice::from_raw_parts(arguments, count))
    }
}

/// Calls a native function from JavaScript.
///
/// # Safety
/// At home with the GIL; `arguments` are as many as the function asks for.
#[inline(always)]
pub(super) unsafe fn run(function: Native, arguments: &[JSValue]) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        let Ok(_entry) = Entry::checked() else {
            return JS_EXCEPTION;
        };
        match function(arguments) {
            Ok(value) => value,
            Err(Thrown::JavaScript) => JS_EXCEPTION,
            Err(Thrown::Python) => error::throw(),
        }
    }
}

/// A value the engine gave, or the news that it threw.
pub(super) unsafe fn checked(value: JSValue) -> Result<JSValue, Thrown> {
    // SAFETY: only the tag is looked at.
    if unsafe { qjs::JS_IsException(value) } {
        Err(Thrown::JavaScript)
    } else {
        Ok(value)
    }
}

/// Converts a result it takes; null means a Python exception is set.
#[inline]
pub(super) unsafe fn steal(result: *mut PyObject) -> Result<JSValue, Thrown> {
    // SAFETY: at home with the GIL.
    unsafe {
        if result.is_null() {
            return Err(Thrown::Python);
        }
        let value = python2js::convert(result);
        lifetime::release_object(result);
        checked(value)
    }
}

/// Converts an argument; the reference is new.
pub(super) unsafe fn argument(value: JSValue) -> Result<*mut PyObject, Thrown> {
    // SAFETY: at home with the GIL.
    unsafe {
        let object = js2python::convert(value);
        if object.is_null() {
            Err(Thrown::Python)
        } else {
            Ok(object)
        }
    }
}

/// `PyProxy.type`: as the reference has it, the C name of the type (bare for classes made in Python).
unsafe fn type_name(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `dispatch`, and so in all functions below.
    unsafe {
        let held = receiver(arguments[0])?;
        steal(ffi::PyUnicode_FromString((*ffi::Py_TYPE(held.as_ptr())).tp_name))
    }
}

pub(super) unsafe fn to_string(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let object = receiver.as_ptr();
        steal(if (*state::state()).to_string_repr {
            ffi::PyObject_Repr(object)
        } else {
            ffi::PyObject_Str(object)
        })
    }
}

/// `native.destroy(proxy)`.
unsafe fn destroy(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe { destroy_method(&[arguments[0], JS_UNDEFINED]) }
}

/// `proxy.destroy({message, destroyRoundtrip = true})`.
pub(super) unsafe fn destroy_method(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`; the values read are freed on every path.
    unsafe {
        let context = state::context();
        let options = arguments[1];
        let (mut message, mut destroy_roundtrip) = (Message::Default, true);
        if !qjs::JS_IsUndefined(options) && !qjs::JS_IsNull(options) {
            let atoms = &raw const (*state::state()).atoms;
            let given = checked(qjs::JS_GetProperty(context, options, (*atoms).message))?;
            let converted = if qjs::JS_IsString(given) {
                message_of(given)
            } else {
                Ok(Message::Default)
            };
            qjs::JS_FreeValue(context, given);
            message = converted?;
            let given = checked(qjs::JS_GetPropertyStr(
                context,
                options,
                c"destroyRoundtrip".as_ptr(),
            ))?;
            destroy_roundtrip =
                qjs::JS_IsUndefined(given) || qjs::JS_IsNull(given) || qjs::JS_ToBool(context, given) != 0;
            qjs::JS_FreeValue(context, given);
        }
        let Some((cell, _, _alive)) = proxy_behind(arguments[0])? else {
            receiver(arguments[0])?;
            return Ok(JS_UNDEFINED);
        };
        if destroy_roundtrip || !(*cell).origin.roundtrip {
            end(cell, message);
        }
        Ok(JS_UNDEFINED)
    }
}

/// The message that a string (borrowed) stands for; an empty one, or lone surrogates in it, make it the usual one.
unsafe fn message_of(value: JSValue) -> Result<Message, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let text = argument(value)?;
        let mut length = 0;
        let bytes = ffi::PyUnicode_AsUTF8AndSize(text, &mut length);
        let message = if bytes.is_null() || length == 0 {
            ffi::PyErr_Clear();
            Message::Default
        } else {
            let bytes = std::slice::from_raw_parts(bytes.cast::<u8>(), length as usize);
            let given = String::from_utf8_lossy(bytes).into_owned();
            if (*state::state()).debug {
                Message::Complete(given)
            } else {
                Message::Complete(format!("{given}\n{ASK_FOR_MORE}"))
            }
        };
        ffi::Py_DECREF(text);
        Ok(message)
    }
}

pub(super) unsafe fn copy(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        checked(super::copy(receiver.cell))
    }
}

/// A twin that adapts to JSON.
unsafe fn as_js_json(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let cell = receiver.cell;
        let features = features::adapted((*cell).features);
        checked(super::twin(receiver.value, cell, features, (*cell).origin, None))
    }
}

unsafe fn to_js_method(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let object = receiver.as_ptr();
        let value = to_js::with_options_object(object, arguments[1]);
        checked(value)
    }
}

pub(super) unsafe fn length(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let object = receiver.as_ptr();
        let length = ffi::PyObject_Size(object);
        if length < 0 {
            Err(Thrown::Python)
        } else {
            Ok(qjs::JS_NewFloat64(length as f64))
        }
    }
}

pub(super) unsafe fn get(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let key = argument(arguments[1])?;
        let item = items::get(receiver.cell, receiver.as_ptr(), key);
        lifetime::release_object(key);
        item.map_err(|()| Thrown::JavaScript)
    }
}

pub(super) unsafe fn set(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let object = receiver.as_ptr();
        let key = argument(arguments[1])?;
        let value = match argument(arguments[2]) {
            Ok(value) => value,
            Err(thrown) => {
                ffi::Py_DECREF(key);
                return Err(thrown);
            }
        };
        let done = ffi::PyObject_SetItem(object, key, value);
        ffi::Py_DECREF(key);
        ffi::Py_DECREF(value);
        if done < 0 {
            Err(Thrown::Python)
        } else {
            Ok(JS_UNDEFINED)
        }
    }
}

pub(super) unsafe fn delete(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let object = receiver.as_ptr();
        let key = argument(arguments[1])?;
        let done = ffi::PyObject_DelItem(object, key);
        ffi::Py_DECREF(key);
        if done < 0 {
            Err(Thrown::Python)
        } else {
            Ok(JS_UNDEFINED)
        }
    }
}

pub(super) unsafe fn has(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let object = receiver.as_ptr();
        let key = argument(arguments[1])?;
        let found = ffi::PySequence_Contains(object, key);
        ffi::Py_DECREF(key);
        match found {
            0 => Ok(JS_FALSE),
            found if found > 0 => Ok(JS_TRUE),
            _ => Err(Thrown::Python),
        }
    }
}

/// A proxy of a result it takes, even where an implicit conversion would give a plain value.
pub(super) unsafe fn proxy_steal(object: *mut PyObject) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        if object.is_null() {
            return Err(Thrown::Python);
        }
        let value = super::new(object, super::Origin::OWNED);
        lifetime::release_object(object);
        checked(value)
    }
}

/// A promise for an awaitable it takes.
pub(super) unsafe fn awaited_steal(awaitable: *mut PyObject) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe { promised_steal(awaitable, promise::promise_of) }
}

/// A promise of `{done, value}` for the awaitable of an asynchronous iterator's step, which it takes.
pub(super) unsafe fn step_steal(awaitable: *mut PyObject) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe { promised_steal(awaitable, promise::step_of) }
}

/// What `promise_of` makes of the future of an awaitable it takes.
unsafe fn promised_steal(
    awaitable: *mut PyObject,
    promise_of: unsafe fn(*mut PyObject) -> JSValue,
) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        if awaitable.is_null() {
            return Err(Thrown::Python);
        }
        let future = ffi::PyObject_CallOneArg((*state::state()).python.ensure_future, awaitable);
        ffi::Py_DECREF(awaitable);
        if future.is_null() {
            return Err(Thrown::Python);
        }
        let promise = promise_of(future);
        ffi::Py_DECREF(future);
        checked(promise)
    }
}

/// Has the awaitable behind a proxy run, in the context that is given or a copy of this moment's, which ends the proxy; its
/// promise stays. `Err` with a JavaScript exception set.
///
/// # Safety
/// At home with the GIL; the cell is alive.
pub(super) unsafe fn start(cell: *mut Cell, context: Option<&lifetime::Held>) -> Result<JSValue, ()> {
    // SAFETY: as the caller promises. The call may run code that destroys the proxy: the cell is looked at again.
    unsafe {
        let cell = source(cell);
        if qjs::JS_IsUndefined((*cell).promise) {
            let object = object_of(cell);
            if object.is_null() {
                super::throw_destroyed(cell);
                return Err(());
            }
            let object = lifetime::Held::new(object);
            let given = [
                object.as_ptr(),
                context.map_or(ptr::null_mut(), lifetime::Held::as_ptr),
            ];
            let count = if context.is_some() { 2 } else { 1 };
            let ensure_future = (*state::state()).python.ensure_future;
            let future = ffi::PyObject_Vectorcall(ensure_future, given.as_ptr(), count, ptr::null_mut());
            if future.is_null() {
                error::throw();
                return Err(());
            }
            let promise = promise::promise_of(future);
            ffi::Py_DECREF(future);
            if qjs::JS_IsException(promise) {
                return Err(());
            }
            let old = std::mem::replace(&mut (*cell).promise, promise);
            qjs::JS_FreeValue(state::context(), old);
            end(cell, Message::Default);
        }
        Ok(qjs::JS_DupValue(state::context(), (*cell).promise))
    }
}

unsafe fn promise_method(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let Some((cell, _, _alive)) = proxy_behind(arguments[0])? else {
            receiver(arguments[0])?;
            return Ok(JS_UNDEFINED);
        };
        start(cell, None).map_err(|()| Thrown::JavaScript)
    }
}

unsafe fn get_buffer(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let receiver = receiver(arguments[0])?;
        let object = receiver.as_ptr();
        let value = buffer::get_buffer(object, arguments[1]);
        checked(value)
    }
}

unsafe fn release_buffer(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe { buffer::release_view(arguments[0]) };
    Ok(JS_UNDEFINED)
}

/// The features of a PyProxy, destroyed or not.
unsafe fn features_of(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let features = proxy_behind(arguments[0])?.map_or(0, |(cell, _, _alive)| (*cell).features);
        Ok(qjs::JS_MKVAL(qjs::JS_TAG_INT, features as i32))
    }
}

/// The formatted traceback of what [`crate::traceback::keep`] kept, which is given up.
unsafe fn format_kept(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`; the proxy is that of a tuple.
    unsafe {
        let kept = receiver(arguments[0])?;
        let format = (*state::state()).python.format_kept;
        let text = steal(ffi::PyObject_Call(format, kept.as_ptr(), ptr::null_mut()));
        end(kept.cell, Message::Default);
        text
    }
}
