//! The Cache API through the host: what the Web platform asks of a cache becomes a call on a channel.

use std::rc::Rc;

use isthmus_protocol::{ChannelId, Header, Operation, Reply, ResponseHead, cache};
use isthmus_web::body::{ByteSink, pump};
use isthmus_web::{CacheAnswer, CacheCall, CacheDone, CacheOperation, FetchAnswer, UploadBody};
use rquickjs::Ctx;

use crate::{Broker, CallBody, CallDone};

/// Asks one of the project's caches; [`isthmus_web::Host::cache`] says the rest.
pub fn cache(
    ctx: &Ctx<'_>,
    broker: &Rc<dyn Broker>,
    call: CacheCall,
    done: CacheDone,
) -> Option<Rc<dyn ByteSink>> {
    let mut body = UploadBody::None;
    let response;
    let operation = match call.operation {
        CacheOperation::Match => cache::Operation::Match,
        CacheOperation::Delete => cache::Operation::Delete,
        CacheOperation::Put {
            status,
            headers,
            body: given,
        } => {
            body = given;
            response = headers;
            cache::Operation::Put(ResponseHead {
                status,
                status_text: "",
                headers: heads(&response),
                upgrade: false,
            })
        }
    };
    let operation = Operation::Cache(cache::Call {
        cache: call.cache.as_deref(),
        key: &call.key,
        headers: heads(&call.headers),
        operation,
    });
    let (body, source) = match body {
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
    let opened = broker.call(ChannelId::CACHES, operation, body, when_done(done));
    match (opened.sink, source) {
        // A source that is held has been handed over by now: letting go of it earlier would cancel it.
        (Some(sink), Some(source)) => {
            pump(ctx, source, sink);
            None
        }
        (sink, _) => sink,
    }
}

fn heads(headers: &[(String, Vec<u8>)]) -> Vec<Header<'_>> {
    headers
        .iter()
        .map(|(name, value)| Header { name, value })
        .collect()
}

fn when_done(done: CacheDone) -> CallDone {
    Box::new(move |ctx, reply, body| {
        let answer = match reply {
            Reply::Cache(cache::Reply::Nothing) => Ok(CacheAnswer::Nothing),
            Reply::Cache(cache::Reply::Done) => Ok(CacheAnswer::Done),
            Reply::Cache(cache::Reply::Found(head)) => Ok(CacheAnswer::Found(FetchAnswer {
                status: head.status,
                status_text: head.status_text.to_owned(),
                headers: head
                    .headers
                    .iter()
                    .map(|header| (header.name.to_owned(), header.value.to_vec()))
                    .collect(),
                body,
            })),
            Reply::Failed(failure) => Err(failure.message.to_owned()),
            _ => Err("The host gave an answer that does not fit the question".to_owned()),
        };
        done(ctx, answer);
    })
}
