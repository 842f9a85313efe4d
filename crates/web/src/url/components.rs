//! Components of URLs one by one, as URL patterns compare them.
//! <https://urlpattern.spec.whatwg.org/#canon-encoding-callbacks>

use super::parser::State;
use super::record::Url;

/// A URL's `[protocol, username, password, hostname, port, pathname, search, hash]` without their delimiters, and
/// whether its path is opaque (empty if it is not); nothing if the text is no URL.
pub(crate) fn components(input: String, base: Option<String>) -> Option<Vec<String>> {
    let url = super::parse_url(&input, base)?;
    Some(vec![
        url.scheme,
        url.username,
        url.password,
        url.host.unwrap_or_default(),
        url.port.map(|port| port.to_string()).unwrap_or_default(),
        url.path,
        url.query.unwrap_or_default(),
        url.fragment.unwrap_or_default(),
        if url.is_opaque { "opaque" } else { "" }.to_owned(),
    ])
}

/// One component as a URL would have it, or nothing if no URL could. A port depends on the protocol, if one is given.
pub(crate) fn canonicalize(kind: &str, value: &str, protocol: &str) -> Option<String> {
    if value.is_empty() {
        return Some(String::new());
    }
    let mut url = Url {
        scheme: "https".to_owned(),
        host: Some("dummy.invalid".to_owned()),
        ..Url::default()
    };
    match kind {
        "protocol" => Some(Url::parse(&format!("{value}://dummy.invalid"), None)?.scheme),
        "username" => {
            url.set_username(value);
            Some(url.username)
        }
        "password" => {
            url.set_password(value);
            Some(url.password)
        }
        "hostname" => {
            url.parse_part(value, State::Hostname).ok()?;
            url.host
        }
        "IPv6 hostname" => {
            let allowed = |c: char| c.is_ascii_hexdigit() || matches!(c, '[' | ']' | ':');
            value.chars().all(allowed).then(|| value.to_ascii_lowercase())
        }
        "port" => {
            // Without a protocol no port is a default one.
            url.scheme = if protocol.is_empty() { "dummy" } else { protocol }.to_owned();
            url.parse_part(value, State::Port).ok()?;
            Some(url.port.map(|port| port.to_string()).unwrap_or_default())
        }
        "pathname" => {
            // Without a slash it is the rest of a path whose beginning is not known.
            let prefix = if value.starts_with('/') { "" } else { "/-" };
            url.parse_part(&format!("{prefix}{value}"), State::PathStart)
                .ok()?;
            Some(url.path.get(prefix.len()..).unwrap_or_default().to_owned())
        }
        "opaque pathname" => {
            url.is_opaque = true;
            url.parse_part(value, State::OpaquePath).ok()?;
            Some(url.path)
        }
        "search" => {
            url.parse_part(value, State::Query).ok()?;
            url.query
        }
        "hash" => {
            url.parse_part(value, State::Fragment).ok()?;
            url.fragment
        }
        _ => None,
    }
}
