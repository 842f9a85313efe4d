//! The report of each mistake, word for word.

use crate::folder::{Folder, with};

/// One mistake in a configuration in JSON, and the report.
fn json(further: &str, report: &str) {
    let folder = with(further);
    assert_eq!(folder.errors(), report, "{further}");
}

#[test]
fn several_errors_come_together_in_the_order_of_the_file() {
    let folder = Folder::new(&[(
        "wrangler.jsonc",
        r#"{
  "name": "Hello World",
  "main": "src/entri.py",
  "compatability_date": "2025-11-02",
  "compatibility_flags": ["python_worker"],
  "kv_namespaces": [{"binding": "FOO", "id": 5}],
  "dev": {"port": "8000"},
}
"#,
    )]);
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
        .to_string();
    assert_eq!(
        folder.errors().replace(&today, "[TODAY]"),
        r#"warning: there is no `compatibility_date`; today's is taken, [TODAY]
 --> [DIR]/wrangler.jsonc:1:1
  |
1 | {
  | ^
  |
  = help: with a date of its own a Worker keeps behaving as it does now

error: `name` may have lower-case letters, digits, `-` and `_` only
 --> [DIR]/wrangler.jsonc:2:11
  |
2 |   "name": "Hello World",
  |           ^^^^^^^^^^^^^

error: the main module doesn't exist: [DIR]/src/entri.py
 --> [DIR]/wrangler.jsonc:3:11
  |
3 |   "main": "src/entri.py",
  |           ^^^^^^^^^^^^^^
  |
  = help: `main` is relative to the folder of the configuration

warning: `compatability_date` is no key of the top level, so it is ignored
 --> [DIR]/wrangler.jsonc:4:3
  |
4 |   "compatability_date": "2025-11-02",
  |   ^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean `compatibility_date`?

error: The `python_workers` compatibility flag is required to use Python.
 --> [DIR]/wrangler.jsonc:5:26
  |
5 |   "compatibility_flags": ["python_worker"],
  |                          ^^^^^^^^^^^^^^^^^
  |
  = help: add "python_workers" to `compatibility_flags`

error: there is no compatibility flag `python_worker`
 --> [DIR]/wrangler.jsonc:5:27
  |
5 |   "compatibility_flags": ["python_worker"],
  |                           ^^^^^^^^^^^^^^^
  |
  = help: did you mean `python_workers`?

error: `kv_namespaces[0].id` must be a string, but this is a number
 --> [DIR]/wrangler.jsonc:6:46
  |
6 |   "kv_namespaces": [{"binding": "FOO", "id": 5}],
  |                                              ^

error: `dev.port` must be a number, but this is a string
 --> [DIR]/wrangler.jsonc:7:19
  |
7 |   "dev": {"port": "8000"},
  |                   ^^^^^^
"#
    );
}

#[test]
fn main_is_missing() {
    let folder = Folder::new(&[("wrangler.toml", "compatibility_date = \"2025-11-02\"\n")]);
    assert_eq!(
        folder.errors(),
        r#"error: there is no `main`
 --> [DIR]/wrangler.toml:1:1
  |
1 | compatibility_date = "2025-11-02"
  | ^
  |
  = help: name the file of the Worker's main module: "main": "src/entry.py"
"#
    );
}

#[test]
fn an_empty_toml_file_is_a_configuration_without_anything() {
    let folder = Folder::new(&[("wrangler.toml", "")]);
    assert!(folder.errors().contains("error: there is no `main`"));
}

#[test]
fn main_is_no_python_file() {
    let folder = Folder::new(&[
        (
            "wrangler.jsonc",
            "{\n  \"main\": \"src/index.js\", \"compatibility_date\": \"2025-11-02\"\n}",
        ),
        ("src/index.js", ""),
    ]);
    assert_eq!(
        folder.errors(),
        r#"error: Isthmus runs Python Workers: `main` must be a .py file
 --> [DIR]/wrangler.jsonc:2:11
  |
2 |   "main": "src/index.js", "compatibility_date": "2025-11-02"
  |           ^^^^^^^^^^^^^^
"#
    );
}

#[test]
fn main_is_a_folder() {
    let folder = Folder::new(&[(
        "wrangler.toml",
        "main = \"src\"\ncompatibility_date = \"2025-11-02\"\n",
    )]);
    assert_eq!(
        folder.errors(),
        r#"error: `main` is a folder: [DIR]/src
 --> [DIR]/wrangler.toml:1:8
  |
1 | main = "src"
  |        ^^^^^
  |
  = help: `main` names the file of the Worker's main module
"#
    );
}

