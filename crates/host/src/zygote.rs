//! One zygote: its start, its control connection, its end.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use isthmus_protocol::control::{FromZygote, IsolateSpec, ToZygote};
use isthmus_protocol::{FailureKind, FrameReader, decode, encode};
use isthmus_sandbox::send_with_fds;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf, pipe};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use crate::isolate::EventFailure;
use crate::launch::{Launch, Process, ZygoteEnds};
use crate::limits::Timeouts;
use crate::logs::{LogLevel, LogOrigin, Logs, stdio};
use crate::supervisor::Note;

/// How long the last output of a zygote is waited for.
const OUTPUT_WAIT: Duration = Duration::from_millis(300);

/// Why a Worker could not be booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BootFailure {
    /// What went wrong, and whose fault it is.
    pub(crate) failure: EventFailure,
    /// What the process wrote last, where it says no more than that itself.
    pub(crate) output: String,
}

impl BootFailure {
    fn new(kind: FailureKind, message: String, output: String) -> Self {
        let failure = EventFailure {
            kind,
            name: String::new(),
            message,
            trace: String::new(),
        };
        Self { failure, output }
    }

    /// The operating system or the installation is at fault.
    pub(crate) fn system(message: String) -> Self {
        Self::new(FailureKind::Internal, message, String::new())
    }

    /// A process of the Worker ended, most likely by its own code's doing.
    pub(crate) fn ended(message: String, output: String) -> Self {
        Self::new(FailureKind::User, message, output)
    }

    /// The start took too long.
    pub(crate) fn too_slow(message: String, output: String) -> Self {
        Self::new(FailureKind::Limit, message, output)
    }

    /// The full text for the log.
    pub(crate) fn text(&self) -> String {
        let mut text = self.failure.text();
        if !self.output.is_empty() {
            text.push_str("\nThe last output of the process:\n");
            text.push_str(self.output.trim_end());
        }
        text
    }
}

/// What a zygote that booted says of its Worker.
pub(crate) struct Booted {
    /// Handlers and classes that the Worker exports.
    pub(crate) entrypoints: Vec<String>,
    /// What makes it unsafe to fork.
    pub(crate) fork_hazards: Vec<String>,
}

/// A running zygote. Dropping it ends it.
pub(crate) struct Zygote {
    id: u32,
    process: Arc<dyn Process>,
    control: OwnedWriteHalf,
    output: stdio::Tail,
    /// They end when no process of the Worker is left.
    readers: Vec<JoinHandle<()>>,
    tasks: Vec<AbortHandle>,
}

impl Zygote {
    /// Starts a zygote and has it import the Worker. After that its messages and its end go to `notes`.
    ///
    /// # Errors
    /// [`BootFailure`] if it can't be started, can't import the Worker or takes too long.
    pub(crate) async fn boot(
        id: u32,
        launcher: &dyn Launch,
        spec: &IsolateSpec,
        timeouts: &Timeouts,
        logs: &Logs,
        notes: &mpsc::UnboundedSender<Note>,
    ) -> Result<(Self, Booted), BootFailure> {
        let output = stdio::Tail::default();
        let (process, control, readers) = start(launcher, logs, &output).map_err(|error| {
            BootFailure::system(format!("a process for the Worker can't be made: {error}"))
        })??;
        if let Some(refusal) = process.refusal() {
            logs.host(
                LogLevel::Debug,
                format_args!("the Worker's processes have no PID namespace of their own: {refusal}"),
            );
        }
        let (control_in, control_out) = control.into_split();
        // From here on an early return ends the process.
        let mut zygote = Self {
            id,
            process,
            control: control_out,
            output,
            readers,
            tasks: Vec::new(),
        };
        let mut messages = Messages {
            half: control_in,
            reader: FrameReader::new(),
        };
        let first = async {
            zygote.send(&ToZygote::Boot(Box::new(spec.clone()))).await?;
            messages.next().await
        };
        let limit = timeouts.startup + timeouts.startup_margin;
        let answer = match timeout(limit, first).await {
            Err(_) => {
                zygote.process.kill();
                zygote.collect_output().await;
                return Err(BootFailure::too_slow(
                    format!(
                        "the Worker was not imported within {} s. Move slow work out of the top level of its \
                         modules, or set ISTHMUS_STARTUP_TIMEOUT to more seconds",
                        timeouts.startup.as_secs_f64()
                    ),
                    zygote.output.text(),
                ));
            }
            Ok(answer) => answer,
        };
        match answer {
            Ok(Some(FromZygote::Booted {
                entrypoints,
                fork_hazards,
            })) => {
                zygote.listen(messages, notes);
                let booted = Booted {
                    entrypoints,
                    fork_hazards,
                };
                Ok((zygote, booted))
            }
            Ok(Some(FromZygote::Failed {
                kind,
                name,
                message,
                trace,
            })) => Err(BootFailure {
                failure: EventFailure {
                    kind,
                    name,
                    message,
                    trace,
                },
                output: String::new(),
            }),
            Ok(Some(other)) => Err(BootFailure::system(format!(
                "the zygote answered out of turn: {other:?}"
            ))),
            // It ended, or closed or broke its control socket: then it must end.
            Ok(None) | Err(_) => {
                let status = zygote.collect_status().await;
                zygote.collect_output().await;
                Err(BootFailure::ended(
                    format!("the process that imports the Worker ended before it was done: {status}"),
                    zygote.output.text(),
                ))
            }
        }
    }

    /// Its number, which its notes bear.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// What it and its isolates wrote last.
    pub(crate) fn output(&self) -> String {
        self.output.text()
    }

