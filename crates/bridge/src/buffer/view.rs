//! `getBuffer`: the live memory of a Python buffer in JavaScript.
//!
//! The `ArrayBuffer` owns the `Py_buffer`, so the exporter can't free or move the memory while JavaScript sees it.
//! `release()` detaches every view first. If JavaScript only forgets the buffer, its finalizer puts the
//! `Py_buffer` on a list that the next safe point empties.

use std::ffi::c_void;
use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_EXCEPTION, JS_UNDEFINED, JSRuntime, JSValue};

use super::format::{self, Element};
use super::{format_of, throw_text};
use crate::{error, state};

const NAMED_TYPE: &str = " In this case, you can pass an explicit type argument.";
const BIG_ENDIAN: &str = "JavaScript has no native support for big endian buffers. In this case, you can pass an \
                          explicit type argument. For instance, `getBuffer('dataview')` will return a \
                          `DataView`which has native support for reading big endian data. Alternatively, toJs \
                          will automatically convert the buffer to little endian.";

/// What `getBuffer(type)` of the PyProxy of `object` returns; `kind` (borrowed) is undefined or the name of an
/// element type. `JS_EXCEPTION` with a JavaScript exception set.
///
/// # Safety
/// At home with the GIL; `object` is valid.
pub(crate) unsafe fn get_buffer(object: *mut PyObject, kind: JSValue) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        let asked = match asked_element(kind) {
            Ok(asked) => asked,
            Err(exception) => return exception,
        };
        let mut view = Box::new(std::mem::zeroed::<ffi::Py_buffer>());
        // Exporters say whether the memory may be written, so that there is no need to ask for that first.
        if ffi::PyObject_GetBuffer(object, &mut *view, ffi::PyBUF_FULL_RO) != 0 {
            return error::throw();
        }
        let readonly = view.readonly != 0;
        match Layout::of(&view, asked) {
            Ok(layout) => layout.show_steal(view, readonly),
            Err(text) => {
                ffi::PyBuffer_Release(&mut *view);
                throw_text(text)
            }
        }
    }
}

/// Up to so many bytes a copy costs less than the objects that hold on to the memory.
const SMALL: usize = 4096;

/// The bytes of `object`, a `Uint8Array` that can't be written; `JS_UNDEFINED` if it has no buffer. Large ones are its very
/// memory, which it can neither free nor move as long as the array is alive. `JS_EXCEPTION` with a JavaScript exception
/// set if they are not in one piece.
///
/// # Safety
/// At home with the GIL, counted as an entry; `object` is valid.
pub(crate) unsafe fn lend(object: *mut PyObject) -> JSValue {
    // SAFETY: as the caller promises. The view goes to the `ArrayBuffer`, which frees it through `reallocate`.
    unsafe {
        if ffi::PyObject_CheckBuffer(object) == 0 {
            return JS_UNDEFINED;
        }
        let mut view = Box::new(std::mem::zeroed::<ffi::Py_buffer>());
        if ffi::PyObject_GetBuffer(object, &mut *view, ffi::PyBUF_SIMPLE) != 0 {
            return error::throw();
        }
        let length = view.len as usize;
        if length <= SMALL {
            let start = if length == 0 {
                ptr::dangling()
            } else {
                view.buf.cast_const().cast()
            };
            let array = super::bytes_copy(start, length);
            ffi::PyBuffer_Release(&mut *view);
            return array;
        }
        let start = view.buf.cast();
        let view = Box::into_raw(view);
        let free = Some(reallocate as unsafe extern "C" fn(_, _, _, _) -> _);
        let memory =
            qjs::JS_NewArrayBuffer(state::context(), start, length as _, 0, free, view.cast(), false);
        if qjs::JS_IsException(memory) {
            release(view);
            return JS_EXCEPTION;
        }
        qjs::JS_SetImmutableArrayBuffer(memory, true);
        super::array_over_steal(memory, format::UINT8)
    }
}

