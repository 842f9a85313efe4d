//! `Response`: <https://fetch.spec.whatwg.org/#response-class>, with upstream's `cf`, `webSocket` and `encodeBody`.

use std::cell::RefCell;

use rquickjs::class::{JsClass, Readable, Trace, Tracer};
use rquickjs::function::{Constructor, Params};
use rquickjs::{Class, Coerced, Ctx, Exception, JsLifetime, Object, Result, Value};

use super::body::{Body, HasBody, mix_in};
use super::body_init::{Extracted, extract};
use super::cf::Cf;
use super::coded;
use super::coding::Coding;
use super::header_list::HeaderList;
use super::headers::{Slot, fill};
use super::interface::{
    Interface, absent, argument, byte_string, construct, from_byte_string, receiver, require_new, required,
    string, usv_string,
};
use super::{IncomingBody, OutgoingBody, ResponseParts};
use crate::mime_type::MimeType;
use crate::websocket;

/// A `Response` object.
#[derive(JsLifetime)]
pub(super) struct Response<'js> {
    status: u16,
    /// One byte per code point.
    status_text: Vec<u8>,
    url: String,
    redirected: bool,
    headers: RefCell<Slot<'js>>,
    body: Body<'js>,
    /// The body has the codings that the headers promise.
    manual: bool,
    cf: Cf<'js>,
    /// The client's end of a connection that begins with this response.
    web_socket: Option<Object<'js>>,
}

impl<'js> Trace<'js> for Response<'js> {
    fn trace<'a>(&self, tracer: Tracer<'a, 'js>) {
        if let Ok(headers) = self.headers.try_borrow() {
            headers.trace(tracer);
        }
        self.body.trace(tracer);
        self.cf.trace(tracer);
        self.web_socket.trace(tracer);
    }
}

impl<'js> JsClass<'js> for Response<'js> {
    const NAME: &'static str = "Response";
    type Mutable = Readable;

    fn constructor(_: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

impl<'js> HasBody<'js> for Response<'js> {
    fn body(&self) -> &Body<'js> {
        &self.body
    }

    fn mime_type(&self) -> Option<MimeType> {
        self.headers.borrow().with(HeaderList::mime_type)
    }
}

pub(super) fn install(ctx: &Ctx<'_>) -> Result<()> {
    let interface = Interface::new::<Response>(ctx, 0, new)?;
    interface
        .static_operation("error", 0, error)?
        .static_operation("json", 1, json)?
        .static_operation("redirect", 1, redirect)?
        .attribute("status", |params| {
            let status = receiver::<Response>(params)?.borrow().status;
            Ok(Value::new_int(params.ctx().clone(), status.into()))
        })?
        .attribute("statusText", |params| {
            from_byte_string(params.ctx(), &receiver::<Response>(params)?.borrow().status_text)
        })?
        .attribute("ok", |params| {
            let ok = (200..300).contains(&receiver::<Response>(params)?.borrow().status);
            Ok(Value::new_bool(params.ctx().clone(), ok))
        })?
        .attribute("headers", |params| {
            Slot::object(&receiver::<Response>(params)?.borrow().headers, params.ctx())
        })?
        .attribute("url", |params| {
            string(params.ctx(), &receiver::<Response>(params)?.borrow().url)
        })?
        .attribute("redirected", |params| {
            let redirected = receiver::<Response>(params)?.borrow().redirected;
            Ok(Value::new_bool(params.ctx().clone(), redirected))
        })?
        .attribute("type", |params| {
            let failed = receiver::<Response>(params)?.borrow().status == 0;
            string(params.ctx(), if failed { "error" } else { "default" })
        })?
        .attribute("cf", |params| {
            receiver::<Response>(params)?.borrow().cf.object(params.ctx())
        })?
        .attribute("webSocket", |params| {
            let socket = receiver::<Response>(params)?.borrow().web_socket.clone();
            Ok(socket.map_or_else(|| Value::new_null(params.ctx().clone()), Object::into_value))
        })?
        .operation("clone", 0, clone)?;
    mix_in::<Response>(&interface)?;
    interface.expose("Response")
}

