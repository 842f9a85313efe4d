//! The command's end of a connection: open calls, and the frames on their way to them.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use isthmus_protocol::{Frame, StreamId, decode};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::client::CallError;
use crate::isolate::{Frames, Outgoing, Violation};
use crate::streams::{SendFlow, lock};

/// One connection.
#[derive(Default)]
pub(super) struct Link {
    pub(super) outgoing: Outgoing,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    next: StreamId,
    open: HashMap<StreamId, Open>,
    /// Why nothing comes any more.
    broken: Option<String>,
}

struct Open {
    /// Where replies, chunks and ends go. What waits here is bounded by the credit given.
    arrivals: UnboundedSender<Bytes>,
    upload: Arc<SendFlow>,
}

/// An open call; dropping it gives it up.
pub(super) struct OpenCall {
    link: Arc<Link>,
    pub(super) stream: StreamId,
    pub(super) upload: Arc<SendFlow>,
    arrivals: UnboundedReceiver<Bytes>,
    /// Whether both sides are done with it.
    pub(super) over: bool,
}

impl Link {
    /// Takes a stream for a call. Its opening frame is the caller's to send.
    pub(super) fn begin(self: &Arc<Self>) -> Result<OpenCall, CallError> {
        let (sender, arrivals) = unbounded_channel();
        let upload = Arc::new(SendFlow::stream());
        let mut calls = lock(&self.calls);
        if let Some(reason) = &calls.broken {
            return Err(CallError::Broken(reason.clone()));
        }
        let stream = calls.next;
        calls.next += 1;
        calls.open.insert(
            stream,
            Open {
                arrivals: sender,
                upload: upload.clone(),
            },
        );
        Ok(OpenCall {
            link: self.clone(),
            stream,
            upload,
            arrivals,
            over: false,
        })
    }

    /// Hands out what comes, until the connection ends.
    pub(super) async fn read(&self, mut frames: Frames) {
        let reason = loop {
            match frames.next().await {
                Ok(Some(frame)) => {
                    if let Err(violation) = self.take(&frame) {
                        break format!("the answer can't be understood: {violation}");
                    }
                }
                Ok(None) => break "it has ended".to_owned(),
                Err(violation) => break format!("the answer can't be understood: {violation}"),
            }
        };
        self.broke(reason);
    }

    /// Writes what is to be written, until the connection ends.
    pub(super) async fn write(&self, writing: tokio::net::unix::OwnedWriteHalf) -> io::Result<()> {
        self.outgoing.write_to(writing.as_ref()).await
    }

    fn broke(&self, reason: String) {
        let mut calls = lock(&self.calls);
        for (_, open) in calls.open.drain() {
            open.upload.stop();
        }
        calls.broken = Some(reason);
    }

    fn take(&self, raw: &Bytes) -> Result<(), Violation> {
        let stream = match decode::<Frame<'_>>(raw)? {
            Frame::Credit { stream, bytes } => {
                if let Some(open) = lock(&self.calls).open.get(&stream) {
                    open.upload.credit(bytes);
                }
                return Ok(());
            }
            Frame::Cancel { stream } => {
                if let Some(open) = lock(&self.calls).open.get(&stream) {
                    open.upload.stop();
                }
                return Ok(());
            }
            Frame::Reply { stream, .. } | Frame::Data { stream, .. } | Frame::End { stream, .. } => stream,
            _ => return Err(Violation("a frame that answers no call".to_owned())),
        };
        if let Some(open) = lock(&self.calls).open.get(&stream) {
            // Nobody hears it if the call was given up this moment.
            let _ = open.arrivals.send(raw.clone());
        }
        Ok(())
    }
}

impl OpenCall {
    /// The next frame of the answer.
    pub(super) async fn arrival(&mut self) -> Result<Bytes, CallError> {
        match self.arrivals.recv().await {
            Some(frame) => Ok(frame),
            None => {
                let broken = lock(&self.link.calls).broken.clone();
                Err(CallError::Broken(
                    broken.unwrap_or_else(|| "the call was given up".to_owned()),
                ))
            }
        }
    }

    pub(super) fn send_short(&self, frame: &Frame<'_>) {
        self.link.outgoing.send_short(frame);
    }

    pub(super) fn outgoing(&self) -> &Outgoing {
        &self.link.outgoing
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let known = lock(&self.link.calls).open.remove(&self.stream).is_some();
        if known && !self.over {
            self.send_short(&Frame::Cancel { stream: self.stream });
        }
    }
}
