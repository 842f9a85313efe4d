//! What a queue refuses, and what keeps it from working.

/// Why an operation failed: a status of HTTP and the text that upstream gives it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueueError {
    status: u16,
    message: String,
}

impl QueueError {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether it is the store's fault rather than the Worker's.
    pub fn is_internal(&self) -> bool {
        self.status >= 500
    }
}
