//! `caches`, `CacheStorage` and `Cache`: <https://w3c.github.io/ServiceWorker/#cache-interface>, as far as upstream has
//! them: <https://developers.cloudflare.com/workers/runtime-apis/cache/>.
//!
//! Here is what a request and a response must be like; what is kept, and for how long, is the business of [`Host::cache`].

use std::rc::Rc;

use rquickjs::function::Opt;
use rquickjs::{Ctx, Exception, Function, Result, Value};

use crate::body::{ByteSink, ByteTransform, OutgoingBody};
use crate::fetch::{self, BodyEncoder, CacheKey, Coding};
use crate::host::{CacheAnswer, CacheCall, CacheOperation, Host, UploadBody};
use crate::script;
use crate::streams::{self, Ticket};

/// As `cache.js` has them.
const NOTHING: u8 = 0;
const DONE: u8 = 1;
const FOUND: u8 = 2;
const FAILED: u8 = 3;

/// Defines `caches`, `CacheStorage` and `Cache`. Needs fetch and streams.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(ctx, "cache/cache.js", include_str!("cache.js"), |native| {
        let ctx = native.ctx();
        native.set(
            "byteLength",
            Function::new(ctx.clone(), |text: String| text.len())?,
        )?;
        native.set("ask", Function::new(ctx.clone(), ask)?)?;
        native.set("put", Function::new(ctx.clone(), put)?)
    })
}

/// Looks for a response, or removes it; `false` if there can be none.
fn ask<'js>(
    ctx: Ctx<'js>,
    cache: Opt<Option<String>>,
    request: Value<'js>,
    ignore_method: bool,
    is_removed: bool,
    answered: Function<'js>,
) -> Result<bool> {
    let request = fetch::cache_key(&ctx, &request)?;
    if request.method != "GET" && !ignore_method {
        return Ok(false);
    }
    let operation = if is_removed {
        CacheOperation::Delete
    } else {
        CacheOperation::Match
    };
    send(&ctx, cache, request, operation, answered)?;
    Ok(true)
}

/// Stores a response; `false` if nothing is to be done. `answered` hears of the end, `failed` gets what a stream that is the
/// response's body failed with.
fn put<'js>(
    ctx: Ctx<'js>,
    cache: Opt<Option<String>>,
    request: Value<'js>,
    response: Value<'js>,
    answered: Function<'js>,
    failed: Function<'js>,
) -> Result<bool> {
    let refuse = |message: &str| Err(Exception::throw_type(&ctx, message));
    let Some(head) = fetch::cache_facts(&response) else {
        return refuse("Failed to execute 'put' on 'Cache': parameter 2 is not of type 'Response'.");
    };
    if head.status == 0 {
        return refuse("Cache is unable to store an error response");
    }
    let request = fetch::cache_key(&ctx, &request)?;
    if request.method != "GET" {
        return refuse("Cannot cache response to non-GET request.");
    }
    if head.status == 206 {
        return refuse("Cannot cache response to a range request (206 Partial Content).");
    }
    if head.varies_by_anything {
        return refuse("Cannot cache response with 'Vary: *' header.");
    }
    if head.status == 101 {
        return refuse("Cannot cache WebSocket upgrade response.");
    }
    if head.status == 304 {
        // It says nothing without the response that the client has.
        return Ok(false);
    }
    let Some((parts, body)) = fetch::response_parts(&ctx, &response)? else {
        return refuse("Failed to execute 'put' on 'Cache': parameter 2 is not of type 'Response'.");
    };
    let (body, stream) = match body {
        OutgoingBody::None => (UploadBody::None, None),
        OutgoingBody::Bytes(bytes) => (UploadBody::Bytes(bytes), None),
        OutgoingBody::Source { source, length } if parts.codings.is_empty() => {
            (UploadBody::Source { source, length }, None)
        }
        OutgoingBody::Source { source, .. } => {
            let stream = streams::readable(&ctx, source, None)?;
            (UploadBody::Stream { length: None }, Some(stream))
        }
        OutgoingBody::Stream { stream, length } => (UploadBody::Stream { length }, Some(stream)),
    };
    let operation = CacheOperation::Put {
        status: parts.status,
        headers: parts.headers,
        body,
    };
    let sink = send(&ctx, cache, request, operation, answered)?;
    if let (Some(mut stream), Some(sink)) = (stream, sink) {
        for coding in parts.codings {
            stream = encoded(&ctx, stream, coding)?;
        }
        streams::drain_watched(&ctx, stream, sink, failed)?;
    }
    Ok(true)
}

/// The bytes of a stream with a coding put on them.
fn encoded<'js>(
    ctx: &Ctx<'js>,
    stream: rquickjs::Object<'js>,
    coding: Coding,
) -> Result<rquickjs::Object<'js>> {
    let transform = BodyEncoder::new(coding).map_err(|reason| Exception::throw_message(ctx, &reason))?;
    streams::through(ctx, stream, Box::new(transform) as Box<dyn ByteTransform>)
}

/// Asks the host, and has `answered` called with what came of it.
fn send<'js>(
    ctx: &Ctx<'js>,
    cache: Opt<Option<String>>,
    request: CacheKey,
    operation: CacheOperation,
    answered: Function<'js>,
) -> Result<Option<Rc<dyn ByteSink>>> {
    let call = CacheCall {
        cache: cache.0.flatten(),
        key: request.key,
        headers: request.headers,
        operation,
    };
    let ticket = streams::keep(ctx, answered.into_inner())?;
    let host: Rc<dyn Host> = script::host(ctx)?;
    let begun = host.cache(ctx, call, Box::new(move |ctx, answer| tell(ctx, ticket, answer)));
    begun.map_err(|message| Exception::throw_message(ctx, &message))
}

fn tell<'js>(ctx: &Ctx<'js>, ticket: Ticket, answer: std::result::Result<CacheAnswer, String>) {
    let answered = ticket
        .redeem(ctx)
        .and_then(|answered| answered.into_value().into_function());
    let Some(answered) = answered else { return };
    let told: Result<()> = match answer {
        Ok(CacheAnswer::Nothing) => answered.call((NOTHING,)),
        Ok(CacheAnswer::Done) => answered.call((DONE,)),
        Ok(CacheAnswer::Found(answer)) => match fetch::cached(ctx, answer) {
            Ok(response) => answered.call((FOUND, response)),
            Err(error) => Err(error),
        },
        Err(message) => answered.call((FAILED, message)),
    };
    if told.is_err() {
        // Only the engine's limits (memory, stack) can have thrown; there is nobody here to tell.
        ctx.catch();
    }
}