/// The members of `ResponseInit`.
struct Init<'js> {
    status: u16,
    status_text: Vec<u8>,
    headers: HeaderList,
    cf: Cf<'js>,
    manual: bool,
    web_socket: Option<Object<'js>>,
}

impl<'js> Init<'js> {
    fn read(ctx: &Ctx<'js>, init: &Value<'js>) -> Result<Self> {
        let mut read = Self {
            status: 200,
            status_text: Vec::new(),
            headers: HeaderList::default(),
            cf: Cf::default(),
            manual: false,
            web_socket: None,
        };
        if absent(init) {
            return Ok(read);
        }
        let Some(object) = init.as_object() else {
            return Err(Exception::throw_type(
                ctx,
                "Failed to construct 'Response': constructor parameter 2 is not of type 'InitializerDict or Response'.",
            ));
        };
        let status: Value = object.get("status")?;
        let given = if absent(&status) { 200.0 } else { number(&status)? };
        let status_text: Value = object.get("statusText")?;
        if !absent(&status_text) {
            read.status_text = reason_phrase(ctx, &status_text)?;
        }
        let headers: Value = object.get("headers")?;
        if !absent(&headers) {
            read.headers = fill(
                ctx,
                &headers,
                "Incorrect type for the 'headers' field on 'InitializerDict': the provided value",
            )?;
        }
        let cf: Value = object.get("cf")?;
        if cf.is_object() {
            read.cf = Cf::given(ctx, cf)?;
        } else if !absent(&cf) {
            return Err(Exception::throw_type(
                ctx,
                "Incorrect type for the 'cf' field on 'InitializerDict': the provided value is not of type 'Object'.",
            ));
        }
        let web_socket: Value = object.get("webSocket")?;
        if !absent(&web_socket) {
            if !websocket::is_socket(ctx, &web_socket)? {
                return Err(Exception::throw_type(
                    ctx,
                    "Incorrect type for the 'webSocket' field on 'InitializerDict': the provided value is not of type 'WebSocket'.",
                ));
            }
            read.web_socket = web_socket.into_object();
        }
        read.manual = match Class::<Response>::from_object(object) {
            Some(other) => other.borrow().manual,
            None => encode_body(ctx, object, "encodeBody")? == Some(true),
        };
        read.status = match &read.web_socket {
            Some(_) if given == 101.0 => 101,
            Some(_) => {
                return Err(Exception::throw_range(
                    ctx,
                    "Responses with a WebSocket must have status code 101.",
                ));
            }
            None => status_code(ctx, given)?,
        };
        Ok(read)
    }
}

fn number(value: &Value<'_>) -> Result<f64> {
    match value.as_int() {
        Some(number) => Ok(f64::from(number)),
        None => Ok(value.get::<Coerced<f64>>()?.0.trunc()),
    }
}

fn status_code(ctx: &Ctx<'_>, number: f64) -> Result<u16> {
    if (200.0..=599.0).contains(&number) {
        // In range, and a whole number.
        return Ok(number as u16);
    }
    Err(Exception::throw_range(
        ctx,
        "Responses may only be constructed with status codes in the range 200 to 599, inclusive.",
    ))
}

fn reason_phrase<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<u8>> {
    let text = byte_string(ctx, value)?;
    if text
        .iter()
        .all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
    {
        return Ok(text);
    }
    Err(Exception::throw_type(ctx, "Invalid statusText"))
}

/// Whether content codings are user code's own business (`manual`) or ours (`automatic`); `None` if nothing is said.
pub(super) fn encode_body<'js>(ctx: &Ctx<'js>, init: &Object<'js>, member: &str) -> Result<Option<bool>> {
    let mode: Value = init.get(member)?;
    if absent(&mode) {
        return Ok(None);
    }
    match usv_string(ctx, &mode)?.as_str() {
        "automatic" => Ok(Some(false)),
        "manual" => Ok(Some(true)),
        other => Err(Exception::throw_type(
            ctx,
            &format!("{member}: unexpected value: {other}"),
        )),
    }
}

