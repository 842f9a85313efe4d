//! The opening handshake: <https://www.rfc-editor.org/rfc/rfc6455#section-4>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};
use sha1::{Digest, Sha1};

use super::deflate::{self, Agreement};
use crate::pages::Page;

/// What a key is joined with.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The version of the protocol, the only one.
const VERSION: &str = "13";

/// Whether a request asks for a WebSocket.
pub(crate) fn is_asked_for(head: &Parts) -> bool {
    head.version == Version::HTTP_11
        && head.method == Method::GET
        && has_token(&head.headers, &header::UPGRADE, "websocket")
        && has_token(&head.headers, &header::CONNECTION, "upgrade")
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// What answers a key.
pub(super) fn accept_of(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// The answer to a request for a WebSocket, with the headers of the Worker's response, and the compression agreed on.
///
/// # Errors
/// A page if the client's handshake is not as it must be.
pub(crate) fn answer(
    request: &Parts,
    mut headers: HeaderMap,
) -> Result<(Response<()>, Option<Agreement>), Page> {
    let text = |name: &HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok());
    if text(&header::SEC_WEBSOCKET_VERSION) != Some(VERSION) {
        return Err(Page::websocket_version());
    }
    let key = text(&header::SEC_WEBSOCKET_KEY)
        .filter(|key| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16))
        .ok_or_else(|| Page::bad_request("The request has no valid Sec-WebSocket-Key header."))?;
    let offers = request
        .headers
        .get_all(header::SEC_WEBSOCKET_EXTENSIONS)
        .iter()
        .filter_map(|value| value.to_str().ok());
    // A Worker can ask for no compression by an empty header of its own, as upstream has it.
    let is_wanted = headers
        .get(header::SEC_WEBSOCKET_EXTENSIONS)
        .is_none_or(|own| !own.is_empty());
    let agreed = deflate::answer(offers).filter(|_| is_wanted);
    for name in [
        header::SEC_WEBSOCKET_ACCEPT,
        header::SEC_WEBSOCKET_EXTENSIONS,
        header::SEC_WEBSOCKET_VERSION,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
    ] {
        headers.remove(name);
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let value = |text: &str| match HeaderValue::from_str(text) {
        Ok(value) => value,
        Err(_) => unreachable!("{text} is ASCII"),
    };
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, value(&accept_of(key)));
    let agreement = agreed.map(|(agreement, text)| {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, value(&text));
        agreement
    });
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    Ok((response, agreement))
}

/// A key for a request of ours.
///
/// # Errors
/// A sentence if the kernel gives no randomness.
pub(crate) fn new_key() -> Result<String, String> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| format!("the kernel gave no randomness: {error}"))?;
    Ok(STANDARD.encode(key))
}

/// Has a request ask for a WebSocket.
pub(crate) fn ask(headers: &mut HeaderMap, key: &str) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    if let Ok(key) = HeaderValue::from_str(key) {
        headers.insert(header::SEC_WEBSOCKET_KEY, key);
    }
    // What user code asks for there says whether it wants compression; how it is done is ours.
    let own = headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    if own.is_some_and(|own| !own.is_empty()) {
        headers.insert(
            header::SEC_WEBSOCKET_EXTENSIONS,
            HeaderValue::from_static(deflate::OFFER),
        );
    }
}

/// Whether a server's answer of status 101 is one to `key`, and what compression it agreed to.
///
/// # Errors
/// A sentence that says why not.
pub(crate) fn check(headers: &HeaderMap, key: &str) -> Result<Option<Agreement>, String> {
    let is_upgraded = has_token(headers, &header::UPGRADE, "websocket")
        && has_token(headers, &header::CONNECTION, "upgrade")
        && headers
            .get(header::SEC_WEBSOCKET_ACCEPT)
            .is_some_and(|accept| accept.as_bytes() == accept_of(key).as_bytes());
    if !is_upgraded {
        return Err("The server's WebSocket handshake is not valid.".to_owned());
    }
    let answers = headers
        .get_all(header::SEC_WEBSOCKET_EXTENSIONS)
        .iter()
        .filter_map(|value| value.to_str().ok());
    deflate::agreed(answers).map_err(|why| format!("The server's WebSocket handshake is not valid: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Parts {
        let request = headers
            .iter()
            .fold(http::Request::builder().uri("/"), |request, (name, value)| {
                request.header(*name, *value)
            });
        request.body(()).expect("a good request").into_parts().0
    }

    #[test]
    fn the_key_of_the_rfc_is_answered_as_there() {
        assert_eq!(
            accept_of("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn a_request_asks_by_both_headers() {
        let asks = |headers| is_asked_for(&request(headers));
        assert!(asks(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket")
        ]));
        assert!(!asks(&[("connection", "keep-alive"), ("upgrade", "websocket")]));
        assert!(!asks(&[("connection", "upgrade"), ("upgrade", "h2c")]));
    }

    #[test]
    fn a_bad_handshake_is_refused() {
        let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let version = ("sec-websocket-version", "13");
        let status = |headers: &[(&str, &str)]| match answer(&request(headers), HeaderMap::new()) {
            Ok((response, _)) => response.status().as_u16(),
            Err(page) => page.status.as_u16(),
        };
        assert_eq!(status(&[key, version]), 101);
        assert_eq!(status(&[key]), 426);
        assert_eq!(status(&[key, ("sec-websocket-version", "8")]), 426);
        assert_eq!(status(&[version]), 400);
        assert_eq!(status(&[version, ("sec-websocket-key", "dGhl")]), 400);
        assert_eq!(status(&[version, ("sec-websocket-key", "?")]), 400);
    }

    #[test]
    fn a_worker_can_refuse_compression() {
        let request = request(&[
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
            ("sec-websocket-extensions", "permessage-deflate"),
        ]);
        let (response, agreement) = answer(&request, HeaderMap::new()).expect("a good handshake");
        assert!(agreement.is_some());
        assert_eq!(
            response.headers()["sec-websocket-extensions"],
            "permessage-deflate"
        );
        let own = [(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(""))];
        let (response, agreement) = answer(&request, own.into_iter().collect()).expect("a good handshake");
        assert!(agreement.is_none());
        assert!(!response.headers().contains_key("sec-websocket-extensions"));
    }
}
