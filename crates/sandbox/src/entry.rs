//! The new process between `clone` and `execve`.
//!
//! It is a copy of one thread of a multi-threaded host: locks of the other threads (the allocator's
//! among them) may be held for ever. So everything here is prepared by the parent, and this file calls
//! nothing but async-signal-safe functions: no allocation, no formatting, no panic.

use std::ffi::CStr;
use std::os::fd::RawFd;
use std::ptr;

use libc::{c_char, c_int};

/// Where the status pipe lies while the program is not yet running; closed by `execve`.
const STATUS_FD: RawFd = isthmus_protocol::control::CONTROL_FD + 1;

/// All that the new process needs. The descriptors are [`FIRST_FREE_FD`] or above, so that moving one
/// to its place never overwrites another.
pub(crate) struct Plan<'a> {
    pub(crate) program: &'a CStr,
    /// NULL-terminated, like `environment`.
    pub(crate) arguments: &'a [*const c_char],
    pub(crate) environment: &'a [*const c_char],
    pub(crate) folder: &'a CStr,
    pub(crate) stdin: RawFd,
    pub(crate) stdout: RawFd,
    pub(crate) stderr: RawFd,
    pub(crate) control: RawFd,
    /// A failure is written here: one byte for the [`Step`], four for `errno`.
    pub(crate) status: RawFd,
    /// The parent's end of that pipe. Our copy is closed, so that the parent's death can be seen.
    pub(crate) status_reader: RawFd,
    /// Readable once the parent has written the user map, ends if it could not. The second is the
    /// parent's end.
    pub(crate) go: Option<(RawFd, RawFd)>,
}

/// The lowest descriptor that a [`Plan`] may hold.
pub(crate) const FIRST_FREE_FD: RawFd = STATUS_FD + 1;

/// The steps of the new process, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    Session = 1,
    ParentDeath,
    Descriptors,
    Folder,
    Execute,
}

impl Step {
    pub(crate) fn from_byte(byte: u8) -> Option<Step> {
        [
            Step::Session,
            Step::ParentDeath,
            Step::Descriptors,
            Step::Folder,
            Step::Execute,
        ]
        .into_iter()
        .find(|step| *step as u8 == byte)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Step::Session => "new session",
            Step::ParentDeath => "binding its life to the host's",
            Step::Descriptors => "arranging descriptors",
            Step::Folder => "changing to the working folder",
            Step::Execute => "running the program",
        }
    }
}

/// Becomes the program, or reports the failed step and ends.
///
/// # Safety
/// Only in a process just cloned, with all signals blocked. Every pointer and descriptor of the plan is
/// valid, its arrays end with NULL.
pub(crate) unsafe fn run(plan: &Plan<'_>) -> ! {
    // SAFETY: the caller's promise is that of `become_program`; the rest are async-signal-safe calls on
    // a local buffer and on the pipe that the plan names (or its copy, once descriptors are arranged).
    unsafe {
        let (step, status) = become_program(plan);
        let mut report = [step as u8, 0, 0, 0, 0];
        report[1..].copy_from_slice(&(*libc::__errno_location()).to_ne_bytes());
        // If nobody reads any more, nobody wants to know.
        let _ = libc::write(status, report.as_ptr().cast(), report.len());
        libc::_exit(127)
    }
}

/// Answers only on failure: the step, and where to report it; `errno` says why.
unsafe fn become_program(plan: &Plan<'_>) -> (Step, RawFd) {
    // SAFETY: `run`'s caller promises valid pointers and descriptors. Only async-signal-safe calls.
    unsafe {
        libc::close(plan.status_reader);
        if let Some((go, parents_end)) = plan.go {
            libc::close(parents_end);
            let mut byte = 0u8;
            if libc::read(go, ptr::from_mut(&mut byte).cast(), 1) != 1 {
                // The parent knows why: it could not write the user map, or is gone.
                libc::_exit(127);
            }
        }
        // Its own session: a terminal's Ctrl-C reaches the host, which then ends us in order.
        if libc::setsid() == -1 {
            return (Step::Session, plan.status);
        }
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == -1 {
            return (Step::ParentDeath, plan.status);
        }
        // The host may have died before that. `getppid` cannot tell (it is 0 across namespaces); a
        // pipe without a reader can.
        let mut reader = libc::pollfd {
            fd: plan.status,
            events: 0,
            revents: 0,
        };
        if libc::poll(&mut reader, 1, 0) == 1 && reader.revents & libc::POLLERR != 0 {
            libc::_exit(127);
        }
        let places = [
            (plan.stdin, libc::STDIN_FILENO),
            (plan.stdout, libc::STDOUT_FILENO),
            (plan.stderr, libc::STDERR_FILENO),
            (plan.control, isthmus_protocol::control::CONTROL_FD),
        ];
        for (from, to) in places {
            if libc::dup2(from, to) == -1 {
                return (Step::Descriptors, plan.status);
            }
        }
        if libc::dup3(plan.status, STATUS_FD, libc::O_CLOEXEC) == -1 {
            return (Step::Descriptors, plan.status);
        }
        if close_range(FIRST_FREE_FD, RawFd::MAX) == -1 {
            return (Step::Descriptors, STATUS_FD);
        }
        default_signals();
        if libc::chdir(plan.folder.as_ptr()) == -1 {
            return (Step::Folder, STATUS_FD);
        }
        libc::execve(
            plan.program.as_ptr(),
            plan.arguments.as_ptr(),
            plan.environment.as_ptr(),
        );
        (Step::Execute, STATUS_FD)
    }
}

/// Closes the descriptors from `first` to `last`. Async-signal-safe; sets `errno` and answers -1 on failure.
///
/// # Safety
/// No owner of a descriptor in the range may use or close it afterwards.
pub(crate) unsafe fn close_range(first: RawFd, last: RawFd) -> c_int {
    // SAFETY: the system call takes three integers; who owned the descriptors is the caller's promise.
    // glibc's wrapper exists only since 2.34, the call since Linux 5.9.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) as c_int }
}

/// Gives every signal its default disposition and unblocks all.
///
/// # Safety
/// No code of this process may rely on a signal handler that it installed.
pub(crate) unsafe fn default_signals() {
    // The kernel's own call: glibc's refuses the two signals that it keeps to itself, and those may have
    // been inherited as ignored too. An all-zero `struct sigaction` of the kernel is `SIG_DFL` without
    // flags or mask, whatever the order of its fields.
    let default = [0u64; 4];
    let signal_set_bytes = size_of::<u64>();
    // SAFETY: the kernel reads 32 bytes or fewer of `default`; for `SIGKILL` and `SIGSTOP` it refuses, as it
    // may. `sigset_t` is plain data. Nothing else is touched.
    unsafe {
        for signal in 1..=64 {
            let previous = ptr::null_mut::<libc::c_void>();
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                &raw const default,
                previous,
                signal_set_bytes,
            );
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
    }
}
