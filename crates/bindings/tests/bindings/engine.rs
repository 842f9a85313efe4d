//! One engine with the Web platform and an `env`: what the tests of the bindings have in common.

use std::rc::Rc;

use isthmus_bindings::{Broker, install_env};
use isthmus_protocol::control::Binding;
use rquickjs::{CatchResultExt, Context, Ctx, Function, Object, Promise, Runtime, Value};
use serde_json::Value as Json;

use crate::worker::Nowhere;

/// What happens when there is no JavaScript on the stack.
pub(crate) type Event = Box<dyn for<'js> FnOnce(&Ctx<'js>)>;

/// Whoever owns it drops what holds JavaScript values first.
pub(crate) struct Engine {
    pub(crate) context: Context,
    pub(crate) runtime: Runtime,
}

impl Engine {
    /// Each binding has a name in `env` and one as a global; each script is a function, with a name as a global.
    pub(crate) fn new(
        bindings: &[(&str, &str, Binding)],
        broker: Rc<dyn Broker>,
        scripts: &[(&str, &str)],
    ) -> Self {
        let runtime = Runtime::new().expect("an engine");
        let context = Context::full(&runtime).expect("a context");
        context.with(|ctx| {
            isthmus_web::install(&ctx, Rc::new(Nowhere)).expect("the platform");
            let in_env: Vec<_> = bindings
                .iter()
                .map(|(name, _, binding)| ((*name).to_owned(), binding.clone()))
                .collect();
            let env = install_env(&ctx, &in_env, broker).expect("an env");
            let globals = ctx.globals();
            for (name, global, _) in bindings {
                let value: Value = env.get(*name).expect("there");
                globals.set(*global, value).expect("set");
            }
            globals.set("env", env).expect("set");
            for (name, script) in scripts {
                let function: Function = ctx.eval(*script).expect("it is a function");
                globals.set(*name, function).expect("set");
            }
        });
        Self { context, runtime }
    }

    /// What the promise comes to, as JSON, that the function `start` makes of `code` and whether that awaits; `run` does all
    /// that is left to do.
    pub(crate) fn described(
        &self,
        start: &str,
        code: &str,
        awaits: bool,
        run: impl FnOnce(&Ctx<'_>),
    ) -> Json {
        self.context.with(|ctx| {
            let promise = begin(&ctx, start, code, awaits);
            run(&ctx);
            let described: Object = promise
                .finish()
                .catch(&ctx)
                .unwrap_or_else(|error| panic!("{code}: {error}"));
            let json = ctx.json_stringify(described).expect("JSON").expect("JSON");
            serde_json::from_str(&json.to_string().expect("UTF-8")).expect("JSON")
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.context.with(|ctx| isthmus_web::teardown(&ctx));
    }
}

/// Calls the function `start` with `code` and whether that awaits.
pub(crate) fn begin<'js>(ctx: &Ctx<'js>, start: &str, code: &str, awaits: bool) -> Promise<'js> {
    let start: Function = ctx.eval(start).expect("it is a function");
    start.call((code, awaits)).catch(ctx).expect("it can begin")
}

/// Runs until nothing is left to do: JavaScript jobs first, as an isolate does.
pub(crate) fn run(ctx: &Ctx<'_>, next: impl Fn() -> Option<Event>) {
    loop {
        while ctx.execute_pending_job() {}
        let Some(event) = next() else { return };
        event(ctx);
    }
}

/// The value that `code` resolved with.
pub(crate) fn resolved(code: &str, outcome: &Json) -> Json {
    outcome
        .get("resolved")
        .unwrap_or_else(|| panic!("{code}: {outcome}"))
        .clone()
}

/// The error that `code` rejected with, as `NAME: MESSAGE`.
pub(crate) fn rejected(code: &str, outcome: &Json) -> String {
    let error = outcome
        .get("rejected")
        .unwrap_or_else(|| panic!("{code}: {outcome}"));
    let part = |name: &str| error[name].as_str().expect("an error").to_owned();
    format!("{}: {}", part("name"), part("message"))
}
