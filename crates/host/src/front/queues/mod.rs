//! `/cdn-cgi/client/v4/accounts/ACCOUNT/queues/QUEUE/messages…`: queues over HTTP as in Cloudflare's REST API, so that clients
//! change nothing but the base URL. Local as the other paths of the host's are ([`super::admin`]).
//!
//! <https://developers.cloudflare.com/api/resources/queues/subresources/messages/>. Any account will do, and so will any token
//! or none; a queue's id is its name. Answers have upstream's envelope and codes
//! (<https://developers.cloudflare.com/queues/reference/error-codes/>).

mod fields;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use isthmus_protocol::queue::ContentType;
use isthmus_stores::queue::{Leased, Queue, QueueError};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::body::ResponseBody;
use crate::logs::{LogLevel, Logs};
use crate::queues::{Puller, Reach, Reachable, Ticket, hex};

/// What is before the path of the REST API.
const PREFIX: &str = "/cdn-cgi/client/v4/";

/// The longest body of a request, in bytes: the longest batch however it is escaped.
const BODY_MAX: usize = 4 * 1024 * 1024;

/// A call of the API.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::front) enum Route {
    /// What is done with the messages of a queue.
    Messages { queue: String, action: Action },
    /// It is done otherwise than by `POST`.
    Method,
    /// There is no such call.
    Nowhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::front) enum Action {
    Pull,
    Ack,
    Send,
    SendBatch,
}

impl Route {
    /// The call that a path means; `None` if it isn't the API's.
    pub(in crate::front) fn of(method: &Method, path: &str) -> Option<Self> {
        let path = path.strip_prefix(PREFIX)?;
        let segments: Vec<&str> = path.split('/').collect();
        let (queue, action) = match segments[..] {
            ["accounts", account, "queues", queue, "messages"] if !account.is_empty() => {
                (queue, Action::Send)
            }
            ["accounts", account, "queues", queue, "messages", action] if !account.is_empty() => {
                let action = match action {
                    "pull" => Action::Pull,
                    "ack" => Action::Ack,
                    "batch" => Action::SendBatch,
                    _ => return Some(Self::Nowhere),
                };
                (queue, action)
            }
            _ => return Some(Self::Nowhere),
        };
        if method != Method::POST {
            return Some(Self::Method);
        }
        let queue = percent_decode_str(queue).decode_utf8_lossy().into_owned();
        Some(Self::Messages { queue, action })
    }
}

/// Why a call is refused: a status, upstream's code, a text.
#[derive(Debug)]
pub(in crate::front) struct Refusal {
    status: StatusCode,
    code: u16,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// The body isn't what it should say.
    fn invalid(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 10_207, message)
    }

    /// The body is no JSON.
    fn malformed(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 10_208, message)
    }

    /// A message's content type.
    fn metadata(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 10_203, message)
    }

    /// Not for this client.
    pub(in crate::front) fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, 10_106, message)
    }

    pub(in crate::front) fn response(self) -> Response<ResponseBody> {
        let Self {
            status,
            code,
            message,
        } = self;
        let errors = json!([{ "code": code, "message": message }]);
        let mut response = envelope(status, false, &errors, &Value::Null);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            let headers = response.headers_mut();
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

/// What the store or the platform's rules refuse.
impl From<QueueError> for Refusal {
    fn from(error: QueueError) -> Self {
        // Whatever is refused of a request is its fault; 507 is for a full disk.
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, error.code(), error.to_string())
    }
}

/// Answers a call.
pub(in crate::front) async fn answer(
    reach: &Reach,
    logs: &Logs,
    route: Route,
    body: Incoming,
) -> Response<ResponseBody> {
    match call(reach, logs, route, body).await {
        Ok(result) => envelope(StatusCode::OK, true, &json!([]), &result),
        Err(refusal) => {
            if refusal.status.is_server_error() {
                logs.host(
                    LogLevel::Error,
                    format_args!("a queue can't be reached over HTTP: {}", refusal.message),
                );
            }
            refusal.response()
        }
    }
}

async fn call(reach: &Reach, logs: &Logs, route: Route, body: Incoming) -> Result<Value, Refusal> {
    let body = read(body).await?;
    let (name, action) = match route {
        Route::Messages { queue, action } => (queue, action),
        Route::Method => {
            return Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                10_405,
                "Method not allowed",
            ));
        }
        Route::Nowhere => return Err(Refusal::new(StatusCode::NOT_FOUND, 7_003, "No route for the URI")),
    };
    let queue = match reach.get(&name) {
        Some(Some(queue)) => queue,
        Some(None) => {
            return Err(Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                15_000,
                format!("the file of the queue {name:?} can't be used: the log says why"),
            ));
        }
        None => {
            return Err(Refusal::new(
                StatusCode::NOT_FOUND,
                10_104,
                format!("Queue {name:?} does not exist"),
            ));
        }
    };
    let object = fields::object(&body)?;
    match action {
        Action::Pull => pull(pulled(queue)?, logs, &object).await,
        Action::Ack => settle(pulled(queue)?, logs, &object).await,
        Action::Send => send(queue, fields::message(object)?).await,
        Action::SendBatch => send(queue, fields::batch(object)?).await,
    }
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    match Limited::new(body, BODY_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            10_205,
            format!("The request body exceeds {} MiB", BODY_MAX >> 20),
        )),
        Err(error) => Err(Refusal::malformed(format!("The request body broke off: {error}"))),
    }
}

