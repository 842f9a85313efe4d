//! HTTP in: HTTP/1.1 with keep-alive and HTTP/2 with prior knowledge, on one port.

mod admin;
mod assets;
mod body;
mod dispatch;
mod queues;
mod target;
mod upgrade;
mod upload;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use isthmus_assets::Assets;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::delivery::Courier;
use crate::limits::{HEADERS_MAX, Timeouts, URL_MAX};
use crate::logs::{LogLevel, Logs};
use crate::queues::Reach;

/// How long accepting pauses when the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The most that hyper buffers of a request's head: more than the limits, so that the page of a limit that
/// is exceeded a little is ours.
const HEAD_BUFFER: usize = 2 * (HEADERS_MAX + URL_MAX);

/// How many requests one HTTP/2 connection may have open.
const CONCURRENT_STREAMS: u32 = 256;

/// What requests are answered with.
pub(crate) struct Front {
    /// The static assets, which are looked for before an isolate is asked.
    pub(crate) assets: Option<Arc<Assets>>,
    /// What delivers events.
    pub(crate) courier: Courier,
    /// The log.
    pub(crate) logs: Logs,
    /// The timeouts.
    pub(crate) timeouts: Timeouts,
    /// Whether `/__scheduled` runs the Worker's `scheduled` handler.
    pub(crate) test_scheduled: bool,
    /// The longest request body, in bytes.
    pub(crate) request_body_max: Option<u64>,
    /// The server's address as a URL has it.
    pub(crate) local: String,
    /// The queues that clients reach.
    pub(crate) reach: Reach,
    /// Whether the server ends: WebSockets are closed then.
    pub(crate) shutdown: watch::Receiver<bool>,
}

impl Front {
    /// Takes connections until the server ends, then waits until the open ones have been answered.
    pub(crate) async fn run(self: Arc<Self>, listener: TcpListener, mut shutdown: watch::Receiver<bool>) {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.timeouts.head)
            // Also what hyper holds of a response whose client is slow. (`pipeline_flush` would lift that.)
            .max_buf_size(HEAD_BUFFER);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(CONCURRENT_STREAMS)
            .initial_stream_window_size(256 * 1024)
            .initial_connection_window_size(1024 * 1024)
            .max_header_list_size(HEAD_BUFFER as u32);
        let builder = Arc::new(builder);
        let connections = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // An error means that nobody is left to ask for the end, which is the end too.
                _ = shutdown.wait_for(|ended| *ended) => break,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.accept_failed(&error).await;
                    continue;
                }
            };
            // It only speeds up small answers; without it everything works.
            let _ = socket.set_nodelay(true);
            let (front, builder, watcher) = (self.clone(), builder.clone(), connections.watcher());
            tokio::spawn(async move {
                let service = service_fn(move |request| front.clone().serve(peer, request));
                let connection = builder
                    .serve_connection_with_upgrades(TokioIo::new(socket), service)
                    .into_owned();
                // An error is the client's: it went away or speaks another protocol.
                let _ = watcher.watch(connection).await;
            });
        }
        drop(listener);
        connections.shutdown().await;
    }

    async fn serve(
        self: Arc<Self>,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Result<http::Response<body::ResponseBody>, Infallible> {
        Ok(dispatch::answer(&self, peer, request).await)
    }

    async fn accept_failed(&self, error: &io::Error) {
        match error.kind() {
            // The client was gone before it was accepted.
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
            _ => {
                self.logs.host(
                    LogLevel::Warn,
                    format_args!("a connection can't be accepted: {error}"),
                );
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
