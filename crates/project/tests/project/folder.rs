//! A project in a temporary folder.

use std::fs;
use std::path::Path;

use isthmus_project::{LoadOptions, Project, Report, VarValue, load};

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with these files; `src/entry.py` is there as well.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder"));
        folder.write("src/entry.py", b"");
        for (name, text) in files {
            folder.write(name, text.as_bytes());
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }

    pub(crate) fn options(&self) -> LoadOptions {
        LoadOptions {
            dir: self.path().to_owned(),
            ..LoadOptions::default()
        }
    }

    pub(crate) fn load(&self) -> Project {
        self.load_with(&self.options())
    }

    pub(crate) fn load_with(&self, options: &LoadOptions) -> Project {
        load(options).unwrap_or_else(|report| panic!("{report}"))
    }

    /// The report of a project that can't be used.
    pub(crate) fn errors(&self) -> String {
        self.errors_with(&self.options())
    }

    pub(crate) fn errors_with(&self, options: &LoadOptions) -> String {
        match load(options) {
            Ok(project) => panic!("loaded, with the warnings:\n{}", project.warnings),
            Err(report) => {
                assert!(report.has_errors(), "{report}");
                self.plain(&report)
            }
        }
    }

    /// The warnings of a project that can be used.
    pub(crate) fn warnings(&self) -> String {
        self.plain(&self.load().warnings)
    }

    /// A report without what differs between two runs.
    pub(crate) fn plain(&self, report: &Report) -> String {
        report
            .to_string()
            .replace(&self.path().display().to_string(), "[DIR]")
    }
}

/// A configuration in JSON: the usual keys, and these.
pub(crate) fn jsonc(further: &str) -> String {
    format!(
        r#"{{
  "name": "worker",
  "main": "src/entry.py",
  "compatibility_date": "2026-11-01",
  "compatibility_flags": ["python_workers"],
{further}
}}
"#
    )
}

/// A folder with that configuration.
pub(crate) fn with(further: &str) -> Folder {
    Folder::new(&[("wrangler.jsonc", &jsonc(further))])
}

/// The vars, shown: their `Debug` hides them.
pub(crate) fn vars(project: &Project) -> Vec<(String, String)> {
    let shown = |value: &VarValue| match value {
        VarValue::Text(text) => format!("text {text}"),
        VarValue::Json(json) => format!("json {json}"),
    };
    project
        .vars
        .iter()
        .map(|(name, value)| (name.clone(), shown(value)))
        .collect()
}

/// Pairs of strings, owned.
pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
