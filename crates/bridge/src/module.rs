//! `isthmus._native.ffi`: what the Python side of the FFI is built on.

use std::ffi::CStr;
use std::ptr;

use pyo3::ffi::{self, PyMethodDef, PyMethodDefPointer, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use crate::jsproxy::{self, exception, flags};
use crate::pyproxy::{self, Origin};
use crate::{atoms, error, js2python, python2js, state, to_js};

struct Table<const N: usize>([PyMethodDef; N]);
// SAFETY: only read, by the interpreter under the GIL.
unsafe impl<const N: usize> Sync for Table<N> {}

const fn one_argument(
    name: &'static CStr,
    function: unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> *mut PyObject,
    doc: &'static CStr,
) -> PyMethodDef {
    PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: PyMethodDefPointer {
            PyCFunction: function,
        },
        ml_flags: ffi::METH_O,
        ml_doc: doc.as_ptr(),
    }
}

const fn any_arguments(
    name: &'static CStr,
    function: ffi::PyCFunctionFastWithKeywords,
    doc: &'static CStr,
) -> PyMethodDef {
    PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: PyMethodDefPointer {
            PyCFunctionFastWithKeywords: function,
        },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: doc.as_ptr(),
    }
}

static FUNCTIONS: Table<15> = Table([
    any_arguments(
        c"to_js",
        to_js::to_js,
        c"to_js(obj, /, *, depth=-1, pyproxies=None, create_pyproxies=True, dict_converter=None, \
          default_converter=None, eager_converter=None)\n--\n\nConverts to JavaScript objects, deeply.",
    ),
    any_arguments(
        c"create_proxy",
        create_proxy,
        c"create_proxy(obj, /, *, capture_this=False, roundtrip=True)\n--\n\nA proxy that lives until destroyed.",
    ),
    any_arguments(
        c"create_once_callable",
        create_once_callable,
        c"create_once_callable(obj, /, *, _may_syncify=False)\n--\n\nA proxy that can be called once.",
    ),
    one_argument(c"destroy_proxies", destroy_proxies, c"Destroys every PyProxy of a JavaScript array."),
    one_argument(c"run_js", run_js, c"Evaluates JavaScript source (a str) in the global scope."),
    one_argument(c"js_flags", js_flags, c"The feature flags of a JsProxy, -1 for any other object."),
    any_arguments(c"js_get", js_get, c"js_get(proxy, name): the JavaScript property, whatever Python attributes hide."),
    any_arguments(c"js_has", js_has, c"js_has(proxy, name): whether the object has the property."),
    any_arguments(c"js_call_method", js_call_method, c"js_call_method(proxy, name, *args): calls a method."),
    one_argument(c"js_is_pyproxy", js_is_pyproxy, c"Whether the proxy is one of a PyProxy."),
    any_arguments(
        c"js_with_flags",
        js_with_flags,
        c"js_with_flags(proxy, flags): a proxy of the same object with further feature flags.",
    ),
    one_argument(
        c"pyodide_api",
        crate::api::pyodide_api,
        c"pyodide_api(behaviour): JavaScript's `pyodide` object, made of the attributes of `behaviour`.",
    ),
    any_arguments(
        c"run_turn",
        crate::turns::run_turn,
        c"run_turn(turns, popleft, jobs_pending, run_jobs, leave_jobs): runs callbacks up to a cancelled one, which is returned.",
    ),
    one_argument(c"unwrap", unwrap, c"The Python object behind a double proxy."),
    PyMethodDef::zeroed(),
]);

/// Fills the module `isthmus._native.ffi`.
///
/// # Errors
/// The Python exception.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    // SAFETY: `module` proves the GIL; the table is static, as CPython asks.
    unsafe {
        if ffi::PyModule_AddFunctions(module.as_ptr(), FUNCTIONS.0.as_ptr().cast_mut()) < 0 {
            return Err(PyErr::fetch(py));
        }
        let class = exception::class();
        if class.is_null() {
            return Err(PyErr::fetch(py));
        }
        module.add("JsException", Bound::from_borrowed_ptr(py, class.cast()))?;
    }
    let table = PyDict::new(py);
    for (name, mask) in flags::ALL {
        table.set_item(name, mask)?;
    }
    module.add("flags", table)?;
    module.add_function(wrap_pyfunction!(live, module)?)?;
    module.add_function(wrap_pyfunction!(global_this, module)?)?;
    module.add_function(wrap_pyfunction!(proxy_classes, module)?)?;
    module.add_function(wrap_pyfunction!(collect, module)?)?;
    module.add_function(wrap_pyfunction!(set_debug, module)?)?;
    module.add_class::<crate::turns::Turns>()?;
    module.add_function(wrap_pyfunction!(crate::turns::use_handles, module)?)?;
    crate::jsbind::register(module)
}

