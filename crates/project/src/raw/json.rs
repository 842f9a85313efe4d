//! JSON with comments and trailing commas, and nothing else beyond JSON, as wrangler reads it.

use std::str::FromStr;

use jsonc_parser::ast;
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::Number;

use super::{Entry, Node, Value};
use crate::report::{Diagnostic, Findings};
use crate::source::Span;

const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) fn parse(text: &str, findings: &mut Findings) -> Option<Value> {
    match parse_to_ast(text, &CollectOptions::default(), &OPTIONS) {
        Ok(result) => match result.value {
            Some(value) => Some(convert(value, findings)),
            None => {
                findings.error(Span::default(), "the file is empty");
                None
            }
        },
        Err(error) => {
            let span = on_boundaries(text, error.range());
            findings.add(
                Diagnostic::error(format!(
                    "this is not valid JSON: {}",
                    lower_first(&error.kind().to_string())
                ))
                .at(findings.origin(span)),
            );
            None
        }
    }
}

fn convert(value: ast::Value<'_>, findings: &mut Findings) -> Value {
    let span = span(value.range());
    let node = match value {
        ast::Value::NullKeyword(_) => Node::Null,
        ast::Value::BooleanLit(literal) => Node::Bool(literal.value),
        ast::Value::StringLit(literal) => Node::Text(literal.value.into_owned()),
        ast::Value::NumberLit(literal) => match Number::from_str(literal.value) {
            Ok(number) => Node::Number(number),
            Err(_) => {
                findings.error(span, "this number is too large");
                Node::Number(0.into())
            }
        },
        ast::Value::Array(array) => Node::List(
            array
                .elements
                .into_iter()
                .map(|item| convert(item, findings))
                .collect(),
        ),
        ast::Value::Object(object) => {
            let entries: Vec<Entry> = object
                .properties
                .into_iter()
                .map(|property| Entry {
                    key_span: self::span(property.name.range()),
                    key: property.name.into_string(),
                    value: convert(property.value, findings),
                })
                .collect();
            Node::Table(super::table(entries, findings))
        }
    };
    Value { node, span }
}

fn span(range: Range) -> Span {
    Span::new(range.start, range.end)
}

/// The parser's ranges of errors may end inside a character or past the text.
fn on_boundaries(text: &str, range: Range) -> Span {
    let start = text.floor_char_boundary(range.start.min(text.len()));
    let end = text.ceil_char_boundary(range.end.clamp(start, text.len()));
    Span::new(start, end)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
