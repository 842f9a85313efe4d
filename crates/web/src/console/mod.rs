//! The console and the inspector behind it. <https://console.spec.whatwg.org/>
//!
//! A message is formatted in JavaScript and leaves through [`Host::log`]. Its position is that of the
//! innermost frame of user code, unless a hook set with [`set_position_hook`] knows better: only the
//! isolate can tell that the caller was Python. [`teardown`] drops the hook.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::promise::PromiseState;
use rquickjs::{Array, Ctx, Function, JsLifetime, Object, Result, Value};

use crate::{Host, LogLevel, script};

type PositionHook = Rc<dyn Fn() -> Option<String>>;

#[derive(JsLifetime)]
struct Position(Rc<RefCell<Option<PositionHook>>>);

/// Adds `console`, and what other scripts need to report exceptions.
pub(crate) fn install(ctx: &Ctx<'_>, host: &Rc<dyn Host>) -> Result<()> {
    let hook: Rc<RefCell<Option<PositionHook>>> = Rc::default();
    script::evaluate(ctx, "stack.js", include_str!("stack.js"), |_| Ok(()))?;
    script::evaluate(ctx, "layout.js", include_str!("layout.js"), |_| Ok(()))?;
    script::evaluate(ctx, "inspect.js", include_str!("inspect.js"), |native| {
        native.set(
            "isProxy",
            Function::new(ctx.clone(), |value: Value<'_>| value.is_proxy())?,
        )?;
        native.set("proxyTarget", Function::new(ctx.clone(), proxy_target)?)?;
        native.set(
            "isPromise",
            Function::new(ctx.clone(), |value: Value<'_>| value.is_promise())?,
        )?;
        native.set("promiseState", Function::new(ctx.clone(), promise_state)?)
    })?;
    script::evaluate(ctx, "table.js", include_str!("table.js"), |native| {
        native.set(
            "isProxy",
            Function::new(ctx.clone(), |value: Value<'_>| value.is_proxy())?,
        )
    })?;
    script::evaluate(ctx, "console.js", include_str!("console.js"), |native| {
        let clock = Rc::clone(host);
        native.set(
            "now",
            Function::new(ctx.clone(), move || clock.now().as_secs_f64() * 1e3)?,
        )?;
        native.set(
            "isProxy",
            Function::new(ctx.clone(), |value: Value<'_>| value.is_proxy())?,
        )?;
        let log = Rc::clone(host);
        let hook = Rc::clone(&hook);
        native.set(
            "log",
            Function::new(
                ctx.clone(),
                move |level: u8, text: String, position: Option<String>| {
                    let known = hook.borrow().clone().and_then(|hook| hook());
                    log.log(level_of(level), &text, known.or(position).as_deref());
                },
            )?,
        )
    })?;
    drop(ctx.store_userdata(Position(hook)));
    Ok(())
}

/// The levels by the numbers that `console.js` gives them.
fn level_of(number: u8) -> LogLevel {
    match number {
        0 => LogLevel::Debug,
        1 => LogLevel::Log,
        2 => LogLevel::Info,
        3 => LogLevel::Warn,
        _ => LogLevel::Error,
    }
}

/// The target of a proxy, or nothing if it is revoked; no trap runs.
fn proxy_target<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Option<Object<'js>> {
    let target = value.as_proxy()?.target();
    if target.is_err() {
        drop(ctx.catch());
    }
    target.ok()
}

/// `[0]` for a pending promise, `[1, value]` for a fulfilled, `[2, reason]` for a rejected one.
fn promise_state<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Result<Array<'js>> {
    let state = Array::new(ctx.clone())?;
    let Some(promise) = value.as_promise() else {
        return Ok(state);
    };
    match promise.state() {
        PromiseState::Pending => state.set(0, 0)?,
        PromiseState::Resolved => {
            state.set(0, 1)?;
            if let Some(Ok(value)) = promise.result::<Value<'_>>() {
                state.set(1, value)?;
            }
        }
        PromiseState::Rejected => {
            state.set(0, 2)?;
            // Asking throws the reason.
            if promise.result::<Value<'_>>().is_some() {
                state.set(1, ctx.catch())?;
            }
        }
    }
    Ok(state)
}

/// Has `hook` asked for the caller's `file:line:column` before each message; its `None` falls back to
/// the JavaScript stack.
pub fn set_position_hook(ctx: &Ctx<'_>, hook: PositionHook) {
    if let Some(position) = ctx.userdata::<Position>() {
        *position.0.borrow_mut() = Some(hook);
    }
}

/// Reports an exception that nobody caught: dispatches an `error` event on the global object and, unless a listener has
/// prevented that, logs an error that begins with "Uncaught".
pub fn report_exception<'js>(ctx: &Ctx<'js>, exception: Value<'js>) -> Result<()> {
    script::shared(ctx)?
        .get::<_, Function>("report")?
        .call((exception,))
}

/// The text that `console.log(value)` would write, for messages of other parts of the isolate.
pub fn inspect<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Result<String> {
    script::shared(ctx)?.get::<_, Function>("format")?.call((value,))
}

/// Drops the position hook.
pub(crate) fn teardown(ctx: &Ctx<'_>) {
    if let Ok(Some(position)) = ctx.remove_userdata::<Position>() {
        position.0.borrow_mut().take();
    }
}
