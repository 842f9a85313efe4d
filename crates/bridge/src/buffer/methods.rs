//! The methods that the proxy of a JavaScript buffer has (`spec/ffi.md` §2 BUFFER).

use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::os::raw::{c_int, c_void};
use std::{io, ptr, slice};

use pyo3::ffi::{self, PyMethodDef, PyMethodDefPointer, PyObject, PyTypeObject};
use rquickjs::qjs::JSValue;

use super::{Bytes, bytes_of, pages};
use crate::jsproxy::methods::home_value;
use crate::{error, state};

/// A table that the interpreter reads.
pub(crate) struct Table<const N: usize>([PyMethodDef; N]);
// SAFETY: only read, by the interpreter under the GIL.
unsafe impl<const N: usize> Sync for Table<N> {}

impl<const N: usize> Table<N> {
    /// The methods, without the sentinel.
    pub(crate) fn methods(&'static self) -> &'static [PyMethodDef] {
        &self.0[..N - 1]
    }
}

const fn method(
    name: &'static CStr,
    function: unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> *mut PyObject,
    flags: c_int,
    doc: &'static CStr,
) -> PyMethodDef {
    PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: PyMethodDefPointer {
            PyCFunction: function,
        },
        ml_flags: flags,
        ml_doc: doc.as_ptr(),
    }
}

/// For `types.rs`, which adds them to proxies with the flag BUFFER.
pub(crate) static METHODS: Table<9> = Table([
    method(c"to_bytes", to_bytes, ffi::METH_NOARGS, c"A copy as bytes."),
    method(
        c"to_memoryview",
        to_memoryview,
        ffi::METH_NOARGS,
        c"A copy as a memoryview.",
    ),
    PyMethodDef {
        ml_name: c"to_string".as_ptr(),
        ml_meth: PyMethodDefPointer {
            PyCFunctionFastWithKeywords: to_string,
        },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: c"to_string(encoding=None)\n--\n\nThe bytes decoded, as UTF-8 by default.".as_ptr(),
    },
    method(
        c"assign",
        assign,
        ffi::METH_O,
        c"Copies a Python buffer into this one.",
    ),
    method(
        c"assign_to",
        assign_to,
        ffi::METH_O,
        c"Copies this buffer into a Python one.",
    ),
    method(c"to_file", to_file, ffi::METH_O, c"Writes the bytes to a file."),
    method(
        c"from_file",
        from_file,
        ffi::METH_O,
        c"Fills the buffer from a file.",
    ),
    method(
        c"_into_file",
        to_file,
        ffi::METH_O,
        c"Writes the bytes to a file.",
    ),
    PyMethodDef::zeroed(),
]);

/// The bytes of a proxy; `None` with a Python exception set.
unsafe fn enter(object: *mut PyObject) -> Option<Bytes> {
    // SAFETY: a method of our types, called by the interpreter.
    unsafe {
        let value = home_value(object)?;
        let bytes = bytes_of(value);
        if bytes.is_err() {
            error::raise();
        }
        bytes.ok()
    }
}

fn none() -> *mut PyObject {
    // SAFETY: called from methods, with the GIL.
    unsafe {
        ffi::Py_INCREF(ffi::Py_None());
        ffi::Py_None()
    }
}

unsafe extern "C" fn to_bytes(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: a method of our types; the bytes are copied before anything else runs.
    unsafe {
        let Some(bytes) = enter(object) else {
            return ptr::null_mut();
        };
        ffi::PyBytes_FromStringAndSize(bytes.start.cast(), bytes.length as isize)
    }
}

unsafe extern "C" fn to_memoryview(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: a method of our types.
    unsafe {
        let Some(value) = home_value(object) else {
            return ptr::null_mut();
        };
        memoryview_of_copy(value)
    }
}

