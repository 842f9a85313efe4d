//! `R2Bucket`: the [R2 API](https://developers.cloudflare.com/r2/api/workers/workers-api-reference/), over one channel
//! each.
//!
//! The classes, and the rules on arguments that workerd itself applies, are in scripts: `arguments.js` (the rules),
//! `objects.js`, `multipart.js`, `bucket.js`. Limits, conditions and ranges are the host's (`stores::r2`). Here a request
//! becomes a call, its value the call's body, and the answer what the scripts make objects of. Facts: `spec/workers.md` §B5 and `tests/r2_reference`.

use std::rc::Rc;

use isthmus_protocol::{ChannelId, Operation, Reply};
use isthmus_web::body::OutgoingBody;
use isthmus_web::{fetch, run_script};
use rquickjs::function::Opt;
use rquickjs::{Ctx, Exception, Function, Object, Promise, Result, Value};

use crate::settle::Settler;
use crate::{Broker, CallDone, exchange, upload};

mod record;
mod reply;
mod request;

/// Defines the classes; the function that makes the bucket behind a channel.
pub(crate) fn install<'js>(ctx: &Ctx<'js>, broker: Rc<dyn Broker>) -> Result<Function<'js>> {
    let send =
        move |ctx: Ctx<'js>, channel: u32, kind: String, request: Object<'js>, value: Opt<Value<'js>>| {
            send(&ctx, &broker, ChannelId(channel), &kind, &request, value.0)
        };
    let send = Function::new(ctx.clone(), send)?;
    // Each builds on those before it.
    let arguments = run_script(
        ctx,
        "r2/arguments.js",
        include_str!("r2/arguments.js"),
        |_| Ok(()),
    )?;
    let object_of = run_script(ctx, "r2/objects.js", include_str!("r2/objects.js"), |native| {
        native.set("arguments", arguments.clone())?;
        record::fill(native)
    })?;
    let upload_of = run_script(
        ctx,
        "r2/multipart.js",
        include_str!("r2/multipart.js"),
        |native| {
            native.set("arguments", arguments.clone())?;
            native.set("objectOf", object_of.clone())?;
            native.set("send", send.clone())
        },
    )?;
    let open = run_script(ctx, "r2/bucket.js", include_str!("r2/bucket.js"), |native| {
        native.set("arguments", arguments)?;
        native.set("objectOf", object_of)?;
        native.set("uploadOf", upload_of)?;
        native.set("send", send)
    })?;
    open.into_function()
        .ok_or_else(|| Exception::throw_internal(ctx, "bucket.js gives no function"))
}

/// Calls what the scripts ask for.
fn send<'js>(
    ctx: &Ctx<'js>,
    broker: &Rc<dyn Broker>,
    channel: ChannelId,
    kind: &str,
    request: &Object<'js>,
    value: Option<Value<'js>>,
) -> Result<Promise<'js>> {
    let request = request::Request::of(ctx, kind, request)?;
    let operation = Operation::R2(request.operation());
    let body = match value.filter(|value| !value.is_undefined()) {
        None => OutgoingBody::None,
        Some(value) => body_of(ctx, &value)?,
    };
    let (promise, settler) = Settler::promise(ctx)?;
    upload::send(ctx, broker, channel, operation, body, settler, when_done)?;
    Ok(promise)
}

/// The bytes of a string, or the body of a response.
fn body_of<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<OutgoingBody<'js>> {
    if value.is_string() {
        let text = crate::convert::lossy_text(ctx, value)?;
        return Ok(OutgoingBody::Bytes(text.into_bytes().into()));
    }
    let Some((_, body)) = fetch::response_parts(ctx, value)? else {
        return Err(Exception::throw_internal(ctx, "the value to put is no body"));
    };
    let length = match &body {
        OutgoingBody::None | OutgoingBody::Bytes(_) => return Ok(body),
        OutgoingBody::Source { length, .. } | OutgoingBody::Stream { length, .. } => *length,
    };
    if length.is_none() {
        if let OutgoingBody::Source { source, .. } = &body {
            source.cancel();
        }
        let message = "Provided readable stream must have a known length (request/response body or readable half of \
                       FixedLengthStream)";
        return Err(Exception::throw_type(ctx, message));
    }
    Ok(body)
}

fn when_done(settler: Settler) -> CallDone {
    Box::new(move |ctx, reply, body| {
        let result = match reply {
            Reply::R2(reply) => reply::value(ctx, &reply, body),
            Reply::Failed(failure) => Err(crate::settle::error(ctx, failure.name, failure.message)),
            _ => Err(crate::settle::error(ctx, "Error", exchange::UNFIT)),
        };
        settler.settle(ctx, result);
    })
}
