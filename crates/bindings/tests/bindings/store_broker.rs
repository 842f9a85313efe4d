//! A broker without processes: calls go over the wire format to the rules and the SQLite store, and come back one
//! by one when the test says so.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use bytes::Bytes;
use isthmus_bindings::{Broker, CallBody, CallDone, Opened};
use isthmus_protocol::{ChannelId, Failure, FailureKind, Operation, Reply, StreamId, decode, encode, flow};
use isthmus_stores::kv::{KvAnswer, KvError, KvNamespace, KvPut};
use isthmus_web::body::{ByteSink, ByteSource, IncomingBody, PullDone, Pulled, WriteDone};
use rquickjs::Ctx;

use crate::engine::{self, Event};

pub(crate) struct StoreBroker {
    namespaces: Vec<KvNamespace>,
    runtime: tokio::runtime::Runtime,
    events: Rc<Events>,
    /// How many bodies were asked to stop before their end.
    pub(crate) cancelled: Rc<Cell<usize>>,
    /// Bodies that are too long for a frame break off after their first chunk.
    pub(crate) breaking: Cell<bool>,
    /// The answer to every call, instead of the store's.
    pub(crate) instead: RefCell<Option<Vec<u8>>>,
}

#[derive(Default)]
struct Events {
    queue: RefCell<VecDeque<Event>>,
    /// Every other answer that may come at once or later comes later.
    later: Cell<bool>,
}

impl Events {
    fn push(&self, event: Event) {
        self.queue.borrow_mut().push_back(event);
    }

    fn soon(&self, ctx: &Ctx<'_>, event: Event) {
        if self.later.replace(!self.later.get()) {
            self.push(event);
        } else {
            event(ctx);
        }
    }
}

impl StoreBroker {
    /// The channel `n` is `namespaces[n]`.
    pub(crate) fn new(namespaces: Vec<KvNamespace>) -> Rc<Self> {
        Rc::new(Self {
            namespaces,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime"),
            events: Rc::default(),
            cancelled: Rc::default(),
            breaking: Cell::new(false),
            instead: RefCell::default(),
        })
    }

    /// Runs until nothing is left to do: JavaScript jobs first, as an isolate does.
    pub(crate) fn run(&self, ctx: &Ctx<'_>) {
        engine::run(ctx, || self.events.queue.borrow_mut().pop_front());
    }

    /// Forgets the calls under way.
    pub(crate) fn hang_up(&self) {
        self.events.queue.take();
    }

    pub(crate) fn pending(&self) -> usize {
        self.events.queue.borrow().len()
    }

    /// Answers every call with `reply` from now on.
    pub(crate) fn answer_with(&self, reply: &Reply<'_>) {
        let mut wire = Vec::new();
        encode(reply, &mut wire).expect("fits");
        *self.instead.borrow_mut() = Some(wire);
    }

    fn execute(&self, channel: ChannelId, operation: &Operation<'_>, value: Value) -> Answer {
        let Operation::Kv(operation) = operation else {
            panic!("only KV is asked for")
        };
        let namespace = &self.namespaces[channel.0 as usize];
        let result = self.runtime.block_on(async {
            match value {
                Some(put) => put.finish().await.map(|()| KvAnswer::Done),
                None => namespace.execute(operation, Bytes::new()).await,
            }
        });
        let mut wire = Vec::new();
        match result {
            Ok(answer) => {
                encode(&Reply::Kv(answer.reply()), &mut wire).expect("fits");
                let body = self.runtime.block_on(answer.into_value());
                Answer {
                    wire,
                    body: body.expect("it is whole"),
                }
            }
            Err(error) => Answer {
                wire: refusal(operation, &error),
                body: None,
            },
        }
    }

    fn push(&self, value: &mut Value, chunk: Bytes) {
        if let Some(put) = value {
            self.runtime.block_on(put.push(chunk)).expect("taken");
        }
    }

    fn deliver(&self, ctx: &Ctx<'_>, done: CallDone, answer: Answer) {
        let body = match answer.body {
            None => IncomingBody::None,
            Some(bytes) if bytes.len() <= flow::INLINE_MAX => IncomingBody::Bytes(bytes),
            Some(bytes) => {
                let length = Some(bytes.len() as u64);
                let events = Rc::clone(&self.events);
                let cancelled = Rc::clone(&self.cancelled);
                let rest = RefCell::new(bytes);
                let breaking = self.breaking.get();
                let source = Chunks {
                    rest,
                    events,
                    cancelled,
                    breaking,
                    begun: Cell::new(false),
                };
                IncomingBody::Source {
                    source: Rc::new(source),
                    length,
                }
            }
        };
        let instead = self.instead.borrow();
        let wire = instead.as_ref().unwrap_or(&answer.wire);
        done(ctx, decode(&wire[4..]).expect("well-formed"), body);
    }
}

struct Answer {
    wire: Vec<u8>,
    body: Option<Bytes>,
}

