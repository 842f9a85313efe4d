//! An engine with the Web platform on it, in a world whose clock only moves when all jobs are done.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

pub(crate) mod stored_form;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use isthmus_jobs::Pool;
use isthmus_web::body::{ByteSink, ByteSource, PullDone, Pulled, WriteDone};
use isthmus_web::{
    Begun, Exchange, FetchAnswer, FetchDone, Host, Job, JobDone, LogLevel, OutgoingRequest, TimerId,
    UploadBody, timers,
};
use rquickjs::{CatchResultExt, Context, Ctx, Function, Object, Persistent, Promise, Runtime, Value};

/// The process around the engine, as tests see it.
#[derive(Default)]
pub(crate) struct TestHost {
    now: Cell<Duration>,
    started: Cell<u64>,
    /// When, in which order, which.
    timers: RefCell<BTreeSet<(Duration, u64, TimerId)>>,
    /// Everything logged so far.
    pub(crate) logged: RefCell<Vec<(LogLevel, String, Option<String>)>>,
    /// Where the randomness begins.
    pub seed: Cell<u8>,
    jobs: Jobs,
    /// Requests that left, in order.
    pub sent: RefCell<Vec<Sent>>,
}

/// A request that left for the network.
pub(crate) struct Sent {
    pub request: OutgoingRequest,
    /// What came of a body that is a stream.
    pub upload: Option<Rc<TestSink>>,
    pub cancelled: Rc<Cell<bool>>,
    done: Option<FetchDone>,
}

/// Tells the test that an exchange was given up.
struct TestExchange(Rc<Cell<bool>>);

impl Exchange for TestExchange {
    fn cancel(&self) {
        assert!(!self.0.replace(true), "cancelled twice");
    }
}

/// Work on other threads.
struct Jobs(Pool<JobDone>);

impl Default for Jobs {
    fn default() -> Self {
        Self(Pool::new().unwrap())
    }
}

impl TestHost {
    /// Moves the clock on without firing anything.
    pub(crate) fn advance(&self, by: Duration) {
        self.now.set(self.now.get() + by);
    }

    /// How many timers are started, and neither stopped nor fired.
    pub(crate) fn waiting(&self) -> usize {
        self.timers.borrow().len()
    }

    /// Takes the texts logged so far.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.logged.take().into_iter().map(|(_, text, _)| text).collect()
    }

    /// How many jobs are on other threads.
    pub(crate) fn offloaded(&self) -> usize {
        self.jobs.0.outstanding()
    }

    /// Waits for a job on another thread to end; `None` if there is none.
    fn next_jobs(&self) -> Option<Vec<JobDone>> {
        self.jobs.0.wait(Duration::MAX);
        Some(self.jobs.0.finished()).filter(|done| !done.is_empty())
    }

    /// Moves the clock to the next timer and takes it.
    fn next_timer(&self) -> Option<TimerId> {
        let (at, _, id) = self.timers.borrow_mut().pop_first()?;
        self.now.set(self.now.get().max(at));
        Some(id)
    }
}

impl Host for TestHost {
    fn offload(&self, job: Job) {
        self.jobs.0.run(job);
    }

    fn log(&self, level: LogLevel, text: &str, position: Option<&str>) {
        self.logged
            .borrow_mut()
            .push((level, text.to_owned(), position.map(str::to_owned)));
    }

    fn start_timer(&self, id: TimerId, delay: Duration) {
        let order = self.started.get();
        self.started.set(order + 1);
        self.timers
            .borrow_mut()
            .insert((self.now.get() + delay, order, id));
    }

    fn stop_timer(&self, id: TimerId) {
        self.timers.borrow_mut().retain(|(_, _, other)| *other != id);
    }

    fn now(&self) -> Duration {
        self.now.get()
    }