fn assemble<'js>(ctx: &Ctx<'js>, init: Init<'js>, body: Extracted<'js>) -> Result<Response<'js>> {
    let mut headers = init.headers;
    let body = if !matches!(init.status, 101 | 204 | 205 | 304) {
        body.describe(&mut headers)
    } else if body.body.is_empty() {
        // Upstream lets an empty body pass for none.
        Body::default()
    } else {
        return Err(Exception::throw_type(
            ctx,
            "Response with null body status (101, 204, 205, or 304) cannot have a body.",
        ));
    };
    Ok(Response {
        status: init.status,
        status_text: init.status_text,
        url: String::new(),
        redirected: false,
        manual: init.manual,
        headers: RefCell::new(Slot::new(headers, false)),
        body,
        cf: init.cf,
        web_socket: init.web_socket,
    })
}

fn new<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    require_new(params, "Response")?;
    let ctx = params.ctx();
    // As Web IDL orders it: what is wrong with the arguments is found before the body is taken.
    let init = Init::read(ctx, &argument(params, 1))?;
    let body = extract(ctx, &argument(params, 0))?;
    construct(params, assemble(ctx, init, body)?)
}

fn error<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    let response = Response {
        status: 0,
        status_text: Vec::new(),
        url: String::new(),
        redirected: false,
        manual: false,
        headers: RefCell::new(Slot::new(HeaderList::default(), true)),
        body: Body::default(),
        cf: Cf::default(),
        web_socket: None,
    };
    Ok(Class::instance(params.ctx().clone(), response)?.into_value())
}

fn json<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    let ctx = params.ctx();
    let data = required(params, 0, "'json' on 'Response'", "Value")?;
    let Some(text) = ctx.json_stringify(data)? else {
        return Err(Exception::throw_type(ctx, "The data is not JSON serializable"));
    };
    let mut init = Init::read(ctx, &argument(params, 1))?;
    if !init.headers.has("content-type") {
        init.headers
            .append("content-type".to_owned(), b"application/json".to_vec());
    }
    let body = extract(ctx, text.as_value())?;
    Ok(Class::instance(ctx.clone(), assemble(ctx, init, body)?)?.into_value())
}

fn redirect<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    let ctx = params.ctx();
    let text = usv_string(ctx, &required(params, 0, "'redirect' on 'Response'", "string")?)?;
    let Some(url) = crate::url::absolute(ctx, &text)? else {
        return Err(Exception::throw_type(
            ctx,
            &format!("Unable to parse URL: {text}"),
        ));
    };
    let status = argument(params, 1);
    let status = if absent(&status) {
        302.0
    } else {
        status.get::<Coerced<f64>>()?.0.trunc()
    };
    if ![301.0, 302.0, 303.0, 307.0, 308.0].contains(&status) {
        let text =
            format!("{status} is not a redirect status code. It must be one of: 301, 302, 303, 307, or 308.");
        return Err(Exception::throw_range(ctx, &text));
    }
    let mut headers = HeaderList::default();
    headers.append("location".to_owned(), String::from(url).into_bytes());
    let response = Response {
        // One of the five.
        status: status as u16,
        status_text: Vec::new(),
        url: String::new(),
        redirected: false,
        manual: false,
        headers: RefCell::new(Slot::new(headers, true)),
        body: Body::default(),
        cf: Cf::default(),
        web_socket: None,
    };
    Ok(Class::instance(ctx.clone(), response)?.into_value())
}

