//! Following redirects: <https://fetch.spec.whatwg.org/#http-redirect-fetch>.

use bytes::Bytes;

use super::header_list::HeaderList;
use crate::host::UploadBody;
use crate::url::Url;

/// How many redirects are followed.
const REDIRECTS_MAX: u32 = 20;

/// Upstream's text, for a body that is gone when a redirect asks for it again.
const ONE_TIME_BODY: &str = "A request with a one-time-use body (it was initialized from a stream, not a buffer) \
                             encountered a redirect requiring the body to be retransmitted. To avoid this error in the \
                             future, construct this request from a buffer-like body initializer.";

/// What to do with a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// Follow it.
    Follow,
    /// Hand the redirect itself to the caller.
    Manual,
    /// Fail.
    Error,
}

/// Whether the body can be sent once more.
pub(super) enum Replay {
    /// There is none.
    Nothing,
    /// It is here.
    Bytes(Bytes),
    /// It came from a stream.
    Impossible,
}

/// A request on its way through redirects.
pub(super) struct Trail {
    mode: Redirect,
    followed: u32,
    url: Url,
    method: String,
    headers: HeaderList,
    cf: Option<String>,
    replay: Replay,
}

/// Where a response redirects to: the header's bytes, if it is a redirect with such a header.
pub(super) fn location(status: u16, headers: &[(String, Vec<u8>)]) -> Option<String> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let (_, value) = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("location"))?;
    Some(match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => super::interface::latin1(value),
    })
}

impl Trail {
    pub(super) fn new(
        mode: Redirect,
        url: Url,
        method: String,
        headers: HeaderList,
        cf: Option<String>,
        replay: Replay,
    ) -> Self {
        Self {
            mode,
            followed: 0,
            url,
            method,
            headers,
            cf,
            replay,
        }
    }

    /// Where the next request goes, or the last one went.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn method(&self) -> &str {
        &self.method
    }

    /// The headers to send.
    pub(super) fn headers(&self) -> Vec<(String, Vec<u8>)> {
        self.headers.clone().into_entries()
    }

    pub(super) fn cf(&self) -> Option<&str> {
        self.cf.as_deref()
    }

    pub(super) fn is_redirected(&self) -> bool {
        self.followed > 0
    }

    /// Goes where a response with this status leads: `Some` is the body of the next request, `None` means that the
    /// response is the answer.
    ///
    /// # Errors
    /// The message of the `TypeError` that the fetch ends in.
    pub(super) fn next(
        &mut self,
        status: u16,
        location: Option<String>,
    ) -> Result<Option<UploadBody>, String> {
        if self.mode == Redirect::Manual {
            return Ok(None);
        }
        let redirects = matches!(status, 301 | 302 | 303 | 307 | 308);
        if redirects && self.mode == Redirect::Error {
            return Err(
                "The response is a redirect, and the request's redirect mode is \"error\".".to_owned(),
            );
        }
        let Some(location) = location else {
            return Ok(None);
        };
        let refused = || "Invalid Location header; unable to follow redirect.".to_owned();
        let mut url = Url::parse(&location, Some(&self.url)).ok_or_else(refused)?;
        match url.scheme() {
            "http" | "https" => {}
            "data" => return Err(refused()),
            _ => return Err(super::outbound::cannot_load(&url)),
        }
        if url.fragment().is_none() {
            url.set_fragment(self.url.fragment());
        }
        if self.followed == REDIRECTS_MAX {
            return Err("Too many redirects.".to_owned());
        }
        self.followed += 1;
        if status != 303 && matches!(self.replay, Replay::Impossible) {
            return Err(ONE_TIME_BODY.to_owned());
        }
        let becomes_get = match status {
            301 | 302 => self.method == "POST",
            303 => !matches!(self.method.as_str(), "GET" | "HEAD"),
            _ => false,
        };
        if becomes_get {
            "GET".clone_into(&mut self.method);
            self.replay = Replay::Nothing;
            for name in [
                "content-encoding",
                "content-language",
                "content-location",
                "content-type",
                "content-length",
            ] {
                self.headers.delete(name);
            }
        }
        if self.url.origin() != url.origin() {
            self.headers.delete("authorization");
        }
        self.url = url;
        Ok(Some(match &self.replay {
            Replay::Bytes(bytes) => UploadBody::Bytes(bytes.clone()),
            Replay::Nothing | Replay::Impossible => UploadBody::None,
        }))
    }
}
