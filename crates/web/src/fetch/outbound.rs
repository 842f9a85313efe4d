//! `fetch()`: <https://fetch.spec.whatwg.org/#fetch-method>, its network part.
//!
//! `outbound.js` has the promise and the signal. A fetch is one exchange with [`Host::fetch`] after another, as long
//! as the answers are redirects to be followed ([`super::redirect`]); it never leaves Rust meanwhile.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rquickjs::class::{JsClass, Readable, Trace};
use rquickjs::function::Constructor;
use rquickjs::{Class, Ctx, Exception, Function, JsLifetime, Object, Result, Value};

use super::coded::Decoded;
use super::coding::Coding;
use super::request::{self, Request, Taken};
use super::response::{self, Fetched};
use super::{ResponseParts, data_url, redirect};
use crate::body::{ByteSink, ByteSource, IncomingBody, OutgoingBody, Whole};
use crate::host::{Begun, Exchange, FetchAnswer, FetchDone, Host, OutgoingRequest, UploadBody};
use crate::script;
use crate::streams::{self, Ticket};
use crate::url::Url;
use crate::websocket;

/// What is said of a URL whose scheme leads nowhere.
pub(super) fn cannot_load(url: &Url) -> String {
    format!("Fetch API cannot load: {url}")
}

/// Defines `fetch`. Needs everything else of this folder.
pub(super) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(ctx, "fetch/outbound.js", include_str!("outbound.js"), |native| {
        let ctx = native.ctx();
        native.set("request", Function::new(ctx.clone(), request::build)?)?;
        native.set("signal", Function::new(ctx.clone(), request::given_signal)?)?;
        native.set("takeBody", Function::new(ctx.clone(), take_body)?)?;
        native.set(
            "abortableBody",
            Function::new(ctx.clone(), response::abortable_body)?,
        )?;
        native.set("begin", Function::new(ctx.clone(), begin)?)?;
        native.set("cancel", Function::new(ctx.clone(), cancel)?)?;
        native.set("upload", Function::new(ctx.clone(), upload)?)
    })
}

/// A fetch under way, as `outbound.js` holds it.
#[derive(Trace, JsLifetime)]
struct Underway<'js> {
    #[qjs(skip_trace)]
    outbound: Rc<Outbound>,
    /// The stream that is the request's body.
    upload: Option<Object<'js>>,
}

impl<'js> JsClass<'js> for Underway<'js> {
    const NAME: &'static str = "Underway";
    type Mutable = Readable;

    fn constructor(_: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

/// Where requests go that are not for the network: to it they go as [`Host::fetch`] says.
pub trait Destination: 'static {
    /// Makes one exchange, as [`Host::fetch`].
    ///
    /// # Errors
    /// As [`Host::fetch`].
    fn fetch(
        &self,
        ctx: &Ctx<'_>,
        request: OutgoingRequest,
        done: FetchDone,
    ) -> std::result::Result<Begun, String>;
}

/// The object by which scripts speak of a destination.
///
/// # Errors
/// A JavaScript exception: no memory.
pub fn destination<'js>(ctx: &Ctx<'js>, to: Rc<dyn Destination>) -> Result<Value<'js>> {
    Ok(Class::instance(ctx.clone(), Way(to))?.into_value())
}

