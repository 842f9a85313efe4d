//! URL records: their parts, their serialisation, their origin. <https://url.spec.whatwg.org/#concept-url>

use std::fmt::{self, Write as _};
use std::ops::Range;

use super::percent::{self, Set};

/// A URL. Every part is ASCII.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Url {
    pub(super) scheme: String,
    pub(super) username: String,
    pub(super) password: String,
    /// Serialised.
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    /// Either opaque, or empty, or one `/` before each segment.
    pub(super) path: String,
    pub(super) is_opaque: bool,
    pub(super) query: Option<String>,
    pub(super) fragment: Option<String>,
}

/// Where the parts are in a serialised URL.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) href: String,
    /// The end of the scheme and its `:`.
    pub(super) protocol: usize,
    pub(super) username: Range<usize>,
    pub(super) password: Range<usize>,
    pub(super) host: Range<usize>,
    pub(super) port: Range<usize>,
    pub(super) path: Range<usize>,
    /// The end of the query, its `?` included.
    pub(super) query: usize,
}

impl Url {
    /// <https://url.spec.whatwg.org/#is-special>
    pub(super) fn is_special(&self) -> bool {
        is_special(&self.scheme)
    }

    /// <https://url.spec.whatwg.org/#include-credentials>
    pub(super) fn has_credentials(&self) -> bool {
        !self.username.is_empty() || !self.password.is_empty()
    }

    /// <https://url.spec.whatwg.org/#cannot-have-a-username-password-port>
    pub(super) fn cannot_have_credentials(&self) -> bool {
        self.host.as_deref().is_none_or(str::is_empty) || self.scheme == "file"
    }

    /// Sets the user's name to an encoded text.
    pub(super) fn set_username(&mut self, name: &str) {
        self.username = percent::encode(name, Set::USERINFO);
    }

    /// Sets the password to an encoded text.
    pub(super) fn set_password(&mut self, password: &str) {
        self.password = percent::encode(password, Set::USERINFO);
    }

    /// Removes the path's last segment. <https://url.spec.whatwg.org/#shorten-a-urls-path>
    pub(super) fn shorten(&mut self) {
        let is_drive = self.scheme == "file"
            && self.path.len() == 3
            && self.path.strip_prefix('/').is_some_and(is_normalized_drive);
        if !is_drive {
            self.path.truncate(self.path.rfind('/').unwrap_or(0));
        }
    }

    /// <https://url.spec.whatwg.org/#concept-url-serializer>
    pub(super) fn parts(&self) -> Parts {
        let mut href = format!("{}:", self.scheme);
        let protocol = href.len();
        let push = |href: &mut String, text: &str| {
            let start = href.len();
            href.push_str(text);
            start..href.len()
        };
        if self.host.is_some() {
            href.push_str("//");
        }
        let username = push(&mut href, &self.username);
        if !self.password.is_empty() {
            href.push(':');
        }
        let password = push(&mut href, &self.password);
        if self.has_credentials() {
            href.push('@');
        }
        let host = push(&mut href, self.host.as_deref().unwrap_or_default());
        let mut port = href.len()..href.len();
        if let Some(number) = self.port {
            port.start += 1;
            // Writing to a string cannot fail.
            let _ = write!(href, ":{number}");
            port.end = href.len();
        }
        // Without it the path would be read as a host.
        if self.host.is_none() && !self.is_opaque && self.path.starts_with("//") {
            href.push_str("/.");
        }
        let path = push(&mut href, &self.path);
        if let Some(query) = &self.query {
            href.push('?');
            href.push_str(query);
        }
        let query = href.len();
        if let Some(fragment) = &self.fragment {
            href.push('#');
            href.push_str(fragment);
        }
        Parts {
            href,
            protocol,
            username,
            password,
            host,
            port,
            path,
            query,
        }
    }

    /// The scheme, without its `:`.
    pub(crate) fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The name and the password in it, decoded, with a colon between them. `None` if both are empty.
    pub(crate) fn credentials(&self) -> Option<Vec<u8>> {
        if self.username.is_empty() && self.password.is_empty() {
            return None;
        }
        let [name, password] = [&self.username, &self.password].map(|part| percent::decode(part));
        Some([&*name, b":", &*password].concat())
    }

    /// The fragment, without its `#`.
    pub(crate) fn fragment(&self) -> Option<&str> {
        self.fragment.as_deref()
    }

    /// Replaces the fragment by one that is encoded already.
    pub(crate) fn set_fragment(&mut self, fragment: Option<&str>) {
        self.fragment = fragment.map(str::to_owned);
    }

    /// The serialised origin. <https://url.spec.whatwg.org/#concept-url-origin>
    pub(crate) fn origin(&self) -> String {
        match self.scheme.as_str() {
            "blob" => match Self::parse(&self.path, None) {
                Some(inner) if matches!(inner.scheme.as_str(), "http" | "https") => inner.origin(),
                _ => "null".to_owned(),
            },
            "ftp" | "http" | "https" | "ws" | "wss" => {
                let host = self.host.as_deref().unwrap_or_default();
                match self.port {
                    Some(port) => format!("{}://{host}:{port}", self.scheme),
                    None => format!("{}://{host}", self.scheme),
                }
            }
            _ => "null".to_owned(),
        }
    }
}

impl From<Url> for String {
    fn from(url: Url) -> Self {
        url.parts().href
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.parts().href)
    }
}

/// Whether a scheme is special.
pub(super) fn is_special(scheme: &str) -> bool {
    scheme == "file" || default_port(scheme).is_some()
}

/// The port that a special scheme means if none is given.
pub(super) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "ftp" => Some(21),
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// <https://url.spec.whatwg.org/#normalized-windows-drive-letter>
pub(super) fn is_normalized_drive(segment: &str) -> bool {
    is_drive(segment) && segment.ends_with(':')
}

/// <https://url.spec.whatwg.org/#windows-drive-letter>
pub(super) fn is_drive(segment: &str) -> bool {
    matches!(segment.as_bytes(), [letter, b':' | b'|'] if letter.is_ascii_alphabetic())
}
