//! The functions behind the methods of PyProxies: `support.js` builds the prototypes from them, and from those of
//! [`methods`], which are methods as they are.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_EXCEPTION, JS_FALSE, JS_TRUE, JS_UNDEFINED, JSValue};

use super::{Cell, Context, DESTROYED, Message, Origin, call, cell_of, end, features, methods, receiver};
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
    (c"length", 1, length),
    (c"set", 3, set),
    (c"asyncIterator", 1, super::iterate::async_iterator),
    (c"asyncNext", 2, super::iterate::async_next),
    (c"promise", 1, promise_method),
    (c"method", 2, method),
    (c"call", 5, call_with),
    (c"getBuffer", 2, get_buffer),
    (c"releaseBuffer", 1, release_buffer),
    (c"isPyProxy", 1, is_pyproxy),
    (c"formatKept", 1, format_kept),
];

/// The object that `support.js` receives: the functions and the table of features.
///
/// # Safety
/// The engine is being set up, at home with the GIL.
pub(crate) unsafe fn natives(context: Context) -> JSValue {
    // SAFETY: as the caller promises; `JS_SetPropertyStr` takes the values.
    unsafe {
        let object = qjs::JS_NewObject(context);
        for (index, (name, length, _)) in FUNCTIONS.iter().enumerate() {
            let function = qjs::JS_NewCFunctionData2(
                context,
                Some(dispatch),
                name.as_ptr(),
                *length,
                index as i32,
                0,
                ptr::null_mut(),
            );
            qjs::JS_SetPropertyStr(context, object, name.as_ptr(), function);
        }
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
        run(
            function,
            std::slice::from_raw_parts(arguments, count.max(length) as usize),
        )
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
unsafe fn checked(value: JSValue) -> Result<JSValue, Thrown> {
    // SAFETY: only the tag is looked at.
    if unsafe { qjs::JS_IsException(value) } {
        Err(Thrown::JavaScript)
    } else {
        Ok(value)
    }
}

/// Converts a result it takes; null means a Python exception is set.
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
        let (_, held) = receiver(arguments[0])?;
        steal(ffi::PyUnicode_FromString((*ffi::Py_TYPE(held.as_ptr())).tp_name))
    }
}

pub(super) unsafe fn to_string(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let (_, held) = receiver(arguments[0])?;
        let object = held.as_ptr();
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
            let given = checked(qjs::JS_GetProperty(
                context,
                options,
                (*state::state()).atoms.message,
            ))?;
            let converted = if qjs::JS_IsString(given) {
                text_of(given).map(Message::Given)
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
        let Some(cell) = cell_of(arguments[0]) else {
            receiver(arguments[0])?;
            return Ok(JS_UNDEFINED);
        };
        if destroy_roundtrip || !(*cell).origin.roundtrip {
            end(cell, message);
        }
        Ok(JS_UNDEFINED)
    }
}

/// The text of a string (borrowed); lone surrogates make it the usual message.
unsafe fn text_of(value: JSValue) -> Result<String, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let text = argument(value)?;
        let mut length = 0;
        let bytes = ffi::PyUnicode_AsUTF8AndSize(text, &mut length);
        let given = if bytes.is_null() {
            ffi::PyErr_Clear();
            DESTROYED.to_owned()
        } else {
            String::from_utf8_lossy(std::slice::from_raw_parts(bytes.cast::<u8>(), length as usize))
                .into_owned()
        };
        ffi::Py_DECREF(text);
        Ok(given)
    }
}

pub(super) unsafe fn copy(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let (cell, held) = receiver(arguments[0])?;
        let object = held.as_ptr();
        let value = super::new(
            object,
            Origin {
                once: false,
                ..(*cell).origin
            },
        );
        checked(value)
    }
}

unsafe fn to_js_method(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let (_, held) = receiver(arguments[0])?;
        let object = held.as_ptr();
        let value = to_js::with_options_object(object, arguments[1]);
        checked(value)
    }
}

