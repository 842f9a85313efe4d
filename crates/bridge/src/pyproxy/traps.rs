//! Property access on a PyProxy (`spec/ffi.md` §3 "traps").
//!
//! Names that the prototype has, and symbols, are JavaScript's: [`get_own_property`] denies them, so that the
//! engine goes on to the prototype with the right receiver. All else is a Python attribute, an index of a
//! sequence, or an item of an exact dict.

use std::collections::HashSet;
use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JSAtom, JSClassExoticMethods, JSValue};

use super::{Cached, Cell, Context, Origin, cell_of, features, throw_destroyed};
use crate::lifetime::{self, Held, HeldValue};
use crate::state::Entry;
use crate::{atoms, error, js2python, python2js, state};

static mut METHODS: JSClassExoticMethods = JSClassExoticMethods {
    get_own_property: Some(get_own_property),
    get_own_property_names: Some(get_own_property_names),
    delete_property: Some(delete_property),
    define_own_property: Some(define_own_property),
    has_property: None,
    get_property: None,
    set_property: Some(set_property),
};

/// The exotic methods of both classes.
pub(super) fn methods() -> *mut JSClassExoticMethods {
    &raw mut METHODS
}

unsafe extern "C" {
    /// CPython's attribute look-up through the type cache; exported, though not documented.
    fn _PyType_Lookup(kind: *mut ffi::PyTypeObject, name: *mut PyObject) -> *mut PyObject;
    /// `PyObject_GenericGetAttr`, which with a last argument of 1 raises no `AttributeError`.
    fn _PyObject_GenericGetAttrWithDict(
        object: *mut PyObject,
        name: *mut PyObject,
        dict: *mut PyObject,
        suppress: std::os::raw::c_int,
    ) -> *mut PyObject;
    /// The type of bound methods.
    static mut PyMethod_Type: ffi::PyTypeObject;
}

/// What a name means for a proxy.
enum Meaning {
    /// The JavaScript side answers.
    JavaScript,
    /// An attribute or item of the object.
    Python(Asked),
}

/// An object and an attribute name of it, kept alive: user code may destroy the proxy and evict the name.
struct Asked {
    target: Held,
    text: Held,
    index: Option<u32>,
}

/// `Err` with a JavaScript exception set.
unsafe fn meaning(cell: *mut Cell, atom: JSAtom) -> Result<Meaning, ()> {
    // SAFETY: at home with the GIL; the cell is alive.
    unsafe {
        let prototype = features::prototype((*cell).features);
        match atoms::attribute(atom, (*cell).features, prototype)? {
            None => Ok(Meaning::JavaScript),
            Some(attribute) => {
                if (*cell).object.is_null() {
                    throw_destroyed(cell);
                    return Err(());
                }
                Ok(Meaning::Python(Asked {
                    target: Held::new((*cell).object),
                    text: Held::new(attribute.text),
                    index: attribute.index,
                }))
            }
        }
    }
}

/// An item or attribute read.
enum Found {
    /// Not there.
    Missing,
    /// An attribute; owned.
    Attribute(JSValue),
    /// An item of a sequence or dict; owned.
    Item(JSValue),
}

unsafe extern "C" fn get_own_property(
    _: Context,
    descriptor: *mut qjs::JSPropertyDescriptor,
    object: JSValue,
    atom: JSAtom,
) -> i32 {
    // SAFETY: called by the engine at home under the GIL, on a live object of our class. `JS_UNDEFINED` fields
    // need no freeing.
    unsafe {
        let Some(cell) = cell_of(object) else { return 0 };
        let Ok(_entry) = Entry::checked() else { return -1 };
        let _alive = HeldValue::new(object);
        let asked = match meaning(cell, atom) {
            Err(()) => return -1,
            Ok(Meaning::JavaScript) => return 0,
            Ok(Meaning::Python(asked)) => asked,
        };
        let (value, flags) = match read(cell, &asked, atom) {
            Err(()) => return -1,
            Ok(Found::Missing) => return 0,
            Ok(Found::Attribute(value)) => (value, qjs::JS_PROP_CONFIGURABLE | qjs::JS_PROP_WRITABLE),
            Ok(Found::Item(value)) => (value, qjs::JS_PROP_C_W_E),
        };
        if descriptor.is_null() {
            qjs::JS_FreeValue(state::context(), value);
        } else {
            (*descriptor).flags = flags as i32;
            (*descriptor).value = value;
            (*descriptor).getter = qjs::JS_UNDEFINED;
            (*descriptor).setter = qjs::JS_UNDEFINED;
        }
        1
    }
}

