//! How one value crosses where a signature says so.

use std::ptr;

use pyo3::exceptions::PyAttributeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use super::attribute;
use super::shape::Shape;
use crate::jsproxy::{self, call, flags};
use crate::lifetime::{self, Held};
use crate::slot::Slot;
use crate::to_js::{self, Options, Raised};
use crate::{error, js2python, promise, pyproxy, python2js, state, to_py, wake};

/// What becomes of a Python value.
#[derive(Clone, Copy)]
pub(super) enum ToJs {
    /// The implicit conversion.
    Default,
    /// `to_js` with objects for dicts.
    Deep,
    /// The implicit conversion; dicts and sequences look like JavaScript's own (`asJsJson`).
    Json,
}

/// From Python to JavaScript: an optional Python function first, then a conversion.
#[pyclass(frozen, module = "_pyodide.jsbind")]
pub(crate) struct Py2JsConverter {
    kind: ToJs,
    pre_convert: Slot,
}

impl Py2JsConverter {
    pub(super) fn new(kind: ToJs) -> Self {
        Self {
            kind,
            pre_convert: Slot::new(None),
        }
    }

    /// Converts; proxies made for it are added to `temporaries`, each with a reference of its own.
    ///
    /// # Safety
    /// At home with the GIL; `object` is valid.
    #[inline(always)]
    pub(super) unsafe fn convert(
        &self,
        object: *mut PyObject,
        temporaries: &mut Vec<JSValue>,
    ) -> Result<JSValue, Raised> {
        // SAFETY: as the caller promises.
        unsafe {
            let py = Python::assume_attached();
            match self.pre_convert.get(py) {
                None => self.convert_only(object, temporaries),
                Some(function) => {
                    let object = ffi::PyObject_CallOneArg(function.as_ptr(), object);
                    if object.is_null() {
                        return Err(Raised);
                    }
                    let object = Held::steal(object);
                    self.convert_only(object.as_ptr(), temporaries)
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn convert_only(
        &self,
        object: *mut PyObject,
        temporaries: &mut Vec<JSValue>,
    ) -> Result<JSValue, Raised> {
        // SAFETY: as for `convert`.
        unsafe {
            if let Some(value) = python2js::implicit(object) {
                return checked(value);
            }
            if matches!(self.kind, ToJs::Deep) {
                return deep(object, temporaries);
            }
            let proxy = checked(pyproxy::new(object, pyproxy::Origin::OWNED))?;
            temporaries.push(qjs::JS_DupValue(state::context(), proxy));
            if matches!(self.kind, ToJs::Json) {
                return as_json_steal(proxy, temporaries);
            }
            Ok(proxy)
        }
    }
}

unsafe fn checked(value: JSValue) -> Result<JSValue, Raised> {
    // SAFETY: at home with the GIL; a JavaScript exception is pending if the value says so.
    unsafe {
        if qjs::JS_IsException(value) {
            error::raise();
            return Err(Raised);
        }
        Ok(value)
    }
}

/// `to_js` with objects for dicts; the proxies in the result are temporaries.
unsafe fn deep(object: *mut PyObject, temporaries: &mut Vec<JSValue>) -> Result<JSValue, Raised> {
    // SAFETY: at home with the GIL; the values of the options are owned here or by the state.
    unsafe {
        let context = state::context();
        let proxies = checked(qjs::JS_NewArray(context))?;
        let options = Options {
            pyproxies: proxies,
            dict_converter: (*state::state()).support.from_entries,
            ..Options::DEFAULT
        };
        let result = to_js::convert(object, &options);
        let mut length = 0;
        qjs::JS_GetLength(context, proxies, &mut length);
        for index in 0..length {
            temporaries.push(qjs::JS_GetPropertyInt64(context, proxies, index));
        }
        qjs::JS_FreeValue(context, proxies);
        result
    }
}

/// The view of a PyProxy (taken) that looks like JavaScript's own object or array; the proxy itself if it is neither a dict
/// nor a sequence.
unsafe fn as_json_steal(proxy: JSValue, temporaries: &mut Vec<JSValue>) -> Result<JSValue, Raised> {
    // SAFETY: at home with the GIL.
    unsafe {
        let context = state::context();
        let method = qjs::JS_GetPropertyStr(context, proxy, c"asJsJson".as_ptr());
        if !qjs::JS_IsFunction(context, method) {
            let failed = qjs::JS_IsException(method);
            qjs::JS_FreeValue(context, method);
            if failed {
                qjs::JS_FreeValue(context, proxy);
                error::raise();
                return Err(Raised);
            }
            return Ok(proxy);
        }
        let view = qjs::JS_Call(context, method, proxy, 0, ptr::null_mut());
        qjs::JS_FreeValue(context, method);
        qjs::JS_FreeValue(context, proxy);
        let view = checked(view)?;
        temporaries.push(qjs::JS_DupValue(context, view));
        Ok(view)
    }
}

#[pymethods]
impl Py2JsConverter {
    /// A converter of its own that does the same.
    fn copy(&self, py: Python<'_>) -> Self {
        Self {
            kind: self.kind,
            pre_convert: Slot::new(self.pre_convert.get(py).map(Bound::unbind)),
        }
    }

    /// Converts without `pre_convert`; what Python sees of the result.
    fn py2js_convert<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = value.py();
        // SAFETY: the Bound proves the GIL; home is checked. The temporaries live on with the result.
        unsafe {
            at_home(py)?;
            let _turn = wake::AtEnd::new();
            let mut temporaries = Vec::new();
            let converted = match self.convert_only(value.as_ptr(), &mut temporaries) {
                Ok(value) => js2python::convert_steal(value, JS_UNDEFINED),
                Err(Raised) => ptr::null_mut(),
            };
            for value in temporaries {
                qjs::JS_FreeValue(state::context(), value);
            }
            Bound::from_owned_ptr_or_err(py, converted)
        }
    }

    /// The function that a value goes through first; AttributeError if there is none.
    #[getter]
    fn pre_convert<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        hook(&self.pre_convert, py, "Py2JsConverter", "pre_convert")
    }

    #[setter]
    fn set_pre_convert(&self, py: Python<'_>, function: Py<PyAny>) {
        self.pre_convert.set(py, Some(function));
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.pre_convert.traverse(&visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.pre_convert.set(py, None);
    }
}

fn hook<'py>(slot: &Slot, py: Python<'py>, class: &str, name: &str) -> PyResult<Bound<'py, PyAny>> {
    slot.get(py)
        .ok_or_else(|| PyAttributeError::new_err(format!("'{class}' object has no attribute '{name}'")))
}

fn at_home(py: Python<'_>) -> PyResult<()> {
    // SAFETY: the token proves the GIL.
    unsafe {
        if state::at_home() {
            return Ok(());
        }
        state::raise_not_home();
    }
    Err(PyErr::fetch(py))
}

/// What becomes of a JavaScript value.
pub(super) enum ToPy {
    /// The implicit conversion.
    Default,
    /// The implicit conversion of what a call gave: a promise becomes a future, a generator keeps the arguments.
    CallResult,
    /// `to_py`.
    Deep,
    /// The implicit conversion; objects and arrays behave as dicts and lists (`as_py_json`).
    Json,
    /// A promise becomes a future whose result goes through this converter.
    Promise(Option<Py<Js2PyConverter>>),
}

/// From JavaScript to Python: a conversion, a signature to bind to its result, then an optional Python function.
#[pyclass(frozen, module = "_pyodide.jsbind")]
pub(crate) struct Js2PyConverter {
    kind: ToPy,
    bind: Option<Py<Shape>>,
    post_convert: Slot,
}

impl Js2PyConverter {
    pub(super) fn new(kind: ToPy) -> Self {
        Self {
            kind,
            bind: None,
            post_convert: Slot::new(None),
        }
    }

