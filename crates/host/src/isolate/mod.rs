//! One isolate as the host sees it: two connections, the events it has open, its broker, its vital signs.
//!
//! Nothing an isolate sends is believed. A frame that breaks the protocol ends that isolate ([`Violation`]),
//! and whatever it can make grow is bounded. [`Isolate::end`] is the one place where an isolate ends for
//! the host: it fails what was open, kills the process and tells the supervisor, once.

mod answer;
mod end;
mod events;
mod gate;
mod handle;
mod outgoing;
mod sockets;
mod vitals;

use std::fmt;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use isthmus_protocol::{Frame, FrameReader, WireError};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub(crate) use answer::{Answer, AnswerBody, AnswerHead, EventFailure, is_of_connection};
pub(crate) use end::{EventEnd, Finding, Verdict, Word};
pub(crate) use gate::{Gate, GatedFrames};
pub(crate) use handle::{Broken, EventHandle, RequestBody};
pub(crate) use outgoing::Outgoing;

use crate::broker::{Broker, GrantTable};
use crate::limits::Timeouts;
use crate::logs::{LogLevel, Logs};
use crate::streams::lock;
use crate::supervisor::Note;
use events::EventTable;
use vitals::Vitals;

/// How much is read from a connection at once.
const READ_SIZE: usize = 64 * 1024;

/// How long the events connection may outlive the others.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The isolate broke the protocol; how.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Violation(pub(crate) String);

impl From<WireError> for Violation {
    fn from(error: WireError) -> Self {
        Self(error.to_string())
    }
}

impl From<isthmus_protocol::flow::Overrun> for Violation {
    fn from(error: isthmus_protocol::flow::Overrun) -> Self {
        Self(error.to_string())
    }
}

/// Why an isolate ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// It closed a connection: its process ended.
    Closed,
    /// It broke the protocol.
    Violation(String),
    /// What it was told can't be made durable; which store's file, and why.
    NotDurable(String),
    /// Its event loop stood still after a client had gone away.
    Unresponsive {
        /// For how many seconds.
        seconds: u64,
    },
    /// It was not ready in time.
    NotReady {
        /// The time it had, in seconds.
        seconds: u64,
    },
    /// Its zygote ended.
    Zygote,
    /// The server ends.
    Shutdown,
}

impl From<Violation> for EndReason {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation.0)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("its process ended"),
            Self::Violation(how) => write!(f, "it broke the protocol with the host: {how}"),
            // Clients see this, and files are none of their business.
            Self::NotDurable(_) => {
                f.write_str("what it wrote to a database can't be made durable, so it may have worked with what will be lost")
            }
            Self::Unresponsive { seconds } => write!(
                f,
                "its event loop stood still for {seconds} s after a client had gone away, so it was killed"
            ),
            Self::NotReady { seconds } => write!(f, "it was not ready within {seconds} s, so it was killed"),
            Self::Zygote => f.write_str("its zygote ended"),
            Self::Shutdown => f.write_str("the server ends"),
        }
    }
}

/// What an isolate needs of the host.
#[derive(Clone)]
pub(crate) struct IsolateContext {
    /// What its channels are.
    pub(crate) grants: Arc<GrantTable>,
    /// The log.
    pub(crate) logs: Logs,
    /// The supervisor's ear.
    pub(crate) notes: mpsc::UnboundedSender<Note>,
    /// The timeouts.
    pub(crate) timeouts: Timeouts,
}

/// A running isolate.
pub(crate) struct Isolate {
    id: u32,
    context: IsolateContext,
    events: Outgoing,
    table: Mutex<EventTable>,
    open: AtomicUsize,
    vitals: Vitals,
    gate: Arc<Gate>,
    broker: Arc<Broker>,
    process: Mutex<Process>,
    tasks: Mutex<Vec<AbortHandle>>,
}

#[derive(Default)]
struct Process {
    pid: Option<i32>,
    pidfd: Option<OwnedFd>,
    ended: bool,
}

impl Isolate {
    /// Takes up the host's ends of an isolate's connections. It counts as running once [`Note::Ready`] came.
    pub(crate) fn start(
        id: u32,
        events: UnixStream,
        broker: UnixStream,
        context: IsolateContext,
    ) -> Arc<Self> {
        let gate = Arc::new(Gate::default());
        let isolate = Arc::new(Self {
            id,
            events: Outgoing::default(),
            table: Mutex::default(),
            open: AtomicUsize::new(0),
            vitals: Vitals::default(),
            broker: Arc::new(Broker::new(
                context.grants.clone(),
                context.logs.clone(),
                Some(gate.clone()),
            )),
            gate,
            process: Mutex::default(),
            tasks: Mutex::default(),
            context,
        });
        let (events_in, events_out) = events.into_split();
        isolate.broker.outgoing().write_through(broker.as_fd());
        let (broker_in, broker_out) = broker.into_split();
        let tasks = vec![
            tokio::spawn(isolate.clone().read_events(events_in)).abort_handle(),
            tokio::spawn(isolate.clone().read_broker(broker_in)).abort_handle(),
            tokio::spawn(isolate.clone().write_events(events_out)).abort_handle(),
            tokio::spawn(isolate.clone().write_broker(broker_out)).abort_handle(),
            tokio::spawn(vitals::watch(isolate.clone())).abort_handle(),
        ];
        *lock(&isolate.tasks) = tasks;
        // It may have ended while it was being started, when there were no tasks to abort yet.
        if lock(&isolate.table).is_closed() {
            isolate.abort_tasks();
        }
        isolate
    }