fn pulled(queue: &Reachable) -> Result<&Puller, Refusal> {
    queue.puller.as_deref().ok_or_else(|| {
        Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            0,
            "messages cannot be pulled unless http_pull mode is enabled",
        )
    })
}

async fn pull(puller: &Puller, logs: &Logs, object: &Map<String, Value>) -> Result<Value, Refusal> {
    let pull = fields::pull(object)?;
    let limit = pull.batch_size.unwrap_or_else(|| puller.batch_size.into());
    let visibility = pull.visibility.unwrap_or_else(|| puller.visibility.into());
    // At most 100 and 12 hours.
    let Some(messages) = puller.pull(logs, limit as usize, visibility as i64).await? else {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            10_252,
            "queue_delivery_paused",
        ));
    };
    let metrics = metrics(&puller.queue).await?;
    Ok(json!({
        "message_backlog_count": metrics["backlog_count"],
        "messages": messages.iter().map(shown).collect::<Vec<_>>(),
        "metadata": { "metrics": metrics },
    }))
}

/// A message as its client gets it.
fn shown(message: &Leased) -> Value {
    let (content_type, body) = match message.content_type {
        ContentType::Text => ("text", String::from_utf8_lossy(&message.body).into_owned()),
        ContentType::Json => ("json", STANDARD.encode(&message.body)),
        ContentType::Bytes => ("bytes", STANDARD.encode(&message.body)),
        ContentType::V8 => ("v8", STANDARD.encode(&message.body)),
    };
    json!({
        "id": hex(message.name),
        "timestamp_ms": message.sent,
        "attempts": message.attempts,
        "lease_id": Ticket::of(message).text(),
        "metadata": { "CF-Content-Type": content_type },
        "body": body,
    })
}

async fn settle(puller: &Puller, logs: &Logs, object: &Map<String, Value>) -> Result<Value, Refusal> {
    let said = fields::said(object)?;
    let (mut acks, mut acked) = (Vec::new(), Vec::new());
    let (mut retries, mut retried) = (Vec::new(), Vec::new());
    let mut warnings = Map::new();
    let mut warn = |text: &str, what: &str| {
        warnings.insert(text.to_owned(), Value::from(what));
    };
    for (text, ticket) in &said.acks {
        match ticket {
            Some(ticket) => {
                acks.push(*ticket);
                acked.push(text);
            }
            None => warn(text, "this is no lease ID"),
        }
    }
    for (text, ticket, delay) in &said.retries {
        match ticket {
            Some(ticket) => {
                retries.push((*ticket, *delay));
                retried.push(text);
            }
            None => warn(text, "this is no lease ID"),
        }
    }
    let settled = puller.settle(logs, &acks, &retries).await?;
    for place in settled.gone {
        warn(acked[place], "the message is not in the queue any more");
    }
    for place in settled.stale {
        warn(retried[place], "the message is not leased so any more");
    }
    Ok(json!({
        "ackCount": settled.acknowledged,
        "retryCount": settled.retried,
        "warnings": warnings,
    }))
}

async fn send(queue: &Reachable, sent: fields::Sent) -> Result<Value, Refusal> {
    queue
        .queue
        .send_checked(sent.messages, queue.delivery_delay)
        .await?;
    Ok(json!({ "metadata": { "metrics": metrics(&queue.queue).await? } }))
}

/// What nobody has acknowledged.
async fn metrics(queue: &Queue) -> Result<Value, Refusal> {
    let backlog = queue.unacknowledged().await?;
    Ok(json!({
        "backlog_count": backlog.count,
        "backlog_bytes": backlog.bytes,
        "oldest_message_timestamp_ms": backlog.oldest.unwrap_or(0),
    }))
}

fn envelope(status: StatusCode, success: bool, errors: &Value, result: &Value) -> Response<ResponseBody> {
    let answer = json!({ "success": success, "errors": errors, "messages": [], "result": result });
    let mut response = Response::new(ResponseBody::Full(Bytes::from(answer.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_call_or_nothing_of_ours() {
        let of = |path: &str| Route::of(&Method::POST, path);
        let messages = |queue: &str, action| {
            Some(Route::Messages {
                queue: queue.to_owned(),
                action,
            })
        };
        let base = "/cdn-cgi/client/v4/accounts/me/queues";
        assert_eq!(
            of(&format!("{base}/jobs/messages")),
            messages("jobs", Action::Send)
        );
        assert_eq!(
            of(&format!("{base}/jobs/messages/batch")),
            messages("jobs", Action::SendBatch)
        );
        assert_eq!(
            of(&format!("{base}/a%2Fb%20c/messages/pull")),
            messages("a/b c", Action::Pull)
        );
        assert_eq!(
            of(&format!("{base}/jobs/messages/ack")),
            messages("jobs", Action::Ack)
        );
        for nowhere in [
            base.to_owned(),
            format!("{base}/jobs/messages/"),
            format!("{base}/jobs/messages/peek"),
            format!("{base}/jobs/messages/pull/x"),
            "/cdn-cgi/client/v4/accounts//queues/jobs/messages".to_owned(),
            "/cdn-cgi/client/v4/".to_owned(),
        ] {
            assert_eq!(of(&nowhere), Some(Route::Nowhere), "{nowhere}");
        }
        for other in [
            "/",
            "/cdn-cgi/client/v4",
            "/cdn-cgi/client/v5/accounts",
            "/accounts/me",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        let get = Route::of(&Method::GET, &format!("{base}/jobs/messages/pull"));
        assert_eq!(get, Some(Route::Method));
    }
}
