//! `setTimeout`, `setInterval`, `clearTimeout`, `clearInterval`.
//! <https://html.spec.whatwg.org/#timers>
//!
//! The table of timers lives in the script; the host knows their numbers alone. Timers of equal delay
//! fire in the order of their making: numbers grow (they wrap after 2³¹−1), and the host breaks ties of
//! its clock by the order of its `start_timer` calls.

use std::rc::Rc;
use std::time::Duration;

use rquickjs::{Ctx, Function, Object, Result};

use crate::{Host, TimerId, script};

/// Adds the four functions.
pub(crate) fn install(ctx: &Ctx<'_>, host: &Rc<dyn Host>) -> Result<()> {
    script::evaluate(ctx, "timers.js", include_str!("timers.js"), |native| {
        let starter = Rc::clone(host);
        native.set(
            "start",
            Function::new(ctx.clone(), move |id: TimerId, milliseconds: f64| {
                // A float-to-integer cast saturates; the script gives a whole number ≥ 0.
                starter.start_timer(id, Duration::from_millis(milliseconds as u64));
            })?,
        )?;
        let stopper = Rc::clone(host);
        native.set(
            "stop",
            Function::new(ctx.clone(), move |id: TimerId| stopper.stop_timer(id))?,
        )
    })
}

/// Runs the callback of timer `id`, if it still exists. Exceptions of the callback are reported;
/// what comes out as an error cannot be caught by JavaScript (the interrupt handler ended it).
/// Pending jobs are the caller's to run.
pub fn fire(ctx: &Ctx<'_>, id: TimerId) -> Result<()> {
    let timers: Object = script::shared(ctx)?.get("timers")?;
    let fire: Function = timers.get("fire")?;
    fire.call((id,))
}

/// How many timers are waiting or repeating.
pub fn active(ctx: &Ctx<'_>) -> Result<u32> {
    let timers: Object = script::shared(ctx)?.get("timers")?;
    let count: Function = timers.get("count")?;
    count.call(())
}
