//! `cloudflare:workers`, the context object of events, and the SDK's entrypoint helper (`spec/workers.md` C1, C4).

use std::rc::Rc;

use isthmus_protocol::StreamId;
use rquickjs::context::EvalOptions;
use rquickjs::module::{Declarations, Declared, Exports, ModuleDef};
use rquickjs::{Ctx, Exception, Function, JsLifetime, Module, Object, Result, Value};

const SCRIPT: &str = include_str!("workers.js");

/// The specifier of the module that [`workers_module`] declares.
pub const WORKERS_MODULE: &str = "cloudflare:workers";

/// The events that are handled in this process, as `waitUntil` needs them.
pub trait Events: 'static {
    /// The event has one more promise to wait for.
    fn begin(&self, event: StreamId);
    /// One of the promises of the event is settled, well or not.
    fn end(&self, event: StreamId, rejected: bool);
    /// The event in whose course JavaScript was called, if any.
    fn current(&self) -> Option<StreamId>;
}

/// What the world outside JavaScript needs of it.
pub struct Workers<'js> {
    /// `_pyodide_entrypoint_helper`.
    pub helper: Object<'js>,
    /// Makes the `ctx` of an event: a function of the event's stream.
    pub new_context: Function<'js>,
}

/// The object with what `cloudflare:workers` exports.
#[derive(JsLifetime)]
struct WorkersObject<'js>(Object<'js>);

/// Sets all of it up in a fresh context, with `env` as the `env` of the module.
///
/// # Errors
/// A JavaScript exception: no memory.
pub fn install_workers<'js>(
    ctx: &Ctx<'js>,
    env: &Object<'js>,
    events: &Rc<dyn Events>,
) -> Result<Workers<'js>> {
    let mut options = EvalOptions::default();
    options.filename = Some("isthmus:workers".to_owned());
    let setup: Function<'js> = ctx.eval_with_options(SCRIPT, options)?;
    let parts: Object<'js> = setup.call((natives(ctx, events)?, env.clone()))?;
    // The slot is free: this is the context's first and only set-up.
    let _ = ctx.store_userdata(WorkersObject(parts.get("workers")?));
    Ok(Workers {
        helper: parts.get("helper")?,
        new_context: parts.get("newContext")?,
    })
}

fn natives<'js>(ctx: &Ctx<'js>, events: &Rc<dyn Events>) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("sockets", isthmus_web::sockets_exports(ctx)?)?;
    let known = Rc::clone(events);
    object.set(
        "begin",
        Function::new(ctx.clone(), move |event: StreamId| known.begin(event))?,
    )?;
    let known = Rc::clone(events);
    object.set(
        "end",
        Function::new(ctx.clone(), move |event: StreamId, rejected: bool| {
            known.end(event, rejected)
        })?,
    )?;
    object.set(
        "report",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, error: Value<'js>| {
            isthmus_web::report_exception(&ctx, error)
        })?,
    )?;
    let known = Rc::clone(events);
    object.set(
        "currentEvent",
        Function::new(ctx.clone(), move || known.current())?,
    )?;
    Ok(object)
}

/// Declares `cloudflare:workers`, for a module loader.
///
/// # Errors
/// A JavaScript exception: no memory.
pub fn workers_module<'js>(ctx: &Ctx<'js>) -> Result<Module<'js, Declared>> {
    Module::declare_def::<WorkersModule, _>(ctx.clone(), WORKERS_MODULE)
}

struct WorkersModule;

/// What it exports: properties of the object `workers` in `workers.js`.
const EXPORTS: [&str; 6] = [
    "WorkerEntrypoint",
    "DurableObject",
    "WorkflowEntrypoint",
    "RpcTarget",
    "env",
    "waitUntil",
];

impl ModuleDef for WorkersModule {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        for name in EXPORTS {
            declarations.declare(name)?;
        }
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let workers = ctx
            .userdata::<WorkersObject<'js>>()
            .ok_or_else(|| Exception::throw_internal(ctx, "cloudflare:workers is not set up"))?
            .0
            .clone();
        for name in EXPORTS {
            exports.export(name, workers.get::<_, Value<'js>>(name)?)?;
        }
        Ok(())
    }
}
