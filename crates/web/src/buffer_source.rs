//! The bytes behind an `ArrayBuffer` or a view of one.
//!
//! rquickjs lends such bytes only through unsafe functions, since JavaScript may change, move or free
//! them. This module copies them at once.

#![expect(unsafe_code, reason = "rquickjs has no safe way to read an ArrayBuffer")]

use rquickjs::{ArrayBuffer, Value};

/// A copy of the bytes of an `ArrayBuffer`, a `SharedArrayBuffer` or a `Uint8Array`; `None` for any
/// other value and for a detached or out-of-bounds one. Scripts turn other views into a `Uint8Array`
/// first (`shared.webidl.bytes`).
pub(crate) fn copy_bytes(value: &Value<'_>) -> Option<Vec<u8>> {
    let object = value.as_object()?;
    let bytes = match object.as_typed_array::<u8>() {
        Some(array) => array.as_raw(),
        None => ArrayBuffer::from_object(object.clone()).and_then(|buffer| buffer.as_raw()),
    };
    let Some(bytes) = bytes else {
        // The engine has thrown a TypeError that nobody asked for.
        drop(value.ctx().catch());
        return None;
    };
    // SAFETY: pointer and length come from the engine in this very call and describe initialised
    // memory that `value` keeps alive. The engine belongs to this thread, and nothing runs JavaScript
    // before the copy is made.
    Some(unsafe { bytes.as_ref() }.to_vec())
}