unsafe fn read(cell: *mut Cell, asked: &Asked, atom: JSAtom) -> Result<Found, ()> {
    // SAFETY: as for `get_own_property`.
    unsafe {
        let target = asked.target.as_ptr();
        if let Some(index) = asked.index
            && (*cell).features & features::SEQUENCE != 0
        {
            let item = ffi::PySequence_GetItem(target, index as isize);
            if item.is_null() {
                return missing_if(ffi::PyExc_IndexError);
            }
            return converted_steal(item).map(Found::Item);
        }
        if (*cell).features & features::BUFFER == 0
            && let Some(value) = method(cell, asked, atom)?
        {
            return Ok(Found::Attribute(value));
        }
        let value = optional_attribute(target, asked.text.as_ptr());
        if !value.is_null() {
            return converted_steal(value).map(Found::Attribute);
        }
        if !ffi::PyErr_Occurred().is_null() {
            error::throw();
            return Err(());
        }
        if (*cell).features & features::DICT != 0 {
            return dict_item(asked);
        }
        Ok(Found::Missing)
    }
}

/// An attribute, a new reference; null without an exception set if there is none. The usual attribute protocol
/// is spared making an `AttributeError`.
unsafe fn optional_attribute(target: *mut PyObject, name: *mut PyObject) -> *mut PyObject {
    // SAFETY: the GIL is held; both are valid.
    unsafe {
        if is_generic(ffi::Py_TYPE(target)) {
            return _PyObject_GenericGetAttrWithDict(target, name, ptr::null_mut(), 1);
        }
        let value = ffi::PyObject_GetAttr(target, name);
        if value.is_null() && ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) != 0 {
            ffi::PyErr_Clear();
        }
        value
    }
}

/// Whether attributes of the type's objects are found in the usual way.
unsafe fn is_generic(kind: *mut ffi::PyTypeObject) -> bool {
    // SAFETY: `kind` is a type.
    unsafe {
        (*kind).tp_getattro.map(|function| function as usize)
            == Some(ffi::PyObject_GenericGetAttr as *const () as usize)
    }
}

unsafe fn missing_if(class: *mut PyObject) -> Result<Found, ()> {
    // SAFETY: the GIL is held, an exception is set.
    unsafe {
        if ffi::PyErr_ExceptionMatches(class) != 0 {
            ffi::PyErr_Clear();
            return Ok(Found::Missing);
        }
        error::throw();
        Err(())
    }
}

/// Converts an object it takes.
unsafe fn converted_steal(object: *mut PyObject) -> Result<JSValue, ()> {
    // SAFETY: at home with the GIL.
    unsafe {
        let value = python2js::convert(object);
        lifetime::release_object(object);
        if qjs::JS_IsException(value) {
            Err(())
        } else {
            Ok(value)
        }
    }
}

/// An item of an exact dict: by the string, and if that spells an integer by it too.
unsafe fn dict_item(asked: &Asked) -> Result<Found, ()> {
    // SAFETY: as for `read`.
    unsafe {
        let dict = asked.target.as_ptr();
        let mut item = ffi::PyDict_GetItemWithError(dict, asked.text.as_ptr());
        if item.is_null()
            && ffi::PyErr_Occurred().is_null()
            && let Some(index) = asked.index
        {
            let key = ffi::PyLong_FromUnsignedLong(u64::from(index));
            if !key.is_null() {
                item = ffi::PyDict_GetItemWithError(dict, key);
                ffi::Py_DECREF(key);
            }
        }
        if item.is_null() {
            if ffi::PyErr_Occurred().is_null() {
                return Ok(Found::Missing);
            }
            error::throw();
            return Err(());
        }
        ffi::Py_INCREF(item);
        converted_steal(item).map(Found::Item)
    }
}

/// A method of the type that the instance doesn't hide: its proxy is made once and handed out again.
unsafe fn method(cell: *mut Cell, asked: &Asked, atom: JSAtom) -> Result<Option<JSValue>, ()> {
    // SAFETY: as for `read`.
    unsafe {
        let (target, text) = (asked.target.as_ptr(), asked.text.as_ptr());
        let kind = ffi::Py_TYPE(target);
        // A type with its own attribute protocol decides by itself.
        if !is_generic(kind) {
            return Ok(None);
        }
        let found = _PyType_Lookup(kind, text);
        if found.is_null()
            || ffi::PyType_HasFeature(ffi::Py_TYPE(found), ffi::Py_TPFLAGS_METHOD_DESCRIPTOR) == 0
        {
            return Ok(None);
        }
        let bound = ffi::PyObject_GetAttr(target, text);
        if bound.is_null() {
            error::throw();
            return Err(());
        }
        // An instance attribute of the same name is no method of `found`.
        let is_bound = ffi::Py_TYPE(bound) == &raw mut PyMethod_Type
            || ffi::Py_TYPE(bound) == &raw mut ffi::PyCFunction_Type;
        if !is_bound {
            return converted_steal(bound).map(Some);
        }
        if let Some(cached) = (*cell)
            .attributes
            .iter()
            .find(|cached| cached.name == atom && cached.method == found)
            && !cell_of(cached.value).is_none_or(|cell| super::is_destroyed(cell))
        {
            let value = qjs::JS_DupValue(state::context(), cached.value);
            ffi::Py_DECREF(bound);
            return Ok(Some(value));
        }
        let value = super::new(bound, Origin::OWNED);
        lifetime::release_object(bound);
        if qjs::JS_IsException(value) {
            return Err(());
        }
        remember(cell, atom, found, value);
        Ok(Some(value))
    }
}