    fn time_origin(&self) -> Duration {
        Duration::from_secs(1_700_000_000)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = (index as u8).wrapping_mul(7) ^ self.seed.get();
        }
    }

    fn fetch(&self, _: &Ctx<'_>, request: OutgoingRequest, done: FetchDone) -> Result<Begun, String> {
        let cancelled = Rc::new(Cell::new(false));
        let upload = matches!(request.body, UploadBody::Stream { .. }).then(Rc::<TestSink>::default);
        self.sent.borrow_mut().push(Sent {
            request,
            upload: upload.clone(),
            cancelled: cancelled.clone(),
            done: Some(done),
        });
        Ok(Begun {
            exchange: Rc::new(TestExchange(cancelled)),
            upload: upload.map(|upload| upload as Rc<dyn ByteSink>),
        })
    }
}

/// The engine, torn down in order when it goes.
pub(crate) struct World {
    /// The process around it.
    pub(crate) host: Rc<TestHost>,
    rejections: Rc<RefCell<Vec<Rejected>>>,
    context: Context,
    runtime: Runtime,
}

/// A promise that was rejected with nobody to handle it, or (`is_late`) one that was reported and is handled now.
struct Rejected {
    promise: Persistent<Value<'static>>,
    reason: Persistent<Value<'static>>,
    is_late: bool,
}

impl World {
    /// One in which rejections that nobody handles by the end of a turn are reported, as in an isolate.
    pub(crate) fn reporting() -> Self {
        let world = Self::new();
        let rejections = Rc::clone(&world.rejections);
        world.runtime.set_host_promise_rejection_tracker(Some(Box::new(
            move |ctx, promise, reason, is_handled| {
                let mut rejections = rejections.borrow_mut();
                let waiting = rejections.len();
                rejections.retain(|known| known.promise.clone().restore(&ctx).unwrap() != promise);
                if !is_handled || rejections.len() == waiting {
                    rejections.push(Rejected {
                        promise: Persistent::save(&ctx, promise),
                        reason: Persistent::save(&ctx, reason),
                        is_late: is_handled,
                    });
                }
            },
        )));
        world
    }

    fn report_rejections(&self) -> bool {
        let rejections = self.rejections.take();
        let reported = !rejections.is_empty();
        self.with(|ctx| {
            for rejected in rejections {
                let promise = rejected.promise.restore(ctx).unwrap();
                let reason = rejected.reason.restore(ctx).unwrap();
                isthmus_web::events::promise_rejected(ctx, promise, reason, rejected.is_late).unwrap();
            }
        });
        reported
    }

