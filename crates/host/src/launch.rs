//! Where zygotes come from: the sandbox in production, threads in the tests.

use std::ffi::OsString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use isthmus_sandbox::{ZygoteCommand, ZygoteProcess, global_pid, launch_zygote, tune_heap};

/// The zygote's ends of what connects it with the host.
pub(crate) struct ZygoteEnds {
    /// The control socket.
    pub(crate) control: OwnedFd,
    /// Standard output, also of all isolates.
    pub(crate) stdout: OwnedFd,
    /// Standard error, likewise.
    pub(crate) stderr: OwnedFd,
}

/// Starts zygotes.
pub(crate) trait Launch: Send + Sync + 'static {
    /// Starts one.
    ///
    /// # Errors
    /// A sentence that says what failed.
    fn launch(&self, ends: ZygoteEnds) -> Result<Box<dyn Process>, String>;
}

/// A started zygote. Dropping it kills it and waits for its end.
pub(crate) trait Process: Send + Sync {
    /// Becomes readable when it ended; `None` if only its control socket tells.
    fn pidfd(&self) -> Option<BorrowedFd<'_>>;
    /// How it ended, in plain words, if it did and that is known.
    fn status(&self) -> Option<String>;
    /// Ends it and, where it has its own PID namespace, its isolates.
    fn kill(&self);
    /// The process id, as the host sees it, of the isolate that the zygote knows as `inner`.
    fn global_pid(&self, inner: i32) -> Option<i32>;
    /// Why it has no PID namespace of its own, if it hasn't.
    fn refusal(&self) -> Option<&str>;
}

/// Zygotes of a Python interpreter.
pub(crate) struct PythonLauncher {
    /// The interpreter.
    pub(crate) python: PathBuf,
    /// The working directory of the Worker.
    pub(crate) directory: PathBuf,
}

impl Launch for PythonLauncher {
    fn launch(&self, ends: ZygoteEnds) -> Result<Box<dyn Process>, String> {
        let mut env = std::env::vars_os().collect();
        tune_heap(&mut env);
        let command = ZygoteCommand {
            program: self.python.clone(),
            args: ["-m", "isthmus", "zygote"].map(OsString::from).into(),
            env,
            cwd: self.directory.clone(),
            control: ends.control,
            stdout: ends.stdout,
            stderr: ends.stderr,
        };
        let process = launch_zygote(command)
            .map_err(|error| format!("{} can't be started: {error}", self.python.display()))?;
        Ok(Box::new(process))
    }
}

impl Process for ZygoteProcess {
    fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.pidfd())
    }

    fn status(&self) -> Option<String> {
        self.try_wait().map(|status| status.to_string())
    }

    fn kill(&self) {
        self.kill();
    }

    fn global_pid(&self, inner: i32) -> Option<i32> {
        global_pid(self.pid(), inner)
    }

    fn refusal(&self) -> Option<&str> {
        self.refusal()
    }
}