/// What the caller asks for: `None` for the buffer's own format, `Some(None)` for a `DataView`.
unsafe fn asked_element(kind: JSValue) -> Result<Option<Option<Element>>, JSValue> {
    // SAFETY: at home with the GIL.
    unsafe {
        let context = state::context();
        // What is false, an empty type too, counts as none.
        if qjs::JS_ToBool(context, kind) == 0 {
            return Ok(None);
        }
        let mut length = 0;
        let text = qjs::JS_ToCStringLen(context, &mut length, kind);
        if text.is_null() {
            return Err(JS_EXCEPTION);
        }
        let name = std::slice::from_raw_parts(text.cast::<u8>(), length).to_vec();
        qjs::JS_FreeCString(context, text);
        match Element::named(&name) {
            Some(asked) => Ok(Some(asked)),
            None => Err(throw_text(format!(
                "Unknown type {}",
                String::from_utf8_lossy(&name).replace('\0', "")
            ))),
        }
    }
}

/// How the memory of a buffer is laid out, and as what it is shown.
struct Layout {
    /// `None` is a `DataView`.
    element: Option<Element>,
    shape: Vec<isize>,
    /// In bytes.
    strides: Vec<isize>,
    /// The lowest address that an item has.
    smallest: usize,
    /// From there to the end of the last item, in bytes.
    length: usize,
    /// From `smallest` to the first item, in bytes.
    offset: usize,
    c_contiguous: bool,
    f_contiguous: bool,
}

impl Layout {
    /// Works the layout out.
    ///
    /// # Safety
    /// `view` is filled.
    unsafe fn of(view: &ffi::Py_buffer, asked: Option<Option<Element>>) -> Result<Self, String> {
        // SAFETY: shape and strides have `ndim` entries where they are not null.
        unsafe {
            if !view.suboffsets.is_null()
                && (0..view.ndim as usize).any(|axis| *view.suboffsets.add(axis) >= 0)
            {
                return Err(
                    "The memory of this buffer is not in one piece: use toJs, which copies it.".to_owned(),
                );
            }
            let element = match asked {
                Some(element) => element,
                None => {
                    let format = format::parse(format_of(view), view.itemsize, NAMED_TYPE)?;
                    if format.big_endian && format.element.size > 1 {
                        return Err(BIG_ENDIAN.to_owned());
                    }
                    Some(format.element)
                }
            };
            let dimensions = view.ndim as usize;
            let shape: Vec<isize> = if view.shape.is_null() {
                vec![view.len / view.itemsize.max(1); dimensions.min(1)]
            } else {
                std::slice::from_raw_parts(view.shape, dimensions).to_vec()
            };
            let strides: Vec<isize> = if view.strides.is_null() {
                (0..shape.len())
                    .map(|axis| shape[axis + 1..].iter().product::<isize>() * view.itemsize)
                    .collect()
            } else {
                std::slice::from_raw_parts(view.strides, dimensions).to_vec()
            };
            let (mut below, mut above) = (0, view.itemsize);
            for (&length, &stride) in shape.iter().zip(&strides) {
                let reach = stride * (length - 1).max(0);
                if reach < 0 {
                    below -= reach;
                } else {
                    above += reach;
                }
            }
            if shape.contains(&0) {
                (below, above) = (0, 0);
            }
            let start = view.buf as usize;
            let smallest = start - below as usize;
            let length = (below + above) as usize;
            let size = element.map_or(1, |element| element.size);
            let aligned = [start, smallest, smallest + length]
                .into_iter()
                .all(|address| address % size == 0);
            if length > 0 && !aligned {
                let class = element.map_or("DataView", |element| element.class);
                return Err(format!("Buffer does not have valid alignment for a {class}"));
            }
            Ok(Self {
                element,
                shape,
                strides,
                smallest,
                length,
                offset: below as usize,
                c_contiguous: ffi::PyBuffer_IsContiguous(view, b'C' as _) != 0,
                f_contiguous: ffi::PyBuffer_IsContiguous(view, b'F' as _) != 0,
            })
        }
    }

