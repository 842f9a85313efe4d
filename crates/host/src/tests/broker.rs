//! Capability calls, with real stores.

use http::StatusCode;
use isthmus_protocol::flow::{INITIAL_CREDIT, INLINE_MAX, ReceiveWindow, SendWindow};
use isthmus_protocol::{
    Body, Call, ChannelId, FailureKind, Frame, Open, Operation, Redirect, Reply, RequestHead, StreamId,
    decode, kv,
};
use isthmus_stores::Durability;
use isthmus_stores::sqlite::{SqliteOptions, SqliteStores};

use super::fake::{FakeIsolate, FakeLauncher};
use super::rig::{Options, Rig};
use crate::broker::{Grant, GrantTable};

/// Channel 1 is a KV namespace.
pub(super) fn kv_grants() -> (GrantTable, SqliteStores, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = SqliteOptions {
        durability: Durability::Process,
        ..SqliteOptions::default()
    };
    let stores = SqliteStores::new(folder.path().to_owned(), options);
    let mut grants = GrantTable::default();
    assert_eq!(
        grants.add(Grant::Kv(stores.kv("test").expect("opens"))),
        ChannelId(1)
    );
    (grants, stores, folder)
}

fn call<'a>(stream: StreamId, channel: u32, operation: Operation<'a>, body: Body<'a>) -> Frame<'a> {
    Frame::Open {
        stream,
        open: Open::Call(Call {
            channel: ChannelId(channel),
            event: None,
            operation,
        }),
        body,
    }
}

pub(super) fn put<'a>(stream: StreamId, key: &'a str, body: Body<'a>) -> Frame<'a> {
    let operation = kv::Operation::Put {
        key,
        expiration: None,
        expiration_ttl: None,
        metadata: None,
    };
    call(stream, 1, Operation::Kv(operation), body)
}

fn get(stream: StreamId, key: &str) -> Frame<'_> {
    call(
        stream,
        1,
        Operation::Kv(kv::Operation::Get { key, cache_ttl: None }),
        Body::None,
    )
}

/// What a reply says, and its body.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Done,
    Missing,
    Inline(Vec<u8>),
    Held(StreamId, u64),
    Failed(FailureKind, String),
    Other(String),
}

impl FakeIsolate {
    /// The reply to a call; other frames are dropped.
    fn answer_to(&mut self, call: StreamId) -> Got {
        loop {
            let raw = self.broker.next().expect("the host is there");
            let Frame::Reply { stream, reply, body } = decode(&raw).expect("the host is honest") else {
                continue;
            };
            if stream != call {
                continue;
            }
            return match (reply, body) {
                (Reply::Kv(kv::Reply::Done), Body::None) => Got::Done,
                (Reply::Kv(kv::Reply::Value { found: false, .. }), Body::None) => Got::Missing,
                (Reply::Kv(kv::Reply::Value { found: true, .. }), Body::Inline(bytes)) => {
                    Got::Inline(bytes.into())
                }
                (Reply::Kv(kv::Reply::Value { found: true, .. }), Body::Held { stream, length }) => {
                    Got::Held(stream, length.expect("a value has a length"))
                }
                (Reply::Failed(failure), Body::None) => Got::Failed(failure.kind, failure.message.into()),
                other => Got::Other(format!("{other:?}")),
            };
        }
    }

    /// Sends a value under the host's credit.
    fn send_value(&mut self, stream: StreamId, value: &[u8]) {
        let mut window = SendWindow::stream();
        let mut rest = value;
        while !rest.is_empty() {
            let length = window.next_chunk().min(rest.len());
            if length == 0 {
                let raw = self.broker.next().expect("the host is there");
                match decode::<Frame<'_>>(&raw).expect("the host is honest") {
                    Frame::Credit { bytes, .. } => window.credit(bytes),
                    other => panic!("not now: {other:?}"),
                }
                continue;
            }
            let (chunk, later) = rest.split_at(length);
            self.broker.send(&Frame::Data { stream, chunk });
            window.sent(length);
            rest = later;
        }
        self.broker.send(&Frame::End { stream, error: None });
    }

    /// Reads a held value as an isolate does: by granting credit.
    fn read_held(&mut self, stream: StreamId) -> Vec<u8> {
        let mut window = ReceiveWindow::held();
        let bytes = window.open();
        self.broker.send(&Frame::Credit { stream, bytes });
        let mut value = Vec::new();
        loop {
            let raw = self.broker.next().expect("the host is there");
            match decode::<Frame<'_>>(&raw).expect("the host is honest") {
                Frame::Data { stream: s, chunk } => {
                    assert_eq!(s, stream);
                    window.received(chunk.len()).expect("the host obeys its credit");
                    value.extend_from_slice(chunk);
                    match window.consumed(chunk.len()) {
                        0 => {}
                        bytes => self.broker.send(&Frame::Credit { stream, bytes }),
                    }
                }
                Frame::End { error, .. } => {
                    assert_eq!(error, None);
                    return value;
                }
                other => panic!("not now: {other:?}"),
            }
        }
    }
}

