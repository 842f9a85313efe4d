//! The event stream format: <https://html.spec.whatwg.org/#parsing-an-event-stream>.

/// The most that a line, or the data of an event, may have. Beyond it the stream is given up.
const EVENT_MAX: usize = 64 * 1024 * 1024;

/// An event of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// Its type; empty for the usual one.
    pub(super) kind: String,
    /// Its data, never empty.
    pub(super) data: String,
    /// The last id that the stream has named.
    pub(super) id: String,
}

/// The stream has a line or an event that is too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Reads an event stream piece by piece.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// The line that is arriving.
    line: Vec<u8>,
    /// The last piece ended with CR, so that a LF at the beginning of the next belongs to it.
    after_return: bool,
    /// A byte order mark may not come any more.
    begun: bool,
    kind: String,
    data: String,
    /// The last `id` that has come.
    id: String,
    /// What it was when an event last ended.
    last_id: String,
    /// The last `retry` since it was asked for, in milliseconds.
    retry: Option<u64>,
}

impl Parser {
    /// A parser of a stream before which `id` was the last id.
    pub(super) fn new(id: String) -> Self {
        Self {
            last_id: id.clone(),
            id,
            ..Self::default()
        }
    }

    /// The events that are complete with `bytes`.
    ///
    /// # Errors
    /// [`TooLong`].
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        if std::mem::take(&mut self.after_return)
            && let [b'\n', rest @ ..] = bytes
        {
            bytes = rest;
        }
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            self.line.extend_from_slice(&bytes[..end]);
            bytes = match &bytes[end..] {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_return = true;
                    &[]
                }
                [_, rest @ ..] => rest,
                [] => &[],
            };
            let line = std::mem::take(&mut self.line);
            events.extend(self.line(&line)?);
            self.line = line;
            self.line.clear();
        }
        self.line.extend_from_slice(bytes);
        if self.line.len() > EVENT_MAX {
            return Err(TooLong);
        }
        Ok(events)
    }

    /// The last id that the stream has named. One of an event that never ended doesn't count.
    pub(super) fn last_id(&self) -> &str {
        &self.last_id
    }

    /// The `retry` that came since this was last asked, in milliseconds.
    pub(super) fn take_retry(&mut self) -> Option<u64> {
        self.retry.take()
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Event>, TooLong> {
        let line = if std::mem::replace(&mut self.begun, true) {
            line
        } else {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
        };
        if line.is_empty() {
            return Ok(self.event());
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
                if self.data.len() > EVENT_MAX {
                    return Err(TooLong);
                }
            }
            "event" => value.clone_into(&mut self.kind),
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                // One that is too long for a number is as good as never.
                self.retry = Some(value.parse().unwrap_or(u64::MAX));
            }
            // A comment has an empty name.
            _ => {}
        }
        Ok(None)
    }

    /// An empty line ends an event.
    fn event(&mut self) -> Option<Event> {
        self.id.clone_into(&mut self.last_id);
        let kind = std::mem::take(&mut self.kind);
        let mut data = std::mem::take(&mut self.data);
        data.pop()?;
        let id = self.id.clone();
        Some(Event { kind, data, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &[u8]) -> Vec<(String, String, String)> {
        let mut parser = Parser::default();
        let events = parser.feed(stream).expect("short");
        let whole: Vec<_> = events
            .into_iter()
            .map(|event| (event.kind, event.data, event.id))
            .collect();
        // However it is cut, it is the same.
        for cut in 0..=stream.len() {
            let mut parser = Parser::default();
            let mut parts = parser.feed(&stream[..cut]).expect("short");
            parts.extend(parser.feed(&stream[cut..]).expect("short"));
            let parts: Vec<_> = parts
                .into_iter()
                .map(|event| (event.kind, event.data, event.id))
                .collect();
            assert_eq!(parts, whole, "cut at {cut}");
        }
        whole
    }

    fn event(kind: &str, data: &str, id: &str) -> (String, String, String) {
        (kind.to_owned(), data.to_owned(), id.to_owned())
    }

    #[test]
    fn the_id_of_an_event_that_never_ended_does_not_count() {
        let mut parser = Parser::new("1".to_owned());
        parser.feed(b"id: 2\n\nid: 3\ndata: x\n").expect("short");
        assert_eq!(parser.last_id(), "2");
        parser.feed(b"\n").expect("short");
        assert_eq!(parser.last_id(), "3");
    }

    #[test]
    fn streams_are_read_as_the_standard_says() {
        for (stream, expected) in [
            (
                "data: YHOO\ndata: +2\ndata: 10\n\n",
                vec![event("", "YHOO\n+2\n10", "")],
            ),
            (
                ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
                vec![
                    event("", "first event", "1"),
                    event("", "second event", ""),
                    event("", " third event", ""),
                ],
            ),
            (
                "data\n\ndata\ndata\n\ndata:",
                vec![event("", "", ""), event("", "\n", "")],
            ),
            ("event: add\ndata: 1\r\n\r\n", vec![event("add", "1", "")]),
            ("event: lost\n\ndata: x\r\r", vec![event("", "x", "")]),
            ("\u{feff}data: x\n\n", vec![event("", "x", "")]),
            ("\u{feff}\u{feff}data: x\n\ndata: y\n\n", vec![event("", "y", "")]),
            ("id: a\0b\ndata: x\n\n", vec![event("", "x", "")]),
            ("id: 7\n\ndata: x\n\n", vec![event("", "x", "7")]),
            ("Data: x\n data: x\ndata : x\n\n", vec![]),
            ("data: ünï🦄\n\n", vec![event("", "ünï🦄", "")]),
            ("data: unfinished\n", vec![]),
        ] {
            assert_eq!(events(stream.as_bytes()), expected, "{stream:?}");
        }
        assert_eq!(events(b"data: \xff\n\n"), [event("", "\u{fffd}", "")]);
    }

    #[test]
    fn a_retry_is_a_number() {
        let retry = |stream: &str| {
            let mut parser = Parser::default();
            parser.feed(stream.as_bytes()).expect("short");
            parser.take_retry()
        };
        assert_eq!(retry("retry: 3000\n"), Some(3000));
        assert_eq!(retry("retry:007\n"), Some(7));
        assert_eq!(retry("retry: 99999999999999999999999\n"), Some(u64::MAX));
        for not in ["retry\n", "retry: \n", "retry: 1x\n", "retry: -1\n", "retry: 1"] {
            assert_eq!(retry(not), None, "{not:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; 1024 * 1024];
        let given_up = (0..100).any(|_| parser.feed(&piece).is_err());
        assert!(given_up);
    }
}