unsafe extern "C" fn to_string(
    object: *mut PyObject,
    values: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: a method of our types; arguments as a vectorcall gives them. The text is decoded before anything
    // else runs.
    unsafe {
        let keywords = if names.is_null() {
            0
        } else {
            ffi::PyTuple_GET_SIZE(names)
        };
        if count + keywords > 1 {
            ffi::PyErr_Format(
                ffi::PyExc_TypeError,
                c"to_string() takes at most 1 argument (%zd given)".as_ptr(),
                count + keywords,
            );
            return ptr::null_mut();
        }
        if keywords == 1 {
            let name = ffi::PyTuple_GET_ITEM(names, 0);
            if ffi::PyUnicode_CompareWithASCIIString(name, c"encoding".as_ptr()) != 0 {
                ffi::PyErr_Format(
                    ffi::PyExc_TypeError,
                    c"to_string() got an unexpected keyword argument '%U'".as_ptr(),
                    name,
                );
                return ptr::null_mut();
            }
        }
        let label = if count + keywords == 1 {
            *values
        } else {
            ffi::Py_None()
        };
        let encoding = match encoding_of(label) {
            Ok(encoding) => encoding,
            Err(()) => return ptr::null_mut(),
        };
        let Some(bytes) = enter(object) else {
            return ptr::null_mut();
        };
        let bytes = slice::from_raw_parts(bytes.start, bytes.length);
        let text = match encoding {
            // CPython's decoder is as strict as the one of the encoding standard, and needs no second copy.
            None => {
                let text =
                    ffi::PyUnicode_DecodeUTF8(bytes.as_ptr().cast(), bytes.len() as isize, ptr::null());
                if text.is_null() {
                    ffi::PyErr_Clear();
                }
                text
            }
            Some(encoding) => match encoding.decode_without_bom_handling_and_without_replacement(bytes) {
                Some(text) => {
                    return ffi::PyUnicode_FromStringAndSize(text.as_ptr().cast(), text.len() as isize);
                }
                None => ptr::null_mut(),
            },
        };
        if text.is_null() {
            let default = ffi::PyUnicode_FromString(c"utf8".as_ptr());
            let shown = if label == ffi::Py_None() { default } else { label };
            ffi::PyErr_Format(
                ffi::PyExc_ValueError,
                c"Failed to decode Javascript TypedArray as %U".as_ptr(),
                shown,
            );
            ffi::Py_XDECREF(default);
        }
        text
    }
}

/// The encoding that a label names, `None` for UTF-8. `Err` with a Python exception set.
unsafe fn encoding_of(label: *mut PyObject) -> Result<Option<&'static encoding_rs::Encoding>, ()> {
    // SAFETY: the GIL is held.
    unsafe {
        if label == ffi::Py_None() {
            return Ok(None);
        }
        if ffi::PyUnicode_Check(label) == 0 {
            ffi::PyErr_Format(
                ffi::PyExc_TypeError,
                c"to_string() argument 1 must be str, not %.200s".as_ptr(),
                (*ffi::Py_TYPE(label)).tp_name,
            );
            return Err(());
        }
        let mut length = 0;
        let text = ffi::PyUnicode_AsUTF8AndSize(label, &mut length);
        if text.is_null() {
            return Err(());
        }
        let text = slice::from_raw_parts(text.cast::<u8>(), length as usize);
        if text.contains(&0) {
            ffi::PyErr_SetString(ffi::PyExc_ValueError, c"embedded null character".as_ptr());
            return Err(());
        }
        match encoding_rs::Encoding::for_label(text) {
            Some(encoding) => Ok((encoding != encoding_rs::UTF_8).then_some(encoding)),
            None => {
                if !state::at_home() {
                    state::raise_not_home();
                    return Err(());
                }
                let text = String::from_utf8_lossy(text);
                let text = std::ffi::CString::new(format!("The \"{text}\" encoding is not supported"))
                    .unwrap_or_default();
                error::throw_error(c"RangeError", &text);
                error::raise();
                Err(())
            }
        }
    }
}

/// Two buffers of one length whose elements, where both have a type, are of one size.
unsafe fn check(bytes: &Bytes, view: &ffi::Py_buffer, into_array: bool) -> bool {
    // SAFETY: the GIL is held, `view` filled.
    unsafe {
        if bytes.length != view.len as usize {
            if into_array {
                ffi::PyErr_Format(
                    ffi::PyExc_ValueError,
                    c"cannot assign to TypedArray of length %zd from buffer of length %zd".as_ptr(),
                    view.len,
                    bytes.length as isize,
                );
            } else {
                ffi::PyErr_Format(
                    ffi::PyExc_ValueError,
                    c"cannot assign from TypedArray of length %zd to buffer of length %zd".as_ptr(),
                    bytes.length as isize,
                    view.len,
                );
            }
            return false;
        }
        if bytes
            .element
            .is_some_and(|element| element.size != view.itemsize as usize)
        {
            ffi::PyErr_SetString(
                ffi::PyExc_ValueError,
                c"TypedArray and memorybuffer have incompatible formats".as_ptr(),
            );
            return false;
        }
        true
    }
}

