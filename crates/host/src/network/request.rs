//! The head of an outbound request, as it goes over the wire.
//!
//! Headers of the connection are ours. Loops are found by `CDN-Loop` (RFC 8586): a request that came through a Worker
//! tells so, and how often.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use isthmus_protocol::RequestHead;

use crate::broker::Origin;
use crate::isolate::is_of_connection;

/// Through how many Workers a request may go, one after another.
const DEPTH_MAX: u32 = 16;

/// Where a request tells through whom it came.
pub(crate) const LOOP_HEADER: &str = "cdn-loop";

/// Our name there.
const LOOP_NAME: &str = "isthmus";

/// What upstream says of a request that goes round in circles.
const TOO_DEEP: &str = "Subrequest depth limit exceeded. This request recursed through Workers too many times. This \
                        can happen e.g. if you have a Worker that calls itself.";

/// Through how many Workers a request came, by the values of its [`LOOP_HEADER`]s.
pub(crate) fn depth_of<'a>(values: impl Iterator<Item = &'a [u8]>) -> u32 {
    values
        .filter_map(|value| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .filter_map(ours)
        .max()
        .unwrap_or(0)
}

/// The count of our own entry: `isthmus; loops=3`.
fn ours(entry: &str) -> Option<u32> {
    let mut parts = entry.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(LOOP_NAME) {
        return None;
    }
    Some(
        parts
            .find_map(|part| part.strip_prefix("loops="))
            .and_then(|count| count.parse().ok())
            .unwrap_or(1),
    )
}

/// Whether the values of an `accept-encoding` take a coding.
pub(crate) fn accepts<'a>(values: impl Iterator<Item = &'a [u8]>, coding: &str) -> bool {
    values
        .filter_map(|value| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .any(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding))
                && !parts.any(|part| {
                    let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
                    weight.is_some_and(|weight| weight.trim().parse() == Ok(0.0))
                })
        })
}