    pub(crate) fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let context = Context::full(&runtime).unwrap();
        let host = Rc::new(TestHost::default());
        context.with(|ctx| isthmus_web::install(&ctx, host.clone()).catch(&ctx).unwrap());
        Self {
            host,
            rejections: Rc::default(),
            context,
            runtime,
        }
    }

    /// Enters the engine; jobs are not run.
    pub(crate) fn with<R>(&self, f: impl for<'js> FnOnce(&Ctx<'js>) -> R) -> R {
        self.context.with(|ctx| f(&ctx))
    }

    /// Makes a value a global.
    pub(crate) fn define(
        &self,
        name: &str,
        make: impl for<'js> FnOnce(&Ctx<'js>) -> rquickjs::Result<Object<'js>>,
    ) {
        self.with(|ctx| {
            let value = make(ctx).catch(ctx).unwrap();
            ctx.globals().set(name, value).unwrap();
        });
    }

    /// Runs all jobs that are ready.
    pub(crate) fn run_jobs(&self) {
        loop {
            while self
                .runtime
                .execute_pending_job()
                .expect("jobs of promises do not throw")
            {}
            if !self.report_rejections() {
                return;
            }
        }
    }

    /// Runs jobs and timers until none is left.
    pub(crate) fn run(&self) {
        self.run_at_most(usize::MAX);
    }

    /// Runs jobs, and at most so many timers.
    pub(crate) fn run_at_most(&self, timers: usize) {
        self.run_jobs();
        self.run_offloaded();
        for _ in 0..timers {
            let Some(id) = self.host.next_timer() else { return };
            self.with(|ctx| timers::fire(ctx, id).catch(ctx).unwrap());
            self.run_jobs();
            self.run_offloaded();
        }
    }

    /// Waits for other threads and runs what comes of them.
    fn run_offloaded(&self) {
        while let Some(done) = self.host.next_jobs() {
            for end in done {
                self.with(|ctx| end(ctx));
            }
            self.run_jobs();
        }
    }

    /// The value of a script; panics if it throws. Neither jobs nor timers are run.
    pub(crate) fn script<T: for<'js> rquickjs::FromJs<'js>>(&self, source: &str) -> T {
        self.with(|ctx| {
            ctx.eval::<T, _>(source)
                .catch(ctx)
                .unwrap_or_else(|error| panic!("{source}\n{error}"))
        })
    }

    /// Runs the body of an async function and everything it starts; its result, as JSON. A thrown value comes back as
    /// `throws Name: message`, a promise that nothing settles as `never settles`.
    pub(crate) fn eval(&self, body: &str) -> serde_json::Value {
        self.start(body);
        self.run();
        self.result()
    }

    /// Begins what [`World::eval`] does; jobs are not run.
    pub(crate) fn start(&self, body: &str) {
        self.with(|ctx| {
            let source = format!(
                "(async () => {{ try {{ return JSON.stringify(await (async () => {{ {body} }})()) ?? 'null'; }} \
                 catch (e) {{ return JSON.stringify(`throws ${{e?.name}}: ${{e?.message}}`); }} }})()"
            );
            let promise: Promise = ctx.eval(source).catch(ctx).unwrap();
            ctx.globals().set("__result", promise).unwrap();
        });
    }

    /// What came of [`World::start`].
    pub(crate) fn result(&self) -> serde_json::Value {
        self.with(|ctx| {
            let promise: Promise = ctx.globals().get("__result").unwrap();
            match promise.result::<String>() {
                Some(text) => serde_json::from_str(&text.catch(ctx).unwrap()).unwrap(),
                None => "never settles".into(),
            }
        })
    }

    /// Evaluates a module and calls its export with no arguments; the result as by [`World::eval`].
    pub(crate) fn run_module(&self, name: &str, source: &str, export: &str) -> serde_json::Value {
        self.with(|ctx| {
            let (module, _) = rquickjs::Module::declare(ctx.clone(), name, source)
                .catch(ctx)
                .unwrap()
                .eval()
                .catch(ctx)
                .unwrap();
            let function: Function = module.get(export).unwrap();
            ctx.globals().set("__module", function).unwrap();
        });
        self.eval("return await __module()")
    }

    /// Answers the last request that left.
    pub(crate) fn answer_fetch(&self, answer: Result<FetchAnswer, String>) {
        let done = self
            .host
            .sent
            .borrow_mut()
            .last_mut()
            .and_then(|sent| sent.done.take());
        let done = done.expect("a request waits for its answer");
        self.with(|ctx| done(ctx, answer));
        self.run();
    }

    /// Collects garbage.
    pub(crate) fn collect_garbage(&self) {
        self.runtime.run_gc();
    }

    /// How many objects the engine holds, once the garbage is collected.
    pub(crate) fn objects(&self) -> i64 {
        self.runtime.run_gc();
        self.runtime.memory_usage().obj_count
    }

    /// Asserts that nothing is left of what a script makes, however often it runs.
    pub(crate) fn assert_collected(&self, script: &str) {
        self.eval(script);
        let before = self.objects();
        for _ in 0..5 {
            self.eval(script);
        }
        let after = self.objects();
        assert!(after <= before + 10, "{before} objects grew to {after}");
    }

    /// The value of a global.
    pub(crate) fn global<R>(&self, name: &str, f: impl for<'js> FnOnce(&Ctx<'js>, Value<'js>) -> R) -> R {
        self.with(|ctx| f(ctx, ctx.globals().get(name).unwrap()))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Dropping the runtime afterwards aborts the process if anything leaked.
        self.runtime.set_host_promise_rejection_tracker(None);
        self.rejections.take();
        self.context.with(|ctx| isthmus_web::teardown(&ctx));
    }
}

