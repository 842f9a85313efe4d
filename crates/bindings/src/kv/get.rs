//! `get` and `getWithMetadata`.

use std::{cell::Cell, rc::Rc};

use bytes::Bytes;
use isthmus_protocol::{Operation, Reply, kv};
use isthmus_web::body::{ByteSource, IncomingBody, PullDone, Pulled};
use rquickjs::{ArrayBuffer, Ctx, Exception, IntoJs, Object, Promise, Result, String as JsString, Value};

use super::{KvNamespace, check_key, failed, get_many, required};
use crate::{
    CallBody, collect,
    convert::{self, integer_option, text_option},
    settle::{self, Settler, rejecting},
};

/// `get(key, type | options)`: the value or `null`.
pub(super) fn get<'js>(
    ctx: &Ctx<'js>,
    namespace: &KvNamespace,
    arguments: &[Value<'js>],
) -> Result<Value<'js>> {
    let request = Request::of(ctx, "get", "string or Array", arguments)?;
    let promise = rejecting(ctx, || request.send(ctx, namespace, Shape::Value))?;
    Ok(promise.into_value())
}

/// `getWithMetadata(key, type | options)`: `{value, metadata, cacheStatus}`.
pub(super) fn get_with_metadata<'js>(
    ctx: &Ctx<'js>,
    namespace: &KvNamespace,
    arguments: &[Value<'js>],
) -> Result<Value<'js>> {
    let request = Request::of(ctx, "getWithMetadata", "Array or string", arguments)?;
    // Unlike `get`, upstream throws for a bad key.
    let promise = request.send(ctx, namespace, Shape::WithMetadata)?;
    Ok(promise.into_value())
}

/// What a key comes to.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Value,
    WithMetadata,
}

/// The arguments, converted.
struct Request {
    keys: Keys,
    value_type: Option<String>,
    cache_ttl: Option<i32>,
}

enum Keys {
    One(Vec<u8>),
    Many(Vec<String>),
}

impl Request {
    fn of<'js>(ctx: &Ctx<'js>, method: &str, expected: &str, arguments: &[Value<'js>]) -> Result<Self> {
        let key = required(ctx, arguments, 0, method, expected)?;
        let keys = match key.as_array() {
            Some(keys) => Keys::Many(get_many::keys_of(ctx, keys)?),
            None => Keys::One(convert::text(ctx, key)?),
        };
        let mut request = Self {
            keys,
            value_type: None,
            cache_ttl: None,
        };
        match arguments.get(1) {
            Some(options) if convert::is_absent(options) => {}
            Some(options) => match options.as_object() {
                Some(options) => {
                    request.value_type = text_option(ctx, options, "type")?;
                    request.cache_ttl = integer_option(ctx, options, "cacheTtl")?;
                }
                None => {
                    let name = convert::text(ctx, options)?;
                    request.value_type = Some(String::from_utf8_lossy(&name).into_owned());
                }
            },
            None => {}
        }
        Ok(request)
    }

    fn send<'js>(self, ctx: &Ctx<'js>, namespace: &KvNamespace, shape: Shape) -> Result<Promise<'js>> {
        let key = match self.keys {
            Keys::One(key) => key,
            Keys::Many(keys) => {
                let value_type = self.value_type.as_deref();
                return get_many::send(ctx, namespace, keys, value_type, self.cache_ttl, shape);
            }
        };
        let key = check_key(ctx, "GET", key)?;
        let (promise, settler) = Settler::promise(ctx)?;
        let value_type = self.value_type;
        let operation = Operation::Kv(kv::Operation::Get {
            key: &key,
            cache_ttl: self.cache_ttl,
        });
        let done = Box::new(move |ctx: &Ctx<'_>, reply: Reply<'_>, body: IncomingBody| {
            answer(ctx, settler, &reply, body, value_type.as_deref(), shape);
        });
        namespace
            .broker
            .call(namespace.channel, operation, CallBody::None, done);
        Ok(promise)
    }
}

fn answer<'js>(
    ctx: &Ctx<'js>,
    settler: Settler,
    reply: &Reply<'_>,
    body: IncomingBody,
    value_type: Option<&str>,
    shape: Shape,
) {
    let Reply::Kv(kv::Reply::Value { found, metadata }) = reply else {
        discard(&body);
        return settler.settle(ctx, Err::<Value, _>(failed(ctx, reply)));
    };
    if !found {
        let null = Value::new_null(ctx.clone());
        return settler.settle(ctx, shape.of(ctx, null, None));
    }
    let metadata = metadata.map(str::to_owned);
    let decode = match value_type.unwrap_or("text") {
        "text" => text,
        "json" => json,
        "arrayBuffer" => array_buffer,
        "stream" => {
            let stream = stream(ctx, body);
            return settler.settle(
                ctx,
                stream.and_then(|stream| shape.of(ctx, stream, metadata.as_deref())),
            );
        }
        _ => {
            discard(&body);
            let message = "Unknown response type. Possible types are \"text\", \"arrayBuffer\", \"json\", \
                           and \"stream\".";
            return settler.settle(ctx, Err::<Value, _>(Exception::throw_type(ctx, message)));
        }
    };
    let done = move |ctx: &Ctx<'_>, value: std::result::Result<Bytes, String>| {
        settler.settle(ctx, whole(ctx, value, decode, shape, metadata.as_deref()));
    };
    collect::collect(ctx, body, Box::new(done));
}