    /// Converts the value of an attribute, which it takes. Null with an exception set.
    ///
    /// # Safety
    /// At home with the GIL; `value` is no exception.
    pub(super) unsafe fn attribute_steal(&self, value: JSValue) -> *mut PyObject {
        // SAFETY: as the caller promises.
        unsafe { self.complete(self.convert_steal(value, Vec::new())) }
    }

    /// Converts what a call gave (taken, perhaps an exception) and ends the life of the call's temporaries, or ties it to
    /// the result. Null with an exception set.
    ///
    /// # Safety
    /// At home with the GIL.
    #[inline(always)]
    pub(super) unsafe fn result_steal(&self, result: JSValue, temporaries: Vec<JSValue>) -> *mut PyObject {
        // SAFETY: as the caller promises.
        unsafe {
            if matches!(self.kind, ToPy::CallResult) || qjs::JS_IsException(result) {
                return self.complete(call::finish_call(result, temporaries));
            }
            if let ToPy::Promise(_) = self.kind {
                return self.complete(self.convert_steal(result, temporaries));
            }
            let proxy = pyproxy::cell_of(result)
                .is_some_and(|cell| pyproxy::unwrap(cell).is_some())
                .then(|| qjs::JS_DupValue(state::context(), result));
            let converted = self.convert_steal(result, Vec::new());
            let mut temporaries = temporaries;
            temporaries.extend(proxy);
            if !temporaries.is_empty() {
                destroy_all(temporaries);
            }
            lifetime::safe_point_at_home();
            self.complete(converted)
        }
    }

