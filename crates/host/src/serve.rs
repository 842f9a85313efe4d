//! The public entrance: options in, a served Worker until a signal ends it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use isthmus_project::Project;

use crate::logs::{LogLevel, LogSink};

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
    /// The stores could not be opened.
    #[error("cannot open the stores in {}: {reason}", .path.display())]
    Stores {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The project can't be served as it is.
    #[error("{0}")]
    Project(String),
    /// The operating system refused something that serving needs.
    #[error("cannot start: {0}")]
    System(#[source] io::Error),
}

/// Serves until SIGTERM or SIGINT has been handled: no new connections, open requests are finished
/// within a grace period, isolates end. A second signal ends all at once.
///
/// # Errors
/// [`ServeError`] if the port is taken or the stores can't be opened; a Worker that doesn't start is no
/// error here, since it may be mended while the server stays up.
pub fn serve(options: ServeOptions, sink: Arc<dyn LogSink>) -> Result<(), ServeError> {
    let _ = (options, sink);
    Err(ServeError::System(io::ErrorKind::Unsupported.into()))
}
