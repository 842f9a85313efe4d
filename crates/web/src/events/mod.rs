//! `Event` and its kin, `EventTarget`, `AbortController`, `AbortSignal`.
//! <https://dom.spec.whatwg.org/#events>, <https://dom.spec.whatwg.org/#aborting-ongoing-activities>
//!
//! `DOMException` is the engine's own. There is no tree: an event visits its target alone. What a
//! listener throws is reported, never thrown by `dispatchEvent`: the global object hears of it by `error`
//! events, of promises that nobody handles by `unhandledrejection` and `rejectionhandled`.

use std::rc::Rc;

use rquickjs::{Ctx, Function, Object, Result, Value};

use crate::{Host, LogLevel, script};

/// Adds the classes.
pub(crate) fn install(ctx: &Ctx<'_>, host: &Rc<dyn Host>) -> Result<()> {
    script::evaluate(ctx, "event.js", include_str!("event.js"), |native| {
        let clock = Rc::clone(host);
        native.set(
            "now",
            Function::new(ctx.clone(), move || clock.now().as_secs_f64() * 1e3)?,
        )
    })?;
    script::evaluate(
        ctx,
        "event_target.js",
        include_str!("event_target.js"),
        |native| {
            let log = Rc::clone(host);
            native.set(
                "warn",
                Function::new(ctx.clone(), move |text: String| {
                    log.log(LogLevel::Warn, &text, None);
                })?,
            )
        },
    )?;
    script::evaluate(ctx, "abort.js", include_str!("abort.js"), |_| Ok(()))?;
    script::evaluate(ctx, "reported.js", include_str!("reported.js"), |_| Ok(()))?;
    script::evaluate(ctx, "close_event.js", include_str!("close_event.js"), |_| Ok(()))
}

/// A promise was rejected with nobody to handle it by the end of the turn; or, later, somebody handles it after all
/// (`is_handled`). Dispatches the event, and logs a rejection that no listener has prevented from that.
pub fn promise_rejected<'js>(
    ctx: &Ctx<'js>,
    promise: Value<'js>,
    reason: Value<'js>,
    is_handled: bool,
) -> Result<()> {
    script::shared(ctx)?
        .get::<_, Function>("rejected")?
        .call((promise, reason, is_handled))
}

fn function<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Function<'js>> {
    script::shared(ctx)?.get::<_, Object>("events")?.get(name)
}

/// A fresh `AbortSignal` that only [`abort`] can abort.
pub fn new_abort_signal<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    function(ctx, "newSignal")?.call(())
}

/// Aborts a signal; the reason is an `AbortError` unless given. Does nothing if it is aborted already.
/// Throws a `TypeError` if `signal` is no `AbortSignal`.
pub fn abort<'js>(ctx: &Ctx<'js>, signal: &Object<'js>, reason: Option<Value<'js>>) -> Result<()> {
    let reason = reason.unwrap_or_else(|| Value::new_undefined(ctx.clone()));
    function(ctx, "abort")?.call((signal.clone(), reason))
}

/// Has `algorithm` called with the reason once the signal aborts, before any listener; at once if it is
/// aborted already. Returns a function that takes the algorithm back.
pub fn on_abort<'js>(
    ctx: &Ctx<'js>,
    signal: &Object<'js>,
    algorithm: Function<'js>,
) -> Result<Function<'js>> {
    function(ctx, "onAbort")?.call((signal.clone(), algorithm))
}

/// Whether `value` is an `AbortSignal`.
pub fn is_abort_signal<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<bool> {
    function(ctx, "isSignal")?.call((value.clone(),))
}
