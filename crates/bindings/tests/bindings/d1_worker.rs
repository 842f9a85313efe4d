//! One engine with `env.DB`, and a D1 database of its own behind it.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use isthmus_bindings::{Broker, CallBody, CallDone, Opened};
use isthmus_protocol::{ChannelId, Failure, FailureKind, Operation, Reply, StreamId, control::Binding, d1};
use isthmus_stores::{
    Durability,
    d1::D1Database,
    sqlite::{SqliteOptions, SqliteStores},
};
use isthmus_web::body::IncomingBody;
use rquickjs::Ctx;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::engine::{self, Engine, Event};

type Instead = Box<dyn Fn(&Ctx<'_>, CallDone)>;

/// A broker without processes: answers come one by one when the test says so.
pub(crate) struct D1Broker {
    database: D1Database,
    runtime: tokio::runtime::Runtime,
    events: RefCell<VecDeque<Event>>,
    /// The answer to every call, instead of the store's.
    instead: RefCell<Option<Instead>>,
}

impl D1Broker {
    /// Answers every call by `instead` from now on.
    pub(crate) fn answer_with(&self, instead: impl Fn(&Ctx<'_>, CallDone) + 'static) {
        *self.instead.borrow_mut() = Some(Box::new(instead));
    }
}

struct Handle(Rc<D1Broker>);

impl Broker for Handle {
    fn call(&self, _: ChannelId, operation: Operation<'_>, body: CallBody, done: CallDone) -> Opened {
        let broker = Rc::clone(&self.0);
        let (Operation::D1(query), CallBody::Bytes(statements)) = (operation, body) else {
            panic!("only D1 is asked for, with statements");
        };
        self.0.events.borrow_mut().push_back(Box::new(move |ctx| {
            if let Some(instead) = &*broker.instead.borrow() {
                return instead(ctx, done);
            }
            let result = broker
                .runtime
                .block_on(broker.database.execute(query, statements));
            match result {
                Ok(answer) => {
                    let bookmark = answer.bookmark.as_deref();
                    done(
                        ctx,
                        Reply::D1(d1::Reply {
                            bookmark,
                            failed: None,
                        }),
                        IncomingBody::Bytes(answer.results),
                    );
                }
                Err(error) => {
                    let failure = Failure {
                        kind: FailureKind::User,
                        name: "Error",
                        message: &error.message,
                        trace: "",
                    };
                    done(ctx, Reply::Failed(failure), IncomingBody::None);
                }
            }
        }));
        Opened { call: 0, sink: None }
    }

    fn cancel(&self, _: StreamId) {
        panic!("no call of D1 is ever given up")
    }
}

pub(crate) struct D1Worker {
    // Dropped in this order: what holds JavaScript values first.
    pub(crate) broker: Rc<D1Broker>,
    pub(crate) engine: Engine,
    _folder: TempDir,
}

impl D1Worker {
    /// The database is the global `db`.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let options = SqliteOptions {
            durability: Durability::Process,
            max_bytes: None,
        };
        let database = SqliteStores::new(folder.path().to_owned(), options)
            .d1("one")
            .expect("opens");
        let broker = Rc::new(D1Broker {
            database,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime"),
            events: RefCell::default(),
            instead: RefCell::default(),
        });
        let engine = Engine::new(
            &[("DB", "db", Binding::D1(ChannelId(0)))],
            Rc::new(Handle(Rc::clone(&broker))),
            &[
                ("outcome", include_str!("../../../../tests/recording/describe.js")),
                ("plain", include_str!("../../../../tests/d1_reference/plain.js")),
            ],
        );
        Self {
            broker,
            engine,
            _folder: folder,
        }
    }

    /// What the function body `code` comes to, described as JSON; see `tests/recording/describe.js`.
    pub(crate) fn outcome(&self, code: &str, awaits: bool) -> Json {
        let start = "(code, awaits) => {
            const AsyncFunction = (async () => {}).constructor;
            const body = new (awaits ? AsyncFunction : Function)('db', 'plain', code);
            return outcome(() => body(db, plain));
        }";
        let run = |ctx: &Ctx<'_>| engine::run(ctx, || self.broker.events.borrow_mut().pop_front());
        self.engine.described(start, code, awaits, run)
    }

    /// The value that `code`, which may await, resolves with.
    pub(crate) fn resolved(&self, code: &str) -> Json {
        engine::resolved(code, &self.outcome(code, true))
    }

    /// The error that `code`, which may await, rejects with, as `NAME: MESSAGE`.
    pub(crate) fn rejected(&self, code: &str) -> String {
        engine::rejected(code, &self.outcome(code, true))
    }
}

impl Drop for D1Worker {
    fn drop(&mut self) {
        self.broker.events.take();
    }
}
