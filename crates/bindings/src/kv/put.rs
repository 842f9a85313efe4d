//! `put` and `delete`.

use bytes::Bytes;
use isthmus_protocol::{Operation, Reply, kv};
use isthmus_web::{
    body::{IncomingBody, OutgoingBody},
    streams,
};
use rquickjs::{Ctx, Exception, Object, Promise, Result, Value};

use super::{KvNamespace, check_key, failed, options, required};
use crate::{
    CallBody, CallDone,
    convert::{self, integer_option},
    json,
    settle::{Settler, rejecting},
    upload,
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
    // One that nobody has read from goes to the store without a visit to JavaScript; if the host holds it, not even to here.
    let body = match streams::take_source(ctx, stream) {
        Some((source, length)) => OutgoingBody::Source { source, length },
        None => OutgoingBody::Stream {
            stream: stream.clone(),
            length: None,
        },
    };
    upload::send(
        ctx,
        &namespace.broker,
        namespace.channel,
        operation,
        body,
        settler,
        when_done,
    )?;
    Ok(promise)
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
    let text = json::stringify(ctx, &value)?.unwrap_or_else(|| b"undefined".to_vec());
    Ok(String::from_utf8_lossy(&text).into_owned())
}
