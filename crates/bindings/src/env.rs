//! The `env` object: plain values, and one object per capability.

use std::rc::Rc;

use isthmus_protocol::control::Binding;
use rquickjs::{Ctx, Object, Result, Value};

use crate::{Broker, d1, fetcher, kv, queue, r2, rate_limit, scheduled, secret, settle};

/// Makes the `env` object of `bindings`, in their order: a string, a parsed JSON value, or an object whose
/// methods call `broker` on its channel. Call it before any user code runs.
///
/// # Errors
/// A JavaScript exception: a `Binding::Json` that is no JSON, or no memory.
pub fn install_env<'js>(
    ctx: &Ctx<'js>,
    bindings: &[(String, Binding)],
    broker: Rc<dyn Broker>,
) -> Result<Object<'js>> {
    let env = Object::new(ctx.clone())?;
    settle::install(ctx)?;
    kv::install(ctx)?;
    scheduled::install(ctx)?;
    queue::install(ctx)?;
    secret::install(ctx)?;
    // Scripts of kinds that the Worker hasn't aren't run.
    let (mut databases, mut fetchers, mut limits, mut buckets) = (None, None, None, None);
    for (name, binding) in bindings {
        let broker = Rc::clone(&broker);
        match binding {
            Binding::Text(text) => env.set(name, text)?,
            Binding::Json(json) => env.set(name, ctx.json_parse(json.as_str())?)?,
            Binding::Queue {
                channel,
                default_type,
            } => env.set(name, queue::open(ctx, *channel, broker, *default_type)?)?,
            Binding::Kv(channel) => env.set(name, kv::open(ctx, *channel, broker)?)?,
            Binding::Secret(channel) => env.set(name, secret::open(ctx, *channel, broker)?)?,
            Binding::D1(channel) => {
                let make = once(&mut databases, || d1::install(ctx))?;
                env.set(name, d1::open(ctx, make, *channel, broker)?)?;
            }
            Binding::Fetcher(channel) => {
                let make = once(&mut fetchers, || fetcher::install(ctx))?;
                env.set(name, fetcher::open(ctx, make, *channel, broker)?)?;
            }
            Binding::RateLimit(channel) => {
                let make = once(&mut limits, || rate_limit::install(ctx))?;
                env.set(name, rate_limit::open(ctx, make, *channel, broker)?)?;
            }
            Binding::R2(channel) => {
                let make = once(&mut buckets, || r2::install(ctx, broker))?;
                env.set(name, make.call::<_, Value>((channel.0,))?)?;
            }
        }
    }
    Ok(env)
}

/// What a slot holds, made if it is empty.
fn once<T>(slot: &mut Option<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    Ok(match slot.take() {
        Some(made) => slot.insert(made),
        None => slot.insert(make()?),
    })
}
