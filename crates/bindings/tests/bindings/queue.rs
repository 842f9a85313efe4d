//! Queues: the recorded answers of workerd and miniflare, case by case (see `tests/queue_reference/record.mjs`), and what
//! they don't cover.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use isthmus_bindings::{Broker, CallBody, CallDone, Opened, install_env, queue_controller};
use isthmus_protocol::control::Binding;
use isthmus_protocol::queue::{self, Batch, ContentType, Delivered, Metrics};
use isthmus_protocol::{ChannelId, Failure, FailureKind, Operation, Reply, StreamId, decode, encode};
use isthmus_stores::Durability;
use isthmus_stores::queue::Queue;
use isthmus_stores::sqlite::{SqliteOptions, SqliteStores};
use isthmus_web::body::IncomingBody;
use rquickjs::{CatchResultExt, Context, Ctx, Function, Object, Promise, Runtime, Value};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::recorded::groups;
use crate::worker::Nowhere;

/// An answer on its way.
type Event = Box<dyn for<'js> FnOnce(&Ctx<'js>)>;

/// Calls go over the wire format to the rules and the store.
struct QueueBroker {
    queue: Queue,
    runtime: tokio::runtime::Runtime,
    answers: RefCell<VecDeque<Event>>,
}

struct Handle(Rc<QueueBroker>);

impl Broker for Handle {
    fn call(&self, _: ChannelId, operation: Operation<'_>, _: CallBody, done: CallDone) -> Opened {
        let mut question = Vec::new();
        encode(&operation, &mut question).expect("fits");
        let broker = Rc::clone(&self.0);
        let answer: Event = Box::new(move |ctx| {
            let Operation::Queue(operation) = decode(&question[4..]).expect("well-formed") else {
                panic!("only queues are asked for")
            };
            let result = broker.runtime.block_on(broker.queue.execute(&operation, 0));
            let mut wire = Vec::new();
            match result {
                Ok(reply) => encode(&Reply::Queue(reply), &mut wire).expect("fits"),
                Err(error) => {
                    let failure = Failure {
                        kind: FailureKind::User,
                        name: "Error",
                        message: &error.to_string(),
                        trace: "",
                    };
                    encode(&Reply::Failed(failure), &mut wire).expect("fits");
                }
            }
            done(ctx, decode(&wire[4..]).expect("well-formed"), IncomingBody::None);
        });
        self.0.answers.borrow_mut().push_back(answer);
        Opened { call: 0, sink: None }
    }

    fn cancel(&self, _: StreamId) {
        panic!("no call of a queue is ever given up")
    }
}

/// One engine with the global `queue`.
struct Engine {
    // Dropped in this order: what holds JavaScript values first.
    broker: Rc<QueueBroker>,
    context: Context,
    _runtime: Runtime,
    _folder: TempDir,
}

impl Engine {
    fn new(default_type: ContentType) -> Self {
        let folder = TempDir::new().expect("a folder");
        let options = SqliteOptions {
            durability: Durability::Process,
            max_bytes: None,
        };
        let stores = SqliteStores::new(folder.path().to_owned(), options);
        let broker = Rc::new(QueueBroker {
            queue: stores.queue("jobs").expect("opens"),
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime"),
            answers: RefCell::default(),
        });
        let runtime = Runtime::new().expect("an engine");
        let context = Context::full(&runtime).expect("a context");
        context.with(|ctx| {
            isthmus_web::install(&ctx, Rc::new(Nowhere)).expect("the platform");
            let binding = Binding::Queue {
                channel: ChannelId(0),
                default_type,
            };
            let bindings = [("QUEUE".to_owned(), binding)];
            let env = install_env(&ctx, &bindings, Rc::new(Handle(Rc::clone(&broker)))).expect("an env");
            let queue: Value = env.get("QUEUE").expect("there");
            ctx.globals().set("queue", queue).expect("set");
            let describe = include_str!("../../../../tests/recording/describe.js");
            let outcome: Function = ctx.eval(describe).expect("it is a function");
            ctx.globals().set("outcome", outcome).expect("set");
        });
        Self {
            broker,
            context,
            _runtime: runtime,
            _folder: folder,
        }
    }

