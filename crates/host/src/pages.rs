//! What a client sees when there is no answer of the Worker's: plain text that says what went wrong and
//! what to do about it.

use http::StatusCode;
use isthmus_protocol::FailureKind;

use crate::delivery::Undelivered;
use crate::isolate::{Broken, EventFailure};
use crate::limits::{HEADERS_MAX, REQUEST_BODY_MAX, URL_MAX};
use crate::logs::clean;
use crate::pool::Unavailable;
use crate::zygote::BootFailure;

/// A page: status and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The status code.
    pub(crate) status: StatusCode,
    /// The text, safe to show.
    pub(crate) text: String,
}

impl Page {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }

    /// The Worker failed to handle an event.
    pub(crate) fn event_failed(failure: &EventFailure) -> Self {
        let text = failure.text();
        let text = clean::page(&text);
        let page = match failure.kind {
            FailureKind::User => format!("The Worker raised an exception.\n\n{text}\n"),
            FailureKind::Limit => format!("The Worker exceeded a limit.\n\n{text}\n"),
            FailureKind::Internal => format!(
                "A bug in Isthmus: the Worker is not to blame.\n\n{text}\n\n\
                 Please report it with this text and what led to it.\n"
            ),
        };
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, page)
    }

    /// A client asks for another WebSocket than there is.
    pub(crate) fn websocket_version() -> Self {
        Self::new(
            StatusCode::UPGRADE_REQUIRED,
            "The requested WebSocket version is not supported: 13 is.\n",
        )
    }

    /// There is no isolate.
    fn unavailable(why: &Unavailable) -> Self {
        match why {
            Unavailable::Boot(failure) => Self::boot_failed(failure),
            Unavailable::Timeout => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The Worker has no isolate that could take the request, and none became ready in time.\n\n\
                 The log says why isolates end or do not start. Try again later.\n",
            ),
            Unavailable::Stopped => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "The server is shutting down.\n")
            }
        }
    }

    /// An event reached no isolate, or not its end there.
    pub(crate) fn undelivered(why: &Undelivered) -> Self {
        match why {
            Undelivered::Unavailable(why) => Self::unavailable(why),
            Undelivered::Broken(why) => Self::broken(why),
        }
    }

    fn boot_failed(failure: &BootFailure) -> Self {
        let text = failure.text();
        let text = clean::page(&text);
        let page = match failure.failure.kind {
            FailureKind::User => format!(
                "The Worker could not be started.\n\n{text}\n\n\
                 The next request tries again: mend the file, then reload this page.\n"
            ),
            FailureKind::Limit => format!(
                "The Worker could not be started: it exceeded the limit for start-up.\n\n{text}\n\n\
                 The next request tries again.\n"
            ),
            FailureKind::Internal => format!(
                "The Worker could not be started, which is the fault of Isthmus or of its installation.\n\n\
                 {text}\n\nThe next request tries again.\n"
            ),
        };
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, page)
    }

    /// The event was delivered (or was to be) and never answered.
    pub(crate) fn broken(why: &Broken) -> Self {
        match why {
            Broken::Ended(reason) => Self::new(
                StatusCode::BAD_GATEWAY,
                format!(
                    "The isolate that had this request ended before it answered: {}.\n\n\
                     The log has its process id and status. Other requests are not affected, and another \
                     isolate takes its place.\n",
                    clean::page(reason)
                ),
            ),
            Broken::NoAnswer => Self::event_failed(&EventFailure::internal(
                "the isolate ended the event without answering it".into(),
            )),
            Broken::BodyTooLarge(max) => Self::body_too_large(*max),
            Broken::Full => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many requests are being handled. Try again later.\n",
            ),
        }
    }

    /// The request's body exceeds the limit of `max` bytes.
    pub(crate) fn body_too_large(max: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "The body of the request exceeds the limit of {} MB.\n\n\
                 The environment variable {REQUEST_BODY_MAX} of the server sets it, in MB; without that there is no limit.\n",
                max >> 20
            ),
        )
    }

    /// The request's target exceeds the limit.
    pub(crate) fn url_too_long() -> Self {
        Self::new(
            StatusCode::URI_TOO_LONG,
            format!(
                "The URL of the request exceeds the limit of {} KB.\n",
                URL_MAX >> 10
            ),
        )
    }

    /// The request's headers exceed the limit.
    pub(crate) fn headers_too_large() -> Self {
        Self::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!(
                "The headers of the request exceed the limit of {} KB.\n",
                HEADERS_MAX >> 10
            ),
        )
    }

    /// The request can't be given to a Worker.
    pub(crate) fn bad_request(why: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("{why}\n"))
    }

    /// A handler that is run by `POST` was asked for otherwise.
    pub(crate) fn only_post(why: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("{why}\n"))
    }

    /// A method that no Worker ever sees.
    pub(crate) fn not_implemented(why: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, format!("{why}\n"))
    }

    /// Not for this client.
    pub(crate) fn forbidden(why: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, format!("{why}\n"))
    }

    /// Nothing is there.
    pub(crate) fn not_found(why: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{why}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: FailureKind) -> EventFailure {
        EventFailure {
            kind,
            name: "ValueError".into(),
            message: "no".into(),
            trace: "Traceback (most recent call last):\n  File \"a.py\", line 1\nValueError: no\x1b[31m\n"
                .into(),
        }
    }

    #[test]
    fn each_kind_of_failure_is_told_apart_and_harmless() {
        let pages = [FailureKind::User, FailureKind::Limit, FailureKind::Internal]
            .map(|kind| Page::event_failed(&failure(kind)));
        for page in &pages {
            assert_eq!(page.status, 500);
            assert!(page.text.contains("File \"a.py\", line 1\nValueError: no␛[31m"));
        }
        assert!(pages[0].text.contains("raised an exception"));
        assert!(pages[1].text.contains("limit"));
        assert!(pages[2].text.contains("A bug in Isthmus"));
    }

    #[test]
    fn a_failure_without_a_traceback_shows_class_and_message() {
        let bare = EventFailure {
            trace: String::new(),
            ..failure(FailureKind::User)
        };
        assert!(Page::event_failed(&bare).text.contains("ValueError: no"));
    }
}
