//! Calling a bound proxy.

use std::ptr;

use pyo3::exceptions::PySystemError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use super::converter::Py2JsConverter;
use super::shape::Shape;
use super::signature::JsFuncSignature;
use crate::jsproxy::{self, JsProxy, call};
use crate::to_js::Raised;
use crate::{atoms, error, state};

/// Arguments up to this number need no allocation.
const INLINE: usize = 8;

/// The converted arguments of one call, owned.
struct Prepared {
    few: [JSValue; INLINE],
    count: usize,
    /// All of them once there are more than `few` has room for.
    many: Vec<JSValue>,
    /// The proxies made for this call alone, with a reference of their own.
    temporaries: Vec<JSValue>,
}

/// Why arguments could not be converted.
enum Unfit {
    /// They do not fit the parameters.
    Arguments,
    /// A Python exception is set.
    Raised,
}

impl From<Raised> for Unfit {
    fn from(_: Raised) -> Self {
        Self::Raised
    }
}

impl Prepared {
    const fn new() -> Self {
        Self {
            few: [JS_UNDEFINED; INLINE],
            count: 0,
            many: Vec::new(),
            temporaries: Vec::new(),
        }
    }

    #[inline(always)]
    fn push(&mut self, value: JSValue) {
        if self.count < INLINE {
            self.few[self.count] = value;
        } else {
            if self.count == INLINE {
                self.many.extend_from_slice(&self.few);
            }
            self.many.push(value);
        }
        self.count += 1;
    }

    #[inline(always)]
    fn values(&mut self) -> &mut [JSValue] {
        if self.count <= INLINE {
            &mut self.few[..self.count]
        } else {
            &mut self.many
        }
    }

    /// Converts one argument.
    #[inline(always)]
    unsafe fn one(&mut self, converter: &Py2JsConverter, object: *mut PyObject) -> Result<(), Raised> {
        // SAFETY: at home with the GIL, as for `fill`.
        let value = unsafe { converter.convert(object, &mut self.temporaries)? };
        self.push(value);
        Ok(())
    }

    /// Converts all arguments.
    ///
    /// # Safety
    /// At home with the GIL; the arguments are as a vectorcall gives them.
    #[inline(always)]
    unsafe fn fill(
        &mut self,
        signature: &JsFuncSignature,
        values: *const *mut PyObject,
        count: usize,
        names: *mut PyObject,
    ) -> Result<(), Unfit> {
        // SAFETY: as the caller promises; indices stay below the counts checked here and by the signature.
        unsafe {
            let py = Python::assume_attached();
            let positional = &signature.positional;
            if count < signature.mandatory || (count > positional.len() && signature.rest.is_none()) {
                return Err(Unfit::Arguments);
            }
            let keywords = if names.is_null() {
                0
            } else {
                ffi::PyTuple_GET_SIZE(names) as usize
            };
            let named = keywords > 0 || !signature.keywords.is_empty();
            let given = if named {
                match_names(signature, names, keywords)?
            } else {
                0
            };
            for (index, converter) in positional.iter().enumerate() {
                let object = if index < count {
                    *values.add(index)
                } else {
                    signature.defaults[index - signature.mandatory].as_ptr()
                };
                self.one(converter.bind(py).get(), object)?;
            }
            if let Some(rest) = &signature.rest {
                for index in positional.len()..count {
                    self.one(rest.bind(py).get(), *values.add(index))?;
                }
            }
            if named {
                self.keywords(signature, values.add(count), names, keywords, given)?;
            }
            Ok(())
        }
    }

    /// Converts the keyword arguments to one object, the last argument. `given` are the parameters that have one.
    #[inline(never)]
    unsafe fn keywords(
        &mut self,
        signature: &JsFuncSignature,
        values: *const *mut PyObject,
        names: *mut PyObject,
        count: usize,
        given: u64,
    ) -> Result<(), Raised> {
        // SAFETY: as for `fill`.
        unsafe {
            let py = Python::assume_attached();
            let object = qjs::JS_NewObject(state::context());
            if qjs::JS_IsException(object) {
                error::raise();
                return Err(Raised);
            }
            self.push(object);
            for index in 0..count {
                let name = ffi::PyTuple_GET_ITEM(names, index as isize);
                let converter = position(signature, name)
                    .map(|at| &signature.keywords[at].converter)
                    .or(signature.others.as_ref());
                if let Some(converter) = converter {
                    self.property(object, name, converter.bind(py).get(), *values.add(index))?;
                }
            }
            for (index, keyword) in signature.keywords.iter().enumerate() {
                // A default of None is left out.
                if given & (1 << index) == 0
                    && let Some(default) = &keyword.default
                    && !default.is_none(py)
                {
                    let converter = keyword.converter.bind(py).get();
                    self.property(object, keyword.name.as_ptr(), converter, default.as_ptr())?;
                }
            }
            Ok(())
        }
    }

