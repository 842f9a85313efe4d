//! Streamed bodies both ways, back-pressure, clients that go away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use isthmus_protocol::flow::{CHUNK_MAX, INITIAL_CREDIT, ReceiveWindow, SendWindow};
use isthmus_protocol::{Body, Frame, StreamId, decode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::fake::{FakeIsolate, FakeLauncher, Seen};
use super::rig::{Options, PATIENCE, Rig, eventually, whole};

const LARGE: usize = 8 * 1024 * 1024 + 17;

/// Bytes that tell their place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Sends a body under the host's credit, and its end.
fn send_body(isolate: &mut FakeIsolate, stream: StreamId, body: &[u8], mut sent: impl FnMut(usize)) {
    let mut window = SendWindow::stream();
    let mut rest = body;
    while !rest.is_empty() {
        let length = window.next_chunk().min(rest.len());
        if length == 0 {
            let Some(raw) = isolate.events.next() else { return };
            match decode::<Frame<'_>>(&raw).expect("the host is honest") {
                Frame::Credit { stream: s, bytes } if s == stream => window.credit(bytes),
                Frame::Cancel { stream: s } if s == stream => return,
                Frame::Ping { nonce } => isolate.events.send(&Frame::Pong { nonce }),
                _ => {}
            }
            continue;
        }
        let (chunk, later) = rest.split_at(length);
        isolate.events.send(&Frame::Data { stream, chunk });
        window.sent(length);
        sent(length);
        rest = later;
    }
    isolate.events.send(&Frame::End { stream, error: None });
}

