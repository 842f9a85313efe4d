//! `Request`: <https://fetch.spec.whatwg.org/#request-class>, with the members that upstream honours.

use std::borrow::Cow;
use std::cell::RefCell;

use rquickjs::class::{JsClass, Readable, Trace, Tracer};
use rquickjs::function::{Constructor, Params};
use rquickjs::{Class, Coerced, Ctx, Exception, JsLifetime, Object, Result, Value};

use super::body::{Body, HasBody, mix_in};
use super::body_init::extract;
use super::cf::Cf;
use super::header_list::HeaderList;
use super::headers::{Slot, fill};
use super::interface::{Interface, absent, argument, construct, receiver, require_new, string, usv_string};
use super::redirect::Redirect;
use super::response::encode_body;
use super::{Fetch, IncomingBody, OutgoingBody, RequestParts};
use crate::mime_type::{MimeType, is_token};

/// A `Request` object.
#[derive(JsLifetime)]
pub(super) struct Request<'js> {
    method: Method,
    url: String,
    headers: RefCell<Slot<'js>>,
    body: Body<'js>,
    redirect: Redirect,
    cache: Option<Cache>,
    /// As it was given: requests outlive no document here.
    keepalive: bool,
    cf: Cf<'js>,
    signal: RefCell<Signal<'js>>,
    /// `encodeResponseBody` is `manual`.
    undecoded: bool,
}

/// A method; the common ones cost no allocation.
#[derive(Clone, JsLifetime)]
struct Method(Cow<'static, str>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cache {
    NoStore,
    NoCache,
}

/// The `signal`, made when it is first asked for.
#[derive(Clone, JsLifetime)]
enum Signal<'js> {
    /// Nobody has asked, and nothing has happened.
    Silent,
    /// Nobody has asked, but the request was aborted for this reason.
    Aborted(String),
    /// Ours to abort.
    Controller(Object<'js>),
    /// User code's.
    Given(Object<'js>),
}

impl<'js> Trace<'js> for Request<'js> {
    fn trace<'a>(&self, tracer: Tracer<'a, 'js>) {
        if let Ok(headers) = self.headers.try_borrow() {
            headers.trace(tracer);
        }
        self.body.trace(tracer);
        self.cf.trace(tracer);
        if let Ok(signal) = self.signal.try_borrow()
            && let Signal::Controller(object) | Signal::Given(object) = &*signal
        {
            object.trace(tracer);
        }
    }
}

impl<'js> JsClass<'js> for Request<'js> {
    const NAME: &'static str = "Request";
    type Mutable = Readable;

    fn constructor(_: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

impl<'js> HasBody<'js> for Request<'js> {
    fn body(&self) -> &Body<'js> {
        &self.body
    }

    fn mime_type(&self) -> Option<MimeType> {
        self.headers.borrow().with(HeaderList::mime_type)
    }
}

pub(super) fn install(ctx: &Ctx<'_>) -> Result<()> {
    let interface = Interface::new::<Request>(ctx, 1, new)?;
    interface
        .attribute("method", |params| {
            string(params.ctx(), &receiver::<Request>(params)?.borrow().method.0)
        })?
        .attribute("url", |params| {
            string(params.ctx(), &receiver::<Request>(params)?.borrow().url)
        })?
        .attribute("headers", |params| {
            Slot::object(&receiver::<Request>(params)?.borrow().headers, params.ctx())
        })?
        .attribute("redirect", |params| {
            let redirect = match receiver::<Request>(params)?.borrow().redirect {
                Redirect::Follow => "follow",
                Redirect::Manual => "manual",
                Redirect::Error => "error",
            };
            string(params.ctx(), redirect)
        })?
        .attribute("fetcher", |params| {
            receiver::<Request>(params)?;
            Ok(Value::new_null(params.ctx().clone()))
        })?
        .attribute("signal", |params| {
            receiver::<Request>(params)?.borrow().signal(params.ctx())
        })?
        .attribute("cf", |params| {
            receiver::<Request>(params)?.borrow().cf.object(params.ctx())
        })?
        .attribute("integrity", |params| {
            receiver::<Request>(params)?;
            string(params.ctx(), "")
        })?
        .attribute("keepalive", |params| {
            let keepalive = receiver::<Request>(params)?.borrow().keepalive;
            Ok(Value::new_bool(params.ctx().clone(), keepalive))
        })?
        .attribute("cache", |params| {
            let cache = receiver::<Request>(params)?.borrow().cache;
            match cache {
                None => Ok(Value::new_undefined(params.ctx().clone())),
                Some(Cache::NoStore) => string(params.ctx(), "no-store"),
                Some(Cache::NoCache) => string(params.ctx(), "no-cache"),
            }
        })?
        .operation("clone", 0, clone)?;
    mix_in::<Request>(&interface)?;
    interface.expose("Request")
}