/// How many JsProxies and PyProxies are alive: for leak tests.
#[pyfunction]
fn live() -> (usize, usize) {
    // SAFETY: called from Python with the GIL.
    unsafe { ((*state::state()).live_jsproxies, (*state::state()).live_pyproxies) }
}

/// `globalThis`.
#[pyfunction]
fn global_this(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: called from Python with the GIL; home is checked.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return Err(PyErr::fetch(py));
        }
        let global = qjs::JS_GetGlobalObject(state::context());
        Bound::from_owned_ptr_or_err(py, js2python::convert_steal(global, JS_UNDEFINED))
    }
}

/// The JavaScript object of the classes of PyProxies and of `PythonError`, by name.
#[pyfunction]
fn proxy_classes(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: called from Python with the GIL; home is checked.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return Err(PyErr::fetch(py));
        }
        let classes = (*state::state()).support.classes;
        Bound::from_owned_ptr_or_err(py, js2python::convert(classes))
    }
}

/// Runs JavaScript's cycle collector and releases what it found, cycles that run through both heaps included; returns how
/// many JavaScript objects gave up Python objects because of such cycles. Within a call from JavaScript these stay.
#[pyfunction]
fn collect(py: Python<'_>) -> PyResult<usize> {
    // SAFETY: called from Python with the GIL; home is checked.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return Err(PyErr::fetch(py));
        }
        qjs::JS_RunGC((*state::state()).runtime);
        crate::lifetime::safe_point_at_home();
        if (*state::state()).depth > 0 {
            return Ok(0);
        }
        crate::cycles::collect().ok_or_else(|| {
            pyo3::exceptions::PyRuntimeError::new_err(
                "the collector of this version of QuickJS is not known: cycles through both heaps stay",
            )
        })
    }
}

/// `pyodide.setDebug`: returns the old value.
#[pyfunction]
fn set_debug(debug: bool) -> bool {
    // SAFETY: called from Python with the GIL.
    unsafe { std::mem::replace(&mut (*state::state()).debug, debug) }
}

/// Enters a `contextvars.Context` in this thread: what Python does around a task's step, and the event loop around a switch
/// of greenlets.
///
/// # Errors
/// `RuntimeError` if it is entered already, `TypeError` if it is none.
pub fn context_enter(context: &Bound<'_, PyAny>) -> PyResult<()> {
    // SAFETY: the Bound proves the GIL; CPython checks the type.
    done(context.py(), unsafe { ffi::PyContext_Enter(context.as_ptr()) })
}

/// Leaves the context that was entered last.
///
/// # Errors
/// `RuntimeError` if that is another one, `TypeError` if it is none.
pub fn context_exit(context: &Bound<'_, PyAny>) -> PyResult<()> {
    // SAFETY: the Bound proves the GIL; CPython checks the type.
    done(context.py(), unsafe { ffi::PyContext_Exit(context.as_ptr()) })
}

fn done(py: Python<'_>, status: i32) -> PyResult<()> {
    if status < 0 { Err(PyErr::fetch(py)) } else { Ok(()) }
}

/// Home, or an exception.
unsafe fn enter() -> bool {
    // SAFETY: called from Python with the GIL.
    unsafe {
        if state::at_home() {
            return true;
        }
        state::raise_not_home();
        false
    }
}

/// Reads keyword-only boolean options after exactly one positional argument. `None` with an exception set.
unsafe fn options<const N: usize>(
    function: &str,
    values: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    names: *mut PyObject,
    known: [(&CStr, bool); N],
) -> Option<[bool; N]> {
    // SAFETY: arguments as a vectorcall gives them.
    unsafe {
        let raise = |text: String| {
            pyo3::exceptions::PyTypeError::new_err(text).restore(Python::assume_attached());
        };
        if count != 1 {
            raise(format!(
                "{function}() takes exactly 1 positional argument ({count} given)"
            ));
            return None;
        }
        let mut result = known.map(|(_, default)| default);
        let keywords = if names.is_null() {
            0
        } else {
            ffi::PyTuple_GET_SIZE(names)
        };
        for index in 0..keywords {
            let name = ffi::PyTuple_GET_ITEM(names, index);
            let found = known
                .iter()
                .position(|(known, _)| ffi::PyUnicode_CompareWithASCIIString(name, known.as_ptr()) == 0);
            let Some(found) = found else {
                let name = Bound::from_borrowed_ptr(Python::assume_attached(), name);
                raise(format!(
                    "{function}() got an unexpected keyword argument '{name}'"
                ));
                return None;
            };
            let truth = ffi::PyObject_IsTrue(*values.offset(count + index));
            if truth < 0 {
                return None;
            }
            result[found] = truth > 0;
        }
        Some(result)
    }
}

