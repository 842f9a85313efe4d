//! The way of one request: to an isolate as an event, and back as a response. This path is hot.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::upgrade::OnUpgrade;
use isthmus_protocol::{Event, Redirect, RequestHead};

use super::Front;
use super::admin::{self, Admin, Scheduled};
use super::assets;
use super::body::{ResponseBody, StreamBody};
use super::queues;
use super::target::Target;
use super::upgrade;
use super::upload::Upload;
use crate::client_body::{self, drain};
use crate::cron;
use crate::delivery::{self, Sent};
use crate::isolate::{Answer, AnswerBody, AnswerHead, Broken, EventFailure, EventHandle};
use crate::logs::LogLevel;
use crate::pages::Page;
use crate::websocket::{self, Link};

/// Answers a request, whatever happens.
pub(super) async fn answer(
    front: &Front,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let began = Instant::now();
    let (mut head, body) = request.into_parts();
    let upgrade = websocket::is_asked_for(&head)
        .then(|| head.extensions.remove::<OnUpgrade>())
        .flatten();
    let target = match Target::read(&head, &front.local) {
        Ok(target) => target,
        Err(page) => {
            tokio::spawn(drain(body));
            let response = page_response(page);
            log_request(front, began, &head, head.uri.path(), &response);
            return response;
        }
    };
    let response = match admin::read(&head, &target, peer, front.test_scheduled) {
        Ok(None) => {
            let asset = front
                .assets
                .as_ref()
                .and_then(|assets| assets::answer(assets, &head, &target));
            match asset {
                Some(answer) => {
                    tokio::spawn(drain(body));
                    answer.unwrap_or_else(page_response)
                }
                None => fetch(front, &head, &target, body, upgrade).await,
            }
        }
        Ok(Some(Admin::Queues(route))) => queues::answer(&front.reach, &front.logs, route, body).await,
        Ok(Some(Admin::Refused(refusal))) => {
            tokio::spawn(drain(body));
            refusal.response()
        }
        Ok(Some(Admin::Test)) => test(front).await,
        Ok(Some(Admin::Scheduled(trigger))) => scheduled(front, trigger).await,
        Err(page) => page_response(page),
    };
    log_request(front, began, &head, target.path(), &response);
    response
}

/// Runs the Worker's `fetch` handler.
async fn fetch(
    front: &Front,
    head: &Parts,
    target: &Target,
    body: Incoming,
    upgrade: Option<OnUpgrade>,
) -> Response<ResponseBody> {
    let max = front.request_body_max.unwrap_or(u64::MAX);
    let expects = head.headers.contains_key(header::EXPECT);
    let upload = match Upload::take(body, max, expects).await {
        Ok(upload) => upload,
        Err(body) => {
            tokio::spawn(drain(body));
            return page_response(Page::body_too_large(max));
        }
    };
    let (mut sent, streamed) = match upload {
        Upload::None => (Sent::None, None),
        Upload::Whole(bytes) => (Sent::Inline(bytes), None),
        Upload::Stream { body, length } => (Sent::Stream { length }, Some(body)),
        Upload::Held(body) => (Sent::Held(Some(Box::new(body))), None),
    };
    let mut event = match delivery::open(&front.courier.pool, || fetch_event(head, target), &mut sent).await {
        Ok(event) => event,
        Err(why) => return page_response(Page::undelivered(&why)),
    };
    if let (Some(mut body), Some(flow)) = (streamed, event.flow()) {
        let (isolate, stream) = (event.isolate().clone(), event.stream());
        body.of_event(Arc::downgrade(&isolate), stream);
        tokio::spawn(client_body::send(isolate, stream, flow, body));
    }
    match event.answer().await {
        Ok(Answer::Response { head: answer, body }) => respond(front, head, answer, body, event),
        Ok(Answer::Upgrade {
            head: answer,
            queue,
            flow,
        }) => {
            let link = Link {
                carrier: event.isolate().clone(),
                stream: event.stream(),
                queue,
                flow,
            };
            upgrade::respond(front, head, upgrade, answer, link, event).unwrap_or_else(page_response)
        }
        Ok(Answer::Failed(failure)) => failed(front, &failure, &request_name(head, target)),
        Ok(Answer::Finished) => failed(
            front,
            &EventFailure::internal("the isolate answered a request without a response".into()),
            &request_name(head, target),
        ),
        Err(broken) => {
            if broken == Broken::NoAnswer {
                front.logs.host(
                    LogLevel::Error,
                    format_args!("{} got no answer from its isolate", request_name(head, target)),
                );
            }
            page_response(Page::broken(&broken))
        }
    }
}

