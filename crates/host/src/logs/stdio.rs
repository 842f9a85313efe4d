//! The standard output and error of the Worker's processes, line by line into the log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use super::Logs;
use super::line::LogOrigin;

/// A line longer than this is logged in pieces.
const LINE_MAX: usize = 64 * 1024;

/// How many of the last lines are kept for the page of a boot that failed.
const TAIL_LINES: usize = 30;

/// A kept line is cut after this many bytes.
const TAIL_LINE_MAX: usize = 400;

/// The last lines that a process wrote.
#[derive(Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    /// The kept lines.
    pub(crate) fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().fold(String::new(), |all, line| all + line + "\n")
    }

    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line[..line.floor_char_boundary(TAIL_LINE_MAX)].to_owned());
    }
}

/// Reads lines until every writer has closed the pipe.
pub(crate) async fn read(mut pipe: pipe::Receiver, origin: LogOrigin, logs: Logs, tail: Tail) {
    let mut buffer = Vec::new();
    let emit = |bytes: &[u8]| {
        let line = String::from_utf8_lossy(bytes);
        tail.push(&line);
        logs.stdio(origin, &line);
    };
    loop {
        buffer.reserve(4096);
        match pipe.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let mut start = 0;
        while let Some(length) = buffer[start..].iter().position(|byte| *byte == b'\n') {
            emit(&buffer[start..start + length]);
            start += length + 1;
        }
        while buffer.len() - start >= LINE_MAX {
            emit(&buffer[start..start + LINE_MAX]);
            start += LINE_MAX;
        }
        buffer.drain(..start);
        // A long line leaves no big buffer behind.
        if buffer.is_empty() {
            buffer.shrink_to(LINE_MAX);
        }
    }
    if !buffer.is_empty() {
        emit(&buffer);
    }
}