    /// The host's name for it.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// How many events are open in it.
    pub(crate) fn open_events(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether it has left a ping unanswered for a while: another isolate is the better choice.
    pub(crate) fn is_suspect(&self) -> bool {
        self.vitals.is_suspect()
    }

    /// Its process id as the host sees it, if known.
    pub(crate) fn pid(&self) -> Option<i32> {
        lock(&self.process).pid
    }

    /// Learns which process it is. If it has ended for the host already, the process is killed.
    pub(crate) fn identify(&self, pid: i32) {
        // Between the answer of the zygote and this call the process can end, but its id is not given to
        // another that soon; from here on the descriptor stands for the process.
        let pidfd = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let mut process = lock(&self.process);
        process.pid = Some(pid);
        process.pidfd = pidfd;
        if process.ended {
            process.kill();
        }
    }

    /// Asks it to finish what it has begun and to exit.
    pub(crate) fn shut_down(&self) {
        self.events.send_short(&Frame::Shutdown);
    }

    /// Ends it for the host: open events fail, the process is killed, the supervisor is told. Only the first
    /// call does anything.
    pub(crate) fn end(&self, reason: EndReason) {
        let Some(open) = lock(&self.table).close() else {
            return;
        };
        self.open.store(0, Ordering::Relaxed);
        if let EndReason::NotDurable(report) = &reason {
            self.context.logs.host(LogLevel::Error, format_args!("{report}"));
        }
        let failed = open
            .into_iter()
            .map(|state| usize::from(state.fail(&reason)))
            .sum();
        self.broker.close();
        self.events.close();
        {
            let mut process = lock(&self.process);
            process.ended = true;
            process.kill();
        }
        self.abort_tasks();
        // The supervisor is gone only when the server ends.
        let _ = self.context.notes.send(Note::Ended {
            isolate: self.id,
            reason,
            failed,
        });
    }

    fn abort_tasks(&self) {
        for task in lock(&self.tasks).drain(..) {
            task.abort();
        }
    }

    async fn read_events(self: Arc<Self>, half: OwnedReadHalf) {
        let mut frames = GatedFrames::new(Frames::new(half), Some(&*self.gate));
        let reason = loop {
            match frames.next(|frame, _| events::says_nothing(frame)).await {
                Ok(Some(frame)) => {
                    if let Err(violation) = self.take_event_frame(&frame) {
                        break violation.into();
                    }
                }
                Ok(None) => break EndReason::Closed,
                Err(reason) => break reason,
            }
        };
        self.end(reason);
    }

    async fn read_broker(self: Arc<Self>, half: OwnedReadHalf) {
        match self.broker.serve(Frames::new(half)).await {
            Ok(()) => self.end_soon().await,
            Err(reason) => self.end(reason),
        }
    }

    async fn write_events(self: Arc<Self>, half: OwnedWriteHalf) {
        if self.events.write_to(half.as_ref()).await.is_err() {
            self.end_soon().await;
        }
    }

    async fn write_broker(self: Arc<Self>, half: OwnedWriteHalf) {
        if self.broker.outgoing().write_to(half.as_ref()).await.is_err() {
            self.end_soon().await;
        }
    }

    /// A connection broke. The answers that the isolate sent before are still to be read from the events
    /// connection, whose end is the isolate's; if that doesn't come, it is ended all the same.
    async fn end_soon(&self) {
        tokio::time::sleep(LAST_WORDS).await;
        self.end(EndReason::Closed);
    }
}

impl Process {
    fn kill(&mut self) {
        if let Some(pidfd) = self.pidfd.take() {
            // It fails only if the process has ended.
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
        }
    }
}

/// Frames as they come from a connection.
pub(crate) struct Frames {
    half: OwnedReadHalf,
    reader: FrameReader,
}

impl Frames {
    pub(crate) fn new(half: OwnedReadHalf) -> Self {
        Self {
            half,
            reader: FrameReader::new(),
        }
    }

    /// The next frame, `None` at the end. All frames of one read come without waiting.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Violation> {
        loop {
            if let Some(frame) = self.reader.next_frame()? {
                return Ok(Some(frame));
            }
            let buffer = self.reader.buffer();
            buffer.reserve(READ_SIZE);
            match self.half.read_buf(buffer).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_) => {}
            }
        }
    }
}
