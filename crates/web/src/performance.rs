//! `performance`: <https://w3c.github.io/hr-time/>

use std::rc::Rc;

use rquickjs::{Ctx, Function, Result};

use crate::{Host, script};

/// Adds `Performance` and `performance`, in place of the engine's own, which does not ask the host.
pub(crate) fn install(ctx: &Ctx<'_>, host: &Rc<dyn Host>) -> Result<()> {
    script::evaluate(ctx, "performance.js", include_str!("performance.js"), |native| {
        let clock = Rc::clone(host);
        native.set(
            "now",
            Function::new(ctx.clone(), move || clock.now().as_secs_f64() * 1e3)?,
        )?;
        let clock = Rc::clone(host);
        native.set(
            "timeOrigin",
            Function::new(ctx.clone(), move || clock.time_origin().as_secs_f64() * 1e3)?,
        )
    })
}
