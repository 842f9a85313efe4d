//! `list`.

use isthmus_protocol::{Operation, Reply, kv};
use isthmus_web::body::IncomingBody;
use rquickjs::{Array, Ctx, Object, Promise, Result, Value};

use super::{KvNamespace, failed, options};
use crate::{
    CallBody,
    convert::{integer_option, text_option},
    settle::{Settler, rejecting},
};

/// `list(options)`: `{keys, list_complete, cursor?, cacheStatus}`.
pub(super) fn list<'js>(
    ctx: &Ctx<'js>,
    namespace: &KvNamespace,
    arguments: &[Value<'js>],
) -> Result<Value<'js>> {
    Ok(rejecting(ctx, || send(ctx, namespace, arguments))?.into_value())
}

fn send<'js>(ctx: &Ctx<'js>, namespace: &KvNamespace, arguments: &[Value<'js>]) -> Result<Promise<'js>> {
    let (mut limit, mut prefix, mut cursor) = (None, None, None);
    if let Some(options) = options(ctx, arguments, 0, "list", "ListOptions")? {
        // Upstream never sends a limit that is not positive.
        limit = integer_option(ctx, options, "limit")?.filter(|limit| *limit > 0);
        prefix = text_option(ctx, options, "prefix")?;
        cursor = text_option(ctx, options, "cursor")?;
    }
    let (promise, settler) = Settler::promise(ctx)?;
    let operation = Operation::Kv(kv::Operation::List {
        prefix: prefix.as_deref(),
        limit,
        cursor: cursor.as_deref(),
    });
    let done = Box::new(move |ctx: &Ctx<'_>, reply: Reply<'_>, _: IncomingBody| answer(ctx, settler, &reply));
    namespace
        .broker
        .call(namespace.channel, operation, CallBody::None, done);
    Ok(promise)
}

fn answer<'js>(ctx: &Ctx<'js>, settler: Settler, reply: &Reply<'_>) {
    let result = match reply {
        Reply::Kv(kv::Reply::List { keys, cursor }) => page(ctx, keys, *cursor),
        _ => Err(failed(ctx, reply)),
    };
    settler.settle(ctx, result);
}

fn page<'js>(ctx: &Ctx<'js>, keys: &[kv::ListedKey<'_>], cursor: Option<&str>) -> Result<Object<'js>> {
    let listed = Array::new(ctx.clone())?;
    for (index, key) in keys.iter().enumerate() {
        let entry = Object::new(ctx.clone())?;
        entry.set("name", key.name)?;
        if let Some(expiration) = key.expiration {
            entry.set("expiration", expiration as f64)?;
        }
        if let Some(metadata) = key.metadata {
            entry.set("metadata", ctx.json_parse(metadata)?)?;
        }
        listed.set(index, entry)?;
    }
    let page = Object::new(ctx.clone())?;
    page.set("keys", listed)?;
    page.set("list_complete", cursor.is_none())?;
    if let Some(cursor) = cursor {
        page.set("cursor", cursor)?;
    }
    page.set("cacheStatus", Value::new_null(ctx.clone()))?;
    Ok(page)
}
