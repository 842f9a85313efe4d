//! `QueueController` and `QueueMessage`: the batch that a `queue` handler is called with, and its messages.
//!
//! What the handler says to them is noted in [`BatchState`]. As upstream, the first word about a message counts, and what
//! is said to one message counts more than what is said to the batch.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use isthmus_protocol::queue::{Batch, ContentType, Delivered, Metrics, Retry, Verdict};
use isthmus_web::structured_clone;
use rquickjs::{
    Array, ArrayBuffer, Class, Ctx, JsLifetime, Object, Result, Value,
    class::{JsClass, Readable, Trace},
    function::Constructor,
};

use crate::{convert, interface};

/// What was said to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Ack,
    Retry(Retry),
}

/// What was said to a batch and its messages so far.
pub struct BatchState {
    said: RefCell<Said>,
    warn: Box<dyn Fn(&str)>,
}

#[derive(Default)]
struct Said {
    ack_all: bool,
    retry_all: Option<Retry>,
    messages: Vec<(String, Option<Word>)>,
}

impl BatchState {
    /// Hands out the verdict as it stands.
    pub fn verdict<T>(&self, take: impl FnOnce(Verdict<'_>) -> T) -> T {
        let said = self.said.borrow();
        let mut verdict = Verdict {
            ack_all: said.ack_all,
            retry_all: said.retry_all,
            ..Verdict::default()
        };
        for (id, word) in &said.messages {
            match word {
                Some(Word::Ack) => verdict.acked.push(id),
                Some(Word::Retry(retry)) => verdict.retried.push((id, *retry)),
                None => {}
            }
        }
        take(verdict)
    }

    /// Says something that has no effect, since something else was said before.
    fn too_late(&self, call: &str, on: &str, earlier: &str) {
        let of = if on.is_empty() {
            String::new()
        } else {
            format!(" on message {on}")
        };
        let what = if on.is_empty() { "" } else { " on a message" };
        (self.warn)(&format!(
            "Received a call to {call}(){of} after {earlier}() was already called. Calling {call}(){what} after calling \
             {earlier}() has no effect."
        ));
    }
}

/// The batch.
#[derive(Trace, JsLifetime)]
struct QueueController {
    #[qjs(skip_trace)]
    state: Rc<BatchState>,
}

/// One message, by its place in the batch.
#[derive(Trace, JsLifetime)]
struct QueueMessage {
    #[qjs(skip_trace)]
    state: Rc<BatchState>,
    #[qjs(skip_trace)]
    index: usize,
}

pub(super) fn install(ctx: &Ctx<'_>) -> Result<()> {
    Class::<QueueController>::create_constructor(ctx)?;
    Class::<QueueMessage>::create_constructor(ctx).map(drop)
}

/// The object for a batch, and what is said to it. `warn` is told of calls that have no effect.
///
/// # Errors
/// A JavaScript exception: a body that isn't what its content type says, or no memory.
pub fn queue_controller<'js>(
    ctx: &Ctx<'js>,
    batch: &Batch<'_>,
    warn: Box<dyn Fn(&str)>,
) -> Result<(Object<'js>, Rc<BatchState>)> {
    let messages = batch.messages.iter().map(|message| (message.id.to_owned(), None));
    let state = Rc::new(BatchState {
        said: RefCell::new(Said {
            messages: messages.collect(),
            ..Said::default()
        }),
        warn,
    });
    let messages = Array::new(ctx.clone())?;
    for (index, message) in batch.messages.iter().enumerate() {
        messages.set(index, new_message(ctx, &state, index, message)?)?;
    }
    let controller = QueueController {
        state: Rc::clone(&state),
    };
    let controller = Class::instance(ctx.clone(), controller)?.into_inner();
    let metadata = Object::new(ctx.clone())?;
    metadata.set("metrics", metrics(ctx, batch.metrics)?)?;
    interface::read_only(&controller, "metadata", metadata)?;
    interface::read_only(&controller, "queue", batch.queue)?;
    interface::read_only(&controller, "messages", messages)?;
    Ok((controller, state))
}

/// What waits in a queue, as JavaScript sees it.
pub(super) fn metrics<'js>(ctx: &Ctx<'js>, metrics: Metrics) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("backlogCount", metrics.backlog_count as f64)?;
    object.set("backlogBytes", metrics.backlog_bytes as f64)?;
    if let Some(time) = metrics.oldest_message {
        object.set("oldestMessageTimestamp", new_date(ctx, time)?)?;
    }
    Ok(object)
}

fn new_date<'js>(ctx: &Ctx<'js>, time: i64) -> Result<Value<'js>> {
    let date: rquickjs::function::Constructor<'js> = ctx.globals().get("Date")?;
    date.construct((time as f64,))
}