/// The proxy (double proxy) of a PyProxy it takes.
unsafe fn double_proxy_steal(value: JSValue) -> *mut PyObject {
    // SAFETY: at home with the GIL.
    unsafe {
        if qjs::JS_IsException(value) {
            error::raise();
            return ptr::null_mut();
        }
        let _turn = crate::wake::AtEnd::new();
        jsproxy::new_with_flags_steal(value, JS_UNDEFINED, flags::detect(value) & !flags::ERROR)
    }
}

unsafe extern "C" fn create_proxy(
    _: *mut PyObject,
    values: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter.
    unsafe {
        if !enter() {
            return ptr::null_mut();
        }
        let known = [(c"capture_this", false), (c"roundtrip", true)];
        let Some([capture_this, roundtrip]) = options("create_proxy", values, count, names, known) else {
            return ptr::null_mut();
        };
        let proxy = pyproxy::new(
            *values,
            Origin {
                roundtrip,
                capture_this,
            },
        );
        if pyproxy::coroutines::keep_context(proxy).is_err() {
            qjs::JS_FreeValue(state::context(), proxy);
            return ptr::null_mut();
        }
        double_proxy_steal(proxy)
    }
}

unsafe extern "C" fn create_once_callable(
    _: *mut PyObject,
    values: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter.
    unsafe {
        if !enter() {
            return ptr::null_mut();
        }
        let known = [(c"_may_syncify", false)];
        if options("create_once_callable", values, count, names, known).is_none() {
            return ptr::null_mut();
        }
        let proxy = pyproxy::new(*values, Origin::OWNED);
        if qjs::JS_IsException(proxy) {
            error::raise();
            return ptr::null_mut();
        }
        let context = state::context();
        let mut arguments = [proxy];
        let once = (*state::state()).support.once;
        let wrapper = qjs::JS_Call(context, once, JS_UNDEFINED, 1, arguments.as_mut_ptr());
        qjs::JS_FreeValue(context, proxy);
        js2python::convert_steal(wrapper, JS_UNDEFINED)
    }
}

unsafe extern "C" fn destroy_proxies(_: *mut PyObject, list: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter.
    unsafe {
        if !enter() {
            return ptr::null_mut();
        }
        let Some(value) = jsproxy::value_of(list) else {
            ffi::PyErr_SetString(
                ffi::PyExc_TypeError,
                c"Expected a JsProxy for the argument".as_ptr(),
            );
            return ptr::null_mut();
        };
        if !qjs::JS_IsArray(value) {
            ffi::PyErr_SetString(
                ffi::PyExc_TypeError,
                c"Expected a Js Array for the pyproxies argument".as_ptr(),
            );
            return ptr::null_mut();
        }
        let context = state::context();
        let mut length = 0;
        if qjs::JS_GetLength(context, value, &mut length) < 0 {
            error::raise();
            return ptr::null_mut();
        }
        for index in 0..length {
            let item = qjs::JS_GetPropertyInt64(context, value, index);
            if qjs::JS_IsException(item) {
                error::raise();
                return ptr::null_mut();
            }
            pyproxy::destroy(item, pyproxy::DESTROYED);
            qjs::JS_FreeValue(context, item);
        }
        crate::lifetime::safe_point_at_home();
        ffi::Py_INCREF(ffi::Py_None());
        ffi::Py_None()
    }
}

unsafe extern "C" fn run_js(_: *mut PyObject, source: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter.
    unsafe {
        if !enter() {
            return ptr::null_mut();
        }
        if ffi::PyUnicode_Check(source) == 0 {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"run_js() needs a str".as_ptr());
            return ptr::null_mut();
        }
        // Calling `eval` by another name is an indirect eval: `let` and `const` are its own.
        let mut arguments = [python2js::implicit(source).unwrap_or(JS_UNDEFINED)];
        let eval = (*state::state()).support.eval;
        let result = qjs::JS_Call(state::context(), eval, JS_UNDEFINED, 1, arguments.as_mut_ptr());
        qjs::JS_FreeValue(state::context(), arguments[0]);
        jsproxy::call::finish_call(result, Vec::new())
    }
}

unsafe extern "C" fn js_flags(_: *mut PyObject, object: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter.
    unsafe {
        let known = jsproxy::flags_of(object);
        let flags = match jsproxy::value_of(object) {
            // The type of exceptions says only that; what else the error can do has to be asked.
            Some(error) if known == Some(flags::ERROR) && state::at_home() => {
                let _turn = crate::wake::AtEnd::new();
                Some(flags::detect(error) | flags::ERROR)
            }
            _ => known,
        };
        ffi::PyLong_FromLong(flags.map_or(-1, i64::from))
    }
}

