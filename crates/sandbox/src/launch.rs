//! The first stage, in the host: a process with a PID namespace and a session of its own.
//!
//! A parent-death signal (`PR_SET_PDEATHSIG`) is bound to the *thread* that made the child. Worker
//! threads of an async runtime come and go, so one thread that lives as long as the host launches
//! every zygote; a signal never runs a handler of the host in the child, since that thread blocks all.

use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::ptr;
use std::sync::{OnceLock, mpsc};
use std::thread;

use libc::{c_char, c_int, c_long};
use rustix::process::Pid;

use crate::entry::{self, FIRST_FREE_FD, Plan, Step};
use crate::{SandboxError, ZygoteProcess};

/// What a zygote is started with.
#[derive(Debug)]
pub struct ZygoteCommand {
    /// The program's file; no `PATH` is searched.
    pub program: PathBuf,
    /// The arguments after the program's name.
    pub args: Vec<OsString>,
    /// The whole environment: nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The working folder.
    pub cwd: PathBuf,
    /// The zygote's end of the control socket; it finds it as [`isthmus_protocol::control::CONTROL_FD`].
    pub control: OwnedFd,
    /// Where what it and its isolates print goes.
    pub stdout: OwnedFd,
    /// Where their errors go.
    pub stderr: OwnedFd,
}

/// Starts a zygote and answers once the program runs. Blocks for about a millisecond.
///
/// The zygote is PID 1 of a new PID namespace, made directly with `CAP_SYS_ADMIN` and through a new user
/// namespace (in which the user keeps their own id) otherwise. Where the kernel refuses both, it is a plain
/// process that dies with the host, and [`ZygoteProcess::refusal`] says why. As PID 1 it is immune to every
/// signal that it does not handle, except `SIGKILL` and `SIGSTOP` from outside; a fault still ends it.
///
/// # Errors
/// The step that failed, in the host or in the new process before the program ran.
pub fn launch_zygote(command: ZygoteCommand) -> Result<ZygoteProcess, SandboxError> {
    let gone = || SandboxError::Prepare {
        step: "the launching thread",
        source: io::Error::other("it has ended"),
    };
    let (answer, answered) = mpsc::sync_channel(1);
    launcher()?.send(Job { command, answer }).map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())?
}

struct Job {
    command: ZygoteCommand,
    answer: mpsc::SyncSender<Result<ZygoteProcess, SandboxError>>,
}

/// The way to the launching thread, which is started on first use and never ends.
fn launcher() -> Result<mpsc::Sender<Job>, SandboxError> {
    static LAUNCHER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    if let Some(launcher) = LAUNCHER.get() {
        return Ok(launcher.clone());
    }
    let (jobs, received) = mpsc::channel::<Job>();
    thread::Builder::new()
        .name("zygote-launcher".into())
        .spawn(move || {
            block_all_signals();
            while let Ok(job) = received.recv() {
                // The caller waits for the answer; if it is gone, dropping the zygote ends it.
                let _ = job.answer.send(launch(job.command));
            }
        })
        .map_err(|source| SandboxError::Prepare {
            step: "the launching thread",
            source,
        })?;
    // If another caller was faster, its thread serves us and ours ends with its channel.
    Ok(LAUNCHER.get_or_init(|| jobs).clone())
}

fn block_all_signals() {
    // SAFETY: `sigset_t` is plain data; both calls write only to it and to this thread's mask.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, ptr::null_mut());
    }
}

/// The strings and descriptors of a command in the form that the new process can use.
struct Prepared {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    folder: CString,
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    control: OwnedFd,
}

impl Prepared {
    fn new(command: ZygoteCommand) -> Result<Prepared, SandboxError> {
        let program = c_string(command.program.into_os_string(), "the program's path")?;
        let mut arguments = vec![program.clone()];
        for argument in command.args {
            arguments.push(c_string(argument, "an argument")?);
        }
        let mut environment = Vec::new();
        for (mut entry, value) in command.env {
            entry.push("=");
            entry.push(value);
            environment.push(c_string(entry, "an environment variable")?);
        }
        let null = File::open("/dev/null").map_err(|source| SandboxError::Prepare {
            step: "opening /dev/null",
            source,
        })?;
        Ok(Prepared {
            program,
            arguments,
            environment,
            folder: c_string(command.cwd.into_os_string(), "the working folder")?,
            stdin: out_of_the_way(null.into())?,
            stdout: out_of_the_way(command.stdout)?,
            stderr: out_of_the_way(command.stderr)?,
            control: out_of_the_way(command.control)?,
        })
    }
}

fn c_string(text: OsString, what: &'static str) -> Result<CString, SandboxError> {
    CString::new(text.into_vec()).map_err(|_| SandboxError::Nul { what })
}

/// The descriptor under a number that no descriptor of the new process will have.
fn out_of_the_way(descriptor: OwnedFd) -> Result<OwnedFd, SandboxError> {
    if descriptor.as_raw_fd() >= FIRST_FREE_FD {
        return Ok(descriptor);
    }
    rustix::io::fcntl_dupfd_cloexec(descriptor, FIRST_FREE_FD).map_err(|error| SandboxError::Prepare {
        step: "moving a descriptor",
        source: error.into(),
    })
}

