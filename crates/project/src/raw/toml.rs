//! TOML, without its dates, which no key of a configuration takes.

use serde_json::Number;
use toml_span::value::ValueInner;
use toml_span::{Error, ErrorKind};

use super::{Entry, Node, Value};
use crate::report::{Diagnostic, Findings};
use crate::source::Span;

pub(super) fn parse(text: &str, findings: &mut Findings) -> Option<Value> {
    match toml_span::parse(text) {
        Ok(value) => Some(convert(value, findings)),
        Err(error) => {
            findings.add(diagnostic(text, &error, findings));
            None
        }
    }
}

fn convert(mut value: toml_span::Value<'_>, findings: &mut Findings) -> Value {
    let span = Span::new(value.span.start, value.span.end);
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
                Node::Null
            }
        },
        ValueInner::Boolean(value) => Node::Bool(value),
        ValueInner::Array(items) => {
            Node::List(items.into_iter().map(|item| convert(item, findings)).collect())
        }
        ValueInner::Table(table) => {
            let mut entries: Vec<Entry> = table
                .into_iter()
                .map(|(key, value)| Entry {
                    key: key.name.into_owned(),
                    key_span: Span::new(key.span.start, key.span.end),
                    value: convert(value, findings),
                })
                .collect();
            // The parser sorts by name; the order of the file is the user's.
            entries.sort_by_key(|entry| entry.key_span);
            Node::Table(super::table(entries, findings))
        }
    };
    Value { node, span }
}

fn diagnostic(text: &str, error: &Error, findings: &Findings) -> Diagnostic {
    let start = text.floor_char_boundary(error.span.start.min(text.len()));
    let end = text.ceil_char_boundary(error.span.end.clamp(start, text.len()));
    let diagnostic = Diagnostic::error(format!("this is not valid TOML: {error}"))
        .at(findings.origin(Span::new(start, end)));
    let first = match &error.kind {
        ErrorKind::DuplicateKey { first, .. }
        | ErrorKind::DuplicateTable { first, .. }
        | ErrorKind::DottedKeyInvalidType { first } => Some(first),
        _ => None,
    };
    if let Some(first) = first {
        return diagnostic.related(findings.origin(Span::new(first.start, first.end)), "first here");
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
