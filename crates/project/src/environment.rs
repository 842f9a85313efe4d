//! The chosen environment: which value of a key counts.
//!
//! A key of `env.<name>` goes before the one at the top level. Most of the others are inherited;
//! bindings and `vars` are not, which is warned about as wrangler does.

use crate::raw::{Entry, Table, Value};
use crate::report::{Diagnostic, Findings};
use crate::schema::{self, KEYS, Scope};
use crate::suggest;

/// A configuration seen from one environment.
pub(crate) struct Environment<'a> {
    top: &'a Table,
    /// Its name and its table.
    chosen: Option<(&'a str, &'a Table)>,
}

impl<'a> Environment<'a> {
    /// Looks the environment up and checks it. `None`, with an error in `findings`, if it doesn't exist.
    pub(crate) fn choose(top: &'a Table, name: Option<&'a str>, findings: &mut Findings) -> Option<Self> {
        let env = top.get("env");
        let environments = env.and_then(|entry| entry.value.as_table());
        if let (Some(entry), None) = (env, environments) {
            findings.error(entry.value.span, "`env` must be a table of environments");
            return None;
        }
        let Some(name) = name else {
            return Some(Self { top, chosen: None });
        };
        let Some(entry) = environments.and_then(|environments| environments.get(name)) else {
            findings.add(missing(name, env, environments, findings));
            return None;
        };
        let Some(table) = entry.value.as_table() else {
            findings.error(entry.value.span, format!("`env.{name}` must be a table"));
            return None;
        };
        schema::check_environment(table, &format!("env.{name}"), findings);
        let environment = Self {
            top,
            chosen: Some((name, table)),
        };
        environment.warn_about_what_is_not_inherited(name, table, findings);
        Some(environment)
    }

    /// The entry that counts, and its path in the configuration.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Entry> {
        if let Some((_, table)) = self.chosen {
            let scope = schema::key(key).map_or(Scope::Inherited, |key| key.scope);
            match (scope, table.get(key)) {
                (Scope::Inherited | Scope::PerEnvironment, Some(entry)) => return Some(entry),
                (Scope::PerEnvironment, None) => return None,
                (Scope::Inherited, None) | (Scope::TopLevel, _) => {}
            }
        }
        self.top.get(key)
    }

    /// The value that counts.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.get(key).map(|entry| &entry.value)
    }

    /// The name of the chosen environment.
    pub(crate) fn name(&self) -> Option<&'a str> {
        self.chosen.map(|(name, _)| name)
    }

    /// Whether a key stands in the chosen environment itself.
    pub(crate) fn has_own(&self, key: &str) -> bool {
        self.chosen.is_some_and(|(_, table)| table.get(key).is_some())
    }

    fn warn_about_what_is_not_inherited(&self, name: &str, table: &Table, findings: &mut Findings) {
        for key in KEYS.iter().filter(|key| key.scope == Scope::PerEnvironment) {
            let Some(top) = self.top.get(key.name) else {
                continue;
            };
            let Some(own) = table.get(key.name) else {
                findings.add(
                    Diagnostic::warning(format!(
                        "the environment `{name}` doesn't have these `{}`",
                        key.name
                    ))
                    .at(findings.origin(top.key_span))
                    .hint(format!(
                        "they are not inherited: repeat them in `env.{name}.{}`",
                        key.name
                    )),
                );
                continue;
            };
            if key.name == "vars" {
                warn_about_missing_vars(name, top, own, findings);
            }
        }
    }
}

fn warn_about_missing_vars(name: &str, top: &Entry, own: &Entry, findings: &mut Findings) {
    let (Some(top), Some(own)) = (top.value.as_table(), own.value.as_table()) else {
        return;
    };
    for entry in top.entries.iter().filter(|entry| own.get(&entry.key).is_none()) {
        findings.add(
            Diagnostic::warning(format!(
                "the environment `{name}` doesn't have the var `{}`",
                entry.key
            ))
            .at(findings.origin(entry.key_span))
            .hint(format!("vars are not inherited: repeat it in `env.{name}.vars`")),
        );
    }
}

fn missing(name: &str, env: Option<&Entry>, environments: Option<&Table>, findings: &Findings) -> Diagnostic {
    let diagnostic = Diagnostic::error(format!("there is no environment `{name}`"));
    let names: Vec<&str> = environments
        .map(|environments| {
            environments
                .entries
                .iter()
                .map(|entry| entry.key.as_str())
                .collect()
        })
        .unwrap_or_default();
    let Some(env) = env.filter(|_| !names.is_empty()) else {
        return diagnostic.hint("the configuration has no environments: it would need `env` for that");
    };
    let listed = names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let hint = match suggest::closest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? The environments are {listed}"),
        None => format!("the environments are {listed}"),
    };
    diagnostic.at(findings.origin(env.key_span)).hint(hint)
}
