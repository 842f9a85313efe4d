//! A Python buffer as JavaScript arrays of its own memory (`to_js`).

use std::ffi::c_void;
use std::{ptr, slice};

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_EXCEPTION, JS_FALSE, JS_TRUE, JSRuntime, JSValue};

use super::format::{self, Format};
use super::{array_over_steal, format_of, pages, throw_text};
use crate::{error, state};

/// A copy of a buffer: a typed array, for more dimensions nested arrays of typed arrays, for the format `?`
/// arrays of booleans, for `s` strings. `JS_EXCEPTION` with a JavaScript exception set.
///
/// # Safety
/// At home with the GIL; `object` is valid.
pub(crate) unsafe fn typed_array_copy(object: *mut PyObject) -> JSValue {
    // SAFETY: as the caller promises; the view is released on every path, and nothing runs in between that
    // could free the memory.
    unsafe {
        if ffi::PyBytes_CheckExact(object) != 0 {
            let length = ffi::PyBytes_Size(object) as usize;
            return bytes_copy(ffi::PyBytes_AS_STRING(object).cast(), length);
        }
        let mut view = std::mem::zeroed::<ffi::Py_buffer>();
        if ffi::PyObject_GetBuffer(object, &mut view, ffi::PyBUF_FULL_RO) != 0 {
            return error::throw();
        }
        let result = match format::parse(format_of(&view), view.itemsize, "") {
            Err(text) => throw_text(text),
            Ok(_) if view.ndim > 64 => throw_text("the buffer has too many dimensions".to_owned()),
            Ok(format) => Copy { view: &view, format }.dimension(view.buf.cast(), 0),
        };
        ffi::PyBuffer_Release(&mut view);
        result
    }
}

/// A new `Uint8Array` with a copy of the bytes.
///
/// # Safety
/// At home with the GIL; `length` bytes at `start` are readable.
pub(super) unsafe fn bytes_copy(start: *const u8, length: usize) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe { array_over_steal(array_buffer_copy(start, length), format::UINT8) }
}

/// From this many bytes on it pays not to have the engine clear memory that is overwritten at once.
const LARGE: usize = 16 * 1024;

/// A new `ArrayBuffer` with a copy of the bytes.
///
/// # Safety
/// As for [`bytes_copy`].
unsafe fn array_buffer_copy(start: *const u8, length: usize) -> JSValue {
    // SAFETY: as the caller promises. The memory is the engine's own kind, and `reallocate` is what the engine does with
    // such; it is ours until the buffer has it.
    unsafe {
        let context = state::context();
        if !(LARGE..=i32::MAX as usize).contains(&length) {
            return qjs::JS_NewArrayBufferCopy(context, start, length as _);
        }
        let memory = qjs::js_malloc(context, pages::roomy(length) as _).cast::<u8>();
        if memory.is_null() {
            return JS_EXCEPTION;
        }
        pages::prefer_huge(memory, pages::roomy(length));
        ptr::copy_nonoverlapping(start, memory, length);
        let free = Some(reallocate as unsafe extern "C" fn(_, _, _, _) -> _);
        let buffer = qjs::JS_NewArrayBuffer(context, memory, length as _, 0, free, ptr::null_mut(), false);
        if qjs::JS_IsException(buffer) {
            qjs::js_free(context, memory.cast());
        }
        buffer
    }
}

/// What the engine does with the memory of its own buffers when they grow, shrink or (size 0) end.
unsafe extern "C" fn reallocate(
    runtime: *mut JSRuntime,
    _: *mut c_void,
    memory: *mut c_void,
    size: qjs::size_t,
) -> *mut c_void {
    // SAFETY: called by the engine with memory of `js_malloc`.
    unsafe { qjs::js_realloc_rt(runtime, memory, size) }
}

struct Copy<'a> {
    view: &'a ffi::Py_buffer,
    format: Format,
}

