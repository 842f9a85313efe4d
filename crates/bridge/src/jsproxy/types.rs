//! The Python types of JsProxies: one per set of feature flags, made when first needed and kept.

use std::collections::HashMap;
use std::os::raw::{c_int, c_void};
use std::ptr;

use pyo3::ffi::{self, PyObject, PyTypeObject};

use super::{JsProxy, attributes, container, flags, iterate, methods};
use crate::{promise, state};

/// How many of the types asked for lately are found at once.
const RECENT: usize = 16;

struct Types {
    /// Types asked for lately, each in the place its flags give it.
    recent: [(u32, *mut PyTypeObject); RECENT],
    all: Option<HashMap<u32, *mut PyTypeObject>>,
    /// Names of all Python attributes of all types, a Python set.
    names: *mut PyObject,
}

static mut TYPES: Types = Types {
    recent: [(u32::MAX, ptr::null_mut()); RECENT],
    all: None,
    names: ptr::null_mut(),
};

/// The type for a set of flags (borrowed, immortal); null with an exception set.
///
/// # Safety
/// At home with the GIL.
#[inline(always)]
pub(crate) unsafe fn for_flags(flags: u32) -> *mut PyTypeObject {
    // SAFETY: the statics are guarded by the GIL.
    unsafe {
        let types = &raw mut TYPES;
        let (known, kind) = (*types).recent[place_of(flags)];
        if known == flags {
            return kind;
        }
        find_or_make(flags)
    }
}

#[inline(always)]
fn place_of(flags: u32) -> usize {
    (flags.wrapping_mul(0x9E37_79B1) >> 28) as usize % RECENT
}

#[inline(never)]
unsafe fn find_or_make(flags: u32) -> *mut PyTypeObject {
    // SAFETY: the statics are guarded by the GIL; no reference into them lives across `make`.
    unsafe {
        let types = &raw mut TYPES;
        let known = (*types).all.as_ref().and_then(|all| all.get(&flags).copied());
        let kind = match known {
            Some(kind) => kind,
            None => {
                let kind = make(flags);
                if kind.is_null() {
                    return kind;
                }
                (*types).all.get_or_insert_default().insert(flags, kind);
                kind
            }
        };
        (*types).recent[place_of(flags)] = (flags, kind);
        kind
    }
}

/// Whether some type has a Python attribute of this name. Conservative: true on failure.
///
/// # Safety
/// The GIL is held; `name` is a str.
pub(crate) unsafe fn is_python_name(name: *mut PyObject) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        let types = &raw const TYPES;
        if (*types).names.is_null() {
            return false;
        }
        let found = ffi::PySet_Contains((*types).names, name);
        if found < 0 {
            ffi::PyErr_Clear();
        }
        found != 0
    }
}

/// An entry of a type's slot table; the function has the signature that the slot asks for.
pub(super) fn slot(slot: c_int, function: *const ()) -> ffi::PyType_Slot {
    ffi::PyType_Slot {
        slot,
        pfunc: function.cast_mut().cast::<c_void>(),
    }
}

const CHANGED_BY_INDEX: u32 = flags::ARRAY | flags::TYPEDARRAY;
const SEQUENCE: u32 = CHANGED_BY_INDEX | flags::ARRAY_LIKE;