/// A body whose pieces the test hands out; also keeps what became of it.
#[derive(Default)]
pub(crate) struct ManualSource {
    waiting: RefCell<Option<PullDone>>,
    pub(crate) pulls: Cell<u32>,
    pub(crate) cancelled: Cell<bool>,
}

impl ManualSource {
    /// Answers the pull that is under way.
    pub(crate) fn answer(&self, world: &World, pulled: Pulled) {
        let done = self.waiting.take().expect("a pull is under way");
        world.with(|ctx| done(ctx, pulled));
        world.run();
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.borrow().is_some()
    }

    /// Takes the callback of the pull that is under way.
    pub(crate) fn take(&self) -> PullDone {
        self.waiting.take().expect("a pull is under way")
    }
}

impl ByteSource for ManualSource {
    fn pull(&self, _: &Ctx<'_>, done: PullDone) {
        self.pulls.set(self.pulls.get() + 1);
        assert!(
            self.waiting.replace(Some(done)).is_none(),
            "a second pull while one is under way"
        );
    }

    fn cancel(&self) {
        assert!(!self.cancelled.replace(true), "cancelled twice");
    }
}

/// A body that answers every pull at once.
pub(crate) struct ReadySource {
    pieces: RefCell<VecDeque<Pulled>>,
}

impl ReadySource {
    pub(crate) fn new(pieces: impl IntoIterator<Item = Pulled>) -> Rc<Self> {
        Rc::new(Self {
            pieces: RefCell::new(pieces.into_iter().collect()),
        })
    }

    pub(crate) fn chunks(count: usize, size: usize) -> Rc<Self> {
        Self::new((0..count).map(|index| Pulled::Chunk(vec![index as u8; size].into())))
    }
}

impl ByteSource for ReadySource {
    fn pull(&self, ctx: &Ctx<'_>, done: PullDone) {
        let next = self.pieces.borrow_mut().pop_front().unwrap_or(Pulled::End);
        done(ctx, next);
    }

    fn cancel(&self) {
        self.pieces.borrow_mut().clear();
    }
}

/// Where a drained body ends up.
#[derive(Default)]
pub(crate) struct TestSink {
    pub(crate) bytes: RefCell<Vec<u8>>,
    pub(crate) writes: Cell<u32>,
    /// `closed`, or why it was aborted.
    pub(crate) outcome: RefCell<Option<Result<(), String>>>,
    /// Whether writes wait for [`TestSink::accept`].
    pub(crate) slow: Cell<bool>,
    /// Whether small chunks are taken on the spot.
    pub(crate) takes: Cell<bool>,
    waiting: RefCell<Option<WriteDone>>,
}

impl TestSink {
    pub(crate) fn slow() -> Rc<Self> {
        Rc::new(Self {
            slow: Cell::new(true),
            ..Self::default()
        })
    }

    /// Answers the write that is under way.
    pub(crate) fn accept(&self, world: &World, result: Result<(), String>) {
        let done = self.waiting.take().expect("a write is under way");
        world.with(|ctx| done(ctx, result));
        world.run();
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.borrow().is_some()
    }
}

impl ByteSink for TestSink {
    fn write(&self, ctx: &Ctx<'_>, chunk: Bytes, done: WriteDone) {
        self.writes.set(self.writes.get() + 1);
        self.bytes.borrow_mut().extend_from_slice(&chunk);
        if self.slow.get() {
            assert!(
                self.waiting.replace(Some(done)).is_none(),
                "a second write while one is under way"
            );
        } else {
            done(ctx, Ok(()));
        }
    }

    fn take(&self, chunk: &[u8]) -> bool {
        if self.takes.get() {
            self.bytes.borrow_mut().extend_from_slice(chunk);
        }
        self.takes.get()
    }

    fn close(&self) {
        assert!(
            self.outcome.replace(Some(Ok(()))).is_none(),
            "closed after its end"
        );
    }

    fn abort(&self, reason: &str) {
        assert!(
            self.outcome.replace(Some(Err(reason.to_owned()))).is_none(),
            "aborted after its end"
        );
    }
}