impl Copy<'_> {
    fn length(&self, axis: usize) -> isize {
        // SAFETY: `axis` is below `ndim`; without a shape the buffer is one run of items.
        unsafe {
            if self.view.shape.is_null() {
                self.view.len / self.view.itemsize.max(1)
            } else {
                *self.view.shape.add(axis)
            }
        }
    }

    /// The step along an axis in bytes; where the exporter gives none, that of C order.
    fn stride(&self, axis: usize) -> isize {
        if self.view.strides.is_null() {
            return (axis + 1..self.view.ndim as usize)
                .map(|inner| self.length(inner))
                .product::<isize>()
                * self.view.itemsize;
        }
        // SAFETY: `axis` is below `ndim`.
        unsafe { *self.view.strides.add(axis) }
    }

    /// The items from `axis` on, from the one at `start` on.
    unsafe fn dimension(&self, start: *const u8, axis: usize) -> JSValue {
        // SAFETY: the exporter promises that shape, strides and suboffsets stay within its memory.
        unsafe {
            let dimensions = self.view.ndim as usize;
            if dimensions == 0 {
                return self.run(start, 1, self.view.itemsize, -1);
            }
            let (length, stride) = (self.length(axis), self.stride(axis));
            let suboffset = if self.view.suboffsets.is_null() {
                -1
            } else {
                *self.view.suboffsets.add(axis)
            };
            if axis + 1 == dimensions {
                return self.run(start, length, stride, suboffset);
            }
            let context = state::context();
            let mut rows = Vec::with_capacity(length as usize);
            for index in 0..length {
                let row = self.dimension(follow(start.offset(index * stride), suboffset), axis + 1);
                if qjs::JS_IsException(row) {
                    for row in rows {
                        qjs::JS_FreeValue(context, row);
                    }
                    return JS_EXCEPTION;
                }
                rows.push(row);
            }
            array_steal(&rows)
        }
    }

    /// One row of items.
    unsafe fn run(&self, start: *const u8, length: isize, stride: isize, suboffset: isize) -> JSValue {
        // SAFETY: as for `dimension`.
        unsafe {
            let size = self.view.itemsize as usize;
            let total = length as usize * size;
            let plain = stride == self.view.itemsize && suboffset < 0;
            let swapped = self.format.big_endian && size > 1;
            let mut gathered = Vec::new();
            let bytes: &[u8] = if total == 0 {
                &[]
            } else if plain && !swapped {
                slice::from_raw_parts(start, total)
            } else {
                gathered.reserve_exact(total);
                for index in 0..length {
                    let item = slice::from_raw_parts(follow(start.offset(index * stride), suboffset), size);
                    if swapped {
                        gathered.extend(item.iter().rev());
                    } else {
                        gathered.extend_from_slice(item);
                    }
                }
                &gathered
            };
            match self.format.code {
                b'?' => {
                    let items: Vec<JSValue> = bytes
                        .iter()
                        .map(|&byte| if byte == 0 { JS_FALSE } else { JS_TRUE })
                        .collect();
                    array_steal(&items)
                }
                b's' => {
                    let text = String::from_utf8_lossy(bytes);
                    qjs::JS_NewStringLen(state::context(), text.as_ptr().cast(), text.len() as _)
                }
                _ => array_over_steal(
                    array_buffer_copy(bytes.as_ptr(), bytes.len()),
                    self.format.element.kind,
                ),
            }
        }
    }
}

/// Where an item is, given where its pointer is (PIL-style buffers).
unsafe fn follow(pointer: *const u8, suboffset: isize) -> *const u8 {
    if suboffset < 0 {
        return pointer;
    }
    // SAFETY: a suboffset that isn't negative says that a pointer is stored here.
    unsafe { pointer.cast::<*const u8>().read_unaligned().offset(suboffset) }
}

/// A new array of values it takes.
unsafe fn array_steal(values: &[JSValue]) -> JSValue {
    // SAFETY: at home with the GIL; the engine takes the values even when it fails.
    unsafe {
        let Ok(count) = i32::try_from(values.len()) else {
            for &value in values {
                qjs::JS_FreeValue(state::context(), value);
            }
            let _ = qjs::JS_ThrowOutOfMemory(state::context());
            return JS_EXCEPTION;
        };
        qjs::JS_NewArrayFrom(state::context(), count, values.as_ptr())
    }
}
