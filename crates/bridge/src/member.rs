//! Where CPython keeps what a class shows by member descriptors: slots, and fields of its own objects.

use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;
use pyo3::types::PyType;

/// CPython's member descriptor, as every version lays it out.
#[repr(C)]
struct MemberDescriptor {
    base: PyObject,
    class: *mut PyTypeObject,
    name: *mut PyObject,
    qualified_name: *mut PyObject,
    member: *mut ffi::PyMemberDef,
}

/// What is kept at such a place.
#[derive(Clone, Copy)]
#[repr(i32)]
pub(crate) enum Kind {
    /// A C `int`: `Py_T_INT`.
    Int = 1,
    /// A reference, or null: `Py_T_OBJECT_EX`, which slots are.
    Object = 16,
}

impl Kind {
    fn size(self) -> isize {
        let size = match self {
            Self::Int => size_of::<i32>(),
            Self::Object => size_of::<*mut PyObject>(),
        };
        size as isize
    }
}

/// Where objects of a class keep an attribute, in bytes from their start; `None` if that isn't how they keep it.
pub(crate) fn place_of(class: &Bound<'_, PyType>, name: &str, kind: Kind) -> Option<usize> {
    let descriptor = class.getattr(name).ok()?;
    // SAFETY: the token proves the GIL; the layout is that of the exact type, whose class must be the one asked for.
    unsafe {
        if ffi::Py_TYPE(descriptor.as_ptr()) != &raw mut ffi::PyMemberDescr_Type {
            return None;
        }
        let descriptor = descriptor.as_ptr().cast::<MemberDescriptor>();
        let member = (*descriptor).member;
        let size = (*class.as_type_ptr()).tp_basicsize;
        let fits = (*member).offset > 0 && (*member).offset + kind.size() <= size;
        ((*descriptor).class == class.as_type_ptr() && (*member).type_code == kind as i32 && fits)
            .then_some((*member).offset as usize)
    }
}