fn refusal(operation: &isthmus_protocol::kv::Operation<'_>, error: &KvError) -> Vec<u8> {
    let message = error.message_of(operation);
    let kind = if error.is_internal() {
        FailureKind::Internal
    } else {
        FailureKind::User
    };
    let mut wire = Vec::new();
    let failure = Failure {
        kind,
        name: "Error",
        message: &message,
        trace: "",
    };
    encode(&Reply::Failed(failure), &mut wire).expect("fits");
    wire
}

/// The broker as the bindings see it.
pub(crate) struct Handle(pub(crate) Rc<StoreBroker>);

impl Broker for Handle {
    fn call(&self, channel: ChannelId, operation: Operation<'_>, body: CallBody, done: CallDone) -> Opened {
        let opened = |sink| Opened { call: 0, sink };
        let broker = Rc::clone(&self.0);
        let mut wire = Vec::new();
        encode(&operation, &mut wire).expect("fits");
        let Operation::Kv(kv) = &operation else {
            panic!("only KV is asked for")
        };
        let length = match &body {
            CallBody::None | CallBody::Held { .. } => None,
            CallBody::Bytes(bytes) => Some(bytes.len() as u64),
            CallBody::Stream { length } => *length,
        };
        let begin = || broker.namespaces[channel.0 as usize].begin_put(kv, length);
        let is_put = matches!(kv, isthmus_protocol::kv::Operation::Put { .. });
        let mut value: Value = match is_put.then(begin).transpose() {
            Ok(value) => value,
            Err(error) => {
                let answer = Answer {
                    wire: refusal(kv, &error),
                    body: None,
                };
                self.0
                    .events
                    .push(Box::new(move |ctx| broker.deliver(ctx, done, answer)));
                let refused: Rc<dyn ByteSink> = Rc::new(Refused(Rc::clone(&self.0.events)));
                return opened(matches!(body, CallBody::Stream { .. }).then_some(refused));
            }
        };
        let finish = move |value: Value, ctx: &Ctx<'_>| {
            let operation = decode(&wire[4..]).expect("well-formed");
            let answer = broker.execute(channel, &operation, value);
            broker.deliver(ctx, done, answer);
        };
        match body {
            CallBody::None | CallBody::Held { .. } => {}
            CallBody::Bytes(bytes) => bytes
                .chunks(60_000)
                .for_each(|chunk| self.0.push(&mut value, bytes.slice_ref(chunk))),
            CallBody::Stream { .. } => {
                let broker = Rc::clone(&self.0);
                let state = RefCell::new(Some((value, Box::new(finish) as Finish)));
                return opened(Some(Rc::new(Sink { state, broker })));
            }
        }
        self.0.events.push(Box::new(move |ctx| finish(value, ctx)));
        opened(None)
    }

    fn cancel(&self, _: StreamId) {
        panic!("no call of KV is ever given up")
    }
}

/// That of a put.
type Value = Option<KvPut>;

type Finish = Box<dyn for<'js> FnOnce(Value, &Ctx<'js>)>;

/// Takes the value of a put.
struct Sink {
    state: RefCell<Option<(Value, Finish)>>,
    broker: Rc<StoreBroker>,
}

impl ByteSink for Sink {
    fn write(&self, ctx: &Ctx<'_>, chunk: Bytes, done: WriteDone) {
        if let Some((value, _)) = &mut *self.state.borrow_mut() {
            self.broker.push(value, chunk);
        }
        self.broker
            .events
            .soon(ctx, Box::new(move |ctx| done(ctx, Ok(()))));
    }

    fn close(&self) {
        if let Some((value, finish)) = self.state.take() {
            self.broker.events.push(Box::new(move |ctx| finish(value, ctx)));
        }
    }

    fn abort(&self, _: &str) {
        // The host forgets the value, and answers that it did; the store is not asked.
        if let Some((mut value, finish)) = self.state.take() {
            self.broker.push(&mut value, Bytes::from(vec![0; 26_214_401]));
            self.broker.events.push(Box::new(move |ctx| finish(value, ctx)));
        }
    }
}

/// Takes nothing more.
struct Refused(Rc<Events>);

impl ByteSink for Refused {
    fn write(&self, ctx: &Ctx<'_>, _: Bytes, done: WriteDone) {
        self.0.soon(
            ctx,
            Box::new(move |ctx| done(ctx, Err("the host refused the call".to_owned()))),
        );
    }

    fn close(&self) {}

    fn abort(&self, _: &str) {}
}

/// A value that comes in pieces.
struct Chunks {
    rest: RefCell<Bytes>,
    events: Rc<Events>,
    cancelled: Rc<Cell<usize>>,
    breaking: bool,
    begun: Cell<bool>,
}

impl ByteSource for Chunks {
    fn pull(&self, ctx: &Ctx<'_>, done: PullDone) {
        let mut rest = self.rest.borrow_mut();
        let pulled = if self.begun.replace(true) && self.breaking {
            Pulled::Failed("the connection broke".to_owned())
        } else if rest.is_empty() {
            Pulled::End
        } else {
            let length = rest.len().min(50_000);
            Pulled::Chunk(rest.split_to(length))
        };
        drop(rest);
        self.events.soon(ctx, Box::new(move |ctx| done(ctx, pulled)));
    }

    fn cancel(&self) {
        self.rest.take();
        self.cancelled.set(self.cancelled.get() + 1);
    }
}