/// Keeps the proxy (borrowed) of a method, in the place of one that was destroyed or is of a method no longer
/// there. A proxy destroyed meanwhile keeps nothing.
unsafe fn remember(cell: *mut Cell, atom: JSAtom, method: *mut PyObject, value: JSValue) {
    // SAFETY: as for `read`; the borrow of the list ends before anything is freed.
    unsafe {
        if (*cell).object.is_null() {
            return;
        }
        let value = qjs::JS_DupValue(state::context(), value);
        let attributes = &mut (*cell).attributes;
        if let Some(cached) = attributes.iter_mut().find(|cached| cached.name == atom) {
            cached.method = method;
            let old = std::mem::replace(&mut cached.value, value);
            qjs::JS_FreeValue(state::context(), old);
        } else {
            let name = qjs::JS_DupAtom(state::context(), atom);
            attributes.push(Cached { name, method, value });
        }
    }
}

unsafe extern "C" fn set_property(
    context: Context,
    object: JSValue,
    atom: JSAtom,
    value: JSValue,
    _receiver: JSValue,
    _flags: i32,
) -> i32 {
    // SAFETY: as for `get_own_property`; `value` is borrowed.
    unsafe {
        let Some(cell) = cell_of(object) else { return 0 };
        let Ok(_entry) = Entry::checked() else { return -1 };
        let _alive = HeldValue::new(object);
        let asked = match meaning(cell, atom) {
            Err(()) => return -1,
            Ok(Meaning::JavaScript) => return set_on_javascript_side(context, object, atom, value),
            Ok(Meaning::Python(asked)) => asked,
        };
        let new = js2python::convert(value);
        if new.is_null() {
            error::throw();
            return -1;
        }
        let done = write(cell, &asked, new);
        lifetime::release_object(new);
        done
    }
}

/// Sets (or, with a null `new`, deletes) an attribute or item.
unsafe fn write(cell: *mut Cell, asked: &Asked, new: *mut PyObject) -> i32 {
    // SAFETY: as for `get_own_property`.
    unsafe {
        let (target, text) = (asked.target.as_ptr(), asked.text.as_ptr());
        let features = (*cell).features;
        let done = if let Some(index) = asked.index.filter(|_| features & features::SEQUENCE != 0) {
            if new.is_null() {
                ffi::PySequence_DelItem(target, index as isize)
            } else {
                ffi::PySequence_SetItem(target, index as isize, new)
            }
        } else if features & features::DICT != 0 && ffi::PyObject_HasAttr(target, text) == 0 {
            if new.is_null() {
                ffi::PyDict_DelItem(target, text)
            } else {
                ffi::PyDict_SetItem(target, text, new)
            }
        } else {
            ffi::PyObject_SetAttr(target, text, new)
        };
        if done == 0 {
            return 1;
        }
        if ffi::PyErr_ExceptionMatches(ffi::PyExc_IndexError) != 0 && features & features::SEQUENCE != 0 {
            ffi::PyErr_Clear();
            return 0;
        }
        error::throw();
        -1
    }
}

/// Symbols live on the JavaScript object; what the prototype defines can't be written.
unsafe fn set_on_javascript_side(context: Context, object: JSValue, atom: JSAtom, value: JSValue) -> i32 {
    // SAFETY: as for `get_own_property`.
    unsafe {
        let key = qjs::JS_AtomToValue(context, atom);
        let symbol = qjs::JS_IsSymbol(key);
        qjs::JS_FreeValue(context, key);
        if symbol {
            return define_symbol(context, object, atom, value);
        }
        error::throw_error(
            c"TypeError",
            c"Cannot assign to a read-only property of a PyProxy",
        );
        -1
    }
}

