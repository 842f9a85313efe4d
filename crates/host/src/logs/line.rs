//! One line of the log and where it goes.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use isthmus_protocol::{LogLevel as RecordLevel, LogSource};

/// How grave a line is, and as a filter the least grave kind that is shown. The names are wrangler's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// `console.debug`, and details of the host's work.
    Debug,
    /// `console.log`; the usual filter.
    Log,
    /// `console.info`, and the line of each request.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`, failed events, dead isolates.
    Error,
    /// As a filter: nothing is shown. No line has it.
    None,
}

/// The text is no level of the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown log level: expected one of debug, log, info, warn, error, none")]
pub struct UnknownLogLevel;

impl FromStr for LogLevel {
    type Err = UnknownLogLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLogLevel> {
        Ok(match text {
            "debug" => Self::Debug,
            "log" => Self::Log,
            "info" => Self::Info,
            "warn" => Self::Warn,
            "error" => Self::Error,
            "none" => Self::None,
            _ => return Err(UnknownLogLevel),
        })
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debug => "debug",
            Self::Log => "log",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::None => "none",
        })
    }
}

impl From<RecordLevel> for LogLevel {
    fn from(level: RecordLevel) -> Self {
        match level {
            RecordLevel::Debug => Self::Debug,
            RecordLevel::Log => Self::Log,
            RecordLevel::Info => Self::Info,
            RecordLevel::Warn => Self::Warn,
            RecordLevel::Error => Self::Error,
        }
    }
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOrigin {
    /// The host, or the runtime's part of an isolate.
    Isthmus,
    /// The Worker, through `console.*`.
    Console,
    /// The Worker, through standard output.
    Stdout,
    /// The Worker, through standard error.
    Stderr,
}

impl From<LogSource> for LogOrigin {
    fn from(source: LogSource) -> Self {
        match source {
            LogSource::Console => Self::Console,
            LogSource::Stdout => Self::Stdout,
            LogSource::Stderr => Self::Stderr,
            LogSource::Runtime => Self::Isthmus,
        }
    }
}

/// One record of the log, safe to print: no control character but line breaks, and every line after
/// the first is indented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How grave it is.
    pub level: LogLevel,
    /// Who wrote it.
    pub origin: LogOrigin,
    /// The text, without a final line break.
    pub text: String,
    /// `file:line:column` of the call that wrote it, if known.
    pub position: Option<String>,
}

/// As a terminal shows it: the host's own lines begin as wrangler's do (`[wrangler:info] …`), the
/// Worker's are bare, with the position at the end.
impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin == LogOrigin::Isthmus {
            write!(f, "[wrangler:{}] ", self.level)?;
        }
        f.write_str(&self.text)?;
        match &self.position {
            Some(position) => write!(f, "  ({position})"),
            None => Ok(()),
        }
    }
}

/// Where the log goes. Both are called on a thread of their own, one call at a time.
pub trait LogSink: Send + Sync {
    /// Takes one record that passed the filter.
    fn line(&self, line: &LogLine);

    /// No further line is waiting: buffered output should be written now.
    fn flush(&self) {}

    /// The port is bound and the first boot of the Worker has ended, well or badly (in which case its
    /// error is in the log already).
    fn ready(&self, addr: SocketAddr);
}

/// Where lines go that nobody is to read.
pub(crate) struct Nowhere;

impl LogSink for Nowhere {
    fn line(&self, _: &LogLine) {}

    fn ready(&self, _: SocketAddr) {}
}
