//! The options of a conversion, from Python keywords or from a JavaScript object.

use std::ffi::CStr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use super::{DESTROYED, Raised, checked};
use crate::{error, jsproxy, pyproxy, python2js, state};

/// What a conversion is asked for. The values are owned; [`Options::release`] or [`Options::free`] ends them.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// Levels of containers to convert; negative for all.
    pub(crate) depth: i64,
    /// A JavaScript array that receives the PyProxies made; undefined for none.
    pub(crate) pyproxies: JSValue,
    /// Whether what has no conversion becomes a PyProxy; else it is an error.
    pub(crate) create_pyproxies: bool,
    /// A function or undefined, as the next two.
    pub(crate) dict_converter: JSValue,
    pub(crate) default_converter: JSValue,
    pub(crate) eager_converter: JSValue,
}

impl Options {
    /// Everything converted, the rest as proxies.
    pub(crate) const DEFAULT: Self = Self {
        depth: -1,
        pyproxies: JS_UNDEFINED,
        create_pyproxies: true,
        dict_converter: JS_UNDEFINED,
        default_converter: JS_UNDEFINED,
        eager_converter: JS_UNDEFINED,
    };

    /// Reads Python keyword arguments; Python converters become PyProxies.
    ///
    /// # Safety
    /// At home with the GIL; `values` holds one value for each of `names`. A wrong list of proxies is only an error
    /// if it is `used`.
    pub(super) unsafe fn from_keywords(
        values: *const *mut PyObject,
        names: *mut PyObject,
        count: isize,
        used: bool,
    ) -> Result<Self, Raised> {
        // SAFETY: as the caller promises.
        unsafe {
            let mut options = Self::DEFAULT;
            for index in 0..count {
                let name = ffi::PyTuple_GET_ITEM(names, index);
                if options.keyword(name, *values.offset(index), used).is_err() {
                    options.release();
                    return Err(Raised);
                }
            }
            Ok(options)
        }
    }

    unsafe fn keyword(
        &mut self,
        name: *mut PyObject,
        value: *mut PyObject,
        used: bool,
    ) -> Result<(), Raised> {
        // SAFETY: as for `from_keywords`.
        unsafe {
            let is = |known: &CStr| ffi::PyUnicode_CompareWithASCIIString(name, known.as_ptr()) == 0;
            if is(c"depth") {
                let index = ffi::PyNumber_Index(value);
                if index.is_null() {
                    return Err(Raised);
                }
                self.depth = ffi::PyLong_AsLong(index);
                ffi::Py_DECREF(index);
                if self.depth == -1 && !ffi::PyErr_Occurred().is_null() {
                    return Err(Raised);
                }
            } else if is(c"create_pyproxies") {
                let truth = ffi::PyObject_IsTrue(value);
                if truth < 0 {
                    return Err(Raised);
                }
                self.create_pyproxies = truth > 0;
            } else if is(c"pyproxies") {
                if value == ffi::Py_None() || !used {
                    return Ok(());
                }
                match jsproxy::value_of(value).filter(|&array| qjs::JS_IsArray(array)) {
                    Some(array) => self.pyproxies = qjs::JS_DupValue(state::context(), array),
                    None => {
                        ffi::PyErr_SetString(
                            ffi::PyExc_TypeError,
                            c"Expected a JsArray for the pyproxies argument".as_ptr(),
                        );
                        return Err(Raised);
                    }
                }
            } else if is(c"dict_converter") {
                self.dict_converter = converter(value)?;
            } else if is(c"default_converter") {
                self.default_converter = converter(value)?;
            } else if is(c"eager_converter") {
                self.eager_converter = converter(value)?;
            } else {
                ffi::PyErr_Format(
                    ffi::PyExc_TypeError,
                    c"to_js() got an unexpected keyword argument '%U'".as_ptr(),
                    name,
                );
                return Err(Raised);
            }
            Ok(())
        }
    }

    /// Reads the properties of a JavaScript object (borrowed; undefined stands for an empty one). `Err` with a
    /// JavaScript exception set.
    ///
    /// # Safety
    /// At home with the GIL.
    pub(super) unsafe fn from_object(object: JSValue) -> Result<Self, ()> {
        // SAFETY: as the caller promises.
        unsafe {
            let mut options = Self::DEFAULT;
            if qjs::JS_IsNull(object) {
                error::throw_error(c"TypeError", c"the options of toJs() can't be null");
                return Err(());
            }
            if !qjs::JS_IsObject(object) {
                return Ok(options);
            }
            if options.properties(object).is_err() {
                options.free();
                return Err(());
            }
            Ok(options)
        }
    }

    unsafe fn properties(&mut self, object: JSValue) -> Result<(), ()> {
        // SAFETY: as for `from_object`.
        unsafe {
            let context = state::context();
            let get = |name: &CStr| {
                let value = qjs::JS_GetPropertyStr(context, object, name.as_ptr());
                if qjs::JS_IsException(value) {
                    Err(())
                } else {
                    Ok(value)
                }
            };
            let depth = get(c"depth")?;
            if !qjs::JS_IsUndefined(depth) {
                let mut number = 0;
                let done = qjs::JS_ToInt32(context, &mut number, depth);
                qjs::JS_FreeValue(context, depth);
                if done < 0 {
                    return Err(());
                }
                self.depth = i64::from(number);
            }
            let create = get(c"create_pyproxies")?;
            if !qjs::JS_IsUndefined(create) {
                self.create_pyproxies = qjs::JS_ToBool(context, create) == 1;
                qjs::JS_FreeValue(context, create);
            }
            self.pyproxies = get(c"pyproxies")?;
            if qjs::JS_ToBool(context, self.pyproxies) == 0 {
                qjs::JS_FreeValue(context, std::mem::replace(&mut self.pyproxies, JS_UNDEFINED));
            } else if !qjs::JS_IsArray(self.pyproxies) {
                error::throw_error(c"TypeError", c"Expected a JsArray for the pyproxies argument");
                return Err(());
            }
            self.dict_converter = get(c"dict_converter")?;
            self.default_converter = get(c"default_converter")?;
            self.eager_converter = get(c"eager_converter")?;
            Ok(())
        }
    }

    /// Frees the values.
    ///
    /// # Safety
    /// At home with the GIL, once.
    pub(super) unsafe fn free(self) {
        // SAFETY: as the caller promises.
        unsafe {
            for value in self.values() {
                qjs::JS_FreeValue(state::context(), value);
            }
        }
    }

    /// Frees the values and destroys the PyProxies made of Python converters.
    ///
    /// # Safety
    /// As for [`Options::free`], after [`Options::from_keywords`].
    pub(super) unsafe fn release(self) {
        // SAFETY: as the caller promises; a converter that came as a double proxy is not ours to destroy, and is
        // known by its roundtrip.
        unsafe {
            for value in [self.dict_converter, self.default_converter, self.eager_converter] {
                if pyproxy::cell_of(value).is_some_and(|cell| pyproxy::unwrap(cell).is_some()) {
                    pyproxy::destroy(value, DESTROYED);
                }
            }
            self.free();
        }
    }

    fn values(&self) -> [JSValue; 4] {
        [
            self.pyproxies,
            self.dict_converter,
            self.default_converter,
            self.eager_converter,
        ]
    }
}

/// The function for a converter given in Python.
unsafe fn converter(object: *mut PyObject) -> Result<JSValue, Raised> {
    // SAFETY: at home with the GIL.
    unsafe {
        if object == ffi::Py_None() {
            return Ok(JS_UNDEFINED);
        }
        checked(python2js::convert(object))
    }
}
