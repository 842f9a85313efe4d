//! Zygotes and isolates that are threads of the test and speak the protocol as a test tells them to.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use isthmus_protocol::control::{FromZygote, IsolateSpec, ToZygote};
use isthmus_protocol::queue::{Batch, Metrics};
use isthmus_protocol::{
    Body, Event, Failure, FailureKind, Frame, FrameReader, Header, Open, Outcome, Reply, Report,
    ResponseHead, StreamId, decode, encode,
};
use isthmus_sandbox::recv_with_fds;

use crate::launch::{Launch, Process, ZygoteEnds};
use crate::streams::lock;

/// One end of a connection, blocking.
pub(crate) struct Wire {
    pub(crate) socket: UnixStream,
    reader: FrameReader,
}

impl Wire {
    fn new(socket: OwnedFd) -> Self {
        Self {
            socket: socket.into(),
            reader: FrameReader::new(),
        }
    }

    /// The next frame's bytes; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.reader.next_frame().expect("the host is honest") {
                return Some(frame);
            }
            let mut buffer = [0; 65536];
            match self.socket.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.reader.buffer().extend_from_slice(&buffer[..read]),
            }
        }
    }

    /// The next frame if it is here already.
    pub(crate) fn next_buffered(&mut self) -> Option<Bytes> {
        self.reader.next_frame().expect("the host is honest")
    }

    pub(crate) fn send(&mut self, frame: &Frame<'_>) {
        let mut bytes = Vec::new();
        encode(frame, &mut bytes).expect("short enough");
        self.send_raw(&bytes);
    }

    /// Sends anything; a host that has hung up is no error.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }
}

/// An isolate's side of its connections.
pub(crate) struct FakeIsolate {
    pub(crate) id: u32,
    pub(crate) events: Wire,
    pub(crate) broker: Wire,
}

/// A request as the isolate got it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) stream: StreamId,
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// `None` if it is streamed.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) streamed_length: Option<u64>,
    /// The host holds the body until it is asked for.
    pub(crate) is_held: bool,
    pub(crate) is_test: bool,
    /// The expression and the time of a cron trigger.
    pub(crate) scheduled: Option<(String, i64)>,
    /// A batch of messages.
    pub(crate) batch: Option<SeenBatch>,
}

/// A batch of messages as the isolate got it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenBatch {
    pub(crate) queue: String,
    pub(crate) messages: Vec<SeenMessage>,
    pub(crate) metrics: Metrics,
}

/// A message of it; the body is text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenMessage {
    pub(crate) id: String,
    pub(crate) attempts: u32,
    pub(crate) body: String,
}

impl SeenBatch {
    fn read(batch: &Batch<'_>) -> Self {
        let messages = batch.messages.iter().map(|message| SeenMessage {
            id: message.id.to_owned(),
            attempts: message.attempts,
            body: String::from_utf8_lossy(message.body).into_owned(),
        });
        Self {
            queue: batch.queue.to_owned(),
            messages: messages.collect(),
            metrics: batch.metrics,
        }
    }

    pub(crate) fn bodies(&self) -> Vec<&str> {
        self.messages
            .iter()
            .map(|message| message.body.as_str())
            .collect()
    }
}

impl Seen {
    pub(crate) fn path(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or("", |at| &rest[at..])
    }
}

pub(crate) fn head(status: u16) -> ResponseHead<'static> {
    ResponseHead {
        status,
        status_text: "",
        headers: Vec::new(),
        upgrade: false,
    }
}

impl FakeIsolate {
    /// The same isolate, for another thread to answer from.
    pub(crate) fn clone_events(&self) -> Self {
        let clone = |wire: &Wire| Wire::new(wire.socket.try_clone().expect("a descriptor").into());
        Self {
            id: self.id,
            events: clone(&self.events),
            broker: clone(&self.broker),
        }
    }

    pub(crate) fn ready(&mut self) {
        self.events.send(&Frame::Ready);
    }