impl<'js> Request<'js> {
    fn signal(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let signal = self.signal.borrow().clone();
        let controller = match signal {
            Signal::Given(signal) => return Ok(signal.into_value()),
            Signal::Controller(controller) => controller,
            Signal::Silent => {
                let controller: Object = Fetch::of(ctx)?.new_controller.clone().call(())?;
                *self.signal.borrow_mut() = Signal::Controller(controller.clone());
                controller
            }
            Signal::Aborted(reason) => {
                let controller: Object = Fetch::of(ctx)?.new_controller.clone().call(())?;
                Fetch::of(ctx)?
                    .abort
                    .clone()
                    .call::<_, ()>((controller.clone(), reason))?;
                *self.signal.borrow_mut() = Signal::Controller(controller.clone());
                controller
            }
        };
        Fetch::of(ctx)?.signal_of.clone().call((controller,))
    }
}

/// Upper case for the methods that user code may write in any case.
fn normalize_method(ctx: &Ctx<'_>, method: String) -> Result<Method> {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
    if let Some(known) = KNOWN.into_iter().find(|known| method.eq_ignore_ascii_case(known)) {
        return Ok(Method(Cow::Borrowed(known)));
    }
    let forbidden = ["CONNECT", "TRACE", "TRACK"]
        .iter()
        .any(|forbidden| method.eq_ignore_ascii_case(forbidden));
    if forbidden || !is_token(method.as_bytes()) {
        return Err(Exception::throw_type(
            ctx,
            &format!("Invalid HTTP method string: {method}"),
        ));
    }
    Ok(Method(Cow::Owned(method)))
}

fn wrong_type(ctx: &Ctx<'_>, field: &str, kind: &str) -> rquickjs::Error {
    let text = format!(
        "Incorrect type for the '{field}' field on 'RequestInitializerDict': the provided value is not of type '{kind}'."
    );
    Exception::throw_type(ctx, &text)
}

/// The request that the first argument describes. One given as a `Request` keeps its body for now.
fn from_input<'js>(
    ctx: &Ctx<'js>,
    input: &Value<'js>,
) -> Result<(Request<'js>, Option<Class<'js, Request<'js>>>)> {
    if let Some(original) = input.as_object().and_then(Class::<Request>::from_object) {
        let request = {
            let original = original.borrow();
            // The copy can be aborted through the same signal; it is made now so that there is one to share.
            let signal = match original.signal(ctx)?.into_object() {
                Some(signal) => Signal::Given(signal),
                None => Signal::Silent,
            };
            Request {
                method: original.method.clone(),
                url: original.url.clone(),
                headers: RefCell::new(Slot::new(
                    original.headers.borrow().with(HeaderList::clone),
                    false,
                )),
                body: Body::default(),
                redirect: original.redirect,
                cache: original.cache,
                keepalive: original.keepalive,
                cf: original.cf.copy(ctx)?,
                signal: RefCell::new(signal),
                undecoded: original.undecoded,
            }
        };
        return Ok((request, Some(original)));
    }
    let text = usv_string(ctx, input)?;
    let Some(url) = crate::url::absolute(ctx, &text)? else {
        return Err(Exception::throw_type(ctx, &format!("Invalid URL: {text}")));
    };
    let request = Request {
        method: Method(Cow::Borrowed("GET")),
        url: url.into(),
        headers: RefCell::new(Slot::new(HeaderList::default(), false)),
        body: Body::default(),
        redirect: Redirect::Follow,
        cache: None,
        keepalive: false,
        cf: Cf::default(),
        signal: RefCell::new(Signal::Silent),
        undecoded: false,
    };
    Ok((request, None))
}

