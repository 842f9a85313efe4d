//! `JsException`: the proxy of a JavaScript error, which is a Python exception.

use std::os::raw::c_int;
use std::ptr;

use pyo3::ffi::{self, PyObject, PyTypeObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use super::types::slot;
use super::{attributes, flags, methods};
use crate::{atoms, error, js2python, jsbind, lifetime, python2js, state, strings, wake};

/// The layout of a JsException: a Python exception, then the error.
#[repr(C)]
pub(crate) struct JsExceptionObject {
    base: ffi::PyBaseExceptionObject,
    /// The error; owned.
    pub(crate) value: JSValue,
    /// The `Shape` of a bound signature; owned, null without one.
    pub(super) shape: *mut PyObject,
}

static mut TYPE: *mut PyTypeObject = ptr::null_mut();

/// The type `JsException`; null with an exception set if it can't be made.
///
/// # Safety
/// The GIL is held.
pub(crate) unsafe fn class() -> *mut PyTypeObject {
    // SAFETY: the GIL guards the static; the slots' functions have the signatures the slots ask for.
    unsafe {
        if !TYPE.is_null() {
            return TYPE;
        }
        let mut slots = [
            slot(ffi::Py_tp_dealloc, dealloc as *const ()),
            slot(ffi::Py_tp_getattro, getattro as *const ()),
            slot(ffi::Py_tp_setattro, setattro as *const ()),
            slot(ffi::Py_tp_repr, attributes::repr as *const ()),
            slot(ffi::Py_tp_str, attributes::repr as *const ()),
            slot(ffi::Py_tp_new, new as *const ()),
            slot(ffi::Py_tp_init, init as *const ()),
            slot(ffi::Py_tp_richcompare, super::container::richcompare as *const ()),
            slot(ffi::Py_tp_hash, hash as *const ()),
            slot(ffi::Py_tp_methods, methods::always() as *const ()),
            slot(ffi::Py_tp_getset, methods::getset() as *const ()),
            ffi::PyType_Slot {
                slot: 0,
                pfunc: ptr::null_mut(),
            },
        ];
        let mut spec = ffi::PyType_Spec {
            name: c"pyodide.ffi.JsException".as_ptr(),
            basicsize: size_of::<JsExceptionObject>() as c_int,
            itemsize: 0,
            flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE) as u32,
            slots: slots.as_mut_ptr(),
        };
        let bases = ffi::PyTuple_Pack(1, ffi::PyExc_Exception);
        if bases.is_null() {
            return ptr::null_mut();
        }
        let made = ffi::PyType_FromSpecWithBases(&mut spec, bases).cast::<PyTypeObject>();
        ffi::Py_DECREF(bases);
        if made.is_null() || add_own(made) != 0 {
            ffi::Py_XDECREF(made.cast());
            return ptr::null_mut();
        }
        TYPE = made;
        made
    }
}

struct Own<T>(T);
// SAFETY: only read, by the interpreter under the GIL.
unsafe impl<T> Sync for Own<T> {}

static REDUCE: Own<ffi::PyMethodDef> = Own(ffi::PyMethodDef {
    ml_name: c"__reduce__".as_ptr(),
    ml_meth: ffi::PyMethodDefPointer { PyCFunction: reduce },
    ml_flags: ffi::METH_NOARGS,
    ml_doc: c"For pickle and copy: name, message and stack.".as_ptr(),
});

static JS_ERROR: Own<ffi::PyGetSetDef> = Own(ffi::PyGetSetDef {
    name: c"js_error".as_ptr(),
    get: Some(js_error),
    set: None,
    doc: c"The error: the exception itself.".as_ptr(),
    closure: ptr::null_mut(),
});

/// Adds what other proxies do not have. Not 0 with an exception set.
unsafe fn add_own(kind: *mut PyTypeObject) -> c_int {
    // SAFETY: a type just made; the definitions are static, and the interpreter only reads them.
    unsafe {
        let reduce = ffi::PyDescr_NewMethod(kind, (&raw const REDUCE.0).cast_mut());
        let js_error = ffi::PyDescr_NewGetSet(kind, (&raw const JS_ERROR.0).cast_mut());
        let mut done = -1;
        if !reduce.is_null() && !js_error.is_null() {
            done = ffi::PyObject_SetAttrString(kind.cast(), REDUCE.0.ml_name, reduce)
                | ffi::PyObject_SetAttrString(kind.cast(), JS_ERROR.0.name, js_error);
        }
        ffi::Py_XDECREF(reduce);
        ffi::Py_XDECREF(js_error);
        done
    }
}

unsafe extern "C" fn js_error(object: *mut PyObject, _: *mut std::ffi::c_void) -> *mut PyObject {
    // SAFETY: called by the interpreter on a valid object.
    unsafe { ffi::Py_INCREF(object) };
    object
}

