//! A bar for work that takes long. It is drawn on standard error, only where that is a terminal, and goes when the work
//! is done.

use std::io::Read;

use indicatif::{ProgressBar, ProgressStyle};

/// How far some work is.
pub(crate) struct Progress(ProgressBar);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Keys, rows, messages …
    Items,
    Bytes,
}

impl Progress {
    /// A bar that is shown, or one that isn't.
    pub(super) fn new(shown: bool, what: &'static str, total: Option<u64>, unit: Unit) -> Self {
        let bar = match (shown, total) {
            (false, _) => ProgressBar::hidden(),
            (true, Some(total)) => ProgressBar::new(total),
            (true, None) => ProgressBar::new_spinner(),
        };
        let template = match (total.is_some(), unit) {
            (true, Unit::Items) => "{msg} {wide_bar} {human_pos}/{human_len} {eta}",
            (true, Unit::Bytes) => "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {eta}",
            (false, Unit::Items) => "{spinner} {msg} {human_pos}",
            (false, Unit::Bytes) => "{spinner} {msg} {binary_bytes}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self(bar)
    }

    /// So much more is done.
    pub(crate) fn add(&self, amount: u64) {
        self.0.inc(amount);
    }

    /// A reader whose bytes are counted.
    pub(crate) fn counting(&self, reader: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        Box::new(Counting {
            reader,
            bar: self.0.clone(),
        })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

struct Counting {
    reader: Box<dyn Read + Send>,
    bar: ProgressBar,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.bar.inc(length as u64);
        Ok(length)
    }
}