/// Copies between the proxy `object` and the Python buffer `other`.
unsafe fn transfer(object: *mut PyObject, other: *mut PyObject, into_array: bool) -> *mut PyObject {
    // SAFETY: a method of our types. The bytes are located after the exporter ran, and copied at once. The two
    // may overlap (a buffer obtained from `getBuffer`), so the copy allows for it.
    unsafe {
        let mut view = std::mem::zeroed::<ffi::Py_buffer>();
        let flags =
            ffi::PyBUF_ANY_CONTIGUOUS | ffi::PyBUF_FORMAT | if into_array { 0 } else { ffi::PyBUF_WRITABLE };
        if ffi::PyObject_GetBuffer(other, &mut view, flags) != 0 {
            return ptr::null_mut();
        }
        let done = match enter(object) {
            Some(bytes) if check(&bytes, &view, into_array) && (!into_array || writable(&bytes)) => {
                let (from, to) = if into_array {
                    (view.buf.cast::<u8>(), bytes.start)
                } else {
                    (bytes.start, view.buf.cast::<u8>())
                };
                ptr::copy(from, to, bytes.length);
                true
            }
            _ => false,
        };
        ffi::PyBuffer_Release(&mut view);
        if done { none() } else { ptr::null_mut() }
    }
}

/// False with a Python exception set if the memory must not be written.
unsafe fn writable(bytes: &Bytes) -> bool {
    // SAFETY: at home with the GIL.
    unsafe {
        if !bytes.writable {
            error::throw_error(c"TypeError", c"ArrayBuffer is immutable");
            error::raise();
        }
        bytes.writable
    }
}

unsafe extern "C" fn assign(object: *mut PyObject, other: *mut PyObject) -> *mut PyObject {
    // SAFETY: a method of our types, called by the interpreter.
    unsafe { transfer(object, other, true) }
}

unsafe extern "C" fn assign_to(object: *mut PyObject, other: *mut PyObject) -> *mut PyObject {
    // SAFETY: a method of our types, called by the interpreter.
    unsafe { transfer(object, other, false) }
}

/// The file descriptor behind a Python file, which stays its owner.
unsafe fn descriptor(file: *mut PyObject) -> Option<ManuallyDrop<std::fs::File>> {
    // SAFETY: the GIL is held; the File is never dropped, so the descriptor is not closed here.
    unsafe {
        let number = ffi::PyObject_CallMethod(file, c"fileno".as_ptr(), ptr::null());
        if number.is_null() {
            return None;
        }
        let descriptor = ffi::PyObject_AsFileDescriptor(number);
        ffi::Py_DECREF(number);
        if descriptor < 0 {
            return None;
        }
        Some(ManuallyDrop::new(std::fs::File::from_raw_fd(descriptor)))
    }
}

unsafe extern "C" fn to_file(object: *mut PyObject, file: *mut PyObject) -> *mut PyObject {
    // SAFETY: a method of our types. `fileno` runs before the bytes are located; writing runs no code of either
    // engine, since the GIL is held.
    unsafe {
        let Some(mut file) = descriptor(file) else {
            return ptr::null_mut();
        };
        let Some(bytes) = enter(object) else {
            return ptr::null_mut();
        };
        let bytes = slice::from_raw_parts(bytes.start, bytes.length);
        match io::Write::write_all(&mut *file, bytes) {
            Ok(()) => none(),
            Err(problem) => raise_os_error(&problem),
        }
    }
}

unsafe extern "C" fn from_file(object: *mut PyObject, file: *mut PyObject) -> *mut PyObject {
    // SAFETY: as for `to_file`.
    unsafe {
        let Some(mut file) = descriptor(file) else {
            return ptr::null_mut();
        };
        let Some(bytes) = enter(object).filter(|bytes| writable(bytes)) else {
            return ptr::null_mut();
        };
        let mut rest = slice::from_raw_parts_mut(bytes.start, bytes.length);
        // Until the buffer is full or the file ends.
        while !rest.is_empty() {
            match io::Read::read(&mut *file, rest) {
                Ok(0) => break,
                Ok(read) => rest = &mut rest[read..],
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => {}
                Err(problem) => return raise_os_error(&problem),
            }
        }
        none()
    }
}

fn raise_os_error(problem: &io::Error) -> *mut PyObject {
    // SAFETY: called from methods, with the GIL.
    unsafe {
        let text = problem.to_string();
        let text = ffi::PyUnicode_FromStringAndSize(text.as_ptr().cast(), text.len() as isize);
        let number = ffi::PyLong_FromLong(i64::from(problem.raw_os_error().unwrap_or(0)));
        let arguments = if text.is_null() || number.is_null() {
            ptr::null_mut()
        } else {
            ffi::PyTuple_Pack(2, number, text)
        };
        ffi::Py_XDECREF(text);
        ffi::Py_XDECREF(number);
        if !arguments.is_null() {
            ffi::PyErr_SetObject(ffi::PyExc_OSError, arguments);
            ffi::Py_DECREF(arguments);
        }
        ptr::null_mut()
    }
}

