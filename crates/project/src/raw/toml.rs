//! TOML, without its dates, which no key of a configuration takes.

use serde_json::Number;
use toml_span::value::ValueInner;
use toml_span::{Error, ErrorKind};

use super::{Entry, Node, Value};
use crate::report::{Diagnostic, Findings};
use crate::source::Span;

pub(super) fn parse(text: &str, findings: &mut Findings) -> Option<Value> {
    match toml_span::parse(text) {
        Ok(value) => Some(convert(value, text, findings)),
        Err(error) => {
            findings.add(diagnostic(text, &error, findings));
            None
        }
    }
}

fn convert(mut value: toml_span::Value<'_>, source: &str, findings: &mut Findings) -> Value {
    let span = with_quotes(source, Span::new(value.span.start, value.span.end));
    let node = match value.take() {
        ValueInner::String(text) => Node::Text(text.into_owned()),
        ValueInner::Integer(integer) => Node::Number(integer.into()),
        ValueInner::Float(float) => match Number::from_f64(float) {
            Some(number) => Node::Number(number),
            None => {
                findings.error(
                    span,
                    "a Worker can't get this number: JSON has no `inf` and no `nan`",
                );
                Node::Number(0.into())
            }
        },
        ValueInner::Boolean(value) => Node::Bool(value),
        ValueInner::Array(items) => Node::List(
            items
                .into_iter()
                .map(|item| convert(item, source, findings))
                .collect(),
        ),
        ValueInner::Table(table) => {
            let mut entries: Vec<Entry> = table
                .into_iter()
                .map(|(key, value)| Entry {
                    key: key.name.into_owned(),
                    key_span: with_quotes(source, Span::new(key.span.start, key.span.end)),
                    value: convert(value, source, findings),
                })
                .collect();
            // The parser sorts by name; the order of the file is the user's.
            entries.sort_by_key(|entry| entry.key_span);
            Node::Table(super::table(entries, findings))
        }
    };
    Value { node, span }
}

/// The parser's spans of strings end inside the quotes, those of JSON strings don't.
fn with_quotes(source: &str, span: Span) -> Span {
    let (before, after) = (
        source[..span.start].chars().next_back(),
        source[span.end..].chars().next(),
    );
    match (before, after) {
        (Some('"'), Some('"')) | (Some('\''), Some('\'')) => Span::new(span.start - 1, span.end + 1),
        _ => span,
    }
}

fn diagnostic(text: &str, error: &Error, findings: &Findings) -> Diagnostic {
    let start = text.floor_char_boundary(error.span.start.min(text.len()));
    let diagnostic = Diagnostic::error(format!("this is not valid TOML: {error}"))
        .at(findings.origin(first_line(text, &error.span)));
    let first = match &error.kind {
        ErrorKind::DuplicateKey { first, .. }
        | ErrorKind::DuplicateTable { first, .. }
        | ErrorKind::DottedKeyInvalidType { first } => Some(first),
        _ => None,
    };
    if let Some(first) = first {
        return diagnostic.related(findings.origin(first_line(text, first)), "first here");
    }
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    if line
        .split_once('=')
        .is_some_and(|(_, value)| begins_with_date(value.trim_start()))
    {
        return diagnostic.hint("write dates as strings, in quotes: \"2026-11-17\"");
    }
    diagnostic
}

/// A span of the parser's, cut at the end of its first line: that of a table goes on to the next table.
fn first_line(text: &str, span: &toml_span::Span) -> Span {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    let line = text[start..end].lines().next().unwrap_or_default();
    Span::new(start, start + line.len())
}

/// Whether the text begins like `2026-11-17`.
fn begins_with_date(text: &str) -> bool {
    let pattern = b"dddd-dd-dd";
    let bytes = text.as_bytes();
    bytes.len() >= pattern.len()
        && pattern.iter().zip(bytes).all(|(kind, byte)| match kind {
            b'd' => byte.is_ascii_digit(),
            literal => literal == byte,
        })
}
