//! Whatever a file contains, loading ends with a project or a report that can be shown.

use isthmus_project::{LoadOptions, load};
use proptest::prelude::*;

use crate::folder::{Folder, pairs};

/// Loads and renders; returns whether it could be used.
fn survives(folder: &Folder) -> bool {
    let mut usable = false;
    for env in [None, Some("a".to_owned())] {
        let options = LoadOptions {
            env,
            ..folder.options()
        };
        match load(&options) {
            Ok(project) => {
                usable = true;
                let _ = (
                    project.warnings.to_string(),
                    project.unserved_report().map(|report| report.styled()),
                );
            }
            Err(report) => {
                assert!(report.has_errors());
                let _ = (report.to_string(), report.styled());
            }
        }
    }
    usable
}

#[test]
fn deep_nesting() {
    for depth in [100, 500, 511, 513, 100_000] {
        for (file, open, close, head) in [
            ("wrangler.jsonc", "[", "]", "{\"vars\": {\"A\": "),
            ("wrangler.jsonc", "{\"a\":", "}", "{\"vars\": {\"A\": "),
            ("wrangler.toml", "[", "]", "[vars]\nA = "),
            ("wrangler.toml", "{a=", "}", "[vars]\nA = "),
        ] {
            let tail = if head.starts_with('{') { "}}" } else { "\n" };
            let inner = if open.len() > 1 { "1" } else { "" };
            let text = format!("{head}{}{inner}{}{tail}", open.repeat(depth), close.repeat(depth));
            let folder = Folder::new(&[(file, &text)]);
            survives(&folder);
        }
    }
    let keys = vec!["a"; 10_000].join(".");
    survives(&Folder::new(&[("wrangler.toml", &format!("{keys} = 1"))]));
    survives(&Folder::new(&[("wrangler.toml", &format!("[{keys}]"))]));
}

#[test]
fn huge_numbers() {
    for number in [
        "1e400",
        "-1e400",
        "123456789012345678901234567890",
        "1e-400",
        "9223372036854775808",
        "0.1e1",
    ] {
        survives(&Folder::new(&[(
            "wrangler.jsonc",
            &format!("{{\"vars\": {{\"A\": {number}}}, \"dev\": {{\"port\": {number}}}}}"),
        )]));
        survives(&Folder::new(&[(
            "wrangler.toml",
            &format!("[vars]\nA = {number}\n[dev]\nport = {number}\n"),
        )]));
    }
}

/// Text that looks like a configuration, with mistakes.
fn nearly(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![8 => prop::sample::select(pieces).prop_map(str::to_owned), 1 => ".{0,3}"],
        0..40,
    )
    .prop_map(|pieces| pieces.concat())
}

const JSON_PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "//",
    "/*",
    "*/",
    "\n",
    " ",
    "null",
    "true",
    "-",
    "1e5",
    "\"name\"",
    "\"main\"",
    "\"src/entry.py\"",
    "\"vars\"",
    "\"env\"",
    "\"a\"",
    "\"kv_namespaces\"",
    "\"binding\"",
    "\"compatibility_date\"",
    "\"2025-01-01\"",
    "\"compatibility_flags\"",
    "\"python_workers\"",
    "\"é\u{1f600}\"",
    "'",
    "\u{0}",
];

const TOML_PIECES: &[&str] = &[
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\"",
    "\"\"\"",
    "'''",
    "'",
    "\\",
    "\\U",
    "#",
    "\n",
    "\r\n",
    " ",
    "true",
    "-",
    "1e5",
    "0x",
    "1_0",
    "2025-01-01",
    "inf",
    "name",
    "main",
    "\"src/entry.py\"",
    "vars",
    "env",
    "a",
    "kv_namespaces",
    "binding",
    "compatibility_flags",
    "\"é\u{1f600}\"",
    "\u{0}",
];

const DOTENV_PIECES: &[&str] = &[
    "A", "B", "=", ":", " ", "\n", "\"", "'", "`", "\\", "#", "$", "${", "}", "$A", "${B:-", "export ", "é",
    "\u{a0}", "\u{2028}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for file in ["wrangler.jsonc", "wrangler.toml", ".dev.vars", ".env"] {
            let folder = Folder::new(&[]);
            if file.starts_with('.') {
                folder.write("wrangler.jsonc", crate::folder::jsonc("").as_bytes());
            }
            folder.write(file, &bytes);
            survives(&folder);
        }
    }

    #[test]
    fn nearly_json(text in nearly(JSON_PIECES)) {
        survives(&Folder::new(&[("wrangler.jsonc", &text)]));
    }

    #[test]
    fn nearly_toml(text in nearly(TOML_PIECES)) {
        survives(&Folder::new(&[("wrangler.toml", &text)]));
    }

    #[test]
    fn nearly_dotenv(text in nearly(DOTENV_PIECES)) {
        let folder = Folder::new(&[("wrangler.jsonc", &crate::folder::jsonc("")), (".env", &text)]);
        let options = LoadOptions {
            process_env: pairs(&[("CLOUDFLARE_INCLUDE_PROCESS_ENV", "true"), ("A", "$A$B"), ("B", "${A}${A}")]),
            ..folder.options()
        };
        prop_assert!(load(&options).is_ok());
        folder.write(".dev.vars", text.as_bytes());
        prop_assert!(survives(&folder));
    }

    /// What is written as a string arrives as that string, in both syntaxes.
    #[test]
    fn vars_arrive(values in prop::collection::vec(any::<String>(), 0..5)) {
        let quoted: Vec<String> = values.iter().map(|value| serde_json::Value::from(value.as_str()).to_string()).collect();
        let expected: Vec<(String, String)> =
            values.iter().enumerate().map(|(nth, value)| (format!("V{nth}"), format!("text {value}"))).collect();
        let entries: Vec<String> = quoted.iter().enumerate().map(|(nth, value)| format!("\"V{nth}\": {value}")).collect();
        let folder = crate::folder::with(&format!("\"vars\": {{{}}}", entries.join(", ")));
        prop_assert_eq!(&crate::folder::vars(&folder.load()), &expected);
    }
}
