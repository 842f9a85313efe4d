//! `JsFuncSignature`: how the arguments of a call are converted, laid out for speed by `_pyodide.jsbind`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::converter::{Js2PyConverter, Py2JsConverter};

/// A keyword-only parameter.
pub(super) struct Keyword {
    /// Interned.
    pub(super) name: Py<PyString>,
    pub(super) converter: Py<Py2JsConverter>,
    pub(super) default: Option<Py<PyAny>>,
}

/// How to call: one converter for each parameter and one for the result.
#[pyclass(frozen, module = "_pyodide.jsbind")]
pub(crate) struct JsFuncSignature {
    /// Called with arguments that do not fit, to raise the TypeError that Python has for them.
    pub(super) func: Py<PyAny>,
    /// Whether the call constructs.
    pub(super) should_construct: bool,
    /// How many positional parameters have no default.
    pub(super) mandatory: usize,
    pub(super) positional: Vec<Py<Py2JsConverter>>,
    /// Those of the last positional parameters.
    pub(super) defaults: Vec<Py<PyAny>>,
    /// For `*args`.
    pub(super) rest: Option<Py<Py2JsConverter>>,
    /// At most 64.
    pub(super) keywords: Vec<Keyword>,
    /// For `**kwargs`.
    pub(super) others: Option<Py<Py2JsConverter>>,
    pub(super) result: Py<Js2PyConverter>,
}

#[pymethods]
impl JsFuncSignature {
    /// `kwparam_defaults` has `inspect.Parameter.empty` where there is no default. ValueError if the tuples do not fit
    /// together.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "upstream's signature")]
    fn new(
        func: Bound<'_, PyAny>,
        should_construct: bool,
        posparams_nmandatory: usize,
        posparams: Vec<Py<Py2JsConverter>>,
        posparams_defaults: Vec<Py<PyAny>>,
        varpos: Option<Py<Py2JsConverter>>,
        kwparam_names: &Bound<'_, PyTuple>,
        kwparam_converters: Vec<Py<Py2JsConverter>>,
        kwparam_defaults: &Bound<'_, PyTuple>,
        varkwd: Option<Py<Py2JsConverter>>,
        result: Py<Js2PyConverter>,
    ) -> PyResult<Self> {
        let py = func.py();
        if posparams_nmandatory.checked_add(posparams_defaults.len()) != Some(posparams.len())
            || kwparam_names.len() != kwparam_converters.len()
            || kwparam_names.len() != kwparam_defaults.len()
            || kwparam_names.len() > 64
        {
            return Err(PyValueError::new_err("the parameters do not fit together"));
        }
        let none = py.import("inspect")?.getattr("Parameter")?.getattr("empty")?;
        let mut keywords = Vec::with_capacity(kwparam_names.len());
        for ((name, converter), default) in kwparam_names.iter().zip(kwparam_converters).zip(kwparam_defaults)
        {
            keywords.push(Keyword {
                name: PyString::intern(py, &name.extract::<String>()?).unbind(),
                converter,
                default: (!default.is(&none)).then(|| default.unbind()),
            });
        }
        Ok(Self {
            func: func.unbind(),
            should_construct,
            mandatory: posparams_nmandatory,
            positional: posparams,
            defaults: posparams_defaults,
            rest: varpos,
            keywords,
            others: varkwd,
            result,
        })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let signature = py.import("inspect")?.call_method1("signature", (&self.func,))?;
        Ok(format!("<JsSignature {signature}>"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.func)?;
        visit.call(&self.result)?;
        visit.call(&self.rest)?;
        visit.call(&self.others)?;
        for converter in &self.positional {
            visit.call(converter)?;
        }
        for default in &self.defaults {
            visit.call(default)?;
        }
        for keyword in &self.keywords {
            visit.call(&keyword.converter)?;
            visit.call(&keyword.default)?;
        }
        Ok(())
    }
}
