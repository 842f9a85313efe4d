//! `HTMLRewriter`, which Workers have: <https://developers.cloudflare.com/workers/runtime-apis/html-rewriter/>.
//!
//! `lol_html` parses and rewrites (`rewrite.rs`), on a fiber of its own (`fiber.rs`). `html_rewriter.js` reads the body,
//! calls the handlers and gives out what comes; `tokens.js` has the classes of what the handlers get, each member of
//! which asks the token on the fiber (`token.rs`). Rust holds nothing of JavaScript meanwhile.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use encoding_rs::Encoding;
use lol_html::html_content::ContentType;
use lol_html::{AsciiCompatibleEncoding, Selector};
use rquickjs::class::Trace;
use rquickjs::function::Constructor;
use rquickjs::{Array, Class, Ctx, Error, Exception, Function, IntoJs, JsLifetime, Object, Result, Value};

use crate::{fetch, script, streams};

mod fiber;
mod rewrite;
mod selector;
mod token;

use fiber::Fiber;
use rewrite::{Dialect, Event, Handlers, Kind, Order, Released};
use token::{Answer, Ask, Content, Place};

/// The compatibility flag that takes end tags from the tags of Edge Side Includes.
const ESI: &str = "html_rewriter_treats_esi_include_as_void_tag";

/// A selector that is known to be valid.
#[derive(Trace, JsLifetime)]
struct ParsedSelector {
    #[qjs(skip_trace)]
    selector: Rc<Selector>,
}

/// One document being rewritten.
#[derive(Trace, JsLifetime)]
struct Rewriting {
    /// `None` once it has come to its end.
    #[qjs(skip_trace)]
    fiber: RefCell<Option<Fiber<Order, Event>>>,
    /// What has come out and nobody has taken yet.
    #[qjs(skip_trace)]
    output: Rc<RefCell<Vec<u8>>>,
    #[qjs(skip_trace)]
    released: Released,
    /// How many handlers were called; JavaScript counts too.
    #[qjs(skip_trace)]
    calls: Cell<i32>,
    /// Whether the last of them has not returned yet.
    #[qjs(skip_trace)]
    is_handling: Cell<bool>,
}

hidden_class!(ParsedSelector);
hidden_class!(Rewriting);

/// Defines `HTMLRewriter`. Needs fetch.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(
        ctx,
        "html_rewriter/tokens.js",
        include_str!("tokens.js"),
        fill_tokens,
    )?;
    script::evaluate(
        ctx,
        "html_rewriter/html_rewriter.js",
        include_str!("html_rewriter.js"),
        fill_rewriter,
    )
}

fn fill_rewriter(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("selector", Function::new(ctx.clone(), parse_selector)?)?;
    native.set("begin", Function::new(ctx.clone(), begin)?)?;
    native.set("feed", Function::new(ctx.clone(), feed)?)?;
    native.set("finish", Function::new(ctx.clone(), finish)?)?;
    native.set("proceed", Function::new(ctx.clone(), proceed)?)?;
    native.set("settle", Function::new(ctx.clone(), settle)?)?;
    native.set("feedContent", Function::new(ctx.clone(), feed_content)?)?;
    native.set("finishContent", Function::new(ctx.clone(), finish_content)?)?;
    native.set("stop", Function::new(ctx.clone(), stop)?)?;
    native.set("output", Function::new(ctx.clone(), output)?)?;
    native.set("released", Function::new(ctx.clone(), released)?)?;
    native.set("isResponse", Function::new(ctx.clone(), is_response)?)?;
    native.set("isError", Function::new(ctx.clone(), is_error)?)?;
    native.set("withBody", Function::new(ctx.clone(), with_body)?)
}

