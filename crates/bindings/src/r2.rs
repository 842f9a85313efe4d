//! `R2Bucket`: the [R2 API](https://developers.cloudflare.com/r2/api/workers/workers-api-reference/), over one channel
//! each.
//!
//! The classes, and the rules on arguments that workerd itself applies, are in `r2.js`; limits, conditions and ranges are
//! the host's (`stores::r2`). Here a request becomes a call, its value the call's body, and the answer what `r2.js` makes
//! objects of. Facts: `spec/workers.md` §B5 and `tests/r2_reference`.

use std::rc::Rc;

use isthmus_protocol::{ChannelId, Operation, Reply};
use isthmus_web::body::OutgoingBody;
use isthmus_web::fetch;
use rquickjs::function::Opt;
use rquickjs::{Ctx, Exception, Function, Object, Promise, Result, Value};

use crate::settle::Settler;
use crate::{Broker, CallDone, exchange, upload};

mod reply;
mod request;

/// Defines the classes; the function that makes the bucket behind a channel.
pub(crate) fn install<'js>(ctx: &Ctx<'js>, broker: Rc<dyn Broker>) -> Result<Function<'js>> {
    let open = isthmus_web::run_script(ctx, "r2.js", include_str!("r2.js"), |native| {
        let send =
            move |ctx: Ctx<'js>, channel: u32, kind: String, request: Object<'js>, value: Opt<Value<'js>>| {
                send(&ctx, &broker, ChannelId(channel), &kind, &request, value.0)
            };
        native.set("send", Function::new(native.ctx().clone(), send)?)
    })?;
    open.into_function()
        .ok_or_else(|| Exception::throw_internal(ctx, "r2.js gives no function"))
}

/// Calls what `r2.js` asks for.
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
