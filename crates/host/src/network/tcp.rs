//! Plain TCP connections, and TLS put on them from the beginning or later.
//!
//! Both directions share one connection. TLS that begins later takes it over: what was reading and writing before fails,
//! without having taken a byte that belongs to TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use rustix::net::Shutdown;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{LOST, Network};
use crate::streams::lock;

/// The most that one read brings, in bytes.
const READ_MAX: usize = 64 * 1024;

/// A connection, by which TLS can be put on it.
#[derive(Clone)]
pub(crate) struct TcpSocket(Arc<Tcp>);

struct Tcp {
    stream: TcpStream,
    /// Which of those that had the connection has it now.
    owner: Mutex<u32>,
}

/// What comes from the other side.
pub(crate) struct SocketReader(Box<dyn AsyncRead + Send + Unpin>);

/// What goes to it.
pub(crate) struct SocketWriter {
    inner: Box<dyn AsyncWrite + Send + Unpin>,
    limit: Duration,
}

/// A connection with its two directions.
pub(crate) struct Connected {
    pub(crate) socket: TcpSocket,
    pub(crate) reader: SocketReader,
    pub(crate) writer: SocketWriter,
}

impl Network {
    /// Connects. Dropping the future gives it up.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub(crate) async fn dial(&self, host: &str, port: u16, tls: bool) -> Result<Connected, String> {
        let stream = self.tcp(host, port).await?;
        // Without it small messages wait for each other; where it can't be set they do.
        let _ = stream.set_nodelay(true);
        let socket = TcpSocket(Arc::new(Tcp {
            stream,
            owner: Mutex::new(0),
        }));
        if tls {
            return self.secure(socket, host).await;
        }
        let limit = self.0.limits.stall;
        Ok(Connected {
            reader: SocketReader(Box::new(socket.half())),
            writer: SocketWriter {
                inner: Box::new(socket.half()),
                limit,
            },
            socket,
        })
    }

    async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, String> {
        let limit = self.0.limits.connect;
        let connect = async {
            let mut last = None;
            for address in self.0.pools.addresses(host).await? {
                match TcpStream::connect(SocketAddr::new(address, port)).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.map_or_else(|| format!("{host} has no address"), |error| error.to_string()))
        };
        timeout(limit, connect)
            .await
            .unwrap_or_else(|_| Err(format!("no connection was made within {} s", limit.as_secs())))
    }

    /// Puts TLS on a connection. Nothing that had it before reads or writes any more.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub(crate) async fn secure(&self, socket: TcpSocket, host: &str) -> Result<Connected, String> {
        let config = self.0.pools.tls().await?;
        let host = host.trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("no certificate can be for {host:?}"))?;
        socket.take_over();
        let limit = self.0.limits.connect;
        let handshake = TlsConnector::from(config).connect(name, socket.half());
        let stream = match timeout(limit, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(format!("TLS failed: {error}")),
            Err(_) => return Err(format!("TLS was not ready within {} s", limit.as_secs())),
        };
        let (reader, writer) = tokio::io::split(stream);
        Ok(Connected {
            socket,
            reader: SocketReader(Box::new(reader)),
            writer: SocketWriter {
                inner: Box::new(writer),
                limit: self.0.limits.stall,
            },
        })
    }
}

impl TcpSocket {
    /// One who has the connection from now on; there may be several at once.
    fn half(&self) -> Half {
        Half {
            tcp: Arc::clone(&self.0),
            owner: *lock(&self.0.owner),
        }
    }

    /// Nobody has the connection any more.
    fn take_over(&self) {
        *lock(&self.0.owner) += 1;
    }

    /// Ends the connection, whoever has it.
    pub(crate) fn cut(&self) {
        self.take_over();
        // One that is over already is as it should be.
        let _ = rustix::net::shutdown(&self.0.stream, Shutdown::Both);
    }
}

impl SocketReader {
    /// The next piece, of at most `max` bytes; `None` at the end, `Err` if the connection is lost.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<Option<Result<Bytes, String>>> {
        let mut buffer = vec![0; max.min(READ_MAX)];
        let mut read = ReadBuf::new(&mut buffer);
        let result = ready!(Pin::new(&mut self.0).poll_read(cx, &mut read));
        let length = read.filled().len();
        Poll::Ready(match result {
            Err(_) => Some(Err(LOST.to_owned())),
            Ok(()) if length == 0 => None,
            Ok(()) => {
                buffer.truncate(length);
                // A short message keeps no long buffer.
                buffer.shrink_to_fit();
                Some(Ok(buffer.into()))
            }
        })
    }
}

impl SocketWriter {
    /// Sends all of it; a peer that takes none of it for long counts as lost.
    pub(crate) async fn send(&mut self, chunk: &[u8]) -> io::Result<()> {
        let write = async {
            self.inner.write_all(chunk).await?;
            self.inner.flush().await
        };
        timeout(self.limit, write)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Tells the other side that no more will come.
    pub(crate) async fn end(&mut self) {
        // A connection that is lost has ended anyway.
        let _ = timeout(self.limit, self.inner.shutdown()).await;
    }
}

/// A connection as one sees it who may lose it to another.
struct Half {
    tcp: Arc<Tcp>,
    owner: u32,
}

impl AsyncRead for Half {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tcp = &self.tcp;
        loop {
            if *lock(&tcp.owner) != self.owner {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            }
            ready!(tcp.stream.poll_read_ready(cx))?;
            // Under the lock, so that nobody takes the connection over in between.
            let owner = lock(&tcp.owner);
            if *owner != self.owner {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            }
            match tcp.stream.try_read(buffer.initialize_unfilled()) {
                Ok(length) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Half {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let tcp = &self.tcp;
        loop {
            if *lock(&tcp.owner) != self.owner {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            }
            ready!(tcp.stream.poll_write_ready(cx))?;
            match tcp.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if *lock(&self.tcp.owner) != self.owner {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(rustix::net::shutdown(&self.tcp.stream, Shutdown::Write).map_err(io::Error::from))
    }
}
