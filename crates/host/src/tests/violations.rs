//! Isolates that break the protocol: each ends alone, and the next request finds another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use isthmus_protocol::flow::CHUNK_MAX;
use isthmus_protocol::{
    Body, Call, ChannelId, Frame, MAX_FRAME, Message, Open, Operation, Reply, StreamId, kv,
};

use super::fake::{FakeIsolate, FakeLauncher, head};
use super::rig::{Options, Rig};

/// What an offender does with its first event.
type Offence = fn(&mut FakeIsolate, StreamId);

fn call(stream: StreamId) -> Frame<'static> {
    Frame::Open {
        stream,
        open: Open::Call(Call {
            channel: ChannelId(0),
            event: None,
            operation: Operation::Kv(kv::Operation::Delete { key: "k" }),
        }),
        body: Body::None,
    }
}

fn response(stream: StreamId, body: Body<'_>) -> Frame<'_> {
    Frame::Reply {
        stream,
        reply: Reply::Response(head(200)),
        body,
    }
}

const OFFENCES: &[(&str, Offence)] = &[
    ("could not be read", |isolate, _| {
        isolate.events.send_raw(&[3, 0, 0, 0, 0xff, 0xff, 0xff])
    }),
    ("could not be read", |isolate, _| {
        isolate.broker.send_raw(&[1, 0, 0, 0, 0x7f])
    }),
    ("exceeds the limit", |isolate, _| {
        isolate.events.send_raw(&(MAX_FRAME as u32 + 1).to_le_bytes());
    }),
    ("exceeds the limit", |isolate, _| {
        isolate.broker.send_raw(&u32::MAX.to_le_bytes())
    }),
    ("ready twice", |isolate, _| isolate.ready()),
    ("awaits none", |isolate, stream| {
        isolate.events.send(&response(stream + 1, Body::None))
    }),
    ("was not open", |isolate, stream| isolate.done(stream + 1)),
    ("no body under way", |isolate, stream| {
        isolate.events.send(&Frame::Data { stream, chunk: b"x" });
    }),
    ("a chunk of", |isolate, stream| {
        let chunk = vec![0; CHUNK_MAX + 1];
        isolate.events.send(&Frame::Data {
            stream,
            chunk: &chunk,
        });
    }),
    ("exceeded its credit", |isolate, stream| {
        isolate
            .events
            .send(&response(stream, Body::Stream { length: None }));
        // Far more than a client that doesn't exist yet could have had read.
        let chunk = vec![0; CHUNK_MAX];
        for _ in 0..1000 {
            isolate.events.send(&Frame::Data {
                stream,
                chunk: &chunk,
            });
        }
    }),
    ("awaits none", |isolate, stream| {
        isolate
            .events
            .send(&response(stream, Body::Stream { length: None }));
        isolate.events.send(&response(stream, Body::None));
    }),
    ("done twice", |isolate, stream| {
        isolate
            .events
            .send(&response(stream, Body::Stream { length: None }));
        isolate.done(stream);
        isolate.done(stream);
    }),
    ("names a held body", |isolate, stream| {
        isolate.events.send(&response(
            stream,
            Body::Held {
                stream: 77,
                length: None,
            },
        ));
    }),
    ("as if it were a call", |isolate, stream| {
        isolate.events.send(&Frame::Reply {
            stream,
            reply: Reply::Kv(kv::Reply::Done),
            body: Body::None,
        });
    }),
    ("may not send on its events connection", |isolate, _| {
        isolate.events.send(&call(1))
    }),
    ("may not send on its events connection", |isolate, _| {
        isolate.events.send(&Frame::Shutdown)
    }),
    ("may not send on its events connection", |isolate, stream| {
        isolate.events.send(&Frame::Message {
            stream,
            message: Message::Text("hi"),
        });
    }),
    ("may not send on its broker connection", |isolate, stream| {
        isolate.broker.send(&response(stream, Body::None));
    }),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_isolate_that_breaks_the_protocol_ends_alone() {
    let next = Arc::new(AtomicUsize::new(0));
    let counter = next.clone();
    let launcher = FakeLauncher::new(move |mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            if event.path() == "/offend" {
                let (_, offend) = OFFENCES[counter.fetch_add(1, Ordering::SeqCst)];
                offend(&mut isolate, event.stream);
            } else {
                isolate.answer(event.stream, "fine");
            }
        }
    });
    let rig = Rig::with(launcher, Options::hasty()).await;
    for (text, _) in OFFENCES {
        // Where the answer had begun, it breaks off.
        let response = rig
            .try_send(
                Request::get("/offend")
                    .body(Full::<Bytes>::default())
                    .expect("good"),
            )
            .await;
        if let Ok(response) = response {
            let status = response.status();
            let body = response.into_body().collect().await;
            assert!(status == 502 || body.is_err(), "{text}");
        }
        rig.logged(&["broke the protocol", text]).await;
        rig.log.clear();
        assert_eq!(
            rig.get("/").await,
            (http::StatusCode::OK, "fine".into()),
            "{text}"
        );
    }
    assert_eq!(next.load(Ordering::SeqCst), OFFENCES.len());
    assert_eq!(rig.launcher.launches(), 1, "the zygote was never to blame");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_opened_twice_is_a_violation() {
    let (grants, _stores, _folder) = super::broker::kv_grants();
    let rig = Rig::with(
        FakeLauncher::new(|mut isolate: FakeIsolate| {
            isolate.ready();
            while let Some(event) = isolate.next_event() {
                if event.path() == "/" {
                    isolate.answer(event.stream, "fine");
                    continue;
                }
                // The value never ends, so the call stays open.
                for _ in 0..2 {
                    isolate
                        .broker
                        .send(&super::broker::put(5, "k", Body::Stream { length: None }));
                }
            }
        }),
        Options {
            grants,
            ..Default::default()
        },
    )
    .await;
    assert_eq!(rig.get("/twice").await.0, 502);
    rig.logged(&["opened twice"]).await;
    assert_eq!(rig.get("/").await.1, "fine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_never_harm_the_host() {
    let seed = Arc::new(AtomicUsize::new(1));
    let launcher = FakeLauncher::new(move |mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            if event.path() == "/" {
                isolate.answer(event.stream, "fine");
                continue;
            }
            // A small generator of its own: frames with random content behind a valid length.
            let mut state = seed.fetch_add(1, Ordering::SeqCst) as u64 * 0x9E37_79B9_7F4A_7C15;
            let mut byte = move || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            };
            for _ in 0..200 {
                let mut frame = Vec::new();
                let length = u32::from(byte() % 40);
                frame.extend_from_slice(&length.to_le_bytes());
                frame.push(byte() % 14);
                frame.extend((1..length.max(1)).map(|_| byte()));
                isolate.events.send_raw(&frame);
                isolate.broker.send_raw(&frame);
            }
            return;
        }
    });
    let rig = Rig::with(launcher, Options::hasty()).await;
    for _ in 0..10 {
        assert!(rig.get("/random").await.0.as_u16() >= 200);
    }
    assert_eq!(rig.get("/").await.1, "fine");
}
