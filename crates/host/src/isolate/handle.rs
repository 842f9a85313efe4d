//! The host's hold on an event that is open in an isolate.

use std::fmt;
use std::sync::Arc;

use isthmus_protocol::StreamId;
use tokio::sync::oneshot;

use super::{Answer, AnswerBody, EventEnd, Isolate};
use crate::client_body::ClientBody;
use crate::streams::SendFlow;

/// Why an event has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The isolate ended; why.
    Ended(String),
    /// The isolate was done with the event without having answered it.
    NoAnswer,
    /// The request's body exceeds so many bytes.
    BodyTooLarge(u64),
    /// The isolate can take no more events.
    Full,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(reason) => write!(f, "its isolate ended: {reason}"),
            Self::NoAnswer => f.write_str("the isolate didn't answer it"),
            Self::BodyTooLarge(max) => write!(f, "its body exceeds {max} bytes"),
            Self::Full => f.write_str("too many events are open in the isolate"),
        }
    }
}

/// The body of a request as it is sent with its head.
pub(crate) enum RequestBody<'a> {
    /// There is none.
    None,
    /// All of it.
    Inline(&'a [u8]),
    /// It follows.
    Stream {
        /// Its length in bytes, where known.
        length: Option<u64>,
    },
    /// It waits to be asked for. Taken out once the isolate may do so.
    Held(&'a mut Option<Box<ClientBody>>),
}

/// The host's hold on an open event: dropping it before the answer is complete cancels the event.
pub(crate) struct EventHandle {
    pub(super) isolate: Arc<Isolate>,
    pub(super) stream: StreamId,
    pub(super) answer: oneshot::Receiver<Result<Answer, Broken>>,
    pub(super) end: Option<oneshot::Receiver<EventEnd>>,
    pub(super) flow: Option<Arc<SendFlow>>,
    pub(super) settled: bool,
}

impl EventHandle {
    /// The isolate it is open in.
    pub(crate) fn isolate(&self) -> &Arc<Isolate> {
        &self.isolate
    }

    /// Its stream.
    pub(crate) fn stream(&self) -> StreamId {
        self.stream
    }

    /// The flow of the request's body, if that is a stream.
    pub(crate) fn flow(&self) -> Option<Arc<SendFlow>> {
        self.flow.clone()
    }

    /// Waits for the answer; to be called once.
    pub(crate) async fn answer(&mut self) -> Result<Answer, Broken> {
        let answer = (&mut self.answer)
            .await
            .unwrap_or_else(|_| Err(Broken::Ended("its process ended".into())));
        // Nothing is left to cancel unless a body follows.
        self.settled = !matches!(
            answer,
            Ok(Answer::Response {
                body: AnswerBody::Stream { .. },
                ..
            } | Answer::Upgrade { .. })
        );
        answer
    }

    /// Waits for the end of an event that isn't `fetch`, after its answer.
    pub(crate) async fn end(mut self) -> Result<EventEnd, Broken> {
        let Some(end) = self.end.take() else {
            return Err(Broken::NoAnswer);
        };
        end.await.map_err(|_| Broken::Ended("its process ended".into()))
    }

    /// The connection that the event became is over: dropping the handle cancels nothing.
    pub(crate) fn close_socket(mut self) {
        self.settled = true;
        self.isolate.socket_closed(self.stream);
    }

    /// The answer is complete: dropping the handle cancels nothing.
    pub(crate) fn settle(&mut self) {
        self.settled = true;
    }
}

impl Drop for EventHandle {
    fn drop(&mut self) {
        if !self.settled {
            self.isolate.cancel(self.stream);
        }
    }
}