/// Runs a script in an isolate with one KV namespace; the request's answer is what it returns.
async fn script(script: impl Fn(&mut FakeIsolate) -> String + Send + Sync + 'static) -> (StatusCode, String) {
    let (grants, _stores, _folder) = kv_grants();
    let launcher = FakeLauncher::new(move |mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            let text = script(&mut isolate);
            isolate.answer(event.stream, &text);
        }
    });
    let rig = Rig::with(
        launcher,
        Options {
            grants,
            ..Options::default()
        },
    )
    .await;
    rig.get("/").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_every_size_come_back_as_they_were() {
    let answer = script(|isolate| {
        let mut stream = 0;
        for length in [
            0,
            1,
            INLINE_MAX,
            INLINE_MAX + 1,
            INITIAL_CREDIT as usize,
            3_000_000,
        ] {
            let value: Vec<u8> = (0..length).map(|at| (at % 253) as u8).collect();
            stream += 3;
            if length <= INLINE_MAX {
                isolate.broker.send(&put(stream, "k", Body::Inline(&value)));
            } else {
                let known = Some(length as u64).filter(|length| length % 2 == 0);
                isolate
                    .broker
                    .send(&put(stream, "k", Body::Stream { length: known }));
                isolate.send_value(stream, &value);
            }
            assert_eq!(isolate.answer_to(stream), Got::Done, "{length}");
            isolate.broker.send(&get(stream + 1, "k"));
            match isolate.answer_to(stream + 1) {
                Got::Inline(got) => assert!(got == value && length <= INLINE_MAX),
                Got::Held(held, told) => {
                    assert_eq!((held, told), (stream + 1, length as u64));
                    assert!(isolate.read_held(held) == value);
                }
                other => panic!("{other:?}"),
            }
        }
        isolate.broker.send(&get(1000, "missing"));
        assert_eq!(isolate.answer_to(1000), Got::Missing);
        "all good".into()
    })
    .await;
    assert_eq!(answer, (StatusCode::OK, "all good".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_value_becomes_a_response_without_entering_the_isolate() {
    const LENGTH: usize = 2_000_000;
    let (grants, _stores, _folder) = kv_grants();
    let launcher = FakeLauncher::new(|mut isolate: FakeIsolate| {
        isolate.ready();
        isolate.broker.send(&put(1, "k", Body::Stream { length: None }));
        isolate.send_value(1, &vec![b'v'; LENGTH]);
        assert_eq!(isolate.answer_to(1), Got::Done);
        let mut stream = 1;
        while let Some(event) = isolate.next_event() {
            stream += 1;
            isolate.broker.send(&get(stream, "k"));
            let Got::Held(held, length) = isolate.answer_to(stream) else {
                panic!("a large value is held");
            };
            let body = Body::Held {
                stream: held,
                length: Some(length),
            };
            isolate.reply(event.stream, 200, &[("content-type", "image/x")], body);
            isolate.done(event.stream);
        }
    });
    let rig = Rig::with(
        launcher,
        Options {
            grants,
            ..Options::default()
        },
    )
    .await;
    for _ in 0..3 {
        let request = http::Request::get("/")
            .body(http_body_util::Full::default())
            .expect("a good request");
        let (parts, body) = super::rig::whole(rig.send(request).await).await;
        assert_eq!(
            (parts.status.as_u16(), &parts.headers["content-type"]),
            (200, &"image/x".parse().expect("a value"))
        );
        assert_eq!(parts.headers["content-length"], LENGTH.to_string());
        assert!(body == vec![b'v'; LENGTH]);
    }
    let request = http::Request::head("/")
        .body(http_body_util::Full::default())
        .expect("a good request");
    assert_eq!(
        rig.send(request).await.headers()["content-length"],
        LENGTH.to_string()
    );
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_channel_is_not_is_refused() {
    let answer = script(|isolate| {
        let fetch = || {
            Operation::Fetch(RequestHead {
                method: "GET",
                url: "http://example.com/",
                headers: Vec::new(),
                cf: None,
                redirect: Redirect::Follow,
            })
        };
        let rpc = Operation::Rpc {
            method: "m",
            arguments: b"",
            capabilities: Vec::new(),
        };
        let delete = || Operation::Kv(kv::Operation::Delete { key: "k" });
        let cases = [
            (1, rpc, FailureKind::User, "aren't served by Isthmus yet"),
            (1, fetch(), FailureKind::Internal, "doesn't have this operation"),
            (0, delete(), FailureKind::Internal, "doesn't have this operation"),
            (2, delete(), FailureKind::Internal, "was not granted"),
            (u32::MAX, delete(), FailureKind::Internal, "was not granted"),
        ];
        for (stream, (channel, operation, kind, text)) in (1..).zip(cases) {
            isolate.broker.send(&call(stream, channel, operation, Body::None));
            match isolate.answer_to(stream) {
                Got::Failed(got, message) => assert!(got == kind && message.contains(text), "{message}"),
                other => panic!("{other:?}"),
            }
        }
        "all refused".into()
    })
    .await;
    assert_eq!(answer, (StatusCode::OK, "all refused".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_platforms_own_errors_come_through() {
    let answer = script(|isolate| {
        let long = "k".repeat(513);
        isolate.broker.send(&get(1, &long));
        let Got::Failed(FailureKind::User, message) = isolate.answer_to(1) else {
            panic!("refused");
        };
        assert!(message.starts_with("KV GET failed: 414"), "{message}");
        // Refused by its announced length, with the sender told to stop.
        let body = Body::Stream {
            length: Some(25 * 1024 * 1024 + 1),
        };
        isolate.broker.send(&put(2, "k", body));
        let Got::Failed(FailureKind::User, message) = isolate.answer_to(2) else {
            panic!("refused");
        };
        assert!(message.starts_with("KV PUT failed: 413"), "{message}");
        let raw = isolate.broker.next().expect("the host is there");
        assert_eq!(
            decode::<Frame<'_>>(&raw).expect("a frame"),
            Frame::Cancel { stream: 2 }
        );
        // What was under way for a call that failed is ignored.
        isolate.broker.send(&Frame::Data {
            stream: 2,
            chunk: b"late",
        });
        isolate.broker.send(&Frame::End {
            stream: 2,
            error: None,
        });
        // Refused when it turns out to be too long.
        isolate.broker.send(&put(3, "k", Body::Stream { length: None }));
        isolate.send_value(3, &vec![0; 25 * 1024 * 1024 + 1]);
        let Got::Failed(FailureKind::User, message) = isolate.answer_to(3) else {
            panic!("refused");
        };
        assert!(message.starts_with("KV PUT failed: 413"), "{message}");
        // A value that breaks off is not stored.
        isolate
            .broker
            .send(&put(4, "half", Body::Stream { length: None }));
        isolate.broker.send(&Frame::Data {
            stream: 4,
            chunk: b"half",
        });
        isolate.broker.send(&Frame::End {
            stream: 4,
            error: Some("ValueError: no"),
        });
        let Got::Failed(FailureKind::User, message) = isolate.answer_to(4) else {
            panic!("refused");
        };
        assert!(message.contains("ValueError: no"), "{message}");
        isolate.broker.send(&get(5, "half"));
        assert_eq!(isolate.answer_to(5), Got::Missing);
        "all good".into()
    })
    .await;
    assert_eq!(answer, (StatusCode::OK, "all good".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_for_an_isolate_is_bounded_and_given_back() {
    let answer = script(|isolate| {
        // The longest that is not in a file, and one that is.
        for (stream, key, length) in [(1, "k", 256 * 1024), (2, "long", 25 * 1024 * 1024)] {
            let value = vec![7; length];
            let length = Some(length as u64);
            isolate.broker.send(&put(stream, key, Body::Stream { length }));
            isolate.send_value(stream, &value);
            assert_eq!(isolate.answer_to(stream), Got::Done);
        }
        let mut held = Vec::new();
        let refused = (3..)
            .find_map(|stream| {
                isolate.broker.send(&get(stream, "k"));
                match isolate.answer_to(stream) {
                    Got::Held(stream, _) => {
                        held.push(stream);
                        None
                    }
                    Got::Failed(FailureKind::Limit, message) => Some(message),
                    other => panic!("{other:?}"),
                }
            })
            .expect("ends");
        assert!(refused.contains("too many bytes"), "{refused}");
        assert_eq!(held.len(), 512 * 4);
        // What is in a file takes no room.
        for stream in 10_000..10_100 {
            isolate.broker.send(&get(stream, "long"));
            assert!(matches!(isolate.answer_to(stream), Got::Held(..)));
        }
        // Given up, it makes room for another.
        isolate.broker.send(&Frame::Cancel { stream: held[0] });
        isolate.broker.send(&get(20_000, "k"));
        assert!(matches!(isolate.answer_to(20_000), Got::Held(..)));
        "bounded".into()
    })
    .await;
    assert_eq!(answer, (StatusCode::OK, "bounded".into()));
}
