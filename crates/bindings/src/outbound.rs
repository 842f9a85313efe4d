//! `fetch()` through the host: what the Web platform sends out becomes a call on a channel.

use std::rc::Rc;

use isthmus_protocol::{ChannelId, Header, Operation, Redirect, Reply, RequestHead, StreamId};
use isthmus_web::{Begun, Exchange, FetchDone, OutgoingRequest};
use rquickjs::Ctx;

use crate::{Broker, CallDone, exchange};

/// Sends a request to the network; [`isthmus_web::Host::fetch`] says the rest.
pub fn fetch(ctx: &Ctx<'_>, broker: &Rc<dyn Broker>, request: OutgoingRequest, done: FetchDone) -> Begun {
    send(ctx, broker, ChannelId::NETWORK, request, done)
}

/// Sends a request to whatever a channel is.
pub(crate) fn send(
    ctx: &Ctx<'_>,
    broker: &Rc<dyn Broker>,
    channel: ChannelId,
    request: OutgoingRequest,
    done: FetchDone,
) -> Begun {
    let head = RequestHead {
        method: &request.method,
        url: &request.url,
        headers: Header::borrowed(&request.headers),
        cf: request.cf.as_deref(),
        redirect: Redirect::Manual,
    };
    let operation = Operation::Fetch(head);
    let done = when_done(done);
    let opened = exchange::begin(ctx, broker, channel, operation, request.body, done);
    Begun {
        exchange: Rc::new(Call {
            broker: Rc::clone(broker),
            call: opened.call,
        }),
        upload: opened.sink,
    }
}

struct Call {
    broker: Rc<dyn Broker>,
    call: StreamId,
}

impl Exchange for Call {
    fn cancel(&self) {
        self.broker.cancel(self.call);
    }
}

fn when_done(done: FetchDone) -> CallDone {
    Box::new(move |ctx, reply, body| {
        let answer = match reply {
            Reply::Response(head) => Ok(exchange::answer(&head, body)),
            Reply::Failed(failure) => Err(failure.message.to_owned()),
            _ => Err(exchange::UNFIT.to_owned()),
        };
        done(ctx, answer);
    })
}
