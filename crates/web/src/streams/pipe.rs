//! A Rust body that is piped into a Rust sink: `pipe.js` says when, and what follows.

use std::rc::Rc;

use rquickjs::class::Trace;
use rquickjs::{Class, Ctx, Function, JsLifetime, Object, Result, Value};

use super::Streams;
use super::native::{Held, NativeSink, NativeSource, type_error};
use crate::body::{ByteSource, Pump, Pumped, Whole};

/// Stops a [`Pump`].
#[derive(Trace, JsLifetime)]
struct NativePump {
    #[qjs(skip_trace)]
    pump: Rc<Pump>,
}
hidden_class!(NativePump);

pub(super) fn fill<'js>(native: &Object<'js>) -> Result<()> {
    let ctx = native.ctx();
    native.set("pump", Function::new(ctx.clone(), pump)?)?;
    native.set("stopPump", Function::new(ctx.clone(), stop)?)?;
    native.set("release", Function::new(ctx.clone(), release)?)
}

/// Moves what is left of `source` into `sink`; `over(outcome, error)` is called once: 0 if all has been written, 1 if the
/// source failed, 2 if the sink did (with the reason as a string), 3 if it was stopped. Undefined if `source` is used up.
fn pump<'js>(
    ctx: Ctx<'js>,
    source: Class<'js, NativeSource>,
    sink: Class<'js, NativeSink>,
    over: Function<'js>,
) -> Result<Value<'js>> {
    let origin: Rc<dyn ByteSource> = match &*source.borrow().held.borrow() {
        None => return Ok(Value::new_undefined(ctx)),
        Some(Held::Bytes(bytes)) => Rc::new(Whole::new(bytes.clone())),
        Some(Held::Source { source, .. }) => Rc::clone(source),
    };
    let target = Rc::clone(&sink.borrow().sink);
    target.fed_by(&origin);
    let ticket = Streams::of(&ctx)?.pending.keep(over.into_inner());
    let pump = Pump::start(
        &ctx,
        origin,
        target,
        Box::new(move |ctx, outcome| {
            let over = ticket
                .redeem(ctx)
                .and_then(|over| over.into_value().into_function());
            let Some(over) = over else { return };
            let called: Result<()> = match outcome {
                Pumped::All => over.call((0,)),
                Pumped::Failed(reason) => over.call((1, type_error(ctx, &reason))),
                Pumped::Refused(reason) => over.call((2, reason)),
                Pumped::Stopped => over.call((3,)),
            };
            if called.is_err() {
                // Only the engine's limits can have thrown; there is nobody here to tell.
                ctx.catch();
            }
        }),
    );
    Ok(Class::instance(ctx, NativePump { pump })?.into_value())
}

fn stop<'js>(ctx: Ctx<'js>, pump: Class<'js, NativePump>) {
    let pump = Rc::clone(&pump.borrow().pump);
    pump.stop(&ctx);
}

/// Lets go of a body that has come to its end.
fn release(source: Class<'_, NativeSource>) {
    let held = source.borrow().held.borrow_mut().take();
    drop(held);
}
