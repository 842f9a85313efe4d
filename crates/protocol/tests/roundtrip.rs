//! Every frame survives the wire, in any fragmentation, and no bytes make the reader panic.

use isthmus_protocol::*;
use proptest::prelude::*;

fn frames() -> Vec<Frame<'static>> {
    let head = RequestHead {
        method: "POST",
        url: "http://localhost/a?b=ü",
        headers: vec![Header {
            name: "x-latin1",
            value: b"caf\xe9",
        }],
        cf: Some("{}"),
        redirect: Redirect::Manual,
    };
    vec![
        Frame::Open {
            stream: 1,
            open: Open::Event(Event::Fetch(head.clone())),
            body: Body::Inline(b"abc"),
        },
        Frame::Open {
            stream: 2,
            open: Open::Event(Event::Test),
            body: Body::None,
        },
        Frame::Open {
            stream: 3,
            open: Open::Call(Call {
                channel: ChannelId(7),
                event: Some(1),
                operation: Operation::Kv(kv::Operation::Put {
                    key: "k",
                    expiration: None,
                    expiration_ttl: Some(60),
                    metadata: Some("{\"a\":1}"),
                }),
            }),
            body: Body::Stream {
                length: Some(26_214_401),
            },
        },
        Frame::Open {
            stream: 4,
            open: Open::Call(Call {
                channel: ChannelId(0),
                event: None,
                operation: Operation::Rpc {
                    method: "m",
                    arguments: &[0, 255],
                    capabilities: vec![ChannelId(9)],
                },
            }),
            body: Body::None,
        },
        Frame::Reply {
            stream: 1,
            reply: Reply::Response(ResponseHead {
                status: 200,
                status_text: "",
                headers: vec![],
                upgrade: true,
            }),
            body: Body::Held {
                stream: 3,
                length: None,
            },
        },
        Frame::Reply {
            stream: 2,
            reply: Reply::Finished,
            body: Body::Request {
                stream: 1,
                length: Some(1 << 40),
            },
        },
        Frame::Reply {
            stream: 3,
            reply: Reply::Kv(kv::Reply::List {
                keys: vec![kv::ListedKey {
                    name: "😀",
                    expiration: Some(9),
                    metadata: None,
                }],
                cursor: Some("c"),
            }),
            body: Body::None,
        },
        Frame::Reply {
            stream: 2,
            reply: Reply::Failed(Failure {
                kind: FailureKind::User,
                name: "ValueError",
                message: "m",
                trace: "t",
            }),
            body: Body::None,
        },
        Frame::Data {
            stream: 1,
            chunk: &[1, 2, 3],
        },
        Frame::End {
            stream: 1,
            error: Some("broke off"),
        },
        Frame::Credit {
            stream: 1,
            bytes: u32::MAX,
        },
        Frame::Cancel { stream: 1 },
        Frame::Done {
            stream: 1,
            outcome: Outcome::Canceled,
            report: Report::None,
        },
        Frame::Open {
            stream: 4,
            open: Open::Event(Event::Scheduled {
                cron: "* * * * *",
                time: -1,
            }),
            body: Body::None,
        },
        Frame::Open {
            stream: 5,
            open: Open::Event(Event::Queue(queue::Batch {
                queue: "q",
                messages: vec![queue::Delivered {
                    id: "0",
                    timestamp: 1,
                    attempts: 2,
                    content_type: queue::ContentType::V8,
                    body: &[255, 0],
                }],
                metrics: queue::Metrics::default(),
            })),
            body: Body::None,
        },
        Frame::Done {
            stream: 5,
            outcome: Outcome::Exception,
            report: Report::Queue(queue::Verdict {
                ack_all: false,
                retry_all: Some(queue::Retry { delay: Some(5) }),
                acked: vec!["a"],
                retried: vec![("b", queue::Retry { delay: None })],
            }),
        },
        Frame::Message {
            stream: 1,
            message: Message::Close {
                code: 1000,
                reason: "bye",
            },
        },
        Frame::Release {
            channel: ChannelId(3),
        },
        Frame::Log(LogRecord {
            level: LogLevel::Warn,
            source: LogSource::Console,
            event: Some(1),
            text: "hi",
            position: Some("main.py:3:1"),
        }),
        Frame::Ready,
        Frame::Ping { nonce: 5 },
        Frame::Pong { nonce: 5 },
        Frame::Shutdown,
    ]
}