fn new<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    require_new(params, "Request")?;
    let ctx = params.ctx();
    let Some(input) = params.arg(0) else {
        return Err(Exception::throw_type(
            ctx,
            "Failed to construct 'Request': constructor parameter 1 is not of type 'Request or string'.",
        ));
    };
    let init = argument(params, 1);
    let request = assemble(ctx, &input, &init, "Failed to construct 'Request': constructor")?;
    construct(params, request)
}

/// The request that `fetch(input, init)` sends.
pub(super) fn build<'js>(
    ctx: Ctx<'js>,
    input: Value<'js>,
    init: Value<'js>,
) -> Result<Class<'js, Request<'js>>> {
    let request = assemble(
        &ctx,
        &input,
        &init,
        "Failed to execute 'fetch' on 'ServiceWorkerGlobalScope':",
    )?;
    Class::instance(ctx, request)
}

/// What the constructor makes; `what` begins the text of the error if `init` is of the wrong type.
fn assemble<'js>(ctx: &Ctx<'js>, input: &Value<'js>, init: &Value<'js>, what: &str) -> Result<Request<'js>> {
    let (mut request, original) = from_input(ctx, input)?;
    let given_body = if absent(init) {
        None
    } else if let Some(init) = init.as_object() {
        apply_init(ctx, &mut request, init)?
    } else {
        let text = format!("{what} parameter 2 is not of type 'RequestInitializerDict or Request'.");
        return Err(Exception::throw_type(ctx, &text));
    };
    let inherits = given_body.is_none()
        && original
            .as_ref()
            .is_some_and(|original| !original.borrow().body.is_null());
    if (given_body.is_some() || inherits) && matches!(&*request.method.0, "GET" | "HEAD") {
        return Err(Exception::throw_type(
            ctx,
            "Request with a GET or HEAD method cannot have a body.",
        ));
    }
    if let Some(body) = given_body {
        request.body = body;
    } else if let Some(original) = original.filter(|_| inherits) {
        let original = original.borrow();
        if original.body.is_used(ctx)? {
            return Err(Exception::throw_type(
                ctx,
                "Cannot reconstruct a Request with a used body.",
            ));
        }
        request.body = original.body.hand_over(ctx)?;
    }
    Ok(request)
}

/// What a request is made of when it is sent.
pub(super) struct Taken<'js> {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: HeaderList,
    pub(super) body: OutgoingBody<'js>,
    pub(super) redirect: Redirect,
    /// The `cf` object, as JSON.
    pub(super) cf: Option<String>,
    /// The response's body is wanted as it is sent.
    pub(super) undecoded: bool,
}

impl<'js> Request<'js> {
    /// Takes the request apart; its body is used up by it. Throws if that was used already, or if `cf` is no JSON.
    pub(super) fn take(&self, ctx: &Ctx<'js>) -> Result<Taken<'js>> {
        let cf = self.cf.to_json(ctx)?;
        let mut headers = self.headers.borrow().with(HeaderList::clone);
        let body = self.body.send(ctx, headers.content_length())?;
        if self.cache.is_some() {
            // As upstream tells caches on the way, for either mode.
            for name in ["cache-control", "pragma"] {
                if !headers.has(name) {
                    headers.append(name.to_owned(), b"no-cache".to_vec());
                }
            }
        }
        Ok(Taken {
            method: self.method.0.clone().into_owned(),
            url: self.url.clone(),
            headers,
            body,
            redirect: self.redirect,
            cf,
            undecoded: self.undecoded,
        })
    }
}

/// What a cache needs to know of a request.
pub(crate) struct CacheKey {
    pub(crate) method: String,
    /// What names the entry.
    pub(crate) key: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

/// What a cache needs to know of `input`: a request, whose body is not touched, or a URL. The key is `cf.cacheKey`, if that
/// is given, else the URL without its fragment.
pub(crate) fn cache_key<'js>(ctx: &Ctx<'js>, input: &Value<'js>) -> Result<CacheKey> {
    let request = match input.as_object().and_then(Class::<Request>::from_object) {
        Some(request) => request,
        None => Class::instance(ctx.clone(), from_input(ctx, input)?.0)?,
    };
    let request = request.borrow();
    let given = match request.cf.object(ctx)?.into_object() {
        Some(cf) => cf.get::<_, Value>("cacheKey")?,
        None => Value::new_undefined(ctx.clone()),
    };
    // As upstream: what counts as false is none.
    let key = if absent(&given) {
        String::new()
    } else {
        usv_string(ctx, &given)?
    };
    let url = request.url.split('#').next().unwrap_or_default();
    Ok(CacheKey {
        method: request.method.0.clone().into_owned(),
        key: if key.is_empty() { url.to_owned() } else { key },
        headers: request.headers.borrow().with(HeaderList::clone).into_entries(),
    })
}

/// The signal that a request follows, `undefined` if nobody can have one.
pub(super) fn given_signal<'js>(ctx: Ctx<'js>, request: Class<'js, Request<'js>>) -> Result<Value<'js>> {
    let request = request.borrow();
    if matches!(&*request.signal.borrow(), Signal::Silent) {
        return Ok(Value::new_undefined(ctx));
    }
    request.signal(&ctx)
}

