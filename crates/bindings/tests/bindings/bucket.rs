//! One engine with the Web platform and an R2 bucket over the real store. Calls go over the wire format, and come back one
//! by one when there is no JavaScript on the stack.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;

use bytes::Bytes;
use isthmus_bindings::{Broker, CallBody, CallDone, Opened};
use isthmus_protocol::control::Binding;
use isthmus_protocol::{
    ChannelId, Failure, FailureKind, Operation, Reply, StreamId, decode, encode, flow, r2,
};
use isthmus_stores::Durability;
use isthmus_stores::r2::{R2Answer, R2Bucket, R2Error};
use isthmus_stores::sqlite::{SqliteOptions, SqliteStores};
use isthmus_web::body::{ByteSink, ByteSource, HeldName, IncomingBody, PullDone, Pulled, WriteDone};
use rquickjs::Ctx;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::engine::{self, Engine, Event};

type Events = Rc<RefCell<VecDeque<Event>>>;

pub(crate) struct Bucket {
    // Dropped in this order: what holds JavaScript values first.
    pub(crate) broker: Rc<BucketBroker>,
    engine: Engine,
    _folder: TempDir,
}

impl Bucket {
    /// The bucket is the global `r2`.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let options = SqliteOptions {
            durability: Durability::Process,
            max_bytes: None,
        };
        let stores = SqliteStores::new(folder.path().to_owned(), options);
        let broker = Rc::new(BucketBroker {
            bucket: stores.r2("bucket").expect("a name"),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            events: Rc::default(),
            held: Rc::default(),
            passed_on: Cell::default(),
            next: Cell::new(1),
        });
        let engine = Engine::new(
            &[("R2", "r2", Binding::R2(ChannelId(0)))],
            Rc::new(Handle(Rc::clone(&broker))),
            &[("outcome", include_str!("../../../../tests/recording/describe.js"))],
        );
        Self {
            broker,
            engine,
            _folder: folder,
        }
    }

    /// What the function body `code` comes to, described as JSON; see `tests/recording/describe.js`.
    pub(crate) fn outcome(&self, code: &str) -> Json {
        let start = "(code) => { const body = new Function('r2', code); return outcome(() => body(r2)) }";
        let run = |ctx: &Ctx<'_>| engine::run(ctx, || self.broker.events.borrow_mut().pop_front());
        self.engine.described(start, code, false, run)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.broker.events.take();
    }
}

pub(crate) struct BucketBroker {
    bucket: R2Bucket,
    runtime: tokio::runtime::Runtime,
    events: Events,
    /// Long bodies of which nothing was read.
    held: Rc<RefCell<HashMap<StreamId, Bytes>>>,
    /// How many bodies came by their name alone.
    pub(crate) passed_on: Cell<usize>,
    next: Cell<StreamId>,
}

impl BucketBroker {
    /// Does a call, and leaves its answer among the events.
    fn answer(self: &Rc<Self>, call: StreamId, wire: &[u8], value: Option<Bytes>, done: CallDone) {
        let operation: Operation<'_> = decode(&wire[4..]).expect("well-formed");
        let Operation::R2(operation) = operation else {
            panic!("only R2 is asked for")
        };
        let answered = self.runtime.block_on(self.execute(&operation, value));
        let mut reply = Vec::new();
        let body = match answered {
            Ok((answer, body)) => {
                encode(&Reply::R2(answer.reply()), &mut reply).expect("fits");
                body
            }
            Err(error) => {
                let failure = Failure {
                    kind: FailureKind::User,
                    name: "Error",
                    message: &error.message_of(&operation),
                    trace: "",
                };
                encode(&Reply::Failed(failure), &mut reply).expect("fits");
                None
            }
        };
        let broker = Rc::clone(self);
        self.events.borrow_mut().push_back(Box::new(move |ctx| {
            let body = broker.incoming(call, body);
            done(ctx, decode(&reply[4..]).expect("well-formed"), body);
        }));
    }

    async fn execute(
        &self,
        operation: &r2::Operation<'_>,
        value: Option<Bytes>,
    ) -> Result<(R2Answer, Option<Bytes>), R2Error> {
        let mut answer = match value {
            None => self.bucket.execute(operation).await?,
            Some(value) => {
                let mut upload = self.bucket.begin(operation, Some(value.len() as u64)).await?;
                for chunk in value.chunks(100_000) {
                    upload.push(value.slice_ref(chunk)).await?;
                }
                upload.finish().await?
            }
        };
        let Some(mut body) = answer.take_body() else {
            return Ok((answer, None));
        };
        let mut read = Vec::new();
        while let Some(chunk) = poll_fn(|cx| body.poll_chunk(cx, 60_000)).await {
            read.extend_from_slice(&chunk.expect("it can be read"));
        }
        Ok((answer, Some(read.into())))
    }

