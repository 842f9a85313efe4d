//! The platform's scripts as `build.rs` compiled them: loading one costs an eighth of parsing it.

#![expect(
    unsafe_code,
    reason = "the engine cannot check bytecode, so that loading it is unsafe"
)]

use std::ffi::CStr;

use rquickjs::{Ctx, Error, Exception, Function, Result, Value, qjs};

/// The text of every script of this crate, and its bytecode.
static SCRIPTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/scripts.rs"));

/// The version of the engine that compiled them. Another one may count its instructions and names differently, and what it
/// notes in bytecode to tell doesn't change with each of them.
const ENGINE: &str = env!("ISTHMUS_BYTECODE_ENGINE");

/// The function that a script consists of; `source` is its text. Throws if it is none of this crate's files, or if another
/// engine compiled them.
pub(crate) fn load<'js>(ctx: &Ctx<'js>, name: &str, source: &str) -> Result<Function<'js>> {
    let Some((_, code)) = SCRIPTS.iter().find(|(text, _)| *text == source) else {
        return Err(Exception::throw_internal(ctx, &format!("{name} is not compiled")));
    };
    // SAFETY: the text is a constant of the engine.
    let engine = unsafe { CStr::from_ptr(qjs::JS_GetVersion()) };
    if engine.to_bytes() != ENGINE.as_bytes() {
        let message = format!("{name} was compiled by QuickJS {ENGINE}, this is {engine:?}");
        return Err(Exception::throw_internal(ctx, &message));
    }
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: the context lives, and this is its thread. The bytes were written by this version of the engine and are
    // part of the program. `JS_ReadObject` answers an owned value, which `JS_EvalFunction` takes; so is its answer.
    let value = unsafe {
        let script = qjs::JS_ReadObject(
            raw,
            code.as_ptr(),
            code.len() as _,
            qjs::JS_READ_OBJ_BYTECODE as _,
        );
        if qjs::JS_IsException(script) {
            return Err(Error::Exception);
        }
        let value = qjs::JS_EvalFunction(raw, script);
        if qjs::JS_IsException(value) {
            return Err(Error::Exception);
        }
        Value::from_raw(ctx.clone(), value)
    };
    Function::from_value(value)
}
