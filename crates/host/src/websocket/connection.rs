//! The task between the other side of a connection and an isolate.
//!
//! Two loops in one task: what arrives goes to the isolate as far as its credit reaches, and is not read before; what the
//! isolate sends is written as fast as the other side takes it, and credit is granted for what was written.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use isthmus_protocol::flow::MESSAGE_OVERHEAD;
use isthmus_protocol::{Frame, Message, StreamId};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Role;
use super::decoder::{Decoder, Item};
use super::deflate::Agreement;
use super::encoder::Encoder;
use super::frame::Failure;
use super::queue::{Batch, Gone, MessageQueue, Outbound};
use crate::isolate::Outgoing;
use crate::streams::SendFlow;

/// How much is read at once.
const READ_SIZE: usize = 16 * 1024;

/// When so much waits to be written, it is.
const WRITE_SIZE: usize = 256 * 1024;

/// After how long a silence the other side is asked for a sign of life; after another such it is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// How long the other side may take to answer our part of the closing handshake.
const CLOSE_GRACE: Duration = Duration::from_secs(10);

/// How long the other side may take to read why its connection was failed.
const LINGER: Duration = Duration::from_secs(2);

/// What carries the bytes.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A connection of an isolate's to the host.
pub(crate) trait Carrier: Send + Sync {
    /// What is to be written to the isolate.
    fn outgoing(&self) -> &Outgoing;
}

/// The isolate's end of a connection.
pub(crate) struct Link {
    /// Which of the isolate's connections to the host.
    pub(crate) carrier: Arc<dyn Carrier>,
    /// The stream there.
    pub(crate) stream: StreamId,
    /// What the isolate sends.
    pub(crate) queue: Arc<MessageQueue>,
    /// What may be sent to the isolate.
    pub(crate) flow: Arc<SendFlow>,
}

/// A connection.
pub(crate) struct Connection {
    role: Role,
    agreement: Option<Agreement>,
    link: Link,
    shutdown: watch::Receiver<bool>,
}

/// How what arrives has ended.
enum Ended {
    /// The other side has sent its part of the closing handshake.
    Closed,
    /// It went away without.
    Lost,
    /// It was failed: the other side is told, and hears us no more.
    Failed,
    /// The isolate wants no more.
    Unwanted,
}

impl Connection {
    /// A connection whose handshake is done.
    pub(crate) fn new(
        role: Role,
        agreement: Option<Agreement>,
        link: Link,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        Self {
            role,
            agreement,
            link,
            shutdown,
        }
    }

    /// Serves it until both sides are done. `begun` is what was read of it already.
    pub(crate) async fn run(self, wire: impl Wire, begun: Bytes) {
        let (read, write) = tokio::io::split(wire);
        let inbound = Inbound {
            decoder: Decoder::new(self.role, self.agreement.map(|agreed| agreed.inflater(self.role))),
            buffer: begun.into(),
            read,
            link: &self.link,
        };
        let outbound = Outward {
            role: self.role,
            encoder: Encoder::new(self.role, self.agreement.map(|agreed| agreed.deflater(self.role))),
            write,
            link: &self.link,
            shutdown: self.shutdown,
        };
        run(inbound, outbound, self.role).await;
    }
}

async fn run<W: Wire>(mut inbound: Inbound<'_, W>, mut outbound: Outward<'_, W>, role: Role) {
    let link = inbound.link;
    let ended = {
        let arriving = inbound.run();
        let leaving = outbound.run();
        tokio::pin!(arriving, leaving);
        tokio::select! {
            ended = &mut arriving => match ended {
                // Our part of the closing handshake is the isolate's to give, or it does not come while the other
                // side waits for it.
                Ended::Closed => match leaving.await {
                    Left::Closed | Left::Failed => ended,
                    Left::Broken => {
                        link.lost(None);
                        Ended::Lost
                    }
                },
                // At most what waits is written before the reason.
                Ended::Failed | Ended::Unwanted => {
                    let _ = timeout(LINGER, leaving).await;
                    ended
                }
                Ended::Lost => ended,
            },
            left = &mut leaving => match left {
                Left::Closed => match timeout(CLOSE_GRACE, arriving).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        link.lost(None);
                        Ended::Lost
                    }
                },
                Left::Failed => {
                    link.lost(None);
                    Ended::Failed
                }
                Left::Broken => {
                    link.lost(None);
                    Ended::Lost
                }
            },
        }
    };
    match ended {
        Ended::Lost => {}
        // The server closes first; a client waits for that a while.
        Ended::Closed if role == Role::Server => outbound.shut_down().await,
        Ended::Closed => {
            let _ = timeout(LINGER, inbound.drain()).await;
        }
        Ended::Failed | Ended::Unwanted => {
            outbound.shut_down().await;
            // Closing with bytes unread would reset the connection, and the reason be lost with it.
            let _ = timeout(LINGER, inbound.drain()).await;
        }
    }
}

