//! The process that runs one file: an engine with the platform on it, and a clock that really runs.
//!
//! It prints a line of JSON per subtest, `[name, null or why it failed]`. A file that takes too long is
//! stopped by the engine's interrupt handler, and the harness asked for what it has; should that not help,
//! a watchdog ends the process.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use isthmus_jobs::Pool;
use isthmus_web::{Begun, FetchDone, Host, Job, JobDone, LogLevel, OutgoingRequest, TimerId, timers};
use rquickjs::context::EvalOptions;
use rquickjs::{CatchResultExt, Context, Ctx, Runtime, Value};

use crate::checkout::{Checkout, Run, WHOLE_FILE};
use crate::scope::{self, Progress};
use crate::server::{Outbox, Server};

/// How long a stopped file has for telling what it has.
const GRACE: Duration = Duration::from_secs(5);

/// The process around the engine.
struct WptHost {
    base: Option<url::Url>,
    began: Instant,
    origin: Duration,
    started: Cell<u64>,
    /// When, in which order, which.
    timers: RefCell<BTreeSet<(Duration, u64, TimerId)>>,
    pool: Pool<JobDone>,
    server: Rc<Server>,
    /// What the server has to tell.
    outbox: Outbox,
}

impl WptHost {
    fn new(run: &Run, checkout: &Rc<Checkout>) -> Self {
        let outbox = Outbox::default();
        Self {
            pool: Pool::new().expect("a process that just began has descriptors"),
            server: Rc::new(Server::new(checkout, &outbox)),
            outbox,
            base: url::Url::parse(&run.url()).ok(),
            began: Instant::now(),
            // Before 1970 the clock is of no use anyway.
            origin: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            started: Cell::new(0),
            timers: RefCell::default(),
        }
    }

    /// When the next timer is due.
    fn next(&self) -> Option<Duration> {
        self.timers.borrow().first().map(|(at, ..)| *at)
    }

    /// Takes a timer that is due.
    fn take_due(&self) -> Option<TimerId> {
        let mut timers = self.timers.borrow_mut();
        if timers.first()?.0 > self.now() {
            return None;
        }
        timers.pop_first().map(|(.., id)| id)
    }
}

impl Host for WptHost {
    fn offload(&self, job: Job) {
        self.pool.run(job);
    }

    fn log(&self, _: LogLevel, text: &str, _: Option<&str>) {
        eprintln!("{text}");
    }

    fn start_timer(&self, id: TimerId, delay: Duration) {
        let order = self.started.get();
        self.started.set(order + 1);
        self.timers.borrow_mut().insert((self.now() + delay, order, id));
    }

