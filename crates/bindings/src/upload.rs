//! A call with a value that may be a stream of user code.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use isthmus_protocol::{ChannelId, Operation};
use isthmus_web::body::{ByteSink, OutgoingBody, WriteDone};
use isthmus_web::{UploadBody, streams};
use rquickjs::{Ctx, Result};

use crate::settle::Settler;
use crate::{Broker, CallDone, exchange};

/// Calls an operation with a body; `when_done` says how its answer settles the promise. A stream that breaks off rejects
/// it with its own error, not with what the host makes of that.
///
/// # Errors
/// The stream can't be read; the call is given up.
pub(crate) fn send<'js>(
    ctx: &Ctx<'js>,
    broker: &Rc<dyn Broker>,
    channel: ChannelId,
    operation: Operation<'_>,
    body: OutgoingBody<'js>,
    settler: Settler,
    when_done: impl FnOnce(Settler) -> CallDone,
) -> Result<()> {
    let (body, stream) = match body {
        OutgoingBody::None => (UploadBody::None, None),
        OutgoingBody::Bytes(bytes) => (UploadBody::Bytes(bytes), None),
        OutgoingBody::Source { source, length } => (UploadBody::Source { source, length }, None),
        OutgoingBody::Stream { stream, length } => (UploadBody::Stream { length }, Some(stream)),
    };
    let Some(stream) = stream else {
        exchange::begin(ctx, broker, channel, operation, body, when_done(settler));
        return Ok(());
    };
    let refused = Rc::new(Cell::new(false));
    let when = Rc::clone(&refused);
    let failed = settler.rejector(ctx, move || !when.get())?;
    let call = exchange::begin(ctx, broker, channel, operation, body, when_done(settler));
    let Some(sink) = call.sink else {
        // The call failed at once, and has told so.
        return Ok(());
    };
    let watched = Rc::new(ValueSink {
        sink: Rc::clone(&sink),
        refused,
    });
    let drained = streams::drain_watched(ctx, stream, watched, failed);
    if drained.is_err() {
        sink.abort("the value could not be read");
    }
    drained
}

/// The sink of a value. It remembers whether the host wanted no more: then the host's answer says why.
struct ValueSink {
    sink: Rc<dyn ByteSink>,
    refused: Rc<Cell<bool>>,
}

impl ByteSink for ValueSink {
    fn write(&self, ctx: &Ctx<'_>, chunk: Bytes, done: WriteDone) {
        let refused = Rc::clone(&self.refused);
        let watched = Box::new(move |ctx: &Ctx<'_>, result: std::result::Result<(), String>| {
            refused.set(result.is_err());
            done(ctx, result);
        });
        self.sink.write(ctx, chunk, watched);
    }

    fn close(&self) {
        self.sink.close();
    }

    fn abort(&self, reason: &str) {
        self.sink.abort(reason);
    }
}