impl Link {
    fn send(&self, frame: &Frame<'_>) {
        self.carrier.outgoing().send_short(frame);
    }

    /// Tells the isolate that the connection is lost, and why if it was failed.
    pub(crate) fn lost(&self, error: Option<&str>) {
        let stream = self.stream;
        self.send(&Frame::End { stream, error });
    }

    /// Sends a message's piece to the isolate, as its credit allows; `false` if it wants no more.
    async fn deliver(&self, is_text: bool, mut bytes: &[u8], is_last: bool) -> bool {
        loop {
            let outgoing = self.carrier.outgoing();
            if !outgoing.has_room() {
                outgoing.room().await;
            }
            let Some(room) = self.flow.next_piece().await else {
                return false;
            };
            let stream = self.stream;
            if bytes.len() <= room {
                let message = match (is_last, is_text) {
                    (false, _) => Message::Part { is_text, bytes },
                    (true, false) => Message::Binary(bytes),
                    (true, true) => Message::Text(std::str::from_utf8(bytes).unwrap_or_default()),
                };
                self.flow.sent(bytes.len() + MESSAGE_OVERHEAD);
                self.send(&Frame::Message { stream, message });
                return true;
            }
            let end = if is_text { boundary(bytes, room) } else { room };
            let (part, rest) = bytes.split_at(end);
            self.flow.sent(part.len() + MESSAGE_OVERHEAD);
            let message = Message::Part { is_text, bytes: part };
            self.send(&Frame::Message { stream, message });
            bytes = rest;
        }
    }
}

/// The end of the last whole character of a text within its first `most` bytes.
fn boundary(text: &[u8], most: usize) -> usize {
    (0..=most)
        .rev()
        .find(|&end| text[end] & 0xc0 != 0x80)
        .unwrap_or(0)
}

/// What arrives.
struct Inbound<'a, W> {
    decoder: Decoder,
    buffer: BytesMut,
    read: ReadHalf<W>,
    link: &'a Link,
}

impl<W: Wire> Inbound<'_, W> {
    async fn run(&mut self) -> Ended {
        loop {
            match self.decoder.next(&mut self.buffer) {
                Ok(Some(Item::Piece {
                    is_text,
                    bytes,
                    is_last,
                })) => {
                    if !self.link.deliver(is_text, &bytes, is_last).await {
                        return Ended::Unwanted;
                    }
                }
                Ok(Some(Item::Ping(payload))) => self.link.queue.pong(payload),
                Ok(Some(Item::Pong)) => {}
                Ok(Some(Item::Close { code, reason })) => {
                    let stream = self.link.stream;
                    let reason = &reason;
                    let message = Message::Close { code, reason };
                    self.link.send(&Frame::Message { stream, message });
                    return Ended::Closed;
                }
                Ok(None) => {
                    if !self.more().await {
                        self.link.lost(None);
                        return Ended::Lost;
                    }
                }
                Err(Failure { code, reason }) => {
                    self.link.lost(Some(reason));
                    self.link.queue.fail(code, reason);
                    return Ended::Failed;
                }
            }
        }
    }

    /// Reads some bytes; `false` if there are none any more.
    async fn more(&mut self) -> bool {
        let mut asked = false;
        loop {
            self.buffer.reserve(READ_SIZE);
            match timeout(SILENCE, self.read.read_buf(&mut self.buffer)).await {
                Ok(read) => return matches!(read, Ok(1..)),
                Err(_) if asked => return false,
                Err(_) => {
                    asked = true;
                    self.link.queue.ping();
                }
            }
        }
    }

    /// Reads and drops what still comes.
    async fn drain(&mut self) {
        loop {
            self.buffer.clear();
            self.buffer.reserve(READ_SIZE);
            if !matches!(self.read.read_buf(&mut self.buffer).await, Ok(1..)) {
                return;
            }
        }
    }
}