/// Applies the members of `RequestInit`, in upstream's order, and returns the body if there is one.
fn apply_init<'js>(
    ctx: &Ctx<'js>,
    request: &mut Request<'js>,
    init: &Object<'js>,
) -> Result<Option<Body<'js>>> {
    let member = |name: &str| -> Result<Option<Value<'js>>> {
        let value: Value = init.get(name)?;
        Ok(Some(value).filter(|value| !absent(value)))
    };
    if let Some(method) = member("method")? {
        request.method = normalize_method(ctx, usv_string(ctx, &method)?)?;
    }
    if let Some(headers) = member("headers")? {
        let list = fill(
            ctx,
            &headers,
            "Incorrect type for the 'headers' field on 'RequestInitializerDict': the provided value",
        )?;
        request.headers = RefCell::new(Slot::new(list, false));
    }
    let body = init_body(ctx, request, init)?;
    // A stream needs none, as upstream has it.
    if let Some(duplex) = member("duplex")? {
        let duplex = usv_string(ctx, &duplex)?;
        if duplex != "half" {
            let text =
                format!("The provided value '{duplex}' is not a valid enum value of type RequestDuplex.");
            return Err(Exception::throw_type(ctx, &text));
        }
    }
    if let Some(redirect) = member("redirect")? {
        request.redirect = match usv_string(ctx, &redirect)?.as_str() {
            "follow" => Redirect::Follow,
            "manual" => Redirect::Manual,
            "error" => Redirect::Error,
            _ => {
                return Err(Exception::throw_type(
                    ctx,
                    "Invalid redirect value, must be one of \"follow\", \"manual\" or \"error\".",
                ));
            }
        };
    }
    if member("fetcher")?.is_some() {
        return Err(Exception::throw_type(
            ctx,
            "A Request with a 'fetcher' is not supported yet.",
        ));
    }
    if let Some(cf) = member("cf")? {
        if !cf.is_object() {
            return Err(wrong_type(ctx, "cf", "Object"));
        }
        request.cf = Cf::given(ctx, cf)?;
    }
    if let Some(cache) = member("cache")? {
        request.cache = match usv_string(ctx, &cache)?.as_str() {
            "no-store" => Some(Cache::NoStore),
            "no-cache" => Some(Cache::NoCache),
            other => {
                return Err(Exception::throw_type(
                    ctx,
                    &format!("Unsupported cache mode: {other}"),
                ));
            }
        };
    }
    // A hint for browsers: taken no notice of, once it is known to be one.
    if let Some(priority) = member("priority")?
        && !matches!(usv_string(ctx, &priority)?.as_str(), "high" | "low" | "auto")
    {
        return Err(Exception::throw_type(
            ctx,
            "Invalid priority value, must be one of \"high\", \"low\" or \"auto\".",
        ));
    }
    if let Some(integrity) = member("integrity")?
        && !usv_string(ctx, &integrity)?.is_empty()
    {
        return Err(Exception::throw_type(
            ctx,
            "Subrequest integrity checking is not implemented. The integrity option must be either undefined or an empty string.",
        ));
    }
    if let Some(keepalive) = member("keepalive")? {
        request.keepalive = keepalive.get::<Coerced<bool>>()?.0;
    }
    init_signal(ctx, request, init)?;
    if let Some(manual) = encode_body(ctx, init, "encodeResponseBody")? {
        request.undecoded = manual;
    }
    Ok(body)
}

