//! The way from the host's tasks to the [`LogSink`]: a bounded queue and a thread.
//!
//! Adding a line is cheap (a lock and a push); the thread is woken only when it waits, and after each
//! batch it sleeps a little, so that a busy server wakes it a few hundred times a second at most.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use isthmus_protocol::LogRecord;

use super::clean;
use super::line::{LogLevel, LogLine, LogOrigin, LogSink};

/// When this many bytes of text wait, further lines are dropped and counted.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// How many bytes a line counts beside its text.
const LINE_OVERHEAD: usize = 64;

/// How long the thread gathers lines after it has written some.
const GATHER: Duration = Duration::from_millis(3);

/// The host's log. Cheap to clone; the last clone doesn't stop the thread, [`Logs::close`] does.
#[derive(Clone)]
pub(crate) struct Logs {
    filter: LogLevel,
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    dropped: u64,
    idle: bool,
    closed: bool,
}

enum Item {
    Line(LogLine),
    Ready(SocketAddr),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A queue is whole between any two statements, so a panic elsewhere leaves nothing half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Logs {
    /// A log that shows lines of at least `filter`, and the thread that writes them.
    ///
    /// # Errors
    /// If the thread can't be started.
    pub(crate) fn start(filter: LogLevel, sink: Arc<dyn LogSink>) -> io::Result<(Self, LogThread)> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
        });
        let logs = Self {
            filter,
            shared: shared.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("isthmus-log".into())
            .spawn(move || write_lines(&shared, &*sink))?;
        Ok((
            logs.clone(),
            LogThread {
                logs,
                thread: Some(thread),
            },
        ))
    }

    /// Whether lines of this level are shown: ask before composing an expensive one.
    pub(crate) fn shows(&self, level: LogLevel) -> bool {
        level >= self.filter && self.filter != LogLevel::None
    }

    /// A line of the host's own. Text in `message` that isn't the host's is made harmless here too.
    pub(crate) fn host(&self, level: LogLevel, message: fmt::Arguments<'_>) {
        if self.shows(level) {
            let text = fmt::format(message);
            self.push(LogLine {
                level,
                origin: LogOrigin::Isthmus,
                text: clean::record(&text).into_owned(),
                position: None,
            });
        }
    }

    /// A record of an isolate's.
    pub(crate) fn record(&self, record: &LogRecord<'_>) {
        let level = record.level.into();
        if self.shows(level) {
            self.push(LogLine {
                level,
                origin: record.source.into(),
                text: clean::record(record.text).into_owned(),
                position: record
                    .position
                    .map(|position| clean::record(position).into_owned()),
            });
        }
    }

    /// A line that a process of the Worker wrote to its standard output or error.
    pub(crate) fn stdio(&self, origin: LogOrigin, text: &str) {
        let level = LogLevel::Log;
        if self.shows(level) {
            self.push(LogLine {
                level,
                origin,
                text: clean::record(text).into_owned(),
                position: None,
            });
        }
    }

    /// Tells the sink that the server is ready.
    pub(crate) fn ready(&self, addr: SocketAddr) {
        self.add(Item::Ready(addr), 0);
    }

    fn push(&self, line: LogLine) {
        let bytes = line.text.len() + LINE_OVERHEAD;
        self.add(Item::Line(line), bytes);
    }

    fn add(&self, item: Item, bytes: usize) {
        let mut queue = self.shared.lock();
        if queue.closed || (bytes > 0 && queue.bytes + bytes > QUEUE_BYTES) {
            queue.dropped += 1;
            return;
        }
        queue.bytes += bytes;
        queue.items.push_back(item);
        if std::mem::take(&mut queue.idle) {
            drop(queue);
            self.shared.wake.notify_one();
        }
    }
}

/// The thread behind a [`Logs`]; dropping it writes what is queued and ends it.
pub(crate) struct LogThread {
    logs: Logs,
    thread: Option<JoinHandle<()>>,
}

impl Drop for LogThread {
    fn drop(&mut self) {
        self.logs.shared.lock().closed = true;
        self.logs.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A sink that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

fn write_lines(shared: &Shared, sink: &dyn LogSink) {
    let mut batch = VecDeque::new();
    loop {
        let (dropped, closed) = {
            let mut queue = shared.lock();
            while queue.items.is_empty() && queue.dropped == 0 && !queue.closed {
                queue.idle = true;
                queue = shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.idle = false;
            queue.bytes = 0;
            std::mem::swap(&mut batch, &mut queue.items);
            (std::mem::take(&mut queue.dropped), queue.closed)
        };
        for item in batch.drain(..) {
            match item {
                Item::Line(line) => sink.line(&line),
                Item::Ready(addr) => sink.ready(addr),
            }
        }
        // Lines that come after the end are not worth a word.
        if dropped > 0 && !closed {
            sink.line(&LogLine {
                level: LogLevel::Warn,
                origin: LogOrigin::Isthmus,
                text: format!(
                    "{dropped} lines of log were dropped, since they came faster than they could be written"
                ),
                position: None,
            });
        }
        sink.flush();
        if closed {
            return;
        }
        std::thread::sleep(GATHER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Memory(Mutex<Vec<LogLine>>);

    impl LogSink for Memory {
        fn line(&self, line: &LogLine) {
            self.0.lock().expect("not poisoned").push(line.clone());
        }

        fn ready(&self, _: SocketAddr) {}
    }

    #[test]
    fn what_was_queued_is_written_before_the_thread_ends() {
        let sink = Arc::new(Memory::default());
        let (logs, thread) = Logs::start(LogLevel::Info, sink.clone()).expect("starts");
        for n in 0..1000 {
            logs.host(LogLevel::Info, format_args!("line {n}"));
        }
        logs.host(LogLevel::Log, format_args!("filtered"));
        drop(thread);
        let lines = sink.0.lock().expect("not poisoned");
        assert_eq!(lines.len(), 1000);
        assert_eq!(lines[999].to_string(), "[wrangler:info] line 999");
    }

    #[test]
    fn a_sink_that_hangs_costs_bounded_memory() {
        struct Slow(Mutex<()>, Memory);
        impl LogSink for Slow {
            fn line(&self, line: &LogLine) {
                let _turn = self.0.lock();
                self.1.line(line);
            }
            fn ready(&self, _: SocketAddr) {}
        }
        let sink = Arc::new(Slow(Mutex::default(), Memory::default()));
        let (logs, thread) = Logs::start(LogLevel::Log, sink.clone()).expect("starts");
        let stop = sink.0.lock().expect("not poisoned");
        let text = "x".repeat(1 << 20);
        for _ in 0..64 {
            logs.stdio(LogOrigin::Stdout, &text);
        }
        assert!(logs.shared.lock().bytes <= QUEUE_BYTES);
        drop(stop);
        drop(thread);
        assert!(sink.1.0.lock().expect("not poisoned").len() < 64);
    }
}
