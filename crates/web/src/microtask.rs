//! `queueMicrotask`, `reportError`, `self`, `atob` and `btoa`: the functions of the global scope that
//! need nothing but the engine. <https://html.spec.whatwg.org/#microtask-queuing>

use rquickjs::{Ctx, Result};

use crate::script;

/// Adds `queueMicrotask`, `reportError`, `self`, `atob`, `btoa`.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(ctx, "microtask.js", include_str!("microtask.js"), |_| Ok(()))
}
