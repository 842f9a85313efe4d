//! Signatures bound to proxies (`spec/ffi.md` §6 "jsbind"): `bind_sig` and `bind_class`.
//!
//! A bound proxy has a [`Shape`]: what its Python signature (a class, a function, `type[A]` …) says of its attributes and of
//! calling it. What a signature means is found out in Python (`_pyodide.jsbind`), once for each attribute and once for
//! the call; here are the fast paths that use it: [`attribute`], [`call`] and the conversions of [`converter`].

mod attribute;
mod call;
mod converter;
mod shape;
mod signature;

use pyo3::prelude::*;

pub(crate) use attribute::{attribute_steal, bind_class, bind_sig, get_signature};
pub(crate) use call::vectorcall;
pub(crate) use converter::resolved;
pub(crate) use shape::Shape;

use converter::{Js2PyConverter, Py2JsConverter, ToJs, ToPy};

/// Adds the classes and the converters that `_pyodide.jsbind` builds upon.
///
/// # Errors
/// The Python exception.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Py2JsConverter>()?;
    module.add_class::<Js2PyConverter>()?;
    module.add_class::<signature::JsFuncSignature>()?;
    module.add_class::<Shape>()?;
    module.add("py2js_default", Py2JsConverter::new(ToJs::Default))?;
    module.add("py2js_deep", Py2JsConverter::new(ToJs::Deep))?;
    module.add("py2js_as_js_json", Py2JsConverter::new(ToJs::Json))?;
    module.add("js2py_default", Js2PyConverter::new(ToPy::Default))?;
    module.add("js2py_deep", Js2PyConverter::new(ToPy::Deep))?;
    module.add("js2py_as_py_json", Js2PyConverter::new(ToPy::Json))?;
    module.add("js2py_default_call_result", Js2PyConverter::new(ToPy::CallResult))?;
    module.add("js2py_promise", Js2PyConverter::new(ToPy::Promise(None)))?;
    module.add_function(wrap_pyfunction!(converter::create_promise_converter, module)?)?;
    module.add_function(wrap_pyfunction!(converter::create_bind_converter, module)?)
}
