//! A command's way to the stores.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use isthmus_protocol::flow::INLINE_MAX;
use isthmus_protocol::shell::{Hello, Resource, Welcome};
use isthmus_protocol::{Body, Call, ChannelId, FailureKind, Frame, Open, Operation, decode, encode};
use isthmus_stores::Durability;
use isthmus_stores::WHAT_TO_DO;
use isthmus_stores::sqlite::{SqliteOptions, SqliteStores, wait_until_closed};
use isthmus_stores::state::StateError;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::answer::Answer;
use super::link::{Link, OpenCall};
use super::serve::{VERSION, serve_connection};
use super::socket;
use crate::isolate::Frames;
use crate::limits::d1_statement_time;
use crate::logs::{LogLevel, Logs, Nowhere};

/// How long a running `dev` may take to answer the first frame.
const WELCOME_WAIT: Duration = Duration::from_secs(10);

/// How long the stores may take to be closed at the end.
const CLOSE_WAIT: Duration = Duration::from_secs(30);
/// How long their databases may take after that to get what is in their logs.
const LOGS_WAIT: Duration = Duration::from_secs(5);

/// A connection to the stores of a state folder: those of the `isthmus dev` that runs there or, if none does, opened in
/// this process.
pub struct StoresClient {
    /// `None` only while dropped.
    runtime: Option<Runtime>,
    link: Arc<Link>,
    /// The stores of this process.
    here: Option<JoinHandle<()>>,
    /// The folder of the stores.
    folder: PathBuf,
    /// The folder in place of the state folder, if what was asked for isn't there and isn't to be made.
    _stand_in: Option<TempDir>,
    existed: bool,
    /// Where the file of each resource is, if it has one.
    places: Vec<Option<PathBuf>>,
}

/// What a command means to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read, or to remove what is there: a store that doesn't exist is an empty one, and nothing is made.
    Existing,
    /// To write: what doesn't exist is made.
    Make,
}

/// Why the stores can't be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Something listens in the state folder, but can't be connected to.
    #[error("the `isthmus dev` that uses {} can't be reached: {source}", path.display())]
    Unreachable {
        /// The state folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A running `dev` doesn't answer.
    #[error("the `isthmus dev` that uses {} doesn't answer", path.display())]
    NoAnswer {
        /// The state folder.
        path: PathBuf,
    },
    /// The running `dev` is another version of Isthmus.
    #[error(
        "the `isthmus dev` that runs is Isthmus {theirs}, but this is {VERSION}: use the same, or end it first"
    )]
    OtherVersion {
        /// Its version.
        theirs: String,
    },
    /// A store can't be opened.
    #[error("{0}")]
    Refused(String),
    /// The state folder can't be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A variable of the environment can't be understood.
    #[error("{0}")]
    Environment(String),
    /// The operating system refused something.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The store says so; the message is the one a Worker would see.
    #[error("{message}")]
    Failed {
        /// Whose fault it is.
        kind: FailureKind,
        /// Why.
        message: String,
    },
    /// The connection or the body of the answer broke off.
    #[error("the connection to the stores broke off: {0}")]
    Broken(String),
    /// The body to send can't be read.
    #[error("{0}")]
    Unreadable(io::Error),
}

/// The body that goes with a call.
#[derive(Default)]
pub enum Upload {
    /// There is none.
    #[default]
    None,
    /// These bytes.
    Bytes(Bytes),
    /// What a reader gives, read on a thread that may block.
    Reader {
        /// The reader.
        reader: Box<dyn Read + Send>,
        /// How many bytes it will give, where known.
        length: Option<u64>,
    },
}

