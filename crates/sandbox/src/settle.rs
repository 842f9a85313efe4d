//! The last stages, in each freshly forked isolate, before it reads its first event.
//!
//! The order is dictated by the kernel. A stage that has no policy yet is not in the list; where each
//! will stand:
//!
//! | | stage | why here |
//! |---|---|---|
//! | ✓ | descriptors, life, signals | whatever user code left at import is gone before anything else |
//! | | private `/tmp` | after Landlock no mount is possible |
//! | ✓ | no new privileges | Landlock and seccomp ask for it |
//! | | Landlock | |
//! | | capabilities dropped | the mount above needs them |
//! | | strict system call filter | the stages above make calls that it forbids |

use std::io;
use std::os::fd::RawFd;

use crate::SandboxError;
use crate::entry::{close_range, default_signals};

struct Stage {
    name: &'static str,
    run: fn(&[RawFd; 2]) -> io::Result<()>,
}

const STAGES: &[Stage] = &[
    Stage {
        name: "closing descriptors",
        run: close_descriptors,
    },
    Stage {
        name: "binding its life to the zygote's",
        run: die_with_parent,
    },
    Stage {
        name: "resetting signals",
        run: reset_signals,
    },
    Stage {
        name: "no new privileges",
        run: no_new_privileges,
    },
];

/// Confines the calling process, a child that the zygote has just forked: it keeps stdio and the two
/// descriptors, dies with the zygote, has every signal at its default (but `SIGINT` and `SIGPIPE`
/// ignored) and can gain no privileges.
///
/// Descriptors are closed by number. Whoever owns one that is not kept (the control socket among them) must
/// have forgotten it, or must never use or close it again.
///
/// # Errors
/// The stage that failed. The process is then not confined and must end.
pub fn settle_isolate(keep: [RawFd; 2]) -> Result<(), SandboxError> {
    for stage in STAGES {
        (stage.run)(&keep).map_err(|source| SandboxError::Stage {
            stage: stage.name,
            source,
        })?;
    }
    Ok(())
}

fn close_descriptors(keep: &[RawFd; 2]) -> io::Result<()> {
    let mut keep = *keep;
    keep.sort_unstable();
    let mut first = libc::STDERR_FILENO + 1;
    for (last, next) in keep
        .map(|kept| (kept - 1, kept + 1))
        .into_iter()
        .chain([(RawFd::MAX, 0)])
    {
        // SAFETY: the caller of `settle_isolate` vouches that no owner of these acts on them again.
        if first <= last && unsafe { close_range(first, last) } == -1 {
            return Err(io::Error::last_os_error());
        }
        first = first.max(next);
    }
    Ok(())
}

/// In a namespace of its own the zygote's end ends us anyway; elsewhere this signal does. Should the
/// zygote have died just before this call, the end of the events connection ends us.
fn die_with_parent(_: &[RawFd; 2]) -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(
        rustix::process::Signal::KILL,
    ))?)
}

fn reset_signals(_: &[RawFd; 2]) -> io::Result<()> {
    // SAFETY: an isolate begins here: handlers that imports installed are meant to be lost, and the event
    // loop installs its own afterwards. `signal` with `SIG_IGN` touches nothing else.
    unsafe {
        default_signals();
        for ignored in [libc::SIGINT, libc::SIGPIPE] {
            if libc::signal(ignored, libc::SIG_IGN) == libc::SIG_ERR {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

fn no_new_privileges(_: &[RawFd; 2]) -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}
