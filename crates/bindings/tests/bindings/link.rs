//! The link to the host: bodies that are wanted as a whole, from a host that writes them in any pieces.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use isthmus_bindings::CallBody;
use isthmus_bindings::link::{Calls, Connection, LinkOwner};
use isthmus_protocol::{
    Body, ChannelId, Frame, FrameReader, Operation, Reply, StreamId, decode, encode, encode_chunk_head, kv,
};
use isthmus_web::body::{ByteSource, IncomingBody};
use rquickjs::{Context, Ctx, Runtime};

const LENGTH: usize = 3_000_000;

struct Strict;

impl LinkOwner for Strict {
    fn report(&self, text: &str) {
        panic!("{text}");
    }
}

type Gathered = Rc<RefCell<Option<Result<Bytes, String>>>>;

/// An isolate's end of a broker connection.
struct Isolate {
    calls: Calls,
    context: Context,
    _runtime: Runtime,
}

impl Isolate {
    /// And the host's end.
    fn new() -> (Self, UnixStream) {
        let (here, there) = UnixStream::pair().expect("a pair of sockets");
        let calls = Calls::new(Box::new(Strict));
        calls
            .link
            .connect(Connection::new(here.into()).expect("a connection"));
        let runtime = Runtime::new().expect("an engine");
        let context = Context::full(&runtime).expect("a context");
        let isolate = Self {
            calls,
            context,
            _runtime: runtime,
        };
        (isolate, there)
    }

    /// Handles what arrives until `is_done`.
    fn run(&self, ctx: &Ctx<'_>, mut is_done: impl FnMut() -> bool) {
        let connection = self.calls.link.connection().expect("it is there");
        for _ in 0..20_000 {
            connection.flush().expect("an open connection");
            connection.fill().expect("an open connection");
            while let Some(frame) = self.calls.link.next_frame(&connection).expect("well-formed") {
                self.calls.frame(ctx, &frame).expect("well-formed");
            }
            if is_done() {
                return;
            }
            thread::sleep(Duration::from_micros(200));
        }
        panic!("the host has no more to say");
    }

    /// Asks for a value, whose body is what the answer brings.
    fn ask(&self, ctx: &Ctx<'_>) -> Rc<dyn ByteSource> {
        let answered = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&answered);
        let operation = Operation::Kv(kv::Operation::Get {
            key: "k",
            cache_ttl: None,
        });
        let done = Box::new(move |_: &Ctx<'_>, _: Reply<'_>, body: IncomingBody| {
            slot.replace(Some(body));
        });
        self.calls
            .call(None, ChannelId(0), operation, CallBody::None, done);
        self.run(ctx, || answered.borrow().is_some());
        match answered.take() {
            Some(IncomingBody::Source { source, .. }) => source,
            _ => panic!("a long body"),
        }
    }
}

fn gather(ctx: &Ctx<'_>, source: &Rc<dyn ByteSource>) -> Gathered {
    let gathered = Gathered::default();
    let slot = Rc::clone(&gathered);
    let asked = source.gather(ctx, Box::new(move |_, whole| drop(slot.replace(Some(whole)))));
    assert!(asked.is_ok(), "its length is known");
    gathered
}

/// The host's end.
struct Host {
    socket: UnixStream,
    reader: FrameReader,
}

impl Host {
    fn next(&mut self) -> Bytes {
        loop {
            if let Some(frame) = self.reader.next_frame().expect("well-formed") {
                return frame;
            }
            let mut buffer = [0; 4096];
            let read = self.socket.read(&mut buffer).expect("an open connection");
            assert_ne!(read, 0, "the isolate is there");
            self.reader.buffer().extend_from_slice(&buffer[..read]);
        }
    }

    fn send(&mut self, frame: &Frame<'_>) {
        let mut bytes = Vec::new();
        encode(frame, &mut bytes).expect("fits");
        self.socket.write_all(&bytes).expect("an open connection");
    }

    /// Answers the next call with a body of [`LENGTH`] bytes; on which stream it is.
    fn answer(&mut self) -> StreamId {
        let frame = self.next();
        let Frame::Open { stream, .. } = decode(&frame).expect("a frame") else {
            panic!("a call")
        };
        self.send(&Frame::Reply {
            stream,
            reply: Reply::Kv(kv::Reply::Value {
                found: true,
                metadata: None,
            }),
            body: Body::Held {
                stream,
                length: Some(LENGTH as u64),
            },
        });
        stream
    }

    fn expect_credit(&mut self, expected: usize) {
        let frame = self.next();
        let Frame::Credit { bytes, .. } = decode(&frame).expect("a frame") else {
            panic!("credit")
        };
        assert_eq!(bytes as usize, expected);
    }

