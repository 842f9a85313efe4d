//! The only place that writes to the terminal: data on standard output, everything else on standard
//! error, in colours where a terminal shows them and `NO_COLOR` doesn't forbid it.

mod json_list;
mod progress;
mod table;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use anstream::AutoStream;
use isthmus_host::{LogLevel, LogLine, LogOrigin, LogSink};
use isthmus_project::Report;
use serde::Serialize;

pub(crate) use json_list::JsonList;
pub(crate) use progress::{Progress, Unit};
pub(crate) use table::table;

/// So much of the log may wait for [`LogSink::flush`].
const LOG_BUFFER: usize = 64 * 1024;

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// A stream that drops colours where they'd be noise.
type Stream = Box<dyn Write + Send>;

/// Writes to the two standard streams. A stream that can't be written any more (its reader has gone) is
/// no reason to stop serving, so errors of writing are dropped, except those of [`Printer::bytes`].
pub(crate) struct Printer {
    out: Mutex<Stream>,
    /// Standard output as it is, for what must arrive byte by byte.
    exact: Mutex<Stream>,
    err: Mutex<Stream>,
    /// Whether bars can be drawn.
    draws: bool,
    /// Whether standard output is read by somebody, rather than by something.
    shows_tables: bool,
    /// Lines of the log that wait.
    pending: Mutex<Vec<u8>>,
    /// Nobody reads standard output any more.
    is_unread: AtomicBool,
}

impl Printer {
    /// A printer to the standard streams.
    pub(crate) fn terminal() -> Self {
        let mut printer = Self::new(
            Box::new(AutoStream::auto(io::stdout())),
            Box::new(io::stdout()),
            Box::new(AutoStream::auto(io::stderr())),
        );
        printer.draws = io::stderr().is_terminal();
        printer.shows_tables = io::stdout().is_terminal();
        printer
    }

    /// A printer to any streams; `exact` is `out` without any change to what is written.
    pub(crate) fn new(out: Stream, exact: Stream, err: Stream) -> Self {
        Self {
            out: Mutex::new(out),
            exact: Mutex::new(exact),
            err: Mutex::new(err),
            draws: false,
            shows_tables: false,
            pending: Mutex::default(),
            is_unread: AtomicBool::new(false),
        }
    }

    /// Writes what was asked for.
    pub(crate) fn data(&self, text: &str) {
        write(&self.out, text.as_bytes());
    }

    /// Writes what was asked for, byte by byte.
    ///
    /// # Errors
    /// What the system says: whoever asked for data must hear that it isn't all there.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stream = self.exact.lock().unwrap_or_else(PoisonError::into_inner);
        let written = stream.write_all(bytes).and_then(|()| stream.flush());
        if let Err(error) = &written
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            self.is_unread.store(true, Ordering::Relaxed);
        }
        written
    }

    /// Writes a value as JSON, as `JSON.stringify(value, null, 2)` has it.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub(crate) fn json(&self, value: &impl Serialize) -> io::Result<()> {
        self.bytes(format!("{}\n", serde_json::to_string_pretty(value)?).as_bytes())
    }

    /// Whether data is better shown as tables than as JSON.
    pub(crate) fn shows_tables(&self) -> bool {
        self.shows_tables
    }

    /// Begins a JSON array.
    pub(crate) fn json_list(&self) -> JsonList<'_> {
        JsonList::begin(self)
    }

    /// Begins a bar for some work; `total` is how much there is, where known.
    pub(crate) fn progress(&self, what: &'static str, total: Option<u64>, unit: Unit) -> Progress {
        Progress::new(self.draws, what, total, unit)
    }

    /// Writes what is said besides.
    pub(crate) fn message(&self, text: &str) {
        self.flush();
        write(&self.err, text.as_bytes());
    }

    /// Writes a report and an empty line. Of one who reads no further, as `head`, there is nothing to report.
    pub(crate) fn report(&self, report: &Report) {
        if self.is_unread.load(Ordering::Relaxed) {
            return;
        }
        self.message(&format!("{}\n", report.styled()));
    }
}

impl LogSink for Printer {
    fn line(&self, line: &LogLine) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to memory can't fail.
        let _ = match colour(line) {
            Some(colour) => writeln!(pending, "{colour}{line}{RESET}"),
            None => writeln!(pending, "{line}"),
        };
        let full = pending.len() >= LOG_BUFFER;
        drop(pending);
        if full {
            self.flush();
        }
    }

    fn flush(&self) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if !pending.is_empty() {
            write(&self.err, &pending);
            pending.clear();
        }
    }

    fn ready(&self, addr: SocketAddr) {
        self.flush();
        // In this form, since tools wait for it.
        self.data(&format!("[wrangler:info] Ready on http://{addr}\n"));
    }
}

/// A line's colour, by how grave it is; the host's everyday lines step back behind the Worker's.
fn colour(line: &LogLine) -> Option<&'static str> {
    match line.level {
        LogLevel::Error => Some(RED),
        LogLevel::Warn => Some(YELLOW),
        LogLevel::Debug => Some(DIM),
        LogLevel::Info if line.origin == LogOrigin::Isthmus => Some(DIM),
        LogLevel::Log | LogLevel::Info | LogLevel::None => None,
    }
}

fn write(stream: &Mutex<Stream>, bytes: &[u8]) {
    let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
}