/// Reads a request's body, granting credit as it goes.
fn read_body(isolate: &mut FakeIsolate, event: &Seen) -> Result<Vec<u8>, String> {
    let stream = event.stream;
    let mut window = ReceiveWindow::stream();
    if event.is_held {
        window = ReceiveWindow::held();
        let bytes = window.open();
        isolate.events.send(&Frame::Credit { stream, bytes });
    }
    let mut body = Vec::new();
    loop {
        let raw = isolate.events.next().ok_or("hung up")?;
        match decode::<Frame<'_>>(&raw).expect("the host is honest") {
            Frame::Data { stream: s, chunk } if s == stream => {
                assert!(chunk.len() <= CHUNK_MAX);
                window.received(chunk.len()).expect("the host obeys its credit");
                body.extend_from_slice(chunk);
                match window.consumed(chunk.len()) {
                    0 => {}
                    bytes => isolate.events.send(&Frame::Credit { stream, bytes }),
                }
            }
            Frame::End { stream: s, error } if s == stream => {
                return error.map_or(Ok(body), |error| Err(error.to_owned()));
            }
            Frame::Ping { nonce } => isolate.events.send(&Frame::Pong { nonce }),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_and_a_large_download_arrive_whole() {
    let rig = Rig::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            assert_eq!(event.streamed_length, Some(LARGE as u64));
            let body = read_body(&mut isolate, &event).expect("a whole body");
            isolate.reply(event.stream, 200, &[], Body::Stream { length: None });
            // The event may be over before its body is.
            isolate.done(event.stream);
            send_body(&mut isolate, event.stream, &body, |_| ());
        }
    })
    .await;
    for _ in 0..2 {
        let request = Request::post("/")
            .body(Full::new(pattern(LARGE).into()))
            .expect("a good request");
        let (parts, body) = whole(rig.send(request).await).await;
        assert_eq!(parts.headers["transfer-encoding"], "chunked");
        assert!(body == pattern(LARGE));
    }
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_isolate_that_does_not_read_gets_no_more_than_its_credit() {
    let rig = Rig::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            let mut got = 0;
            let mut pinged = false;
            assert!(event.is_held);
            isolate.events.send(&Frame::Ping { nonce: 6 });
            let raw = isolate.events.next().expect("the host is there");
            let unasked = decode::<Frame<'_>>(&raw).expect("the host is honest");
            assert_eq!(unasked, Frame::Pong { nonce: 6 }, "nothing comes unasked");
            isolate.events.send(&Frame::Credit {
                stream: event.stream,
                bytes: INITIAL_CREDIT,
            });
            // All credit is used; a ping goes there and back; nothing more has come meanwhile.
            loop {
                let raw = isolate.events.next().expect("the host is there");
                match decode::<Frame<'_>>(&raw).expect("the host is honest") {
                    Frame::Data { chunk, .. } => got += chunk.len(),
                    Frame::Pong { .. } => break,
                    _ => {}
                }
                if got >= INITIAL_CREDIT as usize && !std::mem::replace(&mut pinged, true) {
                    std::thread::sleep(Duration::from_millis(50));
                    isolate.events.send(&Frame::Ping { nonce: 7 });
                }
            }
            isolate.answer(event.stream, &got.to_string());
        }
    })
    .await;
    let request = Request::post("/")
        .body(Full::new(pattern(LARGE).into()))
        .expect("a good request");
    let (parts, body) = whole(rig.send(request).await).await;
    assert_eq!(
        (parts.status, body),
        (StatusCode::OK, Bytes::from(INITIAL_CREDIT.to_string()))
    );
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_holds_up_the_isolate_but_nobody_else() {
    const HUGE: usize = 64 * 1024 * 1024;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let rig = Rig::with(
        super::fake::FakeLauncher::new(move |mut isolate: FakeIsolate| {
            isolate.ready();
            while let Some(event) = isolate.next_event() {
                if event.path() == "/huge" {
                    isolate.reply(
                        event.stream,
                        200,
                        &[],
                        Body::Stream {
                            length: Some(HUGE as u64),
                        },
                    );
                    let body = pattern(HUGE);
                    send_body(&mut isolate, event.stream, &body, |length| {
                        counter.fetch_add(length, Ordering::SeqCst);
                    });
                    isolate.done(event.stream);
                } else {
                    isolate.answer(event.stream, "quick");
                }
            }
        }),
        super::rig::Options {
            isolates: 2,
            ..Default::default()
        },
    )
    .await;
    let response = rig
        .send(
            Request::get("/huge")
                .body(Full::default())
                .expect("a good request"),
        )
        .await;
    assert_eq!(response.headers()["content-length"], HUGE.to_string());
    let mut before = usize::MAX;
    eventually("the isolate is held up", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = sent.load(Ordering::SeqCst);
        (std::mem::replace(&mut before, now) == now && now > 0).then_some(())
    })
    .await;
    assert!(
        before < HUGE / 2,
        "{before} bytes are on their way to a client that reads none"
    );
    assert_eq!(rig.get("/other").await.1, "quick");
    assert!(whole(response).await.1 == pattern(HUGE));
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_cancels_its_event_and_no_other() {
    let (told, mut cancelled) = mpsc::unbounded_channel();
    let rig = Rig::new(move |mut isolate: FakeIsolate| {
        isolate.ready();
        let mut waiting = Vec::new();
        while let Some(raw) = isolate.events.next() {
            match decode::<Frame<'_>>(&raw).expect("the host is honest") {
                Frame::Open { stream, .. } => {
                    let _ = told.send(format!("open {stream}"));
                    if stream % 2 == 0 {
                        isolate.reply(stream, 200, &[], Body::Stream { length: None });
                        isolate.events.send(&Frame::Data {
                            stream,
                            chunk: b"begun",
                        });
                    }
                    waiting.push(stream);
                }
                Frame::Cancel { stream } => {
                    let _ = told.send(format!("cancel {stream}"));
                    // What was under way when the cancellation came is no offence.
                    isolate.events.send(&Frame::Data {
                        stream,
                        chunk: b"late",
                    });
                    isolate.done(stream);
                    waiting.retain(|waiting| *waiting != stream);
                }
                Frame::Ping { nonce } => isolate.events.send(&Frame::Pong { nonce }),
                Frame::Shutdown => return,
                _ => {}
            }
        }
    })
    .await;
    let mut next = async || {
        tokio::time::timeout(PATIENCE, cancelled.recv())
            .await
            .expect("in time")
            .expect("open")
    };
    // The first waits for its answer, the second for more of it.
    let mut first = TcpStream::connect(rig.addr).await.expect("listens");
    first
        .write_all(b"GET /1 HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("open");
    assert_eq!(next().await, "open 1");
    let mut second = rig
        .send(Request::get("/2").body(Full::default()).expect("a good request"))
        .await;
    assert_eq!(next().await, "open 2");
    assert_eq!(
        second
            .body_mut()
            .frame()
            .await
            .expect("a chunk")
            .expect("whole")
            .into_data()
            .expect("data"),
        "begun"
    );
    drop(first);
    assert_eq!(next().await, "cancel 1");
    drop(second);
    assert_eq!(next().await, "cancel 2");
    // HTTP/2: only the stream is given up, the connection stays.
    let mut sender = rig.http2().await;
    let call = sender.send_request(
        Request::get("http://a/")
            .body(Full::default())
            .expect("a good request"),
    );
    let call = tokio::spawn(call);
    assert_eq!(next().await, "open 3");
    call.abort();
    assert_eq!(next().await, "cancel 3");
    rig.quiet().await;
}

