//! Maps and sets. Our own functions give their contents as fresh true arrays, which no foreign code can reach.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use super::Conversion;
use crate::{error, js2python, jsproxy, pyproxy, state};

impl Conversion {
    /// A Map as a dict.
    pub(super) unsafe fn map(this: *mut Self, value: JSValue) -> *mut PyObject {
        // SAFETY: as for `value_steal`. Our own function gives keys and values in turn, as a fresh true array.
        unsafe {
            let context = state::context();
            let entries = collect(value, (*state::state()).support.map_entries);
            if qjs::JS_IsException(entries) {
                error::raise();
                return ptr::null_mut();
            }
            let dict = ffi::PyDict_New();
            if !dict.is_null() {
                Self::remember(this, value, dict);
            }
            let mut length = 0;
            qjs::JS_GetLength(context, entries, &mut length);
            let mut seen = Seen::default();
            let mut failed = dict.is_null();
            let mut index = 0;
            // The collision comes first: it is the container that can't be converted.
            while !failed && index < length {
                failed = !seen.add(qjs::JS_GetPropertyInt64(context, entries, index), "Map");
                index += 2;
            }
            index = 0;
            while !failed && index < length {
                let key = key_steal(qjs::JS_GetPropertyInt64(context, entries, index), "dict");
                let item = if key.is_null() {
                    key
                } else {
                    Self::value_steal(this, qjs::JS_GetPropertyInt64(context, entries, index + 1))
                };
                failed = item.is_null() || ffi::PyDict_SetItem(dict, key, item) < 0;
                ffi::Py_XDECREF(key);
                ffi::Py_XDECREF(item);
                index += 2;
            }
            qjs::JS_FreeValue(context, entries);
            if failed {
                ffi::Py_XDECREF(dict);
                return ptr::null_mut();
            }
            dict
        }
    }

    /// A Set as a set.
    pub(super) unsafe fn set(this: *mut Self, value: JSValue) -> *mut PyObject {
        // SAFETY: as for `map`.
        unsafe {
            let context = state::context();
            let values = collect(value, (*state::state()).support.set_values);
            if qjs::JS_IsException(values) {
                error::raise();
                return ptr::null_mut();
            }
            let set = ffi::PySet_New(ptr::null_mut());
            if !set.is_null() {
                Self::remember(this, value, set);
            }
            let mut length = 0;
            qjs::JS_GetLength(context, values, &mut length);
            let mut seen = Seen::default();
            let mut failed = set.is_null();
            let mut index = 0;
            while !failed && index < length {
                failed = !seen.add(qjs::JS_GetPropertyInt64(context, values, index), "Set");
                index += 1;
            }
            index = 0;
            while !failed && index < length {
                let key = key_steal(qjs::JS_GetPropertyInt64(context, values, index), "set");
                failed = key.is_null() || ffi::PySet_Add(set, key) < 0;
                ffi::Py_XDECREF(key);
                index += 1;
            }
            qjs::JS_FreeValue(context, values);
            if failed {
                ffi::Py_XDECREF(set);
                return ptr::null_mut();
            }
            set
        }
    }
}

/// Calls one of our functions with `value` (borrowed); the result is owned.
unsafe fn collect(value: JSValue, function: JSValue) -> JSValue {
    // SAFETY: at home with the GIL.
    unsafe {
        let mut arguments = [value];
        qjs::JS_Call(
            state::context(),
            function,
            JS_UNDEFINED,
            1,
            arguments.as_mut_ptr(),
        )
    }
}

/// Which of the keys were seen that JavaScript tells apart and Python doesn't.
#[derive(Default)]
struct Seen {
    one: bool,
    yes: bool,
    zero: bool,
    no: bool,
}

impl Seen {
    /// Adds a key it takes; false with a Python exception set if that can't be.
    unsafe fn add(&mut self, key: JSValue, container: &str) -> bool {
        // SAFETY: at home with the GIL.
        unsafe {
            match qjs::JS_VALUE_GET_TAG(key) {
                qjs::JS_TAG_BOOL if qjs::JS_VALUE_GET_BOOL(key) => self.yes = true,
                qjs::JS_TAG_BOOL => self.no = true,
                qjs::JS_TAG_INT | qjs::JS_TAG_FLOAT64 => {
                    let mut number = 0.0;
                    qjs::JS_ToFloat64(state::context(), &mut number, key);
                    self.one |= number == 1.0;
                    self.zero |= number == 0.0;
                }
                _ => {}
            }
            qjs::JS_FreeValue(state::context(), key);
            let pair = match self {
                Self {
                    one: true, yes: true, ..
                } => "1 and true",
                Self {
                    zero: true, no: true, ..
                } => "0 and false",
                _ => return true,
            };
            raise_error(format!(
                "Cannot faithfully convert {container} into Python since it contains both {pair} as keys."
            ));
            false
        }
    }
}

/// A key of a dict or set from a value it takes: only values that cross by value can be one, and objects of Python (whose hash
/// says whether).
unsafe fn key_steal(value: JSValue, container: &str) -> *mut PyObject {
    // SAFETY: at home with the GIL.
    unsafe {
        let object = qjs::JS_IsObject(value) && pyproxy::cell_of(value).is_none();
        if !object && !qjs::JS_IsSymbol(value) {
            return js2python::convert_steal(value, JS_UNDEFINED);
        }
        let context = state::context();
        let atoms = &raw const (*state::state()).atoms;
        let constructor = qjs::JS_GetProperty(context, value, (*atoms).constructor);
        let name = if qjs::JS_IsObject(constructor) {
            qjs::JS_GetProperty(context, constructor, (*atoms).name)
        } else {
            JS_UNDEFINED
        };
        let failed = qjs::JS_IsException(constructor) || qjs::JS_IsException(name);
        qjs::JS_FreeValue(context, constructor);
        if failed {
            qjs::JS_FreeValue(context, value);
            error::raise();
            return ptr::null_mut();
        }
        let mut shown = if qjs::JS_IsString(name) {
            error::describe(name)
        } else {
            String::new()
        };
        qjs::JS_FreeValue(context, name);
        if shown.is_empty() {
            shown = jsproxy::methods::type_of(value).to_string_lossy().into_owned();
        }
        qjs::JS_FreeValue(context, value);
        raise_error(format!(
            "Cannot use key of type {shown} as a key to a Python {container}"
        ));
        ptr::null_mut()
    }
}

/// Raises the JavaScript `Error` with this message.
#[cold]
unsafe fn raise_error(message: String) {
    // SAFETY: at home with the GIL.
    unsafe {
        let message = std::ffi::CString::new(message.replace('\0', "\u{fffd}")).unwrap_or_default();
        error::throw_error(c"Error", &message);
        error::raise();
    }
}
