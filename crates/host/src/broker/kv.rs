//! KV namespaces: calls on a channel, done by [`KvNamespace`].

use std::sync::Arc;

use bytes::Bytes;
use isthmus_protocol::flow::ReceiveWindow;
use isthmus_protocol::{Body, Call, FailureKind, Frame, Open, Operation, Reply, StreamId, decode, kv};
use isthmus_stores::kv::{KvError, KvNamespace};

use super::held::Charge;
use super::{Broker, CallFailure, CallState, Collecting, lock, prompt};
use crate::logs::LogLevel;
use crate::streams::keep;

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
        let value = match (operation, body) {
            (kv::Operation::Put { .. }, Body::Stream { length }) => {
                let value = namespace
                    .prepare_put(operation, *length)
                    .map_err(|error| failure(&error, operation))?;
                let charge = self.account.charge(0).ok_or_else(CallFailure::no_room)?;
                let collecting = Collecting {
                    frame: keep(raw, raw),
                    namespace: namespace.clone(),
                    value,
                    window: ReceiveWindow::stream(),
                    charge,
                };
                let mut calls = lock(&self.calls);
                if let Some(state) = calls.open.get_mut(&stream) {
                    *state = CallState::Collecting(Box::new(collecting));
                }
                return Ok(());
            }
            (kv::Operation::Put { .. }, Body::Inline(bytes)) => keep(raw, bytes),
            (_, Body::None) => Bytes::new(),
            (_, Body::Inline(_) | Body::Stream { .. } | Body::Held { .. } | Body::Request { .. }) => {
                return Err(CallFailure::new(
                    FailureKind::Internal,
                    "the body of this call doesn't fit its operation",
                ));
            }
        };
        let charge = match value.len() {
            0 => None,
            length => Some(self.account.charge(length).ok_or_else(CallFailure::no_room)?),
        };
        self.execute(stream, keep(raw, raw), namespace.clone(), value, charge);
        Ok(())
    }

    /// The value of a put is complete.
    pub(super) fn finish_put(self: &Arc<Self>, stream: StreamId, collecting: Collecting) {
        let Collecting {
            frame,
            namespace,
            value,
            charge,
            ..
        } = collecting;
        match value.finish() {
            Ok(value) => self.execute(stream, frame, namespace, value, Some(charge)),
            Err(error) => {
                let failure = with_operation(&frame, |operation| failure(&error, operation));
                self.fail(stream, &failure, false);
            }
        }
    }

    /// Does an operation: at once if it doesn't have to wait, otherwise in a task.
    fn execute(
        self: &Arc<Self>,
        stream: StreamId,
        frame: Bytes,
        namespace: KvNamespace,
        value: Bytes,
        charge: Option<Charge>,
    ) {
        let broker = self.clone();
        prompt::begin(async move {
            // The operation borrows from the frame, which the task owns.
            let Some(operation) = operation_in(&frame) else {
                return;
            };
            let result = namespace.execute(&operation, value).await;
            // The value of a put is out of the host's hands.
            drop(charge);
            match result {
                Ok(answer) => {
                    if !broker.outgoing.has_room() {
                        broker.outgoing.room().await;
                    }
                    broker.answer(stream, Reply::Kv(answer.reply()), answer.value());
                }
                Err(error) => {
                    if let Some(news) = namespace.news(&error) {
                        broker.logs.host(LogLevel::Error, format_args!("{news}"));
                    }
                    broker.fail(stream, &failure(&error, &operation), false);
                }
            }
        });
    }
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

fn with_operation(frame: &Bytes, make: impl FnOnce(&kv::Operation<'_>) -> CallFailure) -> CallFailure {
    match operation_in(frame) {
        Some(operation) => make(&operation),
        None => CallFailure::new(FailureKind::Internal, "the call can't be read any more"),
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