type Decode = for<'js> fn(&Ctx<'js>, Bytes) -> Result<Value<'js>>;

fn whole<'js>(
    ctx: &Ctx<'js>,
    value: std::result::Result<Bytes, String>,
    decode: Decode,
    shape: Shape,
    metadata: Option<&str>,
) -> Result<Value<'js>> {
    let value = value.map_err(|reason| settle::error(ctx, "Error", &format!("KV GET failed: {reason}")))?;
    shape.of(ctx, decode(ctx, value)?, metadata)
}

impl Shape {
    /// What is answered for a value and its metadata, which is JSON.
    fn of<'js>(self, ctx: &Ctx<'js>, value: Value<'js>, metadata: Option<&str>) -> Result<Value<'js>> {
        if matches!(self, Self::Value) {
            return Ok(value);
        }
        let result = with_metadata(ctx, value, metadata)?;
        result.set("cacheStatus", Value::new_null(ctx.clone()))?;
        Ok(result.into_value())
    }

    /// The same for one of several keys, which has no `cacheStatus`.
    pub(super) fn of_many<'js>(
        self,
        ctx: &Ctx<'js>,
        value: Value<'js>,
        metadata: Option<&str>,
    ) -> Result<Value<'js>> {
        match self {
            Self::Value => Ok(value),
            Self::WithMetadata => with_metadata(ctx, value, metadata).map(Object::into_value),
        }
    }
}

fn with_metadata<'js>(ctx: &Ctx<'js>, value: Value<'js>, metadata: Option<&str>) -> Result<Object<'js>> {
    let metadata = match metadata {
        Some(json) => ctx.json_parse(json)?,
        None => Value::new_null(ctx.clone()),
    };
    let result = Object::new(ctx.clone())?;
    result.set("value", value)?;
    result.set("metadata", metadata)?;
    Ok(result)
}

/// Bytes that are no UTF-8 become U+FFFD. A byte order mark stays, as upstream.
fn text<'js>(ctx: &Ctx<'js>, bytes: Bytes) -> Result<Value<'js>> {
    JsString::from_str(ctx.clone(), &String::from_utf8_lossy(&bytes)).map(JsString::into_value)
}

fn json<'js>(ctx: &Ctx<'js>, bytes: Bytes) -> Result<Value<'js>> {
    if bytes.contains(&0) {
        // No JSON text holds one, and the engine's parser takes it for the end.
        return Err(Exception::throw_syntax(ctx, "Unexpected token '\\0' in JSON"));
    }
    ctx.json_parse(String::from_utf8_lossy(&bytes).into_owned())
}

fn array_buffer<'js>(ctx: &Ctx<'js>, bytes: Bytes) -> Result<Value<'js>> {
    // A body in one piece of its own is taken over; what shares its memory is copied.
    ArrayBuffer::new(ctx.clone(), Vec::from(bytes)).into_js(ctx)
}

fn stream<'js>(ctx: &Ctx<'js>, body: IncomingBody) -> Result<Value<'js>> {
    let (source, length): (Rc<dyn ByteSource>, _) = match body {
        IncomingBody::Source { source, length } => (source, length),
        IncomingBody::Bytes(bytes) => {
            let length = bytes.len() as u64;
            (Rc::new(Once(Cell::new(bytes))), Some(length))
        }
        IncomingBody::None | IncomingBody::Socket(_) => (Rc::new(Once(Cell::default())), Some(0)),
    };
    Ok(isthmus_web::streams::readable(ctx, source, length)?.into_value())
}

/// A body that is there already.
struct Once(Cell<Bytes>);

impl ByteSource for Once {
    fn pull(&self, ctx: &Ctx<'_>, done: PullDone) {
        let bytes = self.0.take();
        done(
            ctx,
            if bytes.is_empty() {
                Pulled::End
            } else {
                Pulled::Chunk(bytes)
            },
        );
    }

    fn cancel(&self) {
        self.0.take();
    }
}

/// Tells the host that nobody will read a body.
pub(super) fn discard(body: &IncomingBody) {
    if let IncomingBody::Source { source, .. } = body {
        source.cancel();
    }
}