/// Runs the Worker's `test` handler.
async fn test(front: &Front) -> Response<ResponseBody> {
    let mut event = match delivery::open(&front.courier.pool, || Event::Test, &mut Sent::None).await {
        Ok(event) => event,
        Err(why) => return page_response(Page::undelivered(&why)),
    };
    match event.answer().await {
        Ok(Answer::Finished) => {
            let body = ResponseBody::Full(Bytes::from_static(br#"{"outcome":"ok"}"#));
            typed_response(StatusCode::OK, "application/json", body)
        }
        Ok(Answer::Failed(failure)) => failed(front, &failure, "the test handler"),
        Ok(Answer::Response { .. } | Answer::Upgrade { .. }) => failed(
            front,
            &EventFailure::internal("the isolate answered a test with a response".into()),
            "the test handler",
        ),
        Err(broken) => page_response(Page::broken(&broken)),
    }
}

/// Runs the Worker's `scheduled` handler.
async fn scheduled(front: &Front, trigger: Scheduled) -> Response<ResponseBody> {
    if trigger.is_deprecated {
        front.logs.host(
            LogLevel::Warn,
            format_args!("/cdn-cgi/mf/scheduled is deprecated: use /cdn-cgi/handler/scheduled"),
        );
    }
    let time = trigger.time.unwrap_or_else(cron::now);
    let run = match cron::trigger(&front.courier, &trigger.cron, time).await {
        Ok(run) => run,
        Err(why) => return page_response(Page::undelivered(&why)),
    };
    let status = if run.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let (content_type, text) = match trigger.answer {
        admin::Answer::Outcome => ("text/plain;charset=UTF-8", run.outcome().to_owned()),
        admin::Answer::Json => (
            "application/json",
            format!(r#"{{"outcome":"{}","noRetry":{}}}"#, run.outcome(), run.no_retry),
        ),
        admin::Answer::Sentence if run.is_ok() => {
            ("text/plain;charset=UTF-8", "Ran scheduled event".to_owned())
        }
        admin::Answer::Sentence => (
            "text/plain;charset=UTF-8",
            "The scheduled event failed: the log says why.".to_owned(),
        ),
    };
    typed_response(status, content_type, ResponseBody::Full(Bytes::from(text)))
}

fn fetch_event<'a>(head: &'a Parts, target: &'a Target) -> Event<'a> {
    Event::Fetch(RequestHead {
        method: head.method.as_str(),
        url: &target.url,
        headers: target.headers(&head.headers),
        cf: None,
        redirect: Redirect::Manual,
    })
}

/// The Worker's response, as HTTP has it.
fn respond(
    front: &Front,
    request: &Parts,
    mut head: AnswerHead,
    body: AnswerBody,
    event: EventHandle,
) -> Response<ResponseBody> {
    let is_head = request.method == Method::HEAD;
    head.settle_length(&body, is_head);
    let bodiless = is_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = match body {
        AnswerBody::None => ResponseBody::Empty,
        AnswerBody::Inline(bytes) => ResponseBody::Full(bytes),
        AnswerBody::Held(held) => ResponseBody::Held(held),
        AnswerBody::Stream { queue, length } => {
            ResponseBody::Stream(StreamBody::new(event, queue, length, front.logs.clone()))
        }
    };
    let body = if bodiless {
        without_body(body, &mut head.headers, is_head)
    } else {
        body
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    if let Some(reason) = head.reason
        && request.version < Version::HTTP_2
        && let Ok(reason) = ReasonPhrase::try_from(reason)
    {
        response.extensions_mut().insert(reason);
    }
    response
}

/// Does without a body where HTTP has none; the answer to `HEAD` still tells its length.
pub(super) fn without_body(body: ResponseBody, headers: &mut HeaderMap, is_head: bool) -> ResponseBody {
    let length = http_body::Body::size_hint(&body).exact();
    if let (true, Some(length), false) = (is_head, length, matches!(body, ResponseBody::Empty)) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let ResponseBody::Stream(stream) = body {
        tokio::spawn(stream.discard());
    }
    ResponseBody::Empty
}

/// The page of a failed event; the log gets the same text.
fn failed(front: &Front, failure: &EventFailure, what: &str) -> Response<ResponseBody> {
    front
        .logs
        .host(LogLevel::Error, format_args!("{what} failed\n{}", failure.text()));
    page_response(Page::event_failed(failure))
}

fn request_name(head: &Parts, target: &Target) -> String {
    format!("{} {}", head.method, target.path())
}

fn page_response(page: Page) -> Response<ResponseBody> {
    let body = ResponseBody::Full(Bytes::from(page.text));
    let mut response = typed_response(page.status, "text/plain; charset=utf-8", body);
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if page.status == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn typed_response(
    status: StatusCode,
    content_type: &'static str,
    body: ResponseBody,
) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One line per request, as wrangler has it: `GET /path 200 OK (3ms)`.
fn log_request(front: &Front, began: Instant, head: &Parts, path: &str, response: &Response<ResponseBody>) {
    if front.logs.shows(LogLevel::Info) {
        let method: &dyn fmt::Display = &head.method;
        let reason = match response.extensions().get::<ReasonPhrase>() {
            Some(reason) => String::from_utf8_lossy(reason.as_bytes()),
            None => response.status().canonical_reason().unwrap_or_default().into(),
        };
        front.logs.host(
            LogLevel::Info,
            format_args!(
                "{method} {path} {} {reason} ({}ms)",
                response.status().as_u16(),
                began.elapsed().as_millis()
            ),
        );
    }
}
