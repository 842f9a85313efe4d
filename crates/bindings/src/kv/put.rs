//! `put` and `delete`.

use std::{cell::Cell, rc::Rc};

use bytes::Bytes;
use isthmus_protocol::{Operation, Reply, kv};
use isthmus_web::{
    body::{ByteSink, IncomingBody, WriteDone},
    streams,
};
use rquickjs::{Ctx, Exception, Object, Promise, Result, String as JsString, Value};

use super::{KvNamespace, check_key, failed, options, required};
use crate::{
    CallBody, CallDone,
    convert::{self, integer_option},
    settle::{Settler, rejecting},
};

/// `put(key, value, options)`: `undefined`, once it is durable.
pub(super) fn put<'js>(
    ctx: &Ctx<'js>,
    namespace: &KvNamespace,
    arguments: &[Value<'js>],
) -> Result<Value<'js>> {
    Ok(rejecting(ctx, || send_put(ctx, namespace, arguments))?.into_value())
}

/// `delete(key)`: `undefined`, once it is durable.
pub(super) fn delete<'js>(
    ctx: &Ctx<'js>,
    namespace: &KvNamespace,
    arguments: &[Value<'js>],
) -> Result<Value<'js>> {
    Ok(rejecting(ctx, || send_delete(ctx, namespace, arguments))?.into_value())
}

fn send_delete<'js>(
    ctx: &Ctx<'js>,
    namespace: &KvNamespace,
    arguments: &[Value<'js>],
) -> Result<Promise<'js>> {
    let key = convert::text(ctx, required(ctx, arguments, 0, "delete", "string")?)?;
    let key = check_key(ctx, "DELETE", key)?;
    let (promise, settler) = Settler::promise(ctx)?;
    let operation = Operation::Kv(kv::Operation::Delete { key: &key });
    namespace
        .broker
        .call(namespace.channel, operation, CallBody::None, when_done(settler));
    Ok(promise)
}

fn send_put<'js>(ctx: &Ctx<'js>, namespace: &KvNamespace, arguments: &[Value<'js>]) -> Result<Promise<'js>> {
    // First all conversions, then all checks, in upstream's order.
    let key = convert::text(ctx, required(ctx, arguments, 0, "put", "string")?)?;
    let value = required(ctx, arguments, 1, "put", "string or JsObject")?;
    let text = match value.as_object() {
        Some(_) => None,
        None => Some(convert::text(ctx, value)?),
    };
    let (mut expiration, mut expiration_ttl, mut metadata) = (None, None, None);
    if let Some(options) = options(ctx, arguments, 2, "put", "PutOptions")? {
        expiration = integer_option(ctx, options, "expiration")?;
        expiration_ttl = integer_option(ctx, options, "expirationTtl")?;
        metadata = Some(options.get::<_, Value>("metadata")?).filter(|value| !convert::is_absent(value));
    }
    let key = check_key(ctx, "PUT", key)?;
    let metadata = metadata.map(|metadata| to_json(ctx, metadata)).transpose()?;
    let operation = Operation::Kv(kv::Operation::Put {
        key: &key,
        expiration,
        expiration_ttl,
        metadata: metadata.as_deref(),
    });
    let bytes = match text {
        Some(text) => Some(Bytes::from(text)),
        None => streams::buffer_bytes(ctx, value)?.map(Bytes::from),
    };
    if let Some(bytes) = bytes {
        let (promise, settler) = Settler::promise(ctx)?;
        namespace.broker.call(
            namespace.channel,
            operation,
            CallBody::Bytes(bytes),
            when_done(settler),
        );
        return Ok(promise);
    }
    match value.as_object().filter(|_| streams::is_readable_stream(value)) {
        Some(stream) => put_stream(ctx, namespace, operation, stream),
        None => {
            let message = "KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and \
                           ReadableStreams as values.";
            Err(Exception::throw_type(ctx, message))
        }
    }
}

fn put_stream<'js>(
    ctx: &Ctx<'js>,
    namespace: &KvNamespace,
    operation: Operation<'_>,
    stream: &Object<'js>,
) -> Result<Promise<'js>> {
    if stream.get("locked")? {
        return Err(Exception::throw_type(
            ctx,
            "The ReadableStream has been locked to a reader.",
        ));
    }
    let (promise, settler) = Settler::promise(ctx)?;
    let refused = Rc::new(Cell::new(false));
    let when = Rc::clone(&refused);
    // A stream that breaks off rejects with its own error, not with what the host makes of that.
    let failed = settler.rejector(ctx, move || !when.get())?;
    let body = CallBody::Stream { length: None };
    let call = namespace
        .broker
        .call(namespace.channel, operation, body, when_done(settler));
    let Some(sink) = call.sink else {
        // The call failed at once, and has told so.
        return Ok(promise);
    };
    let watched = Rc::new(ValueSink {
        sink: Rc::clone(&sink),
        refused,
    });
    let drained = streams::drain_watched(ctx, stream.clone(), watched, failed);
    if drained.is_err() {
        sink.abort("the value could not be read");
    }
    drained.map(|()| promise)
}

/// The sink of a put. It remembers whether the host wanted no more: then the host's answer says why.
struct ValueSink {
    sink: Rc<dyn ByteSink>,
    refused: Rc<Cell<bool>>,
}

impl ByteSink for ValueSink {
    fn write(&self, ctx: &Ctx<'_>, chunk: Bytes, done: WriteDone) {
        let refused = Rc::clone(&self.refused);
        let watched = Box::new(move |ctx: &Ctx<'_>, result: std::result::Result<(), String>| {
            refused.set(result.is_err());
            done(ctx, result);
        });
        self.sink.write(ctx, chunk, watched);
    }

    fn close(&self) {
        self.sink.close();
    }

    fn abort(&self, reason: &str) {
        self.sink.abort(reason);
    }
}

fn when_done(settler: Settler) -> CallDone {
    Box::new(move |ctx, reply, _: IncomingBody| settler.settle(ctx, finished(ctx, &reply)))
}

fn finished<'js>(ctx: &Ctx<'js>, reply: &Reply<'_>) -> Result<Value<'js>> {
    match reply {
        Reply::Kv(kv::Reply::Done) => Ok(Value::new_undefined(ctx.clone())),
        _ => Err(failed(ctx, reply)),
    }
}

/// What has no JSON goes out as upstream sends it; the host refuses it.
fn to_json<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Result<String> {
    ctx.json_stringify(value)?
        .as_ref()
        .map_or_else(|| Ok("undefined".to_owned()), JsString::to_string)
}
