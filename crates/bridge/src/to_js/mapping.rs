//! Dicts and sets.

use std::ffi::CStr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSAtom, JSValue};

use super::conversion::{Conversion, Converted, DATA, Item, free_all, has};
use super::{Raised, checked, raise_about, raised};
use crate::jsproxy::shape;
use crate::{python2js, state};

impl Conversion {
    /// A dict: an Object, or what the dict converter makes of its entries.
    pub(super) unsafe fn dict(this: *mut Self, object: *mut PyObject) -> Result<JSValue, Raised> {
        // SAFETY: as for `value`.
        unsafe {
            (*this).keys.begin();
            if has((*this).options.dict_converter) && !(*this).from_entries {
                return Self::dict_by_converter(this, object);
            }
            let context = state::context();
            let target = checked(qjs::JS_NewObject(context))?;
            Self::remember(this, object, target);
            let unique = !(*this).from_entries;
            // Keys of ASCII are different properties, so that only what the prototype has is in the way, as long as no other
            // code could touch the dict or the object.
            let mut distinct = ffi::PyDict_CheckExact(object) != 0;
            let result = Self::items(object, |key, item| {
                let atom = Self::key(this, key)?;
                distinct &= is_ascii(key);
                if unique && !(distinct && shape::inherits_nothing(target, atom)) {
                    match qjs::JS_HasProperty(context, target, atom) {
                        0 => {}
                        found => {
                            qjs::JS_FreeAtom(context, atom);
                            return Err(if found < 0 { raised() } else { collision(key) });
                        }
                    }
                }
                let value = match python2js::implicit(item) {
                    Some(value) => checked(value).map(Item::Value),
                    None => {
                        distinct = false;
                        Self::value(this, item)
                    }
                };
                let defined = match value {
                    Ok(Item::Value(value)) => qjs::JS_DefinePropertyValue(context, target, atom, value, DATA),
                    // Can't be: only a dict converter leaves dicts under way.
                    Ok(Item::UnderWay(_)) => 0,
                    Err(raised) => {
                        qjs::JS_FreeAtom(context, atom);
                        return Err(raised);
                    }
                };
                qjs::JS_FreeAtom(context, atom);
                if defined < 0 { Err(raised()) } else { Ok(()) }
            });
            match result {
                Ok(()) => Ok(target),
                Err(raised) => {
                    qjs::JS_FreeValue(context, target);
                    Err(raised)
                }
            }
        }
    }

    unsafe fn dict_by_converter(this: *mut Self, object: *mut PyObject) -> Result<JSValue, Raised> {
        // SAFETY: as for `value`. `pairs` are owned until the array takes them.
        unsafe {
            let context = state::context();
            Self::enter(this, object, Converted::UnderWay);
            let mut pairs: Vec<JSValue> = Vec::new();
            let result = Self::items(object, |key, item| {
                let key = Self::immutable(key, c"Cannot use %R as a key for a Javascript Map")?;
                match Self::value(this, item) {
                    Ok(Item::Value(value)) => {
                        let pair = [key, value];
                        pairs.push(checked(qjs::JS_NewArrayFrom(context, 2, pair.as_ptr()))?);
                    }
                    // The dict itself, which has no value yet: upstream leaves such an entry out.
                    Ok(Item::UnderWay(_)) => qjs::JS_FreeValue(context, key),
                    Err(raised) => {
                        qjs::JS_FreeValue(context, key);
                        return Err(raised);
                    }
                }
                Ok(())
            });
            if let Err(raised) = result {
                free_all(&pairs);
                return Err(raised);
            }
            let Ok(count) = i32::try_from(pairs.len()) else {
                free_all(&pairs);
                ffi::PyErr_NoMemory();
                return Err(Raised);
            };
            let mut arguments = [checked(qjs::JS_NewArrayFrom(context, count, pairs.as_ptr()))?];
            let converter = (*this).options.dict_converter;
            let value = qjs::JS_Call(context, converter, JS_UNDEFINED, 1, arguments.as_mut_ptr());
            qjs::JS_FreeValue(context, arguments[0]);
            let value = checked(value)?;
            Self::remember_steal(this, object, qjs::JS_DupValue(context, value));
            Ok(value)
        }
    }

