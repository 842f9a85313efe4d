//! Evaluates the parts of the Web platform that are written in JavaScript.
//!
//! A script is one function expression `(function (native, shared) { … })`, run once. `native` holds
//! the Rust functions of its module; `shared` is one object for all scripts, through which they lend
//! each other what no user code may see. It starts with the intrinsics as they were before any user
//! code could replace them. The scripts' file names begin with `isthmus:` (`build.rs`), by which stack
//! traces tell them from user code.

use std::rc::Rc;

use rquickjs::context::EvalOptions;
use rquickjs::{Ctx, Error, Exception, Function, JsLifetime, Object, Result, Value};

use crate::{Host, bytecode};

/// What the platform keeps per runtime; dropped by [`crate::teardown`].
#[derive(JsLifetime)]
struct Platform<'js> {
    host: Rc<dyn Host>,
    shared: Object<'js>,
}

/// Makes the object that all scripts share and fills it with the intrinsics.
pub(crate) fn install(ctx: &Ctx<'_>, host: Rc<dyn Host>) -> Result<()> {
    let shared = Object::new_proto(ctx.clone(), None)?;
    ctx.store_userdata(Platform { host, shared })
        .map_err(|_| Exception::throw_internal(ctx, "The platform is in use and cannot be replaced"))?;
    evaluate(ctx, "primordials.js", include_str!("primordials.js"), |_| Ok(()))?;
    evaluate(ctx, "webidl.js", include_str!("webidl.js"), |native| {
        native.set(
            "isProxy",
            Function::new(ctx.clone(), |value: Value<'_>| value.is_proxy())?,
        )?;
        native.set("lent", Function::new(ctx.clone(), lent)?)
    })
}

fn lent<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Result<Option<Value<'js>>> {
    host(&ctx)?.lent_bytes(&ctx, &value)
}

/// Forgets the shared object.
pub(crate) fn teardown(ctx: &Ctx<'_>) {
    // Fails only while a guard of `userdata` is alive, and no function here keeps one.
    drop(ctx.remove_userdata::<Platform<'_>>());
}

/// The object that all scripts share. Throws if the platform is not installed.
pub(crate) fn shared<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    match ctx.userdata::<Platform<'js>>() {
        Some(platform) => Ok(platform.shared.clone()),
        None => Err(not_installed(ctx)),
    }
}

/// The process around the platform. Throws if the platform is not installed.
pub(crate) fn host(ctx: &Ctx<'_>) -> Result<Rc<dyn Host>> {
    match ctx.userdata::<Platform<'_>>() {
        Some(platform) => Ok(Rc::clone(&platform.host)),
        None => Err(not_installed(ctx)),
    }
}

fn not_installed(ctx: &Ctx<'_>) -> Error {
    Exception::throw_internal(ctx, "The Web platform is not installed in this context")
}

/// Runs one script, with `native` filled by `fill`.
pub(crate) fn evaluate<'js>(
    ctx: &Ctx<'js>,
    name: &str,
    source: &str,
    fill: impl FnOnce(&Object<'js>) -> Result<()>,
) -> Result<()> {
    let native = Object::new_proto(ctx.clone(), None)?;
    fill(&native)?;
    let script = bytecode::load(ctx, name, source)?;
    script.call::<_, Value>((native, shared(ctx)?))?;
    Ok(())
}

/// Runs a script of a crate that builds on this one, in the form that those of this crate have: one function of
/// `native`, which `fill` fills, and of `shared`, the intrinsics and what the platform's scripts lend each other. Its
/// file is called `isthmus:NAME` in stack traces. Answers what the function returns.
///
/// # Errors
/// A JavaScript exception: what the script throws, or that the platform isn't installed.
pub fn run<'js>(
    ctx: &Ctx<'js>,
    name: &str,
    source: &str,
    fill: impl FnOnce(&Object<'js>) -> Result<()>,
) -> Result<Value<'js>> {
    let native = Object::new_proto(ctx.clone(), None)?;
    fill(&native)?;
    let mut options = EvalOptions::default();
    options.filename = Some(format!("isthmus:{name}"));
    let script: Function<'js> = ctx.eval_with_options(source, options)?;
    script.call((native, shared(ctx)?))
}
