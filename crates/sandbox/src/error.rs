//! What can go wrong, named by the step that failed.

use std::io;

/// A process could not be launched or confined.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A program, argument, environment entry or folder holds a NUL byte.
    #[error("cannot start the zygote: {what} contains a NUL byte")]
    Nul {
        /// Which of them.
        what: &'static str,
    },
    /// The host could not prepare what the zygote needs.
    #[error("cannot start the zygote: {step}: {source}")]
    Prepare {
        /// What was being prepared.
        step: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The new process failed before it ran the program.
    #[error("cannot start the zygote: {step}: {source}")]
    Child {
        /// The step that failed in the new process.
        step: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A stage of confining an isolate failed. The isolate must end: it is not confined.
    #[error("cannot confine the isolate: {stage}: {source}")]
    Stage {
        /// The stage.
        stage: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}