fn new_message<'js>(
    ctx: &Ctx<'js>,
    state: &Rc<BatchState>,
    index: usize,
    message: &Delivered<'_>,
) -> Result<Object<'js>> {
    let class = QueueMessage {
        state: Rc::clone(state),
        index,
    };
    let object = Class::instance(ctx.clone(), class)?.into_inner();
    let body = match message.content_type {
        ContentType::Text => {
            rquickjs::String::from_str(ctx.clone(), &String::from_utf8_lossy(message.body))?.into_value()
        }
        ContentType::Json => ctx.json_parse(message.body)?,
        ContentType::Bytes => ArrayBuffer::new_copy(ctx.clone(), message.body)?.into_value(),
        ContentType::V8 => structured_clone::deserialize(ctx, Bytes::copy_from_slice(message.body))?,
    };
    interface::read_only(&object, "attempts", message.attempts)?;
    interface::read_only(&object, "body", body)?;
    interface::read_only(&object, "timestamp", new_date(ctx, message.timestamp)?)?;
    interface::read_only(&object, "id", message.id)?;
    Ok(object)
}

impl<'js> JsClass<'js> for QueueController {
    const NAME: &'static str = "QueueController";
    type Mutable = Readable;

    fn prototype(ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        interface::prototype(ctx, &[("retryAll", retry_all), ("ackAll", ack_all)]).map(Some)
    }

    fn constructor(ctx: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        interface::constructor::<Self>(ctx)
    }
}

impl<'js> JsClass<'js> for QueueMessage {
    const NAME: &'static str = "QueueMessage";
    type Mutable = Readable;

    fn prototype(ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        interface::prototype(ctx, &[("retry", retry), ("ack", ack)]).map(Some)
    }

    fn constructor(ctx: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        interface::constructor::<Self>(ctx)
    }
}

/// The options of a retry.
fn retry_options<'js>(ctx: &Ctx<'js>, class: &str, method: &str, arguments: &[Value<'js>]) -> Result<Retry> {
    let delay = match arguments.first() {
        Some(value) if !convert::is_absent(value) => {
            let options = value
                .as_object()
                .ok_or_else(|| interface::mismatch(ctx, class, method, 0, "QueueRetryOptions"))?;
            convert::integer_option(ctx, options, "delaySeconds")?
        }
        _ => None,
    };
    Ok(Retry { delay })
}

fn retry_all<'js>(
    ctx: &Ctx<'js>,
    controller: &QueueController,
    arguments: &[Value<'js>],
) -> Result<Value<'js>> {
    let retry = retry_options(ctx, QueueController::NAME, "retryAll", arguments)?;
    let state = &controller.state;
    if state.said.borrow().ack_all {
        state.too_late("retryAll", "", "ackAll");
    } else {
        state.said.borrow_mut().retry_all = Some(retry);
    }
    Ok(Value::new_undefined(ctx.clone()))
}

fn ack_all<'js>(ctx: &Ctx<'js>, controller: &QueueController, _: &[Value<'js>]) -> Result<Value<'js>> {
    let state = &controller.state;
    if state.said.borrow().retry_all.is_some() {
        state.too_late("ackAll", "", "retryAll");
    } else {
        state.said.borrow_mut().ack_all = true;
    }
    Ok(Value::new_undefined(ctx.clone()))
}

fn retry<'js>(ctx: &Ctx<'js>, message: &QueueMessage, arguments: &[Value<'js>]) -> Result<Value<'js>> {
    let retry = retry_options(ctx, QueueMessage::NAME, "retry", arguments)?;
    message.say(Word::Retry(retry));
    Ok(Value::new_undefined(ctx.clone()))
}

fn ack<'js>(ctx: &Ctx<'js>, message: &QueueMessage, _: &[Value<'js>]) -> Result<Value<'js>> {
    message.say(Word::Ack);
    Ok(Value::new_undefined(ctx.clone()))
}

impl QueueMessage {
    /// Notes the first word about this message.
    fn say(&self, word: Word) {
        let mut said = self.state.said.borrow_mut();
        let (ack_all, retry_all) = (said.ack_all, said.retry_all.is_some());
        let Some((id, known)) = said.messages.get_mut(self.index) else {
            return;
        };
        let earlier = match (word, *known) {
            (Word::Retry(_), Some(Word::Ack)) => "ack",
            (Word::Ack, Some(Word::Retry(_))) => "retry",
            (Word::Retry(_), _) if ack_all => "ackAll",
            (Word::Ack, _) if retry_all => "retryAll",
            (Word::Ack, _) if ack_all => return,
            // A second call may still say for how long.
            _ => {
                *known = Some(word);
                return;
            }
        };
        let id = id.clone();
        drop(said);
        let call = match word {
            Word::Ack => "ack",
            Word::Retry(_) => "retry",
        };
        self.state.too_late(call, &id, earlier);
    }
}
