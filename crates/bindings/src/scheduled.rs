//! `ScheduledController`: what a
//! [`scheduled` handler](https://developers.cloudflare.com/workers/runtime-apis/handlers/scheduled/) is called with.

use std::cell::Cell;
use std::rc::Rc;

use rquickjs::{
    Class, Ctx, JsLifetime, Object, Result, Value,
    class::{JsClass, Readable, Trace},
    function::Constructor,
};

use crate::interface;

/// The controller of one event.
#[derive(Trace, JsLifetime)]
struct ScheduledController {
    #[qjs(skip_trace)]
    no_retry: Rc<Cell<bool>>,
}

/// Links the constructor to the prototype. Call it before [`scheduled_controller`].
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    Class::<ScheduledController>::create_constructor(ctx).map(drop)
}

/// A controller for an event that was scheduled for `time`, in milliseconds since the epoch. The cell tells, as long as the
/// event goes on, whether the Worker has called `noRetry()`.
///
/// # Errors
/// A JavaScript exception: no memory.
pub fn scheduled_controller<'js>(
    ctx: &Ctx<'js>,
    cron: &str,
    time: i64,
) -> Result<(Object<'js>, Rc<Cell<bool>>)> {
    let no_retry = Rc::new(Cell::new(false));
    let state = ScheduledController {
        no_retry: Rc::clone(&no_retry),
    };
    let controller = Class::instance(ctx.clone(), state)?.into_inner();
    interface::read_only(&controller, "cron", cron)?;
    // Exact for all times that a `Date` can be.
    interface::read_only(&controller, "scheduledTime", time as f64)?;
    Ok((controller, no_retry))
}

impl<'js> JsClass<'js> for ScheduledController {
    const NAME: &'static str = "ScheduledController";
    type Mutable = Readable;

    fn prototype(ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        let prototype = interface::prototype(ctx, &[("noRetry", no_retry)])?;
        interface::constant(&prototype, "type", "scheduled")?;
        Ok(Some(prototype))
    }

    fn constructor(ctx: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        interface::constructor::<Self>(ctx)
    }
}

fn no_retry<'js>(ctx: &Ctx<'js>, controller: &ScheduledController, _: &[Value<'js>]) -> Result<Value<'js>> {
    controller.no_retry.set(true);
    Ok(Value::new_undefined(ctx.clone()))
}
