//! `/cdn-cgi/handler/…`: events that a developer sets off by hand. Only for clients on this machine that
//! address it by a local name, since a page on the internet can make a browser send such requests.

use std::net::{IpAddr, SocketAddr};

use http::header::ORIGIN;
use http::request::Parts;
use http::{HeaderMap, Method};

use super::target::Target;
use crate::pages::Page;

/// The paths that are the host's.
const PREFIX: &str = "/cdn-cgi/handler/";

/// What an admin request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admin {
    /// The Worker's test handler.
    Test,
}

/// Whether a request is for the host itself, and what it asks for.
///
/// # Errors
/// A page for what isn't there or isn't allowed.
pub(super) fn read(head: &Parts, target: &Target, peer: SocketAddr) -> Result<Option<Admin>, Page> {
    let Some(handler) = target.path().strip_prefix(PREFIX) else {
        return Ok(None);
    };
    if !peer.ip().to_canonical().is_loopback()
        || !is_local(target.authority())
        || !is_local_origin(&head.headers)
    {
        return Err(Page::forbidden(
            "The handlers under /cdn-cgi/handler/ answer only to this machine, addressed as localhost.",
        ));
    }
    match handler {
        "test" if head.method == Method::POST => Ok(Some(Admin::Test)),
        "test" => Err(Page::only_post("The test handler is run by POST.")),
        _ => Err(Page::not_found(
            "There is no such handler. There is: POST /cdn-cgi/handler/test",
        )),
    }
}

/// Whether an authority (`host` or `host:port`) names this machine whatever a name server says.
fn is_local(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

/// A browser says which page a request comes from.
fn is_local_origin(headers: &HeaderMap) -> bool {
    headers.get_all(ORIGIN).iter().all(|origin| {
        origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, authority)| is_local(authority))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_need_no_name_server_are_local() {
        for local in [
            "localhost",
            "LOCALHOST:8787",
            "a.localhost:1",
            "localhost.",
            "127.0.0.1:80",
            "127.9.9.9",
            "[::1]:8787",
            "[::1]",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_local(local), "{local}");
        }
        for other in [
            "example.com",
            "localhost.example.com",
            "10.0.0.1:80",
            "[::2]:1",
            "",
            ":80",
            "notlocalhost",
        ] {
            assert!(!is_local(other), "{other}");
        }
    }

    #[test]
    fn a_foreign_page_is_no_local_origin() {
        let with = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, origin.parse().expect("a header value"));
            is_local_origin(&headers)
        };
        assert!(is_local_origin(&HeaderMap::new()));
        assert!(with("http://localhost:8787"));
        assert!(!with("https://evil.example") && !with("null"));
    }
}
