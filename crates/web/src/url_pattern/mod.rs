//! `URLPattern`: <https://urlpattern.spec.whatwg.org/>.
//!
//! A pattern becomes one regular expression of the engine per component; its syntax is JavaScript's, and so are the
//! scripts that parse it. What a URL or a part of one comes to is the URL parser's to say.

use rquickjs::{Ctx, Function, Result};

use crate::{script, url};

/// Adds `URLPattern`. Needs URLs.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    for (name, source) in [
        ("url_pattern/tokenizer.js", include_str!("tokenizer.js")),
        ("url_pattern/expression.js", include_str!("expression.js")),
        ("url_pattern/pattern.js", include_str!("pattern.js")),
        (
            "url_pattern/constructor_string.js",
            include_str!("constructor_string.js"),
        ),
        ("url_pattern/init.js", include_str!("init.js")),
        ("url_pattern/url_pattern.js", include_str!("url_pattern.js")),
    ] {
        script::evaluate(ctx, name, source, |native| {
            native.set(
                "canonicalize",
                Function::new(ctx.clone(), |kind: String, value: String, protocol: String| {
                    url::canonicalize(&kind, &value, &protocol)
                })?,
            )?;
            native.set("components", Function::new(ctx.clone(), url::components)?)
        })?;
    }
    Ok(())
}
