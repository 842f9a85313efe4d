//! What the host answers, as `r2.js` makes objects of it.

use isthmus_protocol::r2::{Object, Reply};
use isthmus_web::body::IncomingBody;
use isthmus_web::fetch::{self, ResponseParts};
use rquickjs::{Array, ArrayBuffer, Ctx, IntoJs, Result, Value};

/// The value that the call's promise resolves with.
pub(super) fn value<'js>(ctx: &Ctx<'js>, reply: &Reply<'_>, body: IncomingBody) -> Result<Value<'js>> {
    match reply {
        Reply::Nothing => Ok(Value::new_null(ctx.clone())),
        Reply::Done => Ok(Value::new_undefined(ctx.clone())),
        Reply::Object(object) => Ok(array(ctx, object)?.into_value()),
        Reply::Value(object) => {
            let array = array(ctx, object)?;
            // What a body that is read is made of, is known to responses.
            let parts = ResponseParts {
                status: 200,
                status_text: String::new(),
                headers: Vec::new(),
                codings: Vec::new(),
            };
            let body = match body {
                IncomingBody::None => IncomingBody::Bytes(bytes::Bytes::new()),
                body => body,
            };
            array.set(11, fetch::new_response(ctx, parts, None, body)?)?;
            Ok(array.into_value())
        }
        Reply::List {
            objects,
            prefixes,
            cursor,
        } => {
            let listed = Array::new(ctx.clone())?;
            for (index, object) in objects.iter().enumerate() {
                listed.set(index, array(ctx, object)?)?;
            }
            let together = Array::new(ctx.clone())?;
            for (index, prefix) in prefixes.iter().enumerate() {
                together.set(index, *prefix)?;
            }
            let page = Array::new(ctx.clone())?;
            page.set(0, listed)?;
            page.set(1, together)?;
            page.set(2, cursor.into_js(ctx)?)?;
            Ok(page.into_value())
        }
        Reply::Upload { id } => id.into_js(ctx),
        Reply::Part { etag } => etag.into_js(ctx),
    }
}

/// An object as an array, in the order that `r2.js` knows.
fn array<'js>(ctx: &Ctx<'js>, object: &Object<'_>) -> Result<Array<'js>> {
    let array = Array::new(ctx.clone())?;
    array.set(0, object.key)?;
    array.set(1, object.version)?;
    // Far below 2^53.
    array.set(2, object.size as f64)?;
    array.set(3, object.etag)?;
    array.set(4, object.uploaded as f64)?;
    let checksums = Array::new(ctx.clone())?;
    for (index, checksum) in object.checksums.iter().enumerate() {
        checksums.set(index * 3, checksum.algorithm as u8)?;
        checksums.set(
            index * 3 + 1,
            ArrayBuffer::new(ctx.clone(), checksum.digest.to_vec())?,
        )?;
        checksums.set(index * 3 + 2, hex(checksum.digest))?;
    }
    array.set(5, checksums)?;
    let metadata = &object.metadata;
    let http = Array::new(ctx.clone())?;
    let headers = [
        metadata.http.content_type,
        metadata.http.content_language,
        metadata.http.content_disposition,
        metadata.http.content_encoding,
        metadata.http.cache_control,
    ];
    for (index, header) in headers.into_iter().enumerate() {
        http.set(index, header)?;
    }
    http.set(5, metadata.http.cache_expiry.map(|moment| moment as f64))?;
    array.set(6, http)?;
    let custom = Array::new(ctx.clone())?;
    for (index, (name, value)) in metadata.custom.iter().enumerate() {
        custom.set(index * 2, *name)?;
        custom.set(index * 2 + 1, *value)?;
    }
    array.set(7, custom)?;
    array.set(8, metadata.storage_class)?;
    array.set(9, object.range.map(|(offset, _)| offset as f64))?;
    array.set(10, object.range.map(|(_, length)| length as f64))?;
    Ok(array)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}
