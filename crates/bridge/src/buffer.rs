//! Memory across the border: typed arrays, `ArrayBuffer` and `DataView` in Python (`spec/ffi.md` §2 BUFFER),
//! Python's buffers in JavaScript (§3 `getBuffer`, §4).
//!
//! [`format`] relates the formats of both worlds, [`copy`] copies a Python buffer to JavaScript, [`view`] shows
//! its live memory there, [`methods`] are the methods of the proxy of a JavaScript buffer.

mod copy;
mod format;
mod methods;
mod view;

use pyo3::ffi;
use rquickjs::qjs::{self, JSValue};

pub(crate) use copy::typed_array_copy;
pub(crate) use methods::{METHODS, memoryview_of_copy};
pub(crate) use view::{get_buffer, release_dropped, release_view};

use crate::{error, state};

/// The bytes of a JavaScript buffer.
pub(crate) struct Bytes {
    /// Never null. Valid until JavaScript runs or the value is freed: either may detach or resize the buffer.
    pub(crate) start: *mut u8,
    /// In bytes.
    pub(crate) length: usize,
    /// The element type; `None` for `ArrayBuffer` and `DataView`.
    pub(crate) element: Option<format::Element>,
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
            let (mut offset, mut length, mut size) = (0, 0, 0);
            let buffer = qjs::JS_GetTypedArrayBuffer(context, value, &mut offset, &mut length, &mut size);
            if qjs::JS_IsException(buffer) {
                return Err(());
            }
            let whole = memory_of(buffer);
            qjs::JS_FreeValue(context, buffer);
            let (start, total) = whole?;
            // The engine's answer is out of date for an array that follows a resizable buffer.
            if offset as usize + length as usize != total {
                length = number(value, c"byteLength")? as _;
            }
            let element = format::Element::of_array(kind as u32);
            return part(start, total, offset as usize, length as usize, element);
        }
        if qjs::JS_IsDataView(value) {
            let offset = number(value, c"byteOffset")?;
            let length = number(value, c"byteLength")?;
            let buffer = qjs::JS_GetPropertyStr(context, value, c"buffer".as_ptr());
            if qjs::JS_IsException(buffer) {
                return Err(());
            }
            let whole = memory_of(buffer);
            qjs::JS_FreeValue(context, buffer);
            let (start, total) = whole?;
            return part(start, total, offset, length, None);
        }
        let (start, length) = memory_of(value)?;
        Ok(Bytes {
            start,
            length,
            element: None,
        })
    }
}

/// A part of the memory of a buffer; clamped, so that even a property that lies can't reach beyond it.
fn part(
    start: *mut u8,
    total: usize,
    offset: usize,
    length: usize,
    element: Option<format::Element>,
) -> Result<Bytes, ()> {
    let offset = offset.min(total);
    let length = length.min(total - offset);
    // SAFETY: within the memory of the buffer, by the two lines above.
    let start = unsafe { start.add(offset) };
    Ok(Bytes { start, length, element })
}

/// The memory of an `ArrayBuffer` (borrowed), never null.
unsafe fn memory_of(buffer: JSValue) -> Result<(*mut u8, usize), ()> {
    // SAFETY: as for `bytes_of`.
    unsafe {
        let mut length = 0;
        let start = qjs::JS_GetArrayBuffer(state::context(), &mut length, buffer);
        if start.is_null() {
            return Err(());
        }
        Ok((start, length as usize))
    }
}

/// A number-valued property as a size.
unsafe fn number(value: JSValue, name: &std::ffi::CStr) -> Result<usize, ()> {
    // SAFETY: as for `bytes_of`.
    unsafe {
        let context = state::context();
        let found = qjs::JS_GetPropertyStr(context, value, name.as_ptr());
        let mut number = 0;
        let done = qjs::JS_ToInt64(context, &mut number, found);
        qjs::JS_FreeValue(context, found);
        if done < 0 {
            return Err(());
        }
        Ok(usize::try_from(number).unwrap_or(0))
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