    /// The conversion alone. `temporaries` are those of a call that gave a promise.
    unsafe fn convert_steal(&self, value: JSValue, temporaries: Vec<JSValue>) -> *mut PyObject {
        // SAFETY: as for `attribute_steal`.
        unsafe {
            let context = state::context();
            match &self.kind {
                ToPy::Default => js2python::convert_steal(value, JS_UNDEFINED),
                ToPy::CallResult => call::finish_call(value, Vec::new()),
                ToPy::Deep => {
                    let converted = to_py::convert_deep_py(value, -1, JS_UNDEFINED);
                    qjs::JS_FreeValue(context, value);
                    converted
                }
                ToPy::Json => py_json_steal(value),
                ToPy::Promise(converter) => {
                    if !flags::method(value, (*state::state()).atoms.then) {
                        qjs::JS_FreeValue(context, value);
                        ffi::PyErr_SetString(
                            ffi::PyExc_TypeError,
                            c"Expected js func to return a promise".as_ptr(),
                        );
                        destroy_all(temporaries);
                        return ptr::null_mut();
                    }
                    let converter = converter.as_ref().map_or(ptr::null_mut(), Py::as_ptr);
                    promise::converted_future_steal(value, temporaries, converter)
                }
            }
        }
    }

    /// Binds the signature and calls the function that a converted object (taken, may be null) goes through.
    #[inline(always)]
    unsafe fn complete(&self, object: *mut PyObject) -> *mut PyObject {
        // SAFETY: as for `attribute_steal`.
        unsafe {
            let py = Python::assume_attached();
            if object.is_null() {
                return object;
            }
            let object = match &self.bind {
                None => object,
                Some(shape) => attribute::bound_steal(object, shape.bind(py)),
            };
            match self.post_convert.get(py) {
                Some(function) if !object.is_null() => {
                    let result = ffi::PyObject_CallOneArg(function.as_ptr(), object);
                    ffi::Py_DECREF(object);
                    result
                }
                _ => object,
            }
        }
    }
}

/// Destroys temporaries, whatever is pending.
unsafe fn destroy_all(temporaries: Vec<JSValue>) {
    // SAFETY: at home with the GIL, no JavaScript exception pending; a Python one survives.
    unsafe {
        let pending = PyErr::take(Python::assume_attached());
        call::destroy(temporaries, call::AFTER_CALL);
        if let Some(pending) = pending {
            pending.restore(Python::assume_attached());
        }
    }
}

/// A proxy that behaves as a dict or a list, where the value (taken) is a plain object or an array.
unsafe fn py_json_steal(value: JSValue) -> *mut PyObject {
    // SAFETY: at home with the GIL.
    unsafe {
        const SEQUENCE: u32 = flags::ARRAY | flags::ARRAY_LIKE;
        const NO_OBJECT: u32 = flags::TYPEDARRAY
            | flags::BUFFER
            | flags::DOUBLE_PROXY
            | flags::ITERATOR
            | flags::CALLABLE
            | flags::ERROR;
        if !qjs::JS_IsObject(value) || pyproxy::cell_of(value).is_some() {
            return js2python::convert_steal(value, JS_UNDEFINED);
        }
        let found = flags::detect(value);
        if found & SEQUENCE != 0 {
            return jsproxy::new_with_flags_steal(value, JS_UNDEFINED, found | flags::PY_JSON_SEQUENCE);
        }
        if found & NO_OBJECT != 0 {
            return js2python::convert_steal(value, JS_UNDEFINED);
        }
        jsproxy::new_with_flags_steal(value, JS_UNDEFINED, found | flags::PY_JSON_DICT)
    }
}

/// Converts the result of a promise (borrowed) by the `Js2PyConverter` of its future. Null with an exception set.
///
/// # Safety
/// At home with the GIL; `converter` is a `Js2PyConverter`.
pub(crate) unsafe fn resolved(converter: *mut PyObject, value: JSValue) -> *mut PyObject {
    // SAFETY: as the caller promises; converters are immutable but for their function.
    unsafe {
        let converter = Bound::from_borrowed_ptr(Python::assume_attached(), converter);
        converter
            .cast_unchecked::<Js2PyConverter>()
            .get()
            .attribute_steal(qjs::JS_DupValue(state::context(), value))
    }
}

#[pymethods]
impl Js2PyConverter {
    /// A converter of its own that does the same.
    fn copy(&self, py: Python<'_>) -> Self {
        let kind = match &self.kind {
            ToPy::Default => ToPy::Default,
            ToPy::CallResult => ToPy::CallResult,
            ToPy::Deep => ToPy::Deep,
            ToPy::Json => ToPy::Json,
            ToPy::Promise(converter) => ToPy::Promise(converter.as_ref().map(|one| one.clone_ref(py))),
        };
        Self {
            kind,
            bind: self.bind.as_ref().map(|shape| shape.clone_ref(py)),
            post_convert: Slot::new(self.post_convert.get(py).map(Bound::unbind)),
        }
    }