/// A copy of the bytes of a JavaScript buffer, exported with the format they have there.
#[repr(C)]
struct Memory {
    base: PyObject,
    /// From `PyMem_Malloc`, so aligned for every element.
    start: *mut u8,
    length: isize,
    itemsize: isize,
    items: isize,
    format: *const std::os::raw::c_char,
}

static mut MEMORY: *mut PyTypeObject = ptr::null_mut();

/// A writable memoryview of a copy of a JavaScript buffer (borrowed). Null with a Python exception set.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn memoryview_of_copy(value: JSValue) -> *mut PyObject {
    // SAFETY: as the caller promises; the static is guarded by the GIL. The bytes are copied right after they
    // were located.
    unsafe {
        if MEMORY.is_null() {
            let mut slots = [
                ffi::PyType_Slot {
                    slot: ffi::Py_tp_dealloc,
                    pfunc: dealloc as *mut c_void,
                },
                ffi::PyType_Slot {
                    slot: ffi::Py_bf_getbuffer,
                    pfunc: export as *mut c_void,
                },
                ffi::PyType_Slot {
                    slot: 0,
                    pfunc: ptr::null_mut(),
                },
            ];
            let mut spec = ffi::PyType_Spec {
                name: c"pyodide.ffi.Buffer".as_ptr(),
                basicsize: size_of::<Memory>() as c_int,
                itemsize: 0,
                flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION) as u32,
                slots: slots.as_mut_ptr(),
            };
            MEMORY = ffi::PyType_FromSpec(&mut spec).cast();
            if MEMORY.is_null() {
                return ptr::null_mut();
            }
        }
        let memory = ffi::PyType_GenericAlloc(MEMORY, 0).cast::<Memory>();
        if memory.is_null() {
            return ptr::null_mut();
        }
        let Ok(bytes) = bytes_of(value) else {
            ffi::Py_DECREF(memory.cast());
            error::raise();
            return ptr::null_mut();
        };
        let start = ffi::PyMem_Malloc(pages::roomy(bytes.length).max(1)).cast::<u8>();
        if start.is_null() {
            ffi::Py_DECREF(memory.cast());
            return ffi::PyErr_NoMemory();
        }
        pages::prefer_huge(start, pages::roomy(bytes.length));
        ptr::copy_nonoverlapping(bytes.start, start, bytes.length);
        let size = bytes.element.map_or(1, |element| element.size);
        (*memory).start = start;
        (*memory).length = bytes.length as isize;
        (*memory).itemsize = size as isize;
        (*memory).items = (bytes.length / size) as isize;
        (*memory).format = bytes.element.map_or(c"B", |element| element.format).as_ptr();
        let view = ffi::PyMemoryView_FromObject(memory.cast());
        ffi::Py_DECREF(memory.cast());
        view
    }
}

unsafe extern "C" fn dealloc(object: *mut PyObject) {
    // SAFETY: called once by the interpreter on an object of this layout.
    unsafe {
        ffi::PyMem_Free((*object.cast::<Memory>()).start.cast());
        let kind = ffi::Py_TYPE(object);
        if let Some(free) = (*kind).tp_free {
            free(object.cast());
        }
        ffi::Py_DECREF(kind.cast());
    }
}

unsafe extern "C" fn export(object: *mut PyObject, view: *mut ffi::Py_buffer, flags: c_int) -> c_int {
    // SAFETY: called by the interpreter on an object of this layout. Shape and stride point into the object,
    // which the view keeps alive.
    unsafe {
        let memory = object.cast::<Memory>();
        if ffi::PyBuffer_FillInfo(view, object, (*memory).start.cast(), (*memory).length, 0, flags) < 0 {
            return -1;
        }
        (*view).itemsize = (*memory).itemsize;
        if flags & ffi::PyBUF_FORMAT == ffi::PyBUF_FORMAT {
            (*view).format = (*memory).format.cast_mut();
        }
        if !(*view).shape.is_null() {
            (*view).shape = &raw mut (*memory).items;
        }
        if !(*view).strides.is_null() {
            (*view).strides = &raw mut (*memory).itemsize;
        }
        0
    }
}