fn clone<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    let ctx = params.ctx();
    let original = receiver::<Response>(params)?;
    let original = original.borrow();
    if original.web_socket.is_some() {
        return Err(Exception::throw_type(
            ctx,
            "Cannot clone a response to a WebSocket handshake.",
        ));
    }
    let response = Response {
        status: original.status,
        status_text: original.status_text.clone(),
        url: original.url.clone(),
        redirected: original.redirected,
        manual: original.manual,
        body: original.body.copy(ctx)?,
        headers: RefCell::new(original.headers.borrow().copy()),
        cf: original.cf.copy(ctx)?,
        web_socket: None,
    };
    Ok(Class::instance(ctx.clone(), response)?.into_value())
}

/// A response that comes from outside; its headers are immutable. `url` is where it came from, if anywhere.
pub fn new_response<'js>(
    ctx: &Ctx<'js>,
    parts: ResponseParts,
    url: Option<String>,
    body: IncomingBody,
) -> Result<Object<'js>> {
    let response = Response {
        status: parts.status,
        status_text: parts.status_text.into_bytes(),
        url: url.unwrap_or_default(),
        redirected: false,
        manual: false,
        headers: RefCell::new(Slot::new(HeaderList::trusted(parts.headers), true)),
        body: body.into(),
        cf: Cf::default(),
        web_socket: None,
    };
    Ok(Class::instance(ctx.clone(), response)?.into_inner())
}

/// What decides whether a cache takes a response.
pub(crate) struct CacheFacts {
    /// 0 for the one of `Response.error()`.
    pub(crate) status: u16,
    /// Its `vary` has a star.
    pub(crate) varies_by_anything: bool,
}

/// The head of a response; `None` if `value` is none.
pub(crate) fn cache_facts(value: &Value<'_>) -> Option<CacheFacts> {
    let response = value.as_object().and_then(Class::<Response>::from_object)?;
    let response = response.borrow();
    let headers = response.headers.borrow();
    Some(CacheFacts {
        status: response.status,
        varies_by_anything: headers.with(|headers| headers.all("vary").any(|vary| vary.contains(&b'*'))),
    })
}

/// The answer to a fetch.
pub(super) struct Fetched<'js> {
    pub(super) parts: ResponseParts,
    /// Where it came from, without a fragment.
    pub(super) url: String,
    /// Whether a redirect was followed.
    pub(super) redirected: bool,
    pub(super) body: IncomingBody,
    /// The body has the codings that the headers speak of.
    pub(super) undecoded: bool,
    /// The connection that follows instead of a body.
    pub(super) web_socket: Option<Object<'js>>,
}

/// The `Response` that `fetch` resolves to; its headers are immutable.
pub(super) fn fetched<'js>(ctx: &Ctx<'js>, fetched: Fetched<'js>) -> Result<Object<'js>> {
    let response = Response {
        status: fetched.parts.status,
        status_text: fetched.parts.status_text.into_bytes(),
        url: fetched.url,
        redirected: fetched.redirected,
        manual: fetched.undecoded,
        headers: RefCell::new(Slot::new(HeaderList::trusted(fetched.parts.headers), true)),
        body: fetched.body.into(),
        cf: Cf::default(),
        web_socket: fetched.web_socket,
    };
    Ok(Class::instance(ctx.clone(), response)?.into_inner())
}

/// The stream of a response's body, for a signal to abort; `undefined` if the body has nothing to be read.
pub(super) fn abortable_body<'js>(ctx: Ctx<'js>, response: Class<'js, Response<'js>>) -> Result<Value<'js>> {
    let response = response.borrow();
    if response.body.is_empty() {
        Ok(Value::new_undefined(ctx))
    } else {
        response.body.stream(&ctx)
    }
}

/// Status, a header's value, and where it came from.
pub(crate) fn response_head<'js>(
    response: &Value<'js>,
    header: &str,
) -> Option<(u16, Option<Vec<u8>>, String)> {
    let response = Class::<Response>::from_object(response.as_object()?)?;
    let response = response.borrow();
    let value = response
        .headers
        .borrow()
        .with(|headers| headers.all(header).next().map(<[u8]>::to_vec));
    Some((response.status, value, response.url.clone()))
}

