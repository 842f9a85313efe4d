//! What the host answers, as the scripts make objects of it.

use isthmus_protocol::r2::Reply;
use isthmus_web::body::IncomingBody;
use isthmus_web::fetch::{self, ResponseParts};
use rquickjs::{Array, Ctx, IntoJs, Result, Value};

use super::record::Record;

/// The value that the call's promise resolves with.
pub(super) fn value<'js>(ctx: &Ctx<'js>, reply: &Reply<'_>, body: IncomingBody) -> Result<Value<'js>> {
    match reply {
        Reply::Nothing => Ok(Value::new_null(ctx.clone())),
        Reply::Done => Ok(Value::new_undefined(ctx.clone())),
        Reply::Object(object) => Ok(Record::new(ctx, object)?.into_value()),
        Reply::Value(object) => {
            let found = Array::new(ctx.clone())?;
            found.set(0, Record::new(ctx, object)?)?;
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
            found.set(1, fetch::new_response(ctx, parts, None, body)?)?;
            Ok(found.into_value())
        }
        Reply::List {
            objects,
            prefixes,
            cursor,
        } => {
            let listed = Array::new(ctx.clone())?;
            for (index, object) in objects.iter().enumerate() {
                listed.set(index, Record::new(ctx, object)?)?;
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