#[test]
fn python_without_its_flag() {
    let folder = Folder::new(&[(
        "wrangler.toml",
        "main = \"src/entry.py\"\ncompatibility_date = \"2025-11-02\"\n",
    )]);
    assert_eq!(
        folder.errors(),
        r#"error: The `python_workers` compatibility flag is required to use Python.
 --> [DIR]/wrangler.toml:1:8
  |
1 | main = "src/entry.py"
  |        ^^^^^^^^^^^^^^
  |
  = help: add "python_workers" to `compatibility_flags`
"#
    );
}

#[test]
fn dates() {
    for (date, message) in [
        ("2025-13-01", "`compatibility_date` is no date: \"2025-13-01\""),
        ("2025-11-2", "`compatibility_date` is no date: \"2025-11-2\""),
        ("20251102", "`compatibility_date` is no date: \"20251102\""),
        ("2025–11–02", "`compatibility_date` is no date: \"2025–11–02\""),
        ("", "`compatibility_date` is no date: \"\""),
        ("9999-12-31", "`compatibility_date` is in the future"),
    ] {
        let folder = Folder::new(&[(
            "wrangler.toml",
            &format!(
                "main = \"src/entry.py\"\ncompatibility_flags = [\"python_workers\"]\ncompatibility_date = \"{date}\"\n"
            ),
        )]);
        let report = folder.errors();
        assert!(report.starts_with(&format!("error: {message}")), "{report}");
        assert!(report.contains("wrangler.toml:3:22"), "{report}");
        assert_eq!(report.matches("error:").count(), 1, "{report}");
    }
}

