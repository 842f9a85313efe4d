//! What the calls for the Web platform have in common: the body that goes out, the response that comes back.

use std::rc::Rc;

use isthmus_protocol::{ChannelId, Header, Operation, Reply, ResponseHead};
use isthmus_web::body::{IncomingBody, pump};
use isthmus_web::{FetchAnswer, UploadBody};
use rquickjs::Ctx;

use crate::{Broker, CallBody, CallDone, Opened, settle};

/// What is said of an answer of another kind than the question's.
pub(crate) const UNFIT: &str = "The host gave an answer that does not fit the question";

/// Calls an operation with a body, of which the caller has to write one that is [`UploadBody::Stream`] alone: the sink is
/// `Some` iff it is.
pub(crate) fn begin(
    ctx: &Ctx<'_>,
    broker: &Rc<dyn Broker>,
    channel: ChannelId,
    operation: Operation<'_>,
    body: UploadBody,
    done: CallDone,
) -> Opened {
    let (body, source) = match body {
        UploadBody::None => (CallBody::None, None),
        UploadBody::Bytes(bytes) => (CallBody::Bytes(bytes), None),
        UploadBody::Stream { length } => (CallBody::Stream { length }, None),
        UploadBody::Source { source, length } => {
            let body = match source.held() {
                Some(name) => {
                    return broker.call(channel, operation, CallBody::Held { name, source, length }, done);
                }
                None => CallBody::Stream { length },
            };
            (body, Some(source))
        }
    };
    let Opened { call, sink } = broker.call(channel, operation, body, done);
    let sink = match (sink, source) {
        (Some(sink), Some(source)) => {
            pump(ctx, source, sink);
            None
        }
        (sink, _) => sink,
    };
    Opened { call, sink }
}

/// A response that came back.
pub(crate) fn answer(head: &ResponseHead<'_>, body: IncomingBody) -> FetchAnswer {
    FetchAnswer {
        status: head.status,
        status_text: head.status_text.to_owned(),
        headers: Header::owned(&head.headers),
        body,
    }
}

/// The error of a call that failed, or of an answer that is none to the question asked.
pub(crate) fn failed(ctx: &Ctx<'_>, reply: &Reply<'_>) -> rquickjs::Error {
    match reply {
        Reply::Failed(failure) => settle::error(ctx, failure.name, failure.message),
        _ => settle::error(ctx, "Error", UNFIT),
    }
}
