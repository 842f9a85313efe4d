//! One engine with the Web platform and an `env`, and the store behind it.

use std::{rc::Rc, time::Duration};

use isthmus_bindings::install_env;
use isthmus_protocol::{ChannelId, control::Binding};
use isthmus_stores::{
    Durability,
    sqlite::{SqliteOptions, SqliteStores},
};
use isthmus_web::{Host, LogLevel, TimerId};
use rquickjs::{CatchResultExt, Context, Ctx, Function, Object, Promise, Runtime, Value};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::store_broker::{Handle, StoreBroker};

pub(crate) struct Worker {
    // Dropped in this order: what holds JavaScript values first.
    pub(crate) broker: Rc<StoreBroker>,
    pub(crate) context: Context,
    pub(crate) runtime: Runtime,
    _folder: TempDir,
}

impl Worker {
    /// `env.KV` and `env.OTHER` are namespaces, as are the globals `kv` and `other`.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let options = SqliteOptions {
            durability: Durability::Process,
            max_bytes: None,
        };
        let stores = SqliteStores::new(folder.path().to_owned(), options);
        let namespaces = ["one", "two"].map(|id| stores.kv(id).expect("opens"));
        let broker = StoreBroker::new(namespaces.into());
        let runtime = Runtime::new().expect("an engine");
        let context = Context::full(&runtime).expect("a context");
        context.with(|ctx| {
            isthmus_web::install(&ctx, Rc::new(Nowhere)).expect("the platform");
            let bindings = [
                ("KV".to_owned(), Binding::Kv(ChannelId(0))),
                ("OTHER".to_owned(), Binding::Kv(ChannelId(1))),
            ];
            let env = install_env(&ctx, &bindings, Rc::new(Handle(Rc::clone(&broker)))).expect("an env");
            let globals = ctx.globals();
            globals
                .set("kv", env.get::<_, Value>("KV").expect("there"))
                .expect("set");
            globals
                .set("other", env.get::<_, Value>("OTHER").expect("there"))
                .expect("set");
            globals.set("env", env).expect("set");
            let describe = include_str!("../../../../tests/kv_reference/describe.js");
            let outcome: Function = ctx.eval(describe).expect("it is a function");
            globals.set("outcome", outcome).expect("set");
        });
        Self {
            broker,
            context,
            runtime,
            _folder: folder,
        }
    }

    /// What the function body `code` comes to, described as JSON; see `tests/kv_reference/describe.js`.
    pub(crate) fn outcome(&self, code: &str) -> Json {
        self.context.with(|ctx| {
            let promise = start(&ctx, code);
            self.broker.run(&ctx);
            let described: Object = promise
                .finish()
                .catch(&ctx)
                .expect("the description does not fail");
            let json = ctx
                .json_stringify(described)
                .expect("JSON")
                .expect("JSON")
                .to_string()
                .expect("UTF-8");
            serde_json::from_str(&json).expect("JSON")
        })
    }

    /// The value that `code` resolves with.
    pub(crate) fn resolved(&self, code: &str) -> Json {
        let outcome = self.outcome(code);
        outcome
            .get("resolved")
            .unwrap_or_else(|| panic!("{code}: {outcome}"))
            .clone()
    }

    /// The error that `code` rejects with, as `NAME: MESSAGE`.
    pub(crate) fn rejected(&self, code: &str) -> String {
        let outcome = self.outcome(code);
        let error = outcome
            .get("rejected")
            .unwrap_or_else(|| panic!("{code}: {outcome}"));
        let part = |name: &str| error[name].as_str().expect("an error").to_owned();
        format!("{}: {}", part("name"), part("message"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.broker.hang_up();
        self.context.with(|ctx| isthmus_web::teardown(&ctx));
    }
}

/// Begins `code` as the body of a function of `kv` and `now`.
pub(crate) fn start<'js>(ctx: &Ctx<'js>, code: &str) -> Promise<'js> {
    let start: Function = ctx
        .eval(
            "(code) => { const body = new Function('kv', 'now', code);
                         return outcome(() => body(kv, Math.floor(Date.now() / 1000))) }",
        )
        .expect("it is a function");
    start.call((code,)).catch(ctx).expect("it can begin")
}

pub(crate) struct Nowhere;

impl Host for Nowhere {
    fn log(&self, _: LogLevel, _: &str, _: Option<&str>) {}
    fn start_timer(&self, _: TimerId, _: Duration) {}
    fn stop_timer(&self, _: TimerId) {}
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    fn time_origin(&self) -> Duration {
        Duration::ZERO
    }
    fn fill_random(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }

    fn offload(&self, _: isthmus_web::Job) {
        panic!("nothing here takes long");
    }

    fn fetch(
        &self,
        _: &rquickjs::Ctx<'_>,
        _: isthmus_web::OutgoingRequest,
        _: isthmus_web::FetchDone,
    ) -> Result<isthmus_web::Begun, String> {
        Err("there is no network".to_owned())
    }
}
