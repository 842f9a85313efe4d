//! The bytes behind an `ArrayBuffer` or a view of one.
//!
//! rquickjs lends such bytes only through unsafe functions, since JavaScript may change, move or free
//! them. This module lends them to what cannot run JavaScript, or copies them at once. It also has the memory that large
//! buffers are made of.

#![expect(unsafe_code, reason = "rquickjs has no safe way to read an ArrayBuffer")]

use std::ptr::NonNull;

use rquickjs::{ArrayBuffer, Value, qjs};

/// Where the bytes of an `ArrayBuffer`, a `SharedArrayBuffer` or a `Uint8Array` are; `None` for any other value and for
/// a detached or out-of-bounds one. Scripts turn other views into a `Uint8Array` first (`shared.webidl.bytes`).
fn locate(value: &Value<'_>) -> Option<NonNull<[u8]>> {
    let object = value.as_object()?;
    let bytes = match object.as_typed_array::<u8>() {
        Some(array) => array.as_raw(),
        None => ArrayBuffer::from_object(object.clone()).and_then(|buffer| buffer.as_raw()),
    };
    if bytes.is_none() {
        // The engine has thrown a TypeError that nobody asked for.
        drop(value.ctx().catch());
    }
    bytes
}

/// How many bytes [`with_bytes`] would see.
pub(crate) fn byte_length(value: &Value<'_>) -> usize {
    locate(value).map_or(0, |bytes| bytes.len())
}

/// Calls `read` with the bytes in place; none stand for a value that has no bytes (see [`copy_bytes`]).
/// Since `read` is `Send`, it holds nothing of the engine and can't have it change the bytes.
pub(crate) fn with_bytes<R>(value: &Value<'_>, read: impl FnOnce(&[u8]) -> R + Send) -> R {
    match locate(value) {
        // SAFETY: pointer and length come from the engine in this very call and describe initialised
        // memory that `value` keeps alive. The engine belongs to this thread, and `read`, which may hold
        // no value or context of it (they are not `Send`), runs no JavaScript that could move or free it.
        Some(bytes) => read(unsafe { bytes.as_ref() }),
        None => read(&[]),
    }
}

/// As [`copy_bytes`], none for a value that has none, in a vector to which `room` bytes more can be added in place.
pub(crate) fn copy_bytes_with_room(value: &Value<'_>, room: usize) -> Vec<u8> {
    let mut copy = Vec::with_capacity(byte_length(value) + room);
    with_bytes(value, |bytes| copy.extend_from_slice(bytes));
    copy
}

/// A copy of the bytes of an `ArrayBuffer`, a `SharedArrayBuffer` or a `Uint8Array`; `None` for any
/// other value and for a detached or out-of-bounds one. Scripts turn other views into a `Uint8Array`
/// first (`shared.webidl.bytes`).
pub(crate) fn copy_bytes(value: &Value<'_>) -> Option<Vec<u8>> {
    let bytes = locate(value)?;
    let mut copy = Vec::with_capacity(roomy(bytes.len()));
    prefer_huge_pages(copy.spare_capacity_mut());
    // SAFETY: pointer and length come from the engine in this very call and describe initialised
    // memory that `value` keeps alive. The engine belongs to this thread, and nothing runs JavaScript
    // before the copy is made.
    copy.extend_from_slice(unsafe { bytes.as_ref() });
    Some(copy)
}

/// Memory for a body of `length` bytes, which are zero; `None` if there is none.
pub fn room_for(length: usize) -> Option<Vec<u8>> {
    let capacity = roomy(length);
    // To fail is all right here, but not where the vector is made.
    Vec::<u8>::new().try_reserve_exact(capacity).ok()?;
    let mut memory = vec![0; capacity];
    prefer_huge_pages(&mut memory);
    memory.truncate(length);
    Some(memory)
}

/// Blocks from this many bytes on are the kernel's own, and given back to it (`isthmus_sandbox::keep_freed_memory`).
const LARGE: usize = 4 * 1024 * 1024;

/// The size of a huge page, or a multiple of it, on all machines that have such.
const HUGE_PAGE: usize = 2 * 1024 * 1024;

/// What is to be allocated for `length` bytes: large blocks are, with what the allocator puts in front of them, whole huge
/// pages, which the kernel then aligns as such.
fn roomy(length: usize) -> usize {
    const IN_FRONT: usize = 16;
    if length < LARGE {
        return length;
    }
    (length + IN_FRONT).next_multiple_of(HUGE_PAGE) - IN_FRONT
}

/// Has the kernel give large memory that is fresh and about to be filled in huge pages, where it has some: a fault for each
/// small one costs several times what it takes to fill them. Nothing else changes.
fn prefer_huge_pages<T>(memory: &mut [T]) {
    #[cfg(target_os = "linux")]
    if size_of_val(memory) >= LARGE {
        use rustix::mm::{Advice, madvise};
        const PAGE: usize = 4096;
        let start = memory.as_mut_ptr().cast::<u8>();
        let before = start.addr() % PAGE;
        let length = (before + size_of_val(memory)) / PAGE * PAGE;
        // SAFETY: the range lies within `memory`, but for what the allocator has on its first page; this advice changes
        // neither what is in memory nor what may be done with it. It may be refused.
        let _ = unsafe { madvise(start.sub(before).cast(), length, Advice::LinuxHugepage) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// Puts the bytes of a `Uint8Array` into `copy`, in place of what that held, if there are at most `most`; `false` for
/// any other value and for a detached or out-of-bounds one.
pub(crate) fn copy_small(value: &Value<'_>, most: usize, copy: &mut Vec<u8>) -> bool {
    let array = value
        .as_object()
        .is_some_and(|object| object.as_typed_array::<u8>().is_some());
    let Some(bytes) = array.then(|| locate(value)).flatten() else {
        return false;
    };
    if bytes.len() > most {
        return false;
    }
    copy.clear();
    // SAFETY: as in `copy_bytes`; `copy` is no memory of the engine's.
    copy.extend_from_slice(unsafe { bytes.as_ref() });
    true
}

/// Whether `value` is a `Uint8Array` of at least one byte, and its buffer may be detached: it is neither shared nor
/// immutable.
pub(crate) fn is_detachable(value: &Value<'_>) -> bool {
    let array = value.as_object().and_then(|object| object.as_typed_array::<u8>());
    array.is_some_and(|array| {
        byte_length(value) > 0
            && array.arraybuffer().is_ok_and(|buffer| {
                // SAFETY: `buffer` keeps the object alive; the function reads a field of it.
                unsafe { qjs::JS_IsImmutableArrayBuffer(buffer.as_value().as_raw()) == 0 }
            })
    })
}

/// Detaches the buffer of a `Uint8Array`, if it has one that can be.
pub(crate) fn detach(value: &Value<'_>) {
    let array = value.as_object().and_then(|object| object.as_typed_array::<u8>());
    if let Some(Ok(mut buffer)) = array.map(|array| array.arraybuffer()) {
        buffer.detach();
    }
}
