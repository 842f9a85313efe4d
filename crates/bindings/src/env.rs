//! The `env` object: plain values, and one object per capability.

use std::rc::Rc;

use isthmus_protocol::control::Binding;
use rquickjs::{Ctx, Function, Object, Result, Value};

use crate::{Broker, d1, kv, queue, r2, scheduled, settle};

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
    let mut d1_classes = None;
    let mut open_r2: Option<Function> = None;
    for (name, binding) in bindings {
        match binding {
            Binding::Text(text) => env.set(name, text)?,
            Binding::Json(json) => env.set(name, ctx.json_parse(json.as_str())?)?,
            Binding::Queue {
                channel,
                default_type,
            } => env.set(
                name,
                queue::open(ctx, *channel, Rc::clone(&broker), *default_type)?,
            )?,
            Binding::Kv(channel) => env.set(name, kv::open(ctx, *channel, Rc::clone(&broker))?)?,
            Binding::D1(channel) => {
                let classes = match d1_classes.take() {
                    Some(classes) => classes,
                    None => d1::install(ctx)?,
                };
                env.set(name, d1::open(ctx, &classes, *channel, Rc::clone(&broker))?)?;
                d1_classes = Some(classes);
            }
            Binding::R2(channel) => {
                let open = match &open_r2 {
                    Some(open) => open,
                    None => open_r2.insert(r2::install(ctx, Rc::clone(&broker))?),
                };
                env.set(name, open.call::<_, Value>((channel.0,))?)?;
            }
        }
    }
    Ok(env)
}
