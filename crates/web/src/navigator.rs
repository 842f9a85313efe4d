//! `navigator`: <https://html.spec.whatwg.org/#the-navigator-object>, as far as Workers have it.

use rquickjs::{Ctx, Result};

use crate::script;

/// Adds `Navigator` and `navigator`.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(ctx, "navigator.js", include_str!("navigator.js"), |_| Ok(()))
}
