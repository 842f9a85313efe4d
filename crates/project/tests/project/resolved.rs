//! What a good configuration resolves to.

use std::net::{IpAddr, Ipv4Addr};

use crate::folder::{Folder, pairs, vars, with};

const JSONC: &str = r#"{
  "$schema": "node_modules/wrangler/config-schema.json",
  // A comment, and trailing commas.
  "name": "kv",
  "main": "./src/entry.py",
  "compatibility_date": "2025-11-02",
  "compatibility_flags": ["python_workers"],
  "vars": { "TEXT": "a", "NUMBER": 1.5, "LIST": [1, "b", null], "TABLE": {"z": true, "a": {}}, },
  "kv_namespaces": [{ "binding": "FOO", "id": "f00" }, { "binding": "BAR" }],
  "rules": [{ "type": "Text", "globs": ["**/*.md"], "fallthrough": true }],
  "build": { "command": "make", "cwd": "sub", "watch_dir": ["a", "b"] },
  "dev": { "ip": "0.0.0.0", "port": 8000 },
}"#;

const TOML: &str = r#"
name = "kv"
main = "./src/entry.py"
compatibility_date = "2025-11-02"
compatibility_flags = ["python_workers"]

[vars]
TEXT = "a"
NUMBER = 1.5
LIST = [1, "b"]
TABLE = { z = true, a = {} }

[[kv_namespaces]]
binding = "FOO"
id = "f00"

[[kv_namespaces]]
binding = "BAR"

[[rules]]
type = "Text"
globs = ["**/*.md"]
fallthrough = true

[build]
command = "make"
cwd = "sub"
watch_dir = ["a", "b"]

[dev]
ip = "0.0.0.0"
port = 8000
"#;

#[test]
fn json_and_toml_resolve_to_the_same() {
    for (file, text, list) in [
        ("wrangler.jsonc", JSONC, r#"[1,"b",null]"#),
        ("wrangler.json", JSONC, r#"[1,"b",null]"#),
        ("wrangler.toml", TOML, r#"[1,"b"]"#),
    ] {
        let folder = Folder::new(&[(file, text)]);
        let root = folder.path();
        let project = folder.load();
        assert_eq!(project.warnings.to_string(), "", "{file}");
        assert_eq!(project.name, "kv");
        assert_eq!(project.environment, None);
        assert_eq!(project.config_path, root.join(file));
        assert_eq!(project.root, root);
        assert_eq!(project.main, root.join("src/entry.py"));
        assert_eq!(project.module_root, root.join("src"));
        assert_eq!(project.python_modules, None);
        assert_eq!(project.compatibility_date, "2025-11-02");
        assert_eq!(
            vars(&project),
            pairs(&[
                ("TEXT", "text a"),
                ("NUMBER", "json 1.5"),
                ("LIST", &format!("json {list}")),
                ("TABLE", r#"json {"z":true,"a":{}}"#),
            ])
        );
        let namespaces: Vec<_> = project
            .kv_namespaces
            .iter()
            .map(|kv| (kv.binding.as_str(), kv.id.as_str()))
            .collect();
        assert_eq!(namespaces, [("FOO", "f00"), ("BAR", "BAR")]);
        assert_eq!(project.rules.len(), 1);
        assert_eq!(project.rules[0].module_type, "Text");
        assert_eq!(project.rules[0].globs, ["**/*.md"]);
        assert!(project.rules[0].fallthrough);
        let build = project.build.as_ref().expect("there is a build");
        assert_eq!(build.command, "make");
        assert_eq!(build.cwd, root.join("sub"));
        assert_eq!(build.watch_dirs, [root.join("a"), root.join("b")]);
        assert_eq!(
            (project.dev_ip, project.dev_port),
            (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8000)
        );
        assert!(project.unserved.is_empty());
        assert!(project.check_main().is_ok());
    }
}

#[test]
fn defaults() {
    let folder = Folder::new(&[(
        "wrangler.jsonc",
        r#"{"main": "src/entry.py", "compatibility_date": "2025-11-02", "compatibility_flags": ["python_workers"]}"#,
    )]);
    let project = folder.load();
    assert_eq!(project.name, "worker");
    assert_eq!(
        (project.dev_ip, project.dev_port),
        (IpAddr::V4(Ipv4Addr::LOCALHOST), 8787)
    );
    assert!(project.vars.is_empty() && project.kv_namespaces.is_empty() && project.rules.is_empty());
    assert_eq!(project.build, None);
    assert!(project.warnings.is_empty());
}

#[test]
fn every_value_keeps_its_place() {
    let project = with(r#"  "vars": {"A": {"deep": [1, 2]}}, "kv_namespaces": [{"binding": "KV"}]"#).load();
    for (path, place) in [
        ("name", (2, 11)),
        ("main", (3, 11)),
        ("compatibility_flags[0]", (5, 27)),
        ("vars.A", (6, 17)),
        ("vars.A.deep[1]", (6, 30)),
        ("kv_namespaces[0].binding", (6, 66)),
    ] {
        assert_eq!(
            project.origin(path).map(|origin| origin.position()),
            Some(place),
            "{path}"
        );
    }
    assert_eq!(project.origin("vars.B"), None);
}

#[test]
fn the_module_root_can_be_set() {
    let folder = with(r#"  "base_dir": ".""#);
    folder.write("python_modules/package/__init__.py", b"");
    let project = folder.load();
    assert_eq!(project.module_root, folder.path());
    assert_eq!(project.python_modules, Some(folder.path().join("python_modules")));
}

#[test]
fn a_build_may_make_the_main_module() {
    let folder = Folder::new(&[(
        "wrangler.toml",
        "main = \"out/entry.py\"\ncompatibility_date = \"2025-11-02\"\ncompatibility_flags = [\"python_workers\"]\n[build]\ncommand = \"make it\"\n",
    )]);
    let project = folder.load();
    let build = project.build.as_ref().expect("there is a build");
    assert_eq!(
        (&build.cwd, &build.watch_dirs[..]),
        (&project.root, &[project.root.join("src")][..])
    );
    let report = project.check_main().expect_err("nothing made it");
    assert_eq!(
        folder.plain(&report),
        "\
error: the main module doesn't exist: [DIR]/out/entry.py
 --> [DIR]/wrangler.toml:1:8
  |
1 | main = \"out/entry.py\"
  |        ^^^^^^^^^^^^^^
  |
  = help: `make it` was to make it
"
    );
    folder.write("out/entry.py", b"");
    assert!(project.check_main().is_ok());
}

#[test]
fn byte_order_mark_and_windows_line_breaks() {
    let folder = Folder::new(&[]);
    let text = format!("\u{feff}{}", JSONC.replace('\n', "\r\n"));
    folder.write("wrangler.jsonc", text.as_bytes());
    let project = folder.load();
    assert_eq!(project.name, "kv");
    assert_eq!(
        project.origin("main").map(|origin| origin.position()),
        Some((5, 11))
    );
}

#[test]
fn the_value_of_a_var_does_not_show_by_accident() {
    let project = with(r#"  "vars": {"PASSWORD": "hunter2", "JSON": ["hunter2"]}"#).load();
    assert!(!format!("{:?}", project.vars).contains("hunter2"));
}
