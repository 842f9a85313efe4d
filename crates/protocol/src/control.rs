//! The control connection between the host and a zygote. Not hot: the types own their data.
//!
//! The host starts a zygote with the control socket as [`CONTROL_FD`] and sends [`ToZygote::Boot`].
//! The zygote imports the Worker and answers [`FromZygote::Booted`] or [`FromZygote::Failed`]; after
//! that the host may send [`ToZygote::Fork`] as often as it likes. A descriptor pair (events, broker)
//! goes with each `Fork` as one `SCM_RIGHTS` message on the frame's last byte.

use serde::{Deserialize, Serialize};

use crate::{ChannelId, FailureKind, queue};

/// The descriptor under which a zygote finds its control socket.
pub const CONTROL_FD: i32 = 3;

/// What the host tells a zygote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToZygote {
    /// The Worker to import. Sent once, first.
    Boot(Box<IsolateSpec>),
    /// Fork an isolate; two descriptors go with it: events, then broker.
    Fork {
        /// The host's name for the isolate, used in answers.
        isolate: u32,
    },
}

/// What a zygote tells the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromZygote {
    /// The Worker is imported (unless `fresh`) and isolates can be forked.
    Booted {
        /// Handlers and classes the Worker exports, for the host's routing and its log.
        entrypoints: Vec<String>,
        /// What an import left behind that makes a warm fork unsafe, in plain words with the import to
        /// blame; empty if nothing. The host then boots another zygote with [`IsolateSpec::fresh`].
        fork_hazards: Vec<String>,
    },
    /// The Worker could not be imported. The zygote ends.
    Failed {
        /// Whose fault it is.
        kind: FailureKind,
        /// The class of the error.
        name: String,
        /// The message.
        message: String,
        /// The traceback.
        trace: String,
    },
    /// An isolate was forked.
    Forked {
        /// The host's name for it.
        isolate: u32,
        /// Its process id as the zygote sees it (inside the zygote's PID namespace).
        pid: i32,
    },
    /// Forking failed.
    ForkFailed {
        /// The host's name for it.
        isolate: u32,
        /// Why.
        error: String,
    },
    /// An isolate ended and was reaped.
    Exited {
        /// The host's name for it.
        isolate: u32,
        /// In plain words: `exit code 1`, `signal 9 (SIGKILL)`.
        status: String,
    },
}

/// All that an isolate may know of its Worker: names, channel numbers and plain values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IsolateSpec {
    /// The Worker's name.
    pub name: String,
    /// The main module's file, absolute.
    pub main: String,
    /// The folder of the main module: the root of the Worker's modules.
    pub module_root: String,
    /// `python_modules/` beside the configuration, if it exists.
    pub python_modules: Option<String>,
    /// Compatibility flags by the name that enables them.
    pub flags: Vec<(String, bool)>,
    /// `env`: name and value, in the order of the configuration.
    pub bindings: Vec<(String, Binding)>,
    /// Import the Worker in each isolate after the fork, not in the zygote.
    pub fresh: bool,
    /// How long the import may take, in milliseconds. The host ends the zygote after it; the zygote
    /// itself reports the place where the import hangs shortly before.
    pub startup_timeout_ms: u64,
}

/// One entry of `env`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Binding {
    /// A string: a `var` or a secret.
    Text(String),
    /// A `var` of another type, as JSON.
    Json(String),
    /// A KV namespace.
    Kv(ChannelId),
    /// A D1 database.
    D1(ChannelId),
    /// A queue to send to.
    Queue {
        /// The capability.
        channel: ChannelId,
        /// How bodies are encoded of which nothing is said.
        default_type: queue::ContentType,
    },
    /// An R2 bucket.
    R2(ChannelId),
    /// What answers requests, such as the static assets.
    Fetcher(ChannelId),
    /// A rate limit.
    RateLimit(ChannelId),
    /// A secret of a Secrets Store.
    Secret(ChannelId),
}
