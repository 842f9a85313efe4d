//! Python strings for property names. Rows of a table share their names, so they are kept for the length of a
//! conversion.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JSAtom};

use crate::{error, state};

const SLOTS: usize = 64;

/// A direct-mapped cache from atoms to strings; owns both.
pub(super) struct Names {
    slots: Option<Box<[(JSAtom, *mut PyObject); SLOTS]>>,
    /// How many objects were seen: the first one has no name twice.
    objects: usize,
}

impl Names {
    pub(super) const fn new() -> Self {
        Self {
            slots: None,
            objects: 0,
        }
    }

    /// Another object begins.
    pub(super) fn begin(&mut self) {
        self.objects += 1;
        if self.objects == 2 {
            self.slots = Some(Box::new([(0, ptr::null_mut()); SLOTS]));
        }
    }

    /// The string for an atom (borrowed), a new reference; null with a Python exception set.
    ///
    /// # Safety
    /// At home with the GIL; the atom is no symbol.
    pub(super) unsafe fn text(&mut self, atom: JSAtom) -> *mut PyObject {
        // SAFETY: as the caller promises.
        unsafe {
            let Some(slots) = &mut self.slots else {
                return decode(atom);
            };
            let slot = &mut slots[atom as usize & (SLOTS - 1)];
            if slot.0 == atom && !slot.1.is_null() {
                ffi::Py_INCREF(slot.1);
                return slot.1;
            }
            let text = decode(atom);
            if !text.is_null() {
                ffi::Py_INCREF(text);
                let old = std::mem::replace(slot, (qjs::JS_DupAtom(state::context(), atom), text));
                free(old);
            }
            text
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

unsafe fn free((atom, text): (JSAtom, *mut PyObject)) {
    if !text.is_null() {
        // SAFETY: taken from a slot, which owned both.
        unsafe {
            qjs::JS_FreeAtom(state::context(), atom);
            ffi::Py_DECREF(text);
        }
    }
}

unsafe fn decode(atom: JSAtom) -> *mut PyObject {
    // SAFETY: as for `text`.
    unsafe {
        let context = state::context();
        let mut length = 0;
        let bytes = qjs::JS_AtomToCStringLen(context, &mut length, atom);
        if bytes.is_null() {
            error::raise();
            return ptr::null_mut();
        }
        let text = ffi::PyUnicode_DecodeUTF8(bytes, length as isize, c"surrogatepass".as_ptr());
        qjs::JS_FreeCString(context, bytes);
        text
    }
}