    fn incoming(&self, call: StreamId, body: Option<Bytes>) -> IncomingBody {
        match body {
            None => IncomingBody::None,
            Some(bytes) if bytes.len() <= flow::INLINE_MAX => IncomingBody::Bytes(bytes),
            Some(bytes) => {
                let length = Some(bytes.len() as u64);
                self.held.borrow_mut().insert(call, bytes);
                let source = Chunks {
                    call,
                    held: Rc::clone(&self.held),
                    begun: RefCell::default(),
                };
                IncomingBody::Source {
                    source: Rc::new(source),
                    length,
                }
            }
        }
    }
}

/// The broker as the bindings see it.
struct Handle(Rc<BucketBroker>);

impl Broker for Handle {
    fn call(&self, channel: ChannelId, operation: Operation<'_>, body: CallBody, done: CallDone) -> Opened {
        assert_eq!(channel, ChannelId(0));
        let broker = Rc::clone(&self.0);
        let call = broker.next.replace(broker.next.get() + 1);
        let mut wire = Vec::new();
        encode(&operation, &mut wire).expect("fits");
        let value = match body {
            CallBody::None => None,
            CallBody::Bytes(bytes) => Some(bytes),
            CallBody::Held { name, .. } => {
                let HeldName::Answer(call) = name else {
                    panic!("there is no request")
                };
                broker.passed_on.set(broker.passed_on.get() + 1);
                let held = broker.held.borrow_mut().remove(&call);
                Some(held.expect("nothing of it was read"))
            }
            CallBody::Stream { length } => {
                let sink = Sink {
                    value: RefCell::default(),
                    length: length.expect("a known length"),
                    finish: RefCell::new(Some(Box::new(move |value| {
                        broker.answer(call, &wire, Some(value), done)
                    }))),
                    events: Rc::clone(&self.0.events),
                };
                let sink: Rc<dyn ByteSink> = Rc::new(sink);
                return Opened {
                    call,
                    sink: Some(sink),
                };
            }
        };
        broker.answer(call, &wire, value, done);
        Opened { call, sink: None }
    }

    fn cancel(&self, _: StreamId) {
        panic!("no call of R2 is ever given up")
    }
}

/// What is done with a value that is complete.
type Finish = Box<dyn FnOnce(Bytes)>;

/// Takes the value of a put.
struct Sink {
    value: RefCell<Vec<u8>>,
    length: u64,
    finish: RefCell<Option<Finish>>,
    events: Events,
}

impl ByteSink for Sink {
    fn write(&self, _: &Ctx<'_>, chunk: Bytes, done: WriteDone) {
        self.value.borrow_mut().extend_from_slice(&chunk);
        self.events
            .borrow_mut()
            .push_back(Box::new(move |ctx| done(ctx, Ok(()))));
    }

    fn close(&self) {
        let value = self.value.take();
        assert_eq!(
            value.len() as u64,
            self.length,
            "the host refuses a value of another length"
        );
        if let Some(finish) = self.finish.take() {
            finish(value.into());
        }
    }

    fn abort(&self, _: &str) {
        // The host forgets the value; the stream's own error is what the caller sees.
        self.finish.take();
    }
}

/// A value that comes in pieces.
struct Chunks {
    call: StreamId,
    held: Rc<RefCell<HashMap<StreamId, Bytes>>>,
    begun: RefCell<Option<Bytes>>,
}

impl ByteSource for Chunks {
    fn pull(&self, ctx: &Ctx<'_>, done: PullDone) {
        let mut begun = self.begun.borrow_mut();
        let rest = begun.get_or_insert_with(|| self.held.borrow_mut().remove(&self.call).unwrap_or_default());
        let length = rest.len().min(50_000);
        let chunk = rest.split_to(length);
        drop(begun);
        let pulled = if chunk.is_empty() {
            Pulled::End
        } else {
            Pulled::Chunk(chunk)
        };
        done(ctx, pulled);
    }

    fn cancel(&self) {
        self.held.borrow_mut().remove(&self.call);
    }

    fn held(&self) -> Option<HeldName> {
        let is_unread = self.begun.borrow().is_none();
        is_unread.then_some(HeldName::Answer(self.call))
    }
}
