//! `WorkerQueue`: `send`, `sendBatch` and `metrics` of a producer.

use std::rc::Rc;

use isthmus_protocol::queue::{self, BODIES_MAX, ContentType, Outgoing};
use isthmus_protocol::{ChannelId, Operation, Reply};
use isthmus_web::body::IncomingBody;
use isthmus_web::{streams, structured_clone};
use rquickjs::{
    Class, Ctx, Exception, Function, JsLifetime, Object, Promise, Result, Value,
    atom::PredefinedAtom,
    class::{JsClass, Readable, Trace},
    function::{Constructor, This},
};

use super::consumer::metrics;
use crate::settle::{self, Settler, rejecting};
use crate::{Broker, CallBody, convert, exchange, interface, json};

/// One queue.
#[derive(Trace, JsLifetime)]
struct WorkerQueue {
    #[qjs(skip_trace)]
    channel: ChannelId,
    #[qjs(skip_trace)]
    broker: Rc<dyn Broker>,
    /// How bodies are encoded of which nothing is said: by compatibility date.
    #[qjs(skip_trace)]
    default_type: ContentType,
}

pub(super) fn install(ctx: &Ctx<'_>) -> Result<()> {
    Class::<WorkerQueue>::create_constructor(ctx).map(drop)
}

/// The queue behind a channel.
pub(crate) fn open<'js>(
    ctx: &Ctx<'js>,
    channel: ChannelId,
    broker: Rc<dyn Broker>,
    default_type: ContentType,
) -> Result<Value<'js>> {
    let queue = WorkerQueue {
        channel,
        broker,
        default_type,
    };
    Ok(Class::instance(ctx.clone(), queue)?.into_value())
}

impl<'js> JsClass<'js> for WorkerQueue {
    const NAME: &'static str = "WorkerQueue";
    type Mutable = Readable;

    fn prototype(ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        interface::prototype(
            ctx,
            &[
                ("metrics", ask_metrics),
                ("send", send),
                ("sendBatch", send_batch),
            ],
        )
        .map(Some)
    }

    fn constructor(ctx: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        interface::constructor::<Self>(ctx)
    }
}

/// A message whose body is encoded.
struct Encoded {
    content_type: ContentType,
    delay: Option<i32>,
    body: Vec<u8>,
}

/// What an operation resolves with.
type Finish = for<'js> fn(&Ctx<'js>, queue::Metrics) -> Result<Object<'js>>;

/// `metrics()`.
fn ask_metrics<'js>(ctx: &Ctx<'js>, queue: &WorkerQueue, _: &[Value<'js>]) -> Result<Value<'js>> {
    Ok(rejecting(ctx, || queue.call(ctx, queue::Operation::Metrics, metrics))?.into_value())
}

/// `send(body, options)`.
fn send<'js>(ctx: &Ctx<'js>, queue: &WorkerQueue, arguments: &[Value<'js>]) -> Result<Value<'js>> {
    let sent = rejecting(ctx, || {
        let body = arguments
            .first()
            .ok_or_else(|| interface::mismatch(ctx, WorkerQueue::NAME, "send", 0, "JsValue"))?;
        let options = options(ctx, arguments, "send", "SendOptions")?;
        let message = queue.encode(ctx, body, options)?;
        queue.call(ctx, queue::Operation::Send(outgoing(&message, true)), sent)
    });
    Ok(sent?.into_value())
}

/// `sendBatch(messages, options)`.
fn send_batch<'js>(ctx: &Ctx<'js>, queue: &WorkerQueue, arguments: &[Value<'js>]) -> Result<Value<'js>> {
    let sent = rejecting(ctx, || {
        let items = arguments.first().and_then(Value::as_object);
        let items = match items.map(|items| items_of(ctx, items)).transpose()?.flatten() {
            Some(items) => items,
            None => {
                return Err(interface::mismatch(
                    ctx,
                    WorkerQueue::NAME,
                    "sendBatch",
                    0,
                    "Sequence",
                ));
            }
        };
        let options = options(ctx, arguments, "sendBatch", "SendBatchOptions")?;
        let delay = options
            .map(|options| convert::integer_option(ctx, options, "delaySeconds"))
            .transpose()?
            .flatten();
        if items.is_empty() {
            return Err(Exception::throw_type(
                ctx,
                "sendBatch() requires at least one message",
            ));
        }
        let mut encoded = Vec::with_capacity(items.len());
        for item in &items {
            let request = item.as_object().ok_or_else(|| {
                Exception::throw_type(
                    ctx,
                    "Incorrect type: the provided value is not of type 'MessageSendRequest'.",
                )
            })?;
            encoded.push(queue.encode(ctx, &request.get("body")?, Some(request))?);
        }
        let bytes: usize = encoded.iter().map(|message| message.body.len()).sum();
        let operation = queue::Operation::SendBatch {
            messages: encoded
                .iter()
                .map(|message| outgoing(message, bytes <= BODIES_MAX))
                .collect(),
            delay,
        };
        queue.call(ctx, operation, self::sent)
    });
    Ok(sent?.into_value())
}

/// A message as it travels. What is longer than any queue takes stays here.
fn outgoing(message: &Encoded, with_body: bool) -> Outgoing<'_> {
    let with_body = with_body && message.body.len() <= BODIES_MAX;
    Outgoing {
        content_type: message.content_type,
        delay: message.delay,
        length: message.body.len() as u64,
        body: if with_body { &message.body } else { &[] },
    }
}

/// What `send` and `sendBatch` resolve with.
fn sent<'js>(ctx: &Ctx<'js>, waiting: queue::Metrics) -> Result<Object<'js>> {
    let metadata = Object::new(ctx.clone())?;
    metadata.set("metrics", metrics(ctx, waiting)?)?;
    let result = Object::new(ctx.clone())?;
    result.set("metadata", metadata)?;
    Ok(result)
}