unsafe fn define_symbol(context: Context, object: JSValue, atom: JSAtom, value: JSValue) -> i32 {
    // SAFETY: as for `get_own_property`; without the exotic methods the engine's own properties are meant.
    unsafe {
        qjs::JS_DefineProperty(
            context,
            object,
            atom,
            value,
            qjs::JS_UNDEFINED,
            qjs::JS_UNDEFINED,
            (qjs::JS_PROP_C_W_E
                | qjs::JS_PROP_HAS_VALUE
                | qjs::JS_PROP_HAS_CONFIGURABLE
                | qjs::JS_PROP_HAS_WRITABLE
                | qjs::JS_PROP_HAS_ENUMERABLE
                | qjs::JS_PROP_NO_EXOTIC) as i32,
        )
    }
}

unsafe extern "C" fn define_own_property(
    context: Context,
    object: JSValue,
    atom: JSAtom,
    value: JSValue,
    getter: JSValue,
    setter: JSValue,
    flags: i32,
) -> i32 {
    // SAFETY: as for `get_own_property`.
    unsafe {
        if !qjs::JS_IsUndefined(getter) || !qjs::JS_IsUndefined(setter) {
            error::throw_error(c"TypeError", c"A PyProxy can't have accessor properties");
            return -1;
        }
        if flags as u32 & qjs::JS_PROP_HAS_VALUE == 0 {
            // `Object.freeze` and the like: without a value there is nothing to set.
            error::throw_error(c"TypeError", c"The properties of a PyProxy can't be redefined");
            return -1;
        }
        let key = qjs::JS_AtomToValue(context, atom);
        let symbol = qjs::JS_IsSymbol(key);
        qjs::JS_FreeValue(context, key);
        if symbol {
            return define_symbol(context, object, atom, value);
        }
        set_property(context, object, atom, value, object, flags)
    }
}

unsafe extern "C" fn delete_property(_: Context, object: JSValue, atom: JSAtom) -> i32 {
    // SAFETY: as for `get_own_property`.
    unsafe {
        let Some(cell) = cell_of(object) else { return 0 };
        let Ok(_entry) = Entry::checked() else { return -1 };
        let _alive = HeldValue::new(object);
        match meaning(cell, atom) {
            Err(()) => -1,
            Ok(Meaning::JavaScript) => {
                error::throw_error(c"TypeError", c"Cannot delete a read-only property of a PyProxy");
                -1
            }
            Ok(Meaning::Python(asked)) => write(cell, &asked, ptr::null_mut()),
        }
    }
}

unsafe extern "C" fn get_own_property_names(
    context: Context,
    table: *mut *mut qjs::JSPropertyEnum,
    length: *mut u32,
    object: JSValue,
) -> i32 {
    // SAFETY: as for `get_own_property`; the table is allocated by the engine's allocator, which frees it.
    unsafe {
        let Some(cell) = cell_of(object) else { return 0 };
        if (*cell).object.is_null() {
            throw_destroyed(cell);
            return -1;
        }
        let Ok(_entry) = Entry::checked() else { return -1 };
        let _alive = HeldValue::new(object);
        let target = Held::new((*cell).object);
        let names = ffi::PyObject_Dir(target.as_ptr());
        let keys = if (*cell).features & features::DICT != 0 && !names.is_null() {
            ffi::PyDict_Keys(target.as_ptr())
        } else {
            ptr::null_mut()
        };
        if names.is_null() {
            error::throw();
            return -1;
        }
        let mut atoms = Vec::new();
        let mut known = HashSet::new();
        for list in [names, keys] {
            if list.is_null() {
                continue;
            }
            for index in 0..ffi::PyList_Size(list) {
                let name = ffi::PyList_GetItem(list, index);
                let spelled = if ffi::PyUnicode_Check(name) != 0 || ffi::PyLong_CheckExact(name) != 0 {
                    ffi::PyObject_Str(name)
                } else {
                    continue;
                };
                if spelled.is_null() {
                    ffi::PyErr_Clear();
                    continue;
                }
                let atom = atoms::atom_of(spelled);
                ffi::Py_DECREF(spelled);
                if atom == 0 {
                    error::discard();
                } else if !known.insert(atom) {
                    qjs::JS_FreeAtom(context, atom);
                } else {
                    atoms.push(atom);
                }
            }
            ffi::Py_DECREF(list);
        }
        let size = size_of::<qjs::JSPropertyEnum>() * atoms.len().max(1);
        let memory = qjs::js_malloc(context, size as _).cast::<qjs::JSPropertyEnum>();
        if memory.is_null() {
            for atom in atoms {
                qjs::JS_FreeAtom(context, atom);
            }
            return -1;
        }
        for (index, &atom) in atoms.iter().enumerate() {
            memory.add(index).write(qjs::JSPropertyEnum {
                is_enumerable: false,
                atom,
            });
        }
        *table = memory;
        *length = atoms.len() as u32;
        0
    }
}
