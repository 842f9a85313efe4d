//! `SecretsStoreSecret`: [a secret](https://developers.cloudflare.com/secrets-store/integrations/workers/) that is read when it is
//! asked for.

use std::rc::Rc;

use isthmus_protocol::{ChannelId, Operation, Reply};
use isthmus_web::body::IncomingBody;
use rquickjs::class::{JsClass, Readable, Trace};
use rquickjs::function::Constructor;
use rquickjs::{Class, Ctx, JsLifetime, Object, Result, Value};

use crate::settle::Settler;
use crate::{Broker, CallBody, exchange, interface};

/// One secret.
#[derive(Trace, JsLifetime)]
struct SecretsStoreSecret {
    #[qjs(skip_trace)]
    channel: ChannelId,
    #[qjs(skip_trace)]
    broker: Rc<dyn Broker>,
}

/// Links the constructor to the prototype. Call it before [`open`].
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    Class::<SecretsStoreSecret>::create_constructor(ctx).map(drop)
}

/// The secret behind a channel.
pub(crate) fn open<'js>(ctx: &Ctx<'js>, channel: ChannelId, broker: Rc<dyn Broker>) -> Result<Value<'js>> {
    Ok(Class::instance(ctx.clone(), SecretsStoreSecret { channel, broker })?.into_value())
}

impl<'js> JsClass<'js> for SecretsStoreSecret {
    const NAME: &'static str = "SecretsStoreSecret";
    type Mutable = Readable;

    fn prototype(ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        interface::prototype::<Self>(ctx, &[("get", get)]).map(Some)
    }

    fn constructor(ctx: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        interface::constructor::<Self>(ctx)
    }
}

/// `get()`: the secret's text.
fn get<'js>(ctx: &Ctx<'js>, secret: &SecretsStoreSecret, _: &[Value<'js>]) -> Result<Value<'js>> {
    let (promise, settler) = Settler::promise(ctx)?;
    let done = Box::new(move |ctx: &Ctx<'_>, reply: Reply<'_>, _: IncomingBody| {
        let text = match reply {
            Reply::Secret(text) => Ok(text.to_owned()),
            reply => Err(exchange::failed(ctx, &reply)),
        };
        settler.settle(ctx, text);
    });
    secret
        .broker
        .call(secret.channel, Operation::Secret, CallBody::None, done);
    Ok(promise.into_value())
}