    /// Makes the object that JavaScript gets. Takes the view, which goes to the `ArrayBuffer`.
    ///
    /// # Safety
    /// At home with the GIL.
    unsafe fn show_steal(&self, view: Box<ffi::Py_buffer>, readonly: bool) -> JSValue {
        // SAFETY: as the caller promises. The `ArrayBuffer` frees the view through `reallocate`, also when it goes.
        unsafe {
            let context = state::context();
            let itemsize = view.itemsize;
            let format = String::from_utf8_lossy(format_of(&view)).into_owned();
            // The engine would allocate memory of its own for a null pointer, and never call `reallocate`.
            let start = if self.length == 0 || self.smallest == 0 {
                ptr::without_provenance_mut(align_of::<u64>())
            } else {
                view.buf.cast::<u8>().sub(self.offset)
            };
            let view = Box::into_raw(view);
            let memory = qjs::JS_NewArrayBuffer(
                context,
                start,
                self.length as _,
                0,
                Some(reallocate),
                view.cast(),
                false,
            );
            if qjs::JS_IsException(memory) {
                release(view);
                return JS_EXCEPTION;
            }
            if readonly {
                qjs::JS_SetImmutableArrayBuffer(memory, true);
            }
            let size = self.element.map_or(1, |element| element.size) as f64;
            let data = match self.element {
                Some(element) => super::array_over_steal(qjs::JS_DupValue(context, memory), element.kind),
                None => {
                    let mut arguments = [memory];
                    let make = (*state::state()).support.make_data_view;
                    qjs::JS_Call(context, make, JS_UNDEFINED, 1, arguments.as_mut_ptr())
                }
            };
            let integer = |number: usize| qjs::JS_NewFloat64(number as f64);
            let boolean = |yes: bool| if yes { qjs::JS_TRUE } else { qjs::JS_FALSE };
            let support = &raw const (*state::state()).support;
            let mut arguments = [
                qjs::JS_DupValue(context, (*support).buffer_view_key),
                memory,
                qjs::JS_NewFloat64(self.offset as f64 / size),
                boolean(readonly),
                qjs::JS_NewStringLen(context, format.as_ptr().cast(), format.len() as _),
                integer(itemsize as usize),
                integer(self.shape.len()),
                integer(self.length),
                numbers(self.shape.iter().map(|&length| length as f64)),
                numbers(self.strides.iter().map(|&stride| stride as f64 / size)),
                data,
                boolean(self.c_contiguous),
                boolean(self.f_contiguous),
            ];
            let result = if arguments.iter().any(|&argument| qjs::JS_IsException(argument)) {
                JS_EXCEPTION
            } else {
                qjs::JS_CallConstructor(
                    context,
                    (*support).PyBufferView,
                    arguments.len() as i32,
                    arguments.as_mut_ptr(),
                )
            };
            for argument in arguments {
                qjs::JS_FreeValue(context, argument);
            }
            result
        }
    }
}

/// A new array of numbers.
unsafe fn numbers(numbers: impl Iterator<Item = f64>) -> JSValue {
    // SAFETY: at home with the GIL; the number of dimensions of a buffer is at most 64.
    unsafe {
        let values: Vec<JSValue> = numbers.map(qjs::JS_NewFloat64).collect();
        qjs::JS_NewArrayFrom(state::context(), values.len() as i32, values.as_ptr())
    }
}

/// What the engine calls when the `ArrayBuffer` is detached or finalized (`size` 0), or is to be resized. It may
/// be inside a free or collection: the view is only put on the list.
unsafe extern "C" fn reallocate(
    _: *mut JSRuntime,
    view: *mut c_void,
    _: *mut c_void,
    size: qjs::size_t,
) -> *mut c_void {
    if size == 0 {
        // SAFETY: JavaScript only runs under the GIL; the engine calls this once with 0 and forgets the view.
        unsafe { (*state::state()).dropped_buffers.push(view.cast()) };
    }
    ptr::null_mut()
}

/// Releases a view and its memory.
unsafe fn release(view: *mut ffi::Py_buffer) {
    // SAFETY: made by `Box::into_raw` in `show_steal`, given up by its one owner.
    unsafe {
        let mut view = Box::from_raw(view);
        ffi::PyBuffer_Release(&mut *view);
    }
}

/// Releases the buffers that JavaScript gave up.
///
/// # Safety
/// At home with the GIL, neither engine inside a free or collection: an exporter may run Python code.
pub(crate) unsafe fn release_dropped() {
    // SAFETY: as the caller promises. The list is taken first, since releasing may add to it.
    unsafe {
        while !(*state::state()).dropped_buffers.is_empty() {
            for view in std::mem::take(&mut (*state::state()).dropped_buffers) {
                release(view);
            }
        }
    }
}

/// `release()`: takes the memory away from JavaScript and gives it back to Python at once.
///
/// # Safety
/// As for [`release_dropped`]; `memory` is borrowed.
pub(crate) unsafe fn release_view(memory: JSValue) {
    // SAFETY: as the caller promises. An immutable buffer can be detached by us: no view outlives this.
    unsafe {
        qjs::JS_DetachArrayBuffer(state::context(), memory);
        release_dropped();
    }
}