#[derive(Trace, JsLifetime)]
struct Way(#[qjs(skip_trace)] Rc<dyn Destination>);

impl<'js> JsClass<'js> for Way {
    const NAME: &'static str = "Destination";
    type Mutable = Readable;

    fn constructor(_: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

struct Network(Rc<dyn Host>);

impl Destination for Network {
    fn fetch(
        &self,
        ctx: &Ctx<'_>,
        request: OutgoingRequest,
        done: FetchDone,
    ) -> std::result::Result<Begun, String> {
        self.0.fetch(ctx, request, done)
    }
}

/// A fetch that has not been answered.
struct Outbound {
    to: Rc<dyn Destination>,
    /// The redirects so far.
    trail: RefCell<redirect::Trail>,
    /// Hand the body over as it was sent, compressed or not.
    undecoded: bool,
    exchange: RefCell<Option<Rc<dyn Exchange>>>,
    /// The function of `outbound.js` that waits for the answer.
    answered: Cell<Option<Ticket>>,
}

/// Takes the body of a request that is not sent; `undefined` if it is no stream.
fn take_body<'js>(ctx: Ctx<'js>, request: Class<'js, Request<'js>>) -> Result<Value<'js>> {
    let taken = request.borrow().take(&ctx)?;
    Ok(match taken.body {
        OutgoingBody::Stream { stream, .. } => stream.into_value(),
        OutgoingBody::Source { source, .. } => {
            source.cancel();
            Value::new_undefined(ctx)
        }
        OutgoingBody::None | OutgoingBody::Bytes(_) => Value::new_undefined(ctx),
    })
}

/// Sends a request. `answered` is called with the response, or with `undefined` and a message, `failed` with what a
/// stream that is the request's body failed with. A `data:` URL is answered at once. `destination` is undefined for the
/// network.
fn begin<'js>(
    ctx: Ctx<'js>,
    request: Class<'js, Request<'js>>,
    answered: Function<'js>,
    failed: Function<'js>,
    destination: Value<'js>,
) -> Result<Value<'js>> {
    let Taken {
        method,
        url,
        headers,
        body,
        redirect,
        cf,
        undecoded,
    } = request.borrow().take(&ctx)?;
    // Parsed before by the constructor of the request.
    let Some(url) = Url::parse(&url, None) else {
        return Err(Exception::throw_type(&ctx, &format!("Invalid URL: {url}")));
    };
    match url.scheme() {
        "http" | "https" => {}
        "data" => {
            let Some(answer) = data_url::answer(&url) else {
                return Err(Exception::throw_type(&ctx, &cannot_load(&url)));
            };
            let response = respond(&ctx, answer, without_fragment(url), false, method == "HEAD", true)?;
            answered.call::<_, ()>((response,))?;
            return Ok(Value::new_undefined(ctx));
        }
        _ => return Err(Exception::throw_type(&ctx, &cannot_load(&url))),
    }
    let (body, stream) = match body {
        OutgoingBody::None => (UploadBody::None, None),
        OutgoingBody::Bytes(bytes) => (UploadBody::Bytes(bytes), None),
        OutgoingBody::Source { source, length } => (UploadBody::Source { source, length }, None),
        OutgoingBody::Stream { stream, length } => (UploadBody::Stream { length }, Some(stream)),
    };
    let replay = match &body {
        UploadBody::None => redirect::Replay::Nothing,
        UploadBody::Bytes(bytes) => redirect::Replay::Bytes(bytes.clone()),
        UploadBody::Source { .. } | UploadBody::Stream { .. } => redirect::Replay::Impossible,
    };
    let outbound = Rc::new(Outbound {
        to: match Class::<Way>::from_value(&destination) {
            Ok(way) => Rc::clone(&way.borrow().0),
            Err(_) => Rc::new(Network(script::host(&ctx)?)),
        },
        trail: RefCell::new(redirect::Trail::new(redirect, url, method, headers, cf, replay)),
        undecoded,
        exchange: RefCell::default(),
        answered: Cell::new(Some(streams::keep(&ctx, answered.into_inner())?)),
    });
    let sink = outbound
        .send(&ctx, body)
        .map_err(|message| Exception::throw_message(&ctx, &message))?;
    let underway = Class::instance(
        ctx.clone(),
        Underway {
            outbound,
            upload: stream.clone(),
        },
    )?;
    if let (Some(stream), Some(sink)) = (stream, sink) {
        streams::drain_watched(&ctx, stream, sink, failed)?;
    }
    Ok(underway.into_value())
}

/// Gives a fetch up: its answer is ignored.
fn cancel<'js>(underway: Class<'js, Underway<'js>>) {
    let outbound = Rc::clone(&underway.borrow().outbound);
    drop(outbound.answered.take());
    let exchange = outbound.exchange.take();
    if let Some(exchange) = exchange {
        exchange.cancel();
    }
}

/// The stream that is being sent.
fn upload<'js>(ctx: Ctx<'js>, underway: Class<'js, Underway<'js>>) -> Value<'js> {
    let upload = underway.borrow().upload.clone();
    upload.map_or_else(|| Value::new_undefined(ctx), Object::into_value)
}

impl Outbound {
    /// Begins the next exchange, with the head that the trail has come to.
    fn send(
        self: &Rc<Self>,
        ctx: &Ctx<'_>,
        body: UploadBody,
    ) -> std::result::Result<Option<Rc<dyn ByteSink>>, String> {
        let request = {
            let trail = self.trail.borrow();
            OutgoingRequest {
                method: trail.method().to_owned(),
                url: trail.url().to_string(),
                headers: trail.headers(),
                cf: trail.cf().map(ToOwned::to_owned),
                body,
            }
        };
        let this = Rc::clone(self);
        let begun = self.to.fetch(
            ctx,
            request,
            Box::new(move |ctx, answer| this.answer(ctx, answer)),
        )?;
        *self.exchange.borrow_mut() = Some(begun.exchange);
        Ok(begun.upload)
    }