/// A `TypeError` of any length: what rquickjs throws by itself is cut after 255 bytes.
fn parser_error(ctx: &Ctx<'_>, reason: impl std::fmt::Display) -> Error {
    let error = || -> Result<Value<'_>> {
        let primordials: Object = script::shared(ctx)?.get("primordials")?;
        let constructor: Constructor = primordials.get("TypeError")?;
        constructor.construct((format!("Parser error: {reason}"),))
    };
    match error() {
        Ok(error) => ctx.throw(error),
        Err(error) => error,
    }
}

fn parse_selector<'js>(ctx: Ctx<'js>, text: String) -> Result<Class<'js, ParsedSelector>> {
    let selector = selector::parse(&text).map_err(|error| parser_error(&ctx, error))?;
    Class::instance(ctx, ParsedSelector { selector })
}

/// The encoding that a response's `content-type` speaks of.
fn encoding(ctx: &Ctx<'_>, charset: Option<String>) -> Result<AsciiCompatibleEncoding> {
    let Some(charset) = charset else {
        return Ok(AsciiCompatibleEncoding::utf_8());
    };
    let encoding = Encoding::for_label_no_replacement(charset.as_bytes())
        .ok_or_else(|| parser_error(ctx, "Unknown character encoding has been provided."))?;
    AsciiCompatibleEncoding::new(encoding)
        .ok_or_else(|| parser_error(ctx, "Expected ASCII-compatible encoding."))
}

/// Begins to rewrite the body of `response`. `plan` has two items for each call of `on` and `onDocument`: the selector or
/// null, and which of its handlers there are, as bits in the order of the fields. The first event is that of input.
fn begin<'js>(ctx: Ctx<'js>, plan: Array<'js>, response: Value<'js>) -> Result<Class<'js, Rewriting>> {
    let mut handlers = Vec::with_capacity(plan.len() / 2);
    for index in (0..plan.len()).step_by(2) {
        let selector: Option<Class<ParsedSelector>> = plan.get(index)?;
        let bits: u32 = plan.get(index + 1)?;
        let has = |bit: u32| bits & (1 << bit) != 0;
        handlers.push(match selector {
            Some(selector) => Handlers::Element {
                selector: Rc::clone(&selector.borrow().selector),
                element: has(0),
                comments: has(1),
                text: has(2),
            },
            None => Handlers::Document {
                doctype: has(0),
                comments: has(1),
                text: has(2),
                end: has(3),
            },
        });
    }
    let dialect = Dialect {
        encoding: encoding(&ctx, fetch::response_charset(&response))?,
        has_esi: script::host(&ctx)?.is_enabled(ESI),
    };
    let (output, released) = (Rc::default(), Released::default());
    let mut fiber = rewrite::begin(handlers, dialect, Rc::clone(&output), Rc::clone(&released))
        .map_err(|error| Exception::throw_range(&ctx, &format!("No memory to rewrite with: {error}")))?;
    fiber.resume(Order::Begin);
    let rewriting = Rewriting {
        fiber: RefCell::new(Some(fiber)),
        output,
        released,
        calls: Cell::new(0),
        is_handling: Cell::new(false),
    };
    Class::instance(ctx, rewriting)
}

impl Rewriting {
    /// Continues the fiber; nothing happens once it has come to its end.
    fn resume(&self, order: Order) -> Event {
        let mut slot = self.fiber.borrow_mut();
        let Some(fiber) = &mut *slot else {
            return Event::End;
        };
        let event = fiber.resume(order);
        if fiber.is_done() {
            *slot = None;
        }
        event
    }