    /// What the function body `code` comes to.
    fn outcome(&self, code: &str) -> Json {
        self.context.with(|ctx| {
            let start: Function = ctx
                .eval(
                    "(code) => { const body = new Function('queue', code);
                                 const sent = (value) => value?.metadata ? 'sent' : value;
                                 return outcome(() => {
                                     const value = body(queue);
                                     return value instanceof Promise ? value.then(sent) : value;
                                 }) }",
                )
                .expect("it is a function");
            self.finish(&ctx, start.call((code,)).catch(&ctx).expect("it can begin"))
        })
    }

    fn finish<'js>(&self, ctx: &Ctx<'js>, promise: Promise<'js>) -> Json {
        loop {
            while ctx.execute_pending_job() {}
            let Some(answer) = self.broker.answers.borrow_mut().pop_front() else {
                break;
            };
            answer(ctx);
        }
        let described: Object = promise
            .finish()
            .catch(ctx)
            .expect("the description does not fail");
        let json = ctx.json_stringify(described).expect("JSON").expect("JSON");
        serde_json::from_str(&json.to_string().expect("UTF-8")).expect("JSON")
    }

    /// What the function body `code` says to a batch, as the reference reports it, and the warnings.
    fn verdict(&self, name: &str, code: &str) -> (Json, Vec<String>) {
        let bodies = ["1", "text", "{\"x\":null}"];
        let types = [ContentType::Json, ContentType::Text, ContentType::Json];
        let ids = ["a", "b", "c"];
        let messages = (0..3).map(|index| Delivered {
            id: ids[index],
            timestamp: 1000 + index as i64,
            attempts: index as u32 + 1,
            content_type: types[index],
            body: bodies[index].as_bytes(),
        });
        let batch = Batch {
            queue: name,
            messages: messages.collect(),
            metrics: Metrics::default(),
        };
        let warnings = Rc::new(RefCell::new(Vec::new()));
        let warned = Rc::clone(&warnings);
        let warn = Box::new(move |text: &str| warned.borrow_mut().push(text.to_owned()));
        let report = self.context.with(|ctx| {
            let (batch, state) = queue_controller(&ctx, &batch, warn).catch(&ctx).expect("a batch");
            let start: Function = ctx
                .eval("(code, batch) => { const body = new Function('batch', code); return outcome(() => body(batch)) }")
                .expect("it is a function");
            let promise = start.call((code, batch)).catch(&ctx).expect("it can begin");
            let said = self.finish(&ctx, promise);
            state.verdict(|verdict| {
                let retry = |retry: queue::Retry| match retry.delay {
                    Some(delay) => json!({ "delaySeconds": delay }),
                    None => json!({}),
                };
                let mut batch = retry(verdict.retry_all.unwrap_or_default());
                batch["retry"] = verdict.retry_all.is_some().into();
                let messages = verdict.retried.iter().map(|(id, of)| {
                    let mut message = retry(*of);
                    message["msgId"] = (*id).into();
                    message
                });
                json!({
                    "said": said,
                    "outcome": "ok",
                    "ackAll": verdict.ack_all,
                    "retryBatch": batch,
                    "explicitAcks": verdict.acked,
                    "retryMessages": messages.collect::<Vec<_>>(),
                })
            })
        });
        (report, warnings.take())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.broker.answers.take();
        self.context.with(|ctx| isthmus_web::teardown(&ctx));
    }
}

const ILLEGAL: &str = "Illegal invocation: function called with incorrect `this` reference.";

/// Where we answer otherwise, and on purpose. A case that comes to agree must leave the list.
fn deviation(group: &str, name: &str) -> Option<Json> {
    let rejected = |name: &str, message: &str| json!({"rejected": {"name": name, "message": message}});
    let delay = |seconds: i32| {
        rejected(
            "Error",
            &format!("message delay {seconds} is invalid: it must be a number of seconds from 0 to 86400"),
        )
    };
    let said = |said: Json, retried: Json| {
        json!({
            "said": {"returned": said}, "outcome": "ok", "ackAll": false, "retryBatch": {"retry": false},
            "explicitAcks": [], "retryMessages": retried,
        })
    };
    Some(match (group, name) {
        // What miniflare's service answers is lost on the way: "Unknown Internal Error (15000)". Here it arrives.
        ("producer", "delay below zero" | "batch, delay below zero" | "batch, delay of one below zero") => {
            delay(-1)
        }
        ("producer", "delay above a day") => delay(86401),
        ("producer", "128001 bytes" | "128001 bytes of json") => {
            rejected("Error", "message length of 128001 bytes exceeds limit of 128000")
        }
        ("producer", "batch of 101") => rejected("Error", "batch message count of 101 exceeds limit of 100"),
        // Without the name that C++ gives it.
        ("producer", "batch of undefined in it") => rejected(
            "TypeError",
            "Incorrect type: the provided value is not of type 'MessageSendRequest'.",
        ),
        // `null` is as good as `undefined`, since Python's `None` may come as either.
        ("producer", "type null") => json!({"resolved": "sent"}),
        ("consumer", "retry, delay null") => said(json!({"undefined": true}), json!([{"msgId": "a"}])),
        // Without upstream's link.
        ("producer", "detached") => json!({"thrown": {"name": "TypeError", "message": ILLEGAL}}),
        ("consumer", "detached") => said(json!({"name": "TypeError", "message": ILLEGAL}), json!([])),
        _ => return None,
    })
}