/// The request that `head` asks for, in the course of an event that comes from `origin`.
pub(super) fn build(head: &RequestHead<'_>, has_body: bool, origin: Origin) -> Result<Request<()>, String> {
    if origin.depth >= DEPTH_MAX {
        return Err(TOO_DEEP.to_owned());
    }
    let method = Method::from_bytes(head.method.as_bytes())
        .map_err(|_| format!("Invalid HTTP method string: {}", head.method))?;
    let uri = uri(head.url).ok_or_else(|| format!("Invalid URL: {}", head.url))?;
    let mut headers = HeaderMap::with_capacity(head.headers.len() + 3);
    let mut via = Vec::new();
    for header in &head.headers {
        if is_of_connection(header.name) || matches!(header.name, "host" | "content-length" | "expect") {
            continue;
        }
        if header.name == LOOP_HEADER {
            via.extend(
                String::from_utf8_lossy(header.value)
                    .split(',')
                    .map(|entry| entry.trim().to_owned()),
            );
            continue;
        }
        let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(header.name.as_bytes()),
            HeaderValue::from_bytes(header.value),
        ) else {
            return Err(format!(
                "The header {:?} cannot be sent with that value.",
                header.name
            ));
        };
        if headers.try_append(name, value).is_err() {
            return Err("A request cannot have that many headers.".to_owned());
        }
    }
    via.retain(|entry| !entry.is_empty() && ours(entry).is_none());
    via.push(format!("{LOOP_NAME}; loops={}", origin.depth + 1));
    if let Ok(value) = HeaderValue::from_bytes(via.join(", ").as_bytes()) {
        headers.insert(HeaderName::from_static(LOOP_HEADER), value);
    }
    // A part of a coded body is of no use.
    if !headers.contains_key(header::ACCEPT_ENCODING) && !headers.contains_key(header::RANGE) {
        let codings = match (origin.gzip, origin.brotli) {
            (true, true) => Some("gzip, br"),
            (true, false) => Some("gzip"),
            (false, true) => Some("br"),
            (false, false) => None,
        };
        if let Some(codings) = codings {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(codings));
        }
    }
    if !has_body && method != Method::GET && method != Method::HEAD {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

/// A URL as HTTP sends it: without credentials and fragment. What the URL standard leaves as it is and HTTP's grammar
/// does not know is percent-encoded.
fn uri(url: &str) -> Option<Uri> {
    let url = url.split('#').next()?;
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next()?;
    let mut text = format!("{scheme}://{host}");
    for c in path.chars() {
        match c {
            '<' | '>' | '`' | '"' | '{' | '}' | '|' | '\\' | '^' => {
                text += &format!("%{:02X}", u32::from(c));
            }
            _ => text.push(c),
        }
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use isthmus_protocol::{Header, Redirect};

    use super::*;

    fn head<'a>(method: &'a str, url: &'a str, headers: &[(&'a str, &'a [u8])]) -> RequestHead<'a> {
        RequestHead {
            method,
            url,
            headers: headers
                .iter()
                .map(|&(name, value)| Header { name, value })
                .collect(),
            cf: None,
            redirect: Redirect::Manual,
        }
    }

    fn deep(depth: u32) -> Origin {
        Origin {
            depth,
            ..Origin::default()
        }
    }

    #[test]
    fn codings_are_asked_for_that_the_client_takes_too() {
        let asked = |headers: &[(&'static str, &'static [u8])], accept: &[u8]| {
            let origin = Origin {
                depth: 0,
                gzip: accepts([accept].into_iter(), "gzip"),
                brotli: accepts([accept].into_iter(), "br"),
            };
            let request = build(&head("GET", "http://a.test/", headers), false, origin).expect("a request");
            let value = request.headers().get(header::ACCEPT_ENCODING);
            value.map(|value| value.to_str().expect("ASCII").to_owned())
        };
        assert_eq!(
            asked(&[], b"gzip, deflate, br;q=0.5").as_deref(),
            Some("gzip, br")
        );
        assert_eq!(asked(&[], b"GZIP;q=0.1, br;q=0").as_deref(), Some("gzip"));
        assert_eq!(asked(&[], b"x, *"), None);
        assert_eq!(asked(&[], b"\xff"), None);
        assert_eq!(asked(&[("range", b"bytes=0-1")], b"gzip"), None);
        assert_eq!(
            asked(&[("accept-encoding", b"zstd")], b"gzip").as_deref(),
            Some("zstd")
        );
    }

    #[test]
    fn headers_of_the_connection_and_the_host_are_ours() {
        let head = head(
            "GET",
            "http://user:pass@a.test:81/p?q#f",
            &[
                ("host", b"evil.test"),
                ("connection", b"close"),
                ("transfer-encoding", b"chunked"),
                ("content-length", b"7"),
                ("x", b"\xe9"),
            ],
        );
        let request = build(&head, false, Origin::default()).expect("a request");
        assert_eq!(request.uri(), "http://a.test:81/p?q");
        let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x", LOOP_HEADER]);
        assert_eq!(request.headers()["x"].as_bytes(), b"\xe9");
    }

    #[test]
    fn what_http_does_not_know_is_encoded() {
        let request = build(
            &head("GET", "http://a.test/a|b^c?`{\"<>}'", &[]),
            false,
            Origin::default(),
        )
        .expect("a request");
        assert_eq!(request.uri(), "http://a.test/a%7Cb%5Ec?%60%7B%22%3C%3E%7D'");
        assert!(build(&head("GET", "nonsense", &[]), false, Origin::default()).is_err());
    }

    #[test]
    fn loops_are_counted_and_end() {
        let seen = [
            ("cdn-loop", &b"other; x=1, isthmus; loops=3"[..]),
            ("cdn-loop", b"third"),
        ];
        assert_eq!(depth_of(seen.iter().map(|(_, value)| *value)), 3);
        assert_eq!(depth_of([&b"isthmus"[..]].into_iter()), 1);
        assert_eq!(depth_of([&b"\xff"[..], b"other", b""].into_iter()), 0);
        let request = build(&head("GET", "http://a.test/", &seen), false, deep(3)).expect("a request");
        assert_eq!(
            request.headers()[LOOP_HEADER],
            "other; x=1, third, isthmus; loops=4"
        );
        assert!(build(&head("GET", "http://a.test/", &[]), false, deep(DEPTH_MAX)).is_err());
    }

    #[test]
    fn methods_that_mean_a_body_say_when_there_is_none() {
        let length = |method, has_body| {
            let request =
                build(&head(method, "http://a.test/", &[]), has_body, Origin::default()).expect("a request");
            request.headers().get(header::CONTENT_LENGTH).cloned()
        };
        assert_eq!(length("POST", false), Some(HeaderValue::from_static("0")));
        assert_eq!(length("POST", true), None);
        assert_eq!(length("GET", false), None);
    }
}