/// `__reduce__`: the class, and name, message and stack for it.
unsafe extern "C" fn reduce(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter with the GIL.
    unsafe {
        let parts = [c"name", c"message", c"stack"].map(|name| {
            let value = ffi::PyObject_GetAttrString(object, name.as_ptr());
            let text = if value.is_null() {
                value
            } else {
                ffi::PyObject_Str(value)
            };
            ffi::Py_XDECREF(value);
            text
        });
        let mut reduced = ptr::null_mut();
        if parts.iter().all(|part| !part.is_null()) {
            let class = ffi::Py_TYPE(object).cast::<PyObject>();
            let arguments = ffi::PyTuple_Pack(3, parts[0], parts[1], parts[2]);
            if !arguments.is_null() {
                reduced = ffi::PyTuple_Pack(2, class, arguments);
                ffi::Py_DECREF(arguments);
            }
        }
        for part in parts {
            ffi::Py_XDECREF(part);
        }
        reduced
    }
}

/// `args` of an exception for `error` (borrowed): a plain proxy of the error. Null with an exception set.
unsafe fn arguments_for(error: JSValue) -> *mut PyObject {
    // SAFETY: at home with the GIL.
    unsafe {
        let plain = super::new_with_flags_steal(
            qjs::JS_DupValue(state::context(), error),
            JS_UNDEFINED,
            flags::detect(error) & !flags::ERROR,
        );
        if plain.is_null() {
            return plain;
        }
        let arguments = ffi::PyTuple_Pack(1, plain);
        ffi::Py_DECREF(plain);
        arguments
    }
}

/// A new exception for an error it takes.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn new_steal(error: JSValue) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe { of_class_steal(class(), error) }
}

/// As [`new_steal`] for a class that derives from `JsException`.
unsafe fn of_class_steal(class: *mut PyTypeObject, error: JSValue) -> *mut PyObject {
    // SAFETY: as for `new_steal`.
    unsafe {
        let arguments = arguments_for(error);
        let object = if arguments.is_null() {
            ptr::null_mut()
        } else {
            allocate(class, arguments)
        };
        ffi::Py_XDECREF(arguments);
        if object.is_null() {
            qjs::JS_FreeValue(state::context(), error);
            return object;
        }
        (*object.cast::<JsExceptionObject>()).value = error;
        object
    }
}

/// Makes the exception part; `value` is undefined still.
unsafe fn allocate(class: *mut PyTypeObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: `class` derives from Exception, whose tp_new fits.
    unsafe {
        if class.is_null() {
            return ptr::null_mut();
        }
        let base = ffi::PyExc_Exception.cast::<PyTypeObject>();
        let Some(base_new) = (*base).tp_new else {
            return ptr::null_mut();
        };
        let object = base_new(class, arguments, ptr::null_mut());
        if !object.is_null() {
            (*object.cast::<JsExceptionObject>()).value = JS_UNDEFINED;
            (*state::state()).live_jsproxies += 1;
        }
        object
    }
}

/// `JsException(name, message="", stack="")`: makes the JavaScript error too.
unsafe extern "C" fn new(
    class: *mut PyTypeObject,
    arguments: *mut PyObject,
    keywords: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter with the GIL.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return ptr::null_mut();
        }
        let (mut name, mut message, mut stack) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let mut names = [
            c"name".as_ptr(),
            c"message".as_ptr(),
            c"stack".as_ptr(),
            ptr::null(),
        ];
        if ffi::PyArg_ParseTupleAndKeywords(
            arguments,
            keywords,
            c"U|UU:__new__".as_ptr(),
            names.as_mut_ptr().cast(),
            &raw mut name,
            &raw mut message,
            &raw mut stack,
        ) == 0
        {
            return ptr::null_mut();
        }
        let context = state::context();
        let text = |object: *mut PyObject| {
            if object.is_null() {
                JS_UNDEFINED
            } else {
                strings::to_javascript(object)
            }
        };
        let mut values = [text(name), text(message), text(stack)];
        let made = qjs::JS_Call(
            context,
            (*state::state()).support.make_error,
            JS_UNDEFINED,
            3,
            values.as_mut_ptr(),
        );
        for value in values {
            qjs::JS_FreeValue(context, value);
        }
        if qjs::JS_IsException(made) {
            error::raise();
            return ptr::null_mut();
        }
        of_class_steal(class, made)
    }
}

/// All is done in `new`; `Exception.__init__` would overwrite `args` and refuse keywords.
unsafe extern "C" fn init(_: *mut PyObject, _: *mut PyObject, _: *mut PyObject) -> c_int {
    0
}

unsafe extern "C" fn hash(object: *mut PyObject) -> ffi::Py_hash_t {
    // Exceptions must be hashable (traceback and logging keep sets of them): as their errors are equal.
    // SAFETY: called by the interpreter on an object of our layout; the address is not followed.
    let address = unsafe { qjs::JS_VALUE_GET_PTR((*object.cast::<JsExceptionObject>()).value) };
    (address as usize >> 4) as ffi::Py_hash_t
}

