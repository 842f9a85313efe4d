//! Caches between Python attribute names and JavaScript property atoms.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JSAtom, JSValue};

use crate::{error, state, strings};

const SLOTS: usize = 1024;

/// What an attribute name of a JsProxy means.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    /// The name, an exact `str` (so that neither its hash nor its end runs user code); borrowed from the cache. Null
    /// in an empty slot.
    pub(crate) text: *mut PyObject,
    /// The property it stands for, `_` after keywords removed.
    pub(crate) atom: JSAtom,
    /// Whether that is the property of the same name.
    verbatim: bool,
    /// Whether some type of JsProxy might have a Python attribute of this name.
    pub(crate) python: bool,
    /// Whether it is one of the names the import system sets on modules, kept on the Python side.
    pub(crate) module_attribute: bool,
}

/// A direct-mapped cache keyed by the address of the name, which it keeps alive: attribute names in code are
/// interned, so that one look at the address decides.
pub(crate) struct NameCache {
    slots: [Name; SLOTS],
}

impl NameCache {
    pub(crate) const fn new() -> Self {
        const EMPTY: Name = Name {
            text: ptr::null_mut(),
            atom: 0,
            verbatim: false,
            python: false,
            module_attribute: false,
        };
        Self {
            slots: [EMPTY; SLOTS],
        }
    }

    /// Forgets everything: the set of Python attributes grew, or the engine goes.
    ///
    /// # Safety
    /// At home with the GIL, the context alive.
    pub(crate) unsafe fn clear(&mut self) {
        for slot in &mut self.slots {
            if !slot.text.is_null() {
                // SAFETY: a filled slot owns its string and its atom.
                unsafe {
                    ffi::Py_DECREF(slot.text);
                    (*state::state()).dropped_atoms.push(slot.atom);
                }
                slot.text = ptr::null_mut();
            }
        }
    }
}

/// Looks an attribute name up; `None` with a Python exception set if it is no string. The atom may be evicted by user
/// code: use it before running any but JavaScript's (which keeps evicted atoms while it is on the stack).
///
/// # Safety
/// At home with the GIL; `name` is a valid object, and no Python exception is set.
#[inline(always)]
pub(crate) unsafe fn name(name: *mut PyObject) -> Option<Name> {
    // SAFETY: the cache is only touched under the GIL at home, and nothing here calls out.
    unsafe {
        let slot = &raw mut (*state::state()).names.slots[slot_of(name as usize)];
        if (*slot).text == name {
            return Some(*slot);
        }
        fill(name, slot)
    }
}

/// The atom of the property that a keyword argument becomes, owned; 0 with a JavaScript exception set.
///
/// # Safety
/// At home with the GIL; `text` is a str, and no exception of either language is set.
pub(crate) unsafe fn atom_of_keyword(text: *mut PyObject) -> JSAtom {
    // SAFETY: as the caller promises.
    unsafe {
        match name(text) {
            Some(known) if known.verbatim => qjs::JS_DupAtom(state::context(), known.atom),
            Some(_) => atom_of(text),
            None => {
                ffi::PyErr_Clear();
                atom_of(text)
            }
        }
    }
}

#[inline(always)]
fn slot_of(address: usize) -> usize {
    ((address >> 4) ^ (address >> 14)) & (SLOTS - 1)
}

#[cold]
#[inline(never)]
unsafe fn fill(name: *mut PyObject, slot: *mut Name) -> Option<Name> {
    // SAFETY: as for `name`; the slot's old content is released after the new one is complete.
    unsafe {
        if ffi::PyUnicode_Check(name) == 0 {
            ffi::PyErr_Format(
                ffi::PyExc_TypeError,
                c"attribute name must be string, not '%.200s'".as_ptr(),
                (*ffi::Py_TYPE(name)).tp_name,
            );
            return None;
        }
        if ffi::PyUnicode_CheckExact(name) == 0 {
            let exact = ffi::PyUnicode_FromObject(name);
            if exact.is_null() {
                return None;
            }
            let found = self::name(exact);
            ffi::Py_DECREF(exact);
            return found;
        }
        let stem = without_keyword_underscore(name)?;
        let verbatim = stem == name;
        let atom = atom_of(stem);
        ffi::Py_DECREF(stem);
        if atom == 0 {
            error::raise();
            return None;
        }
        let mut length = 0;
        let text = ffi::PyUnicode_AsUTF8AndSize(name, &mut length);
        let bytes = if text.is_null() {
            ffi::PyErr_Clear();
            &[][..]
        } else {
            std::slice::from_raw_parts(text.cast::<u8>(), length as usize)
        };
        let python = bytes.starts_with(b"__") || bytes == b"keys" || crate::jsproxy::is_python_name(name);
        let module_attribute = matches!(
            bytes,
            b"__loader__" | b"__name__" | b"__package__" | b"__path__" | b"__spec__"
        );
        ffi::Py_INCREF(name);
        let old = std::ptr::replace(
            slot,
            Name {
                text: name,
                atom,
                verbatim,
                python,
                module_attribute,
            },
        );
        let new = *slot;
        if !old.text.is_null() {
            (*state::state()).dropped_atoms.push(old.atom);
            ffi::Py_DECREF(old.text);
        }
        Some(new)
    }
}

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Whether `text` is a keyword followed by any number of underscores (`dir()` adds one to such names).
pub(crate) fn is_keyword_stem(text: &str) -> bool {
    KEYWORDS.contains(&text.trim_end_matches('_'))
}

