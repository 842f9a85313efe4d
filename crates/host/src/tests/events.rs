//! Requests, answers, pages, the test handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use http_body_util::Full;
use isthmus_protocol::{Body, FailureKind, Frame, LogLevel as RecordLevel, LogRecord, LogSource, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::fake::FakeIsolate;
use super::rig::{Rig, whole};
use crate::limits::{HEADERS_MAX, URL_MAX};
use crate::logs::{LogLevel, LogOrigin};

fn request(method: Method, path: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(Full::default())
        .expect("a good request")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_reaches_the_isolate_as_it_was_and_the_answer_comes_back() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let rig = Rig::new(move |mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            let _ = seen.send(event.clone());
            let headers = [
                ("x-a", "1"),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
                ("connection", "close"),
            ];
            isolate.reply(event.stream, 418, &headers, Body::Inline("tea ☕".as_bytes()));
            isolate.done(event.stream);
        }
    })
    .await;
    let body = Full::new(Bytes::from_static(b"small body"));
    let request = Request::post("/a/b?c=%20d")
        .header("host", "example.com:99")
        .header("X-Twice", "1")
        .header("X-Twice", "2")
        .body(body)
        .expect("a good request");
    let (parts, answer) = whole(rig.send(request).await).await;
    assert_eq!(parts.status, 418);
    assert_eq!(answer, "tea ☕".as_bytes());
    assert_eq!(parts.headers["x-a"], "1");
    assert_eq!(parts.headers.get_all("set-cookie").iter().count(), 2);
    assert!(!parts.headers.contains_key("connection"));
    let event = requests.recv().await.expect("the isolate got it");
    assert_eq!(
        (event.method.as_str(), event.url.as_str()),
        ("POST", "http://example.com:99/a/b?c=%20d")
    );
    assert_eq!(
        event.body.as_deref(),
        Some(&b"small body"[..]),
        "a small body travels with its head"
    );
    let twice: Vec<_> = event
        .headers
        .iter()
        .filter(|(name, _)| name == "x-twice")
        .map(|(_, v)| &v[..])
        .collect();
    assert_eq!(twice, [b"1", b"2"]);
    rig.logged(&["[wrangler:info] POST /a/b 418 I'm a teapot (", "ms)"])
        .await;
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_carries_many_requests() {
    let rig = Rig::new(FakeIsolate::serve).await;
    let mut socket = TcpStream::connect(rig.addr).await.expect("listens");
    let mut answers = Vec::new();
    for path in ["/1", "/2", "/3"] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        socket.write_all(head.as_bytes()).await.expect("open");
        while !answers.ends_with(path.as_bytes()) {
            assert_ne!(socket.read_buf(&mut answers).await.expect("open"), 0);
        }
    }
    assert_eq!(String::from_utf8_lossy(&answers).matches("200 OK").count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_is_served_on_the_same_port() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let rig = Rig::new(move |mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            let _ = seen.send(event.clone());
            isolate.answer(event.stream, "over h2");
        }
    })
    .await;
    let mut sender = rig.http2().await;
    let calls: Vec<_> = (0..10)
        .map(|n| {
            let uri = format!("http://example.com/{n}");
            sender.send_request(Request::get(uri).body(Full::default()).expect("a good request"))
        })
        .collect();
    for call in calls {
        let response = call.await.expect("an answer");
        assert_eq!(response.version(), Version::HTTP_2);
        assert_eq!(whole(response).await.1, "over h2");
    }
    let event = requests.recv().await.expect("the isolate got it");
    assert!(event.url.starts_with("http://example.com/"));
    assert!(event.headers.contains(&("host".into(), b"example.com".to_vec())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_has_its_page_and_its_log_line() {
    let rig = Rig::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            let stream = event.stream;
            match event.path() {
                "/user" => isolate.fail(
                    stream,
                    FailureKind::User,
                    "Traceback:\n  line 1\nValueError: \x1b[2J",
                ),
                "/limit" => isolate.fail(stream, FailureKind::Limit, "too much CPU"),
                "/internal" => isolate.fail(stream, FailureKind::Internal, ""),
                "/silent" => isolate.done(stream),
                "/nonsense" => isolate.reply(stream, 42, &[], Body::None),
                _ => isolate.events.send(&Frame::Reply {
                    stream,
                    reply: Reply::Finished,
                    body: Body::None,
                }),
            }
        }
    })
    .await;
    for (path, page, log) in [
        (
            "/user",
            "Traceback:\n  line 1\nValueError: ␛[2J",
            "GET /user failed\n    Traceback:",
        ),
        ("/limit", "limit", "too much CPU"),
        ("/internal", "A bug in Isthmus", "Error: it failed"),
        ("/silent", "A bug in Isthmus", "got no answer"),
        ("/nonsense", "status 42", "status 42"),
        ("/finished", "A bug in Isthmus", "without a response"),
    ] {
        let (status, text) = rig.get(path).await;
        assert_eq!(status, 500, "{path}");
        assert!(text.contains(page), "{path}: {text}");
        let line = rig.logged(&[log]).await;
        assert_eq!(line.level, LogLevel::Error, "{path}");
        assert!(!line.text.contains('\x1b'));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_beyond_the_limits_never_reach_an_isolate() {
    let delivered = Arc::new(AtomicUsize::new(0));
    let counter = delivered.clone();
    let rig = Rig::new(move |mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            counter.fetch_add(1, Ordering::SeqCst);
            isolate.answer(event.stream, "");
        }
    })
    .await;
    assert_eq!(
        rig.get(&format!("/{}", "a".repeat(URL_MAX))).await.0,
        StatusCode::URI_TOO_LONG
    );
    let mut fat = request(Method::GET, "/");
    fat.headers_mut()
        .insert("x", "a".repeat(HEADERS_MAX).parse().expect("a header value"));
    assert_eq!(
        rig.send(fat).await.status(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
    let mut odd = request(Method::GET, "/");
    odd.headers_mut()
        .insert("host", "a/../b".parse().expect("a header value"));
    assert_eq!(rig.send(odd).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(delivered.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_test_handler_runs_for_local_clients_only() {
    let rig = Rig::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        let mut good = true;
        while let Some(event) = isolate.next_event() {
            if !event.is_test {
                isolate.answer(event.stream, "the Worker");
            } else if std::mem::take(&mut good) {
                isolate.events.send(&Frame::Reply {
                    stream: event.stream,
                    reply: Reply::Finished,
                    body: Body::None,
                });
                isolate.done(event.stream);
            } else {
                isolate.fail(event.stream, FailureKind::User, "AssertionError: 1 != 2");
            }
        }
    })
    .await;
    const TEST: &str = "/cdn-cgi/handler/test";
    let (parts, body) = whole(rig.send(request(Method::POST, TEST)).await).await;
    assert_eq!(
        (parts.status, &body[..]),
        (StatusCode::OK, &br#"{"outcome":"ok"}"#[..])
    );
    assert_eq!(parts.headers["content-type"], "application/json");
    let (parts, body) = whole(rig.send(request(Method::POST, TEST)).await).await;
    assert_eq!(parts.status, 500);
    assert!(String::from_utf8_lossy(&body).contains("AssertionError: 1 != 2"));
    let wrong = rig.send(request(Method::GET, TEST)).await;
    assert_eq!(
        (wrong.status(), &wrong.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().expect("a value"))
    );
    assert_eq!(
        rig.send(request(Method::POST, "/cdn-cgi/handler/nope"))
            .await
            .status(),
        404
    );
    for (name, value) in [("host", "rebound.example"), ("origin", "https://evil.example")] {
        let mut foreign = request(Method::POST, TEST);
        foreign
            .headers_mut()
            .insert(name, value.parse().expect("a header value"));
        assert_eq!(rig.send(foreign).await.status(), 403, "{name}");
    }
    assert_eq!(rig.get("/cdn-cgi/other").await.1, "the Worker");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_worker_writes_is_logged_harmlessly() {
    let rig = Rig::new(|mut isolate: FakeIsolate| {
        isolate.events.send(&Frame::Log(LogRecord {
            level: RecordLevel::Warn,
            source: LogSource::Console,
            event: None,
            text: "a\x1b]0;title\x07\nb",
            position: Some("main.py:3:1"),
        }));
        isolate.serve();
    })
    .await;
    let line = rig.logged(&["main.py:3:1"]).await;
    assert_eq!((line.level, line.origin), (LogLevel::Warn, LogOrigin::Console));
    assert_eq!(line.text, "a␛]0;title␇\n    b");
    {
        use std::io::Write;
        let zygotes = rig.launcher.zygotes.lock().expect("not poisoned");
        let mut stdout = zygotes[0].stdout.lock().expect("not poisoned");
        stdout
            .write_all(b"printed \x1b[31mred\nhalf a line")
            .expect("a pipe");
        let long = vec![b'x'; 200_000];
        stdout.write_all(&long).expect("a pipe");
        stdout.write_all(b"\n").expect("a pipe");
    }
    let line = rig.logged(&["printed"]).await;
    assert_eq!(
        (line.origin, line.text.as_str()),
        (LogOrigin::Stdout, "printed ␛[31mred")
    );
    let line = rig.logged(&["half a line"]).await;
    assert!(line.text.len() <= 64 * 1024, "a long line comes in pieces");
}