impl StoresClient {
    /// Connects; `resources[n]` is then reached through [`Self::call`] with `n`. Stores in this process live in `state`,
    /// which is made if need be and `access` allows it.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn connect(state: &Path, resources: &[Resource<'_>], access: Access) -> Result<Self, ConnectError> {
        // What can't be looked for is told when it is opened.
        let there = |resource| SqliteStores::has(state, resource).unwrap_or(true);
        let existed = resources.iter().all(there);
        // What can't be made is refused there too.
        let is_nameless = |resource: &Resource<'_>| {
            *resource != Resource::State && SqliteStores::path_of(state, resource).is_none()
        };
        let stays_away = (access == Access::Existing && !existed) || resources.iter().any(is_nameless);
        let stand_in = stays_away.then(TempDir::new).transpose()?;
        let folder = stand_in.as_ref().map_or(state, TempDir::path);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("isthmus-stores")
            .enable_all()
            .build()?;
        let connected = if stand_in.is_some() {
            Ok(None)
        } else {
            socket::connect(state)
        };
        let connected = connected.map_err(|source| ConnectError::Unreachable {
            path: state.to_owned(),
            source,
        })?;
        let (connection, here) = {
            let _context = runtime.enter();
            match connected {
                Some(connection) => {
                    connection.set_nonblocking(true)?;
                    (UnixStream::from_std(connection)?, None)
                }
                None => {
                    let (ours, theirs) = UnixStream::pair()?;
                    let statement_time = d1_statement_time().map_err(ConnectError::Environment)?;
                    let options = SqliteOptions {
                        durability: if stand_in.is_some() {
                            Durability::Process
                        } else {
                            Durability::default()
                        },
                        ..SqliteOptions::default()
                    };
                    let stores = SqliteStores::open(folder, options)?.with_d1_statement_time(statement_time);
                    let (logs, _log_thread) = Logs::start(LogLevel::None, Arc::new(Nowhere))?;
                    let served = serve_connection(theirs, Arc::new(stores), logs);
                    (ours, Some(runtime.spawn(served)))
                }
            }
        };
        // Stores of this process may take long to open: a crashed writer's log is read.
        let wait = if here.is_some() {
            Duration::MAX
        } else {
            WELCOME_WAIT
        };
        let (frames, writing) = runtime.block_on(greet(connection.into_split(), state, resources, wait))?;
        let link = Arc::new(Link::default());
        runtime.spawn({
            let link = link.clone();
            async move { link.read(frames).await }
        });
        runtime.spawn({
            let link = link.clone();
            // Why it broke is what the reading side hears.
            async move { drop(link.write(writing).await) }
        });
        let places = resources
            .iter()
            .map(|resource| SqliteStores::path_of(folder, resource))
            .collect();
        Ok(Self {
            runtime: Some(runtime),
            link,
            here,
            folder: folder.to_owned(),
            _stand_in: stand_in,
            existed,
            places,
        })
    }

    /// Whether a running `isthmus dev` serves the stores.
    pub fn is_served_by_dev(&self) -> bool {
        self.here.is_none()
    }

    /// Whether all that was asked for was there before.
    pub fn existed(&self) -> bool {
        self.existed
    }

    /// Runs a future that makes calls, to its end. Not from within such a future.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        match &self.runtime {
            Some(runtime) => runtime.block_on(future),
            None => unreachable!("the runtime is there until the client is dropped"),
        }
    }

    /// Does an operation on the resource with this index. Many may be under way at once.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(
        &self,
        resource: usize,
        operation: Operation<'_>,
        upload: Upload,
    ) -> Result<Answer, CallError> {
        let mut call = self.link.begin()?;
        let body = match &upload {
            Upload::None => Body::None,
            Upload::Bytes(bytes) if bytes.len() <= INLINE_MAX => Body::Inline(bytes),
            Upload::Bytes(bytes) => Body::Stream {
                length: Some(bytes.len() as u64),
            },
            Upload::Reader { length, .. } => Body::Stream { length: *length },
        };
        let opened = call.outgoing().send(&Frame::Open {
            stream: call.stream,
            open: Open::Call(Call {
                channel: ChannelId(resource as u32),
                event: None,
                operation,
            }),
            body: body.clone(),
        });
        if let Err(error) = opened {
            call.over = true;
            return Err(CallError::Broken(error.to_string()));
        }
        if matches!(body, Body::Stream { .. }) {
            send_body(&call, upload).await?;
        }
        let frame = call.arrival().await?;
        Answer::new(call, frame).map_err(|error| match (error, self.places.get(resource)) {
            (
                CallError::Failed {
                    kind: kind @ FailureKind::Internal,
                    message,
                },
                Some(Some(place)),
            ) => CallError::Failed {
                kind,
                message: format!("{message}\nThe file is {}. {WHAT_TO_DO}.", place.display()),
            },
            (error, _) => error,
        })
    }
}

