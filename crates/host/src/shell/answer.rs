//! What a call came to: its reply and, as it is read, its body.

use bytes::{Bytes, BytesMut};
use isthmus_protocol::flow::ReceiveWindow;
use isthmus_protocol::{Body, Frame, Reply, decode};

use super::client::CallError;
use super::link::OpenCall;
use crate::streams::keep;

/// The answer to a call. Dropping it gives up what was not read of its body.
pub struct Answer {
    call: OpenCall,
    /// The frame of the reply.
    frame: Bytes,
    body: AnswerBody,
}

enum AnswerBody {
    /// All of it that is left.
    Here(Bytes),
    /// It comes as it is asked for.
    Coming {
        window: ReceiveWindow,
        /// No credit was given yet.
        held: bool,
    },
    Over,
}

impl Answer {
    /// From the frame of a reply.
    pub(super) fn new(mut call: OpenCall, frame: Bytes) -> Result<Self, CallError> {
        let unfit = || CallError::Broken("the answer is none to the question asked".to_owned());
        let Ok(Frame::Reply { reply, body, .. }) = decode::<Frame<'_>>(&frame) else {
            return Err(unfit());
        };
        if let Reply::Failed(failure) = reply {
            call.over = true;
            return Err(CallError::Failed {
                kind: failure.kind,
                message: failure.message.to_owned(),
            });
        }
        let body = match body {
            Body::None => AnswerBody::Over,
            Body::Inline(bytes) => AnswerBody::Here(keep(&frame, bytes)),
            Body::Stream { .. } => AnswerBody::Coming {
                window: ReceiveWindow::stream(),
                held: false,
            },
            Body::Held { stream, .. } if stream == call.stream => AnswerBody::Coming {
                window: ReceiveWindow::held(),
                held: true,
            },
            Body::Held { .. } | Body::Request { .. } => return Err(unfit()),
        };
        call.over = !matches!(body, AnswerBody::Coming { .. });
        Ok(Self { call, frame, body })
    }

    /// The reply.
    pub fn reply(&self) -> Reply<'_> {
        match decode::<Frame<'_>>(&self.frame) {
            Ok(Frame::Reply { reply, .. }) => reply,
            _ => unreachable!("the frame was read as a reply when it came"),
        }
    }

    /// The length of the body in bytes, where known; `None` also if there is none.
    pub fn length(&self) -> Option<u64> {
        match decode::<Frame<'_>>(&self.frame) {
            Ok(Frame::Reply { body, .. }) => match body {
                Body::Inline(bytes) => Some(bytes.len() as u64),
                Body::Stream { length } | Body::Held { length, .. } | Body::Request { length, .. } => length,
                Body::None => None,
            },
            _ => None,
        }
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`CallError::Broken`] if it broke off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, CallError> {
        let (window, held) = match &mut self.body {
            AnswerBody::Over => return Ok(None),
            AnswerBody::Here(bytes) => {
                let bytes = std::mem::take(bytes);
                self.body = AnswerBody::Over;
                return Ok(Some(bytes).filter(|bytes| !bytes.is_empty()));
            }
            AnswerBody::Coming { window, held } => (window, held),
        };
        let stream = self.call.stream;
        if std::mem::take(held) {
            let bytes = window.open();
            self.call.send_short(&Frame::Credit { stream, bytes });
        }
        loop {
            let raw = self.call.arrival().await?;
            match decode::<Frame<'_>>(&raw) {
                Ok(Frame::Data { chunk, .. }) => {
                    let broken =
                        |error: isthmus_protocol::flow::Overrun| CallError::Broken(error.to_string());
                    window.received(chunk.len()).map_err(broken)?;
                    let bytes = window.consumed(chunk.len());
                    if bytes > 0 {
                        self.call.send_short(&Frame::Credit { stream, bytes });
                    }
                    if !chunk.is_empty() {
                        return Ok(Some(keep(&raw, chunk)));
                    }
                }
                Ok(Frame::End { error, .. }) => {
                    let error = error.map(str::to_owned);
                    self.call.over = true;
                    self.body = AnswerBody::Over;
                    return error.map_or(Ok(None), |reason| Err(CallError::Broken(reason)));
                }
                _ => return Err(CallError::Broken("a second reply".to_owned())),
            }
        }
    }

    /// The whole body, empty if there is none.
    ///
    /// # Errors
    /// [`CallError::Broken`] if it broke off.
    pub async fn bytes(&mut self) -> Result<Bytes, CallError> {
        let Some(first) = self.chunk().await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.chunk().await? else {
            return Ok(first);
        };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        while let Some(chunk) = self.chunk().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }
}