#[test]
fn wrong_types() {
    for (key, words) in [
        (r#""name": 5"#, "`name` must be a string, but this is a number"),
        (
            r#""main": ["src/entry.py"]"#,
            "`main` must be a string, but this is a list",
        ),
        (
            r#""compatibility_flags": "python_workers""#,
            "`compatibility_flags` must be a list of strings, but this is a string",
        ),
        (
            r#""compatibility_flags": [true]"#,
            "`compatibility_flags[0]` must be a string, but this is a boolean",
        ),
        (
            r#""compatibility_date": 20251102"#,
            "`compatibility_date` must be a string, but this is a number",
        ),
        (r#""vars": []"#, "`vars` must be a table, but this is a list"),
        (
            r#""kv_namespaces": {}"#,
            "`kv_namespaces` must be a list of tables, but this is a table",
        ),
        (
            r#""kv_namespaces": ["KV"]"#,
            "`kv_namespaces[0]` must be a table, but this is a string",
        ),
        (
            r#""build": "make""#,
            "`build` must be a table, but this is a string",
        ),
        (
            r#""build": {"watch_dir": 1}"#,
            "`build.watch_dir` must be a string, or a list of strings, but this is a number",
        ),
        (
            r#""minify": "yes""#,
            "`minify` must be true or false, but this is a string",
        ),
        (
            r#""observability": null"#,
            "`observability` must be a table, but this is null",
        ),
        (
            r#""triggers": {"crons": ["* * * * *", 1]}"#,
            "`triggers.crons[1]` must be a string, but this is a number",
        ),
        (
            r#""secrets": {"required": "A"}"#,
            "`secrets.required` must be a list of strings, but this is a string",
        ),
    ] {
        let folder = Folder::new(&[("wrangler.json", &format!("{{{key}}}"))]);
        let report = folder.errors();
        assert!(report.contains(&format!("error: {words}\n")), "{key}: {report}");
    }
}

#[test]
fn a_value_that_is_none_of_the_choices() {
    json(
        r#"  "rules": [{"type": "text", "globs": []}]"#,
        r#"error: `rules[0].type` must be "ESModule", "CommonJS", "CompiledWasm", "Text", "Data", "PythonModule" or "PythonRequirement"
 --> [DIR]/wrangler.jsonc:6:22
  |
6 |   "rules": [{"type": "text", "globs": []}]
  |                      ^^^^^^
  |
  = help: did you mean "Text"?
"#,
    );
}

#[test]
fn a_field_is_missing() {
    json(
        r#"  "kv_namespaces": [{"id": "5"}]"#,
        r#"error: `kv_namespaces[0]` lacks `binding`
 --> [DIR]/wrangler.jsonc:6:21
  |
6 |   "kv_namespaces": [{"id": "5"}]
  |                     ^^^^^^^^^^^
"#,
    );
}

#[test]
fn dev_addresses() {
    for (dev, error) in [
        (
            r#"{"ip": "example.com"}"#,
            "`dev.ip` is no IP address: \"example.com\"",
        ),
        (
            r#"{"port": 65536}"#,
            "`dev.port` must be a whole number from 0 to 65535",
        ),
        (
            r#"{"port": -1}"#,
            "`dev.port` must be a whole number from 0 to 65535",
        ),
        (
            r#"{"port": 80.5}"#,
            "`dev.port` must be a whole number from 0 to 65535",
        ),
    ] {
        let report = with(&format!(r#"  "dev": {dev}"#)).errors();
        assert!(report.starts_with(&format!("error: {error}\n")), "{report}");
    }
}

#[test]
fn unknown_keys_are_warned_about() {
    let folder = with(
        r#"  "kv_namespace": [], "kv_namespaces": [{"binding": "A", "Id": "1"}], "zzzzz": 1, "Env": {}"#,
    );
    assert_eq!(
        folder.warnings(),
        r#"warning: `kv_namespace` is no key of the top level, so it is ignored
 --> [DIR]/wrangler.jsonc:6:3
  |
6 |   "kv_namespace": [], "kv_namespaces": [{"binding": "A", "Id": "1"}], "zzzzz": 1, "Env": {}
  |   ^^^^^^^^^^^^^^
  |
  = help: did you mean `kv_namespaces`?

warning: `Id` is no key of `kv_namespaces[0]`, so it is ignored
 --> [DIR]/wrangler.jsonc:6:58
  |
6 |   "kv_namespace": [], "kv_namespaces": [{"binding": "A", "Id": "1"}], "zzzzz": 1, "Env": {}
  |                                                          ^^^^
  |
  = help: did you mean `id`?

warning: `zzzzz` is no key of the top level, so it is ignored
 --> [DIR]/wrangler.jsonc:6:71
  |
6 |   "kv_namespace": [], "kv_namespaces": [{"binding": "A", "Id": "1"}], "zzzzz": 1, "Env": {}
  |                                                                       ^^^^^^^

warning: `Env` is no key of the top level, so it is ignored
 --> [DIR]/wrangler.jsonc:6:83
  |
6 |   "kv_namespace": [], "kv_namespaces": [{"binding": "A", "Id": "1"}], "zzzzz": 1, "Env": {}
  |                                                                                   ^^^^^
  |
  = help: did you mean `env`?
"#
    );
}

#[test]
fn a_key_twice() {
    let folder = with(r#"  "vars": {"A": "1", "A": "2"}"#);
    assert_eq!(
        folder.warnings(),
        r#"warning: `A` is there twice; the last one counts
 --> [DIR]/wrangler.jsonc:6:22
  |
6 |   "vars": {"A": "1", "A": "2"}
  |            ---       ^^^
  |            |
  |            without effect
"#
    );
    assert_eq!(
        crate::folder::vars(&folder.load()),
        crate::folder::pairs(&[("A", "text 2")])
    );
}

#[test]
fn syntax_errors_have_a_place() {
    for (file, text, report) in [
        (
            "wrangler.jsonc",
            "{\n  \"name\": \"a\"\n  \"main\": \"b\"\n}",
            "error: this is not valid JSON: expected comma\n --> [DIR]/wrangler.jsonc:2:14\n",
        ),
        (
            "wrangler.json",
            "{'name': 'a'}",
            "error: this is not valid JSON: single-quoted strings are not allowed\n --> [DIR]/wrangler.json:1:2\n",
        ),
        (
            "wrangler.json",
            "{\"name\": 0x10}",
            "error: this is not valid JSON: ",
        ),
        (
            "wrangler.json",
            "{\"name\": \"a",
            "error: this is not valid JSON: ",
        ),
        ("wrangler.json", "", "error: the file is empty\n"),
        ("wrangler.json", "// nothing", "error: the file is empty\n"),
        (
            "wrangler.json",
            "[]",
            "error: a configuration is an object: { … }\n",
        ),
        (
            "wrangler.json",
            "{\"dev\": {\"port\": 1e999}}",
            "error: this number is too large\n --> [DIR]/wrangler.json:1:18\n",
        ),
        (
            "wrangler.toml",
            "name = \"a\"\nmain = \"b\n",
            "error: this is not valid TOML: invalid character in string: `\\n`\n --> [DIR]/wrangler.toml:2:10\n",
        ),
        (
            "wrangler.toml",
            "[vars]\nA = inf\n",
            "error: a Worker can't get this number: JSON has no `inf` and no `nan`\n --> [DIR]/wrangler.toml:2:5\n",
        ),
    ] {
        let found = Folder::new(&[(file, text)]).errors();
        assert!(found.contains(report), "{text:?}\n{found}");
    }
}

#[test]
fn toml_dates_and_double_tables() {
    assert_eq!(
        Folder::new(&[("wrangler.toml", "name = \"a\"\ncompatibility_date = 2025-11-02\n")]).errors(),
        r#"error: this is not valid TOML: invalid number
 --> [DIR]/wrangler.toml:2:22
  |
2 | compatibility_date = 2025-11-02
  |                      ^^^^^^^^^^
  |
  = help: write dates as strings, in quotes: "2026-11-17"
"#
    );
    assert_eq!(
        Folder::new(&[("wrangler.toml", "[vars]\nA = 1\n[vars]\nB = 1\n")]).errors(),
        r#"error: this is not valid TOML: redefinition of table `vars`
 --> [DIR]/wrangler.toml:3:1
  |
1 | [vars]
  | ------ first here
2 | A = 1
3 | [vars]
  | ^^^^^^
"#
    );
}

#[test]
fn not_utf_8() {
    let folder = Folder::new(&[]);
    folder.write("wrangler.jsonc", b"{\n  \"name\": \"caf\xe9\"\n}");
    assert_eq!(
        folder.errors(),
        "\
error: this is not UTF-8
 --> [DIR]/wrangler.jsonc:2:15
  |
2 |   \"name\": \"caf\u{fffd}\"
  |               ^
"
    );
}

#[test]
fn python_modules_among_the_workers_modules() {
    let folder = with("");
    folder.write("src/python_modules/a.py", b"");
    let report = folder.errors();
    assert!(
        report.starts_with("error: [DIR]/src/python_modules can't be inside the Worker's modules\n"),
        "{report}"
    );
}

#[test]
fn base_dir_without_main() {
    let folder = with(r#"  "base_dir": "lib""#);
    assert!(folder.errors().starts_with("error: `base_dir` is no folder\n"));
    folder.write("lib/a.py", b"");
    assert!(folder.errors().starts_with("error: `main` isn't in `base_dir`\n"));
}

#[test]
fn var_arguments() {
    let folder = with("");
    let mut options = folder.options();
    options.vars = vec!["NAME".into(), ":x".into()];
    assert_eq!(
        folder.errors_with(&options),
        "\
error: `--var NAME` has no value
 |
 = help: write --var NAME:VALUE

error: `--var :x` has no value
 |
 = help: write --var NAME:VALUE
"
    );
}

#[test]
fn what_is_not_served_yet_is_said() {
    let folder = with(
        r#"  "containers": [{"class_name": "A"}], "migrations": [], "observability": {"enabled": true}"#,
    );
    assert_eq!(
        folder.warnings(),
        r#"warning: `containers` has no effect in Isthmus yet
 --> [DIR]/wrangler.jsonc:6:3
  |
6 |   "containers": [{"class_name": "A"}], "migrations": [], "observability": {"enabled": true}
  |   ^^^^^^^^^^^^
"#
    );
}

#[test]
fn the_styled_report_is_the_plain_one_in_colour() {
    let report =
        isthmus_project::load(&with(r#"  "nam": 1, "dev": {"port": "x"}"#).options()).expect_err("an error");
    let styled = report.styled();
    assert!(styled.contains('\u{1b}'));
    let plain: String = {
        let mut rest = styled.as_str();
        let mut plain = String::new();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            plain.push_str(before);
            rest = after.split_once('m').expect("only colours").1;
        }
        plain + rest
    };
    assert_eq!(plain, report.to_string());
}

#[test]
fn a_configuration_gives_the_terminal_no_orders() {
    let folder = with(
        "  \"\\u001b[2Jmain\": 1, // \u{1b}]0;owned\u{7}\n  \"dev\": {\"ip\": \"\\u001b[31m\"} // \u{1b}[31m\u{9b}2J",
    );
    let report = folder.errors();
    assert!(report.contains("owned"), "{report}");
    assert!(!report.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{report:?}");
}
