//! The log: what the Worker writes, what the host has to say about it, and one line per request.
//!
//! Everything is made harmless ([`clean`]) before it is queued; one thread hands the lines to the
//! [`LogSink`], so that a slow terminal never holds up a request.

pub(crate) mod clean;
mod line;
mod queue;
pub(crate) mod stdio;

pub(crate) use line::Nowhere;
pub use line::{LogLevel, LogLine, LogOrigin, LogSink, UnknownLogLevel};
#[cfg(test)]
pub(crate) use queue::LogThread;
pub(crate) use queue::Logs;
