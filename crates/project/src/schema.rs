//! What a configuration may contain: the shape of every key, and a check of a tree against it.
//!
//! A wrong shape is an error. A key that isn't known is a warning, as it is in wrangler, with "did you
//! mean" where it is near a known one.

mod keys;

pub(crate) use keys::{KEYS, Key, NameAt, Role, Scope};

use crate::raw::{Entry, Node, Table, Value};
use crate::report::{Diagnostic, Findings};
use crate::suggest;

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Any,
    Text,
    Number,
    Bool,
    OneOf(&'static [&'static str]),
    List(&'static Shape),
    /// Keys of the user's choice.
    Map(&'static Shape),
    Table(&'static [Field]),
    /// The first shape of the same kind of value decides.
    Either(&'static [Shape]),
}

/// A key inside a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    name: &'static str,
    shape: Shape,
    required: bool,
}

const fn required(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: true,
    }
}

const fn optional(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: false,
    }
}

/// The row of a key.
pub(crate) fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Checks the top level of a configuration.
pub(crate) fn check_top_level(table: &Table, findings: &mut Findings) {
    for entry in &table.entries {
        match key(&entry.key) {
            Some(key) => check(&entry.value, &key.shape, &entry.key, findings),
            // Selecting one is the resolver's work.
            None if entry.key == "env" || entry.key == "$schema" => {}
            None => unknown(
                entry,
                "the top level",
                KEYS.iter().map(|key| key.name).chain(["env"]),
                findings,
            ),
        }
    }
}

/// Checks one environment: the value of `env.<name>`.
pub(crate) fn check_environment(table: &Table, path: &str, findings: &mut Findings) {
    for entry in &table.entries {
        match key(&entry.key) {
            Some(key) if key.scope == Scope::TopLevel => findings.add(
                Diagnostic::warning(format!("`{}` has no effect in `{path}`", entry.key))
                    .at(findings.origin(entry.key_span))
                    .hint("move it to the top level"),
            ),
            Some(key) => check(
                &entry.value,
                &key.shape,
                &format!("{path}.{}", entry.key),
                findings,
            ),
            None => {
                let known = KEYS
                    .iter()
                    .filter(|key| key.scope != Scope::TopLevel)
                    .map(|key| key.name);
                unknown(entry, &format!("`{path}`"), known, findings);
            }
        }
    }
}

fn check(value: &Value, shape: &Shape, path: &str, findings: &mut Findings) {
    match (shape, &value.node) {
        (Shape::Any, _)
        | (Shape::Text, Node::Text(_))
        | (Shape::Number, Node::Number(_))
        | (Shape::Bool, Node::Bool(_)) => {}
        (Shape::OneOf(choices), Node::Text(text)) => {
            if !choices.contains(&text.as_str()) {
                let mut diagnostic =
                    Diagnostic::error(format!("`{path}` must be {}", list_of(choices, "or")))
                        .at(findings.origin(value.span));
                if let Some(choice) = suggest::closest(text, choices.iter().copied()) {
                    diagnostic = diagnostic.hint(format!("did you mean \"{choice}\"?"));
                }
                findings.add(diagnostic);
            }
        }
        (Shape::List(item_shape), Node::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                check(item, item_shape, &format!("{path}[{index}]"), findings);
            }
        }
        (Shape::Map(value_shape), Node::Table(table)) => {
            for entry in &table.entries {
                check(
                    &entry.value,
                    value_shape,
                    &format!("{path}.{}", entry.key),
                    findings,
                );
            }
        }
        (Shape::Table(fields), Node::Table(table)) => check_fields(value, table, fields, path, findings),
        (Shape::Either(shapes), node) => match shapes.iter().find(|shape| shape.takes(node)) {
            Some(shape) => check(value, shape, path, findings),
            None => wrong_type(value, shape, path, findings),
        },
        _ => wrong_type(value, shape, path, findings),
    }
}

fn check_fields(value: &Value, table: &Table, fields: &[Field], path: &str, findings: &mut Findings) {
    for entry in &table.entries {
        match fields.iter().find(|field| field.name == entry.key) {
            Some(field) => check(
                &entry.value,
                &field.shape,
                &format!("{path}.{}", entry.key),
                findings,
            ),
            None => {
                let known = fields.iter().map(|field| field.name);
                unknown(entry, &format!("`{path}`"), known, findings);
            }
        }
    }
    for field in fields
        .iter()
        .filter(|field| field.required && table.get(field.name).is_none())
    {
        findings.add(
            Diagnostic::error(format!("`{path}` lacks `{}`", field.name)).at(findings.origin(value.span)),
        );
    }
}

fn unknown<'a>(
    entry: &Entry,
    place: &str,
    known: impl IntoIterator<Item = &'a str>,
    findings: &mut Findings,
) {
    let mut diagnostic =
        Diagnostic::warning(format!("`{}` is no key of {place}, so it is ignored", entry.key))
            .at(findings.origin(entry.key_span));
    if let Some(known) = suggest::closest(&entry.key, known) {
        diagnostic = diagnostic.hint(format!("did you mean `{known}`?"));
    }
    findings.add(diagnostic);
}

fn wrong_type(value: &Value, shape: &Shape, path: &str, findings: &mut Findings) {
    findings.error(
        value.span,
        format!(
            "`{path}` must be {}, but this is {}",
            shape.in_words(),
            kind_of(&value.node)
        ),
    );
}

impl Shape {
    fn takes(&self, node: &Node) -> bool {
        match self {
            Self::Any => true,
            Self::Text | Self::OneOf(_) => matches!(node, Node::Text(_)),
            Self::Number => matches!(node, Node::Number(_)),
            Self::Bool => matches!(node, Node::Bool(_)),
            Self::List(_) => matches!(node, Node::List(_)),
            Self::Map(_) | Self::Table(_) => matches!(node, Node::Table(_)),
            Self::Either(shapes) => shapes.iter().any(|shape| shape.takes(node)),
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Any => "a value".into(),
            Self::Text => "a string".into(),
            Self::Number => "a number".into(),
            Self::Bool => "true or false".into(),
            Self::OneOf(choices) => list_of(choices, "or"),
            Self::List(item) => format!("a list of {}", item.in_words_many()),
            Self::Map(_) | Self::Table(_) => "a table".into(),
            Self::Either(shapes) => shapes
                .iter()
                .map(Self::in_words)
                .collect::<Vec<_>>()
                .join(", or "),
        }
    }

    fn in_words_many(&self) -> &'static str {
        match self {
            Self::Text | Self::OneOf(_) => "strings",
            Self::Number => "numbers",
            Self::Map(_) | Self::Table(_) => "tables",
            Self::Bool | Self::Any | Self::List(_) | Self::Either(_) => "values",
        }
    }
}

fn kind_of(node: &Node) -> &'static str {
    match node {
        Node::Null => "null",
        Node::Bool(_) => "a boolean",
        Node::Number(_) => "a number",
        Node::Text(_) => "a string",
        Node::List(_) => "a list",
        Node::Table(_) => "a table",
    }
}

/// `"a", "b" or "c"`.
fn list_of(items: &[&str], conjunction: &str) -> String {
    let quoted: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [firsts @ .., last] => format!("{} {conjunction} {last}", firsts.join(", ")),
    }
}
