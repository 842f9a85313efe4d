//! The memory of a few proxies that are gone, kept for the next ones: a method call makes and drops one.

use std::ptr;

use pyo3::ffi::{self, PyObject, PyTypeObject};

use super::JsProxy;

const MOST: usize = 32;

struct Spare {
    /// How many may be kept: none without an engine.
    most: usize,
    count: usize,
    blocks: [*mut JsProxy; MOST],
}

static mut SPARE: Spare = Spare {
    most: 0,
    count: 0,
    blocks: [ptr::null_mut(); MOST],
};

/// A new object of a type of proxies, all fields zero; null with an exception set.
///
/// # Safety
/// The GIL is held; `kind` has the size of a [`JsProxy`], no items and no part in Python's cycle collection.
#[inline(always)]
pub(super) unsafe fn allocate(kind: *mut PyTypeObject) -> *mut JsProxy {
    // SAFETY: as the caller promises; the GIL guards the static. A kept block is memory for one proxy that nobody uses.
    unsafe {
        let spare = &raw mut SPARE;
        if (*spare).count == 0 {
            return ffi::PyType_GenericAlloc(kind, 0).cast();
        }
        (*spare).count -= 1;
        let block = (*spare).blocks[(*spare).count];
        ptr::write_bytes(block, 0, 1);
        ffi::PyObject_Init(block.cast::<PyObject>(), kind).cast()
    }
}

/// Frees the memory of a proxy, or keeps it while there is an engine.
///
/// # Safety
/// The GIL is held; the object is done with, but for the reference to its type.
#[inline(always)]
pub(super) unsafe fn free(proxy: *mut JsProxy) {
    // SAFETY: as the caller promises; the memory is that of `PyType_GenericAlloc`.
    unsafe {
        let spare = &raw mut SPARE;
        if (*spare).count < (*spare).most {
            (*spare).blocks[(*spare).count] = proxy;
            (*spare).count += 1;
        } else {
            ffi::PyObject_Free(proxy.cast());
        }
    }
}

/// Begins to keep memory, when an engine starts. With PYTHONMALLOC somebody looks for errors of memory (`make asan`), which
/// show only where each object is a block of its own.
///
/// # Safety
/// The GIL is held.
pub(crate) unsafe fn open() {
    let most = if std::env::var_os("PYTHONMALLOC").is_some() {
        0
    } else {
        MOST
    };
    // SAFETY: as for `free`.
    unsafe { SPARE.most = most };
}

/// Frees what is kept, and keeps nothing more, when the engine goes.
///
/// # Safety
/// The GIL is held.
pub(crate) unsafe fn clear() {
    // SAFETY: as for `free`.
    unsafe {
        let spare = &raw mut SPARE;
        (*spare).most = 0;
        while (*spare).count > 0 {
            (*spare).count -= 1;
            ffi::PyObject_Free((*spare).blocks[(*spare).count].cast());
        }
    }
}
