//! Items of sequences and dicts behind property names (`spec/ffi.md` §3 "traps").

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JSAtom, JSValue};

use super::attributes::Kind;
use super::traps::Asked;
use super::{Cell, attributes, features, source};
use crate::lifetime::{self, Held};
use crate::{error, js2python, python2js, state};

/// A number as Python gets it from JavaScript; null with a Python exception set.
unsafe fn number_object(number: f64) -> *mut PyObject {
    // SAFETY: at home with the GIL.
    unsafe { js2python::convert(qjs::JS_NewFloat64(number)) }
}

/// The pending Python exception: forgotten if it is of one of the classes, else thrown in JavaScript.
unsafe fn missing_if(classes: &[*mut PyObject]) -> Result<(), ()> {
    // SAFETY: at home with the GIL, an exception pending.
    unsafe {
        if classes
            .iter()
            .any(|&class| ffi::PyErr_ExceptionMatches(class) != 0)
        {
            ffi::PyErr_Clear();
            return Ok(());
        }
        error::throw();
        Err(())
    }
}

/// An item (taken) in JavaScript: by itself or as a proxy, which adapts to JSON if that of its container does.
///
/// # Safety
/// At home with the GIL; the cell is alive.
pub(super) unsafe fn shown_steal(cell: *mut Cell, item: *mut PyObject) -> Result<JSValue, ()> {
    // SAFETY: as the caller promises.
    unsafe {
        if (*cell).features & (features::JSON_DICT | features::JSON_SEQUENCE) == 0 {
            let value = python2js::convert(item);
            lifetime::release_object(item);
            return if qjs::JS_IsException(value) {
                Err(())
            } else {
                Ok(value)
            };
        }
        let held = Held::new(item);
        lifetime::release_object(item);
        let item = held.as_ptr();
        let value = if let Some(value) = python2js::implicit(item) {
            value
        } else if let Some(value) = attributes::find(source(cell), item, Kind::Adapter) {
            value
        } else {
            let value = super::adapter(item);
            if !qjs::JS_IsException(value) {
                attributes::enter(source(cell), item, Kind::Adapter, value);
            }
            value
        };
        if qjs::JS_IsException(value) {
            Err(())
        } else {
            Ok(value)
        }
    }
}

/// An item of a sequence; `None` where there is none.
///
/// # Safety
/// At home with the GIL; the cell is alive.
pub(super) unsafe fn of_sequence(
    cell: *mut Cell,
    sequence: *mut PyObject,
    number: f64,
) -> Result<Option<JSValue>, ()> {
    // SAFETY: as the caller promises.
    unsafe {
        let plain = ffi::PyList_CheckExact(sequence) != 0 || ffi::PyTuple_CheckExact(sequence) != 0;
        let item = if plain && number < isize::MAX as f64 {
            ffi::PySequence_GetItem(sequence, number as isize)
        } else {
            let key = number_object(number);
            if key.is_null() {
                error::throw();
                return Err(());
            }
            let item = ffi::PyObject_GetItem(sequence, key);
            ffi::Py_DECREF(key);
            item
        };
        if item.is_null() {
            missing_if(&[ffi::PyExc_IndexError, ffi::PyExc_KeyError])?;
            return Ok(None);
        }
        shown_steal(cell, item).map(Some)
    }
}

/// Whether a sequence is longer than that.
///
/// # Safety
/// At home with the GIL.
pub(super) unsafe fn sequence_has(sequence: *mut PyObject, number: f64) -> Result<bool, ()> {
    // SAFETY: as the caller promises.
    unsafe {
        let length = ffi::PyObject_Size(sequence);
        if length < 0 {
            error::throw();
            return Err(());
        }
        Ok(number < length as f64)
    }
}

/// Sets (or, with a null `new`, deletes) an item; false if the index is out of range.
///
/// # Safety
/// At home with the GIL.
pub(super) unsafe fn write_sequence(
    sequence: *mut PyObject,
    number: f64,
    new: *mut PyObject,
) -> Result<bool, ()> {
    // SAFETY: as the caller promises.
    unsafe { write(sequence, number_object(number), new, ffi::PyExc_IndexError) }
}

/// Sets or deletes the item of a key (taken, null with an exception set); false on an exception of `class`.
unsafe fn write(
    target: *mut PyObject,
    key: *mut PyObject,
    new: *mut PyObject,
    class: *mut PyObject,
) -> Result<bool, ()> {
    // SAFETY: at home with the GIL.
    unsafe {
        let done = if key.is_null() {
            -1
        } else if new.is_null() {
            ffi::PyObject_DelItem(target, key)
        } else {
            ffi::PyObject_SetItem(target, key, new)
        };
        if !key.is_null() {
            lifetime::release_object(key);
        }
        if done == 0 {
            return Ok(true);
        }
        missing_if(&[class]).map(|()| false)
    }
}

