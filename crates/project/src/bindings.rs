//! The bindings of a configuration: their names, which must differ, and which of them are served.

use crate::environment::Environment;
use crate::model::{D1Database, KvNamespace, R2Bucket, RateLimit, StoredSecret, Unserved, VarValue};
use crate::raw::{Node, Value};
use crate::report::{Diagnostic, Findings};
use crate::resolve::is_empty;
use crate::schema::{KEYS, NameAt, Role};
use crate::source::Span;

/// What the configuration binds, beside plain values.
pub(crate) struct Bindings {
    pub(crate) kv_namespaces: Vec<KvNamespace>,
    pub(crate) d1_databases: Vec<D1Database>,
    pub(crate) r2_buckets: Vec<R2Bucket>,
    pub(crate) rate_limits: Vec<RateLimit>,
    pub(crate) stored_secrets: Vec<StoredSecret>,
    pub(crate) version_metadata: Option<String>,
    pub(crate) unserved: Vec<Unserved>,
}

/// A name in `env`.
struct Named<'a> {
    name: &'a str,
    span: Span,
    kind: &'static str,
}

/// Collects the bindings. Names used twice are errors; `vars` are those that reach `env` in the end.
pub(crate) fn collect(
    environment: &Environment<'_>,
    vars: &[(String, VarValue)],
    findings: &mut Findings,
) -> Bindings {
    let written = environment.value("vars").and_then(Value::as_table);
    let mut names: Vec<Named<'_>> = written
        .into_iter()
        .flat_map(|table| &table.entries)
        .map(|entry| Named {
            name: &entry.key,
            span: entry.key_span,
            kind: "var",
        })
        .collect();
    let mut unserved = Vec::new();
    for key in KEYS {
        let Role::Binding(kind, name_at) = key.role else {
            continue;
        };
        let Some(entry) = environment.get(key.name) else {
            continue;
        };
        let found = names_in(&entry.value, name_at);
        // A table that asks for something without naming a binding (`assets`) still asks for it.
        let nameless = found.is_empty() && matches!(name_at, NameAt::Here(_)) && !is_empty(&entry.value);
        if nameless && !kind.served {
            let origin = findings.origin(entry.key_span);
            unserved.push(Unserved {
                binding: key.name.into(),
                key: key.name,
                kind: kind.label,
                origin,
            });
        }
        for (name, span) in found {
            if !kind.served {
                let origin = findings.origin(span);
                unserved.push(Unserved {
                    binding: name.into(),
                    key: key.name,
                    kind: kind.label,
                    origin,
                });
            }
            add(
                &mut names,
                Named {
                    name,
                    span,
                    kind: kind.label,
                },
                findings,
            );
        }
    }
    warn_about_hidden(&names, vars, findings);
    Bindings {
        kv_namespaces: kv_namespaces(environment),
        d1_databases: d1_databases(environment),
        r2_buckets: r2_buckets(environment, findings),
        rate_limits: rate_limits(environment, findings),
        stored_secrets: stored_secrets(environment),
        version_metadata: environment
            .value("version_metadata")
            .and_then(Value::as_table)
            .and_then(|table| table.get("binding")?.value.as_text())
            .map(str::to_owned),
        unserved,
    }
}

fn add<'a>(names: &mut Vec<Named<'a>>, new: Named<'a>, findings: &mut Findings) {
    if new.name.is_empty() {
        findings.error(new.span, format!("this {} has no name", new.kind));
    } else if let Some(earlier) = names.iter().find(|earlier| earlier.name == new.name) {
        findings.add(
            Diagnostic::error(format!("there are two bindings `{}`", new.name))
                .at(findings.origin(new.span))
                .related(
                    findings.origin(earlier.span),
                    format!("first used here ({})", earlier.kind),
                )
                .hint("every binding needs a name of its own"),
        );
    } else {
        names.push(new);
    }
}

/// A secret or a `--var` with the name of a binding that is no var.
fn warn_about_hidden(names: &[Named<'_>], vars: &[(String, VarValue)], findings: &mut Findings) {
    for named in names.iter().filter(|named| named.kind != "var") {
        if vars.iter().any(|(name, _)| name == named.name) {
            findings.add(
                Diagnostic::error(format!(
                    "`{}` is a {} and a secret or `--var` too",
                    named.name, named.kind
                ))
                .at(findings.origin(named.span))
                .hint("rename one of them"),
            );
        }
    }
}

fn names_in(value: &Value, at: NameAt) -> Vec<(&str, Span)> {
    fn name_of<'a>(value: &'a Value, field: &str) -> Option<(&'a str, Span)> {
        let value = &value.as_table()?.get(field)?.value;
        Some((value.as_text()?, value.span))
    }
    fn items<'a>(list: Option<&'a Value>, field: &str) -> Vec<(&'a str, Span)> {
        let items = list.and_then(Value::as_list).unwrap_or_default();
        items.iter().filter_map(|item| name_of(item, field)).collect()
    }
    match at {
        NameAt::Items(field) => items(Some(value), field),
        NameAt::Here(field) => name_of(value, field).into_iter().collect(),
        NameAt::Inside(list, field) => items(
            value
                .as_table()
                .and_then(|table| table.get(list))
                .map(|entry| &entry.value),
            field,
        ),
        NameAt::Keys => {
            let table = value.as_table();
            table
                .into_iter()
                .flat_map(|t| &t.entries)
                .map(|e| (e.key.as_str(), e.key_span))
                .collect()
        }
    }
}

