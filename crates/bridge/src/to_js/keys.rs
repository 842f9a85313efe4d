//! Property names for the keys of dicts. Rows of a table share their keys, so the atoms of strings are kept
//! for the length of a conversion.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JSAtom};

use super::{Raised, raised};
use crate::{atoms, jsproxy, python2js, state};

const SLOTS: usize = 64;

/// A direct-mapped cache from strings, by address, to property atoms; owns both.
pub(super) struct Keys {
    slots: Option<Box<[(*mut PyObject, JSAtom); SLOTS]>>,
    /// How many dicts were seen: the first one has no key twice.
    dicts: usize,
}

impl Keys {
    pub(super) const fn new() -> Self {
        Self {
            slots: None,
            dicts: 0,
        }
    }

    /// Another dict begins.
    pub(super) fn begin(&mut self) {
        self.dicts += 1;
        if self.dicts == 2 {
            self.slots = Some(Box::new([(ptr::null_mut(), 0); SLOTS]));
        }
    }

    /// The atom for a key, owned; `Ok(None)` for a key that is no property name.
    ///
    /// # Safety
    /// At home with the GIL; `key` is valid.
    pub(super) unsafe fn atom(&mut self, key: *mut PyObject) -> Result<Option<JSAtom>, Raised> {
        // SAFETY: as the caller promises.
        unsafe {
            let context = state::context();
            if ffi::Py_TYPE(key) == &raw mut ffi::PyUnicode_Type {
                let Some(slots) = &mut self.slots else {
                    return some(atoms::atom_of(key));
                };
                let address = key as usize;
                let slot = &mut slots[((address >> 4) ^ (address >> 10)) & (SLOTS - 1)];
                if slot.0 == key {
                    return Ok(Some(qjs::JS_DupAtom(context, slot.1)));
                }
                let Some(atom) = some(atoms::atom_of(key))? else {
                    return Ok(None);
                };
                ffi::Py_INCREF(key);
                let old = std::mem::replace(slot, (key, qjs::JS_DupAtom(context, atom)));
                free(old);
                return Ok(Some(atom));
            }
            // A JavaScript error is hashable, but no immutable value.
            if jsproxy::value_of(key).is_some() {
                return Ok(None);
            }
            let Some(value) = python2js::implicit(key) else {
                return Ok(None);
            };
            let atom = qjs::JS_ValueToAtom(context, value);
            qjs::JS_FreeValue(context, value);
            some(atom)
        }
    }

    /// # Safety
    /// At home with the GIL.
    pub(super) unsafe fn clear(&mut self) {
        for slot in self.slots.take().into_iter().flat_map(|slots| *slots) {
            // SAFETY: as the caller promises; slots own what they hold.
            unsafe { free(slot) };
        }
    }
}

unsafe fn free((key, atom): (*mut PyObject, JSAtom)) {
    if !key.is_null() {
        // SAFETY: taken from a slot, which owned both. A str has no finalizer that could run code.
        unsafe {
            ffi::Py_DECREF(key);
            qjs::JS_FreeAtom(state::context(), atom);
        }
    }
}

/// An atom that is not 0, which stands for an exception.
unsafe fn some(atom: JSAtom) -> Result<Option<JSAtom>, Raised> {
    // SAFETY: at home with the GIL.
    unsafe { if atom == 0 { Err(raised()) } else { Ok(Some(atom)) } }
}
