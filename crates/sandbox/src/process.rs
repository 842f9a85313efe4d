//! The host's handle on a zygote.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

use rustix::process::{Pid, Signal, WaitOptions, pidfd_send_signal, waitpid};

use crate::ExitStatus;

/// A running (or ended) zygote. Dropping it kills the zygote, and with it its isolates, and waits the
/// moment until the kernel has ended them all.
#[derive(Debug)]
pub struct ZygoteProcess {
    pid: Pid,
    pidfd: OwnedFd,
    refusal: Option<String>,
    /// Set once the process is reaped; from then on its id may belong to another.
    ended: Mutex<Option<ExitStatus>>,
}

impl ZygoteProcess {
    pub(crate) fn new(pid: Pid, pidfd: OwnedFd) -> Self {
        ZygoteProcess {
            pid,
            pidfd,
            refusal: None,
            ended: Mutex::new(None),
        }
    }

    pub(crate) fn without_namespace(mut self, refusal: String) -> Self {
        self.refusal = Some(refusal);
        self
    }

    /// Its process id in the host's namespace.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// A descriptor that becomes readable when it ends.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Whether it has a PID namespace of its own.
    pub fn namespaced(&self) -> bool {
        self.refusal.is_none()
    }

    /// Why it has no PID namespace, in words for the log.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Kills it with `SIGKILL`, and with it its isolates. Does nothing if it has ended.
    ///
    /// No other signal is worth sending: the kernel discards one that PID 1 of a namespace does not
    /// handle, and a zygote handles none.
    pub fn kill(&self) {
        // Fails only if the process has ended (`ESRCH`), which is what the caller wants.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// How it ended, or `None` while it runs. Reaps it; does not wait.
    pub fn try_wait(&self) -> Option<ExitStatus> {
        self.collect(WaitOptions::NOHANG)
    }

    /// Waits until it ends.
    pub fn wait(&self) -> Option<ExitStatus> {
        self.collect(WaitOptions::empty())
    }

    fn collect(&self, options: WaitOptions) -> Option<ExitStatus> {
        let mut ended = self
            .ended
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        while ended.is_none() {
            match waitpid(Some(self.pid), options) {
                Ok(Some((_, status))) => *ended = Some(ExitStatus::from_wait(status)),
                Err(error) if io::Error::from(error).kind() == io::ErrorKind::Interrupted => {}
                // Still running; or `ECHILD`: somebody else reaped it, and its status is lost.
                Ok(None) | Err(_) => break,
            }
        }
        *ended
    }
}

impl Drop for ZygoteProcess {
    fn drop(&mut self) {
        if self.try_wait().is_none() {
            self.kill();
            self.wait();
        }
    }
}
