//! Deep conversion from JavaScript to Python (`spec/ffi.md` §4): `JsProxy.to_py` and `pyodide.toPy`.
//!
//! As in [`crate::to_js`], the conversion is used through a raw pointer, since converters come back to it
//! ([`callbacks`]), and getters may change what is being converted.

mod callbacks;
mod names;

use std::collections::HashMap;
use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSPropertyEnum, JSValue};

use crate::jsproxy::methods::home_value;
use crate::{buffer, error, js2python, jsproxy, pyproxy, python2js, state};

use callbacks::Callbacks;
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
        let result = convert_deep_py(value, depth, function);
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
            match Callbacks::new(this) {
                Some(callbacks) => (*this).callbacks = Some(callbacks),
                None => return ptr::null_mut(),
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
    cache: HashMap<usize, (JSValue, *mut PyObject)>,
    names: Names,
    callbacks: Option<Callbacks>,
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
            if qjs::JS_VALUE_GET_TAG(value) != qjs::JS_TAG_OBJECT
                || (*this).depth == 0
                || pyproxy::cell_of(value).is_some()
            {
                return js2python::convert_steal(value, JS_UNDEFINED);
            }
            if ffi::Py_EnterRecursiveCall(c" while converting a JavaScript object to Python".as_ptr()) != 0 {
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
            let result = match Kind::of(value) {
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
            let list = ffi::PyList_New(0);
            if list.is_null() {
                return list;
            }
            Self::remember(this, value, list);
            let mut index = 0;
            loop {
                let mut length = 0;
                if qjs::JS_GetLength(context, value, &mut length) < 0 {
                    error::raise();
                    break;
                }
                if index >= length {
                    return list;
                }
                // The length can only change below if something other than a plain value is converted.
                let mut stale = false;
                while index < length && !stale {
                    let element = qjs::JS_GetPropertyInt64(context, value, index);
                    stale = qjs::JS_IsObject(element) || qjs::JS_IsUndefined(element);
                    let item = Self::value_steal(this, element);
                    if item.is_null() {
                        ffi::Py_DECREF(list);
                        return item;
                    }
                    let done = ffi::PyList_Append(list, item);
                    ffi::Py_DECREF(item);
                    if done < 0 {
                        ffi::Py_DECREF(list);
                        return ptr::null_mut();
                    }
                    index += 1;
                }
            }
            ffi::Py_DECREF(list);
            ptr::null_mut()
        }
    }

    /// A plain object: a dict of its own enumerable properties with string keys.
    unsafe fn plain(this: *mut Self, value: JSValue) -> *mut PyObject {
        // SAFETY: as for `value_steal`; the table of names is freed on every path.
        unsafe {
            let context = state::context();
            let dict = ffi::PyDict_New();
            if dict.is_null() {
                return dict;
            }
            Self::remember(this, value, dict);
            let mut table: *mut JSPropertyEnum = ptr::null_mut();
            let mut length = 0;
            let flags = (qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_ENUM_ONLY) as i32;
            if qjs::JS_GetOwnPropertyNames(context, &mut table, &mut length, value, flags) < 0 {
                ffi::Py_DECREF(dict);
                error::raise();
                return ptr::null_mut();
            }
            (*this).names.begin();
            let mut failed = false;
            for index in 0..length {
                let atom = (*table.add(index as usize)).atom;
                let item = Self::value_steal(this, qjs::JS_GetProperty(context, value, atom));
                let name = if item.is_null() {
                    item
                } else {
                    (*this).names.text(atom)
                };
                failed = name.is_null() || ffi::PyDict_SetItem(dict, name, item) < 0;
                ffi::Py_XDECREF(name);
                ffi::Py_XDECREF(item);
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

    unsafe fn map(this: *mut Self, value: JSValue) -> *mut PyObject {
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

    unsafe fn set(this: *mut Self, value: JSValue) -> *mut PyObject {
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

/// What an object becomes.
enum Kind {
    Array,
    Map,
    Set,
    Buffer,
    Plain,
    Other,
}

impl Kind {
    /// `Err` with a JavaScript exception set.
    #[inline]
    unsafe fn of(value: JSValue) -> Result<Self, ()> {
        // SAFETY: at home with the GIL; `value` is an object.
        unsafe {
            if qjs::JS_IsArray(value) {
                return Ok(Self::Array);
            }
            if qjs::JS_IsMap(value) {
                return Ok(Self::Map);
            }
            if qjs::JS_IsSet(value) {
                return Ok(Self::Set);
            }
            if qjs::JS_GetTypedArrayType(value) >= 0
                || qjs::JS_IsArrayBuffer(value)
                || qjs::JS_IsDataView(value)
            {
                return Ok(Self::Buffer);
            }
            let context = state::context();
            if qjs::JS_IsProxy(value) {
                return Self::of_proxy(value);
            }
            let support = &raw const (*state::state()).support;
            // Most objects are literals: of the plain class, with the engine's own `Object` as constructor.
            if qjs::JS_GetClassID(value) == PLAIN_CLASS {
                let atoms = &raw const (*state::state()).atoms;
                let constructor = qjs::JS_GetProperty(context, value, (*atoms).constructor);
                let literal = qjs::JS_IsStrictEqual(context, constructor, (*support).Object);
                qjs::JS_FreeValue(context, constructor);
                if qjs::JS_IsException(constructor) {
                    return Err(());
                }
                if literal {
                    let tag = qjs::JS_GetProperty(context, value, (*atoms).to_string_tag);
                    let tagged = !qjs::JS_IsUndefined(tag);
                    qjs::JS_FreeValue(context, tag);
                    if qjs::JS_IsException(tag) {
                        return Err(());
                    }
                    if !tagged {
                        return Ok(Self::Plain);
                    }
                }
            }
            Self::by_asking(value)
        }
    }

    /// A proxy of an array is an array.
    #[cold]
    unsafe fn of_proxy(value: JSValue) -> Result<Self, ()> {
        // SAFETY: as for `of`.
        unsafe {
            let context = state::context();
            let mut target = qjs::JS_DupValue(context, value);
            while qjs::JS_IsProxy(target) {
                let inner = qjs::JS_GetProxyTarget(context, target);
                qjs::JS_FreeValue(context, target);
                target = inner;
            }
            let array = qjs::JS_IsArray(target);
            qjs::JS_FreeValue(context, target);
            if qjs::JS_IsException(target) {
                return Err(());
            }
            if array {
                Ok(Self::Array)
            } else {
                Self::by_asking(value)
            }
        }
    }

    #[cold]
    unsafe fn by_asking(value: JSValue) -> Result<Self, ()> {
        // SAFETY: as for `of`.
        unsafe {
            let context = state::context();
            let mut arguments = [value];
            let answer = qjs::JS_Call(
                context,
                (*state::state()).support.becomes_dict,
                JS_UNDEFINED,
                1,
                arguments.as_mut_ptr(),
            );
            if qjs::JS_IsException(answer) {
                return Err(());
            }
            let plain = qjs::JS_ToBool(context, answer) == 1;
            qjs::JS_FreeValue(context, answer);
            Ok(if plain { Self::Plain } else { Self::Other })
        }
    }
}

/// The class of plain objects: the first of the engine's enumeration, by its own comment.
const PLAIN_CLASS: qjs::JSClassID = 1;

/// The address of an object, by which the cache knows it.
unsafe fn address(value: JSValue) -> usize {
    // SAFETY: `value` is an object; the pointer is not followed.
    unsafe { qjs::JS_VALUE_GET_PTR(value) as usize }
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

/// A key of a dict or set from a value it takes: only values that cross by value can be one.
unsafe fn key_steal(value: JSValue, container: &str) -> *mut PyObject {
    // SAFETY: at home with the GIL.
    unsafe {
        let object = qjs::JS_IsObject(value)
            && !pyproxy::cell_of(value).is_some_and(|cell| pyproxy::unwrap(cell).is_some());
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
