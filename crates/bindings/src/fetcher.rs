//! `Fetcher`: what answers requests as the network does, over one channel each.

use std::rc::Rc;

use isthmus_protocol::ChannelId;
use isthmus_web::fetch::{Destination, destination};
use isthmus_web::{Begun, FetchDone, OutgoingRequest};
use rquickjs::{Ctx, Function, Result, Value};

use crate::{Broker, outbound};

struct Channel {
    channel: ChannelId,
    broker: Rc<dyn Broker>,
}

impl Destination for Channel {
    fn fetch(
        &self,
        ctx: &Ctx<'_>,
        request: OutgoingRequest,
        done: FetchDone,
    ) -> std::result::Result<Begun, String> {
        Ok(outbound::send(ctx, &self.broker, self.channel, request, done))
    }
}

/// Runs the script that defines the class; answers the function that makes fetchers, for [`open`].
pub(crate) fn install<'js>(ctx: &Ctx<'js>) -> Result<Function<'js>> {
    isthmus_web::run_script(ctx, "fetcher.js", include_str!("fetcher.js"), |_| Ok(()))?.get()
}

/// The fetcher behind a channel.
pub(crate) fn open<'js>(
    ctx: &Ctx<'js>,
    class: &Function<'js>,
    channel: ChannelId,
    broker: Rc<dyn Broker>,
) -> Result<Value<'js>> {
    class.call((destination(ctx, Rc::new(Channel { channel, broker }))?,))
}