    /// Converts what `value` is in JavaScript, without `post_convert`.
    fn js2py_convert<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = value.py();
        // SAFETY: the Bound proves the GIL; home is checked.
        unsafe {
            at_home(py)?;
            let _turn = wake::AtEnd::new();
            let converted = match checked(python2js::convert(value.as_ptr())) {
                Ok(value) => self.convert_steal(value, Vec::new()),
                Err(Raised) => ptr::null_mut(),
            };
            Bound::from_owned_ptr_or_err(py, converted)
        }
    }

    /// The function that a value goes through last; AttributeError if there is none.
    #[getter]
    fn post_convert<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        hook(&self.post_convert, py, "Js2PyConverter", "post_convert")
    }

    #[setter]
    fn set_post_convert(&self, py: Python<'_>, function: Py<PyAny>) {
        self.post_convert.set(py, Some(function));
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let ToPy::Promise(converter) = &self.kind {
            visit.call(converter)?;
        }
        visit.call(&self.bind)?;
        self.post_convert.traverse(&visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.post_convert.set(py, None);
    }
}

/// A converter of promises to futures, whose result goes through `converter` (None: the implicit conversion).
#[pyfunction]
#[pyo3(signature = (converter, /))]
pub(super) fn create_promise_converter(converter: Option<Py<Js2PyConverter>>) -> Js2PyConverter {
    Js2PyConverter::new(ToPy::Promise(converter))
}

/// A converter that binds a signature to the proxy.
#[pyfunction]
#[pyo3(signature = (shape, /))]
pub(super) fn create_bind_converter(shape: Py<Shape>) -> Js2PyConverter {
    Js2PyConverter {
        bind: Some(shape),
        ..Js2PyConverter::new(ToPy::Default)
    }
}
