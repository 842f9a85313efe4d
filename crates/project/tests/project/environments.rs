//! `env.<name>`: what it changes, what it inherits, what is missing from it.

use isthmus_project::LoadOptions;

use crate::folder::{Folder, pairs, vars, with};

fn env(folder: &Folder, name: &str) -> LoadOptions {
    LoadOptions {
        env: Some(name.into()),
        ..folder.options()
    }
}

const CONFIG: &str = r#"  "vars": {"A": "top", "B": "top"},
  "kv_namespaces": [{"binding": "KV", "id": "top"}],
  "dev": {"port": 9000},
  "env": {
    "staging": {
      "vars": {"A": "staging"},
      "kv_namespaces": [{"binding": "KV", "id": "staging"}],
      "compatibility_date": "2025-01-01",
      "compatibility_flags": ["python_workers", "python_workflows"]
    },
    "production": {"name": "live"}
  }"#;

#[test]
fn what_an_environment_says_counts_and_bindings_are_not_inherited() {
    let folder = with(CONFIG);
    let top = folder.load();
    assert_eq!((top.name.as_str(), top.environment.as_deref()), ("worker", None));
    assert_eq!(vars(&top), pairs(&[("A", "text top"), ("B", "text top")]));

    let staging = folder.load_with(&env(&folder, "staging"));
    assert_eq!(
        (staging.name.as_str(), staging.environment.as_deref()),
        ("worker-staging", Some("staging"))
    );
    assert_eq!(vars(&staging), pairs(&[("A", "text staging")]));
    assert_eq!(staging.kv_namespaces[0].id, "staging");
    assert_eq!(
        (staging.compatibility_date.as_str(), staging.dev_port),
        ("2025-01-01", 9000)
    );
    assert!(staging.flags.contains(&("python_workflows", true)));
    assert_eq!(staging.main, folder.path().join("src/entry.py"));
    assert_eq!(
        staging.origin("vars.A").map(|origin| origin.position()),
        Some((11, 21))
    );

    let live = folder.load_with(&env(&folder, "production"));
    assert_eq!(live.name, "live");
    assert!(live.vars.is_empty() && live.kv_namespaces.is_empty());
}

#[test]
fn what_is_not_inherited_is_warned_about() {
    let folder = with(CONFIG);
    assert_eq!(
        folder.plain(&folder.load_with(&env(&folder, "staging")).warnings),
        r#"warning: the environment `staging` doesn't have the var `B`
 --> [DIR]/wrangler.jsonc:6:24
  |
6 |   "vars": {"A": "top", "B": "top"},
  |                        ^^^
  |
  = help: vars are not inherited: repeat it in `env.staging.vars`
"#
    );
    assert_eq!(
        folder.plain(&folder.load_with(&env(&folder, "production")).warnings),
        r#"warning: the environment `production` doesn't have these `vars`
 --> [DIR]/wrangler.jsonc:6:3
  |
6 |   "vars": {"A": "top", "B": "top"},
  |   ^^^^^^
  |
  = help: they are not inherited: repeat them in `env.production.vars`

warning: the environment `production` doesn't have these `kv_namespaces`
 --> [DIR]/wrangler.jsonc:7:3
  |
7 |   "kv_namespaces": [{"binding": "KV", "id": "top"}],
  |   ^^^^^^^^^^^^^^^
  |
  = help: they are not inherited: repeat them in `env.production.kv_namespaces`
"#
    );
}

#[test]
fn an_unknown_environment() {
    let folder = with(CONFIG);
    assert_eq!(
        folder.errors_with(&env(&folder, "stagging")),
        r#"error: there is no environment `stagging`
 --> [DIR]/wrangler.jsonc:9:3
  |
9 |   "env": {
  |   ^^^^^
  |
  = help: did you mean `staging`? The environments are `staging`, `production`
"#
    );
    assert!(
        folder
            .errors_with(&env(&folder, "test"))
            .contains("= help: the environments are `staging`, `production`\n")
    );
    let without = with("");
    assert_eq!(
        without.errors_with(&env(&without, "test")),
        "\
error: there is no environment `test`
 |
 = help: the configuration has no environments: it would need `env` for that
"
    );
}

#[test]
fn the_environment_variable_chooses_too_but_the_option_goes_first() {
    let folder = with(CONFIG);
    let mut options = folder.options();
    options.process_env = pairs(&[("CLOUDFLARE_ENV", "production")]);
    assert_eq!(folder.load_with(&options).name, "live");
    options.env = Some("staging".into());
    assert_eq!(folder.load_with(&options).name, "worker-staging");
    options.env = Some(String::new());
    assert_eq!(folder.load_with(&options).name, "worker");
}

#[test]
fn an_environment_is_checked_when_it_is_chosen() {
    let folder = with(r#"  "env": {"a": {"dev": {}, "mian": "x", "vars": 1}, "b": 5}"#);
    assert!(folder.load().warnings.is_empty());
    let report = folder.errors_with(&env(&folder, "a"));
    assert!(
        report.contains("warning: `dev` has no effect in `env.a`\n"),
        "{report}"
    );
    assert!(
        report.contains("warning: `mian` is no key of `env.a`, so it is ignored\n"),
        "{report}"
    );
    assert!(report.contains("= help: did you mean `main`?\n"), "{report}");
    assert!(
        report.contains("error: `env.a.vars` must be a table, but this is a number\n"),
        "{report}"
    );
    assert!(
        folder
            .errors_with(&env(&folder, "b"))
            .starts_with("error: `env.b` must be a table\n")
    );
}

#[test]
fn env_must_be_a_table() {
    let report = with(r#"  "env": ["a"]"#).errors();
    assert!(
        report.starts_with("error: `env` must be a table of environments\n"),
        "{report}"
    );
}