fn init_body<'js>(ctx: &Ctx<'js>, request: &Request<'js>, init: &Object<'js>) -> Result<Option<Body<'js>>> {
    // Another request may serve as the init; its body is taken, not shared.
    if let Some(other) = Class::<Request>::from_object(init) {
        let other = other.borrow();
        return if other.body.is_null() {
            Ok(None)
        } else {
            Ok(Some(other.body.hand_over(ctx)?))
        };
    }
    let body: Value = init.get("body")?;
    if absent(&body) {
        return Ok(None);
    }
    let extracted = extract(ctx, &body)?;
    let mut headers = request.headers.borrow().with(HeaderList::clone);
    let body = extracted.describe(&mut headers);
    *request.headers.borrow_mut() = Slot::new(headers, false);
    Ok(Some(body))
}

fn init_signal<'js>(ctx: &Ctx<'js>, request: &Request<'js>, init: &Object<'js>) -> Result<()> {
    let signal: Value = init.get("signal")?;
    if signal.is_null() {
        *request.signal.borrow_mut() = Signal::Silent;
    } else if let Some(object) = signal.as_object() {
        let is_signal: bool = Fetch::of(ctx)?.is_signal.clone().call((signal.clone(),))?;
        if !is_signal {
            return Err(wrong_type(ctx, "signal", "AbortSignal"));
        }
        *request.signal.borrow_mut() = Signal::Given(object.clone());
    } else if !signal.is_undefined() {
        return Err(wrong_type(ctx, "signal", "AbortSignal"));
    }
    Ok(())
}

fn clone<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    let ctx = params.ctx();
    let original = receiver::<Request>(params)?;
    let original = original.borrow();
    let signal = match original.signal(ctx)?.into_object() {
        Some(signal) => Signal::Given(signal),
        None => Signal::Silent,
    };
    let request = Request {
        method: original.method.clone(),
        url: original.url.clone(),
        body: original.body.copy(ctx)?,
        headers: RefCell::new(original.headers.borrow().copy()),
        redirect: original.redirect,
        cache: original.cache,
        keepalive: original.keepalive,
        cf: original.cf.copy(ctx)?,
        signal: RefCell::new(signal),
        undecoded: original.undecoded,
    };
    Ok(Class::instance(ctx.clone(), request)?.into_value())
}

/// A request that comes from outside. Its headers are immutable; headers, body, `cf` and signal become JavaScript
/// objects only when they are asked for.
pub fn new_request<'js>(ctx: &Ctx<'js>, parts: RequestParts, body: IncomingBody) -> Result<Object<'js>> {
    let request = Request {
        method: Method(if parts.method == "GET" {
            Cow::Borrowed("GET")
        } else {
            Cow::Owned(parts.method)
        }),
        url: parts.url,
        headers: RefCell::new(Slot::new(HeaderList::trusted(parts.headers), true)),
        body: body.into(),
        redirect: Redirect::Manual,
        cache: None,
        keepalive: false,
        cf: Cf::from_json(parts.cf),
        signal: RefCell::new(Signal::Silent),
        undecoded: false,
    };
    Ok(Class::instance(ctx.clone(), request)?.into_inner())
}

/// Aborts the signal of a request made by [`new_request`], with an `AbortError` that says `reason`. Does nothing for
/// other objects, and for requests whose signal is user code's.
pub fn abort_request<'js>(ctx: &Ctx<'js>, request: &Object<'js>, reason: &str) -> Result<()> {
    let Some(request) = Class::<Request>::from_object(request) else {
        return Ok(());
    };
    let request = request.borrow();
    let signal = request.signal.borrow().clone();
    match signal {
        Signal::Silent => *request.signal.borrow_mut() = Signal::Aborted(reason.to_owned()),
        Signal::Controller(controller) => {
            Fetch::of(ctx)?
                .abort
                .clone()
                .call::<_, ()>((controller, reason))?;
        }
        Signal::Aborted(_) | Signal::Given(_) => {}
    }
    Ok(())
}
