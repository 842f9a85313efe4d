//! Deep conversion from JavaScript to Python (`spec/ffi.md` §4): `JsProxy.to_py` and `pyodide.toPy`.
//!
//! As in [`crate::to_js`], the conversion is used through a raw pointer, since converters come back to it
//! ([`crate::converters`]), and getters may change what is being converted.

mod callbacks;
mod kind;
mod mapping;
mod names;

use std::collections::HashMap;
use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use crate::addresses::Addresses;
use crate::converters::Converters;
use crate::jsproxy::methods::home_value;
use crate::{buffer, error, js2python, own_properties, pyproxy, python2js, state, wake};

use kind::Kind;
use names::Names;

/// What a proxy says that was made for a converter alone.
const DESTROYED: &str = "Object has already been destroyed";

/// `JsProxy.to_py(*, depth=-1, default_converter=None)`.
///
/// # Safety
/// A METH_FASTCALL | METH_KEYWORDS method of our types, called by the interpreter.
pub(crate) unsafe extern "C" fn to_py_method(
    object: *mut PyObject,
    values: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter, which keeps `object` alive, and with it the value.
    unsafe {
        let Some(value) = home_value(object) else {
            return ptr::null_mut();
        };
        if count != 0 {
            ffi::PyErr_SetString(
                ffi::PyExc_TypeError,
                c"to_py() takes no positional arguments".as_ptr(),
            );
            return ptr::null_mut();
        }
        let _turn = wake::AtEnd::new();
        let mut depth = -1;
        let mut converter = ptr::null_mut();
        let keywords = if names.is_null() {
            0
        } else {
            ffi::PyTuple_GET_SIZE(names)
        };
        for index in 0..keywords {
            let name = ffi::PyTuple_GET_ITEM(names, index);
            let given = *values.offset(index);
            if ffi::PyUnicode_CompareWithASCIIString(name, c"depth".as_ptr()) == 0 {
                let number = ffi::PyNumber_Index(given);
                if number.is_null() {
                    return number;
                }
                depth = ffi::PyLong_AsLong(number);
                ffi::Py_DECREF(number);
                if depth == -1 && !ffi::PyErr_Occurred().is_null() {
                    return ptr::null_mut();
                }
            } else if ffi::PyUnicode_CompareWithASCIIString(name, c"default_converter".as_ptr()) == 0 {
                converter = if given == ffi::Py_None() {
                    ptr::null_mut()
                } else {
                    given
                };
            } else {
                ffi::PyErr_Format(
                    ffi::PyExc_TypeError,
                    c"to_py() got an unexpected keyword argument '%U'".as_ptr(),
                    name,
                );
                return ptr::null_mut();
            }
        }
        if converter.is_null() {
            return convert_deep_py(value, depth, JS_UNDEFINED);
        }
        let function = python2js::convert(converter);
        if qjs::JS_IsException(function) {
            error::raise();
            return ptr::null_mut();
        }
        let given = qjs::JS_ToBool(state::context(), function) == 1;
        let result = convert_deep_py(value, depth, if given { function } else { JS_UNDEFINED });
        if pyproxy::cell_of(function).is_some_and(|cell| pyproxy::unwrap(cell).is_some()) {
            pyproxy::destroy(function, DESTROYED);
        }
        qjs::JS_FreeValue(state::context(), function);
        result
    }
}

/// Converts a value (borrowed) to Python objects; negative `depth` stands for no limit, `default_converter`
/// (borrowed) is a function or undefined. Null with a Python exception set.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn convert_deep_py(
    value: JSValue,
    depth: i64,
    default_converter: JSValue,
) -> *mut PyObject {
    // SAFETY: as the caller promises; the conversion stays in this frame until it ended.
    unsafe {
        let mut conversion = Conversion {
            depth,
            default_converter,
            cache: HashMap::default(),
            names: Names::new(),
            callbacks: None,
        };
        let this = &raw mut conversion;
        if qjs::JS_IsFunction(state::context(), default_converter) {
            match Converters::new(this, callbacks::convert, callbacks::cache) {
                Ok(callbacks) => (*this).callbacks = Some(callbacks),
                Err(()) => {
                    error::raise();
                    return ptr::null_mut();
                }
            }
        }
        let result = Conversion::value_steal(this, qjs::JS_DupValue(state::context(), value));
        conversion.end();
        result
    }
}

/// A conversion under way.
struct Conversion {
    /// Levels left; negative for no limit.
    depth: i64,
    default_converter: JSValue,
    /// Converted containers by the address of the object; each entry owns both.
    cache: HashMap<usize, (JSValue, *mut PyObject), Addresses>,
    names: Names,
    callbacks: Option<Converters>,
}

impl Conversion {
    /// Frees what the conversion holds.
    ///
    /// # Safety
    /// At home with the GIL. A pending exception survives.
    unsafe fn end(&mut self) {
        // SAFETY: as the caller promises.
        unsafe {
            if let Some(callbacks) = self.callbacks.take() {
                callbacks.end();
            }
            self.names.clear();
            for (value, object) in std::mem::take(&mut self.cache).into_values() {
                qjs::JS_FreeValue(state::context(), value);
                ffi::Py_DECREF(object);
            }
        }
    }