    /// Calls `each` with the keys and values (borrowed) of a dict.
    unsafe fn items(
        object: *mut PyObject,
        mut each: impl FnMut(*mut PyObject, *mut PyObject) -> Result<(), Raised>,
    ) -> Result<(), Raised> {
        // SAFETY: the GIL is held. `PyDict_Next` checks the position against the table that is there, and the
        // references keep key and value alive while converters run.
        unsafe {
            if ffi::PyDict_CheckExact(object) != 0 {
                let size = ffi::PyDict_Size(object);
                let mut position = 0;
                let (mut key, mut item) = (std::ptr::null_mut(), std::ptr::null_mut());
                while ffi::PyDict_Next(object, &mut position, &mut key, &mut item) != 0 {
                    ffi::Py_INCREF(key);
                    ffi::Py_INCREF(item);
                    let result = each(key, item);
                    ffi::Py_DECREF(key);
                    ffi::Py_DECREF(item);
                    result?;
                    if ffi::PyDict_Size(object) != size {
                        ffi::PyErr_SetString(
                            ffi::PyExc_RuntimeError,
                            c"dictionary changed size during iteration".as_ptr(),
                        );
                        return Err(Raised);
                    }
                }
                return Ok(());
            }
            // A subclass may have an order of its own.
            let items = ffi::PyMapping_Items(object);
            if items.is_null() {
                return Err(Raised);
            }
            let mut result = Ok(());
            for index in 0..ffi::PyList_GET_SIZE(items) {
                let pair = ffi::PyList_GET_ITEM(items, index);
                if ffi::PyTuple_Check(pair) == 0 || ffi::PyTuple_GET_SIZE(pair) != 2 {
                    ffi::PyErr_SetString(
                        ffi::PyExc_TypeError,
                        c"items() of a dict must give pairs".as_ptr(),
                    );
                    result = Err(Raised);
                    break;
                }
                result = each(ffi::PyTuple_GET_ITEM(pair, 0), ffi::PyTuple_GET_ITEM(pair, 1));
                if result.is_err() {
                    break;
                }
            }
            ffi::Py_DECREF(items);
            result
        }
    }

    /// The property atom for a key, owned.
    #[inline]
    unsafe fn key(this: *mut Self, key: *mut PyObject) -> Result<JSAtom, Raised> {
        // SAFETY: as for `value`.
        unsafe {
            match (*this).keys.atom(key)? {
                Some(atom) => Ok(atom),
                None => Err(raise_about(c"Cannot use %R as a key for a Javascript Map", key)),
            }
        }
    }

    /// A key of a Map or Set: a value that JavaScript compares as Python does.
    unsafe fn immutable(key: *mut PyObject, text: &CStr) -> Result<JSValue, Raised> {
        // SAFETY: as for `value`.
        unsafe {
            let value = if crate::jsproxy::value_of(key).is_some() {
                None
            } else {
                python2js::implicit(key)
            };
            match value {
                Some(value) => checked(value),
                None => Err(raise_about(text, key)),
            }
        }
    }

    pub(super) unsafe fn set(this: *mut Self, object: *mut PyObject) -> Result<JSValue, Raised> {
        // SAFETY: as for `value`; `values` are owned until the array takes them.
        unsafe {
            let context = state::context();
            let iterator = ffi::PyObject_GetIter(object);
            if iterator.is_null() {
                return Err(Raised);
            }
            let mut values = Vec::new();
            let result = loop {
                let item = ffi::PyIter_Next(iterator);
                if item.is_null() {
                    break if ffi::PyErr_Occurred().is_null() {
                        Ok(())
                    } else {
                        Err(Raised)
                    };
                }
                let value = Self::immutable(item, c"Cannot use %R as a key for a Javascript Set");
                ffi::Py_DECREF(item);
                match value {
                    Ok(value) => values.push(value),
                    Err(raised) => break Err(raised),
                }
            };
            ffi::Py_DECREF(iterator);
            if let Err(raised) = result {
                free_all(&values);
                return Err(raised);
            }
            let Ok(count) = i32::try_from(values.len()) else {
                free_all(&values);
                ffi::PyErr_NoMemory();
                return Err(Raised);
            };
            let mut arguments = [checked(qjs::JS_NewArrayFrom(context, count, values.as_ptr()))?];
            let make = (*state::state()).support.make_set;
            let set = qjs::JS_Call(context, make, JS_UNDEFINED, 1, arguments.as_mut_ptr());
            qjs::JS_FreeValue(context, arguments[0]);
            let set = checked(set)?;
            Self::remember(this, object, set);
            Ok(set)
        }
    }
}

/// Whether it is a `str` of nothing but ASCII, and of no subclass.
#[inline(always)]
unsafe fn is_ascii(key: *mut PyObject) -> bool {
    // SAFETY: the GIL is held, `key` is valid.
    unsafe { ffi::Py_TYPE(key) == &raw mut ffi::PyUnicode_Type && ffi::PyUnicode_IS_COMPACT_ASCII(key) != 0 }
}

#[cold]
unsafe fn collision(key: *mut PyObject) -> Raised {
    // SAFETY: the GIL is held.
    unsafe {
        raise_about(
            c"Key collision when converting Python dictionary to JavaScript. Key: %R",
            key,
        )
    }
}
