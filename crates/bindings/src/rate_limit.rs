//! `Ratelimit`: the uses are counted by the host, since all isolates share a limit.

use std::rc::Rc;

use isthmus_protocol::{ChannelId, Operation, RateLimit, Reply};
use isthmus_web::body::IncomingBody;
use rquickjs::{Ctx, Function, Promise, Result, Value};

use crate::convert::lossy_text;
use crate::settle::Settler;
use crate::{Broker, CallBody, exchange};

/// Runs the script that defines the class; answers the function that makes limits, for [`open`].
pub(crate) fn install<'js>(ctx: &Ctx<'js>) -> Result<Function<'js>> {
    isthmus_web::run_script(ctx, "rate_limit.js", include_str!("rate_limit.js"), |_| Ok(()))?.get()
}

/// The limit behind a channel.
pub(crate) fn open<'js>(
    ctx: &Ctx<'js>,
    class: &Function<'js>,
    channel: ChannelId,
    broker: Rc<dyn Broker>,
) -> Result<Value<'js>> {
    let count = move |ctx: Ctx<'js>,
                      key: Value<'js>,
                      limit: Option<f64>,
                      period: Option<u32>|
          -> Result<Promise<'js>> {
        let key = lossy_text(&ctx, &key)?;
        let (promise, settler) = Settler::promise(&ctx)?;
        let done = Box::new(move |ctx: &Ctx<'_>, reply: Reply<'_>, _: IncomingBody| {
            let is_within = match reply {
                Reply::RateLimit(is_within) => Ok(is_within),
                reply => Err(exchange::failed(ctx, &reply)),
            };
            settler.settle(ctx, is_within);
        });
        let operation = Operation::RateLimit(RateLimit {
            key: &key,
            limit,
            period,
        });
        broker.call(channel, operation, CallBody::None, done);
        Ok(promise)
    };
    class.call((Function::new(ctx.clone(), count)?,))
}
