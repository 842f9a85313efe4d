//! The event streams of the tests' own server, as far as the runner stands in for it: some of `eventsource/resources`.

use isthmus_web::FetchAnswer;
use isthmus_web::body::IncomingBody;

use crate::server::{Received, answer};

/// Where they are.
pub(crate) const FOLDER: &str = "/eventsource/resources/";

/// What `message2.py` sends again and again; here once.
const MESSAGES: &str =
    "data:msg\ndata: msg\n\n:\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\ndata\n\ndata:end\n\n";

/// The stream that `name` stands for; none if the runner has none of that name.
pub(crate) fn stream(request: &Received, name: &str) -> Option<FetchAnswer> {
    let told = |header: &str| {
        let value = request.header(header).unwrap_or_default();
        [b"data: ", value.as_slice(), b"\n\n"].concat()
    };
    let body = match name {
        "message.py" => {
            let mut body = request
                .parameter("message")
                .unwrap_or_else(|| b"data: data".into());
            if request.parameter("newline").as_deref() != Some(b"none") {
                body.extend_from_slice(b"\n\n");
            }
            body.push(b'\n');
            let kind = request.parameter("mime");
            return Some(of_kind(kind.as_deref().unwrap_or(b"text/event-stream"), body));
        }
        "message2.py" => MESSAGES.into(),
        "last-event-id.py" => match request.header("last-event-id") {
            Some(id) if !id.is_empty() => told("last-event-id"),
            _ => {
                let id = request.parameter("idvalue").unwrap_or_else(|| "\u{2026}".into());
                [b"id: ", id.as_slice(), b"\nretry: 200\ndata: hello\n\n"].concat()
            }
        },
        "accept.event_stream" => told("accept"),
        "cache-control.event_stream" => told("cache-control"),
        "cors.py" if request.parameter("run").as_deref() == Some(b"cache-control") => told("cache-control"),
        _ => return None,
    };
    Some(of_kind(b"text/event-stream", body))
}

fn of_kind(kind: &[u8], body: Vec<u8>) -> FetchAnswer {
    answer(200, &[("content-type", kind)], IncomingBody::Bytes(body.into()))
}