unsafe fn make(flags: u32) -> *mut PyTypeObject {
    // SAFETY: the functions have the signatures their slots ask for; the tables are static or copied by CPython.
    unsafe {
        let member = |name: &'static std::ffi::CStr, offset: usize| ffi::PyMemberDef {
            name: name.as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: offset as ffi::Py_ssize_t,
            flags: ffi::Py_READONLY,
            doc: ptr::null(),
        };
        let mut members = [
            member(c"__dictoffset__", std::mem::offset_of!(JsProxy, dict)),
            member(c"__weaklistoffset__", std::mem::offset_of!(JsProxy, weakrefs)),
            member(c"__vectorcalloffset__", std::mem::offset_of!(JsProxy, vectorcall)),
            std::mem::zeroed(),
        ];
        let callable = flags & flags::CALLABLE != 0;
        if !callable {
            members[2] = std::mem::zeroed();
        }
        let mut slots = vec![
            slot(ffi::Py_tp_dealloc, super::dealloc as *const ()),
            slot(ffi::Py_tp_getattro, attributes::getattro as *const ()),
            slot(ffi::Py_tp_setattro, attributes::setattro as *const ()),
            slot(ffi::Py_tp_repr, attributes::repr as *const ()),
            slot(ffi::Py_tp_str, attributes::repr as *const ()),
            slot(ffi::Py_tp_richcompare, container::richcompare as *const ()),
            slot(ffi::Py_tp_hash, ffi::PyObject_HashNotImplemented as *const ()),
            slot(ffi::Py_nb_bool, container::truth as *const ()),
            slot(ffi::Py_tp_methods, methods::always() as *const ()),
            slot(ffi::Py_tp_getset, methods::getset() as *const ()),
            slot(ffi::Py_tp_members, members.as_mut_ptr() as *const ()),
        ];
        let mut type_flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
        if callable {
            type_flags |= ffi::Py_TPFLAGS_HAVE_VECTORCALL;
            slots.push(slot(ffi::Py_tp_call, ffi::PyVectorcall_Call as *const ()));
        }
        if flags & flags::ITERABLE != 0 {
            slots.push(slot(ffi::Py_tp_iter, iterate::iter as *const ()));
        }
        if flags & flags::ITERATOR != 0 {
            if flags & flags::ITERABLE == 0 {
                slots.push(slot(ffi::Py_tp_iter, iterate::iter_self as *const ()));
            }
            slots.push(slot(ffi::Py_tp_iternext, iterate::iternext as *const ()));
        }
        if flags & flags::HAS_LENGTH != 0 {
            slots.push(slot(ffi::Py_mp_length, container::length as *const ()));
            slots.push(slot(ffi::Py_sq_length, container::length as *const ()));
        }
        if flags & SEQUENCE != 0 {
            slots.push(slot(
                ffi::Py_mp_subscript,
                container::sequence_subscript as *const (),
            ));
            slots.push(slot(ffi::Py_sq_item, container::sequence_item as *const ()));
        } else if flags & flags::HAS_GET != 0 {
            slots.push(slot(ffi::Py_mp_subscript, container::map_subscript as *const ()));
        }
        if flags & CHANGED_BY_INDEX != 0 {
            slots.push(slot(
                ffi::Py_mp_ass_subscript,
                container::sequence_ass_subscript as *const (),
            ));
        } else if flags & flags::HAS_SET != 0 {
            slots.push(slot(
                ffi::Py_mp_ass_subscript,
                container::map_ass_subscript as *const (),
            ));
        }
        if flags & (flags::HAS_HAS | flags::HAS_INCLUDES) != 0 && flags & CHANGED_BY_INDEX == 0 {
            slots.push(slot(ffi::Py_sq_contains, container::contains as *const ()));
        }
        if flags & flags::AWAITABLE != 0 {
            slots.push(slot(ffi::Py_am_await, promise::am_await as *const ()));
        }
        slots.push(ffi::PyType_Slot {
            slot: 0,
            pfunc: ptr::null_mut(),
        });
        let mut spec = ffi::PyType_Spec {
            name: c"pyodide.ffi.JsProxy".as_ptr(),
            basicsize: size_of::<JsProxy>() as c_int,
            itemsize: 0,
            flags: type_flags as u32,
            slots: slots.as_mut_ptr(),
        };
        let kind = ffi::PyType_FromSpec(&mut spec).cast::<PyTypeObject>();
        if kind.is_null() || complete(kind, flags) != 0 {
            ffi::Py_XDECREF(kind.cast());
            return ptr::null_mut();
        }
        kind
    }
}

/// Adds what is defined in Python and notes all attribute names. -1 with an exception set.
unsafe fn complete(kind: *mut PyTypeObject, flags: u32) -> c_int {
    // SAFETY: a type just made; the GIL is held.
    unsafe {
        if flags & flags::CALLABLE != 0 {
            let new = ffi::PyDescr_NewMethod(kind, methods::callable().cast_mut());
            if new.is_null() {
                return -1;
            }
            let done = ffi::PyObject_SetAttrString(kind.cast(), c"new".as_ptr(), new);
            ffi::Py_DECREF(new);
            if done != 0 {
                return -1;
            }
        }
        if flags & flags::BUFFER != 0 {
            for method in crate::buffer::METHODS.methods() {
                let descriptor = ffi::PyDescr_NewMethod(kind, std::ptr::from_ref(method).cast_mut());
                if descriptor.is_null() {
                    return -1;
                }
                let done = ffi::PyObject_SetAttrString(kind.cast(), method.ml_name, descriptor);
                ffi::Py_DECREF(descriptor);
                if done != 0 {
                    return -1;
                }
            }
        }
        let mixins_for = (*state::state()).python.mixins_for;
        if !mixins_for.is_null() {
            let mask = ffi::PyLong_FromUnsignedLong(u64::from(flags));
            let mut arguments = [kind.cast::<PyObject>(), mask];
            let done = ffi::PyObject_Vectorcall(mixins_for, arguments.as_mut_ptr(), 2, ptr::null_mut());
            ffi::Py_XDECREF(mask);
            if done.is_null() {
                return -1;
            }
            ffi::Py_DECREF(done);
        }
        let types = &raw mut TYPES;
        if (*types).names.is_null() {
            (*types).names = ffi::PySet_New(ptr::null_mut());
            if (*types).names.is_null() {
                return -1;
            }
        }
        let listed = ffi::PyObject_Dir(kind.cast());
        if listed.is_null() {
            return -1;
        }
        for index in 0..ffi::PyList_Size(listed) {
            if ffi::PySet_Add((*types).names, ffi::PyList_GetItem(listed, index)) != 0 {
                ffi::Py_DECREF(listed);
                return -1;
            }
        }
        ffi::Py_DECREF(listed);
        // Names looked up before this type existed may be Python's now.
        (*state::state()).names.clear();
        // What is set on a type would be there for every proxy, and could replace the slots that tell proxies apart.
        (*kind).tp_flags |= ffi::Py_TPFLAGS_IMMUTABLETYPE;
        ffi::PyType_Modified(kind);
    }
    0
}