    unsafe fn property(
        &mut self,
        object: JSValue,
        name: *mut PyObject,
        converter: &Py2JsConverter,
        value: *mut PyObject,
    ) -> Result<(), Raised> {
        // SAFETY: as for `fill`; `JS_DefinePropertyValue` takes the value.
        unsafe {
            let value = converter.convert(value, &mut self.temporaries)?;
            let atom = atoms::atom_of(name);
            let context = state::context();
            let done = if atom == 0 {
                qjs::JS_FreeValue(context, value);
                -1
            } else {
                qjs::JS_DefinePropertyValue(context, object, atom, value, qjs::JS_PROP_C_W_E as i32)
            };
            qjs::JS_FreeAtom(context, atom);
            if done < 0 {
                error::raise();
                return Err(Raised);
            }
            Ok(())
        }
    }

    /// Frees the arguments; the temporaries are left to the caller.
    #[inline(always)]
    unsafe fn free(&mut self) -> Vec<JSValue> {
        // SAFETY: at home with the GIL; the values are owned and forgotten here.
        unsafe {
            for &mut value in self.values() {
                if qjs::JS_VALUE_HAS_REF_COUNT(value) {
                    qjs::JS_FreeValue(state::context(), value);
                }
            }
        }
        self.count = 0;
        std::mem::take(&mut self.temporaries)
    }
}

/// The index of a keyword parameter.
unsafe fn position(signature: &JsFuncSignature, name: *mut PyObject) -> Option<usize> {
    // SAFETY: the GIL is held; `name` is a str.
    unsafe {
        // Names in code are interned, as those of parameters are.
        let same = signature
            .keywords
            .iter()
            .position(|keyword| keyword.name.as_ptr() == name);
        same.or_else(|| {
            signature
                .keywords
                .iter()
                .position(|keyword| ffi::PyUnicode_Compare(keyword.name.as_ptr(), name) == 0)
        })
    }
}

/// Which keyword parameters have an argument, as bits; `Unfit` if one that must is missing, or an argument has none.
unsafe fn match_names(signature: &JsFuncSignature, names: *mut PyObject, count: usize) -> Result<u64, Unfit> {
    // SAFETY: the GIL is held; `names` holds `count` names.
    unsafe {
        let mut given = 0_u64;
        for index in 0..count {
            match position(signature, ffi::PyTuple_GET_ITEM(names, index as isize)) {
                Some(at) => given |= 1 << at,
                None if signature.others.is_none() => return Err(Unfit::Arguments),
                None => {}
            }
        }
        let missing = signature
            .keywords
            .iter()
            .enumerate()
            .any(|(index, keyword)| keyword.default.is_none() && given & (1 << index) == 0);
        if missing { Err(Unfit::Arguments) } else { Ok(given) }
    }
}

/// `tp_vectorcall` of callable proxies with a shape.
///
/// # Safety
/// Called by the interpreter with the GIL on a callable of our layout that has a shape, which the caller keeps alive.
pub(crate) unsafe extern "C" fn vectorcall(
    object: *mut PyObject,
    values: *const *mut PyObject,
    nargsf: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as the interpreter promises; the shape of a proxy never changes.
    unsafe {
        if !state::at_home() {
            state::raise_not_home();
            return ptr::null_mut();
        }
        let py = Python::assume_attached();
        let shape = Bound::from_borrowed_ptr(py, jsproxy::shape_of(object)).cast_into_unchecked::<Shape>();
        let bound = match Shape::call_signature(&shape) {
            Ok(bound) => bound,
            Err(error) => {
                error.restore(py);
                return ptr::null_mut();
            }
        };
        let signature = bound.get();
        let count = ffi::PyVectorcall_NARGS(nargsf) as usize;
        let mut prepared = Prepared::new();
        match prepared.fill(signature, values, count, names) {
            Ok(()) => {}
            Err(unfit) => return fail(prepared, &unfit, signature, values, nargsf, names),
        }
        let context = state::context();
        let proxy = object.cast::<JsProxy>();
        let arguments = prepared.values();
        let (length, start) = (arguments.len() as i32, arguments.as_mut_ptr());
        let result = if signature.should_construct {
            qjs::JS_CallConstructor(context, (*proxy).value, length, start)
        } else {
            qjs::JS_Call(context, (*proxy).value, (*proxy).this, length, start)
        };
        let temporaries = prepared.free();
        signature.result.bind(py).get().result_steal(result, temporaries)
    }
}

/// Undoes what was converted; arguments that do not fit raise what the Python function raises for them.
#[cold]
#[inline(never)]
unsafe fn fail(
    mut prepared: Prepared,
    unfit: &Unfit,
    signature: &JsFuncSignature,
    values: *const *mut PyObject,
    nargsf: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as for `vectorcall`.
    unsafe {
        let py = Python::assume_attached();
        let pending = PyErr::take(py);
        call::destroy(prepared.free(), call::AFTER_CALL);
        if let (Unfit::Raised, Some(pending)) = (unfit, pending) {
            pending.restore(py);
            return ptr::null_mut();
        }
        let result = ffi::PyObject_Vectorcall(signature.func.as_ptr(), values, nargsf, names);
        let text = if !result.is_null() {
            ffi::Py_DECREF(result);
            "Expected an error but none was raised"
        } else if ffi::PyErr_ExceptionMatches(ffi::PyExc_TypeError) != 0 {
            return ptr::null_mut();
        } else {
            "Expected a TypeError but other type of error was raised"
        };
        let error = PySystemError::new_err(text);
        error.set_cause(py, PyErr::take(py));
        error.restore(py);
        ptr::null_mut()
    }
}