    /// Sends a chunk in writes of `piece` bytes, whose head may come alone.
    fn send_chunk(&mut self, stream: StreamId, chunk: &[u8], piece: usize) {
        let mut bytes = Vec::new();
        encode_chunk_head(stream, chunk.len(), &mut bytes).expect("fits");
        if piece % 2 == 1 {
            self.socket.write_all(&bytes).expect("an open connection");
            bytes.clear();
        }
        bytes.extend_from_slice(chunk);
        for part in bytes.chunks(piece) {
            self.socket.write_all(part).expect("an open connection");
        }
    }
}

fn value() -> Vec<u8> {
    (0..LENGTH as u32).map(|number| (number % 251) as u8).collect()
}

/// A host that does as `serve` says, and an isolate that does as `ask` says.
fn with_host(serve: impl FnOnce(&mut Host) + Send + 'static, ask: impl for<'js> FnOnce(&Isolate, &Ctx<'js>)) {
    let (isolate, there) = Isolate::new();
    let host: JoinHandle<()> = thread::spawn(move || {
        let mut host = Host {
            socket: there,
            reader: FrameReader::new(),
        };
        serve(&mut host);
        // Until the isolate has read everything.
        let _ = host.socket.read(&mut [0; 1]);
    });
    isolate.context.with(|ctx| ask(&isolate, &ctx));
    drop(isolate);
    host.join().expect("the host is content");
}

#[test]
fn a_body_gathers_from_chunks_of_any_length_written_in_any_pieces() {
    for (chunk, piece) in [
        (LENGTH, 65_536),
        (1_048_576, 1_000_001),
        (262_144, 4097),
        (100_000, 100_000),
        (17_000, 13),
        (3000, 1 << 20),
    ] {
        with_host(
            move |host| {
                let stream = host.answer();
                host.expect_credit(LENGTH);
                for part in value().chunks(chunk) {
                    host.send_chunk(stream, part, piece);
                    // Of something else.
                    host.send(&Frame::Credit {
                        stream: 1000,
                        bytes: 1,
                    });
                }
                host.send(&Frame::End { stream, error: None });
            },
            |isolate, ctx| {
                let source = isolate.ask(ctx);
                let gathered = gather(ctx, &source);
                isolate.run(ctx, || gathered.borrow().is_some());
                let whole = gathered.take().expect("it is done").expect("it is whole");
                assert!(whole == value(), "{chunk} {piece}");
            },
        );
    }
}

#[test]
fn a_body_that_breaks_off_or_is_too_short_is_an_error() {
    for (error, expected) in [
        (Some("the disk"), "the disk"),
        (None, "it is shorter than was announced"),
    ] {
        with_host(
            move |host| {
                let stream = host.answer();
                host.expect_credit(LENGTH);
                host.send_chunk(stream, &value()[..1_000_000], 65_536);
                host.send(&Frame::End { stream, error });
            },
            |isolate, ctx| {
                let source = isolate.ask(ctx);
                let gathered = gather(ctx, &source);
                isolate.run(ctx, || gathered.borrow().is_some());
                let broken = gathered.take().expect("it is done").expect_err("it is not whole");
                assert_eq!(broken, expected);
            },
        );
    }
}

#[test]
fn a_body_given_up_in_the_middle_of_a_chunk_leaves_the_connection_in_order() {
    with_host(
        |host| {
            let first = host.answer();
            host.expect_credit(LENGTH);
            let mut chunk = Vec::new();
            encode_chunk_head(first, 1_000_000, &mut chunk).expect("fits");
            chunk.extend_from_slice(&value()[..1_000_000]);
            host.socket
                .write_all(&chunk[..400_000])
                .expect("an open connection");
            // The isolate gives the first one up and asks for another.
            let frame = host.next();
            assert!(matches!(decode(&frame), Ok(Frame::Cancel { stream }) if stream == first));
            host.socket
                .write_all(&chunk[400_000..])
                .expect("an open connection");
            let second = host.answer();
            host.expect_credit(LENGTH);
            host.send_chunk(second, &value(), 65_536);
            host.send(&Frame::End {
                stream: second,
                error: None,
            });
        },
        |isolate, ctx| {
            let source = isolate.ask(ctx);
            let gathered = gather(ctx, &source);
            let mut turns = 0;
            isolate.run(ctx, || {
                turns += 1;
                turns > 50
            });
            source.cancel();
            assert!(gathered.borrow().is_none());
            let source = isolate.ask(ctx);
            let gathered = gather(ctx, &source);
            isolate.run(ctx, || gathered.borrow().is_some());
            assert!(gathered.take().expect("it is done").expect("it is whole") == value());
        },
    );
}
