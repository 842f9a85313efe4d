//! `EventSource`: <https://html.spec.whatwg.org/#server-sent-events>, with upstream's `EventSource.from(stream)`.
//!
//! The requests and what becomes of them are JavaScript (`event_source.js`); the format is read in Rust (`parser.rs`).

use std::cell::RefCell;

use rquickjs::class::Trace;
use rquickjs::{Array, Class, Ctx, Exception, Function, JsLifetime, Object, Result, Value};

use crate::mime_type::MimeType;
use crate::url::Url;
use crate::{fetch, script, streams, url};

mod parser;

use parser::Parser;

/// A [`Parser`] as JavaScript holds it.
#[derive(Trace, JsLifetime)]
struct EventStream {
    #[qjs(skip_trace)]
    parser: RefCell<Parser>,
}

hidden_class!(EventStream);

/// Adds the class. Needs fetch.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(
        ctx,
        "event_source/event_source.js",
        include_str!("event_source.js"),
        |native| {
            native.set("absolute", Function::new(ctx.clone(), absolute)?)?;
            native.set("answer", Function::new(ctx.clone(), answer)?)?;
            native.set("byteString", Function::new(ctx.clone(), byte_string)?)?;
            native.set("feed", Function::new(ctx.clone(), feed)?)?;
            native.set("id", Function::new(ctx.clone(), id)?)?;
            native.set("origin", Function::new(ctx.clone(), origin)?)?;
            native.set("parser", Function::new(ctx.clone(), new_parser)?)?;
            native.set("retry", Function::new(ctx.clone(), retry)?)
        },
    )
}

/// The absolute URL that a text stands for.
fn absolute(ctx: Ctx<'_>, text: String) -> Result<Option<String>> {
    Ok(url::absolute(&ctx, &text)?.map(String::from))
}

/// The serialised origin of an absolute URL.
fn origin(text: String) -> Option<String> {
    Url::parse(&text, None).map(|url| url.origin())
}

/// A text as the value of a header: its UTF-8, one code point per byte.
fn byte_string(text: String) -> String {
    text.bytes().map(char::from).collect()
}

/// What an `EventSource` asks of a response.
fn answer<'js>(ctx: Ctx<'js>, response: Value<'js>) -> Result<Object<'js>> {
    let Some((status, content_type, url)) = fetch::response_head(&response, "content-type") else {
        return Err(Exception::throw_type(&ctx, "This is no Response"));
    };
    let content_type = content_type.map(|value| String::from_utf8_lossy(&value).into_owned());
    let parsed = content_type.as_deref().and_then(MimeType::parse);
    let answer = Object::new_proto(ctx.clone(), None)?;
    answer.set("status", status)?;
    answer.set("type", content_type)?;
    answer.set(
        "isEventStream",
        parsed.is_some_and(|parsed| parsed.essence() == "text/event-stream"),
    )?;
    answer.set("url", url)?;
    answer.set("body", fetch::response_stream(&ctx, &response)?)?;
    Ok(answer)
}

fn new_parser<'js>(ctx: Ctx<'js>, id: String) -> Result<Class<'js, EventStream>> {
    let parser = RefCell::new(Parser::new(id));
    Class::instance(ctx, EventStream { parser })
}

/// The events that are complete with a chunk: type, data and last id of each in turn.
fn feed<'js>(ctx: Ctx<'js>, stream: Class<'js, EventStream>, chunk: Value<'js>) -> Result<Array<'js>> {
    let Some(bytes) = streams::buffer_bytes(&ctx, &chunk)? else {
        return Err(Exception::throw_type(
            &ctx,
            "The stream of events must give bytes.",
        ));
    };
    let events = stream.borrow().parser.borrow_mut().feed(&bytes);
    let Ok(events) = events else {
        return Err(Exception::throw_type(&ctx, "An event of the stream is too long."));
    };
    let list = Array::new(ctx)?;
    for (index, event) in events.into_iter().enumerate() {
        list.set(3 * index, event.kind)?;
        list.set(3 * index + 1, event.data)?;
        list.set(3 * index + 2, event.id)?;
    }
    Ok(list)
}

fn id(stream: Class<'_, EventStream>) -> String {
    stream.borrow().parser.borrow().last_id().to_owned()
}

/// The time to wait before another connection, in milliseconds, if the stream has named one.
fn retry(stream: Class<'_, EventStream>) -> Option<f64> {
    stream
        .borrow()
        .parser
        .borrow_mut()
        .take_retry()
        .map(|retry| retry as f64)
}