    fn stop_timer(&self, id: TimerId) {
        self.timers.borrow_mut().retain(|(.., other)| *other != id);
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn time_origin(&self) -> Duration {
        self.origin
    }

    fn base_url(&self) -> Option<String> {
        self.base.clone().map(String::from)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("Linux has randomness");
    }

    fn fetch(&self, ctx: &Ctx<'_>, request: OutgoingRequest, done: FetchDone) -> Result<Begun, String> {
        self.server.take(ctx, request, done)
    }
}

/// Runs one file and prints what became of its subtests.
pub(crate) fn run(folder: &OsString, run: &Run) -> ExitCode {
    let checkout = Rc::new(Checkout::new(folder.clone()));
    let progress = Rc::new(Progress::default());
    let outcome = attempt(&checkout, run, &progress);
    let harness = progress.failure.take();
    if let Some(error) = outcome.err().or(harness) {
        print(WHOLE_FILE, Some(&error));
    }
    ExitCode::SUCCESS
}

/// Prints one subtest.
pub(crate) fn print(name: &str, failure: Option<&str>) {
    println!("{}", serde_json::json!([name, failure]));
}

fn attempt(checkout: &Rc<Checkout>, run: &Run, progress: &Rc<Progress>) -> Result<(), String> {
    let meta = checkout.meta(&run.path)?;
    let deadline = Rc::new(Cell::new(Instant::now() + meta.limit));
    let limit = meta.limit + 2 * GRACE;
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        eprintln!("did not end in time");
        std::process::abort();
    });

    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let context = Context::full(&runtime).map_err(|error| error.to_string())?;
    runtime.set_memory_limit(1 << 30);
    let host = Rc::new(WptHost::new(run, checkout));
    context.with(|ctx| {
        isthmus_web::install(&ctx, host.clone())
            .catch(&ctx)
            .map_err(|error| error.to_string())
    })?;
    let interrupt = Rc::clone(&deadline);
    runtime.set_interrupt_handler(Some(Box::new(move || Instant::now() > interrupt.get())));

    let outcome = context
        .with(|ctx| load(&ctx, checkout, run, &meta.scripts, progress))
        .and_then(|()| turn(&runtime, &context, &host, &deadline, progress));
    if !progress.complete.get() {
        deadline.set(Instant::now() + GRACE);
        context.with(|ctx| drop(ctx.eval::<Value<'_>, _>("timeout()").catch(&ctx)));
        while let Ok(true) = runtime.execute_pending_job() {}
    }
    // Dropping the runtime afterwards aborts the process if anything leaked.
    runtime.set_interrupt_handler(None);
    context.with(|ctx| isthmus_web::teardown(&ctx));
    outcome
}

/// Evaluates the harness, the scripts the file names, and the file.
fn load(
    ctx: &Ctx<'_>,
    checkout: &Rc<Checkout>,
    run: &Run,
    scripts: &[String],
    progress: &Rc<Progress>,
) -> Result<(), String> {
    scope::before(ctx).map_err(|error| error.to_string())?;
    evaluate(
        ctx,
        "resources/testharness.js",
        checkout.script("resources/testharness.js")?,
    )?;
    scope::after(ctx, run, progress)
        .catch(ctx)
        .map_err(|error| error.to_string())?;
    for script in scripts {
        evaluate(ctx, script, checkout.script(script)?)?;
    }
    evaluate(ctx, &run.path, checkout.script(&run.path)?)
}

fn evaluate(ctx: &Ctx<'_>, name: &str, source: String) -> Result<(), String> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(name.to_owned());
    ctx.eval_with_options::<Value<'_>, _>(source, options)
        .catch(ctx)
        .map(drop)
        .map_err(|error| format!("{name}: {error}"))
}

/// Runs jobs and timers until the harness says that all is done.
fn turn(
    runtime: &Runtime,
    context: &Context,
    host: &WptHost,
    deadline: &Cell<Instant>,
    progress: &Progress,
) -> Result<(), String> {
    loop {
        while runtime
            .execute_pending_job()
            .map_err(|_| "a job threw what nothing can catch".to_owned())?
        {}
        if progress.complete.get() {
            return Ok(());
        }
        if Instant::now() > deadline.get() {
            return Err("took too long".to_owned());
        }
        let told = host.outbox.borrow_mut().pop_front();
        if let Some(tell) = told {
            context.with(|ctx| tell(&ctx));
            continue;
        }
        let ended = host.pool.finished();
        if !ended.is_empty() {
            context.with(|ctx| ended.into_iter().for_each(|end| end(&ctx)));
            continue;
        }
        if let Some(id) = host.take_due() {
            context.with(|ctx| {
                timers::fire(&ctx, id)
                    .catch(&ctx)
                    .map_err(|error| error.to_string())
            })?;
            continue;
        }
        let left = deadline.get().saturating_duration_since(Instant::now());
        let wait = match host.next() {
            Some(next) => next.saturating_sub(host.now()).min(left),
            None if host.pool.outstanding() > 0 => left,
            None => return Err("waits for what never comes".to_owned()),
        };
        if host.pool.outstanding() > 0 {
            host.pool.wait(wait + Duration::from_micros(50));
        } else {
            std::thread::sleep(wait + Duration::from_micros(50));
        }
    }
}
