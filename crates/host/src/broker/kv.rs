//! KV namespaces: calls on a channel, done by [`KvNamespace`].
//!
//! A value that is put may come with its call, from the isolate as a stream, or be a body that the host holds: what is long goes
//! to the store as it comes. One that is read and long is held in its turn.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body::Body as _;
use isthmus_protocol::{Body, Call, FailureKind, Frame, Open, Operation, Reply, StreamId, decode, kv};
use isthmus_stores::kv::{KvAnswer, KvError, KvNamespace, KvPut};

use super::held::Charge;
use super::{Broker, CallFailure, prompt};
use crate::logs::LogLevel;
use crate::network::Upload;
use crate::streams::keep;

/// So many bytes of a value are in memory at most while it is stored.
const BUFFERED: u64 = 4 * 1024 * 1024;

/// What comes with an operation.
enum Value {
    /// All of it, empty if it has none.
    Here(Bytes),
    /// It comes in pieces.
    Coming(Box<(KvPut, Upload)>),
}

/// Why an operation came to nothing.
enum KvFailure {
    Store(KvError),
    Body(String),
}

impl From<KvError> for KvFailure {
    fn from(error: KvError) -> Self {
        Self::Store(error)
    }
}

impl Broker {
    /// Begins an operation; `raw` is the frame that opened the call.
    pub(super) fn begin_kv(
        self: &Arc<Self>,
        raw: &Bytes,
        stream: StreamId,
        namespace: &KvNamespace,
        operation: &kv::Operation<'_>,
        body: &Body<'_>,
    ) -> Result<(), CallFailure> {
        let charge = |bytes: usize| self.account.charge(bytes).ok_or_else(CallFailure::no_room);
        let (value, charge) = match (operation, body) {
            (
                kv::Operation::Put { .. },
                &(Body::Stream { length } | Body::Held { length, .. } | Body::Request { length, .. }),
            ) => {
                let put = namespace
                    .begin_put(operation, length)
                    .map_err(|error| failure(&error, operation))?;
                let charge = charge(length.unwrap_or(BUFFERED).min(BUFFERED) as usize)?;
                let coming = Box::new((put, self.upload(raw, stream, body)?));
                (Value::Coming(coming), Some(charge))
            }
            (kv::Operation::Put { .. }, Body::Inline(bytes)) => {
                (Value::Here(keep(raw, bytes)), Some(charge(bytes.len())?))
            }
            (_, Body::None) => (Value::Here(Bytes::new()), None),
            (_, Body::Inline(_) | Body::Stream { .. } | Body::Held { .. } | Body::Request { .. }) => {
                return Err(CallFailure::new(
                    FailureKind::Internal,
                    "the body of this call doesn't fit its operation",
                ));
            }
        };
        self.execute(stream, keep(raw, raw), namespace.clone(), value, charge);
        Ok(())
    }

    /// Does an operation: at once if it doesn't have to wait, otherwise in a task.
    fn execute(
        self: &Arc<Self>,
        stream: StreamId,
        frame: Bytes,
        namespace: KvNamespace,
        value: Value,
        charge: Option<Charge>,
    ) {
        let broker = self.clone();
        prompt::begin(async move {
            // The operation borrows from the frame, which the task owns.
            let Some(operation) = operation_in(&frame) else {
                return;
            };
            let result = match value {
                Value::Here(value) => namespace
                    .execute(&operation, value)
                    .await
                    .map_err(KvFailure::Store),
                Value::Coming(coming) => store(*coming).await,
            };
            // The value of a put is out of the host's hands.
            drop(charge);
            match result {
                Ok(answer) => {
                    if !broker.outgoing.has_room() {
                        broker.outgoing.room().await;
                    }
                    broker.answer_kv(stream, answer);
                }
                Err(KvFailure::Store(error)) => {
                    if let Some(news) = namespace.news(&error) {
                        broker.logs.host(LogLevel::Error, format_args!("{news}"));
                    }
                    broker.fail(stream, &failure(&error, &operation), false);
                }
                Err(KvFailure::Body(reason)) => {
                    let text = format!("the value to put broke off: {reason}");
                    broker.fail(stream, &CallFailure::new(FailureKind::User, text), false);
                }
            }
        });
    }

    fn answer_kv(&self, stream: StreamId, mut answer: KvAnswer) {
        let body = answer.take_body();
        let reply = Reply::Kv(answer.reply());
        match body {
            None => self.answer(stream, reply, None),
            Some(body) => match body.in_memory() {
                Some(bytes) => self.answer(stream, reply, Some(&bytes)),
                None => self.answer_stored(stream, reply, body),
            },
        }
    }
}

/// Stores a value, as it comes.
async fn store((mut put, mut upload): (KvPut, Upload)) -> Result<KvAnswer, KvFailure> {
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut upload).poll_frame(cx)).await {
        let frame = frame.map_err(|broken| KvFailure::Body(broken.into_reason()))?;
        if let Ok(chunk) = frame.into_data() {
            put.push(chunk).await?;
        }
    }
    put.finish().await?;
    Ok(KvAnswer::Done)
}

fn operation_in(frame: &Bytes) -> Option<kv::Operation<'_>> {
    match decode(frame) {
        Ok(Frame::Open {
            open:
                Open::Call(Call {
                    operation: Operation::Kv(operation),
                    ..
                }),
            ..
        }) => Some(operation),
        _ => None,
    }
}

/// Upstream's error: a plain `Error` that begins with the operation and the status.
fn failure(error: &KvError, operation: &kv::Operation<'_>) -> CallFailure {
    let kind = if error.is_internal() {
        FailureKind::Internal
    } else {
        FailureKind::User
    };
    CallFailure::new(kind, error.message_of(operation))
}
