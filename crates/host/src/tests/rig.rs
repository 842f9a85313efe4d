//! A server with fake isolates, a client for it, and its log.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use isthmus_protocol::control::IsolateSpec;
use tokio::net::{TcpListener, TcpStream};

use super::fake::{FakeIsolate, FakeLauncher, Shared};
use crate::broker::GrantTable;
use crate::limits::Timeouts;
use crate::logs::{LogLevel, LogLine, LogSink, LogThread, Logs};
use crate::queues::{Consumer, Reach};
use crate::server::{Server, Setup};
use crate::streams::lock;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A log that tests read.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Vec<LogLine>>);

impl Memory {
    /// Forgets what was logged so far.
    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }
}

impl LogSink for Memory {
    fn line(&self, line: &LogLine) {
        lock(&self.0).push(line.clone());
    }

    fn ready(&self, _: SocketAddr) {}
}

pub(crate) struct Rig {
    pub(crate) addr: SocketAddr,
    pub(crate) server: Server,
    pub(crate) launcher: Arc<FakeLauncher>,
    pub(crate) log: Arc<Memory>,
    pub(crate) log_thread: LogThread,
}

/// What a test may want otherwise.
pub(crate) struct Options {
    pub(crate) isolates: usize,
    pub(crate) grants: GrantTable,
    pub(crate) timeouts: Timeouts,
    pub(crate) request_body_max: Option<u64>,
    pub(crate) test_scheduled: bool,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) log_level: LogLevel,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            isolates: 1,
            grants: GrantTable::default(),
            timeouts: Timeouts::default(),
            request_body_max: None,
            test_scheduled: false,
            consumers: Vec::new(),
            log_level: LogLevel::Debug,
        }
    }
}

impl Options {
    /// Logs nothing.
    pub(crate) fn quiet() -> Self {
        Self {
            log_level: LogLevel::None,
            ..Self::default()
        }
    }

    /// Replaces isolates without delay, however many die.
    pub(crate) fn hasty() -> Self {
        let timeouts = Timeouts {
            restart_delay: Duration::ZERO,
            ..Timeouts::default()
        };
        Self {
            timeouts,
            ..Self::default()
        }
    }
}

impl Rig {
    /// A server with one isolate that does as told.
    pub(crate) async fn new(program: impl Fn(FakeIsolate) + Send + Sync + 'static) -> Self {
        Self::with(FakeLauncher::new(program), Options::default()).await
    }

    pub(crate) async fn with(launcher: Arc<FakeLauncher>, options: Options) -> Self {
        let log = Arc::new(Memory::default());
        let (logs, log_thread) = Logs::start(options.log_level, log.clone()).expect("a thread");
        let mut server = Server::start(Setup {
            listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port"),
            launcher: Arc::new(Shared(launcher.clone())),
            spec: IsolateSpec::default(),
            grants: options.grants,
            assets: None,
            isolates: options.isolates,
            logs,
            timeouts: options.timeouts,
            request_body_max: options.request_body_max,
            test_scheduled: options.test_scheduled,
            crons: Vec::new(),
            consumers: options.consumers,
            reach: Reach::default(),
        })
        .expect("starts");
        tokio::time::timeout(PATIENCE, server.booted())
            .await
            .expect("boots");
        Self {
            addr: server.addr(),
            server,
            launcher,
            log,
            log_thread,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Full::default()).expect("a good request");
        let (parts, body) = whole(self.send(request).await).await;
        (parts.status, String::from_utf8_lossy(&body).into_owned())
    }

    /// Sends a request on a connection of its own.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        self.try_send(request).await.expect("an answer")
    }

    pub(crate) async fn try_send<B>(&self, mut request: Request<B>) -> hyper::Result<Response<Incoming>>
    where
        B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        if !request.headers().contains_key("host") {
            let host = self.addr.to_string().parse().expect("a header value");
            request.headers_mut().insert("host", host);
        }
        let socket = TcpStream::connect(self.addr).await.expect("the server listens");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        sender.send_request(request).await
    }

    /// An HTTP/2 connection.
    pub(crate) async fn http2(&self) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
        let socket = TcpStream::connect(self.addr).await.expect("the server listens");
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
                .await
                .expect("h2");
        tokio::spawn(connection);
        sender
    }

    /// Waits until the log has a line with all of these.
    pub(crate) async fn logged(&self, parts: &[&str]) -> LogLine {
        eventually(&format!("a log line with {parts:?}"), || {
            let lines = lock(&self.log.0);
            lines
                .iter()
                .find(|line| parts.iter().all(|part| line.to_string().contains(part)))
                .cloned()
        })
        .await
    }

    /// Waits until no event is open.
    pub(crate) async fn quiet(&self) {
        eventually("no event is open", || {
            (self.server.pool.open_events() == 0).then_some(())
        })
        .await;
    }
}

/// Waits until something is there.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A response with its whole body.
pub(crate) async fn whole(response: Response<Incoming>) -> (http::response::Parts, Bytes) {
    let (parts, body) = response.into_parts();
    let body = tokio::time::timeout(PATIENCE, body.collect())
        .await
        .expect("in time")
        .expect("a whole body");
    (parts, body.to_bytes())
}
