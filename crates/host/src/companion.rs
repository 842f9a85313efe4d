//! The host of a program in plain CPython: outbound `fetch`, and nothing else.
//!
//! The program runs with its user's own rights, so it may reach whatever its user can.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use crate::broker::{Broker, GrantTable};
use crate::isolate::Frames;
use crate::limits::NetworkLimits;
use crate::logs::{LogLevel, Logs, Nowhere};
use crate::network::{AddressPolicy, Network};
use crate::serve::raise_descriptor_limit;

/// Serves the calls that come through `connection` until it is closed, or until the process `program` has ended.
///
/// # Errors
/// What the operating system says to the connection, or an environment variable of Isthmus's that has no sensible value.
pub fn accompany(connection: OwnedFd, program: i32) -> io::Result<()> {
    raise_descriptor_limit();
    let limits = NetworkLimits::from_environment().map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        let connection = StdUnixStream::from(connection);
        connection.set_nonblocking(true)?;
        let (reading, writing) = UnixStream::from_std(connection)?.into_split();
        let (logs, _log_thread) = Logs::start(LogLevel::None, Arc::new(Nowhere))?;
        let grants = GrantTable::new(Network::new(AddressPolicy::Any, limits), None);
        let broker = Arc::new(Broker::new(Arc::new(grants), logs, None));
        // A descriptor of the connection may live on in a process that the program forked without Python's knowing.
        tokio::select! {
            served = broker.serve(Frames::new(reading)) => served.map_err(|reason| io::Error::other(reason.to_string())),
            written = broker.outgoing().write_to(writing.as_ref()) => written,
            () = ended(program) => Ok(()),
        }
    });
    runtime.shutdown_background();
    match served {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        served => served,
    }
}

/// Ends once a process has.
async fn ended(process: i32) {
    let opened = Pid::from_raw(process).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
    if let Some(Err(rustix::io::Errno::SRCH)) = opened {
        return;
    }
    #[expect(
        deprecated,
        reason = "its successor is unsafe; an owned descriptor is what that asks for"
    )]
    let watched = opened
        .and_then(Result::ok)
        .and_then(|pidfd| AsyncFd::with_interest(pidfd, Interest::READABLE).ok());
    match watched {
        Some(pidfd) => drop(pidfd.readable().await),
        // Where the kernel can't watch it, the end of the connection tells.
        None => std::future::pending().await,
    }
}