/// The stream of a response's body; `undefined` if it has none.
pub(crate) fn response_stream<'js>(ctx: &Ctx<'js>, response: &Value<'js>) -> Result<Value<'js>> {
    let class = response.as_object().and_then(Class::<Response>::from_object);
    match class {
        Some(response) if !response.borrow().body.is_empty() => response.borrow().body.stream(ctx),
        _ => Ok(Value::new_undefined(ctx.clone())),
    }
}

/// The `WebSocket` of a response that begins a connection; `None` if `value` is another one, or none.
pub fn response_socket<'js>(value: &Value<'js>) -> Option<Object<'js>> {
    let response = Class::<Response>::from_object(value.as_object()?)?;
    response.borrow().web_socket.clone()
}

fn as_response<'js>(value: &Value<'js>) -> Option<Class<'js, Response<'js>>> {
    value.as_object().and_then(Class::from_object)
}

/// Whether `value` is a `Response`.
pub(crate) fn is_response(value: &Value<'_>) -> bool {
    as_response(value).is_some()
}

/// Whether `value` is the `Response` of a network error.
pub(crate) fn is_error_response(value: &Value<'_>) -> bool {
    as_response(value).is_some_and(|response| response.borrow().status == 0)
}

/// The `charset` that a response's `content-type` speaks of.
pub(crate) fn response_charset(value: &Value<'_>) -> Option<String> {
    let mime = as_response(value)?.borrow().mime_type()?;
    mime.parameter("charset").map(str::to_owned)
}

/// A response like `value`, as if made by its constructor, with another body, whose length nobody knows. Throws if `value`
/// is no `Response`.
pub(crate) fn response_with_body<'js>(
    ctx: &Ctx<'js>,
    value: &Value<'js>,
    body: Object<'js>,
) -> Result<Value<'js>> {
    let Some(original) = as_response(value) else {
        return Err(Exception::throw_type(ctx, "Illegal invocation"));
    };
    let original = original.borrow();
    let mut headers = original.headers.borrow().with(HeaderList::clone);
    headers.delete("content-length");
    let response = Response {
        status: original.status,
        status_text: original.status_text.clone(),
        url: String::new(),
        redirected: false,
        manual: original.manual,
        headers: RefCell::new(Slot::new(headers, false)),
        body: Body::of_stream(ctx, body)?,
        cf: original.cf.copy(ctx)?,
        web_socket: None,
    };
    Ok(Class::instance(ctx.clone(), response)?.into_value())
}

/// Takes a response apart for the process outside; its body is used up by it. `None` if `value` is no `Response`.
///
/// Throws a `TypeError` if the body was used already, or if the response is the one of `Response.error()`.
pub fn response_parts<'js>(
    ctx: &Ctx<'js>,
    value: &Value<'js>,
) -> Result<Option<(ResponseParts, OutgoingBody<'js>)>> {
    let Some(response) = value.as_object().and_then(Class::<Response>::from_object) else {
        return Ok(None);
    };
    let response = response.borrow();
    if response.status == 0 {
        return Err(Exception::throw_type(
            ctx,
            "The response is a network error (Response.error()) and cannot be sent.",
        ));
    }
    let headers = response.headers.borrow().with(HeaderList::clone);
    let body = response.body.send(ctx, headers.content_length())?;
    let (body, codings) = if response.manual {
        (body, Vec::new())
    } else {
        let codings = Coding::list(headers.all("content-encoding")).unwrap_or_default();
        coded::settle(body, codings).map_err(|reason| Exception::throw_message(ctx, &reason))?
    };
    let parts = ResponseParts {
        status: response.status,
        status_text: super::interface::latin1(&response.status_text),
        headers: headers.into_entries(),
        codings,
    };
    Ok(Some((parts, body)))
}
