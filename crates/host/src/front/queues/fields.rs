//! What clients say in JSON: read field by field, with upstream's codes and the kind of text that it gives.
//!
//! `null` is as good as nothing, and what isn't known is ignored.

use std::ops::RangeInclusive;

use bytes::Bytes;
use isthmus_protocol::queue::ContentType;
use isthmus_stores::queue::Outgoing;
use serde_json::{Map, Value};

use super::Refusal;
use crate::queues::Ticket;

/// The longest that messages stay leased, in milliseconds.
const VISIBILITY_MAX: u64 = 12 * 60 * 60 * 1000;

/// The most messages that are pulled together.
const PULL_MAX: u64 = 100;

/// The longest delay, in seconds.
const DELAY_MAX: u64 = 86_400;

/// A request to pull.
pub(super) struct Pull {
    /// How many messages at most.
    pub(super) batch_size: Option<u64>,
    /// For how long, in milliseconds.
    pub(super) visibility: Option<u64>,
}

/// What a client says of its leases: each with its text, `None` where that is none of ours.
pub(super) struct Said {
    pub(super) acks: Vec<(String, Option<Ticket>)>,
    pub(super) retries: Vec<(String, Option<Ticket>, Option<i32>)>,
}

/// Messages to send.
pub(super) struct Sent {
    pub(super) messages: Vec<Outgoing>,
}

/// Reads the body of a request; nothing counts as `{}`.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(unexpected("object", &other, "")),
        Err(error) => Err(Refusal::malformed(format!(
            "The request body is not valid JSON: {error}"
        ))),
    }
}

/// `{"batch_size", "visibility_timeout_ms"}`
pub(super) fn pull(object: &Map<String, Value>) -> Result<Pull, Refusal> {
    Ok(Pull {
        batch_size: whole(object, "", "batch_size", 1..=PULL_MAX)?,
        visibility: whole(object, "", "visibility_timeout_ms", 0..=VISIBILITY_MAX)?,
    })
}

/// `{"acks": [{"lease_id"}], "retries": [{"lease_id", "delay_seconds"}]}`
pub(super) fn said(object: &Map<String, Value>) -> Result<Said, Refusal> {
    let mut acks = Vec::new();
    for (place, item) in list(object, "acks")?.iter().enumerate() {
        acks.push(lease(item, &format!("acks[{place}]"))?);
    }
    let mut retries = Vec::new();
    for (place, item) in list(object, "retries")?.iter().enumerate() {
        let path = format!("retries[{place}]");
        let (text, ticket) = lease(item, &path)?;
        let delay = match item {
            Value::Object(item) => delay(item, &path)?,
            _ => None,
        };
        retries.push((text, ticket, delay));
    }
    Ok(Said { acks, retries })
}

/// `{"lease_id"}`, or the text alone.
fn lease(item: &Value, path: &str) -> Result<(String, Option<Ticket>), Refusal> {
    let text = match item {
        Value::String(text) => text,
        Value::Object(item) => match item.get("lease_id") {
            Some(Value::String(text)) => text,
            Some(other) => return Err(unexpected("string", other, &at(path, "lease_id"))),
            None => return Err(required(&at(path, "lease_id"))),
        },
        other => return Err(unexpected("object", other, path)),
    };
    Ok((text.clone(), Ticket::read(text)))
}

/// `{"body", "content_type", "delay_seconds"}`
pub(super) fn message(object: Map<String, Value>) -> Result<Sent, Refusal> {
    Ok(Sent {
        messages: vec![outgoing(object, "", None)?],
    })
}

/// `{"messages": […], "delay_seconds"}`
pub(super) fn batch(mut object: Map<String, Value>) -> Result<Sent, Refusal> {
    let delay = delay(&object, "")?;
    let messages = match object.remove("messages") {
        Some(Value::Array(messages)) if !messages.is_empty() => messages,
        Some(Value::Array(_)) => {
            return Err(Refusal::invalid(
                "Array must contain at least 1 element(s) at \"messages\"".to_owned(),
            ));
        }
        Some(other) => return Err(unexpected("array", &other, "messages")),
        None => return Err(required("messages")),
    };
    let outgoing = |(place, message)| {
        let path = format!("messages[{place}]");
        match message {
            Value::Object(message) => outgoing(message, &path, delay),
            other => Err(unexpected("object", &other, &path)),
        }
    };
    let messages = messages.into_iter().enumerate().map(outgoing);
    Ok(Sent {
        messages: messages.collect::<Result<_, _>>()?,
    })
}

fn outgoing(mut message: Map<String, Value>, path: &str, default: Option<i32>) -> Result<Outgoing, Refusal> {
    let delay = delay(&message, path)?.or(default);
    let body = message.remove("body");
    let body = body.ok_or_else(|| required(&at(path, "body")))?;
    let content_type = message.get("content_type").filter(|value| !value.is_null());
    let (content_type, body) = match content_type.map(Value::as_str) {
        None | Some(Some("json")) => (ContentType::Json, body.to_string()),
        Some(Some("text")) => match body {
            Value::String(text) => (ContentType::Text, text),
            other => return Err(unexpected("string", &other, &at(path, "body"))),
        },
        Some(_) => {
            return Err(Refusal::metadata(format!(
                "Invalid content type at \"{}\": there are 'json' and 'text'",
                at(path, "content_type")
            )));
        }
    };
    Ok(Outgoing {
        content_type,
        body: Bytes::from(body),
        delay,
    })
}

fn delay(object: &Map<String, Value>, path: &str) -> Result<Option<i32>, Refusal> {
    let delay = whole(object, path, "delay_seconds", 0..=DELAY_MAX)?;
    // A day fits.
    Ok(delay.map(|seconds| seconds as i32))
}

fn list<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a [Value], Refusal> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(unexpected("array", other, key)),
    }
}

/// A whole number in a range, however it is written.
fn whole(
    object: &Map<String, Value>,
    path: &str,
    key: &str,
    range: RangeInclusive<u64>,
) -> Result<Option<u64>, Refusal> {
    let number = match object.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_f64().unwrap_or(f64::NAN),
        Some(other) => return Err(unexpected("number", other, &at(path, key))),
    };
    // Far below 2^53.
    let (least, most) = (*range.start() as f64, *range.end() as f64);
    if number.fract() == 0.0 && (least..=most).contains(&number) {
        return Ok(Some(number as u64));
    }
    Err(Refusal::invalid(format!(
        "Expected a whole number from {least} to {most} at \"{}\"",
        at(path, key)
    )))
}

fn at(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn required(path: &str) -> Refusal {
    Refusal::invalid(format!("Required at \"{path}\""))
}

fn unexpected(expected: &str, found: &Value, path: &str) -> Refusal {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let place = if path.is_empty() {
        String::new()
    } else {
        format!(" at \"{path}\"")
    };
    Refusal::invalid(format!("Expected {expected}, received {found}{place}"))
}
