//! The public entrance: options in, a served Worker until a signal ends it.

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use isthmus_project::Project;
use isthmus_stores::sqlite::{SqliteOptions, SqliteStores, wait_until_closed};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::assets;
use crate::launch::PythonLauncher;
use crate::limits::{self, NetworkLimits, Timeouts};
use crate::logs::{LogLevel, LogSink, Logs};
use crate::network::{AddressPolicy, Network};
use crate::plan::{self, Means, Plan, PlanError};
use crate::server::{Server, Setup};
use crate::shell::{self, NotListening};

/// What to serve, and how.
#[derive(Debug)]
pub struct ServeOptions {
    /// The resolved project.
    pub project: Project,
    /// The address to listen on; port 0 takes a free one.
    pub addr: SocketAddr,
    /// The folder that holds the stores; it is created if need be.
    pub persist_to: PathBuf,
    /// The least grave lines to show.
    pub log_level: LogLevel,
    /// How many isolates to keep, at least one.
    pub isolates: usize,
    /// What outbound requests may reach.
    pub outbound: AddressPolicy,
    /// Whether `/__scheduled` runs the Worker's `scheduled` handler.
    pub test_scheduled: bool,
    /// The Python interpreter that runs the Worker.
    pub python: PathBuf,
}

/// Why serving could not begin or had to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The port could not be bound.
    #[error("cannot listen on {addr}: {source}")]
    Port {
        /// The address that was asked for.
        addr: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The state folder can't be used.
    #[error("{0}")]
    State(String),
    /// The stores could not be opened.
    #[error("cannot open the stores in {}: {reason}", .path.display())]
    Stores {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// An environment variable of Isthmus's has no sensible value.
    #[error("{0}")]
    Environment(String),
    /// The project can't be served as it is.
    #[error("{0}")]
    Project(String),
    /// The operating system refused something that serving needs.
    #[error("cannot start: {0}")]
    System(#[source] io::Error),
}

/// The most connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// How long tasks that hang may hold up the end of the process.
const RUNTIME_WAIT: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT has been handled: no new connections, open requests are finished
/// within a grace period, isolates end. A second signal ends all at once.
///
/// # Errors
/// [`ServeError`] if the port is taken or the stores can't be opened; a Worker that doesn't start is no
/// error here, since it may be mended while the server stays up.
pub fn serve(options: ServeOptions, sink: Arc<dyn LogSink>) -> Result<(), ServeError> {
    let timeouts = Timeouts::from_environment().map_err(ServeError::Environment)?;
    raise_descriptor_limit();
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    // The isolates need at least as much. With a thread for each core they would be woken one on the other's core, which
    // costs 3 µs a request and 10 µs a call of a binding on two cores.
    let threads = (cores / 2).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("isthmus-host")
        .enable_all()
        .build()
        .map_err(ServeError::System)?;
    // Dropped last: what the end of the server has to say is written too.
    let (logs, _log_thread) = Logs::start(options.log_level, sink).map_err(ServeError::System)?;
    let state = options.persist_to.clone();
    let result = runtime.block_on(run(options, logs, timeouts));
    runtime.shutdown_timeout(RUNTIME_WAIT);
    wait_until_closed(&state, RUNTIME_WAIT);
    result
}

async fn run(options: ServeOptions, logs: Logs, timeouts: Timeouts) -> Result<(), ServeError> {
    let addr = options.addr;
    let listener = listen(addr).map_err(|source| ServeError::Port { addr, source })?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::System)?;
    let stores = SqliteStores::open(&options.persist_to, SqliteOptions::default());
    let statement_time = limits::d1_statement_time().map_err(ServeError::Environment)?;
    let stores = stores.map_err(|error| ServeError::State(error.to_string()))?;
    let stores = Arc::new(stores.with_d1_statement_time(statement_time));
    let limits = NetworkLimits::from_environment().map_err(ServeError::Environment)?;
    let request_body_max = limits::request_body_max().map_err(ServeError::Environment)?;
    let cache = limits::cache_from_environment().map_err(ServeError::Environment)?;
    let network = Network::new(options.outbound, limits);
    let assets =
        assets::open(&options.project, &logs).map_err(|error| ServeError::Project(error.to_string()))?;
    let means = Means {
        stores: &stores,
        assets: assets.as_ref(),
        network,
        cache,
        startup: timeouts.startup,
    };
    let Plan {
        spec,
        grants,
        consumers,
        reach,
        unavailable,
    } = plan::plan(&options.project, means).map_err(|error| match error {
        PlanError::Store(error) => ServeError::Stores {
            path: options.persist_to.clone(),
            reason: error.to_string(),
        },
        other => ServeError::Project(other.to_string()),
    })?;
    for message in unavailable {
        logs.host(LogLevel::Error, format_args!("{message}"));
    }
    let commands = take_commands(&options.persist_to, stores, &logs);
    let mut server = Server::start(Setup {
        listener,
        launcher: Arc::new(PythonLauncher {
            python: options.python,
            directory: options.project.root,
        }),
        spec,
        grants,
        assets,
        isolates: options.isolates,
        logs: logs.clone(),
        timeouts,
        request_body_max,
        test_scheduled: options.test_scheduled,
        crons: options.project.crons,
        consumers,
        reach,
    })
    .map_err(ServeError::System)?;
    tokio::select! {
        () = server.booted() => {
            logs.ready(server.addr());
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::select! {
        () = server.stop() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    if let Some(commands) = commands {
        // The socket goes with it.
        commands.abort();
        let _ = commands.await;
    }
    Ok(())
}

/// Takes up commands of the command line; without a socket they open the stores by themselves, which is no reason
/// not to serve.
fn take_commands(state: &Path, stores: Arc<SqliteStores>, logs: &Logs) -> Option<JoinHandle<()>> {
    match shell::listen(state) {
        Ok(listening) => Some(tokio::spawn(shell::serve(listening, stores, logs.clone()))),
        Err(NotListening::Taken(process)) => {
            let process = process.map_or_else(String::new, |process| format!(" (process {process})"));
            logs.host(
                LogLevel::Warn,
                format_args!(
                    "another `isthmus dev`{process} uses the same state, {}: commands such as `isthmus kv` speak to that one",
                    state.display()
                ),
            );
            None
        }
        Err(NotListening::Failed(error)) => {
            logs.host(
                LogLevel::Warn,
                format_args!(
                    "commands such as `isthmus kv` can't reach this server and open the stores by themselves: {error}"
                ),
            );
            None
        }
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // So that a restart need not wait for the kernel to forget old connections.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Each client needs a descriptor, and the usual soft limit of 1024 is for programs that call `select`.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // A refusal leaves the limit as it was.
    let _ = setrlimit(Resource::Nofile, raised);
}
