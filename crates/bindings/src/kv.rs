//! `KvNamespace`: the [KV API](https://developers.cloudflare.com/kv/api/), over one channel each.
//!
//! The rules on keys, options and results that workerd itself applies are here; limits, expiry and cursors are the
//! host's (`stores::kv`). Facts: `spec/workers.md` §B3 and `tests/kv_reference`.

use std::rc::Rc;

use isthmus_protocol::ChannelId;
use rquickjs::{
    Class, Ctx, Exception, Function, JsLifetime, Object, Result, Value,
    atom::PredefinedAtom,
    class::{JsClass, Readable, Trace},
    function::{Constructor, Rest, This},
    object::Property,
};

use crate::exchange::failed;
use crate::{Broker, convert, settle};

mod get;
mod get_many;
mod list;
mod put;

/// One namespace.
#[derive(Trace, JsLifetime)]
struct KvNamespace {
    #[qjs(skip_trace)]
    channel: ChannelId,
    #[qjs(skip_trace)]
    broker: Rc<dyn Broker>,
}

/// Links the constructor to the prototype. It is no global, as upstream. Call it before [`open`].
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    Class::<KvNamespace>::create_constructor(ctx).map(drop)
}

/// The namespace behind a channel.
pub(crate) fn open<'js>(ctx: &Ctx<'js>, channel: ChannelId, broker: Rc<dyn Broker>) -> Result<Value<'js>> {
    Ok(Class::instance(ctx.clone(), KvNamespace { channel, broker })?.into_value())
}

impl<'js> JsClass<'js> for KvNamespace {
    const NAME: &'static str = "KvNamespace";
    type Mutable = Readable;

    fn prototype(ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        let prototype = Object::new(ctx.clone())?;
        let methods: [(&str, Method); 5] = [
            ("get", get::get),
            ("list", list::list),
            ("put", put::put),
            ("getWithMetadata", get::get_with_metadata),
            ("delete", put::delete),
        ];
        for (name, method) in methods {
            let call = move |ctx: Ctx<'js>, this: This<Value<'js>>, arguments: Rest<Value<'js>>| {
                let namespace = receiver(&ctx, &this)?;
                method(&ctx, &namespace.borrow(), &arguments)
            };
            let function = Function::new(ctx.clone(), call)?
                .with_name(name)?
                .with_length(0)?;
            prototype.set(name, function)?;
        }
        prototype.prop(
            PredefinedAtom::SymbolToStringTag,
            Property::from(Self::NAME).configurable(),
        )?;
        Ok(Some(prototype))
    }

    fn constructor(ctx: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        let illegal =
            |ctx: Ctx<'js>| -> Result<Value<'js>> { Err(Exception::throw_type(&ctx, "Illegal constructor")) };
        Constructor::new_class::<Self, _, _>(ctx.clone(), illegal).map(Some)
    }
}

/// A method: it may throw at once, as upstream's does, or return a promise.
type Method = for<'js> fn(&Ctx<'js>, &KvNamespace, &[Value<'js>]) -> Result<Value<'js>>;

fn receiver<'js>(ctx: &Ctx<'js>, this: &Value<'js>) -> Result<Class<'js, KvNamespace>> {
    let message = "Illegal invocation: function called with incorrect `this` reference.";
    Class::from_value(this).map_err(|_| Exception::throw_type(ctx, message))
}

/// An argument that was passed, even if as `undefined`.
fn required<'a, 'js>(
    ctx: &Ctx<'js>,
    arguments: &'a [Value<'js>],
    index: usize,
    method: &str,
    expected: &str,
) -> Result<&'a Value<'js>> {
    arguments
        .get(index)
        .ok_or_else(|| mismatch(ctx, index, method, expected))
}

/// The options, if any. `null` counts as absent.
fn options<'a, 'js>(
    ctx: &Ctx<'js>,
    arguments: &'a [Value<'js>],
    index: usize,
    method: &str,
    expected: &str,
) -> Result<Option<&'a Object<'js>>> {
    match arguments.get(index) {
        Some(value) if !convert::is_absent(value) => value
            .as_object()
            .map(Some)
            .ok_or_else(|| mismatch(ctx, index, method, expected)),
        _ => Ok(None),
    }
}

fn mismatch(ctx: &Ctx<'_>, index: usize, method: &str, expected: &str) -> rquickjs::Error {
    let message = format!(
        "Failed to execute '{method}' on 'KvNamespace': parameter {} is not of type '{expected}'.",
        index + 1
    );
    Exception::throw_type(ctx, &message)
}

/// What workerd requires of a key. `operation` is `GET`, `PUT` or `DELETE`.
fn check_key(ctx: &Ctx<'_>, operation: &str, key: Vec<u8>) -> Result<String> {
    const MAX_BYTES: usize = 512;
    let refuse = |message: &str| Err(Exception::throw_type(ctx, message));
    match &*key {
        b"" => return refuse("Key name cannot be empty."),
        b"." => return refuse("\".\" is not allowed as a key name."),
        b".." => return refuse("\"..\" is not allowed as a key name."),
        _ => {}
    }
    let reason = if key.len() > MAX_BYTES {
        let length = key.len();
        format!("414 UTF-8 encoded length of {length} exceeds key length limit of {MAX_BYTES}.")
    } else {
        match String::from_utf8(key) {
            Ok(key) => return Ok(key),
            Err(_) => "400 Could not URL-decode key name".to_owned(),
        }
    };
    Err(settle::error(
        ctx,
        "Error",
        &format!("KV {operation} failed: {reason}"),
    ))
}
