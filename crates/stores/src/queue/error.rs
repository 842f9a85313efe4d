//! What a queue refuses, and what keeps it from working.

/// Why an operation failed: a status of HTTP and the text that upstream gives it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueueError {
    status: u16,
    code: u16,
    message: String,
}

/// The code of what has none: <https://developers.cloudflare.com/queues/reference/error-codes/>.
const UNKNOWN: u16 = 15_000;

impl QueueError {
    /// A failure of the store.
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self::refusal(status, UNKNOWN, message)
    }

    /// What upstream has a code for.
    pub(crate) fn refusal(status: u16, code: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Upstream's code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Whether it is the store's fault rather than the Worker's.
    pub fn is_internal(&self) -> bool {
        self.status >= 500
    }
}
