//! The body of a client's request, as the host holds it until somebody wants it.
//!
//! Nothing of it is read before: the connection waits, and with it the client. Who wants it is the isolate, piece by piece
//! ([`send`]), or whatever the isolate has it passed on to, which polls it as any other held body; it never enters the
//! isolate then. It goes on as long as it comes, also when its event is over.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use isthmus_protocol::StreamId;
use tokio::runtime::Handle;

use crate::isolate::{Broken, Isolate};
use crate::pieces::Pieces;
use crate::streams::SendFlow;

/// How much of a body that nobody wants is read, so that the client hears the answer and the connection
/// can be kept.
const DRAIN_MAX: u64 = 1024 * 1024;

/// A body whose client may still be sending it.
pub(crate) struct ClientBody {
    /// What was read of it and not given yet.
    begun: Bytes,
    rest: Rest,
    /// Its length in bytes, where known, less what was given.
    left: Option<u64>,
    /// The most it may have, in bytes.
    max: u64,
    /// How many more may come; `None` if too many have.
    allowed: Option<u64>,
    /// The client waits to be asked for it (`expect: 100-continue`), which the first look does.
    is_unasked: bool,
    /// Whose it is.
    event: Option<(Weak<Isolate>, StreamId)>,
}

/// What is to come of a body.
enum Rest {
    Coming(Box<Pieces>),
    /// It is complete.
    Ended,
    /// It broke off; why.
    Broken(String),
}

impl ClientBody {
    /// A body of at most `max` bytes, and of `length` where that is known.
    pub(crate) fn new(body: Incoming, length: Option<u64>, max: u64) -> Self {
        Self {
            begun: Bytes::new(),
            rest: Rest::Coming(Box::new(Pieces::new(body, None))),
            left: length,
            max,
            allowed: Some(max),
            is_unasked: false,
            event: None,
        }
    }

    /// The same body, of which `begun` was read before; what came after that, if it has ended.
    pub(crate) fn begun(mut self, begun: Bytes, ended: Option<Result<(), hyper::Error>>) -> Self {
        self.allowed = self.max.checked_sub(begun.len() as u64);
        self.begun = begun;
        match ended {
            None => {}
            Some(Ok(())) => self.rest = Rest::Ended,
            Some(Err(error)) => self.rest = Rest::Broken(broken_off(&error)),
        }
        self
    }

    /// The same body, whose client waits to be asked for it.
    pub(crate) fn unasked(mut self) -> Self {
        self.is_unasked = true;
        self
    }

    /// The event that is answered in the Worker's place if the body is too long.
    pub(crate) fn of_event(&mut self, isolate: Weak<Isolate>, stream: StreamId) {
        self.event = Some((isolate, stream));
    }

    /// How many bytes are left, where known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.left
    }

    /// The next piece, of at most `max` bytes; `None` at the end, `Err` with the reason if it broke off.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<Option<Result<Bytes, String>>> {
        self.is_unasked = false;
        if self.begun.is_empty() {
            let ended = match &mut self.rest {
                Rest::Coming(rest) => match ready!(rest.poll_next(cx)) {
                    Some(Ok(piece)) => {
                        self.allowed = self
                            .allowed
                            .and_then(|allowed| allowed.checked_sub(piece.len() as u64));
                        self.begun = piece;
                        None
                    }
                    Some(Err(error)) => Some(Some(Err(broken_off(&error)))),
                    None => Some(None),
                },
                Rest::Ended => return Poll::Ready(None),
                Rest::Broken(reason) => Some(Some(Err(std::mem::take(reason)))),
            };
            if let Some(ended) = ended {
                self.rest = Rest::Ended;
                return Poll::Ready(ended);
            }
        }
        if self.allowed.is_none() {
            return Poll::Ready(Some(Err(self.too_long())));
        }
        let chunk = self.begun.split_to(max.min(self.begun.len()));
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(chunk.len() as u64);
            // Where the answer is complete by now, hyper tells of the end only when the next request comes.
            if *left == 0 {
                self.rest = Rest::Ended;
            }
        }
        Poll::Ready(Some(Ok(chunk)))
    }

    fn give_up(&mut self) {
        let Rest::Coming(rest) = std::mem::replace(&mut self.rest, Rest::Ended) else {
            return;
        };
        // A client that was not asked for it need not send it now. Hyper closes its connection after the answer.
        if self.is_unasked {
            return;
        }
        // Without a runtime the server is ending.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(drain(rest.into_body()));
        }
    }

    /// Ends its event; why.
    fn too_long(&mut self) -> String {
        let why = Broken::BodyTooLarge(self.max);
        let reason = why.to_string();
        self.begun = Bytes::new();
        self.give_up();
        if let Some((isolate, stream)) = self.event.take()
            && let Some(isolate) = isolate.upgrade()
        {
            isolate.reject(stream, why);
        }
        reason
    }
}

/// Dropped before its end, it is drained, so that the client hears the answer.
impl Drop for ClientBody {
    fn drop(&mut self) {
        self.give_up();
    }
}

fn broken_off(error: &hyper::Error) -> String {
    format!("the client broke off the request's body: {error}")
}

/// Streams a body to its isolate until it is complete, breaks off or isn't wanted any more.
pub(crate) async fn send(isolate: Arc<Isolate>, stream: StreamId, flow: Arc<SendFlow>, mut body: ClientBody) {
    loop {
        let piece = tokio::select! {
            piece = poll_fn(|cx| body.poll_chunk(cx, usize::MAX)) => piece,
            () = flow.stopped() => return,
        };
        let mut chunk = match piece {
            Some(Ok(chunk)) => chunk,
            Some(Err(reason)) => return isolate.send_end(stream, Some(&reason)),
            None => return isolate.send_end(stream, None),
        };
        while !chunk.is_empty() {
            isolate.events_room().await;
            let Some(length) = flow.next_chunk().await else {
                return;
            };
            let part = chunk.split_to(length.min(chunk.len()));
            flow.sent(part.len());
            isolate.send_chunk(stream, part);
        }
    }
}

/// Reads and drops a little of a body that nobody wants.
pub(crate) async fn drain(mut body: Incoming) {
    let mut drained = 0;
    while let Some(Ok(frame)) = body.frame().await {
        drained += frame.data_ref().map_or(0, |data| data.len() as u64);
        if drained > DRAIN_MAX {
            return;
        }
    }
}
