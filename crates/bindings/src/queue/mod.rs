//! [Queues](https://developers.cloudflare.com/queues/configuration/javascript-apis/), over one channel each.
//!
//! What workerd itself checks and says is here; limits, delivery and retries are the host's (`stores::queue`). Facts:
//! `spec/workers.md` §B6 and `tests/queue_reference`.

mod consumer;
mod producer;

use rquickjs::{Ctx, Result};

pub use consumer::{BatchState, queue_controller};
pub(crate) use producer::open;

/// Links the constructors to the prototypes. Call it before objects of these classes are made.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    producer::install(ctx)?;
    consumer::install(ctx)
}
