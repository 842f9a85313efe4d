//! Methods that every JsProxy has, and `new` of callables. All else that need not be native is Python
//! (`isthmus._runtime.mixins`).

use std::ffi::CStr;
use std::ptr;

use pyo3::ffi::{self, PyGetSetDef, PyMethodDef, PyMethodDefPointer, PyObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use super::attributes::WITHOUT_KEYS;
use super::{call, flags_of, value_of};
use crate::{error, js2python, jsbind, state, to_py, wake};

const fn no_arguments(
    name: &'static CStr,
    function: unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> *mut PyObject,
    doc: &'static CStr,
) -> PyMethodDef {
    PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: PyMethodDefPointer {
            PyCFunction: function,
        },
        ml_flags: ffi::METH_NOARGS,
        ml_doc: doc.as_ptr(),
    }
}

const fn one_argument(
    name: &'static CStr,
    function: unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> *mut PyObject,
    doc: &'static CStr,
) -> PyMethodDef {
    PyMethodDef {
        ml_flags: ffi::METH_O,
        ..no_arguments(name, function, doc)
    }
}

struct Table<T, const N: usize>([T; N]);
// SAFETY: the tables are only read, and by the interpreter under the GIL.
unsafe impl<T, const N: usize> Sync for Table<T, N> {}

static ALWAYS: Table<PyMethodDef, 8> = Table([
    no_arguments(
        c"object_keys",
        object_keys,
        c"The own enumerable string keys, as a JavaScript array.",
    ),
    no_arguments(
        c"object_values",
        object_values,
        c"The own enumerable values, as a JavaScript array.",
    ),
    no_arguments(
        c"object_entries",
        object_entries,
        c"The own enumerable entries, as a JavaScript array.",
    ),
    no_arguments(
        c"__dir__",
        dir,
        c"The names of Python attributes and JavaScript properties.",
    ),
    PyMethodDef {
        ml_name: c"to_py".as_ptr(),
        ml_meth: PyMethodDefPointer {
            PyCFunctionFastWithKeywords: to_py::to_py_method,
        },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: c"to_py(*, depth=-1, default_converter=None)\n--\n\nConverts to Python objects, deeply."
            .as_ptr(),
    },
    one_argument(
        c"bind_sig",
        jsbind::bind_sig,
        c"bind_sig(signature, /)\n--\n\nA proxy of the same object whose attributes, or whose call, convert as the signature says.",
    ),
    one_argument(
        c"bind_class",
        jsbind::bind_class,
        c"bind_class(cls, /)\n--\n\nThe same for a constructor of what `cls` describes.",
    ),
    PyMethodDef::zeroed(),
]);

static CALLABLE: Table<PyMethodDef, 2> = Table([
    PyMethodDef {
        ml_name: c"new".as_ptr(),
        ml_meth: PyMethodDefPointer {
            PyCFunctionFastWithKeywords: call::new,
        },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: c"Constructs an object, as JavaScript's `new` does.".as_ptr(),
    },
    PyMethodDef::zeroed(),
]);

static GETSET: Table<PyGetSetDef, 4> = Table([
    PyGetSetDef {
        name: c"typeof".as_ptr(),
        get: Some(get_typeof),
        set: None,
        doc: c"What JavaScript's `typeof` gives.".as_ptr(),
        closure: ptr::null_mut(),
    },
    PyGetSetDef {
        name: c"js_id".as_ptr(),
        get: Some(get_js_id),
        set: None,
        doc: c"An integer that is equal for proxies of the same object.".as_ptr(),
        closure: ptr::null_mut(),
    },
    PyGetSetDef {
        name: c"_sig".as_ptr(),
        get: Some(jsbind::get_signature),
        set: None,
        doc: c"The bound signature, None without one.".as_ptr(),
        closure: ptr::null_mut(),
    },
    PyGetSetDef {
        name: ptr::null(),
        get: None,
        set: None,
        doc: ptr::null(),
        closure: ptr::null_mut(),
    },
]);

/// The method table of every proxy type.
pub(crate) fn always() -> *const PyMethodDef {
    ALWAYS.0.as_ptr()
}

/// The getters of every proxy type.
pub(crate) fn getset() -> *const PyGetSetDef {
    GETSET.0.as_ptr()
}

/// The method definition of `new`.
pub(crate) fn callable() -> *const PyMethodDef {
    CALLABLE.0.as_ptr()
}

/// JavaScript's `typeof`.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn type_of(value: JSValue) -> &'static CStr {
    // SAFETY: as the caller promises.
    unsafe {
        match qjs::JS_VALUE_GET_TAG(value) {
            qjs::JS_TAG_OBJECT if qjs::JS_IsFunction(state::context(), value) => c"function",
            qjs::JS_TAG_UNDEFINED => c"undefined",
            qjs::JS_TAG_BOOL => c"boolean",
            qjs::JS_TAG_INT | qjs::JS_TAG_FLOAT64 => c"number",
            qjs::JS_TAG_STRING | qjs::JS_TAG_STRING_ROPE => c"string",
            qjs::JS_TAG_SYMBOL => c"symbol",
            qjs::JS_TAG_BIG_INT | qjs::JS_TAG_SHORT_BIG_INT => c"bigint",
            _ => c"object",
        }
    }
}

unsafe extern "C" fn get_typeof(object: *mut PyObject, _: *mut std::ffi::c_void) -> *mut PyObject {
    // SAFETY: called by the interpreter on our types only.
    unsafe {
        let Some(value) = home_value(object) else {
            return ptr::null_mut();
        };
        ffi::PyUnicode_FromString(type_of(value).as_ptr())
    }
}

