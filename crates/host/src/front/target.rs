//! From the head of an HTTP request to the one a Worker sees: absolute URL, headers, limits.

use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Method, Version};
use isthmus_protocol::Header;

use crate::headers;
use crate::isolate::is_of_connection;
use crate::limits::{HEADERS_MAX, URL_MAX};
use crate::pages::Page;

/// What a request is addressed to.
#[derive(Debug)]
pub(super) struct Target {
    /// The absolute URL.
    pub(super) url: String,
    /// Where its authority begins and ends.
    authority: std::ops::Range<usize>,
    /// The `Host` header is not among the headers (HTTP/2 has none).
    adds_host: bool,
}

const SCHEME: &str = "http://";

impl Target {
    /// Reads the head of a request. `local` is the server's own address, for clients that name no host.
    ///
    /// # Errors
    /// A page if a limit is exceeded or the request can't be given to a Worker.
    pub(super) fn read(head: &Parts, local: &str) -> Result<Self, Page> {
        if head.method == Method::CONNECT {
            return Err(Page::not_implemented("CONNECT is not served."));
        }
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        if path.len() > URL_MAX {
            return Err(Page::url_too_long());
        }
        if size(&head.headers) > HEADERS_MAX {
            return Err(Page::headers_too_large());
        }
        let mut hosts = head.headers.get_all(HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(Page::bad_request("The request has several Host headers."));
        }
        let authority = match (head.uri.authority(), host) {
            (Some(authority), _) => authority.as_str(),
            (None, Some(host)) => host.to_str().unwrap_or("\0"),
            (None, None) if head.version >= Version::HTTP_11 => {
                return Err(Page::bad_request("The request has no Host header."));
            }
            (None, None) => local,
        };
        if !is_authority(authority) {
            return Err(Page::bad_request(
                "The Host header of the request is not a host with an optional port.",
            ));
        }
        let mut url = String::with_capacity(SCHEME.len() + authority.len() + path.len() + 1);
        url.push_str(SCHEME);
        url.push_str(authority);
        // `OPTIONS *` has no path of its own.
        if !path.starts_with('/') {
            url.push('/');
        }
        url.push_str(path);
        Ok(Self {
            authority: SCHEME.len()..SCHEME.len() + authority.len(),
            url,
            adds_host: host.is_none(),
        })
    }

    /// The host and port that the client addressed.
    pub(super) fn authority(&self) -> &str {
        &self.url[self.authority.clone()]
    }

    /// The path, without the query.
    pub(super) fn path(&self) -> &str {
        let path = &self.url[self.authority.end..];
        path.find('?').map_or(path, |query| &path[..query])
    }

    /// The query, without its question mark; empty if there is none.
    pub(super) fn query(&self) -> &str {
        let path = &self.url[self.authority.end..];
        path.find('?').map_or("", |query| &path[query + 1..])
    }

    /// The headers that a Worker sees.
    pub(super) fn headers<'a>(&'a self, headers: &'a HeaderMap) -> Vec<Header<'a>> {
        let mut seen = Vec::with_capacity(headers.len() + 1);
        if self.adds_host {
            seen.push(Header {
                name: "host",
                value: self.authority().as_bytes(),
            });
        }
        seen.extend(headers::of(headers));
        // A Worker may ask whether it is to upgrade; the rest is between the client and the host.
        seen.retain(|header| header.name == "upgrade" || !is_of_connection(header.name));
        seen
    }
}

fn size(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

/// Whether a text can stand in a URL as a host with an optional port and be nothing else.
fn is_authority(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = headers
            .iter()
            .fold(http::Request::builder().uri(uri), |request, (name, value)| {
                request.header(*name, *value)
            });
        request.body(()).expect("a good request").into_parts().0
    }

    fn status(parts: &Parts) -> u16 {
        Target::read(parts, "127.0.0.1:8787")
            .expect_err("must be refused")
            .status
            .as_u16()
    }

    #[test]
    fn the_url_is_absolute_whoever_names_the_host() {
        for (uri, headers) in [
            ("/a?b=c#d", &[("host", "example.com:8787")][..]),
            ("http://example.com:8787/a?b=c", &[]),
            ("http://example.com:8787/a?b=c", &[("host", "other")]),
        ] {
            let target = Target::read(&parts(uri, headers), "local").expect("a good request");
            assert_eq!(target.url, "http://example.com:8787/a?b=c");
            assert_eq!((target.authority(), target.path()), ("example.com:8787", "/a"));
        }
        let mut old = parts("/", &[]);
        old.version = Version::HTTP_10;
        assert_eq!(
            Target::read(&old, "127.0.0.1:1").expect("a good request").url,
            "http://127.0.0.1:1/"
        );
    }

    #[test]
    fn a_worker_sees_the_host_but_not_the_connection() {
        let parts = parts(
            "http://a.b/",
            &[
                ("x-a", "1"),
                ("connection", "keep-alive"),
                ("te", "trailers"),
                ("x-a", "2"),
                ("upgrade", "websocket"),
            ],
        );
        let target = Target::read(&parts, "local").expect("a good request");
        let names: Vec<_> = target
            .headers(&parts.headers)
            .iter()
            .map(|header| header.name)
            .collect();
        assert_eq!(names, ["host", "x-a", "x-a", "upgrade"]);
    }

    #[test]
    fn what_cannot_be_a_host_is_refused() {
        for host in ["", "a/b", "a@b", "a b", "a?b", "a#b", "a\\b", "ä"] {
            assert_eq!(status(&parts("/", &[("host", host)])), 400, "{host:?}");
        }
        assert_eq!(status(&parts("/", &[("host", "a"), ("host", "b")])), 400);
        assert_eq!(status(&parts("/", &[])), 400);
    }

    #[test]
    fn limits_have_their_status() {
        let long = "a".repeat(URL_MAX);
        assert_eq!(status(&parts(&format!("/{long}"), &[("host", "a")])), 414);
        let large = "a".repeat(HEADERS_MAX);
        assert_eq!(status(&parts("/", &[("host", "a"), ("x", &large)])), 431);
    }
}