pub(super) unsafe fn length(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let (_, held) = receiver(arguments[0])?;
        let object = held.as_ptr();
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
        let (_, held) = receiver(arguments[0])?;
        let object = held.as_ptr();
        let key = argument(arguments[1])?;
        let item = ffi::PyObject_GetItem(object, key);
        ffi::Py_DECREF(key);
        if item.is_null()
            && (ffi::PyErr_ExceptionMatches(ffi::PyExc_KeyError) != 0
                || ffi::PyErr_ExceptionMatches(ffi::PyExc_IndexError) != 0)
        {
            ffi::PyErr_Clear();
            return Ok(JS_UNDEFINED);
        }
        steal(item)
    }
}

pub(super) unsafe fn set(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let (_, held) = receiver(arguments[0])?;
        let object = held.as_ptr();
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
        let (_, held) = receiver(arguments[0])?;
        let object = held.as_ptr();
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
        let (_, held) = receiver(arguments[0])?;
        let object = held.as_ptr();
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
        let value = super::new(object, Origin::OWNED);
        lifetime::release_object(object);
        checked(value)
    }
}

/// A promise for an awaitable it takes.
pub(super) unsafe fn awaited_steal(awaitable: *mut PyObject) -> Result<JSValue, Thrown> {
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
        let promise = promise::promise_of(future);
        ffi::Py_DECREF(future);
        checked(promise)
    }
}

/// Has the awaitable behind a proxy run; its future stays in the cell. `Err` with an exception set.
///
/// # Safety
/// At home with the GIL.
pub(super) unsafe fn start(value: JSValue) -> Result<(), ()> {
    // SAFETY: as the caller promises.
    unsafe {
        let Some(cell) = cell_of(value) else { return Ok(()) };
        future_of(cell).map(|_| ()).map_err(|_| ())
    }
}

/// The future of the awaitable (borrowed from the cell), made once.
unsafe fn future_of(cell: *mut Cell) -> Result<*mut PyObject, Thrown> {
    // SAFETY: see `type_name`. The call may run code that destroys the proxy: the cell is looked at again.
    unsafe {
        if (*cell).future.is_null() {
            let object = (*cell).object;
            ffi::Py_INCREF(object);
            let future = ffi::PyObject_CallOneArg((*state::state()).python.ensure_future, object);
            ffi::Py_DECREF(object);
            if future.is_null() {
                return Err(Thrown::Python);
            }
            let old = std::mem::replace(&mut (*cell).future, future);
            ffi::Py_XDECREF(old);
        }
        Ok((*cell).future)
    }
}

unsafe fn promise_method(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let (cell, _held) = receiver(arguments[0])?;
        let future = future_of(cell)?;
        ffi::Py_INCREF(future);
        let promise = promise::promise_of(future);
        ffi::Py_DECREF(future);
        checked(promise)
    }
}

/// `native.method(proxy, name, ...arguments)`: calls a Python method of the object.
unsafe fn method(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let (_, held) = receiver(arguments[0])?;
        let object = held.as_ptr();
        let mut converted = vec![object];
        ffi::Py_INCREF(object);
        let mut name = ptr::null_mut();
        let mut failed = None;
        for (index, &value) in arguments[1..].iter().enumerate() {
            match argument(value) {
                Ok(converted_value) if index == 0 => name = converted_value,
                Ok(converted_value) => converted.push(converted_value),
                Err(thrown) => {
                    failed = Some(thrown);
                    break;
                }
            }
        }
        let result = if failed.is_none() {
            ffi::PyObject_VectorcallMethod(name, converted.as_mut_ptr(), converted.len(), ptr::null_mut())
        } else {
            ptr::null_mut()
        };
        ffi::Py_XDECREF(name);
        for object in converted {
            ffi::Py_DECREF(object);
        }
        match failed {
            Some(thrown) => Err(thrown),
            None => steal(result),
        }
    }
}

