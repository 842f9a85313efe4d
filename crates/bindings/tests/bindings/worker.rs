//! One engine with the Web platform and an `env`, and the store behind it.

use std::{rc::Rc, time::Duration};

use isthmus_protocol::{ChannelId, control::Binding};
use isthmus_stores::{
    Durability,
    sqlite::{SqliteOptions, SqliteStores},
};
use isthmus_web::{Host, LogLevel, TimerId};
use rquickjs::{Ctx, Promise};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::engine::{self, Engine};
use crate::store_broker::{Handle, StoreBroker};

pub(crate) struct Worker {
    // Dropped in this order: what holds JavaScript values first.
    pub(crate) broker: Rc<StoreBroker>,
    pub(crate) engine: Engine,
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
        let engine = Engine::new(
            &[
                ("KV", "kv", Binding::Kv(ChannelId(0))),
                ("OTHER", "other", Binding::Kv(ChannelId(1))),
            ],
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
        self.engine
            .described(START, code, false, |ctx| self.broker.run(ctx))
    }

    /// The value that `code` resolves with.
    pub(crate) fn resolved(&self, code: &str) -> Json {
        engine::resolved(code, &self.outcome(code))
    }

    /// The error that `code` rejects with, as `NAME: MESSAGE`.
    pub(crate) fn rejected(&self, code: &str) -> String {
        engine::rejected(code, &self.outcome(code))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.broker.hang_up();
    }
}

/// Begins a text as the body of a function of `kv` and `now`.
const START: &str = "(code) => {
    const body = new Function('kv', 'now', code);
    return outcome(() => body(kv, Math.floor(Date.now() / 1000)));
}";

/// Begins `code` as the body of a function of `kv` and `now`.
pub(crate) fn start<'js>(ctx: &Ctx<'js>, code: &str) -> Promise<'js> {
    engine::begin(ctx, START, code, false)
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
