//! Memory across the border: typed arrays, `ArrayBuffer` and `DataView` in Python (`spec/ffi.md` §2 BUFFER),
//! Python's buffers in JavaScript (§3 `getBuffer`, §4).
//!
//! [`format`] relates the formats of both worlds, [`copy`] copies a Python buffer to JavaScript, [`view`] shows
//! its live memory there, [`methods`] are the methods of the proxy of a JavaScript buffer.

mod copy;
mod format;
mod methods;
mod pages;
mod view;

use pyo3::ffi;
use rquickjs::qjs::{self, JSValue};

use copy::bytes_copy;
pub(crate) use copy::typed_array_copy;
pub(crate) use methods::{METHODS, memoryview_of_copy};
pub(crate) use view::{get_buffer, lend, release_dropped, release_view};

use crate::{error, state};

/// The bytes of a JavaScript buffer.
pub(crate) struct Bytes {
    /// Never null. Valid until JavaScript runs or the value is freed: either may detach or resize the buffer.
    pub(crate) start: *mut u8,
    /// In bytes.
    pub(crate) length: usize,
    /// The element type; `None` for `ArrayBuffer` and `DataView`.
    pub(crate) element: Option<format::Element>,
    /// False for an immutable buffer.
    pub(crate) writable: bool,
}

/// Where the bytes of a typed array, `ArrayBuffer` or `DataView` (borrowed) are. `Err` with a JavaScript
/// exception set, for instance if it is detached.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn bytes_of(value: JSValue) -> Result<Bytes, ()> {
    // SAFETY: as the caller promises. The buffer is kept alive by its view, so its reference needn't be.
    unsafe {
        let context = state::context();
        let kind = qjs::JS_GetTypedArrayType(value);
        if kind >= 0 {
            let element = format::Element::of_array(kind as u32);
            let (mut offset, mut length, mut size) = (0, 0, 0);
            let buffer = qjs::JS_GetTypedArrayBuffer(context, value, &mut offset, &mut length, &mut size);
            if qjs::JS_IsException(buffer) {
                return Err(());
            }
            let memory = memory_of(buffer);
            qjs::JS_FreeValue(context, buffer);
            let memory = memory?;
            let (offset, mut length) = (offset as usize, length as usize);
            // The engine's answer is out of date for an array that follows a resizable buffer.
            if offset + length != memory.length {
                length = parts(value, (*state::state()).support.typed_array_parts)?.2;
            }
            return Ok(memory.part(offset, length, element));
        }
        if qjs::JS_IsDataView(value) {
            let (memory, offset, length) = parts(value, (*state::state()).support.data_view_parts)?;
            return Ok(memory.part(offset, length, None));
        }
        let memory = memory_of(value)?;
        let length = memory.length;
        Ok(memory.part(0, length, None))
    }
}

/// The memory of a whole `ArrayBuffer`.
struct Memory {
    start: *mut u8,
    length: usize,
    writable: bool,
}

impl Memory {
    /// A part of it; clamped, for a buffer that shrank below its view.
    fn part(&self, offset: usize, length: usize, element: Option<format::Element>) -> Bytes {
        let offset = offset.min(self.length);
        let length = length.min(self.length - offset);
        // SAFETY: within the memory of the buffer, by the two lines above.
        let start = unsafe { self.start.add(offset) };
        Bytes {
            start,
            length,
            element,
            writable: self.writable,
        }
    }
}

/// Where the memory of an `ArrayBuffer` (borrowed) is.
unsafe fn memory_of(buffer: JSValue) -> Result<Memory, ()> {
    // SAFETY: as for `bytes_of`.
    unsafe {
        let mut length = 0;
        let start = qjs::JS_GetArrayBuffer(state::context(), &mut length, buffer);
        if start.is_null() {
            return Err(());
        }
        Ok(Memory {
            start,
            length: length as usize,
            writable: qjs::JS_IsImmutableArrayBuffer(buffer) != 1,
        })
    }
}

/// Memory, offset and length of a view, by one of our functions: it asks the engine's own getters, so no foreign
/// code runs, and the view keeps the memory.
unsafe fn parts(view: JSValue, function: JSValue) -> Result<(Memory, usize, usize), ()> {
    // SAFETY: as for `bytes_of`; the function returns an array of a buffer and two numbers.
    unsafe {
        let context = state::context();
        let mut arguments = [view];
        let parts = qjs::JS_Call(context, function, qjs::JS_UNDEFINED, 1, arguments.as_mut_ptr());
        if qjs::JS_IsException(parts) {
            return Err(());
        }
        let buffer = qjs::JS_GetPropertyUint32(context, parts, 0);
        let memory = memory_of(buffer);
        qjs::JS_FreeValue(context, buffer);
        let size = |index| {
            let mut number = 0;
            qjs::JS_ToInt64(
                context,
                &mut number,
                qjs::JS_GetPropertyUint32(context, parts, index),
            );
            usize::try_from(number).unwrap_or(0)
        };
        let (offset, length) = (size(1), size(2));
        qjs::JS_FreeValue(context, parts);
        Ok((memory?, offset, length))
    }
}

/// A typed array of the given kind over the whole of an `ArrayBuffer` that it takes.
///
/// # Safety
/// At home with the GIL; `buffer` may be `JS_EXCEPTION`, which is passed on.
unsafe fn array_over_steal(buffer: JSValue, kind: qjs::JSTypedArrayEnum) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        if qjs::JS_IsException(buffer) {
            return buffer;
        }
        let mut arguments = [buffer, qjs::JS_UNDEFINED, qjs::JS_UNDEFINED];
        let array = qjs::JS_NewTypedArray(state::context(), 3, arguments.as_mut_ptr(), kind);
        qjs::JS_FreeValue(state::context(), buffer);
        array
    }
}

/// Throws a JavaScript `Error` with a text of ours.
#[cold]
unsafe fn throw_text(text: String) -> JSValue {
    // SAFETY: at home with the GIL. A text with a NUL can't come from a format, which ends there.
    unsafe {
        let text = std::ffi::CString::new(text).unwrap_or_default();
        error::throw_error(c"Error", &text)
    }
}

/// The format of a Python buffer; unsigned bytes if it has none.
///
/// # Safety
/// `view` is filled, by a request with `PyBUF_FORMAT`.
unsafe fn format_of(view: &ffi::Py_buffer) -> &[u8] {
    if view.format.is_null() {
        return b"B";
    }
    // SAFETY: a C string that lives as long as the view.
    unsafe { std::ffi::CStr::from_ptr(view.format).to_bytes() }
}
