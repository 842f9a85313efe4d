//! `JsProxy`: a JavaScript object in Python. One Python type per set of feature flags ([`types`]), all of one
//! layout; errors have their own ([`exception`]), since they must be Python exceptions.

pub(crate) mod attributes;
pub(crate) mod call;
pub(crate) mod container;
pub(crate) mod exception;
pub(crate) mod flags;
pub(crate) mod iterate;
pub(crate) mod methods;
pub(crate) mod shape;
pub(crate) mod spare;
pub(crate) mod types;

use std::ptr;

use pyo3::ffi::{self, PyObject, vectorcallfunc};
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use crate::{jsbind, lifetime, state};

/// The layout of every JsProxy that is not an error.
#[repr(C)]
pub(crate) struct JsProxy {
    base: PyObject,
    vectorcall: Option<vectorcallfunc>,
    /// The object (or symbol); owned.
    pub(crate) value: JSValue,
    /// The object or symbol a function is called on; owned, undefined for all else.
    pub(crate) this: JSValue,
    /// Holds the few names the import system sets; usually null.
    dict: *mut PyObject,
    weakrefs: *mut PyObject,
    /// The `Shape` of a bound signature; owned, null without one. Set before anybody sees the proxy.
    shape: *mut PyObject,
    pub(crate) flags: u32,
}

/// The JavaScript value of a JsProxy or JsException (borrowed); `None` for any other object.
///
/// # Safety
/// The GIL is held, `object` is valid. The value may be used at home only.
#[inline(always)]
pub(crate) unsafe fn value_of(object: *mut PyObject) -> Option<JSValue> {
    // SAFETY: only types made in this module have these functions in the slot, and our types can't be
    // subclassed with another one, so the slot tells the layout.
    unsafe {
        let getattro = (*ffi::Py_TYPE(object))
            .tp_getattro
            .map_or(0, |function| function as usize);
        if getattro == attributes::getattro as *const () as usize {
            return Some((*object.cast::<JsProxy>()).value);
        }
        if getattro == exception::getattro as *const () as usize {
            return Some((*object.cast::<exception::JsExceptionObject>()).value);
        }
        None
    }
}

/// The JavaScript values (borrowed) that a JsProxy or JsException owns; none for any other object.
///
/// # Safety
/// The GIL is held, `object` is valid.
pub(crate) unsafe fn owned_values(object: *mut PyObject) -> [JSValue; 2] {
    // SAFETY: the slot tells the layout, as in `value_of`.
    unsafe {
        match flags_of(object) {
            Some(flags) if flags & flags::ERROR == 0 => [
                (*object.cast::<JsProxy>()).value,
                (*object.cast::<JsProxy>()).this,
            ],
            _ => [value_of(object).unwrap_or(JS_UNDEFINED), JS_UNDEFINED],
        }
    }
}

/// The feature flags of a JsProxy or JsException; `None` for any other object.
///
/// # Safety
/// The GIL is held, `object` is valid.
pub(crate) unsafe fn flags_of(object: *mut PyObject) -> Option<u32> {
    // SAFETY: as for `value_of`.
    unsafe {
        let getattro = (*ffi::Py_TYPE(object))
            .tp_getattro
            .map_or(0, |function| function as usize);
        if getattro == attributes::getattro as *const () as usize {
            return Some((*object.cast::<JsProxy>()).flags);
        }
        (getattro == exception::getattro as *const () as usize).then_some(flags::ERROR)
    }
}

/// The `Shape` of a bound JsProxy or JsException (borrowed); null for any other object.
///
/// # Safety
/// The GIL is held, `object` is valid.
#[inline(always)]
pub(crate) unsafe fn shape_of(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: as for `value_of`.
    unsafe {
        let getattro = (*ffi::Py_TYPE(object))
            .tp_getattro
            .map_or(0, |function| function as usize);
        if getattro == attributes::getattro as *const () as usize {
            return (*object.cast::<JsProxy>()).shape;
        }
        if getattro == exception::getattro as *const () as usize {
            return (*object.cast::<exception::JsExceptionObject>()).shape;
        }
        ptr::null_mut()
    }
}

/// Gives a fresh proxy its shape.
///
/// # Safety
/// The GIL is held; `object` is a JsProxy or JsException that only the caller has seen.
pub(crate) unsafe fn set_shape(object: *mut PyObject, shape: &pyo3::Bound<'_, jsbind::Shape>) {
    // SAFETY: as for `value_of`; an older shape is released when the new one is in place.
    unsafe {
        let shape = shape.clone().into_ptr();
        let old = if is_plain(object) {
            let proxy = object.cast::<JsProxy>();
            if (*proxy).vectorcall.is_some() {
                (*proxy).vectorcall = Some(jsbind::vectorcall);
            }
            ptr::replace(&raw mut (*proxy).shape, shape)
        } else {
            ptr::replace(
                &raw mut (*object.cast::<exception::JsExceptionObject>()).shape,
                shape,
            )
        };
        ffi::Py_XDECREF(old);
    }
}

