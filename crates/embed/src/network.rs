//! The way to the network: a process of its own, started with the first `fetch()`, which speaks to the world as an
//! isolate's host does. `isthmus._embed.companion` is that process, `isthmus._embed.network` starts it.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::{Rc, Weak};

use isthmus_bindings::link::{Calls, Connection, ConnectionError, LinkOwner};
use isthmus_bindings::{Broker, CallBody, CallDone, Opened};
use isthmus_protocol::{ChannelId, Operation, StreamId};
use pyo3::prelude::*;
use rquickjs::Ctx;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

/// What upstream says of a connection that was cut.
const LOST: &str = "Network connection lost.";

thread_local! {
    static NETWORK: RefCell<Option<Rc<Network>>> = const { RefCell::new(None) };
}

/// What is under way, and the connection to the process that does it.
///
/// Frames are written at once where one is sent by itself, which may be in the middle of the engine's collection, and
/// together at the end of what calls [`Network::gather`]. The pump hears only what to watch.
pub(crate) struct Network {
    calls: Calls,
    pump: Py<PyAny>,
    /// Somebody gathers frames.
    gathering: Cell<bool>,
    /// What the pump was told last.
    told: Cell<Interest>,
}

/// What the event loop is to watch: the connection, whether answers are to come, and whether the kernel has no room for
/// what there is to send. Nothing without a connection.
type Interest = Option<(RawFd, bool, bool)>;

impl Network {
    /// Makes the network of this process, without a connection. `pump` is an `isthmus._embed.pump.Pump`.
    pub(crate) fn new(pump: Py<PyAny>) -> Rc<Self> {
        let network = Rc::new_cyclic(|network| Self {
            calls: Calls::new(Box::new(Owner(Weak::clone(network)))),
            pump,
            gathering: Cell::new(false),
            told: Cell::new(None),
        });
        NETWORK.set(Some(Rc::clone(&network)));
        network
    }

    /// The network of this thread's engine.
    pub(crate) fn here() -> Option<Rc<Self>> {
        NETWORK.with_borrow(Clone::clone)
    }

    /// Sees to it that there is a connection.
    ///
    /// # Errors
    /// A sentence, if the process can't be started.
    pub(crate) fn connect(&self, ctx: &Ctx<'_>) -> Result<(), String> {
        if let Some(connection) = self.calls.link.connection() {
            // While something is under way the loop finds out about its end, and whoever waits is told then.
            if self.calls.is_busy() || !connection.is_ended() {
                return Ok(());
            }
            self.lose(ctx);
        }
        let failed = |error: &dyn std::fmt::Display| {
            format!("the process that speaks to the network can't be started: {error}")
        };
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|error| failed(&io::Error::from(error)))?;
        let connection = Connection::new(ours).map_err(|error| failed(&error))?;
        Python::attach(|py| {
            isthmus_bridge::calling_python(py, || {
                self.pump
                    .bind(py)
                    .call_method1("start_companion", (theirs.as_raw_fd(),))
            })
            .map(drop)
        })
        .map_err(|error| failed(&error))?;
        self.calls.link.connect(connection);
        Ok(())
    }

    /// Runs `work`; the frames that it sends are then written together, and the pump told what there is to watch.
    pub(crate) fn gather<R>(&self, work: impl FnOnce() -> R) -> R {
        let nested = self.gathering.replace(true);
        let result = work();
        self.gathering.set(nested);
        if !nested {
            self.settle();
        }
        result
    }

    fn settle(&self) {
        let connection = self.calls.link.connection();
        let interest = connection.map(|connection| {
            // If it is broken, whoever reads it finds out.
            let _ = connection.flush();
            (connection.raw_fd(), self.calls.is_busy(), connection.blocked())
        });
        if self.told.replace(interest) != interest {
            self.tell("watch_network", (interest,));
        }
    }

    /// Calls a method of the pump. At the interpreter's end, when there is none any more, nothing happens.
    fn tell<A>(&self, method: &str, arguments: A)
    where
        A: for<'py> pyo3::call::PyCallArgs<'py>,
    {
        Python::try_attach(|py| {
            let pump = self.pump.bind(py);
            let called = isthmus_bridge::calling_python(py, || pump.call_method1(method, arguments));
            if let Err(error) = called {
                error.write_unraisable(py, Some(pump));
            }
        });
    }

    /// Handles what has arrived, and goes on writing.
    pub(crate) fn exchange(&self, ctx: &Ctx<'_>) {
        let handled = self.gather(|| -> Result<(), ConnectionError> {
            let Some(connection) = self.calls.link.connection() else {
                return Ok(());
            };
            connection.fill()?;
            while let Some(frame) = self.calls.link.next_frame(&connection)? {
                self.calls.frame(ctx, &frame)?;
            }
            Ok(())
        });
        if handled.is_err() {
            self.lose(ctx);
        }
    }

    /// There is no connection any more: what is under way fails. It is closed once the pump doesn't watch it.
    pub(crate) fn lose(&self, ctx: &Ctx<'_>) {
        let connection = self.calls.link.connection();
        self.gather(|| self.calls.lose(ctx, LOST));
        drop(connection);
    }
}

/// What the link tells.
struct Owner(Weak<Network>);

impl LinkOwner for Owner {
    fn has_outgoing(&self) {
        if let Some(network) = self.0.upgrade()
            && !network.gathering.get()
            && let Some(connection) = network.calls.link.connection()
        {
            let _ = connection.flush();
        }
    }

    fn report(&self, text: &str) {
        if let Some(network) = self.0.upgrade() {
            network.tell("log", (true, format!("isthmus: {text}")));
        }
    }
}

/// The same, for `isthmus-bindings`.
pub(crate) struct EmbedBroker(pub(crate) Rc<Network>);

impl Broker for EmbedBroker {
    fn call(&self, channel: ChannelId, operation: Operation<'_>, body: CallBody, done: CallDone) -> Opened {
        self.0.calls.call(None, channel, operation, body, done)
    }

    fn cancel(&self, call: StreamId) {
        self.0.calls.cancel(call);
    }

    fn hang_up(&self, call: StreamId) {
        self.0.calls.hang_up(call);
    }
}
