//! Which file is found.

use std::path::Path;

use isthmus_project::{LoadOptions, load};

use crate::folder::{Folder, jsonc};

fn toml(name: &str) -> String {
    format!(
        "name = \"{name}\"\nmain = \"src/entry.py\"\ncompatibility_date = \"2025-11-02\"\ncompatibility_flags = [\"python_workers\"]\n"
    )
}

#[test]
fn wranglers_order_within_a_folder() {
    let folder = Folder::new(&[("wrangler.toml", &toml("toml"))]);
    assert_eq!(folder.load().name, "toml");
    folder.write(
        "wrangler.jsonc",
        jsonc("").replace("worker\"", "jsonc\"").as_bytes(),
    );
    assert_eq!(folder.load().name, "jsonc");
    folder.write(
        "wrangler.json",
        jsonc("").replace("worker\"", "json\"").as_bytes(),
    );
    assert_eq!(folder.load().name, "json");
    assert_eq!(
        folder.warnings(),
        "\
warning: [DIR]/wrangler.jsonc is ignored: [DIR]/wrangler.json comes first

warning: [DIR]/wrangler.toml is ignored: [DIR]/wrangler.json comes first
"
    );
}

#[test]
fn folders_above_are_searched() {
    let folder = Folder::new(&[("wrangler.toml", &toml("above")), ("a/b/c.txt", "")]);
    let mut options = folder.options();
    options.dir = folder.path().join("a/b");
    let project = folder.load_with(&options);
    assert_eq!(
        (project.name.as_str(), project.root.as_path()),
        ("above", folder.path())
    );
}

#[test]
fn a_file_can_be_named() {
    let folder = Folder::new(&[("wrangler.toml", &toml("a")), ("other/config.toml", &toml("b"))]);
    folder.write("other/src/entry.py", b"");
    let mut options = folder.options();
    options.config = Some(folder.path().join("other/../other/config.toml"));
    let project = folder.load_with(&options);
    assert_eq!(
        (project.name.as_str(), project.root),
        ("b", folder.path().join("other"))
    );
}

#[test]
fn nothing_is_found() {
    let folder = Folder::new(&[]);
    assert_eq!(
        folder.errors(),
        "\
error: there is no wrangler.jsonc, wrangler.json or wrangler.toml in [DIR] or above it
 |
 = help: name a project's folder, or a configuration with --config
"
    );
    for (option, message) in [
        (
            "none.toml",
            "error: cannot read [DIR]/none.toml: No such file or directory (os error 2)\n",
        ),
        ("config.yaml", "error: [DIR]/config.yaml is no configuration\n"),
        ("src", "error: [DIR]/src is no configuration\n"),
    ] {
        let mut options = folder.options();
        options.config = Some(folder.path().join(option));
        let report = folder.errors_with(&options);
        assert!(report.starts_with(message), "{report}");
    }
    let mut options = folder.options();
    options.dir = folder.path().join("nowhere");
    assert_eq!(
        folder.errors_with(&options),
        "error: there is no folder [DIR]/nowhere\n"
    );
}

#[test]
fn an_empty_path_is_the_current_folder() {
    let here = load(&LoadOptions {
        dir: "".into(),
        ..LoadOptions::default()
    });
    let dot = load(&LoadOptions {
        dir: Path::new(".").into(),
        ..LoadOptions::default()
    });
    assert_eq!(
        here.err().map(|report| report.to_string()),
        dot.err().map(|report| report.to_string())
    );
}
