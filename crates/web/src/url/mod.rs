//! `URL` and `URLSearchParams`. <https://url.spec.whatwg.org/>
//!
//! A parsed URL lives in JavaScript as its serialisation, which is ASCII, and the parts of it that getters give. The parser is our own: the `url` crate is not where the standard is (file URLs, opaque paths, `^`,
//! Punycode). Domains and the form encoding are the `idna` and `form_urlencoded` crates'.

use rquickjs::{Array, Ctx, Function, Result};
use url::form_urlencoded;

use crate::script;

mod components;
mod host;
mod parser;
mod percent;
mod record;
mod setters;

pub(crate) use components::{canonicalize, components};
use record::Parts;
pub(crate) use record::Url;

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
                Url::parse(&href, None).map(|url| url.origin())
            })?,
        )?;
        native.set("set", Function::new(ctx.clone(), set)?)
    })
}

/// A URL as the Fetch standard takes it: relative to the host's base URL, if there is one.
pub(crate) fn absolute(ctx: &Ctx<'_>, text: &str) -> Result<Option<Url>> {
    if let Some(url) = Url::parse(text, None) {
        return Ok(Some(url));
    }
    let base = script::host(ctx)?.base_url();
    Ok(base.and_then(|base| parse_url(text, Some(base))))
}

/// The host of a URL, and its port if it names one.
pub(crate) fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let url = Url::parse(text, None)?;
    let Parts { href, host, port, .. } = url.parts();
    Some((href[host].to_owned(), href[port].parse().ok()))
}

/// A URL, relative to a base unless that is missing.
fn parse_url(input: &str, base: Option<String>) -> Option<Url> {
    match base {
        None => Url::parse(input, None),
        Some(base) => Url::parse(input, Some(&Url::parse(&base, None)?)),
    }
}

fn parse<'js>(ctx: Ctx<'js>, input: String, base: Option<String>) -> Result<Option<Array<'js>>> {
    parse_url(&input, base).map(|url| record(ctx, &url)).transpose()
}

/// The URL after a setter.
fn set<'js>(ctx: Ctx<'js>, href: String, part: String, value: String) -> Result<Option<Array<'js>>> {
    let Some(mut url) = Url::parse(&href, None) else {
        return Ok(None);
    };
    url.set(&part, &value);
    record(ctx, &url).map(Some)
}

/// `[href, protocol, username, password, host, hostname, port, pathname, search, hash]`, as `url.js` reads it.
fn record<'js>(ctx: Ctx<'js>, url: &Url) -> Result<Array<'js>> {
    let Parts {
        href,
        protocol,
        username,
        password,
        host,
        port,
        path,
        query,
    } = url.parts();
    // A "?" or "#" alone is nothing.
    let delimited = |part: &'_ str| if part.len() > 1 { part.len() } else { 0 };
    let search = &href[path.end..query];
    let hash = &href[query..];
    let parts = [
        href.as_str(),
        &href[..protocol],
        &href[username],
        &href[password],
        &href[host.start..port.end],
        &href[host],
        &href[port],
        &href[path],
        &search[..delimited(search)],
        &hash[..delimited(hash)],
    ];
    let record = Array::new(ctx)?;
    for (index, part) in parts.into_iter().enumerate() {
        record.set(index, part)?;
    }
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
