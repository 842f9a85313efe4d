//! The engine's number for the class of an object: what it was made as, whatever its prototype says now.
//!
//! rquickjs has no function for it; asking for each brand in turn by a method that throws for the others would cost
//! more than cloning the object.

#![expect(
    unsafe_code,
    reason = "rquickjs has no safe way to ask for the class of an object"
)]

use rquickjs::{Object, qjs};

/// The class of `object`. Numbers are those of the engine's build: they are compared, never written down.
pub(crate) fn class_id(object: &Object<'_>) -> u32 {
    // SAFETY: `object` keeps the object alive, the engine belongs to this thread, and the function reads a field of
    // the object without running JavaScript.
    unsafe { qjs::JS_GetClassID(object.as_raw()) }
}