/// The property name as a Python string; a new reference, null with a Python exception set.
unsafe fn name_of(asked: &Asked, atom: JSAtom) -> *mut PyObject {
    // SAFETY: at home with the GIL.
    unsafe {
        if asked.dollar {
            let text = qjs::JS_AtomToString(state::context(), atom);
            return js2python::convert_steal(text, qjs::JS_UNDEFINED);
        }
        ffi::Py_INCREF(asked.text.as_ptr());
        asked.text.as_ptr()
    }
}

/// The keys that a property name may stand for: itself, and the number it spells.
unsafe fn keys_of(asked: &Asked, atom: JSAtom) -> Result<(Held, Option<Held>), ()> {
    // SAFETY: at home with the GIL.
    unsafe {
        let take = |object: *mut PyObject| {
            if object.is_null() {
                error::throw();
                return Err(());
            }
            let held = Held::new(object);
            ffi::Py_DECREF(object);
            Ok(held)
        };
        let name = take(name_of(asked, atom))?;
        let number = match asked.number {
            Some(number) => Some(take(number_object(number))?),
            None => None,
        };
        Ok((name, number))
    }
}

/// An item of a mapping by its name or the number that it spells; `None` where there is none.
///
/// # Safety
/// At home with the GIL; the cell is alive.
pub(super) unsafe fn of_dict(cell: *mut Cell, asked: &Asked, atom: JSAtom) -> Result<Option<JSValue>, ()> {
    // SAFETY: as the caller promises.
    unsafe {
        let target = asked.target.as_ptr();
        let (name, number) = keys_of(asked, atom)?;
        for key in [Some(name), number].into_iter().flatten() {
            let item = if ffi::PyDict_CheckExact(target) != 0 {
                let item = ffi::PyDict_GetItemWithError(target, key.as_ptr());
                ffi::Py_XINCREF(item);
                item
            } else {
                ffi::PyObject_GetItem(target, key.as_ptr())
            };
            if !item.is_null() {
                return shown_steal(cell, item).map(Some);
            }
            if !ffi::PyErr_Occurred().is_null() {
                missing_if(&[ffi::PyExc_KeyError, ffi::PyExc_IndexError])?;
            }
        }
        Ok(None)
    }
}

/// Whether a mapping has the name, or the number that it spells, as a key.
///
/// # Safety
/// At home with the GIL.
pub(super) unsafe fn dict_has(asked: &Asked, atom: JSAtom) -> Result<bool, ()> {
    // SAFETY: as the caller promises.
    unsafe {
        let (name, number) = keys_of(asked, atom)?;
        for key in [Some(name), number].into_iter().flatten() {
            match ffi::PySequence_Contains(asked.target.as_ptr(), key.as_ptr()) {
                0 => {}
                found if found > 0 => return Ok(true),
                _ => {
                    error::throw();
                    return Err(());
                }
            }
        }
        Ok(false)
    }
}

/// Sets (or, with a null `new`, deletes) an item of a mapping; false if there is none to delete. A name that spells a
/// number stands for the number, unless the mapping has it as a string.
///
/// # Safety
/// At home with the GIL.
pub(super) unsafe fn write_dict(asked: &Asked, atom: JSAtom, new: *mut PyObject) -> Result<bool, ()> {
    // SAFETY: as the caller promises.
    unsafe {
        let target = asked.target.as_ptr();
        let (name, number) = keys_of(asked, atom)?;
        let known = if number.is_some() {
            ffi::PySequence_Contains(target, name.as_ptr())
        } else {
            1
        };
        if known < 0 {
            error::throw();
            return Err(());
        }
        let key = number.filter(|_| known == 0).unwrap_or(name);
        ffi::Py_INCREF(key.as_ptr());
        write(target, key.as_ptr(), new, ffi::PyExc_KeyError)
    }
}

/// `get(key)`: the item of a key (borrowed); undefined where there is none.
///
/// # Safety
/// At home with the GIL; the cell is alive.
pub(super) unsafe fn get(cell: *mut Cell, target: *mut PyObject, key: *mut PyObject) -> Result<JSValue, ()> {
    // SAFETY: as the caller promises.
    unsafe {
        let item = ffi::PyObject_GetItem(target, key);
        if item.is_null() {
            missing_if(&[ffi::PyExc_KeyError, ffi::PyExc_IndexError])?;
            return Ok(qjs::JS_UNDEFINED);
        }
        shown_steal(cell, item)
    }
}