    /// The next event; other frames on the way are dropped. `None` when the host has hung up or asks to end.
    pub(crate) fn next_event(&mut self) -> Option<Seen> {
        loop {
            let raw = self.events.next()?;
            match decode::<Frame<'_>>(&raw).expect("the host is honest") {
                Frame::Open {
                    stream,
                    open: Open::Event(event),
                    body,
                } => {
                    let mut seen = Seen {
                        stream,
                        ..Seen::default()
                    };
                    match body {
                        Body::None => seen.body = Some(Vec::new()),
                        Body::Inline(bytes) => seen.body = Some(bytes.to_vec()),
                        Body::Stream { length } => seen.streamed_length = length,
                        Body::Request {
                            stream: named,
                            length,
                        } => {
                            assert_eq!(named, stream, "its own");
                            (seen.is_held, seen.streamed_length) = (true, length);
                        }
                        Body::Held { .. } => panic!("a request is no answer"),
                    }
                    match event {
                        Event::Test => seen.is_test = true,
                        Event::Scheduled { cron, time } => seen.scheduled = Some((cron.to_owned(), time)),
                        Event::Queue(batch) => seen.batch = Some(SeenBatch::read(&batch)),
                        Event::Fetch(head) => {
                            seen.method = head.method.into();
                            seen.url = head.url.into();
                            seen.headers = head
                                .headers
                                .iter()
                                .map(|h| (h.name.into(), h.value.to_vec()))
                                .collect();
                        }
                    }
                    return Some(seen);
                }
                Frame::Ping { nonce } => self.events.send(&Frame::Pong { nonce }),
                Frame::Shutdown => return None,
                _ => {}
            }
        }
    }

    pub(crate) fn reply(&mut self, stream: StreamId, status: u16, headers: &[(&str, &str)], body: Body<'_>) {
        let headers = headers.iter().map(|(name, value)| Header {
            name,
            value: value.as_bytes(),
        });
        self.events.send(&Frame::Reply {
            stream,
            reply: Reply::Response(ResponseHead {
                headers: headers.collect(),
                ..head(status)
            }),
            body,
        });
    }

    pub(crate) fn fail(&mut self, stream: StreamId, kind: FailureKind, trace: &str) {
        self.send_failure(stream, kind, "it failed", trace);
        self.done(stream);
    }

    /// Answers with a failure of the Worker's, and goes on.
    pub(crate) fn raise(&mut self, stream: StreamId, message: &str) {
        self.send_failure(stream, FailureKind::User, message, "");
    }

    fn send_failure(&mut self, stream: StreamId, kind: FailureKind, message: &str, trace: &str) {
        self.events.send(&Frame::Reply {
            stream,
            reply: Reply::Failed(Failure {
                kind,
                name: "Error",
                message,
                trace,
            }),
            body: Body::None,
        });
    }

    /// Answers an event without a value, and goes on.
    pub(crate) fn finish(&mut self, stream: StreamId) {
        self.events.send(&Frame::Reply {
            stream,
            reply: Reply::Finished,
            body: Body::None,
        });
    }

    pub(crate) fn done(&mut self, stream: StreamId) {
        self.end(stream, Outcome::Ok, Report::None);
    }

    /// Ends the event with an outcome and what is known of it only then.
    pub(crate) fn end(&mut self, stream: StreamId, outcome: Outcome, report: Report<'_>) {
        self.events.send(&Frame::Done {
            stream,
            outcome,
            report,
        });
    }

    /// Answers with a text and ends the event.
    pub(crate) fn answer(&mut self, stream: StreamId, text: &str) {
        self.reply(stream, 200, &[], Body::Inline(text.as_bytes()));
        self.done(stream);
    }

    /// Answers every event with its path until the host hangs up.
    pub(crate) fn serve(mut self) {
        self.ready();
        while let Some(seen) = self.next_event() {
            let path = seen.path().to_owned();
            self.answer(seen.stream, &path);
        }
    }
}

type Boot = dyn Fn(u32, &IsolateSpec) -> Option<FromZygote> + Send + Sync;
type Program = dyn Fn(FakeIsolate) + Send + Sync;

/// Starts zygotes that are threads.
pub(crate) struct FakeLauncher {
    /// How often a zygote was launched.
    pub(crate) launches: AtomicU32,
    /// What a zygote answers to the boot, by how many were launched; `None`: nothing.
    boot: Box<Boot>,
    /// What an isolate does; when it returns, the isolate has ended.
    program: Arc<Program>,
    /// The zygotes launched.
    pub(crate) zygotes: Mutex<Vec<Arc<FakeZygote>>>,
}

/// A launched zygote.
pub(crate) struct FakeZygote {
    control: Mutex<UnixStream>,
    isolates: Mutex<Vec<UnixStream>>,
    killed: AtomicBool,
    pub(crate) stdout: Mutex<std::fs::File>,
}

pub(crate) fn booted() -> Option<FromZygote> {
    Some(FromZygote::Booted {
        entrypoints: vec!["default.fetch".into()],
        fork_hazards: Vec::new(),
    })
}

impl FakeLauncher {
    pub(crate) fn new(program: impl Fn(FakeIsolate) + Send + Sync + 'static) -> Arc<Self> {
        Self::with_boot(|_, _| booted(), program)
    }