fn kv_namespaces(environment: &Environment<'_>) -> Vec<KvNamespace> {
    let namespaces = environment
        .value("kv_namespaces")
        .and_then(Value::as_list)
        .unwrap_or_default();
    let namespace = |value: &Value| {
        let table = value.as_table()?;
        let text = |key| table.get(key).and_then(|entry| entry.value.as_text());
        let binding = text("binding")?.to_owned();
        // wrangler's local mode does the same: a namespace without an id is known by its binding.
        let id = text("id").map_or_else(|| binding.clone(), str::to_owned);
        Some(KvNamespace { binding, id })
    };
    namespaces.iter().filter_map(namespace).collect()
}

fn d1_databases(environment: &Environment<'_>) -> Vec<D1Database> {
    let databases = environment
        .value("d1_databases")
        .and_then(Value::as_list)
        .unwrap_or_default();
    let database = |value: &Value| {
        let table = value.as_table()?;
        let text = |key| table.get(key).and_then(|entry| entry.value.as_text());
        let binding = text("binding")?;
        // As wrangler's local mode: its name doesn't matter.
        let id = text("preview_database_id")
            .or(text("database_id"))
            .unwrap_or(binding);
        let given = |key| text(key).filter(|value| !value.is_empty());
        Some(D1Database {
            binding: binding.to_owned(),
            id: id.to_owned(),
            name: text("database_name").map(str::to_owned),
            migrations_table: given("migrations_table").unwrap_or("d1_migrations").to_owned(),
            migrations_dir: given("migrations_dir").unwrap_or("migrations").into(),
        })
    };
    databases.iter().filter_map(database).collect()
}

fn r2_buckets(environment: &Environment<'_>, findings: &mut Findings) -> Vec<R2Bucket> {
    let buckets = environment
        .value("r2_buckets")
        .and_then(Value::as_list)
        .unwrap_or_default();
    let bucket = |value: &Value| {
        let table = value.as_table()?;
        let binding = table.get("binding")?.value.as_text()?.to_owned();
        let name = table.get("bucket_name").map(|entry| &entry.value);
        if let Some((name, span)) = name.and_then(|value| Some((value.as_text()?, value.span)))
            && !is_bucket_name(name)
        {
            findings.add(
                Diagnostic::error(format!("`{name}` can't be the name of a bucket"))
                    .at(findings.origin(span))
                    .hint("a bucket's name has 3 to 63 lower-case letters, digits and `-`, and none at its ends"),
            );
        }
        // wrangler's local mode does the same: a bucket without a name is known by its binding.
        let name = name
            .and_then(Value::as_text)
            .map_or_else(|| binding.clone(), str::to_owned);
        Some(R2Bucket { binding, name })
    };
    buckets.iter().filter_map(bucket).collect()
}

/// Whether a bucket can have this name, by the platform's rule: <https://developers.cloudflare.com/r2/buckets/create-buckets/>.
pub fn is_bucket_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (Some(&first), Some(&last)) = (name.as_bytes().first(), name.as_bytes().last()) else {
        return false;
    };
    (3..=63).contains(&name.len())
        && is_plain(first)
        && is_plain(last)
        && name.bytes().all(|byte| is_plain(byte) || byte == b'-')
}

fn rate_limits(environment: &Environment<'_>, findings: &mut Findings) -> Vec<RateLimit> {
    let limits = environment
        .value("ratelimits")
        .and_then(Value::as_list)
        .unwrap_or_default();
    let mut limit = |value: &Value| {
        let table = value.as_table()?;
        let text = |key| Some(table.get(key)?.value.as_text()?.to_owned());
        let simple = table.get("simple")?.value.as_table()?;
        let mut number = |key, fits: fn(u64) -> bool, wanted: &str| {
            let value = &simple.get(key)?.value;
            let Node::Number(number) = &value.node else {
                return None;
            };
            let number = number.as_u64().filter(|&number| fits(number));
            if number.is_none() {
                findings.error(
                    value.span,
                    format!("`simple.{key}` of a rate limit must be {wanted}"),
                );
            }
            number
        };
        let limit = number("limit", |_| true, "a whole number, 0 or more");
        let period = number("period", |period| matches!(period, 10 | 60), "10 or 60 seconds");
        Some(RateLimit {
            binding: text("name")?,
            namespace_id: text("namespace_id")?,
            limit: limit?,
            period: period? as u32,
        })
    };
    limits.iter().filter_map(&mut limit).collect()
}

fn stored_secrets(environment: &Environment<'_>) -> Vec<StoredSecret> {
    let secrets = environment
        .value("secrets_store_secrets")
        .and_then(Value::as_list)
        .unwrap_or_default();
    let secret = |value: &Value| {
        let table = value.as_table()?;
        let text = |key| Some(table.get(key)?.value.as_text()?.to_owned());
        Some(StoredSecret {
            binding: text("binding")?,
            store_id: text("store_id")?,
            secret_name: text("secret_name")?,
        })
    };
    secrets.iter().filter_map(secret).collect()
}