    /// The process id, as the host sees it, of an isolate.
    pub(crate) fn global_pid(&self, inner: i32) -> Option<i32> {
        self.process.global_pid(inner)
    }

    /// Has an isolate forked; answers the host's ends of its events and broker connections.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) async fn fork(&mut self, isolate: u32) -> io::Result<(UnixStream, UnixStream)> {
        let (events, events_there) = socket_pair()?;
        let (broker, broker_there) = socket_pair()?;
        let mut bytes = Vec::new();
        encode(&ToZygote::Fork { isolate }, &mut bytes).map_err(io::Error::other)?;
        let (head, last) = bytes.split_at(bytes.len() - 1);
        self.control.write_all(head).await?;
        let descriptors = [events_there.as_fd(), broker_there.as_fd()];
        let socket = self.control.as_ref();
        socket
            .async_io(Interest::WRITABLE, || {
                send_with_fds(socket.as_fd(), last, &descriptors)
            })
            .await?;
        Ok((
            UnixStream::from_std(events.into())?,
            UnixStream::from_std(broker.into())?,
        ))
    }

    /// Ends it at once and says how it ended, as far as that is known.
    pub(crate) async fn collect_status(&self) -> String {
        // The kernel takes a moment to end a PID namespace.
        for _ in 0..20 {
            if let Some(status) = self.process.status() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.process.kill();
        "it closed its connection to the host".into()
    }

    /// Waits until what its processes wrote has been read; they must have ended.
    async fn collect_output(&mut self) {
        for reader in &mut self.readers {
            // A process that escaped may hold the pipe open; a reader doesn't panic.
            let _ = timeout(OUTPUT_WAIT, reader).await;
        }
    }

    async fn send(&mut self, message: &ToZygote) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode(message, &mut bytes).map_err(io::Error::other)?;
        self.control.write_all(&bytes).await
    }

    /// Passes on messages and the end.
    fn listen(&mut self, mut messages: Messages, notes: &mpsc::UnboundedSender<Note>) {
        let id = self.id;
        // The supervisor is gone only when the server ends, so that a note nobody hears is no loss.
        let on_control = notes.clone();
        self.tasks.push(
            tokio::spawn(async move {
                while let Ok(Some(message)) = messages.next().await {
                    let _ = on_control.send(Note::Control { zygote: id, message });
                }
                let _ = on_control.send(Note::ZygoteEnded { zygote: id });
            })
            .abort_handle(),
        );
        let watched = self
            .process
            .pidfd()
            .and_then(|pidfd| pidfd.try_clone_to_owned().ok());
        #[expect(
            deprecated,
            reason = "its successor is unsafe; an owned descriptor is what that asks for"
        )]
        let watched = watched.and_then(|pidfd| AsyncFd::with_interest(pidfd, Interest::READABLE).ok());
        if let Some(pidfd) = watched {
            let on_end = notes.clone();
            self.tasks.push(
                tokio::spawn(async move {
                    let _ = pidfd.readable().await;
                    let _ = on_end.send(Note::ZygoteEnded { zygote: id });
                })
                .abort_handle(),
            );
        }
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        self.process.kill();
        for task in &self.tasks {
            task.abort();
        }
    }
}

type Started = Result<(Arc<dyn Process>, UnixStream, Vec<JoinHandle<()>>), BootFailure>;

/// Makes the connections and the process.
fn start(launcher: &dyn Launch, logs: &Logs, output: &stdio::Tail) -> io::Result<Started> {
    let (control, control_there) = socket_pair()?;
    let (stdout, stdout_there) = pipe_with(PipeFlags::CLOEXEC)?;
    let (stderr, stderr_there) = pipe_with(PipeFlags::CLOEXEC)?;
    let mut readers = Vec::with_capacity(2);
    for (end, origin) in [(stdout, LogOrigin::Stdout), (stderr, LogOrigin::Stderr)] {
        let end = pipe::Receiver::from_owned_fd(end)?;
        readers.push(tokio::spawn(stdio::read(
            end,
            origin,
            logs.clone(),
            output.clone(),
        )));
    }
    let ends = ZygoteEnds {
        control: control_there,
        stdout: stdout_there,
        stderr: stderr_there,
    };
    let control = UnixStream::from_std(control.into())?;
    // It blocks for about a millisecond, once per boot.
    Ok(launcher
        .launch(ends)
        .map_err(BootFailure::system)
        .map(|process| (Arc::from(process), control, readers)))
}

/// How many bytes may be on their way from one process to the other: with little room, a large body wakes both again and
/// again. Memory is taken only by what is under way, and credit bounds that.
const SEND_BUFFER: usize = 1024 * 1024;

/// A connected pair: the host's end, which doesn't block, and the other, which does.
fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (here, there) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::io::ioctl_fionbio(&here, true)?;
    for end in [&here, &there] {
        // The kernel gives what its own limit allows.
        set_socket_send_buffer_size(end, SEND_BUFFER)?;
    }
    Ok((here, there))
}

/// The zygote's messages.
struct Messages {
    half: OwnedReadHalf,
    reader: FrameReader,
}

impl Messages {
    /// The next message; `None` at the end. An error means that it speaks another language.
    async fn next(&mut self) -> io::Result<Option<FromZygote>> {
        loop {
            if let Some(frame) = self.reader.next_frame().map_err(io::Error::other)? {
                return Ok(Some(decode(&frame).map_err(io::Error::other)?));
            }
            if self.half.read_buf(self.reader.buffer()).await? == 0 {
                return Ok(None);
            }
        }
    }
}
