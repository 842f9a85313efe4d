//! `URL` and `URLSearchParams`. <https://url.spec.whatwg.org/>
//!
//! A parsed URL lives in JavaScript as its serialisation, which is ASCII, and the offsets of its parts
//! in it: getters are slices. Parsing, setters and the form encoding are the `url` crate's.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rquickjs::{Array, Ctx, Function, Result};
use url::{Position, Url, form_urlencoded, quirks};

use crate::script;

/// Adds `URL` and `URLSearchParams`.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(
        ctx,
        "search_params.js",
        include_str!("search_params.js"),
        |native| {
            native.set("parse", Function::new(ctx.clone(), parse_query)?)?;
            native.set("serialize", Function::new(ctx.clone(), serialize_query)?)
        },
    )?;
    script::evaluate(ctx, "url.js", include_str!("url.js"), |native| {
        native.set("parse", Function::new(ctx.clone(), parse)?)?;
        native.set(
            "canParse",
            Function::new(ctx.clone(), |input: String, base| {
                parse_url(&input, base).is_some()
            })?,
        )?;
        native.set(
            "origin",
            Function::new(ctx.clone(), |href: String| {
                Url::parse(&href).map(|url| quirks::origin(&url)).ok()
            })?,
        )?;
        native.set("set", Function::new(ctx.clone(), set)?)
    })
}

/// Runs a piece of the parser, which is not proof against all input: a panic counts as a failure,
/// and must not end the isolate.
fn guarded<T>(run: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok().flatten()
}

/// A URL as the Fetch standard takes it: relative to the host's base URL, if there is one.
pub(crate) fn absolute(ctx: &Ctx<'_>, text: &str) -> Result<Option<Url>> {
    if let Some(url) = guarded(|| Url::parse(text).ok()) {
        return Ok(Some(url));
    }
    let base = script::host(ctx)?.base_url();
    Ok(base.and_then(|base| guarded(|| base.join(text).ok())))
}

/// What `text` means at `base`.
pub(crate) fn join(base: &Url, text: &str) -> Option<Url> {
    guarded(|| base.join(text).ok())
}

fn parse_url(input: &str, base: Option<String>) -> Option<Url> {
    guarded(|| match base {
        None => Url::parse(input).ok(),
        Some(base) => Url::parse(&base).ok()?.join(input).ok(),
    })
}

fn parse<'js>(ctx: Ctx<'js>, input: String, base: Option<String>) -> Result<Option<Array<'js>>> {
    parse_url(&input, base).map(|url| record(ctx, &url)).transpose()
}

/// The URL after a setter, or nothing if the setter leaves it as it is.
fn set<'js>(ctx: Ctx<'js>, href: String, part: String, value: String) -> Result<Option<Array<'js>>> {
    let changed = guarded(|| {
        let mut url = Url::parse(&href).ok()?;
        match part.as_str() {
            "protocol" => quirks::set_protocol(&mut url, &value).ok()?,
            "username" => quirks::set_username(&mut url, &value).ok()?,
            "password" => quirks::set_password(&mut url, &value).ok()?,
            "host" => quirks::set_host(&mut url, &value).ok()?,
            "hostname" => quirks::set_hostname(&mut url, &value).ok()?,
            "port" => quirks::set_port(&mut url, &value).ok()?,
            "pathname" => quirks::set_pathname(&mut url, &value),
            "search" => quirks::set_search(&mut url, &value),
            "hash" => quirks::set_hash(&mut url, &value),
            _ => return None,
        }
        // Setters leave the "/." before a path that no longer needs it; parsing removes it.
        Url::parse(url.as_str()).ok()
    });
    changed.map(|url| record(ctx, &url)).transpose()
}

/// `[href, end of protocol, username from, to, password from, to, host from, to, port from, to,
/// path from, to, query to]`, as `url.js` reads it.
fn record<'js>(ctx: Ctx<'js>, url: &Url) -> Result<Array<'js>> {
    let at = |position| url[..position].len();
    let record = Array::new(ctx)?;
    record.set(0, url.as_str())?;
    record.set(1, quirks::protocol(url).len())?;
    record.set(2, at(Position::BeforeUsername))?;
    // Not by `Position::BeforePassword`, which panics for `foo://`.
    let username_end = at(Position::AfterUsername);
    let password = quirks::password(url).len();
    let password_start = username_end + usize::from(password > 0);
    record.set(3, username_end)?;
    record.set(4, password_start)?;
    record.set(5, password_start + password)?;
    record.set(6, at(Position::BeforeHost))?;
    record.set(7, at(Position::AfterHost))?;
    record.set(8, at(Position::BeforePort))?;
    record.set(9, at(Position::AfterPort))?;
    record.set(10, at(Position::BeforePath))?;
    record.set(11, at(Position::AfterPath))?;
    record.set(12, at(Position::AfterQuery))?;
    Ok(record)
}

/// Names and values of an `application/x-www-form-urlencoded` text, alternating.
fn parse_query(query: String) -> Vec<String> {
    let mut list = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        list.push(name.into_owned());
        list.push(value.into_owned());
    }
    list
}

fn serialize_query(list: Vec<String>) -> String {
    let mut serializer = form_urlencoded::Serializer::new(String::new());
    for pair in list.chunks_exact(2) {
        serializer.append_pair(&pair[0], &pair[1]);
    }
    serializer.finish()
}
