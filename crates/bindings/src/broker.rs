//! How the classes behind `env.*` reach the host: calls on channels. The process around implements it, over
//! [`crate::link::Calls`].

use std::rc::Rc;

use bytes::Bytes;
use isthmus_protocol::{ChannelId, Operation, Reply, StreamId};
use isthmus_web::body::{ByteSink, ByteSource, HeldName, IncomingBody};
use rquickjs::Ctx;

/// The body that goes with a call.
pub enum CallBody {
    /// There is none.
    None,
    /// All of it, of any length: the broker cuts it into chunks.
    Bytes(Bytes),
    /// The host has it, and nothing of it was read: the broker hands it over.
    Held {
        /// What [`ByteSource::held`] answered.
        name: HeldName,
        /// Whose name it is.
        source: Rc<dyn ByteSource>,
        /// Its length in bytes, where known beforehand.
        length: Option<u64>,
    },
    /// It is written to the sink that [`Broker::call`] returns.
    Stream {
        /// Its length in bytes, where known beforehand.
        length: Option<u64>,
    },
}

/// A call under way.
pub struct Opened {
    /// Its name, for [`Broker::cancel`].
    pub call: StreamId,
    /// Where its body goes: `Some` iff that is [`CallBody::Stream`]. The answer may come before it is closed.
    pub sink: Option<Rc<dyn ByteSink>>,
}

/// Called once with the answer, on the engine's thread with no JavaScript on the stack.
/// A call that failed has [`Reply::Failed`].
pub type CallDone = Box<dyn for<'js, 'a> FnOnce(&Ctx<'js>, Reply<'a>, IncomingBody)>;

/// The way to the host.
pub trait Broker: 'static {
    /// Calls an operation on a channel.
    fn call(&self, channel: ChannelId, operation: Operation<'_>, body: CallBody, done: CallDone) -> Opened;

    /// Gives a call up: it is not answered any more, and the host stops working on it. Does nothing once it is
    /// answered.
    fn cancel(&self, call: StreamId);

    /// Gives up a call of which both bodies may go on after its answer. It may be called within the engine's collection.
    fn hang_up(&self, call: StreamId) {
        self.cancel(call);
    }
}
