//! An isolate's answer to an event, taken out of its frame.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, header};
use isthmus_protocol::{Failure, FailureKind, Header, ResponseHead};

use crate::broker::HeldBody;
use crate::streams::{BodyQueue, SendFlow};
use crate::websocket::MessageQueue;

/// The answer to an event.
pub(crate) enum Answer {
    /// To `fetch`.
    Response {
        /// Status and headers.
        head: AnswerHead,
        /// The body.
        body: AnswerBody,
    },
    /// To `fetch`: the connection becomes a WebSocket.
    Upgrade {
        /// Status and headers.
        head: AnswerHead,
        /// What the isolate sends.
        queue: Arc<MessageQueue>,
        /// What may be sent to the isolate.
        flow: Arc<SendFlow>,
    },
    /// To an event without a value.
    Finished,
    /// The handler failed.
    Failed(EventFailure),
}

/// Status and headers of a response, without those that belong to a connection.
pub(crate) struct AnswerHead {
    /// The status code.
    pub(crate) status: StatusCode,
    /// The reason phrase, if it isn't the usual one.
    pub(crate) reason: Option<Bytes>,
    /// The headers; `content-length` is still the Worker's.
    pub(crate) headers: HeaderMap,
}

/// Where the body of a response is.
pub(crate) enum AnswerBody {
    /// There is none.
    None,
    /// Here.
    Inline(Bytes),
    /// It comes from the isolate.
    Stream {
        /// Where it arrives.
        queue: Arc<BodyQueue>,
        /// Its length in bytes, where known.
        length: Option<u64>,
    },
    /// The host had it all along.
    Held(HeldBody),
}

/// Why an event failed, as the isolate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventFailure {
    /// Whose fault it is.
    pub(crate) kind: FailureKind,
    /// The class of the error.
    pub(crate) name: String,
    /// The message.
    pub(crate) message: String,
    /// The traceback, if there is one.
    pub(crate) trace: String,
}

impl EventFailure {
    /// The full text: the traceback or else class and message.
    pub(crate) fn text(&self) -> String {
        if !self.trace.is_empty() {
            self.trace.trim_end().to_owned()
        } else if self.name.is_empty() {
            self.message.clone()
        } else {
            format!("{}: {}", self.name, self.message)
        }
    }

    /// A failure that is Isthmus's own fault.
    pub(crate) fn internal(message: String) -> Self {
        Self {
            kind: FailureKind::Internal,
            name: "Error".into(),
            message,
            trace: String::new(),
        }
    }
}

impl From<&Failure<'_>> for EventFailure {
    fn from(failure: &Failure<'_>) -> Self {
        Self {
            kind: failure.kind,
            name: failure.name.to_owned(),
            message: failure.message.to_owned(),
            trace: failure.trace.to_owned(),
        }
    }
}

impl AnswerHead {
    /// Takes the head out of its frame.
    ///
    /// # Errors
    /// A sentence if it is no head of an HTTP response: the isolate should have refused it.
    pub(crate) fn read(head: &ResponseHead<'_>) -> Result<Self, String> {
        let status = StatusCode::from_u16(head.status)
            .ok()
            .filter(|status| match status.as_u16() {
                101 => head.upgrade,
                other => !head.upgrade && (200..=599).contains(&other),
            })
            .ok_or_else(|| format!("a response cannot have the status {}", head.status))?;
        let reason = match head.status_text {
            "" => None,
            text if Some(text) == status.canonical_reason() => None,
            text => Some(Bytes::copy_from_slice(text.as_bytes())),
        };
        let mut headers = HeaderMap::with_capacity(head.headers.len() + 1);
        for Header { name, value } in &head.headers {
            if is_of_connection(name) {
                continue;
            }
            let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_bytes(value),
            ) else {
                return Err(format!(
                    "a response cannot have the header {name:?} with that value"
                ));
            };
            if headers.try_append(name, value).is_err() {
                return Err("a response cannot have that many headers".into());
            }
        }
        Ok(Self {
            status,
            reason,
            headers,
        })
    }

    /// Drops a `content-length` that isn't the Worker's to tell: hyper counts the body itself. Only the
    /// answer to `HEAD` may tell the length of a body that isn't there.
    pub(crate) fn settle_length(&mut self, body: &AnswerBody, head_request: bool) {
        let keeps = matches!(body, AnswerBody::None)
            && head_request
            && self
                .headers
                .get(header::CONTENT_LENGTH)
                .is_some_and(|value| value.to_str().is_ok_and(|text| text.parse::<u64>().is_ok()));
        if !keeps {
            self.headers.remove(header::CONTENT_LENGTH);
        }
    }
}

/// Whether a header speaks of the connection, not of the message: those never pass through the host.
pub(crate) fn is_of_connection(name: &str) -> bool {
    matches!(
        name,
        "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding" | "upgrade"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head<'a>(status: u16, headers: &[(&'a str, &'a [u8])]) -> ResponseHead<'a> {
        ResponseHead {
            status,
            status_text: "",
            headers: headers
                .iter()
                .map(|&(name, value)| Header { name, value })
                .collect(),
            upgrade: false,
        }
    }

    #[test]
    fn repeated_headers_stay_and_those_of_the_connection_go() {
        let head = head(
            200,
            &[
                ("set-cookie", b"a=1"),
                ("transfer-encoding", b"chunked"),
                ("set-cookie", b"b=2"),
                ("connection", b"close"),
            ],
        );
        let read = AnswerHead::read(&head).expect("a good head");
        let cookies: Vec<_> = read.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(read.headers.len(), 2);
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for (status, headers) in [
            (99, &[][..]),
            (101, &[]),
            (600, &[]),
            (200, &[("bad name", &b"x"[..])]),
            (200, &[("x", &b"a\r\nb: c"[..])]),
        ] {
            assert!(
                AnswerHead::read(&head(status, headers)).is_err(),
                "{status} {headers:?}"
            );
        }
    }

    #[test]
    fn a_length_is_kept_only_where_it_speaks_of_an_absent_body() {
        let length = |status, body: AnswerBody, head_request| {
            let mut head = AnswerHead::read(&head(status, &[("content-length", b"7")])).expect("a good head");
            head.settle_length(&body, head_request);
            head.headers.contains_key("content-length")
        };
        assert!(length(200, AnswerBody::None, true));
        assert!(!length(304, AnswerBody::None, false));
        assert!(!length(200, AnswerBody::None, false));
        assert!(!length(200, AnswerBody::Inline(Bytes::from_static(b"abc")), true));
        assert!(!length(204, AnswerBody::None, false));
    }
}