/// Sends the head of a chunked upload and `chunks`, and reads the answer.
async fn chunked_upload(rig: &Rig, chunks: &[u8]) -> String {
    let mut socket = TcpStream::connect(rig.addr).await.expect("listens");
    let mut request =
        b"POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    request.extend_from_slice(chunks);
    socket.write_all(&request).await.expect("open");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_chunks_that_came_together_go_on_together() {
    let rig = Rig::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        let event = isolate.next_event().expect("an event");
        let (mut body, mut frames) = (Vec::new(), 0);
        while let Some(raw) = isolate.events.next() {
            match decode::<Frame<'_>>(&raw).expect("the host is honest") {
                Frame::Data { chunk, .. } => {
                    body.extend_from_slice(chunk);
                    frames += 1;
                }
                Frame::End { .. } => break,
                _ => {}
            }
        }
        assert_eq!(body, pattern(10_000));
        isolate.answer(event.stream, if frames < 100 { "few" } else { "many" });
        while isolate.events.next().is_some() {}
    })
    .await;
    let mut chunks = Vec::new();
    for piece in pattern(10_000).chunks(10) {
        chunks.extend_from_slice(b"a\r\n");
        chunks.extend_from_slice(piece);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    let answer = chunked_upload(&rig, &chunks).await;
    assert!(answer.ends_with("few"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_beyond_the_limit_is_told_of_it() {
    let options = Options {
        request_body_max: Some(1 << 20),
        ..Options::default()
    };
    let launcher = FakeLauncher::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            // Whoever read to the end would answer; the host does so before.
            if read_body(&mut isolate, &event).is_ok() {
                isolate.answer(event.stream, "read");
            }
        }
    });
    let rig = Rig::with(launcher, options).await;
    let mut socket = TcpStream::connect(rig.addr).await.expect("listens");
    socket
        .write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1048577\r\n\r\n")
        .await
        .expect("open");
    let mut start = [0; 12];
    socket.read_exact(&mut start).await.expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 413");
    // Without an announced length it is noticed on the way.
    let mut chunks = b"100001\r\n".to_vec();
    chunks.extend(pattern((1 << 20) + 1));
    chunks.extend_from_slice(b"\r\n0\r\n\r\n");
    let answer = chunked_upload(&rig, &chunks).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(
        answer.contains("1 MB") && answer.contains("ISTHMUS_REQUEST_BODY_MAX"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_breaks_off_is_told_to_the_isolate() {
    let (told, mut ended) = mpsc::unbounded_channel();
    let rig = Rig::new(move |mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            let _ = told.send(read_body(&mut isolate, &event));
            isolate.done(event.stream);
        }
    })
    .await;
    let mut socket = TcpStream::connect(rig.addr).await.expect("listens");
    socket
        .write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\nonly this")
        .await
        .expect("open");
    drop(socket);
    let result = tokio::time::timeout(PATIENCE, ended.recv())
        .await
        .expect("in time")
        .expect("open");
    assert!(result.expect_err("incomplete").contains("broke off"));
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_before_the_upload_is_read_stops_it() {
    let rig = Rig::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            isolate.events.send(&Frame::Cancel { stream: event.stream });
            isolate.answer(event.stream, "no, thanks");
        }
    })
    .await;
    let request = Request::post("/")
        .body(Full::new(pattern(600_000).into()))
        .expect("a good request");
    let (parts, body) = whole(rig.send(request).await).await;
    assert_eq!((parts.status, &body[..]), (StatusCode::OK, &b"no, thanks"[..]));
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_breaks_off_is_no_whole_answer() {
    let rig = Rig::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            let stream = event.stream;
            let length = (event.path() != "/error").then_some(10);
            isolate.reply(stream, 200, &[], Body::Stream { length });
            isolate.events.send(&Frame::Data {
                stream,
                chunk: b"12345",
            });
            if event.path() == "/long" {
                isolate.events.send(&Frame::Data {
                    stream,
                    chunk: b"1234567",
                });
            }
            let error = (event.path() == "/error").then_some("ValueError: \x1b");
            isolate.events.send(&Frame::End { stream, error });
            isolate.done(stream);
        }
    })
    .await;
    for (path, log) in [
        ("/error", "ValueError: ␛"),
        ("/short", "shorter"),
        ("/long", "longer"),
    ] {
        let request = Request::get(path)
            .body(Full::<Bytes>::default())
            .expect("a good request");
        // Whether the head gets out before the body breaks is a matter of time.
        if let Ok(response) = rig.try_send(request).await {
            assert!(response.into_body().collect().await.is_err(), "{path}");
        }
        rig.logged(&["broke off", log]).await;
    }
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_without_a_body_have_none() {
    let rig = Rig::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            let stream = event.stream;
            let claim = [("content-length", "7")];
            match event.path() {
                "/inline" => isolate.reply(stream, 200, &claim, Body::Inline(b"abc")),
                "/stream" => {
                    isolate.reply(stream, 200, &[], Body::Stream { length: None });
                    send_body(&mut isolate, stream, &pattern(LARGE), |_| ());
                }
                "/none" => isolate.reply(stream, 200, &claim, Body::None),
                "/204" => isolate.reply(stream, 204, &claim, Body::Inline(b"abc")),
                _ => isolate.reply(stream, 304, &claim, Body::None),
            }
            isolate.done(stream);
        }
    })
    .await;
    for (method, path, length) in [
        (Method::HEAD, "/inline", Some("3")),
        (Method::HEAD, "/stream", None),
        (Method::HEAD, "/none", Some("7")),
        (Method::GET, "/none", Some("0")),
        (Method::GET, "/204", None),
        (Method::GET, "/304", None),
    ] {
        let name = format!("{method} {path}");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Full::default())
            .expect("a good request");
        let (parts, body) = whole(rig.send(request).await).await;
        assert!(body.is_empty(), "{name}");
        let told = parts
            .headers
            .get("content-length")
            .map(|value| value.to_str().expect("text"));
        assert_eq!(told, length, "{name}");
        // The body that nobody reads is taken from the isolate all the same.
        rig.quiet().await;
    }
    let (parts, body) = whole(
        rig.send(
            Request::get("/inline")
                .body(Full::default())
                .expect("a good request"),
        )
        .await,
    )
    .await;
    assert_eq!(
        (&parts.headers["content-length"], &body[..]),
        (&"3".parse().expect("a value"), &b"abc"[..])
    );
    rig.quiet().await;
}
