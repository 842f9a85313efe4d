//! The Cache API through the host: what the Web platform asks of a cache becomes a call on a channel.

use std::rc::Rc;

use isthmus_protocol::{ChannelId, Header, Operation, Reply, ResponseHead, cache};
use isthmus_web::body::ByteSink;
use isthmus_web::{CacheAnswer, CacheCall, CacheDone, CacheOperation, UploadBody};
use rquickjs::Ctx;

use crate::{Broker, CallDone, exchange};

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
                headers: Header::borrowed(&response),
                upgrade: false,
            })
        }
    };
    let operation = Operation::Cache(cache::Call {
        cache: call.cache.as_deref(),
        key: &call.key,
        headers: Header::borrowed(&call.headers),
        operation,
    });
    exchange::begin(ctx, broker, ChannelId::CACHES, operation, body, when_done(done)).sink
}

fn when_done(done: CacheDone) -> CallDone {
    Box::new(move |ctx, reply, body| {
        let answer = match reply {
            Reply::Cache(cache::Reply::Nothing) => Ok(CacheAnswer::Nothing),
            Reply::Cache(cache::Reply::Done) => Ok(CacheAnswer::Done),
            Reply::Cache(cache::Reply::Found(head)) => Ok(CacheAnswer::Found(exchange::answer(&head, body))),
            Reply::Failed(failure) => Err(failure.message.to_owned()),
            _ => Err(exchange::UNFIT.to_owned()),
        };
        done(ctx, answer);
    })
}
