//! `scheduler.wait()`, a timer as a promise:
//! <https://developers.cloudflare.com/workers/runtime-apis/scheduler/>, of which
//! <https://wicg.github.io/scheduling-apis/> has no such method.

use rquickjs::{Ctx, Result};

use crate::script;

/// Adds `scheduler`.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(ctx, "scheduler.js", include_str!("scheduler.js"), |_| Ok(()))
}