/// What leaves.
struct Outward<'a, W> {
    role: Role,
    encoder: Encoder,
    write: WriteHalf<W>,
    link: &'a Link,
    shutdown: watch::Receiver<bool>,
}

/// How what leaves has ended.
enum Left {
    /// Our part of the closing handshake is sent.
    Closed,
    /// The other side was told that the connection is failed.
    Failed,
    /// Nothing can be written any more.
    Broken,
}

impl<W: Wire> Outward<'_, W> {
    async fn run(&mut self) -> Left {
        let mut out = Vec::new();
        loop {
            let batch = tokio::select! {
                batch = self.link.queue.next() => batch,
                () = ends(&mut self.shutdown) => Batch {
                    failure: Some((1012, "The server is shutting down.")),
                    ..Batch::default()
                },
                () = sleep(SILENCE), if self.encoder.is_awake() => {
                    self.encoder.rest();
                    out = Vec::new();
                    continue;
                }
            };
            if let Some(payload) = batch.pong {
                self.encoder.pong(&payload, &mut out);
            }
            if batch.ping {
                self.encoder.ping(&mut out);
            }
            let mut cost = 0;
            for message in batch.messages {
                match message {
                    Outbound::Data {
                        is_text,
                        bytes,
                        is_last,
                    } => {
                        self.encoder.data(is_text, &bytes, is_last, &mut out);
                        cost += bytes.len() + MESSAGE_OVERHEAD;
                        if out.len() >= WRITE_SIZE && !self.write(&mut out, &mut cost).await {
                            return Left::Broken;
                        }
                    }
                    Outbound::Close { code, reason } => {
                        self.encoder.close(code, &reason, &mut out);
                        let written = self.write(&mut out, &mut cost).await;
                        return if written { Left::Closed } else { Left::Broken };
                    }
                }
            }
            let failure = batch.failure.or(match batch.gone {
                None => None,
                Some(Gone::Failed) => Some((1011, "The Worker failed.")),
                Some(Gone::Replaced) => Some((1012, "The Worker is being restarted.")),
                Some(Gone::GaveUp) => Some((1011, "The Worker gave the connection up.")),
            });
            // A client has no Worker to speak of.
            let failure = match (failure, batch.gone) {
                (Some(_), Some(_)) if self.role == Role::Client => Some((1001, "")),
                (failure, _) => failure,
            };
            if let Some((code, reason)) = failure {
                self.encoder.close(code, reason, &mut out);
                let written = self.write(&mut out, &mut cost).await;
                return if written { Left::Failed } else { Left::Broken };
            }
            if !self.write(&mut out, &mut cost).await {
                return Left::Broken;
            }
        }
    }

    /// Writes all of `out` and grants credit for it.
    async fn write(&mut self, out: &mut Vec<u8>, cost: &mut usize) -> bool {
        let queue = &self.link.queue;
        let shutdown = &mut self.shutdown;
        // The other side may be too slow to hear why its connection ends.
        let hopeless = async {
            tokio::select! {
                () = queue.doomed() => {}
                () = ends(shutdown) => {}
            }
            sleep(LINGER).await;
        };
        let written = tokio::select! {
            biased;
            written = self.write.write_all(out) => written.is_ok(),
            () = hopeless => false,
        };
        if !written {
            return false;
        }
        out.clear();
        out.shrink_to(WRITE_SIZE);
        let credit = self.link.queue.written(std::mem::take(cost));
        if credit > 0 {
            let stream = self.link.stream;
            self.link.send(&Frame::Credit {
                stream,
                bytes: credit,
            });
        }
        true
    }

    async fn shut_down(&mut self) {
        // The other side may have been faster.
        let _ = timeout(LINGER, self.write.shutdown()).await;
    }
}

/// Ends when the server does.
async fn ends(shutdown: &mut watch::Receiver<bool>) {
    if shutdown.wait_for(|ended| *ended).await.is_err() {
        // Nobody is left to ask for the end.
        pending::<()>().await;
    }
}