/// `finally_` stands for `finally`, `finally__` for `finally_`; other names stand for themselves.
/// Returns a new reference.
unsafe fn without_keyword_underscore(name: *mut PyObject) -> Option<*mut PyObject> {
    // SAFETY: `name` is a str.
    unsafe {
        let mut length = 0;
        let text = ffi::PyUnicode_AsUTF8AndSize(name, &mut length);
        if text.is_null() {
            ffi::PyErr_Clear();
        } else {
            let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length as usize);
            let text = std::str::from_utf8_unchecked(bytes);
            if text.ends_with('_') && is_keyword_stem(text) {
                let stem = ffi::PyUnicode_FromStringAndSize(text.as_ptr().cast(), length - 1);
                return (!stem.is_null()).then_some(stem);
            }
        }
        ffi::Py_INCREF(name);
        Some(name)
    }
}

/// The atom of a Python string; 0 with a JavaScript exception set.
///
/// # Safety
/// At home with the GIL; `text` is a str.
pub(crate) unsafe fn atom_of(text: *mut PyObject) -> JSAtom {
    // SAFETY: as the caller promises.
    unsafe {
        let context = state::context();
        let value = strings::to_javascript(text);
        let atom = qjs::JS_ValueToAtom(context, value);
        qjs::JS_FreeValue(context, value);
        atom
    }
}

/// What a property name asked of a PyProxy means.
#[derive(Clone, Copy)]
pub(crate) struct Attribute {
    atom: JSAtom,
    /// The Python attribute name, interned; null for symbols.
    pub(crate) text: *mut PyObject,
    /// The number that the name spells with digits alone, if it does.
    pub(crate) number: Option<f64>,
    /// Whether the property name is `$` and the attribute name.
    pub(crate) dollar: bool,
    /// For which prototype `inherited` was found out.
    prototype: u32,
    inherited: bool,
}

/// A direct-mapped cache keyed by the atom, which it keeps alive.
pub(crate) struct AtomCache {
    slots: [Attribute; SLOTS],
}

impl AtomCache {
    pub(crate) const fn new() -> Self {
        const EMPTY: Attribute = Attribute {
            atom: 0,
            text: ptr::null_mut(),
            number: None,
            dollar: false,
            prototype: u32::MAX,
            inherited: false,
        };
        Self {
            slots: [EMPTY; SLOTS],
        }
    }

    /// Forgets everything, when the engine goes.
    ///
    /// # Safety
    /// At home with the GIL, the context alive.
    pub(crate) unsafe fn clear(&mut self) {
        for slot in &mut self.slots {
            if slot.atom != 0 {
                // SAFETY: a filled slot owns its atom and its string.
                unsafe {
                    (*state::state()).dropped_atoms.push(slot.atom);
                    ffi::Py_XDECREF(slot.text);
                }
                slot.atom = 0;
            }
        }
    }
}

/// Looks up what `atom` means for a PyProxy with the features `features`: the Python attribute, or `None`
/// where the JavaScript side answers (a symbol, or a name that `prototype` has). The string is borrowed from
/// the cache: take a reference before anything else is looked up.
///
/// # Safety
/// At home with the GIL. Returns `Err` with a JavaScript exception set.
pub(crate) unsafe fn attribute(
    atom: JSAtom,
    features: u32,
    prototype: JSValue,
) -> Result<Option<Attribute>, ()> {
    // SAFETY: the cache is only touched at home.
    unsafe {
        let slot = &raw mut (*state::state()).attributes.slots[atom as usize & (SLOTS - 1)];
        fill_attribute(slot, atom)?;
        if (*slot).text.is_null() {
            return Ok(None);
        }
        if (*slot).prototype != features {
            let has = qjs::JS_HasProperty(state::context(), prototype, atom);
            if has < 0 {
                return Err(());
            }
            // A prototype that user code changed may have traps after all, which may have evicted the name.
            fill_attribute(slot, atom)?;
            // The names of every function's own properties are no names of the JavaScript side.
            let of_functions = features & crate::pyproxy::features::CALLABLE != 0 && is_of_functions(atom);
            (*slot).inherited = has > 0 && !of_functions;
            (*slot).prototype = features;
        }
        Ok((!(*slot).inherited).then_some(*slot))
    }
}