/// The second argument, if any. `null` counts as absent.
fn options<'a, 'js>(
    ctx: &Ctx<'js>,
    arguments: &'a [Value<'js>],
    method: &str,
    expected: &str,
) -> Result<Option<&'a Object<'js>>> {
    match arguments.get(1) {
        Some(value) if !convert::is_absent(value) => match value.as_object() {
            Some(options) => Ok(Some(options)),
            None => Err(interface::mismatch(ctx, WorkerQueue::NAME, method, 1, expected)),
        },
        _ => Ok(None),
    }
}

/// All that an iterable yields; `None` if it is none.
fn items_of<'js>(ctx: &Ctx<'js>, iterable: &Object<'js>) -> Result<Option<Vec<Value<'js>>>> {
    let begin: Value = iterable.get(PredefinedAtom::SymbolIterator)?;
    let Some(begin) = begin.as_function() else {
        return Ok(None);
    };
    let iterator: Object = begin.call((This(iterable.clone()),))?;
    let next: Function = iterator.get("next")?;
    let mut items = Vec::new();
    loop {
        let step: Object = next.call((This(iterator.clone()),))?;
        if step.get::<_, rquickjs::Coerced<bool>>("done")?.0 {
            return Ok(Some(items));
        }
        // Without end nothing would ever be sent; the host says that it is too many.
        if items.len() > ITEMS_MAX {
            return Err(Exception::throw_range(
                ctx,
                "sendBatch() was given more messages than can be sent together",
            ));
        }
        items.push(step.get("value")?);
    }
}

/// Far more messages than can be sent together.
const ITEMS_MAX: usize = 10_000;

impl WorkerQueue {
    fn encode<'js>(
        &self,
        ctx: &Ctx<'js>,
        body: &Value<'js>,
        options: Option<&Object<'js>>,
    ) -> Result<Encoded> {
        let named = options
            .map(|options| convert::text_option(ctx, options, "contentType"))
            .transpose()?
            .flatten();
        let delay = options
            .map(|options| convert::integer_option(ctx, options, "delaySeconds"))
            .transpose()?
            .flatten();
        if body.is_undefined() {
            return Err(Exception::throw_type(ctx, "Message body cannot be undefined"));
        }
        let content_type = match &named {
            None => self.default_type,
            Some(name) => match name.to_ascii_lowercase().as_str() {
                "text" => ContentType::Text,
                "json" => ContentType::Json,
                "bytes" => ContentType::Bytes,
                "v8" => ContentType::V8,
                _ => {
                    let message = format!("Unsupported queue message content type: {name}");
                    return Err(settle::error(ctx, "TypeError", &message));
                }
            },
        };
        let wrong = |name: &str, expected: &str| {
            let message = format!(
                "Content Type \"{name}\" requires a value of type {expected}, but received: {}",
                type_of(body)
            );
            Exception::throw_type(ctx, &message)
        };
        let body = match content_type {
            ContentType::Text if body.is_string() => convert::text(ctx, body)?,
            ContentType::Text => return Err(wrong("text", "string")),
            ContentType::Json => to_json(ctx, body)?,
            ContentType::Bytes => {
                let is_buffer = body
                    .as_object()
                    .is_some_and(|object| rquickjs::ArrayBuffer::from_object(object.clone()).is_some());
                let view = if is_buffer {
                    None
                } else {
                    streams::buffer_bytes(ctx, body)?
                };
                view.ok_or_else(|| wrong("bytes", "ArrayBufferView"))?
            }
            ContentType::V8 => structured_clone::serialize(ctx, body)?.to_vec(),
        };
        Ok(Encoded {
            content_type,
            delay,
            body,
        })
    }

    fn call<'js>(
        &self,
        ctx: &Ctx<'js>,
        operation: queue::Operation<'_>,
        finish: Finish,
    ) -> Result<Promise<'js>> {
        let (promise, settler) = Settler::promise(ctx)?;
        let done = Box::new(move |ctx: &Ctx<'_>, reply: Reply<'_>, _: IncomingBody| {
            settler.settle(ctx, finished(ctx, &reply, finish));
        });
        self.broker
            .call(self.channel, Operation::Queue(operation), CallBody::None, done);
        Ok(promise)
    }
}

fn finished<'js>(ctx: &Ctx<'js>, reply: &Reply<'_>, finish: Finish) -> Result<Object<'js>> {
    match reply {
        Reply::Queue(queue::Reply::Waiting(metrics)) => finish(ctx, *metrics),
        Reply::Failed(failure) => Err(settle::error(ctx, failure.name, failure.message)),
        _ => Err(settle::error(ctx, "Error", exchange::UNFIT)),
    }
}

/// JSON, of what has any.
fn to_json<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<u8>> {
    match json::stringify(ctx, value)? {
        Some(text) => Ok(text),
        None => Err(Exception::throw_type(
            ctx,
            "Content Type \"json\" requires a value that can be written as JSON",
        )),
    }
}

/// `typeof`.
fn type_of(value: &Value<'_>) -> &'static str {
    match () {
        () if value.is_function() => "function",
        () if value.is_object() || value.is_null() => "object",
        () if value.is_string() => "string",
        () if value.is_bool() => "boolean",
        () if value.is_symbol() => "symbol",
        () if value.is_big_int() => "bigint",
        () if value.is_undefined() => "undefined",
        () => "number",
    }
}
