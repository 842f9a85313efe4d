//! `get` and `getWithMetadata` of several keys: a `Map` of what was found.
//!
//! Where the answers of workerd and miniflare lose something, ours don't: keys that look like array indices, `__proto__`,
//! and the metadata of values that are falsy.

use bytes::Bytes;
use isthmus_protocol::{Operation, Reply, kv};
use isthmus_web::body::IncomingBody;
use isthmus_web::run_script;
use rquickjs::{Array, Ctx, Exception, Function, JsLifetime, Promise, Result, Value};

use super::get::{Shape, discard};
use super::{KvNamespace, failed};
use crate::{
    CallBody, collect, convert,
    settle::{self, Settler},
};

/// The most keys of one call; more aren't even sent.
const MAX_KEYS: usize = 100;
/// The longest key, in bytes of UTF-8; a longer one isn't even sent.
const MAX_KEY_BYTES: usize = 512;

/// What makes a `Map` of keys and values, as scripts could before user code ran.
#[derive(JsLifetime)]
struct MapOf<'js>(Function<'js>);

/// How a value is shown.
#[derive(Clone, Copy)]
enum ValueType {
    Text,
    Json,
}

/// The keys of an array, as the engine's `ToString` makes them.
pub(super) fn keys_of<'js>(ctx: &Ctx<'js>, array: &Array<'js>) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for index in 0..array.len() {
        if keys.len() > MAX_KEYS {
            // Upstream converts all of them first; nobody can tell but by what a `toString` does.
            break;
        }
        let key = convert::text(ctx, &array.get(index)?)?;
        let key = String::from_utf8(key)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        keys.push(key);
    }
    Ok(keys)
}

/// Asks for the keys.
pub(super) fn send<'js>(
    ctx: &Ctx<'js>,
    namespace: &KvNamespace,
    keys: Vec<String>,
    value_type: Option<&str>,
    cache_ttl: Option<i32>,
    shape: Shape,
) -> Result<Promise<'js>> {
    let (promise, settler) = Settler::promise(ctx)?;
    let value_type = match check(&keys, value_type) {
        Ok(value_type) => value_type,
        Err(reason) => {
            settler.settle(ctx, Err::<Value, _>(refusal(ctx, &reason)));
            return Ok(promise);
        }
    };
    let operation = Operation::Kv(kv::Operation::GetMany {
        keys: keys.iter().map(String::as_str).collect(),
        cache_ttl,
    });
    let asked = keys.clone();
    let done = Box::new(move |ctx: &Ctx<'_>, reply: Reply<'_>, body: IncomingBody| {
        answer(ctx, settler, asked, &reply, body, value_type, shape);
    });
    namespace
        .broker
        .call(namespace.channel, operation, CallBody::None, done);
    Ok(promise)
}

/// What the host need not be asked for.
fn check(keys: &[String], value_type: Option<&str>) -> std::result::Result<ValueType, String> {
    let value_type = match value_type.unwrap_or_default() {
        "" | "text" => ValueType::Text,
        "json" => ValueType::Json,
        other => {
            return Err(format!(
                "400 \"{other}\" is not a valid type. Use \"json\" or \"text\""
            ));
        }
    };
    if keys.len() > MAX_KEYS {
        return Err(format!("400 You can request a maximum of {MAX_KEYS} keys"));
    }
    match keys.iter().find(|key| key.len() > MAX_KEY_BYTES) {
        Some(key) => Err(format!(
            "414 UTF-8 encoded length of {} exceeds key length limit of {MAX_KEY_BYTES}.",
            key.len()
        )),
        None => Ok(value_type),
    }
}

fn refusal(ctx: &Ctx<'_>, reason: &str) -> rquickjs::Error {
    settle::error(ctx, "Error", &format!("KV GET_BULK failed: {reason}"))
}

/// One key that was found: how long its value is, and its metadata.
type Found = Option<(usize, Option<String>)>;

fn answer<'js>(
    ctx: &Ctx<'js>,
    settler: Settler,
    keys: Vec<String>,
    reply: &Reply<'_>,
    body: IncomingBody,
    value_type: ValueType,
    shape: Shape,
) {
    let Reply::Kv(kv::Reply::Values(values)) = reply else {
        discard(&body);
        return settler.settle(ctx, Err::<Value, _>(failed(ctx, reply)));
    };
    let found: Vec<Found> = values
        .iter()
        .map(|value| {
            let value = value.as_ref()?;
            Some((value.length as usize, value.metadata.map(str::to_owned)))
        })
        .collect();
    let done = move |ctx: &Ctx<'_>, values: std::result::Result<Bytes, String>| {
        let map = values
            .map_err(|reason| refusal(ctx, &reason))
            .and_then(|values| map_of(ctx, &keys, &found, values, value_type, shape));
        settler.settle(ctx, map);
    };
    collect::collect(ctx, body, Box::new(done));
}

fn map_of<'js>(
    ctx: &Ctx<'js>,
    keys: &[String],
    found: &[Found],
    mut values: Bytes,
    value_type: ValueType,
    shape: Shape,
) -> Result<Value<'js>> {
    let pairs = Array::new(ctx.clone())?;
    for (index, (key, found)) in keys.iter().zip(found).enumerate() {
        pairs.set(2 * index, key)?;
        let value = match found {
            None => Value::new_null(ctx.clone()),
            Some((length, metadata)) if *length <= values.len() => {
                let value = decode(ctx, &values.split_to(*length), value_type)?;
                shape.of_many(ctx, value, metadata.as_deref())?
            }
            Some(_) => return Err(refusal(ctx, "500 the answer is cut off")),
        };
        pairs.set(2 * index + 1, value)?;
    }
    map(ctx, pairs)
}

/// A byte order mark is none of the value.
fn decode<'js>(ctx: &Ctx<'js>, bytes: &[u8], value_type: ValueType) -> Result<Value<'js>> {
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    match value_type {
        ValueType::Text => rquickjs::String::from_str(ctx.clone(), &text).map(rquickjs::String::into_value),
        // The engine's parser takes a zero for the end.
        ValueType::Json if text.contains('\0') => Err(not_json(ctx)),
        ValueType::Json => match ctx.json_parse(&*text) {
            Ok(value) => Ok(value),
            Err(rquickjs::Error::Exception) => {
                drop(ctx.catch());
                Err(not_json(ctx))
            }
            Err(error) => Err(error),
        },
    }
}

fn not_json(ctx: &Ctx<'_>) -> rquickjs::Error {
    refusal(
        ctx,
        "400 At least one of the requested keys corresponds to a non-json value",
    )
}

/// A `Map` of keys and values that follow each other in an array.
fn map<'js>(ctx: &Ctx<'js>, pairs: Array<'js>) -> Result<Value<'js>> {
    if ctx.userdata::<MapOf<'_>>().is_none() {
        let made = run_script(ctx, "kv.js", include_str!("map.js"), |_| Ok(()))?;
        let made = made
            .into_function()
            .ok_or_else(|| Exception::throw_internal(ctx, "kv.js makes no function"))?;
        ctx.store_userdata(MapOf(made))
            .map_err(|_| Exception::throw_internal(ctx, "The runtime's user data is in use"))?;
    }
    let Some(function) = ctx.userdata::<MapOf<'js>>().map(|map_of| map_of.0.clone()) else {
        return Err(Exception::throw_internal(ctx, "kv.js is gone"));
    };
    function.call((pairs,))
}