/// Whether [`attribute`] is known to leave `atom` to the JavaScript side of PyProxies with the features `features`; false if
/// it was not asked lately.
///
/// # Safety
/// At home with the GIL.
#[inline(always)]
pub(crate) unsafe fn is_inherited(atom: JSAtom, features: u32) -> bool {
    // SAFETY: the cache is only touched at home.
    unsafe {
        let slot = &raw const (*state::state()).attributes.slots[atom as usize & (SLOTS - 1)];
        (*slot).atom == atom
            && ((*slot).text.is_null() || ((*slot).prototype == features && (*slot).inherited))
    }
}

/// The attribute name that `atom` stands for whatever a prototype has, `None` for a symbol. The string is borrowed from the
/// cache: take a reference before anything else is looked up.
///
/// # Safety
/// At home with the GIL. Returns `Err` with a JavaScript exception set.
pub(crate) unsafe fn described(atom: JSAtom) -> Result<Option<Attribute>, ()> {
    // SAFETY: the cache is only touched at home.
    unsafe {
        let slot = &raw mut (*state::state()).attributes.slots[atom as usize & (SLOTS - 1)];
        fill_attribute(slot, atom)?;
        Ok((!(*slot).text.is_null()).then_some(*slot))
    }
}

/// Whether functions have a property of this name that the PyProxy of a callable must not show.
///
/// # Safety
/// At home.
pub(crate) unsafe fn is_of_functions(atom: JSAtom) -> bool {
    // SAFETY: the atoms are loaded with the engine.
    unsafe {
        let atoms = &raw const (*state::state()).atoms;
        [
            (*atoms).name,
            (*atoms).length,
            (*atoms).caller,
            (*atoms).arguments,
            (*atoms).prototype,
        ]
        .contains(&atom)
    }
}

/// Has the slot describe `atom`.
#[inline(always)]
unsafe fn fill_attribute(slot: *mut Attribute, atom: JSAtom) -> Result<(), ()> {
    // SAFETY: as for `attribute`; the old content is released after the new one is complete.
    unsafe {
        if (*slot).atom != atom {
            let fresh = describe(atom)?;
            let old = std::ptr::replace(slot, fresh);
            if old.atom != 0 {
                (*state::state()).dropped_atoms.push(old.atom);
                ffi::Py_XDECREF(old.text);
            }
        }
        Ok(())
    }
}

unsafe fn describe(atom: JSAtom) -> Result<Attribute, ()> {
    // SAFETY: as for `attribute`.
    unsafe {
        let context = state::context();
        let value = qjs::JS_AtomToValue(context, atom);
        let mut text = ptr::null_mut();
        let (mut number, mut dollar) = (None, false);
        if !qjs::JS_IsSymbol(value) {
            let mut length = 0;
            let bytes = qjs::JS_AtomToCStringLen(context, &mut length, atom);
            if bytes.is_null() {
                qjs::JS_FreeValue(context, value);
                return Err(());
            }
            let mut name = std::slice::from_raw_parts(bytes.cast::<u8>(), length as usize);
            if !name.is_empty() && name.iter().all(u8::is_ascii_digit) {
                number = std::str::from_utf8_unchecked(name).parse().ok();
            }
            // A leading `$` asks for the Python attribute where a JavaScript method hides it.
            if let Some(rest) = name.strip_prefix(b"$") {
                (name, dollar) = (rest, true);
            }
            text = ffi::PyUnicode_DecodeUTF8(
                name.as_ptr().cast(),
                name.len() as isize,
                c"surrogatepass".as_ptr(),
            );
            qjs::JS_FreeCString(context, bytes);
            if text.is_null() {
                ffi::PyErr_Clear();
                qjs::JS_FreeValue(context, value);
                qjs::JS_ThrowOutOfMemory(context);
                return Err(());
            }
            ffi::PyUnicode_InternInPlace(&mut text);
        }
        qjs::JS_FreeValue(context, value);
        Ok(Attribute {
            atom: qjs::JS_DupAtom(context, atom),
            text,
            number,
            dollar,
            prototype: u32::MAX,
            inherited: false,
        })
    }
}
