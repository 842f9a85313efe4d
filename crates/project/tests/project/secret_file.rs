//! Changing `.dev.vars`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use isthmus_project::{LoadOptions, Project, SecretFile, parse_secrets, secret_names};
use proptest::prelude::*;

use crate::folder::{Folder, vars, with};

fn in_environment(folder: &Folder) -> Project {
    folder.load_with(&LoadOptions {
        env: Some("staging".to_owned()),
        ..folder.options()
    })
}

fn set(project: &Project, name: &str, value: &str) {
    let mut file = SecretFile::of(project).expect("a file");
    file.set(name, value).expect("fits");
    file.save().expect("written");
}

#[test]
fn a_secret_set_is_the_secret_loaded_and_all_else_stays() {
    let folder = with("");
    let before = "# mine\nexport A=1 # one\n\nB='two\nlines'\nA=2\n";
    folder.write(".dev.vars", before.as_bytes());
    set(&folder.load(), "A", "new # value");
    let text = fs::read_to_string(folder.path().join(".dev.vars")).expect("a file");
    assert_eq!(
        text,
        "# mine\nexport A=1 # one\n\nB='two\nlines'\nA='new # value'\n"
    );
    set(&folder.load(), "C", "3");
    assert_eq!(
        vars(&folder.load()),
        [("A", "new # value"), ("B", "two\nlines"), ("C", "3")]
            .map(|(name, value)| (name.to_owned(), format!("text {value}")))
    );
    assert_eq!(secret_names(&folder.load()).expect("readable"), ["A", "B", "C"]);
    let mut file = SecretFile::of(&folder.load()).expect("a file");
    assert!(file.remove("A").expect("possible") && !file.remove("A").expect("possible"));
    file.save().expect("written");
    let text = fs::read_to_string(folder.path().join(".dev.vars")).expect("a file");
    assert_eq!(text, "# mine\n\nB='two\nlines'\nC=3\n");
}

#[test]
fn a_new_file_is_its_users_alone_and_an_old_one_keeps_its_rights_and_its_link() {
    let folder = with("");
    set(&folder.load(), "A", "1");
    let path = folder.path().join(".dev.vars");
    let mode = |path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    fs::rename(&path, folder.path().join("elsewhere")).expect("moved");
    std::os::unix::fs::symlink("elsewhere", &path).expect("a link");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("rights");
    set(&folder.load(), "A", "2");
    assert!(path.is_symlink());
    assert_eq!(mode(&path), 0o640);
    let names = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(names, 4, "nothing is left behind");
}

#[test]
fn a_file_with_carriage_returns_keeps_them() {
    let folder = with("");
    folder.write(".dev.vars", b"A=1\r\nB=2\r\n");
    set(&folder.load(), "A", "3");
    assert_eq!(
        fs::read(folder.path().join(".dev.vars")).expect("a file"),
        b"A=3\r\nB=2\r\n"
    );
}

#[test]
fn an_environment_has_a_file_of_its_own_that_hides_nothing() {
    let folder = with(r#"  "env": {"staging": {}}"#);
    folder.write(".dev.vars", b"A=1\n");
    let mut file = SecretFile::of(&in_environment(&folder)).expect("a file");
    assert!(file.copied_from().is_some_and(|path| path.ends_with(".dev.vars")));
    file.set("B", "2").expect("fits");
    file.save().expect("written");
    assert!(file.path().ends_with(".dev.vars.staging"));
    let names = secret_names(&in_environment(&folder)).expect("readable");
    assert_eq!(names, ["A", "B"]);
    assert_eq!(secret_names(&folder.load()).expect("readable"), ["A"]);
    let file = SecretFile::of(&in_environment(&folder)).expect("a file");
    assert_eq!(file.copied_from(), None);
}

#[test]
fn secrets_in_env_files_are_not_hidden() {
    let folder = with("");
    folder.write(".env", b"A=1\n");
    let report = SecretFile::of(&folder.load()).expect_err("they would be hidden");
    assert_eq!(
        folder.plain(&report).lines().next(),
        Some("error: the secrets of this project are in [DIR]/.env, which [DIR]/.dev.vars would hide")
    );
    assert_eq!(secret_names(&folder.load()).expect("readable"), ["A"]);
}

#[test]
fn what_has_no_form_is_refused() {
    let folder = with("");
    let mut file = SecretFile::of(&folder.load()).expect("a file");
    for name in ["", "A B", "A=B", "ü", "A\nB", "#"] {
        file.set(name, "v").expect_err(name);
    }
    for value in ["all ' \" ` of them # here", "\\n \r'`"] {
        file.set("A", value).expect_err(value);
    }
    // A quote that is never closed would swallow what is added.
    folder.write(".dev.vars", b"B='open\n");
    let mut file = SecretFile::of(&folder.load()).expect("a file");
    file.set("A", "it' # is").expect_err("it would close the quote");
}

proptest! {
    #[test]
    fn whatever_is_set_is_what_is_read(
        before in "([A-C]=[ -~]{0,8}\n|[ -~\n]{0,10}\n){0,4}",
        name in "[A-D]",
        value in "([ -~]|\n|\r|ü){0,12}",
    ) {
        let folder = with("");
        folder.write(".dev.vars", before.as_bytes());
        let mut file = SecretFile::of(&folder.load()).expect("a file");
        if file.set(&name, &value).is_ok() {
            file.save().expect("written");
            let text = fs::read_to_string(file.path()).expect("a file");
            let mut expected = parse_secrets(&before);
            match expected.iter_mut().find(|(other, _)| *other == name) {
                Some((_, old)) => *old = value,
                None => expected.push((name, value)),
            }
            prop_assert_eq!(parse_secrets(&text), expected);
        }
    }
}
