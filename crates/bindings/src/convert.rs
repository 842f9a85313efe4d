//! Arguments from JavaScript, by the rules of workerd: what is absent, what is coerced, and the messages.
//!
//! One thing is our own: `null` is as good as `undefined` for every option, since that is what Python's `None`
//! may come as.

use rquickjs::{Coerced, Ctx, Exception, Object, Result, String as JsString, Value};

/// The bytes of a string as the engine's `ToString` makes it: UTF-8, but a lone surrogate is three bytes that no
/// valid UTF-8 holds.
pub(crate) fn text<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<u8>> {
    if value.is_symbol() {
        return Err(Exception::throw_type(
            ctx,
            "Cannot convert a Symbol value to a string",
        ));
    }
    let string = match value.as_string() {
        Some(string) => string.clone(),
        None => value.get::<Coerced<JsString<'js>>>()?.0,
    };
    let string = string.to_cstring()?;
    Ok(AsRef::<[u8]>::as_ref(&string).to_vec())
}

/// The same as text: each byte that is no UTF-8 becomes U+FFFD, so a lone surrogate three of them, as upstream.
pub(crate) fn lossy_text<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<String> {
    let bytes = text(ctx, value)?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned()))
}

/// An option that is a string; `None` if it is absent.
pub(crate) fn text_option<'js>(ctx: &Ctx<'js>, options: &Object<'js>, name: &str) -> Result<Option<String>> {
    let value: Value = options.get(name)?;
    if is_absent(&value) {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&text(ctx, &value)?).into_owned()))
}

/// An option that is a 32-bit integer; `None` if it is absent.
pub(crate) fn integer_option<'js>(ctx: &Ctx<'js>, options: &Object<'js>, name: &str) -> Result<Option<i32>> {
    let value: Value = options.get(name)?;
    if is_absent(&value) {
        return Ok(None);
    }
    if value.is_symbol() {
        return Err(Exception::throw_type(
            ctx,
            "Cannot convert a Symbol value to a number",
        ));
    }
    if value.is_big_int() {
        return Err(Exception::throw_type(
            ctx,
            "Cannot convert a BigInt value to a number",
        ));
    }
    let number = value.get::<Coerced<f64>>()?.0;
    if !number.is_finite() {
        return Ok(Some(0));
    }
    let (least, most) = (f64::from(i32::MIN), f64::from(i32::MAX));
    if number < least || number > most {
        let message = format!("Value out of range. Must be between {least} and {most} (inclusive).");
        return Err(Exception::throw_type(ctx, &message));
    }
    Ok(Some(number as i32))
}

/// Whether an argument or an option counts as not given.
pub(crate) fn is_absent(value: &Value<'_>) -> bool {
    value.is_undefined() || value.is_null()
}