impl Drop for StoresClient {
    fn drop(&mut self) {
        // The writing task ends, and with it the half of the connection that the host reads.
        self.link.outgoing.close();
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        if let Some(here) = self.here.take() {
            // Whatever still hangs then ends with the process.
            let _ = runtime.block_on(async { timeout(CLOSE_WAIT, here).await });
            // A thread that writes a database may hold its last handle.
            wait_until_closed(&self.folder, LOGS_WAIT);
        }
        // A reader may be waiting for a terminal.
        runtime.shutdown_background();
    }
}

/// Says what is wanted, and hears whether it is granted.
async fn greet(
    (reading, mut writing): (OwnedReadHalf, OwnedWriteHalf),
    state: &Path,
    resources: &[Resource<'_>],
    wait: Duration,
) -> Result<(Frames, OwnedWriteHalf), ConnectError> {
    let no_answer = || ConnectError::NoAnswer {
        path: state.to_owned(),
    };
    let mut hello = Vec::new();
    let resources = resources.to_vec();
    encode(
        &Hello {
            version: VERSION,
            resources,
        },
        &mut hello,
    )
    .map_err(|error| ConnectError::Refused(error.to_string()))?;
    writing.write_all(&hello).await.map_err(|_| no_answer())?;
    let mut frames = Frames::new(reading);
    let Ok(Ok(Some(welcome))) = timeout(wait, frames.next()).await else {
        return Err(no_answer());
    };
    match decode::<Welcome<'_>>(&welcome) {
        Ok(Welcome::Granted) => Ok((frames, writing)),
        Ok(Welcome::Refused(reason)) => Err(ConnectError::Refused(reason.to_owned())),
        Ok(Welcome::OtherVersion(theirs)) => Err(ConnectError::OtherVersion {
            theirs: theirs.to_owned(),
        }),
        Err(_) => Err(no_answer()),
    }
}

/// Sends the body of a call, until its end or until the host wants no more of it.
async fn send_body(call: &OpenCall, upload: Upload) -> Result<(), CallError> {
    let (stream, flow) = (call.stream, &call.upload);
    let mut source = Source::of(upload);
    loop {
        call.outgoing().room().await;
        let Some(length) = flow.next_chunk().await else {
            return Ok(());
        };
        let chunk = tokio::select! {
            chunk = source.next(length) => chunk.map_err(CallError::Unreadable)?,
            () = flow.stopped() => return Ok(()),
        };
        if chunk.is_empty() {
            call.send_short(&Frame::End { stream, error: None });
            return Ok(());
        }
        flow.sent(chunk.len());
        call.send_short(&Frame::Data {
            stream,
            chunk: &chunk,
        });
    }
}

/// What is left of a body to send.
enum Source {
    Bytes(Bytes),
    /// `None` while a thread reads, and after the end.
    Reader(Option<Box<dyn Read + Send>>),
}

impl Source {
    fn of(upload: Upload) -> Self {
        match upload {
            Upload::None => Self::Bytes(Bytes::new()),
            Upload::Bytes(bytes) => Self::Bytes(bytes),
            Upload::Reader { reader, .. } => Self::Reader(Some(reader)),
        }
    }

    /// The next piece, of at most `max` bytes; empty at the end.
    async fn next(&mut self, max: usize) -> io::Result<Bytes> {
        let reader = match self {
            Self::Bytes(bytes) => return Ok(bytes.split_to(max.min(bytes.len()))),
            Self::Reader(reader) => reader,
        };
        let Some(mut lent) = reader.take() else {
            return Ok(Bytes::new());
        };
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = Vec::with_capacity(max);
            let read = lent.by_ref().take(max as u64).read_to_end(&mut piece);
            read.map(|_| (lent, piece))
        });
        let (lent, piece) = read.await.map_err(io::Error::other)??;
        if !piece.is_empty() {
            *reader = Some(lent);
        }
        Ok(piece.into())
    }
}