/// The value of a proxy and the atom of a name; `None` with an exception set. The atom is owned.
unsafe fn member(values: *const *mut PyObject, count: ffi::Py_ssize_t) -> Option<(JSValue, qjs::JSAtom)> {
    // SAFETY: arguments as a vectorcall gives them.
    unsafe {
        if !enter() {
            return None;
        }
        let target = if count >= 2 {
            jsproxy::value_of(*values)
        } else {
            None
        };
        let Some(target) = target.filter(|_| ffi::PyUnicode_Check(*values.add(1)) != 0) else {
            ffi::PyErr_SetString(
                ffi::PyExc_TypeError,
                c"expected a JsProxy and a property name".as_ptr(),
            );
            return None;
        };
        let atom = atoms::atom_of(*values.add(1));
        if atom == 0 {
            error::raise();
            return None;
        }
        Some((target, atom))
    }
}

unsafe extern "C" fn js_get(
    _: *mut PyObject,
    values: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    _: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter.
    unsafe {
        let Some((target, atom)) = member(values, count) else {
            return ptr::null_mut();
        };
        let _turn = crate::wake::AtEnd::new();
        let value = qjs::JS_GetProperty(state::context(), target, atom);
        qjs::JS_FreeAtom(state::context(), atom);
        js2python::convert_steal(value, target)
    }
}

unsafe extern "C" fn js_has(
    _: *mut PyObject,
    values: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    _: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter.
    unsafe {
        let Some((target, atom)) = member(values, count) else {
            return ptr::null_mut();
        };
        let _turn = crate::wake::AtEnd::new();
        let has = qjs::JS_HasProperty(state::context(), target, atom);
        qjs::JS_FreeAtom(state::context(), atom);
        if has < 0 {
            error::raise();
            return ptr::null_mut();
        }
        ffi::PyBool_FromLong(i64::from(has))
    }
}

unsafe extern "C" fn js_call_method(
    module: *mut PyObject,
    values: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter; the method's proxy is called as Python would call it.
    unsafe {
        let method = js_get(module, values, count, ptr::null_mut());
        if method.is_null() {
            return method;
        }
        let result = if ffi::PyCallable_Check(method) != 0 {
            ffi::PyObject_Vectorcall(method, values.add(2), count as usize - 2, names)
        } else {
            // JavaScript's own complaint, not Python's about a `NoneType`.
            error::throw_error(c"TypeError", c"not a function");
            error::raise();
            ptr::null_mut()
        };
        ffi::Py_DECREF(method);
        result
    }
}

unsafe extern "C" fn js_with_flags(
    _: *mut PyObject,
    values: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    _: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter.
    unsafe {
        if !enter() {
            return ptr::null_mut();
        }
        let value = if count == 2 {
            jsproxy::value_of(*values)
        } else {
            None
        };
        let Some(value) = value else {
            ffi::PyErr_SetString(
                ffi::PyExc_TypeError,
                c"expected a JsProxy and feature flags".as_ptr(),
            );
            return ptr::null_mut();
        };
        let further = ffi::PyLong_AsUnsignedLong(*values.add(1)) as u32;
        if !ffi::PyErr_Occurred().is_null() {
            return ptr::null_mut();
        }
        let _turn = crate::wake::AtEnd::new();
        let flags = (flags::detect(value) | further) & !flags::ERROR;
        jsproxy::new_with_flags_steal(qjs::JS_DupValue(state::context(), value), JS_UNDEFINED, flags)
    }
}

unsafe extern "C" fn js_is_pyproxy(_: *mut PyObject, object: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter.
    unsafe {
        if !enter() {
            return ptr::null_mut();
        }
        let is = jsproxy::value_of(object).is_some_and(|value| pyproxy::cell_of(value).is_some());
        ffi::PyBool_FromLong(i64::from(is))
    }
}

unsafe extern "C" fn unwrap(_: *mut PyObject, object: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter.
    unsafe {
        if !enter() {
            return ptr::null_mut();
        }
        let Some(cell) = jsproxy::value_of(object).and_then(|value| pyproxy::cell_of(value)) else {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"expected a JsDoubleProxy".as_ptr());
            return ptr::null_mut();
        };
        let inner = pyproxy::object_of(cell);
        if inner.is_null() {
            pyproxy::throw_destroyed(cell);
            error::raise();
            return inner;
        }
        ffi::Py_INCREF(inner);
        inner
    }
}