    /// Converts a value it takes. Null with a Python exception set.
    ///
    /// # Safety
    /// At home with the GIL; `this` stays where it is.
    #[inline]
    unsafe fn value_steal(this: *mut Self, value: JSValue) -> *mut PyObject {
        // SAFETY: as the caller promises; each arm consumes the value.
        unsafe {
            let tag = qjs::JS_VALUE_GET_TAG(value);
            if tag != qjs::JS_TAG_OBJECT && (tag != qjs::JS_TAG_SYMBOL || (*this).callbacks.is_none())
                || (*this).depth == 0
                || pyproxy::cell_of(value).is_some()
            {
                return js2python::convert_steal(value, JS_UNDEFINED);
            }
            if !state::enter_recursion(c" while converting a JavaScript object to Python") {
                qjs::JS_FreeValue(state::context(), value);
                return ptr::null_mut();
            }
            let object = Self::object(this, value);
            ffi::Py_LeaveRecursiveCall();
            qjs::JS_FreeValue(state::context(), value);
            object
        }
    }

    /// Converts an object (borrowed).
    unsafe fn object(this: *mut Self, value: JSValue) -> *mut PyObject {
        // SAFETY: as for `value_steal`.
        unsafe {
            if let Some(&(_, known)) = (*this).cache.get(&address(value)) {
                ffi::Py_INCREF(known);
                return known;
            }
            (*this).depth -= 1;
            let kind = if qjs::JS_IsSymbol(value) {
                Ok(Kind::Other)
            } else {
                Kind::of(value)
            };
            let result = match kind {
                Ok(Kind::Array) => Self::array(this, value),
                Ok(Kind::Map) => Self::map(this, value),
                Ok(Kind::Set) => Self::set(this, value),
                Ok(Kind::Buffer) => buffer::memoryview_of_copy(value),
                Ok(Kind::Plain) => Self::plain(this, value),
                Ok(Kind::Other) => Self::other(this, value),
                Err(()) => {
                    error::raise();
                    ptr::null_mut()
                }
            };
            (*this).depth += 1;
            result
        }
    }

    /// From now on the object (borrowed) converts to `object` (borrowed).
    unsafe fn remember(this: *mut Self, value: JSValue, object: *mut PyObject) {
        // SAFETY: as for `value_steal`. The entry is complete before anything is released.
        unsafe {
            ffi::Py_INCREF(object);
            let value = qjs::JS_DupValue(state::context(), value);
            if let Some((old, known)) = (*this).cache.insert(address(value), (value, object)) {
                qjs::JS_FreeValue(state::context(), old);
                ffi::Py_DECREF(known);
            }
        }
    }

    unsafe fn array(this: *mut Self, value: JSValue) -> *mut PyObject {
        // SAFETY: as for `value_steal`. The list has its full length only once it is filled: until then converters
        // can get at it, and must not see empty slots.
        unsafe {
            let context = state::context();
            let mut length = 0;
            if qjs::JS_GetLength(context, value, &mut length) < 0 {
                error::raise();
                return ptr::null_mut();
            }
            let list = list_with_room(length);
            if list.is_null() {
                return list;
            }
            Self::remember(this, value, list);
            for index in 0..length {
                let item = Self::value_steal(this, qjs::JS_GetPropertyInt64(context, value, index));
                let failed = item.is_null() || ffi::PyList_Append(list, item) < 0;
                ffi::Py_XDECREF(item);
                if failed {
                    ffi::Py_DECREF(list);
                    return ptr::null_mut();
                }
            }
            list
        }
    }

    /// A plain object: a dict of its own enumerable properties with string keys.
    unsafe fn plain(this: *mut Self, value: JSValue) -> *mut PyObject {
        // SAFETY: as for `value_steal`.
        unsafe {
            let dict = ffi::PyDict_New();
            if dict.is_null() {
                return dict;
            }
            Self::remember(this, value, dict);
            own_properties::fill_steal(
                dict,
                value,
                || (*this).names.begin(),
                |value| Self::value_steal(this, value),
                |atom| (*this).names.text(atom),
            )
        }
    }

    /// What has no conversion: the default converter, else a proxy.
    unsafe fn other(this: *mut Self, value: JSValue) -> *mut PyObject {
        // SAFETY: as for `value_steal`; the functions live until the conversion ends.
        unsafe {
            let context = state::context();
            if qjs::JS_IsUndefined((*this).default_converter) || qjs::JS_IsNull((*this).default_converter) {
                return js2python::convert(value);
            }
            let (convert, cache) = match &(*this).callbacks {
                Some(callbacks) => (callbacks.convert, callbacks.cache),
                None => (JS_UNDEFINED, JS_UNDEFINED),
            };
            let mut arguments = [value, convert, cache];
            let result = qjs::JS_Call(
                context,
                (*this).default_converter,
                JS_UNDEFINED,
                3,
                arguments.as_mut_ptr(),
            );
            let own = pyproxy::cell_of(result).is_some_and(|cell| pyproxy::unwrap(cell).is_some());
            if !own {
                return js2python::convert_steal(result, JS_UNDEFINED);
            }
            // A proxy that the converter made for the way back has done its duty.
            let object = js2python::convert(result);
            pyproxy::destroy(result, DESTROYED);
            qjs::JS_FreeValue(context, result);
            object
        }
    }
}

/// The most items that a list gets room for beforehand: what an array says of its length may have no truth.
const MOST_ROOM: i64 = 1 << 17;

/// An empty list that `length` items can be appended to without moving it; null with an exception set.
unsafe fn list_with_room(length: i64) -> *mut PyObject {
    // SAFETY: the GIL is held. A list may have more places than items; those of a new one are empty, so that none is
    // forgotten by the smaller size.
    unsafe {
        let list = ffi::PyList_New(length.clamp(0, MOST_ROOM) as isize);
        if !list.is_null() {
            (*list.cast::<ffi::PyVarObject>()).ob_size = 0;
        }
        list
    }
}

/// The address of an object, by which the cache knows it.
unsafe fn address(value: JSValue) -> usize {
    // SAFETY: `value` is an object; the pointer is not followed.
    unsafe { qjs::JS_VALUE_GET_PTR(value) as usize }
}
