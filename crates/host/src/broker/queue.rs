//! Queues: what producers ask for, done by [`Queue`].

use std::sync::Arc;

use bytes::Bytes;
use isthmus_protocol::{Body, Call, FailureKind, Frame, Open, Operation, Reply, StreamId, decode, queue};
use isthmus_stores::queue::{Queue, QueueError};

use super::{Broker, CallFailure, prompt};
use crate::logs::LogLevel;
use crate::streams::keep;

/// A queue to send to.
#[derive(Clone)]
pub(crate) struct QueueGrant {
    /// The queue.
    pub(crate) queue: Queue,
    /// How long its messages wait that don't say so themselves, in seconds.
    pub(crate) delivery_delay: u32,
    /// Whether it may be emptied and stopped, too.
    pub(crate) controls: bool,
}

impl Broker {
    /// Begins an operation; `raw` is the frame that opened the call.
    pub(super) fn begin_queue(
        self: &Arc<Self>,
        raw: &Bytes,
        stream: StreamId,
        grant: &QueueGrant,
        operation: &queue::Operation<'_>,
        body: &Body<'_>,
    ) -> Result<(), CallFailure> {
        if !matches!(body, Body::None) {
            return Err(CallFailure::new(
                FailureKind::Internal,
                "messages come with the call, not as its body",
            ));
        }
        let is_control = matches!(
            operation,
            queue::Operation::Purge | queue::Operation::Retain { .. } | queue::Operation::Pause { .. }
        );
        if is_control && !grant.controls {
            return Err(CallFailure::new(
                FailureKind::Internal,
                "this is not for Workers to do",
            ));
        }
        let charge = self.account.charge(raw.len()).ok_or_else(CallFailure::no_room)?;
        let (broker, grant, frame) = (self.clone(), grant.clone(), keep(raw, raw));
        prompt::begin(async move {
            // The operation borrows from the frame, which the task owns.
            let Some(operation) = operation_in(&frame) else {
                return;
            };
            let result = grant.queue.execute(&operation, grant.delivery_delay).await;
            drop(charge);
            match result {
                Ok(reply) => broker.answer(stream, Reply::Queue(reply), None),
                Err(error) => {
                    if let Some(news) = grant.queue.news(&error) {
                        broker.logs.host(LogLevel::Error, format_args!("{news}"));
                    }
                    broker.fail(stream, &failure(&error), false);
                }
            }
        });
        Ok(())
    }
}

fn operation_in(frame: &Bytes) -> Option<queue::Operation<'_>> {
    match decode(frame) {
        Ok(Frame::Open {
            open:
                Open::Call(Call {
                    operation: Operation::Queue(operation),
                    ..
                }),
            ..
        }) => Some(operation),
        _ => None,
    }
}

fn failure(error: &QueueError) -> CallFailure {
    let kind = if error.is_internal() {
        FailureKind::Internal
    } else {
        FailureKind::User
    };
    CallFailure::new(kind, error.to_string())
}
