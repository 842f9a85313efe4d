//! Bodies of requests that the host holds: given to the isolate when it asks, or passed on by their name.

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use isthmus_protocol::flow::INITIAL_CREDIT;
use isthmus_protocol::{Body, Frame, decode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fake::{FakeIsolate, FakeLauncher, Seen};
use super::rig::{Options, Rig, whole};

const LARGE: usize = 8 * 1024 * 1024 + 17;

fn content() -> Vec<u8> {
    (0..LARGE).map(|at| (at % 251) as u8).collect()
}

fn post(path: &str) -> Request<Full<bytes::Bytes>> {
    Request::post(path)
        .body(Full::new(content().into()))
        .expect("a good request")
}

/// Answers with the body of an event's request.
fn pass_on(isolate: &mut FakeIsolate, event: &Seen, named: u32) {
    let length = event.streamed_length;
    let body = Body::Request {
        stream: named,
        length,
    };
    isolate.reply(event.stream, 200, &[], body);
    isolate.done(event.stream);
}

/// Whether the host sends nothing until it answers a ping.
fn is_silent(isolate: &mut FakeIsolate) -> bool {
    isolate.events.send(&Frame::Ping { nonce: 1 });
    let raw = isolate.events.next().expect("the host is there");
    matches!(decode(&raw), Ok(Frame::Pong { nonce: 1 }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_named_never_enters_the_isolate() {
    let rig = Rig::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            assert!(event.is_held && is_silent(&mut isolate));
            assert_eq!(event.streamed_length, Some(LARGE as u64));
            pass_on(&mut isolate, &event, event.stream);
            // What is passed on can't be asked for any more.
            isolate.events.send(&Frame::Credit {
                stream: event.stream,
                bytes: INITIAL_CREDIT,
            });
            assert!(is_silent(&mut isolate));
        }
    })
    .await;
    for _ in 0..3 {
        let (parts, body) = whole(rig.send(post("/")).await).await;
        assert_eq!(parts.headers["content-length"], LARGE.to_string());
        assert!(body == content());
    }
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_there_breaks_the_answer_off() {
    let rig = Rig::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            match event.path() {
                // Its event is over, or never was.
                "/another" => pass_on(&mut isolate, &event, event.stream.wrapping_sub(1)),
                // The host has dropped it.
                "/cancelled" => {
                    isolate.events.send(&Frame::Cancel { stream: event.stream });
                    pass_on(&mut isolate, &event, event.stream);
                }
                // The isolate reads it.
                "/read" => {
                    isolate.events.send(&Frame::Credit {
                        stream: event.stream,
                        bytes: 1000,
                    });
                    pass_on(&mut isolate, &event, event.stream);
                }
                _ => isolate.answer(event.stream, "fine"),
            }
        }
    })
    .await;
    for path in ["/another", "/cancelled", "/read"] {
        if let Ok(response) = rig.try_send(post(path)).await {
            assert!(response.into_body().collect().await.is_err(), "{path}");
        }
        rig.logged(&["broke off", "the request's body is gone"]).await;
        rig.log.clear();
        assert_eq!(rig.get("/").await.1, "fine");
    }
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_holds_for_a_body_that_is_passed_on() {
    let options = Options {
        request_body_max: Some(1 << 20),
        ..Options::default()
    };
    let launcher = FakeLauncher::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            pass_on(&mut isolate, &event, event.stream);
        }
    });
    let rig = Rig::with(launcher, options).await;
    let mut socket = TcpStream::connect(rig.addr).await.expect("listens");
    let head =
        b"POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n100000\r\n";
    socket.write_all(head).await.expect("open");
    let (mut reading, mut writing) = socket.split();
    let send = async {
        writing.write_all(&vec![b'x'; 1 << 20]).await.expect("open");
        writing
            .write_all(b"\r\n4\r\nmore\r\n0\r\n\r\n")
            .await
            .expect("open");
    };
    let mut answer = Vec::new();
    let read = async {
        // It ends in a reset or too early.
        let _ = reading.read_to_end(&mut answer).await;
    };
    tokio::join!(send, read);
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert!(answer.len() < (1 << 20) + 100_000);
    assert!(!answer.ends_with(b"0\r\n\r\n"), "it looks complete");
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_nobody_wants_is_let_go_of_with_its_event() {
    let rig = Rig::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            isolate.answer(event.stream, "no, thanks");
        }
    })
    .await;
    for _ in 0..3 {
        // As much is read of it as lets any client hear the answer.
        let short = Request::post("/").body(Full::new(vec![0; 512 * 1024].into()));
        let answer = rig.send(short.expect("a good request")).await;
        let (parts, body) = whole(answer).await;
        assert_eq!((parts.status, &body[..]), (StatusCode::OK, &b"no, thanks"[..]));
    }
    rig.quiet().await;
}
