//! `URL` and `URLSearchParams`. <https://url.spec.whatwg.org/>
//!
//! A parsed URL lives in JavaScript as its serialisation, which is ASCII, and the offsets of its parts
//! in it: getters are slices. Parsing, setters and the form encoding are the `url` crate's.

use rquickjs::{Array, Ctx, Function, Result};
use url::{Position, Url, form_urlencoded, quirks};

use crate::script;

/// Adds `URL` and `URLSearchParams`.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(ctx, "search_params.js", include_str!("search_params.js"), |native| {
        native.set("parse", Function::new(ctx.clone(), parse_query)?)?;
        native.set("serialize", Function::new(ctx.clone(), serialize_query)?)
    })?;
    script::evaluate(ctx, "url.js", include_str!("url.js"), |native| {
        native.set("parse", Function::new(ctx.clone(), parse)?)?;
        native.set("canParse", Function::new(ctx.clone(), |input: String, base| parse_url(&input, base).is_some())?)?;
        native.set("origin", Function::new(ctx.clone(), |href: String| Url::parse(&href).map(|url| quirks::origin(&url)).ok())?)?;
        native.set("set", Function::new(ctx.clone(), set)?)
    })
}

fn parse_url(input: &str, base: Option<String>) -> Option<Url> {
    match base {
        None => Url::parse(input).ok(),
        Some(base) => Url::parse(&base).ok()?.join(input).ok(),
    }
}

fn parse<'js>(ctx: Ctx<'js>, input: String, base: Option<String>) -> Result<Option<Array<'js>>> {
    parse_url(&input, base).map(|url| record(ctx, &url)).transpose()
}

/// The URL after a setter, or nothing if the setter leaves it as it is.
fn set<'js>(ctx: Ctx<'js>, href: String, part: String, value: String) -> Result<Option<Array<'js>>> {
    let Ok(mut url) = Url::parse(&href) else {
        return Ok(None);
    };
    let changed = match part.as_str() {
        "protocol" => quirks::set_protocol(&mut url, &value),
        "username" => quirks::set_username(&mut url, &value),
        "password" => quirks::set_password(&mut url, &value),
        "host" => quirks::set_host(&mut url, &value),
        "hostname" => quirks::set_hostname(&mut url, &value),
        "port" => quirks::set_port(&mut url, &value),
        "pathname" => {
            quirks::set_pathname(&mut url, &value);
            Ok(())
        }
        "search" => {
            quirks::set_search(&mut url, &value);
            Ok(())
        }
        "hash" => {
            quirks::set_hash(&mut url, &value);
            Ok(())
        }
        _ => Err(()),
    };
    changed.ok().map(|()| record(ctx, &url)).transpose()
}

/// `[href, end of protocol, username from, to, password from, to, host from, to, port from, to,
/// path from, to, query to]`, as `url.js` reads it.
fn record<'js>(ctx: Ctx<'js>, url: &Url) -> Result<Array<'js>> {
    let at = |position| url[..position].len();
    let record = Array::new(ctx)?;
    record.set(0, url.as_str())?;
    record.set(1, quirks::protocol(url).len())?;
    record.set(2, at(Position::BeforeUsername))?;
    record.set(3, at(Position::AfterUsername))?;
    record.set(4, at(Position::BeforePassword))?;
    record.set(5, at(Position::AfterPassword))?;
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
