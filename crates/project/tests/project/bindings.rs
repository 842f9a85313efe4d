//! Names of bindings, and those that aren't served yet.

use crate::folder::with;

#[test]
fn names_differ() {
    let folder = with(
        r#"  "vars": {"A": "1"},
  "kv_namespaces": [{"binding": "A"}, {"binding": "B"}, {"binding": "B"}]"#,
    );
    assert_eq!(
        folder.errors(),
        r#"error: there are two bindings `A`
 --> [DIR]/wrangler.jsonc:7:33
  |
6 |   "vars": {"A": "1"},
  |            --- first used here (var)
7 |   "kv_namespaces": [{"binding": "A"}, {"binding": "B"}, {"binding": "B"}]
  |                                 ^^^
  |
  = help: every binding needs a name of its own

error: there are two bindings `B`
 --> [DIR]/wrangler.jsonc:7:69
  |
7 |   "kv_namespaces": [{"binding": "A"}, {"binding": "B"}, {"binding": "B"}]
  |                                                   ---               ^^^
  |                                                   |
  |                                                   first used here (KV namespace)
  |
  = help: every binding needs a name of its own
"#
    );
}

#[test]
fn a_name_is_not_empty() {
    let report = with(r#"  "kv_namespaces": [{"binding": ""}]"#).errors();
    assert!(
        report.starts_with("error: this KV namespace has no name\n"),
        "{report}"
    );
}

#[test]
fn a_secret_does_not_hide_a_binding() {
    let folder = with(r#"  "kv_namespaces": [{"binding": "KV"}]"#);
    folder.write(".dev.vars", b"KV=1");
    let report = folder.errors();
    assert!(
        report.starts_with("error: `KV` is a KV namespace and a secret or `--var` too\n"),
        "{report}"
    );
}

#[test]
fn what_is_not_served_yet_is_listed_with_its_name() {
    let folder = with(
        r#"  "kv_namespaces": [{"binding": "KV"}],
  "vectorize": [{"binding": "INDEX", "index_name": "i"}],
  "durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room"}]},
  "ai": {"binding": "AI"},
  "unsafe": {"metadata": {}},
  "browser": {"binding": "BROWSER"}"#,
    );
    let project = folder.load();
    let found: Vec<_> = project
        .unserved
        .iter()
        .map(|u| (u.binding.as_str(), u.key, u.kind))
        .collect();
    assert_eq!(
        found,
        [
            ("ROOM", "durable_objects", "Durable Object namespace"),
            ("AI", "ai", "AI"),
            ("INDEX", "vectorize", "Vectorize index"),
            ("BROWSER", "browser", "browser"),
        ]
    );
    let report = folder.plain(&project.unserved_report().expect("there is something to say"));
    assert!(
        report.contains(
            r#"error: `INDEX`: bindings of the kind Vectorize index can't be served by Isthmus yet
 --> [DIR]/wrangler.jsonc:7:29
  |
7 |   "vectorize": [{"binding": "INDEX", "index_name": "i"}],
  |                             ^^^^^^^
"#
        ),
        "{report}"
    );
    assert!(with("").load().unserved_report().is_none());
}

#[test]
fn a_bucket_is_known_by_its_name_or_else_by_its_binding() {
    let project =
        with(r#"  "r2_buckets": [{"binding": "A", "bucket_name": "my-bucket-1"}, {"binding": "B"}]"#).load();
    let found: Vec<_> = project
        .r2_buckets
        .iter()
        .map(|b| (&*b.binding, &*b.name))
        .collect();
    assert_eq!(found, [("A", "my-bucket-1"), ("B", "B")]);
    for name in [
        "",
        "ab",
        "-ab",
        "ab-",
        "My-bucket",
        "my_bucket",
        "../etc",
        &"a".repeat(64),
    ] {
        let report = with(&format!(
            r#"  "r2_buckets": [{{"binding": "A", "bucket_name": "{name}"}}]"#
        ))
        .errors();
        let expected = format!("error: `{name}` can't be the name of a bucket\n");
        assert!(report.starts_with(&expected), "{report}");
        assert!(report.contains("3 to 63"), "{report}");
    }
}

#[test]
fn a_database_is_known_by_its_ids_or_its_binding() {
    let folder = with(
        r#"  "d1_databases": [
    {"binding": "A", "database_name": "a", "database_id": "one"},
    {"binding": "B", "database_id": "two", "preview_database_id": "three", "migrations_dir": "sql/steps"},
    {"binding": "C", "database_name": "c", "migrations_table": "done"}
  ]"#,
    );
    let found: Vec<_> = folder
        .load()
        .d1_databases
        .into_iter()
        .map(|database| {
            let folder = database.migrations_dir.display().to_string();
            (database.name, database.id, database.migrations_table, folder)
        })
        .collect();
    let row = |name: Option<&str>, id: &str, table: &str, folder: &str| {
        (
            name.map(str::to_owned),
            id.to_owned(),
            table.to_owned(),
            folder.to_owned(),
        )
    };
    assert_eq!(
        found,
        [
            row(Some("a"), "one", "d1_migrations", "migrations"),
            row(None, "three", "d1_migrations", "sql/steps"),
            row(Some("c"), "C", "done", "migrations"),
        ]
    );
    let report = with(r#"  "d1_databases": [{"database_id": "one"}]"#).errors();
    assert!(report.contains("`d1_databases[0]` lacks `binding`"), "{report}");
    let report = with(r#"  "d1_databases": [{"binding": "A", "database_id": 7}]"#).errors();
    assert!(
        report.contains("`d1_databases[0].database_id` must be a string, but this is a number"),
        "{report}"
    );
}
