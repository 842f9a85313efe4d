//! `.dev.vars` and `.env`: which files, which values, which format.

use std::path::PathBuf;

use isthmus_project::LoadOptions;

use crate::folder::{Folder, pairs, vars, with};

/// The vars of a project whose `.dev.vars` is this.
fn dev_vars(text: &str) -> Vec<(String, String)> {
    let folder = with("");
    folder.write(".dev.vars", text.as_bytes());
    vars(&folder.load())
}

#[test]
fn the_format() {
    for (text, expected) in [
        (
            "A=1\nB = two words \nC:3\nD: 4\n",
            &[("A", "1"), ("B", "two words"), ("D", "4")][..],
        ),
        ("export A=1\nexport=2", &[("A", "1"), ("export", "2")]),
        (
            "# comment\nA=1 # comment\nB=#\nC='#'",
            &[("A", "1"), ("B", ""), ("C", "#")],
        ),
        (
            "A=\"a\\nb\\rc\\td\"\nB='a\\nb'\nC=`a\\nb`",
            &[("A", "a\nb\rc\\td"), ("B", "a\\nb"), ("C", "a\\nb")],
        ),
        ("A=\"one\ntwo\"\nB=2", &[("A", "one\ntwo"), ("B", "2")]),
        ("A='it\\'s' # c\nB='", &[("A", "it\\'s"), ("B", "'")]),
        (
            "A=\"x\" y\nB=\"x",
            &[("A", "\"x\" y"), ("B", "x")].map(|(a, b)| (a, if b == "x" { "\"x" } else { b }))[..],
        ),
        (
            "A={\"json\": true}\nB=a=b",
            &[("A", "{\"json\": true}"), ("B", "a=b")],
        ),
        ("A=1\nB=2\nA=3", &[("A", "3"), ("B", "2")]),
        ("\u{feff}A=1\r\nB=2\rC=3", &[("A", "1"), ("B", "2"), ("C", "3")]),
        ("no sense\n=1\nA.b-c_9=ok", &[("A.b-c_9", "ok")]),
        ("A=$B ${B} \\$B", &[("A", "$B ${B} \\$B")]),
        ("A=\n\"next line\"", &[("A", "next line")]),
        ("", &[]),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), format!("text {value}")))
            .collect();
        assert_eq!(dev_vars(text), expected, "{text:?}");
    }
}