#[test]
fn frames_survive_any_fragmentation() {
    let mut wire = Vec::new();
    for frame in frames() {
        encode(&frame, &mut wire).expect("fits");
    }
    for step in [1, 2, 3, 7, 64, wire.len()] {
        let mut reader = FrameReader::new();
        let mut read = Vec::new();
        for piece in wire.chunks(step) {
            reader.buffer().extend_from_slice(piece);
            while let Some(frame) = reader.next_frame().expect("well-formed") {
                read.push(frame);
            }
        }
        let decoded: Vec<Frame<'_>> = read
            .iter()
            .map(|frame| decode(frame).expect("well-formed"))
            .collect();
        assert_eq!(decoded, frames());
    }
}

#[test]
fn a_chunk_that_follows_its_head_is_a_frame_and_can_be_taken_before_it_is_whole() {
    let chunk: Vec<u8> = (0..300_000_u32).map(|number| (number % 253) as u8).collect();
    for stream in [0, 300, u32::MAX] {
        let (mut whole, mut head) = (Vec::new(), Vec::new());
        encode(
            &Frame::Data {
                stream,
                chunk: &chunk,
            },
            &mut whole,
        )
        .expect("fits");
        encode_chunk_head(stream, chunk.len(), &mut head).expect("fits");
        assert_eq!([&head[..], &chunk].concat(), whole);
        for here in 0..head.len() + 5 {
            let mut reader = FrameReader::new();
            reader.buffer().extend_from_slice(&whole[..here]);
            assert!(reader.next_frame().expect("well-formed").is_none());
            let Some(begun) = here.checked_sub(head.len()) else {
                assert_eq!(reader.begun_chunk(), None);
                continue;
            };
            assert_eq!(reader.begun_chunk(), Some((stream, chunk.len(), begun)));
            assert_eq!(&*reader.take_begun_chunk(), &chunk[..begun]);
            // What comes behind the chunk is a frame again.
            let mut next = Vec::new();
            encode(&Frame::Ready, &mut next).expect("fits");
            reader.buffer().extend_from_slice(&next);
            assert!(reader.next_frame().expect("well-formed").is_some());
        }
    }
    let mut out = vec![1];
    let refused = encode_chunk_head(1, MAX_FRAME, &mut out);
    assert!(matches!(refused, Err(WireError::TooLong { .. })) && out == [1]);
}

#[test]
fn only_the_beginning_of_a_chunk_is_taken_for_one() {
    for frame in frames() {
        let mut wire = Vec::new();
        encode(&frame, &mut wire).expect("fits");
        for here in 0..wire.len() {
            let mut reader = FrameReader::new();
            reader.buffer().extend_from_slice(&wire[..here]);
            assert!(
                reader.begun_chunk().is_none() || matches!(frame, Frame::Data { .. }),
                "{frame:?}"
            );
        }
    }
}

#[test]
fn a_frame_beyond_the_limit_is_refused_on_both_sides() {
    let big = vec![0; MAX_FRAME + 1];
    let mut out = vec![1, 2];
    let error = encode(
        &Frame::Data {
            stream: 1,
            chunk: &big,
        },
        &mut out,
    )
    .expect_err("too long");
    assert!(matches!(error, WireError::TooLong { .. }));
    assert_eq!(out, [1, 2]);

    let mut reader = FrameReader::new();
    reader.buffer().extend_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(reader.next_frame(), Err(WireError::TooLong { .. })));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode::<Frame<'_>>(&bytes);
        let mut reader = FrameReader::new();
        reader.buffer().extend_from_slice(&bytes);
        while let Ok(Some(frame)) = reader.next_frame() {
            let _ = decode::<Frame<'_>>(&frame);
        }
    }

    #[test]
    fn chunks_survive(chunk in proptest::collection::vec(any::<u8>(), 0..2000), stream: u32) {
        let mut wire = Vec::new();
        encode(&Frame::Data { stream, chunk: &chunk }, &mut wire).expect("fits");
        prop_assert_eq!(decode::<Frame<'_>>(&wire[4..]).expect("well-formed"), Frame::Data { stream, chunk: &chunk });
    }
}
