//! The global object's place among the interfaces: <https://html.spec.whatwg.org/#workerglobalscope>. That it can be
//! listened to is in `events/event_target.js`.

use rquickjs::{Ctx, Result};

use crate::script;

/// Adds `WorkerGlobalScope`, `ServiceWorkerGlobalScope` and `origin`.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(
        ctx,
        "global_scope.js",
        include_str!("global_scope.js"),
        |_| Ok(()),
    )
}
