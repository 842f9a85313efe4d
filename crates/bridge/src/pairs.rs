//! Pairs of strings, read from Python's containers without a proxy for each: what a `Headers` is made of.

use pyo3::ffi::{self, PyObject};
use rquickjs::Value;

use crate::lifetime::Held;
use crate::{pyproxy, state};

/// Two strings of code points up to U+00FF, a byte each.
pub type BytePair = (Vec<u8>, Vec<u8>);

/// What iterating over `value` yields, if it is a PyProxy of a plain `list`, `tuple` or `dict.items()` of plain tuples or
/// lists of two plain `str`s, all of code points up to U+00FF. `None` for anything else, which JavaScript must ask.
pub fn byte_pairs(value: &Value<'_>) -> Option<Vec<BytePair>> {
    // SAFETY: whoever has a `Value` is at home, and JavaScript runs under the GIL. What is looked at is alive with its
    // container, which is held; exact containers and strings run no code of the user when they are read.
    unsafe {
        let cell = pyproxy::cell_of(value.as_raw())?;
        let object = pyproxy::object_of(cell);
        if object.is_null() || !state::at_home() {
            return None;
        }
        let object = Held::new(object);
        let kind = ffi::Py_TYPE(object.as_ptr());
        if kind == &raw mut ffi::PyDictItems_Type {
            let items = ffi::PySequence_List(object.as_ptr());
            if items.is_null() {
                ffi::PyErr_Clear();
                return None;
            }
            return pairs(Held::steal(items).as_ptr());
        }
        pairs(object.as_ptr())
    }
}

unsafe fn pairs(sequence: *mut PyObject) -> Option<Vec<BytePair>> {
    // SAFETY: as for `byte_pairs`.
    unsafe {
        let items = items(sequence)?;
        items
            .iter()
            .map(|&pair| match self::items(pair)? {
                &[name, value] => Some((latin1(name)?, latin1(value)?)),
                _ => None,
            })
            .collect()
    }
}

/// The items (borrowed) of a plain list or tuple.
unsafe fn items<'a>(sequence: *mut PyObject) -> Option<&'a [*mut PyObject]> {
    // SAFETY: as for `byte_pairs`: nothing that could change it runs while they are looked at.
    unsafe {
        let kind = ffi::Py_TYPE(sequence);
        if kind == &raw mut ffi::PyTuple_Type {
            let length = ffi::PyTuple_GET_SIZE(sequence) as usize;
            let first = (&raw const (*sequence.cast::<ffi::PyTupleObject>()).ob_item).cast();
            return Some(std::slice::from_raw_parts(first, length));
        }
        if kind == &raw mut ffi::PyList_Type {
            let length = ffi::PyList_GET_SIZE(sequence) as usize;
            let first = (*sequence.cast::<ffi::PyListObject>()).ob_item;
            return Some(if length == 0 {
                &[]
            } else {
                std::slice::from_raw_parts(first, length)
            });
        }
        None
    }
}

/// The characters of a plain `str`, if each is a byte.
unsafe fn latin1(text: *mut PyObject) -> Option<Vec<u8>> {
    // SAFETY: as for `byte_pairs`; a compact string's data is behind it.
    unsafe {
        if ffi::Py_TYPE(text) != &raw mut ffi::PyUnicode_Type
            || ffi::PyUnicode_KIND(text) != ffi::PyUnicode_1BYTE_KIND
        {
            return None;
        }
        let length = ffi::PyUnicode_GET_LENGTH(text) as usize;
        Some(std::slice::from_raw_parts(ffi::PyUnicode_DATA(text).cast(), length).to_vec())
    }
}
