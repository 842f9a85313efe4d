//! `CompressionStream` and `DecompressionStream`: <https://compression.spec.whatwg.org/>.
//!
//! The formats are those of Workers: `gzip`, `deflate` (zlib) and `deflate-raw`. A body that comes from Rust and goes
//! there again is compressed on its way without visiting JavaScript.

use rquickjs::{Ctx, Exception, Function, Result, Value};

use crate::{script, streams};

mod codec;

use codec::{Compressor, Decompressor, Format};

/// Adds both classes. Needs streams.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(
        ctx,
        "compression/compression.js",
        include_str!("compression.js"),
        |native| {
            native.set("compressor", Function::new(ctx.clone(), compressor)?)?;
            native.set("decompressor", Function::new(ctx.clone(), decompressor)?)
        },
    )
}

fn format(ctx: &Ctx<'_>, name: &str) -> Result<Format> {
    Format::named(name).ok_or_else(|| {
        Exception::throw_type(
            ctx,
            "The compression format must be either 'deflate', 'deflate-raw' or 'gzip'.",
        )
    })
}

fn compressor<'js>(ctx: Ctx<'js>, name: String) -> Result<Value<'js>> {
    let compressor = Compressor::new(format(&ctx, &name)?);
    streams::native_transform(&ctx, Box::new(compressor))
}

fn decompressor<'js>(ctx: Ctx<'js>, name: String) -> Result<Value<'js>> {
    let decompressor = Decompressor::new(format(&ctx, &name)?);
    streams::native_transform(&ctx, Box::new(decompressor))
}
