//! `fetch()` through the host: what the Web platform sends out becomes a call on a channel.

use std::rc::Rc;

use isthmus_protocol::{ChannelId, Header, Operation, Redirect, Reply, RequestHead, StreamId};
use isthmus_web::body::pump;
use isthmus_web::{Begun, Exchange, FetchAnswer, FetchDone, OutgoingRequest, UploadBody};
use rquickjs::Ctx;

use crate::{Broker, CallBody, CallDone};

/// Sends a request to the network; [`isthmus_web::Host::fetch`] says the rest.
pub fn fetch(ctx: &Ctx<'_>, broker: &Rc<dyn Broker>, request: OutgoingRequest, done: FetchDone) -> Begun {
    let head = RequestHead {
        method: &request.method,
        url: &request.url,
        headers: request
            .headers
            .iter()
            .map(|(name, value)| Header { name, value })
            .collect(),
        cf: request.cf.as_deref(),
        redirect: Redirect::Manual,
    };
    let (body, source) = match request.body {
        UploadBody::None => (CallBody::None, None),
        UploadBody::Bytes(bytes) => (CallBody::Bytes(bytes), None),
        UploadBody::Stream { length } => (CallBody::Stream { length }, None),
        UploadBody::Source { source, length } => {
            let body = match source.held() {
                Some(call) => CallBody::Held { call, length },
                None => CallBody::Stream { length },
            };
            (body, Some(source))
        }
    };
    let opened = broker.call(ChannelId::NETWORK, Operation::Fetch(head), body, when_done(done));
    let upload = match (opened.sink, source) {
        // A source that is held has been handed over by now: letting go of it earlier would cancel it.
        (Some(sink), Some(source)) => {
            pump(ctx, source, sink);
            None
        }
        (sink, _) => sink,
    };
    Begun {
        exchange: Rc::new(Call {
            broker: Rc::clone(broker),
            call: opened.call,
        }),
        upload,
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
            Reply::Response(head) => Ok(FetchAnswer {
                status: head.status,
                status_text: head.status_text.to_owned(),
                headers: head
                    .headers
                    .iter()
                    .map(|header| (header.name.to_owned(), header.value.to_vec()))
                    .collect(),
                body,
            }),
            Reply::Failed(failure) => Err(failure.message.to_owned()),
            _ => Err("The host gave an answer that does not fit the question".to_owned()),
        };
        done(ctx, answer);
    })
}