    /// Continues the fiber and tells JavaScript what it stops for: sixteen times a number, plus what the scripts have a
    /// name for.
    fn advance(&self, ctx: &Ctx<'_>, order: Order) -> Result<f64> {
        let (number, tag) = match self.resume(order) {
            Event::Input => (0, 0),
            Event::Output => (0, 1),
            Event::End => (0, 2),
            Event::Content(stream) => (stream, 3),
            Event::Handler { handler, kind } => {
                self.calls.set(self.calls.get().wrapping_add(1));
                self.is_handling.set(true);
                let tag = match kind {
                    Kind::Element => 4,
                    Kind::EndTag => 5,
                    Kind::Comment => 6,
                    Kind::Text => 7,
                    Kind::Doctype => 8,
                    Kind::DocumentEnd => 9,
                };
                (handler, tag)
            }
            Event::Failed(reason) => return Err(parser_error(ctx, reason)),
            // Only asked for by `ask`.
            Event::Answer(_) => (0, 2),
        };
        Ok(f64::from(number) * 16.0 + f64::from(tag))
    }

    fn ask<'js>(&self, ctx: &Ctx<'js>, call: i32, ask: Ask) -> Result<Value<'js>> {
        if !self.is_handling.get() || self.calls.get() != call {
            return Err(Exception::throw_type(
                ctx,
                "This content token is no longer valid. Content tokens are only valid during the execution of the relevant content handler.",
            ));
        }
        let Event::Answer(answer) = self.resume(Order::Ask(ask)) else {
            return Err(Exception::throw_internal(ctx, "The token has not answered"));
        };
        match answer {
            Answer::Done => Ok(Value::new_undefined(ctx.clone())),
            Answer::Text(Some(text)) => text.into_js(ctx),
            Answer::Text(None) => Ok(Value::new_null(ctx.clone())),
            Answer::Flag(flag) => Ok(Value::new_bool(ctx.clone(), flag)),
            Answer::Pair(None) => Ok(Value::new_undefined(ctx.clone())),
            Answer::Pair(Some((name, value))) => {
                let pair = Array::new(ctx.clone())?;
                pair.set(0, name)?;
                pair.set(1, value)?;
                Ok(pair.into_value())
            }
            Answer::Refused(reason) => Err(parser_error(ctx, reason)),
        }
    }
}

impl Drop for Rewriting {
    fn drop(&mut self) {
        self.resume(Order::Stop);
    }
}

type Handle<'js> = Class<'js, Rewriting>;

/// The bytes of a chunk: of a buffer, or of a string, which upstream lets pass.
fn chunk_bytes<'js>(ctx: &Ctx<'js>, chunk: &Value<'js>) -> Result<Vec<u8>> {
    if let Some(text) = chunk.as_string()
        && let Ok(text) = text.to_string()
    {
        return Ok(text.into_bytes());
    }
    streams::buffer_bytes(ctx, chunk)?
        .ok_or_else(|| Exception::throw_type(ctx, "This ReadableStream did not return bytes."))
}

fn feed<'js>(ctx: Ctx<'js>, rewriting: Handle<'js>, chunk: Value<'js>) -> Result<f64> {
    let chunk = Bytes::from(chunk_bytes(&ctx, &chunk)?);
    rewriting.borrow().advance(&ctx, Order::Chunk(chunk))
}

fn finish<'js>(ctx: Ctx<'js>, rewriting: Handle<'js>) -> Result<f64> {
    rewriting.borrow().advance(&ctx, Order::Finish)
}

/// Goes on after a handler, or after output.
fn proceed<'js>(ctx: Ctx<'js>, rewriting: Handle<'js>) -> Result<f64> {
    let rewriting = rewriting.borrow();
    rewriting.is_handling.set(false);
    rewriting.advance(&ctx, Order::Go)
}

/// The token of the last handler is no longer valid.
fn settle(rewriting: Handle<'_>) {
    rewriting.borrow().is_handling.set(false);
}

fn feed_content<'js>(ctx: Ctx<'js>, rewriting: Handle<'js>, chunk: Value<'js>) -> Result<f64> {
    let chunk = chunk_bytes(&ctx, &chunk)?;
    rewriting.borrow().advance(&ctx, Order::Content(chunk))
}

fn finish_content<'js>(ctx: Ctx<'js>, rewriting: Handle<'js>) -> Result<f64> {
    rewriting.borrow().advance(&ctx, Order::ContentEnd)
}

