//! Headers on their way from HTTP to an isolate.

use http::HeaderMap;
use isthmus_protocol::Header;

/// The headers as the protocol has them.
pub(crate) fn of(headers: &HeaderMap) -> impl Iterator<Item = Header<'_>> {
    headers.iter().map(|(name, value)| Header {
        name: name.as_str(),
        value: value.as_bytes(),
    })
}