#[test]
fn secrets_override_vars_and_arguments() {
    let folder = with(r#"  "vars": {"A": "config", "B": "config", "C": "config", "D": {"json": 1}}"#);
    folder.write(".dev.vars", b"C=secret\nD=secret\nE=secret\n");
    let mut options = folder.options();
    options.vars = vec!["B:argument".into(), "C:argument".into(), "F:a:b".into()];
    assert_eq!(
        vars(&folder.load_with(&options)),
        pairs(&[
            ("A", "text config"),
            ("B", "text argument"),
            ("C", "text secret"),
            ("D", "text secret"),
            ("F", "text a:b"),
            ("E", "text secret"),
        ])
    );
}

const ENVIRONMENT: &str = r#"  "env": {"staging": {}}"#;

fn files(folder: &Folder, options: &LoadOptions) -> (Vec<(String, String)>, Vec<PathBuf>) {
    let project = folder.load_with(options);
    let relative = |path: &PathBuf| {
        path.strip_prefix(folder.path())
            .expect("it is in the folder")
            .to_owned()
    };
    (
        vars(&project),
        project.secret_files.iter().map(relative).collect(),
    )
}

#[test]
fn the_file_of_the_environment_goes_before_dev_vars_before_dot_env() {
    let folder = with(ENVIRONMENT);
    let staging = LoadOptions {
        env: Some("staging".into()),
        ..folder.options()
    };
    assert_eq!(files(&folder, &staging), (vec![], vec![]));

    folder.write(".env", b"A=env\nB=env");
    folder.write(".env.local", b"B=local\nC=local");
    folder.write(".env.staging", b"C=staging\nD=staging");
    folder.write(".env.staging.local", b"D=staging.local");
    assert_eq!(
        files(&folder, &folder.options()),
        (
            pairs(&[("A", "text env"), ("B", "text local"), ("C", "text local")]),
            vec![".env".into(), ".env.local".into()]
        )
    );
    assert_eq!(
        files(&folder, &staging),
        (
            pairs(&[
                ("A", "text env"),
                ("B", "text local"),
                ("C", "text staging"),
                ("D", "text staging.local")
            ]),
            vec![
                ".env".into(),
                ".env.local".into(),
                ".env.staging".into(),
                ".env.staging.local".into()
            ]
        )
    );

    folder.write(".dev.vars", b"X=1");
    assert_eq!(
        files(&folder, &staging),
        (pairs(&[("X", "text 1")]), vec![".dev.vars".into()])
    );
    folder.write(".dev.vars.staging", b"X=2");
    assert_eq!(
        files(&folder, &staging),
        (pairs(&[("X", "text 2")]), vec![".dev.vars.staging".into()])
    );
    assert_eq!(files(&folder, &folder.options()).0, pairs(&[("X", "text 1")]));
}

#[test]
fn dot_env_files_are_expanded() {
    let folder = with("");
    folder.write(
        ".env",
        b"A=a\nB=${A}b\nC=$B-$NONE-${NONE:-default}-${A:+set}-\\$A\nD=${D:-self}\nLATER=$E\nE=e\nHOME=config\nF=$HOME",
    );
    assert_eq!(
        vars(&folder.load()),
        pairs(&[
            ("A", "text a"),
            ("B", "text ab"),
            ("C", "text ab--default-set-$A"),
            ("D", "text self"),
            ("LATER", "text "),
            ("E", "text e"),
            ("HOME", "text config"),
            ("F", "text config"),
        ])
    );
}

#[test]
fn the_variables_of_the_process_join_if_asked_to() {
    let folder = with("");
    folder.write(".env", b"A=file\nB=$P\nP=file");
    let mut options = folder.options();
    options.process_env = pairs(&[("P", "process")]);
    assert_eq!(
        vars(&folder.load_with(&options)),
        pairs(&[("A", "text file"), ("B", "text "), ("P", "text file")])
    );
    options
        .process_env
        .extend(pairs(&[("CLOUDFLARE_INCLUDE_PROCESS_ENV", "true")]));
    assert_eq!(
        vars(&folder.load_with(&options)),
        pairs(&[
            ("P", "text process"),
            ("CLOUDFLARE_INCLUDE_PROCESS_ENV", "text true"),
            ("A", "text file"),
            ("B", "text process"),
        ])
    );
}

#[test]
fn dot_env_can_be_switched_off() {
    let folder = with("");
    folder.write(".env", b"A=1");
    let mut options = folder.options();
    options.process_env = pairs(&[("CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV", "false")]);
    assert_eq!(vars(&folder.load_with(&options)), []);
    options.process_env = pairs(&[("CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV", "no")]);
    assert_eq!(
        folder.errors_with(&options),
        "error: the environment variable CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV must be \"true\" or \"false\", but it is \"no\"\n"
    );
}

#[test]
fn declared_secrets_are_the_only_ones() {
    let folder = with(
        r#"  "vars": {"IN_VARS": "config"}, "secrets": {"required": ["KEY", "FROM_PROCESS", "MISSING"]}"#,
    );
    folder.write(".env", b"KEY=k\nOTHER=o\nIN_VARS=secret");
    let mut options = folder.options();
    options.process_env = pairs(&[("FROM_PROCESS", "p"), ("PATH", "/bin")]);
    let project = folder.load_with(&options);
    assert_eq!(
        vars(&project),
        pairs(&[
            ("IN_VARS", "text secret"),
            ("FROM_PROCESS", "text p"),
            ("KEY", "text k")
        ])
    );
    assert_eq!(
        folder.plain(&project.warnings),
        r#"warning: Missing required secrets: MISSING
 --> [DIR]/wrangler.jsonc:6:82
  |
6 |   "vars": {"IN_VARS": "config"}, "secrets": {"required": ["KEY", "FROM_PROCESS", "MISSING"]}
  |                                                                                  ^^^^^^^^^
  |
  = help: put it into .dev.vars or .env beside the configuration, or into the environment
"#
    );
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_that_shows_no_secret() {
    let folder = with("");
    folder.write(".dev.vars", b"A=1\nPASSWORD=hunter2\xff\n");
    assert_eq!(folder.errors(), "error: line 2 of [DIR]/.dev.vars is not UTF-8\n");
    let folder = with("");
    folder.write(".dev.vars/x", b"");
    assert!(
        folder
            .errors()
            .starts_with("error: cannot read [DIR]/.dev.vars: ")
    );
}
