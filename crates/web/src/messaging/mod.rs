//! `MessageChannel`, `MessagePort` and `MessageEvent`: <https://html.spec.whatwg.org/#web-messaging>.
//!
//! Both ends of a channel are in this isolate. A message is serialized when it is posted and read again in the task
//! that delivers it, so that what happens to it in between is not seen.

use rquickjs::{Ctx, Result};

use crate::script;

/// Adds the three classes. Needs events, timers and structured cloning.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    for (name, source) in [
        ("messaging/message_event.js", include_str!("message_event.js")),
        ("messaging/message_port.js", include_str!("message_port.js")),
    ] {
        script::evaluate(ctx, name, source, |_| Ok(()))?;
    }
    Ok(())
}