/// `native.call(proxy, arguments, named, relaxed, promising)`.
unsafe fn call_with(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let context = state::context();
        let (cell, held) = receiver(arguments[0])?;
        let object = held.as_ptr();
        if (*cell).features & features::CALLABLE == 0 {
            return Err(error::throw_error(c"TypeError", c"the Python object is not callable").into());
        }
        if (*cell).origin.once {
            end(cell, Message::Fixed(super::ONCE_CALLED));
        }
        let positional = tuple_of(arguments[1]);
        let named = if positional.is_null() {
            ptr::null_mut()
        } else {
            dict_of(arguments[2])
        };
        let result = if named.is_null() {
            ptr::null_mut()
        } else {
            let relaxed = qjs::JS_ToBool(context, arguments[3]) == 1;
            let promising = qjs::JS_ToBool(context, arguments[4]) == 1;
            if relaxed || promising {
                let helper = (*state::state()).python.call_with;
                let flags =
                    [relaxed, promising].map(|flag| if flag { ffi::Py_True() } else { ffi::Py_False() });
                let mut values = [object, positional, named, flags[0], flags[1]];
                ffi::PyObject_Vectorcall(helper, values.as_mut_ptr(), values.len(), ptr::null_mut())
            } else {
                ffi::PyObject_Call(object, positional, named)
            }
        };
        ffi::Py_XDECREF(positional);
        ffi::Py_XDECREF(named);
        if result.is_null() {
            return Err(Thrown::Python);
        }
        let value = call::result_steal(object, result);
        checked(value)
    }
}

/// A tuple of the elements of a JavaScript array.
unsafe fn tuple_of(array: JSValue) -> *mut PyObject {
    // SAFETY: see `type_name`.
    unsafe {
        let context = state::context();
        let mut length = 0;
        if qjs::JS_GetLength(context, array, &mut length) < 0 {
            error::raise();
            return ptr::null_mut();
        }
        let tuple = ffi::PyTuple_New(length as isize);
        if tuple.is_null() {
            return tuple;
        }
        for index in 0..length {
            let item =
                js2python::convert_steal(qjs::JS_GetPropertyInt64(context, array, index), JS_UNDEFINED);
            if item.is_null() {
                ffi::Py_DECREF(tuple);
                return item;
            }
            ffi::PyTuple_SetItem(tuple, index as isize, item);
        }
        tuple
    }
}

/// A dict of the own enumerable string properties of a JavaScript object; empty for undefined.
unsafe fn dict_of(object: JSValue) -> *mut PyObject {
    // SAFETY: see `type_name`; the table is freed on every path.
    unsafe {
        let context = state::context();
        let dict = ffi::PyDict_New();
        if dict.is_null() || !qjs::JS_IsObject(object) {
            return dict;
        }
        let (mut table, mut length) = (ptr::null_mut(), 0);
        let flags = (qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_ENUM_ONLY) as i32;
        if qjs::JS_GetOwnPropertyNames(context, &mut table, &mut length, object, flags) < 0 {
            ffi::Py_DECREF(dict);
            error::raise();
            return ptr::null_mut();
        }
        let mut failed = false;
        for index in 0..length as usize {
            let atom = (*table.add(index)).atom;
            let name = js2python::convert_steal(qjs::JS_AtomToString(context, atom), JS_UNDEFINED);
            let value = js2python::convert_steal(qjs::JS_GetProperty(context, object, atom), JS_UNDEFINED);
            failed = name.is_null() || value.is_null() || ffi::PyDict_SetItem(dict, name, value) < 0;
            ffi::Py_XDECREF(name);
            ffi::Py_XDECREF(value);
            if failed {
                break;
            }
        }
        qjs::JS_FreePropertyEnum(context, table, length);
        if failed {
            ffi::Py_DECREF(dict);
            return ptr::null_mut();
        }
        dict
    }
}

unsafe fn get_buffer(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        let (_, held) = receiver(arguments[0])?;
        let object = held.as_ptr();
        let value = buffer::get_buffer(object, arguments[1]);
        checked(value)
    }
}

unsafe fn release_buffer(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe { buffer::release_view(arguments[0]) };
    Ok(JS_UNDEFINED)
}

unsafe fn is_pyproxy(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`.
    unsafe {
        Ok(if cell_of(arguments[0]).is_some() {
            JS_TRUE
        } else {
            JS_FALSE
        })
    }
}

/// The formatted traceback of what [`crate::traceback::keep`] kept, which is given up.
unsafe fn format_kept(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: see `type_name`; the proxy is that of a tuple.
    unsafe {
        let (cell, kept) = receiver(arguments[0])?;
        let format = (*state::state()).python.format_kept;
        let text = steal(ffi::PyObject_Call(format, kept.as_ptr(), ptr::null_mut()));
        end(cell, Message::Default);
        text
    }
}
