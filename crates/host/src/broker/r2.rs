//! R2 buckets: calls on a channel, done by [`R2Bucket`].
//!
//! A value that is put may come from the isolate or be a body that the host holds; it goes to the store as it comes. One
//! that is read and long is held in its turn: it is read from its file as it is asked for.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body::Body as _;
use isthmus_protocol::flow::INLINE_MAX;
use isthmus_protocol::{Body, Call, FailureKind, Frame, Open, Operation, Reply, StreamId, decode, r2};
use isthmus_stores::r2::{R2Answer, R2Bucket, R2Error};
use isthmus_stores::{StoredBody, Told, WHAT_TO_DO};

use super::{Broker, CallFailure, CallState, HeldBody, lock, prompt};
use crate::logs::{LogLevel, Logs};
use crate::network::Upload;
use crate::streams::keep;

/// So many bytes of a value are in memory at most while it is stored.
const BUFFERED: u64 = 4 * 1024 * 1024;

/// A bucket, and the error that the log was last told of.
pub(crate) struct R2Grant {
    bucket: R2Bucket,
    name: Arc<str>,
    told: Arc<Told<String>>,
}

/// Why a value came to nothing.
enum PutFailure {
    Store(R2Error),
    Body(String),
}

impl From<R2Error> for PutFailure {
    fn from(error: R2Error) -> Self {
        Self::Store(error)
    }
}

impl R2Grant {
    pub(crate) fn new(bucket: R2Bucket, name: &str) -> Self {
        Self {
            bucket,
            name: name.into(),
            told: Arc::default(),
        }
    }

    fn clone_for_call(&self) -> Self {
        Self {
            bucket: self.bucket.clone(),
            name: Arc::clone(&self.name),
            told: Arc::clone(&self.told),
        }
    }

    /// Upstream's error: a plain `Error` that begins with the operation and ends with the code. What is wrong with the
    /// store, and where it lies, is for the log alone.
    fn failure(&self, error: &R2Error, operation: &r2::Operation<'_>, logs: &Logs) -> CallFailure {
        if !error.is_internal() {
            return CallFailure::new(FailureKind::User, error.message_of(operation));
        }
        let text = error.log.as_ref().unwrap_or(&error.message);
        if self.told.is_news(text) {
            logs.host(
                LogLevel::Error,
                format_args!("the R2 bucket `{}`: {text}. {WHAT_TO_DO}", self.name),
            );
        }
        CallFailure::new(FailureKind::Internal, error.message_of(operation))
    }
}

impl Broker {
    /// Begins an operation; `raw` is the frame that opened the call.
    pub(super) fn begin_r2(
        self: &Arc<Self>,
        raw: &Bytes,
        stream: StreamId,
        grant: &R2Grant,
        operation: &r2::Operation<'_>,
        body: &Body<'_>,
    ) -> Result<(), CallFailure> {
        let upload = match operation {
            r2::Operation::Put { .. } | r2::Operation::UploadPart { .. } => {
                let length = match *body {
                    Body::None => Some(0),
                    Body::Inline(bytes) => Some(bytes.len() as u64),
                    Body::Stream { length } | Body::Held { length, .. } | Body::Request { length, .. } => {
                        length
                    }
                };
                let buffered = length.unwrap_or(BUFFERED).min(BUFFERED) as usize;
                let charge = self.account.charge(buffered).ok_or_else(CallFailure::no_room)?;
                Some((self.upload(raw, stream, body)?, length, charge))
            }
            _ if matches!(body, Body::None) => None,
            _ => {
                return Err(CallFailure::new(
                    FailureKind::Internal,
                    "the body of this call doesn't fit its operation",
                ));
            }
        };
        let is_at_hand = matches!(body, Body::None | Body::Inline(_));
        let (broker, grant, frame) = (self.clone(), grant.clone_for_call(), keep(raw, raw));
        let work = async move {
            // The operation borrows from the frame, which the task owns.
            let Some(operation) = operation_in(&frame) else {
                return;
            };
            let done = match upload {
                Some((upload, length, _charge)) => put(&grant.bucket, &operation, upload, length).await,
                None => grant.bucket.execute(&operation).await.map_err(PutFailure::Store),
            };
            if !broker.outgoing.has_room() {
                broker.outgoing.room().await;
            }
            match done {
                Ok(answer) => broker.answer_r2(stream, answer),
                Err(PutFailure::Store(error)) => {
                    let failure = grant.failure(&error, &operation, &broker.logs);
                    broker.fail(stream, &failure, false);
                }
                Err(PutFailure::Body(reason)) => {
                    let text = format!("the value to put broke off: {reason}");
                    broker.fail(stream, &CallFailure::new(FailureKind::User, text), false);
                }
            }
        };
        if is_at_hand {
            prompt::begin(work);
        } else {
            // It waits for who sends the value, and long.
            tokio::spawn(work);
        }
        Ok(())
    }

    fn answer_r2(&self, stream: StreamId, mut answer: R2Answer) {
        let body = answer.take_body();
        let reply = Reply::R2(answer.reply());
        match body {
            None => self.answer(stream, reply, None),
            Some(body) => self.answer_stored(stream, reply, body),
        }
    }

    /// Answers with a stored body: at once, if it is short and need not be waited for.
    pub(super) fn answer_stored(&self, stream: StreamId, reply: Reply<'_>, body: StoredBody) {
        if let Some(whole) = body.at_hand(INLINE_MAX) {
            return self.answer(stream, reply, Some(&whole));
        }
        let length = Some(body.left());
        let body = match body.bytes_in_memory() {
            0 => HeldBody::Stored(body),
            bytes => match self.account.charge(bytes) {
                Some(charge) => HeldBody::StoredInPart { body, charge },
                None => return self.fail(stream, &CallFailure::no_room(), false),
            },
        };
        {
            let mut calls = lock(&self.calls);
            let Some(state) = calls.open.get_mut(&stream) else {
                return;
            };
            *state = CallState::Held { body, event: None };
        }
        self.send_answer(stream, reply, Body::Held { stream, length });
    }
}

/// Stores a value, as it comes.
async fn put(
    bucket: &R2Bucket,
    operation: &r2::Operation<'_>,
    mut upload: Upload,
    length: Option<u64>,
) -> Result<R2Answer, PutFailure> {
    let mut value = bucket.begin(operation, length).await?;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut upload).poll_frame(cx)).await {
        let frame = frame.map_err(|broken| PutFailure::Body(broken.into_reason()))?;
        if let Ok(chunk) = frame.into_data() {
            value.push(chunk).await?;
        }
    }
    Ok(value.finish().await?)
}

fn operation_in(frame: &Bytes) -> Option<r2::Operation<'_>> {
    match decode(frame) {
        Ok(Frame::Open {
            open:
                Open::Call(Call {
                    operation: Operation::R2(operation),
                    ..
                }),
            ..
        }) => Some(operation),
        _ => None,
    }
}