    pub(crate) fn with_boot(
        boot: impl Fn(u32, &IsolateSpec) -> Option<FromZygote> + Send + Sync + 'static,
        program: impl Fn(FakeIsolate) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            launches: AtomicU32::new(0),
            boot: Box::new(boot),
            program: Arc::new(program),
            zygotes: Mutex::default(),
        })
    }

    pub(crate) fn launches(&self) -> u32 {
        self.launches.load(Ordering::SeqCst)
    }
}

/// The launcher is shared with the test, which looks at it afterwards.
pub(crate) struct Shared(pub(crate) Arc<FakeLauncher>);

impl Launch for Shared {
    fn launch(&self, ends: ZygoteEnds) -> Result<Box<dyn Process>, String> {
        let launcher = self.0.clone();
        let nth = launcher.launches.fetch_add(1, Ordering::SeqCst) + 1;
        let socket = UnixStream::from(ends.control);
        let zygote = Arc::new(FakeZygote {
            control: Mutex::new(socket.try_clone().expect("a descriptor")),
            isolates: Mutex::default(),
            killed: AtomicBool::new(false),
            stdout: Mutex::new(ends.stdout.into()),
        });
        lock(&launcher.zygotes).push(zygote.clone());
        let process = FakeProcess(zygote.clone());
        std::thread::spawn(move || zygote.run(&launcher, nth, &socket));
        Ok(Box::new(process))
    }
}

impl FakeZygote {
    fn run(self: &Arc<Self>, launcher: &FakeLauncher, nth: u32, socket: &UnixStream) {
        let mut reader = FrameReader::new();
        let mut descriptors = Vec::new();
        loop {
            while let Some(frame) = reader.next_frame().expect("the host is honest") {
                match decode(&frame).expect("the host is honest") {
                    ToZygote::Boot(spec) => {
                        let Some(answer) = (launcher.boot)(nth, &spec) else {
                            continue;
                        };
                        let failed = matches!(answer, FromZygote::Failed { .. });
                        self.tell(&answer);
                        if failed {
                            return;
                        }
                    }
                    ToZygote::Fork { isolate } => {
                        let mut pair = descriptors.drain(..2);
                        let (events, broker) = (pair.next().expect("two"), pair.next().expect("two"));
                        drop(pair);
                        self.fork(launcher, isolate, events, broker);
                    }
                }
            }
            let mut buffer = [0; 4096];
            match recv_with_fds(socket.as_fd(), &mut buffer, &mut descriptors) {
                Ok(0) | Err(_) => return,
                Ok(read) => reader.buffer().extend_from_slice(&buffer[..read]),
            }
        }
    }

    fn fork(self: &Arc<Self>, launcher: &FakeLauncher, id: u32, events: OwnedFd, broker: OwnedFd) {
        self.tell(&FromZygote::Forked {
            isolate: id,
            pid: 1000,
        });
        let isolate = FakeIsolate {
            id,
            events: Wire::new(events),
            broker: Wire::new(broker),
        };
        for wire in [&isolate.events, &isolate.broker] {
            lock(&self.isolates).push(wire.socket.try_clone().expect("a descriptor"));
        }
        let sockets = [
            isolate.events.socket.try_clone().expect("a descriptor"),
            isolate.broker.socket.try_clone().expect("a descriptor"),
        ];
        let (program, zygote) = (launcher.program.clone(), self.clone());
        std::thread::spawn(move || {
            program(isolate);
            for socket in sockets {
                let _ = socket.shutdown(Shutdown::Both);
            }
            zygote.tell(&FromZygote::Exited {
                isolate: id,
                status: "exit code 3".into(),
            });
        });
    }

    fn tell(&self, message: &FromZygote) {
        let mut bytes = Vec::new();
        encode(message, &mut bytes).expect("short enough");
        let _ = lock(&self.control).write_all(&bytes);
    }

    /// Ends it and its isolates, as the end of PID 1 of a namespace does.
    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        let _ = lock(&self.control).shutdown(Shutdown::Both);
        for socket in lock(&self.isolates).iter() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

struct FakeProcess(Arc<FakeZygote>);

impl Process for FakeProcess {
    fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn status(&self) -> Option<String> {
        self.0
            .killed
            .load(Ordering::SeqCst)
            .then(|| "signal 9 (SIGKILL)".into())
    }

    fn kill(&self) {
        self.0.kill();
    }

    fn global_pid(&self, _: i32) -> Option<i32> {
        None
    }

    fn refusal(&self) -> Option<&str> {
        None
    }
}