    fn answer(self: Rc<Self>, ctx: &Ctx<'_>, answer: std::result::Result<FetchAnswer, String>) {
        drop(self.exchange.take());
        let outcome = answer.and_then(|answer| {
            let location = redirect::location(answer.status, &answer.headers);
            let next = self.trail.borrow_mut().next(answer.status, location)?;
            let Some(body) = next else { return Ok(Some(answer)) };
            if let IncomingBody::Source { source, .. } = answer.body {
                source.cancel();
            }
            self.send(ctx, body).map(|_| None)
        });
        match outcome {
            Ok(None) => {}
            Ok(Some(answer)) => {
                let (url, redirected, headless) = {
                    let trail = self.trail.borrow();
                    (
                        trail.url().clone(),
                        trail.is_redirected(),
                        trail.method() == "HEAD",
                    )
                };
                let url = without_fragment(url);
                let response = respond(ctx, answer, url, redirected, headless, self.undecoded);
                self.tell(
                    ctx,
                    response.map_err(|error| super::interface::thrown(ctx, error)),
                );
            }
            Err(message) => {
                let message = super::interface::string(ctx, &message);
                self.tell(ctx, Err(message.unwrap_or_else(|_| ctx.catch())));
            }
        }
    }

    /// Calls the function that waits, with a response or with a message.
    fn tell<'js>(&self, ctx: &Ctx<'js>, outcome: std::result::Result<Object<'js>, Value<'js>>) {
        let answered = self.answered.take().and_then(|ticket| ticket.redeem(ctx));
        let Some(answered) = answered.and_then(|answered| answered.into_value().into_function()) else {
            return;
        };
        let told: Result<()> = match outcome {
            Ok(response) => answered.call((response,)),
            Err(message) => answered.call((Value::new_undefined(ctx.clone()), message)),
        };
        if told.is_err() {
            // Only the engine's limits (memory, stack) can have thrown; there is nobody here to tell.
            ctx.catch();
        }
    }
}

/// A coded body as what it means.
fn decoded(body: IncomingBody, codings: Vec<Coding>) -> IncomingBody {
    let (source, length) = match body {
        body @ (IncomingBody::None | IncomingBody::Socket(_)) => return body,
        // Without bytes there is no coding either.
        IncomingBody::Bytes(bytes) if bytes.is_empty() => return IncomingBody::Bytes(bytes),
        IncomingBody::Bytes(bytes) => {
            let length = bytes.len() as u64;
            (Rc::new(Whole::new(bytes)) as Rc<dyn ByteSource>, Some(length))
        }
        IncomingBody::Source { source, length } => (source, length),
    };
    IncomingBody::Source {
        source: Decoded::new(source, codings, length),
        length: None,
    }
}

fn without_fragment(mut url: Url) -> String {
    url.set_fragment(None);
    url.into()
}

/// The `Response` of an answer that a cache gave.
pub(crate) fn cached<'js>(ctx: &Ctx<'js>, answer: FetchAnswer) -> Result<Object<'js>> {
    respond(ctx, answer, String::new(), false, false, false)
}

/// The `Response` of an answer that is final.
fn respond<'js>(
    ctx: &Ctx<'js>,
    answer: FetchAnswer,
    url: String,
    redirected: bool,
    headless: bool,
    undecoded: bool,
) -> Result<Object<'js>> {
    let mut web_socket = None;
    let body = match answer.body {
        IncomingBody::Socket(socket) => {
            web_socket = Some(websocket::connected(ctx, socket)?);
            IncomingBody::None
        }
        body if headless || matches!(answer.status, 101 | 103 | 204 | 205 | 304) => {
            if let IncomingBody::Source { source, .. } = body {
                source.cancel();
            }
            IncomingBody::None
        }
        IncomingBody::None => IncomingBody::Bytes(bytes::Bytes::new()),
        body => body,
    };
    let codings = answer
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding"))
        .map(|(_, value)| value.as_slice());
    let body = match Coding::list(codings) {
        Some(codings) if !undecoded && !codings.is_empty() => decoded(body, codings),
        _ => body,
    };
    let parts = ResponseParts {
        status: answer.status,
        status_text: answer.status_text,
        headers: answer.headers,
        codings: Vec::new(),
    };
    response::fetched(
        ctx,
        Fetched {
            parts,
            url,
            redirected,
            body,
            undecoded,
            web_socket,
        },
    )
}