/// Comes to an end in the middle; what has come out is lost.
fn stop(rewriting: Handle<'_>) {
    let rewriting = rewriting.borrow();
    rewriting.is_handling.set(false);
    rewriting.resume(Order::Stop);
    rewriting.output.take();
}

/// What has come out since, as a `Uint8Array`; undefined if there is nothing.
fn output<'js>(ctx: Ctx<'js>, rewriting: Handle<'js>) -> Result<Value<'js>> {
    let bytes = rewriting.borrow().output.take();
    if bytes.is_empty() {
        return Ok(Value::new_undefined(ctx));
    }
    streams::chunk(&ctx, bytes.into())
}

/// The numbers of end tags' handlers that will not be called any more; undefined if there is none.
fn released(rewriting: Handle<'_>) -> Option<Vec<u32>> {
    let numbers = rewriting.borrow().released.take();
    (!numbers.is_empty()).then_some(numbers)
}

fn is_response(value: Value<'_>) -> bool {
    fetch::is_response(&value)
}

fn is_error(response: Value<'_>) -> bool {
    fetch::is_error_response(&response)
}

fn with_body<'js>(ctx: Ctx<'js>, response: Value<'js>, body: Object<'js>) -> Result<Value<'js>> {
    fetch::response_with_body(&ctx, &response, body)
}

fn fill_tokens(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    // A function of the rewriting, the number of the handler's call and what else is given, which asks `$ask`.
    macro_rules! asks {
        ($($name:literal($($argument:ident: $type:ty),*) => $ask:expr;)*) => {
            $(native.set($name, {
                fn asked<'js>(
                    ctx: Ctx<'js>,
                    rewriting: Handle<'js>,
                    call: i32,
                    $($argument: $type),*
                ) -> Result<Value<'js>> {
                    rewriting.borrow().ask(&ctx, call, $ask)
                }
                Function::new(ctx.clone(), asked)?
            })?;)*
        };
    }
    asks! {
        "name"() => Ask::Name;
        "setName"(name: String) => Ask::SetName(name);
        "namespaceURI"() => Ask::NamespaceUri;
        "removed"() => Ask::IsRemoved;
        "attribute"(name: String) => Ask::Attribute(name);
        "attributeAt"(index: usize) => Ask::AttributeAt(index);
        "hasAttribute"(name: String) => Ask::HasAttribute(name);
        "setAttribute"(name: String, value: String) => Ask::SetAttribute(name, value);
        "removeAttribute"(name: String) => Ask::RemoveAttribute(name);
        "insert"(place: u8, text: String, is_html: bool) => {
            Ask::Insert(place_of(place), Content::Text(text, kind_of(is_html)))
        };
        "insertStream"(place: u8, stream: u32, is_html: bool) => {
            Ask::Insert(place_of(place), Content::Stream(stream, kind_of(is_html)))
        };
        "remove"() => Ask::Remove;
        "removeAndKeepContent"() => Ask::RemoveAndKeepContent;
        "onEndTag"(handler: u32) => Ask::OnEndTag(handler);
        "text"() => Ask::Text;
        "setText"(text: String) => Ask::SetText(text);
        "lastInTextNode"() => Ask::IsLastInTextNode;
        "publicId"() => Ask::PublicId;
        "systemId"() => Ask::SystemId;
    }
    native.set("isResponse", Function::new(ctx.clone(), is_response)?)
}

/// As `tokens.js` numbers them.
fn place_of(number: u8) -> Place {
    match number {
        0 => Place::Before,
        1 => Place::After,
        2 => Place::Prepend,
        3 => Place::Append,
        4 => Place::Replace,
        _ => Place::Inner,
    }
}

fn kind_of(is_html: bool) -> ContentType {
    if is_html {
        ContentType::Html
    } else {
        ContentType::Text
    }
}
