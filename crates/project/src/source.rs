//! The text of a file, and places in it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A range of bytes in a source's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A file that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// A file's text: without a byte order mark, and with signs of replacement where it isn't UTF-8 (in
    /// which case the span of the first of them comes along).
    pub(crate) fn from_bytes(path: PathBuf, bytes: &[u8]) -> (Arc<Self>, Option<Span>) {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let (text, fault) = match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), None),
            Err(error) => {
                let start = error.valid_up_to();
                let span = Span::new(start, start + char::REPLACEMENT_CHARACTER.len_utf8());
                (String::from_utf8_lossy(bytes).into_owned(), Some(span))
            }
        };
        (Arc::new(Self { path, text }), fault)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The path as a reader wants it: relative if it is below the current folder.
    pub(crate) fn display_path(&self) -> String {
        display_path(&self.path)
    }

    /// Line and column (in characters) of a byte, both from 1.
    fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }
}

/// A path as a reader wants it: relative if it is below the current folder.
pub fn display_path(path: &Path) -> String {
    let current = std::env::current_dir().ok();
    let shown = current
        .as_deref()
        .and_then(|current| path.strip_prefix(current).ok());
    shown
        .filter(|shown| !shown.as_os_str().is_empty())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Where a value was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub source: Arc<Source>,
    /// The place in it.
    pub span: Span,
}

impl Origin {
    /// Line and column (in characters), both from 1.
    pub fn position(&self) -> (usize, usize) {
        self.source.position(self.span.start)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.position();
        write!(f, "{}:{line}:{column}", self.source.path.display())
    }
}
