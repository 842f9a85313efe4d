//! The names of a PyProxy's properties: `dir()`, indices, the keys of dicts (`spec/ffi.md` §3 "ownKeys").

use std::collections::HashSet;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JSAtom, JSValue};

use super::{Cell, Context, cell_of, features, object_of, throw_destroyed};
use crate::lifetime::{Held, HeldValue};
use crate::state::Entry;
use crate::{atoms, error, python2js, state};

/// Atoms to be given to the engine; owned, each once.
struct Names {
    context: Context,
    atoms: Vec<JSAtom>,
    known: HashSet<JSAtom>,
}

impl Names {
    fn new(context: Context) -> Self {
        Self {
            context,
            atoms: Vec::new(),
            known: HashSet::new(),
        }
    }

    /// Takes an atom; `Err` if it is none, with a JavaScript exception set.
    unsafe fn push(&mut self, atom: JSAtom) -> Result<(), ()> {
        if atom == 0 {
            return Err(());
        }
        if self.known.insert(atom) {
            self.atoms.push(atom);
        } else {
            // SAFETY: at home; the atom is owned.
            unsafe { qjs::JS_FreeAtom(self.context, atom) };
        }
        Ok(())
    }

    /// The names that `dir()` gives.
    unsafe fn attributes(&mut self, target: *mut PyObject) -> Result<(), ()> {
        // SAFETY: at home with the GIL.
        unsafe {
            let names = ffi::PyObject_Dir(target);
            if names.is_null() {
                error::throw();
                return Err(());
            }
            let mut done = Ok(());
            for index in 0..ffi::PyList_Size(names) {
                let name = ffi::PyList_GetItem(names, index);
                if ffi::PyUnicode_Check(name) != 0 {
                    done = self.push(atoms::atom_of(name));
                }
                if done.is_err() {
                    break;
                }
            }
            ffi::Py_DECREF(names);
            done
        }
    }

    /// Indices and length of a sequence.
    unsafe fn indices(&mut self, target: *mut PyObject) -> Result<(), ()> {
        // SAFETY: at home with the GIL.
        unsafe {
            let length = ffi::PyObject_Size(target);
            if length < 0 {
                error::throw();
                return Err(());
            }
            for index in 0..u32::try_from(length).unwrap_or(u32::MAX) {
                self.push(qjs::JS_NewAtomUInt32(self.context, index))?;
            }
            self.push(qjs::JS_DupAtom(self.context, (*state::state()).atoms.length))
        }
    }

    /// The keys of a mapping that are strings or numbers.
    unsafe fn keys(&mut self, target: *mut PyObject) -> Result<(), ()> {
        // SAFETY: at home with the GIL.
        unsafe {
            let keys = ffi::PyMapping_Keys(target);
            if keys.is_null() {
                error::throw();
                return Err(());
            }
            let mut done = Ok(());
            for index in 0..ffi::PyList_Size(keys) {
                let Some(value) = python2js::implicit(ffi::PyList_GetItem(keys, index)) else {
                    continue;
                };
                if qjs::JS_IsString(value) || qjs::JS_IsNumber(value) {
                    done = self.push(qjs::JS_ValueToAtom(self.context, value));
                }
                qjs::JS_FreeValue(self.context, value);
                if done.is_err() {
                    break;
                }
            }
            ffi::Py_DECREF(keys);
            done
        }
    }

    unsafe fn collect(&mut self, cell: *mut Cell, target: *mut PyObject) -> Result<(), ()> {
        // SAFETY: at home with the GIL; the cell is alive.
        unsafe {
            let features = (*cell).features;
            if features & features::JSON_DICT != 0 {
                return self.keys(target);
            }
            self.attributes(target)?;
            if features & features::CALLABLE != 0 {
                self.push(qjs::JS_DupAtom(self.context, (*state::state()).atoms.prototype))?;
            }
            if features & features::SEQUENCE != 0 {
                self.indices(target)?;
            }
            if features & features::DICT != 0 {
                self.keys(target)?;
            }
            Ok(())
        }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        for atom in self.atoms.drain(..) {
            // SAFETY: at home under the GIL, inside a trap; the atoms are owned.
            unsafe { qjs::JS_FreeAtom(self.context, atom) };
        }
    }
}

/// The class's `get_own_property_names`. Ordinary properties come by themselves.
pub(super) unsafe extern "C" fn own_property_names(
    context: Context,
    table: *mut *mut qjs::JSPropertyEnum,
    length: *mut u32,
    object: JSValue,
) -> i32 {
    // SAFETY: called by the engine at home under the GIL, on a live object of our class; the table is allocated by the
    // engine's allocator, which frees it.
    unsafe {
        let Some(cell) = cell_of(object) else { return 0 };
        let target = object_of(cell);
        if target.is_null() {
            throw_destroyed(cell);
            return -1;
        }
        let Ok(_entry) = Entry::checked() else { return -1 };
        let _alive = HeldValue::new(object);
        let target = Held::new(target);
        let mut names = Names::new(context);
        if names.collect(cell, target.as_ptr()).is_err() {
            return -1;
        }
        let size = size_of::<qjs::JSPropertyEnum>() * names.atoms.len().max(1);
        let memory = qjs::js_malloc(context, size as _).cast::<qjs::JSPropertyEnum>();
        if memory.is_null() {
            return -1;
        }
        for (index, &atom) in names.atoms.iter().enumerate() {
            memory.add(index).write(qjs::JSPropertyEnum {
                is_enumerable: false,
                atom,
            });
        }
        *table = memory;
        *length = names.atoms.len() as u32;
        names.atoms.clear();
        0
    }
}

/// Whether a name stays JavaScript's on a mapping that is adapted to JSON.
///
/// # Safety
/// At home.
pub(super) unsafe fn stays_on_adapters(atom: JSAtom) -> bool {
    // SAFETY: the atoms are loaded with the engine.
    unsafe {
        let atoms = &raw const (*state::state()).atoms;
        [
            (*atoms).copy,
            (*atoms).constructor,
            (*atoms).to_string,
            (*atoms).destroy,
        ]
        .contains(&atom)
    }
}
