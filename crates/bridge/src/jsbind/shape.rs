//! What a Python signature means for a proxy, found out as it is needed and kept.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};

use super::signature::JsFuncSignature;
use crate::slot::Slot;
use crate::state;

/// Names that a shape remembers, so that a proxy used as a mapping by `getattr` does not fill the memory.
const NAMES: usize = 1024;

/// What a signature means for a proxy. Kept by `_pyodide.jsbind` with the signature, and by each bound proxy.
#[pyclass(frozen, weakref, module = "_pyodide.jsbind")]
pub(crate) struct Shape {
    /// The class, function, `type[A]` … that was bound.
    #[pyo3(get)]
    signature: Py<PyAny>,
    /// Attribute name → `Js2PyConverter`, `Shape` or None.
    attributes: Py<PyDict>,
    /// The `JsFuncSignature`, once the proxy was called.
    call: Slot,
    hints: Slot,
}

#[pymethods]
impl Shape {
    #[new]
    fn new(py: Python<'_>, signature: Py<PyAny>) -> Self {
        Self {
            signature,
            attributes: PyDict::new(py).unbind(),
            call: Slot::new(None),
            hints: Slot::new(None),
        }
    }

    /// The type hints of the signature, None until they are set.
    #[getter]
    fn hints<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.hints.get(py)
    }

    #[setter]
    fn set_hints(&self, py: Python<'_>, hints: Py<PyAny>) {
        self.hints.set(py, Some(hints));
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<Shape {}>", self.signature.bind(py).repr()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.signature)?;
        visit.call(&self.attributes)?;
        self.call.traverse(&visit)?;
        self.hints.traverse(&visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.call.set(py, None);
        self.hints.set(py, None);
        self.attributes.bind(py).clear();
    }
}

impl Shape {
    /// The shape for a signature.
    ///
    /// # Errors
    /// The Python exception.
    pub(super) fn of<'py>(py: Python<'py>, signature: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        Ok(meaning(py)?
            .call_method1("shape_of", (signature,))?
            .cast_into::<Self>()?)
    }

    /// The bound signature.
    pub(super) fn signature(&self) -> &Py<PyAny> {
        &self.signature
    }

    /// What to do with an attribute (an exact str): a `Js2PyConverter`, a `Shape` or None.
    ///
    /// # Errors
    /// The Python exception.
    pub(super) fn attribute<'py>(
        this: &Bound<'py, Self>,
        name: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        let attributes = this.get().attributes.bind(py);
        // SAFETY: the Bounds prove the GIL and that both are alive; the item gets a reference of its own at once.
        unsafe {
            let known = ffi::PyDict_GetItemWithError(attributes.as_ptr(), name.as_ptr());
            if !known.is_null() {
                return Ok(Bound::from_borrowed_ptr(py, known));
            }
            if !ffi::PyErr_Occurred().is_null() {
                return Err(PyErr::fetch(py));
            }
        }
        let found = meaning(py)?.call_method1("attribute_of", (this, name))?;
        if !found.is_none() && !found.is_instance_of::<Self>() {
            found.cast::<super::Js2PyConverter>()?;
        }
        if attributes.len() < NAMES {
            attributes.set_item(name, &found)?;
        }
        Ok(found)
    }

    /// How to call.
    ///
    /// # Errors
    /// The Python exception.
    #[inline(always)]
    pub(super) fn call_signature<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, JsFuncSignature>> {
        let py = this.py();
        let shape = this.get();
        if let Some(known) = shape.call.get(py) {
            // SAFETY: only what is set below is ever in there.
            return Ok(unsafe { known.cast_into_unchecked() });
        }
        let found = meaning(py)?
            .call_method1("func_to_sig", (&shape.signature,))?
            .cast_into::<JsFuncSignature>()?;
        shape.call.set(py, Some(found.clone().into_any().unbind()));
        Ok(found)
    }
}

/// The module `_pyodide.jsbind`.
fn meaning(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: the token proves the GIL; the object is kept by the state.
    unsafe {
        let import = (*state::state()).python.jsbind;
        if import.is_null() {
            return Err(PyTypeError::new_err("the bridge is not configured"));
        }
        Bound::from_borrowed_ptr(py, import).call0()
    }
}
