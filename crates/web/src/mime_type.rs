//! MIME types: <https://mimesniff.spec.whatwg.org/#understanding-mime-types>, and how headers name one:
//! <https://fetch.spec.whatwg.org/#concept-header-extract-mime-type>.

use std::fmt::{self, Display, Write};

/// A MIME type. Type, subtype and names of parameters are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MimeType {
    essence: String,
    parameters: Vec<(String, String)>,
}

/// A `token` of HTTP: the form of types, and of header names and methods.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Whether a character may stand in a quoted string.
fn is_quotable(c: char) -> bool {
    matches!(c, '\t' | ' '..='~' | '\u{80}'..='\u{ff}')
}

fn trim(text: &str) -> &str {
    text.trim_matches(['\t', '\n', '\r', ' '])
}

impl MimeType {
    /// `type/subtype`.
    pub(crate) fn essence(&self) -> &str {
        &self.essence
    }

    /// The value of a parameter, whose name is in lower case.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// The MIME type that a text of one character per byte stands for.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = trim(text);
        let (essence, mut rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let (kind, subtype) = essence.split_once('/')?;
        let subtype = subtype.trim_end_matches(['\t', '\n', '\r', ' ']);
        if !is_token(kind.as_bytes()) || !is_token(subtype.as_bytes()) {
            return None;
        }
        let mut parsed = Self {
            essence: format!("{kind}/{subtype}").to_ascii_lowercase(),
            parameters: Vec::new(),
        };
        while let Some(parameter) = rest.strip_prefix(';') {
            let parameter = parameter.trim_start_matches(['\t', '\n', '\r', ' ']);
            let name_end = parameter.find([';', '=']).unwrap_or(parameter.len());
            let name = parameter[..name_end].to_ascii_lowercase();
            rest = &parameter[name_end..];
            let Some(value) = rest.strip_prefix('=') else {
                continue;
            };
            let value = if let Some(quoted) = value.strip_prefix('"') {
                let (value, after) = unquote(quoted);
                rest = &after[after.find(';').unwrap_or(after.len())..];
                value
            } else {
                let end = value.find(';').unwrap_or(value.len());
                rest = &value[end..];
                let value = value[..end].trim_end_matches(['\t', '\n', '\r', ' ']);
                if value.is_empty() {
                    continue;
                }
                value.to_owned()
            };
            if is_token(name.as_bytes())
                && value.chars().all(is_quotable)
                && parsed.parameter(&name).is_none()
            {
                parsed.parameters.push((name, value));
            }
        }
        Some(parsed)
    }

    /// What the values of `Content-Type` headers say in all, the last valid one; they are texts of one character per
    /// byte.
    pub(crate) fn extract<'a>(values: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut found: Option<Self> = None;
        let mut charset: Option<String> = None;
        for value in values {
            for item in split(value) {
                let Some(mut parsed) = Self::parse(item) else {
                    continue;
                };
                if parsed.essence == "*/*" {
                    continue;
                }
                let same = found
                    .as_ref()
                    .is_some_and(|found| found.essence == parsed.essence);
                match (parsed.parameter("charset"), &charset) {
                    (Some(own), _) => charset = Some(own.to_owned()),
                    (None, Some(inherited)) if same => {
                        parsed.parameters.push(("charset".to_owned(), inherited.clone()));
                    }
                    (None, _) => charset = None,
                }
                found = Some(parsed);
            }
        }
        found
    }
}

/// The text of a quoted string without its first quote, and what follows its last.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => return (value, &text[index + 1..]),
            '\\' => value.push(chars.next().map_or('\\', |(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

/// The items between the commas that are outside quotes.
fn split(value: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    let mut escaped = false;
    for (index, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                items.push(&value[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    items.push(&value[start..]);
    items
}

impl Display for MimeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.essence)?;
        for (name, value) in &self.parameters {
            write!(f, ";{name}=")?;
            if is_token(value.as_bytes()) {
                f.write_str(value)?;
                continue;
            }
            f.write_char('"')?;
            for c in value.chars() {
                if matches!(c, '"' | '\\') {
                    f.write_char('\\')?;
                }
                f.write_char(c)?;
            }
            f.write_char('"')?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::MimeType;

    fn shown(text: &str) -> Option<String> {
        MimeType::parse(text).map(|parsed| parsed.to_string())
    }

    #[test]
    fn what_is_parsed_is_shown_in_the_one_form() {
        for (text, expected) in [
            ("text/html", Some("text/html")),
            (" Text/HTML ; Charset=UTF-8 ", Some("text/html;charset=UTF-8")),
            ("a/b;;;x=1;x=2;y", Some("a/b;x=1")),
            ("a/b;x=\"1;2\";y=3", Some("a/b;x=\"1;2\";y=3")),
            (
                "a/b;x=\"a\\\"b\\\\\"trailing;y=3",
                Some("a/b;x=\"a\\\"b\\\\\";y=3"),
            ),
            ("a/b;x=\"\"", Some("a/b;x=\"\"")),
            ("a/b;x=\"open", Some("a/b;x=open")),
            ("a/b;x=", Some("a/b")),
            ("a/b;\u{ff}=1;x=\u{ff}", Some("a/b;x=\"\u{ff}\"")),
            ("a/b;x=\u{100}", Some("a/b")),
            ("a", None),
            ("a/", None),
            ("/b", None),
            ("a b/c", None),
            ("", None),
        ] {
            assert_eq!(shown(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_last_valid_header_wins_and_inherits_the_charset_of_its_own_type() {
        for (values, expected) in [
            (
                &["text/plain;charset=a, text/plain"][..],
                Some("text/plain;charset=a"),
            ),
            (&["text/plain;charset=a", "text/html"], Some("text/html")),
            (
                &["text/html;x=\",/\";charset=u, bad"],
                Some("text/html;x=\",/\";charset=u"),
            ),
            (&["a/b", "*/*"], Some("a/b")),
            (&["", "x"], None),
        ] {
            let extracted = MimeType::extract(values.iter().copied()).map(|found| found.to_string());
            assert_eq!(extracted.as_deref(), expected, "{values:?}");
        }
    }
}
