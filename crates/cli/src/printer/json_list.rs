//! A JSON array that is written as its items come, so that a long one is never in memory.

use std::io;

use serde::Serialize;

use super::Printer;

/// An array under way, in the form that `JSON.stringify(items, null, 2)` has.
pub(crate) struct JsonList<'a> {
    printer: &'a Printer,
    is_empty: bool,
}

impl<'a> JsonList<'a> {
    pub(super) fn begin(printer: &'a Printer) -> Self {
        Self {
            printer,
            is_empty: true,
        }
    }

    /// Writes the next items.
    pub(crate) fn extend(&mut self, items: impl IntoIterator<Item = impl Serialize>) -> io::Result<()> {
        let mut text = String::new();
        for item in items {
            text.push_str(if std::mem::take(&mut self.is_empty) {
                "[\n  "
            } else {
                ",\n  "
            });
            text.push_str(&serde_json::to_string_pretty(&item)?.replace('\n', "\n  "));
        }
        self.printer.bytes(text.as_bytes())
    }

    /// Ends it.
    pub(crate) fn end(self) -> io::Result<()> {
        let end = if self.is_empty { "[]\n" } else { "\n]\n" };
        self.printer.bytes(end.as_bytes())
    }
}