/// How deep destructors may nest in each other: exceptions hold exceptions, in chains of any length.
const NESTED: usize = 50;

/// Destructors under way, and exceptions that wait for the outermost of them.
static mut ENDING: (usize, Vec<*mut PyObject>) = (0, Vec::new());

unsafe extern "C" fn dealloc(object: *mut PyObject) {
    // SAFETY: called once by the interpreter, with the GIL, which guards the static; no reference into it lives
    // across the end of an object.
    unsafe {
        ffi::PyObject_GC_UnTrack(object.cast());
        let ending = &raw mut ENDING;
        if (*ending).0 >= NESTED {
            (*ending).1.push(object);
            return;
        }
        (*ending).0 += 1;
        end(object);
        if (*ending).0 == 1 {
            while let Some(waiting) = (*ending).1.pop() {
                end(waiting);
            }
        }
        (*ending).0 -= 1;
    }
}

/// Frees an exception that the collector does not know any more.
unsafe fn end(object: *mut PyObject) {
    // SAFETY: as for `dealloc`. The base's destructor is not called, since it might put the object off by itself;
    // what it does is done here.
    unsafe {
        let (value, shape) = {
            let exception = object.cast::<JsExceptionObject>();
            ((*exception).value, (*exception).shape)
        };
        let class = ffi::Py_TYPE(object);
        let base = ffi::PyExc_Exception.cast::<PyTypeObject>();
        if let Some(clear) = (*base).tp_clear {
            clear(object);
        }
        if let Some(free) = (*class).tp_free {
            free(object.cast());
        }
        (*state::state()).live_jsproxies -= 1;
        lifetime::drop_value(value);
        ffi::Py_XDECREF(shape);
        ffi::Py_DECREF(class.cast());
    }
}

/// `tp_getattro`: what an exception has, else the error's property.
pub(crate) unsafe extern "C" fn getattro(object: *mut PyObject, name: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter with the GIL on an object of our layout.
    unsafe {
        let found = ffi::PyObject_GenericGetAttr(object, name);
        if !found.is_null()
            || ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) == 0
            || !state::at_home()
        {
            return found;
        }
        let _turn = wake::AtEnd::new();
        // No code, of either language, may meet the exception.
        let (mut kind, mut raised, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        ffi::PyErr_Fetch(&mut kind, &mut raised, &mut trace);
        let context = state::context();
        let value = (*object.cast::<JsExceptionObject>()).value;
        let result = match atoms::name(name) {
            None => ptr::null_mut(),
            Some(entry) => match qjs::JS_HasProperty(context, value, entry.atom) {
                0 => {
                    ffi::PyErr_SetObject(ffi::PyExc_AttributeError, name);
                    ptr::null_mut()
                }
                has if has < 0 => {
                    error::raise();
                    ptr::null_mut()
                }
                _ => {
                    let property = qjs::JS_GetProperty(context, value, entry.atom);
                    let shape = (*object.cast::<JsExceptionObject>()).shape;
                    if shape.is_null() {
                        js2python::convert_steal(property, value)
                    } else {
                        jsbind::attribute_steal(shape, name, property, value)
                    }
                }
            },
        };
        ffi::Py_XDECREF(kind);
        ffi::Py_XDECREF(raised);
        ffi::Py_XDECREF(trace);
        result
    }
}

/// `tp_setattro`: names with two underscores and what `BaseException` defines stay in Python, the rest goes
/// to the error.
unsafe extern "C" fn setattro(object: *mut PyObject, name: *mut PyObject, new: *mut PyObject) -> c_int {
    // SAFETY: as for `getattro`.
    unsafe {
        if !state::at_home() || ffi::PyObject_HasAttr(ffi::PyExc_Exception, name) != 0 {
            return ffi::PyObject_GenericSetAttr(object, name, new);
        }
        let Some(entry) = atoms::name(name) else { return -1 };
        if entry.python {
            return ffi::PyObject_GenericSetAttr(object, name, new);
        }
        let _turn = wake::AtEnd::new();
        let context = state::context();
        let value = (*object.cast::<JsExceptionObject>()).value;
        let done = if new.is_null() {
            qjs::JS_DeleteProperty(context, value, entry.atom, qjs::JS_PROP_THROW as c_int)
        } else {
            let new = python2js::convert(new);
            if qjs::JS_IsException(new) {
                -1
            } else {
                // The conversion may have run user code, which may have evicted the name.
                let Some(entry) = atoms::name(name) else {
                    qjs::JS_FreeValue(context, new);
                    return -1;
                };
                qjs::JS_SetProperty(context, value, entry.atom, new)
            }
        };
        if done < 0 {
            error::raise();
            return -1;
        }
        0
    }
}