groups! {
    "queue_reference", deviation, |case| Engine::new(ContentType::Json).outcome(&case.code),
    producer
}

groups! {
    "queue_reference", deviation, |case| Engine::new(ContentType::Json).verdict("batch", &case.code).0,
    consumer
}

#[test]
fn what_has_no_effect_is_told() {
    let engine = Engine::new(ContentType::Json);
    let message = "batch.messages[0].";
    for (code, warning) in [
        (
            format!("{message}ack(); {message}retry()"),
            "Received a call to retry() on message a after ack() was already called. Calling retry() on a message after \
             calling ack() has no effect.",
        ),
        (
            format!("batch.retryAll(); {message}ack()"),
            "Received a call to ack() on message a after retryAll() was already called. Calling ack() on a message after \
             calling retryAll() has no effect.",
        ),
        (
            "batch.ackAll(); batch.retryAll()".to_owned(),
            "Received a call to retryAll() after ackAll() was already called. Calling retryAll() after calling ackAll() has \
             no effect.",
        ),
    ] {
        assert_eq!(engine.verdict("batch", &code).1, [warning], "{code}");
    }
    assert!(
        engine
            .verdict("batch", &format!("batch.ackAll(); {message}ack()"))
            .1
            .is_empty()
    );
}

#[test]
fn what_cannot_be_json_is_refused() {
    let engine = Engine::new(ContentType::Json);
    for body in ["() => 1", "Symbol('s')", "{ toJSON() { return undefined } }"] {
        assert_eq!(
            engine.outcome(&format!("return queue.send({body})")),
            json!({"rejected": {
                "name": "TypeError",
                "message": "Content Type \"json\" requires a value that can be written as JSON",
            }}),
            "{body}"
        );
    }
}

#[test]
fn a_batch_without_end_is_refused() {
    let outcome = Engine::new(ContentType::Json)
        .outcome("return queue.sendBatch((function* () { for (;;) yield { body: 1 } })())");
    assert_eq!(outcome["rejected"]["name"], "RangeError");
}

#[test]
fn values_survive_the_way_from_a_producer_to_a_consumer() {
    let engine = Engine::new(ContentType::V8);
    engine.outcome(
        "return queue.sendBatch([
             { body: new Map([[1, new Date(5)]]) },
             { body: 'ü', contentType: 'text' },
             { body: new Uint8Array([0, 255]), contentType: 'bytes' },
             { body: { a: [1] }, contentType: 'json' }])",
    );
    let broker = &engine.broker;
    let leased = broker
        .runtime
        .block_on(broker.queue.lease(10, 1000, true))
        .expect("leases");
    let messages = leased.iter().map(|message| Delivered {
        id: "id",
        timestamp: 0,
        attempts: 1,
        content_type: message.content_type,
        body: &message.body,
    });
    let batch = Batch {
        queue: "jobs",
        messages: messages.collect(),
        metrics: Metrics {
            backlog_count: 1,
            backlog_bytes: 2,
            oldest_message: Some(3),
        },
    };
    let found = engine.context.with(|ctx| {
        let (batch, _) = queue_controller(&ctx, &batch, Box::new(|_| {})).expect("a batch");
        let look: Function = ctx
            .eval(
                "({ messages: [v8, text, bytes, json], metadata: { metrics } }) => JSON.stringify([
                     v8.body instanceof Map && v8.body.get(1).getTime(), text.body,
                     bytes.body instanceof ArrayBuffer && [...new Uint8Array(bytes.body)], json.body,
                     metrics.backlogCount, metrics.backlogBytes, metrics.oldestMessageTimestamp.getTime()])",
            )
            .expect("it is a function");
        look.call::<_, String>((batch,)).catch(&ctx).expect("a text")
    });
    assert_eq!(found, r#"[5,"ü",[0,255],{"a":[1]},1,2,3]"#);
}

#[test]
fn a_body_that_is_not_what_it_says_is_an_error() {
    let engine = Engine::new(ContentType::Json);
    for (content_type, body) in [(ContentType::Json, &b"{no"[..]), (ContentType::V8, &[9, 9, 9])] {
        let batch = Batch {
            queue: "jobs",
            messages: vec![Delivered {
                id: "id",
                timestamp: 0,
                attempts: 1,
                content_type,
                body,
            }],
            metrics: Metrics::default(),
        };
        engine.context.with(|ctx| {
            assert!(queue_controller(&ctx, &batch, Box::new(|_| {})).is_err());
            ctx.catch();
        });
    }
}