unsafe extern "C" fn get_js_id(object: *mut PyObject, _: *mut std::ffi::c_void) -> *mut PyObject {
    // SAFETY: called by the interpreter on our types only; the address is not followed.
    unsafe {
        let Some(value) = home_value(object) else {
            return ptr::null_mut();
        };
        ffi::PyLong_FromSize_t(qjs::JS_VALUE_GET_PTR(value) as usize)
    }
}

/// The value of a proxy, at home; `None` with an exception set.
///
/// # Safety
/// The GIL is held, `object` is one of ours.
pub(crate) unsafe fn home_value(object: *mut PyObject) -> Option<JSValue> {
    // SAFETY: as the caller promises.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return None;
        }
        let value = value_of(object);
        if value.is_none() {
            // A subclass of JsException with an attribute access of its own.
            ffi::PyErr_SetString(
                ffi::PyExc_TypeError,
                c"this object has no JavaScript side: its class overrides __getattribute__".as_ptr(),
            );
        }
        value
    }
}

unsafe fn by_support(object: *mut PyObject, function: JSValue) -> *mut PyObject {
    // SAFETY: as for the methods below.
    unsafe {
        let Some(value) = home_value(object) else {
            return ptr::null_mut();
        };
        let _turn = wake::AtEnd::new();
        let mut arguments = [value];
        let result = qjs::JS_Call(
            state::context(),
            function,
            JS_UNDEFINED,
            1,
            arguments.as_mut_ptr(),
        );
        js2python::convert_steal(result, JS_UNDEFINED)
    }
}

unsafe extern "C" fn object_keys(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: a method of our types, called by the interpreter.
    unsafe { by_support(object, (*state::state()).support.object_keys) }
}

unsafe extern "C" fn object_values(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: a method of our types, called by the interpreter.
    unsafe { by_support(object, (*state::state()).support.object_values) }
}

unsafe extern "C" fn object_entries(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: a method of our types, called by the interpreter.
    unsafe { by_support(object, (*state::state()).support.object_entries) }
}

/// `__dir__`: what `object.__dir__` gives and the properties along the prototype chain; names that Python
/// can't spell as attributes are left out, keywords get an underscore.
unsafe extern "C" fn dir(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: a method of our types, called by the interpreter.
    unsafe {
        let Some(value) = home_value(object) else {
            return ptr::null_mut();
        };
        let _turn = wake::AtEnd::new();
        let context = state::context();
        let base = (&raw mut ffi::PyBaseObject_Type).cast::<PyObject>();
        let method = ffi::PyObject_GetAttrString(base, c"__dir__".as_ptr());
        if method.is_null() {
            return method;
        }
        let listed = ffi::PyObject_CallOneArg(method, object);
        ffi::Py_DECREF(method);
        if listed.is_null() {
            return listed;
        }
        let names = ffi::PySet_New(listed);
        ffi::Py_DECREF(listed);
        if names.is_null() {
            return names;
        }
        let mut arguments = [value];
        let properties = qjs::JS_Call(
            context,
            (*state::state()).support.property_names,
            JS_UNDEFINED,
            1,
            arguments.as_mut_ptr(),
        );
        if qjs::JS_IsException(properties) {
            ffi::Py_DECREF(names);
            error::raise();
            return ptr::null_mut();
        }
        let mut length = 0;
        qjs::JS_GetLength(context, properties, &mut length);
        let keys_hidden = flags_of(object).is_some_and(|flags| flags & WITHOUT_KEYS != 0);
        let mut failed = false;
        for index in 0..length {
            let name =
                js2python::convert_steal(qjs::JS_GetPropertyInt64(context, properties, index), JS_UNDEFINED);
            if name.is_null() || add_name(names, name, keys_hidden) != 0 {
                failed = true;
                break;
            }
        }
        qjs::JS_FreeValue(context, properties);
        let list = if failed {
            ptr::null_mut()
        } else {
            ffi::PySequence_List(names)
        };
        ffi::Py_DECREF(names);
        if !list.is_null() && ffi::PyList_Sort(list) != 0 {
            ffi::Py_DECREF(list);
            return ptr::null_mut();
        }
        list
    }
}

/// Adds a name (taken) to a set, unless no attribute can have it.
unsafe fn add_name(names: *mut PyObject, name: *mut PyObject, keys_hidden: bool) -> i32 {
    // SAFETY: the GIL is held, `name` is a str.
    unsafe {
        let mut length = 0;
        let bytes = ffi::PyUnicode_AsUTF8AndSize(name, &mut length);
        let mut spelled = name;
        if bytes.is_null() {
            ffi::PyErr_Clear();
        } else {
            let text = std::str::from_utf8_unchecked(std::slice::from_raw_parts(
                bytes.cast::<u8>(),
                length as usize,
            ));
            let hidden = text.is_empty() || (keys_hidden && text == "keys");
            if hidden || text.starts_with(|first: char| first.is_ascii_digit()) {
                ffi::Py_DECREF(name);
                return 0;
            }
            if crate::atoms::is_keyword_stem(text) {
                spelled = ffi::PyUnicode_FromFormat(c"%U_".as_ptr(), name);
                ffi::Py_DECREF(name);
                if spelled.is_null() {
                    return -1;
                }
            }
        }
        let done = ffi::PySet_Add(names, spelled);
        ffi::Py_DECREF(spelled);
        done
    }
}