fn null_terminated(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([ptr::null()])
        .collect()
}

fn launch(command: ZygoteCommand) -> Result<ZygoteProcess, SandboxError> {
    let prepared = Prepared::new(command)?;
    let direct = match attempt(&prepared, libc::CLONE_NEWPID)? {
        Attempt::Running(process) => return Ok(process),
        Attempt::Refused(reason) => reason,
    };
    let through_user = match attempt(&prepared, libc::CLONE_NEWPID | libc::CLONE_NEWUSER)? {
        Attempt::Running(process) => return Ok(process),
        Attempt::Refused(reason) => reason,
    };
    match attempt(&prepared, 0)? {
        Attempt::Running(process) => Ok(process.without_namespace(format!(
            "no PID namespace: {direct}; with a user namespace: {through_user}"
        ))),
        Attempt::Refused(source) => Err(SandboxError::Prepare {
            step: "making a process",
            source,
        }),
    }
}

enum Attempt {
    Running(ZygoteProcess),
    /// The kernel makes no process with these namespaces for us.
    Refused(io::Error),
}

/// One try, with the given `CLONE_NEW…` flags.
fn attempt(prepared: &Prepared, namespaces: c_int) -> Result<Attempt, SandboxError> {
    let (mut status, status_writer) = pipe()?;
    // With a user namespace the child must not go on before its ids are mapped.
    let go = if namespaces & libc::CLONE_NEWUSER != 0 {
        Some(pipe()?)
    } else {
        None
    };
    let arguments = null_terminated(&prepared.arguments);
    let environment = null_terminated(&prepared.environment);
    let plan = Plan {
        program: &prepared.program,
        arguments: &arguments,
        environment: &environment,
        folder: &prepared.folder,
        stdin: prepared.stdin.as_raw_fd(),
        stdout: prepared.stdout.as_raw_fd(),
        stderr: prepared.stderr.as_raw_fd(),
        control: prepared.control.as_raw_fd(),
        status: status_writer.as_raw_fd(),
        status_reader: status.as_raw_fd(),
        go: go
            .as_ref()
            .map(|(reader, writer)| (reader.as_raw_fd(), writer.as_raw_fd())),
    };
    // SAFETY: this thread blocks all signals; the plan's strings and descriptors live in `prepared`, its
    // pipes and arrays in this function, all past the call.
    let process = match unsafe { clone_process(namespaces, &plan) } {
        Ok(process) => process,
        Err(error) => return Ok(Attempt::Refused(error)),
    };
    // Our copy: while it is open the pipe does not end.
    drop(status_writer);
    if let Some((_, mut writer)) = go
        && let Err(error) = map_user(process.pid()).and_then(|()| writer.write_all(b"1"))
    {
        return Ok(Attempt::Refused(error));
    }
    // `execve` closes the child's end of the pipe; a report says that it was not reached.
    let mut report = Vec::new();
    status
        .read_to_end(&mut report)
        .map_err(|source| SandboxError::Prepare {
            step: "reading the new process's status",
            source,
        })?;
    match report.split_first_chunk::<1>() {
        None => Ok(Attempt::Running(process)),
        Some(([step], errno)) => Err(SandboxError::Child {
            step: Step::from_byte(*step).map_or("an unknown step", Step::name),
            source: errno.first_chunk().map_or_else(
                || io::ErrorKind::Other.into(),
                |errno| io::Error::from_raw_os_error(i32::from_ne_bytes(*errno)),
            ),
        }),
    }
}

/// A pipe, both ends out of the way of the new process's descriptors and closed on `execve`.
fn pipe() -> Result<(File, File), SandboxError> {
    let (reader, writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| SandboxError::Prepare {
            step: "making a pipe",
            source: error.into(),
        })?;
    Ok((out_of_the_way(reader)?.into(), out_of_the_way(writer)?.into()))
}

/// Makes a process that follows the plan.
///
/// # Safety
/// This thread blocks all signals, and the plan's pointers and descriptors are valid.
unsafe fn clone_process(namespaces: c_int, plan: &Plan<'_>) -> io::Result<ZygoteProcess> {
    let flags = namespaces | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut pidfd: RawFd = -1;
    let null = ptr::null_mut::<libc::c_void>();
    // SAFETY: without `CLONE_VM` and with no stack this is `fork`: the child goes on here, in its own copy
    // of the memory. The kernel writes the pidfd to a live `RawFd`. The last two arguments, whose order
    // differs between architectures, are unused without their flags.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            c_long::from(flags),
            null,
            &raw mut pidfd,
            null,
            null,
        )
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: just cloned; the rest is the caller's promise.
        0 => unsafe { entry::run(plan) },
        pid => {
            // SAFETY: the kernel has just made this descriptor for us.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            Ok(ZygoteProcess::new(pid.ok_or(io::ErrorKind::InvalidData)?, pidfd))
        }
    }
}

/// Gives the process in its new user namespace the ids that we have, and no others.
fn map_user(pid: i32) -> io::Result<()> {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    // Without this an unprivileged process may not write a group map.
    fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
    fs::write(format!("/proc/{pid}/uid_map"), format!("{user} {user} 1"))?;
    fs::write(format!("/proc/{pid}/gid_map"), format!("{group} {group} 1"))
}