/// Whether it is a JsProxy, and no JsException.
unsafe fn is_plain(object: *mut PyObject) -> bool {
    // SAFETY: as for `value_of`.
    unsafe {
        (*ffi::Py_TYPE(object))
            .tp_getattro
            .is_some_and(|function| function as usize == attributes::getattro as *const () as usize)
    }
}

/// A second proxy of the value of `object` (a JsProxy or JsException), which it takes: of the same type, with the same `this`.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn copy_steal(object: *mut PyObject, value: JSValue) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe {
        if is_plain(object) {
            let proxy = object.cast::<JsProxy>();
            return new_with_flags_steal(value, (*proxy).this, (*proxy).flags);
        }
        exception::new_steal(value)
    }
}

/// A new proxy of a value it takes, bound to `this` (borrowed) if it is a function.
///
/// # Safety
/// At home with the GIL; `value` is an object or a symbol.
pub(crate) unsafe fn new_steal(value: JSValue, this: JSValue) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe { new_detected_steal(value, this, flags::detect(value)) }
}

/// As [`new_steal`] with the flags found out already.
///
/// # Safety
/// As for [`new_steal`]; `flags` are those of the value.
#[inline(always)]
pub(crate) unsafe fn new_detected_steal(value: JSValue, this: JSValue, flags: u32) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe {
        if flags & flags::ERROR != 0 {
            return exception::new_steal(value);
        }
        new_with_flags_steal(value, this, flags)
    }
}

pub(crate) use exception::new_steal as new_exception_steal;

/// As [`new_steal`] with the flags given.
///
/// # Safety
/// As for [`new_steal`]; `flags` fit the value.
pub(crate) unsafe fn new_with_flags_steal(value: JSValue, this: JSValue, flags: u32) -> *mut PyObject {
    // SAFETY: as the caller promises; the new object's fields are all set before anybody sees it.
    unsafe {
        let kind = types::for_flags(flags);
        if kind.is_null() {
            qjs::JS_FreeValue(state::context(), value);
            return ptr::null_mut();
        }
        let object = spare::allocate(kind);
        if object.is_null() {
            qjs::JS_FreeValue(state::context(), value);
            return ptr::null_mut();
        }
        (*object).vectorcall = if flags & flags::CALLABLE != 0 {
            Some(call::vectorcall)
        } else {
            None
        };
        (*object).value = value;
        (*object).this = if flags & flags::CALLABLE != 0 && (qjs::JS_IsObject(this) || qjs::JS_IsSymbol(this))
        {
            qjs::JS_DupValue(state::context(), this)
        } else {
            JS_UNDEFINED
        };
        (*object).flags = flags;
        (*state::state()).live_jsproxies += 1;
        object.cast()
    }
}

/// `tp_dealloc`. Never calls into Python; JavaScript finalizers it sets off only enqueue.
pub(crate) unsafe extern "C" fn dealloc(object: *mut PyObject) {
    // SAFETY: called once, by the interpreter, on an object of our layout.
    unsafe {
        let proxy = object.cast::<JsProxy>();
        if !(*proxy).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
        let (value, this, dict, shape) = ((*proxy).value, (*proxy).this, (*proxy).dict, (*proxy).shape);
        let kind = ffi::Py_TYPE(object);
        spare::free(proxy);
        (*state::state()).live_jsproxies -= 1;
        lifetime::drop_value(value);
        lifetime::drop_value(this);
        ffi::Py_XDECREF(dict);
        ffi::Py_XDECREF(shape);
        ffi::Py_DECREF(kind.cast());
    }
}

/// The proxy (or plain value) that stands for a JavaScript value in Python: for crates that hold engine
/// values through `rquickjs`.
///
/// # Errors
/// The Python exception, for instance off the home thread.
pub fn wrap<'py>(
    py: pyo3::Python<'py>,
    value: &rquickjs::Value<'_>,
) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
    // SAFETY: `py` proves the GIL; home is checked; the value is alive and copied by `convert`.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return Err(pyo3::PyErr::fetch(py));
        }
        pyo3::Bound::from_owned_ptr_or_err(py, crate::js2python::convert(value.as_raw()))
    }
}

/// The JavaScript value for a Python object, by the implicit conversion; what has no counterpart becomes a
/// PyProxy.
///
/// # Errors
/// The Python exception, for instance off the home thread.
pub fn js_value<'js>(
    ctx: &rquickjs::Ctx<'js>,
    object: &pyo3::Bound<'_, pyo3::PyAny>,
) -> pyo3::PyResult<rquickjs::Value<'js>> {
    // SAFETY: the Bound proves the GIL; home is checked; ownership of the new value goes to `Value`.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return Err(pyo3::PyErr::fetch(object.py()));
        }
        let value = crate::python2js::convert(object.as_ptr());
        if qjs::JS_IsException(value) {
            crate::error::raise();
            return Err(pyo3::PyErr::fetch(object.py()));
        }
        Ok(rquickjs::Value::from_raw(ctx.clone(), value))
    }
}

/// Whether some type of JsProxy might have a Python attribute of this name.
pub(crate) use types::is_python_name;
