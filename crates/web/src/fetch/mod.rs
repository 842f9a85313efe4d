//! `fetch`, `Headers`, `Request` and `Response`: <https://fetch.spec.whatwg.org/>.
//!
//! The classes are Rust. What a request or response is made of stays Rust data until JavaScript asks for it: a
//! simple exchange makes one object each and runs no script.

use rquickjs::{Ctx, Exception, Function, JsLifetime, Object, Result, Value};

use crate::body::{IncomingBody, OutgoingBody};
use crate::script;

mod body;
mod body_init;
mod cf;
mod coded;
mod coding;
mod data_url;
mod header_list;
mod headers;
mod headers_iterator;
mod interface;
mod outbound;
mod redirect;
mod request;
mod response;

pub(crate) use coded::BodyEncoder;
pub use coded::Encoding;
pub use coding::Coding;
pub(crate) use outbound::cached;
pub use outbound::{Destination, destination};
pub(crate) use request::{CacheKey, cache_key};
pub use request::{abort_request, new_request};
pub(crate) use response::{cache_facts, response_head, response_stream};
pub(crate) use response::{is_error_response, is_response, response_charset, response_with_body};
pub use response::{new_response, response_parts, response_socket};

/// What a request is made of, its body apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestParts {
    /// As it was sent.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Valid names and values, in the order they were sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The `cf` object, as JSON.
    pub cf: Option<String>,
}

/// What a response is made of, its body apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseParts {
    /// 101 or 200 to 599.
    pub status: u16,
    /// Often empty: the standard phrase is then up to whoever sends it.
    pub status_text: String,
    /// Names in lower case, and values, in the order they were added.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The codings to put on a body that comes piece by piece (see [`Encoding`]), since the headers promise them.
    pub codings: Vec<Coding>,
}

/// What Rust calls in `fetch.js`.
#[derive(JsLifetime)]
struct Fetch<'js> {
    abort: Function<'js>,
    body_from_iterable: Function<'js>,
    headers_iterator: Value<'js>,
    is_signal: Function<'js>,
    new_controller: Function<'js>,
    pairs: Function<'js>,
    record: Function<'js>,
    search_params: Function<'js>,
    signal_of: Function<'js>,
}

impl<'js> Fetch<'js> {
    fn of<'a>(ctx: &'a Ctx<'js>) -> Result<rquickjs::runtime::UserDataGuard<'a, Self>> {
        ctx.userdata::<Self>()
            .ok_or_else(|| Exception::throw_internal(ctx, "Fetch is not installed in this context"))
    }
}

/// Defines `Headers`, `Request`, `Response` and `fetch`. Needs streams, URLs and events.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    headers::install(ctx)?;
    request::install(ctx)?;
    response::install(ctx)?;
    script::evaluate(ctx, "fetch/fetch.js", include_str!("fetch.js"), |native| {
        native.set("headersIterator", headers_iterator::prototype(native.ctx())?)?;
        native.set("flat", Function::new(native.ctx().clone(), headers::flat)?)?;
        native.set(
            "byteString",
            Function::new(native.ctx().clone(), headers::to_byte_string)?,
        )?;
        native.set("version", Function::new(native.ctx().clone(), headers::version)?)
    })?;
    let fetch: Object = script::shared(ctx)?.get("fetch")?;
    let state = Fetch {
        abort: fetch.get("abort")?,
        body_from_iterable: fetch.get("bodyFromIterable")?,
        headers_iterator: fetch.get("headersIterator")?,
        is_signal: fetch.get("isSignal")?,
        new_controller: fetch.get("newController")?,
        pairs: fetch.get("pairs")?,
        record: fetch.get("record")?,
        search_params: fetch.get("searchParams")?,
        signal_of: fetch.get("signalOf")?,
    };
    ctx.store_userdata(state)
        .map_err(|_| Exception::throw_internal(ctx, "Fetch is in use and cannot be replaced"))?;
    outbound::install(ctx)
}

/// Lets go of every JavaScript value that Rust holds on behalf of fetch.
pub(crate) fn teardown(ctx: &Ctx<'_>) {
    // Fails only while a guard of `userdata` is alive, and no function here keeps one.
    drop(ctx.remove_userdata::<Fetch<'_>>());
}
