//! `isthmus queues …`, with wrangler's words.

use clap::{Args, Subcommand, ValueEnum};
use isthmus_host::shell::queue::ContentType;

use super::state::StateArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum QueuesCommand {
    /// List the queues that the project names or the state folder holds.
    List(QueuesListArguments),
    /// Show what is in a queue and who gets it.
    Info(QueueArguments),
    /// Send a message.
    Send(QueuesSendArguments),
    /// Change how a queue is kept.
    Update(QueuesUpdateArguments),
    /// Remove all messages of a queue.
    Purge(QueuesPurgeArguments),
    /// Stop the delivery of a queue's messages; sending goes on.
    #[command(alias = "pause-delivery")]
    Pause(QueueArguments),
    /// Deliver again.
    #[command(alias = "resume-delivery")]
    Resume(QueueArguments),
}

#[derive(Debug, Args)]
pub(crate) struct QueuesListArguments {
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

/// Which queue.
#[derive(Debug, Args)]
pub(crate) struct QueueArguments {
    /// The queue's name.
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct QueuesSendArguments {
    /// The body; `-` takes it from standard input.
    #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) message: String,

    /// How the body is to be read.
    #[arg(long, value_name = "TYPE", default_value = "text")]
    pub(crate) content_type: QueueContentType,

    /// How long the message waits, in seconds.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) delay_secs: Option<i32>,

    #[command(flatten)]
    pub(crate) queue: QueueArguments,
}

#[derive(Debug, Args)]
pub(crate) struct QueuesUpdateArguments {
    /// How long messages are kept, in seconds: from 60 to 1209600.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) message_retention_period_secs: u32,

    #[command(flatten)]
    pub(crate) queue: QueueArguments,
}

#[derive(Debug, Args)]
pub(crate) struct QueuesPurgeArguments {
    /// Don't ask.
    #[arg(long, short)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) queue: QueueArguments,
}

/// The encodings that a shell can produce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueueContentType {
    /// A string.
    Text,
    /// JSON.
    Json,
    /// Bytes as they are.
    Bytes,
}

impl From<QueueContentType> for ContentType {
    fn from(content_type: QueueContentType) -> Self {
        match content_type {
            QueueContentType::Text => Self::Text,
            QueueContentType::Json => Self::Json,
            QueueContentType::Bytes => Self::Bytes,
        }
    }
}
