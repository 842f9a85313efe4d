//! A configuration as it is written: one tree for JSON and TOML, in which every value knows its place.

mod json;
mod toml;

use serde_json::Number;

use crate::report::{Diagnostic, Findings};
use crate::source::{Source, Span};

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value {
    pub(crate) node: Node,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Value>),
    Table(Table),
}

/// Entries in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Value,
}

/// The syntax of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    Json,
    Toml,
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl Value {
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.node {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match &self.node {
            Node::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn as_table(&self) -> Option<&Table> {
        match &self.node {
            Node::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The value without its places.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.node {
            Node::Null => serde_json::Value::Null,
            Node::Bool(value) => (*value).into(),
            Node::Number(number) => number.clone().into(),
            Node::Text(text) => text.as_str().into(),
            Node::List(items) => items.iter().map(Self::to_json).collect(),
            Node::Table(table) => table
                .entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect(),
        }
    }
}

/// Reads a configuration. `None` if it can't be read at all; why is in `findings`.
pub(crate) fn parse(source: &Source, syntax: Syntax, findings: &mut Findings) -> Option<(Table, Span)> {
    let root = match syntax {
        Syntax::Json => json::parse(source.text(), findings),
        Syntax::Toml => toml::parse(source.text(), findings),
    }?;
    match root.node {
        Node::Table(table) => Some((table, root.span)),
        _ => {
            findings.error(root.span, "a configuration is an object: { … }");
            None
        }
    }
}

/// A table of the entries, the last of those with the same key, which are warned about.
fn table(entries: impl IntoIterator<Item = Entry>, findings: &mut Findings) -> Table {
    let mut table = Table::default();
    for entry in entries {
        if let Some(earlier) = table.entries.iter_mut().find(|other| other.key == entry.key) {
            let (earlier_span, key) = (earlier.key_span, entry.key.clone());
            let span = entry.key_span;
            *earlier = entry;
            findings.add(
                Diagnostic::warning(format!("`{key}` is there twice; the last one counts"))
                    .at(findings.origin(span))
                    .related(findings.origin(earlier_span), "without effect"),
            );
        } else {
            table.entries.push(entry);
        }
    }
    table
}
