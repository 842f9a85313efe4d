//! Launching and confining the processes that run user code.
//!
//! A zygote and its isolates come up in stages whose order the kernel dictates:
//!
//! 1. [`launch_zygote`], in the host: a PID namespace of its own, a session of its own, no descriptor
//!    but stdio and the control socket, then `execve`. The zygote is PID 1 of its namespace: its end is
//!    the end of all its isolates, whoever brings it about.
//! 2. [`self_check`], in the zygote: did importing user code leave anything that makes `fork` unsafe?
//! 3. [`settle_isolate`], in each forked child, before it reads its first event.
//!
//! Descriptors travel by [`send_with_fds`] and [`recv_with_fds`]; [`reap`] collects what ended, and
//! [`global_pid`] tells the host which process an isolate is. Nothing here knows Workers or Python.

#![warn(missing_docs)]

mod entry;
mod error;
mod hazards;
mod heap;
mod launch;
mod passing;
mod pids;
mod process;
mod settle;
mod status;

pub use error::SandboxError;
pub use hazards::{Counts, Hazards, counts, self_check};
pub use heap::{keep_freed_memory, tune_heap};
pub use launch::{ZygoteCommand, launch_zygote};
pub use passing::{MAX_PASSED, recv_with_fds, send_with_fds};
pub use pids::global_pid;
pub use process::ZygoteProcess;
pub use settle::settle_isolate;
pub use status::{ExitStatus, reap};
