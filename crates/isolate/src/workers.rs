//! `cloudflare:workers`, the context object of events, and the SDK's entrypoint helper (`spec/workers.md` C1, C4).

use std::rc::Rc;

use isthmus_bindings::install_env;
use isthmus_protocol::StreamId;
use isthmus_protocol::control::Binding;
use pyo3::prelude::*;
use rquickjs::context::EvalOptions;
use rquickjs::{Ctx, Function, JsLifetime, Object, Value};

use crate::calls::IsolateBroker;
use crate::shared::Shared;

const SCRIPT: &str = include_str!("js/workers.js");

/// The exports of `cloudflare:workers`, for the module of that name.
#[derive(JsLifetime)]
pub(crate) struct Exports<'js>(pub(crate) Object<'js>);

/// What Python needs of it, as proxies.
pub(crate) struct Workers {
    /// `_pyodide_entrypoint_helper`.
    pub(crate) helper: Py<PyAny>,
    /// The `env` object.
    pub(crate) env: Py<PyAny>,
    /// Makes the `ctx` of an event: a function of the event's stream.
    pub(crate) new_context: Py<PyAny>,
}

/// Sets all of it up in a fresh context.
pub(crate) fn install(
    py: Python<'_>,
    ctx: &Ctx<'_>,
    shared: &Rc<Shared>,
    bindings: &[(String, Binding)],
) -> Result<Workers, String> {
    let made = evaluate(ctx, shared, bindings).map_err(|_| {
        isthmus_web::console::inspect(ctx, ctx.catch()).unwrap_or_else(|error| error.to_string())
    });
    let (parts, env) = made?;
    let proxy = |name: &str| -> Result<Py<PyAny>, String> {
        let value: Value<'_> = parts.get(name).map_err(|error| error.to_string())?;
        isthmus_bridge::wrap(py, &value)
            .map(Bound::unbind)
            .map_err(|error| error.to_string())
    };
    Ok(Workers {
        helper: proxy("helper")?,
        new_context: proxy("newContext")?,
        env: isthmus_bridge::wrap(py, env.as_value())
            .map_err(|error| error.to_string())?
            .unbind(),
    })
}

fn evaluate<'js>(
    ctx: &Ctx<'js>,
    shared: &Rc<Shared>,
    bindings: &[(String, Binding)],
) -> rquickjs::Result<(Object<'js>, Object<'js>)> {
    let env = install_env(ctx, bindings, Rc::new(IsolateBroker(Rc::clone(shared))))?;
    let mut options = EvalOptions::default();
    options.filename = Some("isthmus:workers".to_owned());
    let setup: Function<'js> = ctx.eval_with_options(SCRIPT, options)?;
    let parts: Object<'js> = setup.call((natives(ctx, shared)?, env.clone()))?;
    let exports: Object<'js> = parts.get("workers")?;
    // The slot is free: this is the context's first and only set-up.
    let _ = ctx.store_userdata(Exports(exports));
    Ok((parts, env))
}

fn natives<'js>(ctx: &Ctx<'js>, shared: &Rc<Shared>) -> rquickjs::Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    let state = Rc::clone(shared);
    object.set(
        "begin",
        Function::new(ctx.clone(), move |event: StreamId| {
            *state.waiting.borrow_mut().entry(event).or_insert(0) += 1;
        })?,
    )?;
    let state = Rc::clone(shared);
    object.set(
        "end",
        Function::new(ctx.clone(), move |event: StreamId| {
            let over = {
                let mut waiting = state.waiting.borrow_mut();
                let count = waiting.get_mut(&event).map(|count| {
                    *count -= 1;
                    *count
                });
                count == Some(0) && waiting.remove(&event).is_some()
            };
            if over {
                state.end_if_over(event);
            }
        })?,
    )?;
    object.set(
        "report",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, error: Value<'js>| {
            isthmus_web::report_exception(&ctx, error)
        })?,
    )?;
    let state = Rc::clone(shared);
    object.set(
        "currentEvent",
        Function::new(ctx.clone(), move || state.current_event())?,
    )?;
    Ok(object)
}
