//! How the classes behind `env.*` reach the host: calls on channels. The isolate implements it.

use std::rc::Rc;

use bytes::Bytes;
use isthmus_protocol::{ChannelId, Operation, Reply};
use isthmus_web::body::{ByteSink, IncomingBody};
use rquickjs::Ctx;

/// The body that goes with a call.
pub enum CallBody {
    /// There is none.
    None,
    /// All of it, of any length: the broker cuts it into chunks.
    Bytes(Bytes),
    /// It is written to the sink that [`Broker::call`] returns.
    Stream {
        /// Its length in bytes, where known beforehand.
        length: Option<u64>,
    },
}

/// Called exactly once with the answer, on the engine's thread with no JavaScript on the stack.
/// A call that failed has [`Reply::Failed`].
pub type CallDone = Box<dyn for<'js, 'a> FnOnce(&Ctx<'js>, Reply<'a>, IncomingBody)>;

/// The way to the host.
pub trait Broker: 'static {
    /// Calls an operation on a channel. The sink is `Some` iff `body` is [`CallBody::Stream`]; the
    /// answer may come before it is closed (the host refused).
    fn call(
        &self,
        channel: ChannelId,
        operation: Operation<'_>,
        body: CallBody,
        done: CallDone,
    ) -> Option<Rc<dyn ByteSink>>;
}
