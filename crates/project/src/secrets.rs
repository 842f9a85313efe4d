//! Secrets in development: which files are read, and which of their values reach `env`.
//!
//! `.dev.vars.<environment>` or `.dev.vars` beside the configuration; if there is neither, the `.env`
//! files. See [wrangler's rules](https://developers.cloudflare.com/workers/configuration/secrets/).

use std::io;
use std::path::{Path, PathBuf};

use crate::dotenv;
use crate::report::{Diagnostic, Findings, Report};
use crate::source::{Source, Span, display_path};

/// What the files hold.
#[derive(Default)]
pub(crate) struct Secrets {
    pub(crate) values: Vec<(String, String)>,
    pub(crate) files: Vec<PathBuf>,
}

/// Reads the files that count. `declared` says whether the configuration lists its secrets, in which
/// case the process's environment may hold them as well.
pub(crate) fn load(
    root: &Path,
    environment: Option<&str>,
    declared: bool,
    process: &[(String, String)],
    findings: &mut Findings,
) -> Secrets {
    let for_environment = environment.map(|name| root.join(format!(".dev.vars.{name}")));
    for path in for_environment.into_iter().chain([root.join(".dev.vars")]) {
        match read(&path) {
            Ok(Some(text)) => {
                return Secrets {
                    values: dotenv::parse(&text),
                    files: vec![path],
                };
            }
            Ok(None) => {}
            Err(report) => {
                findings.add_all(report);
                return Secrets::default();
            }
        }
    }
    if !switch("CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV", true, process, findings) {
        return Secrets::default();
    }
    let include_process = declared || switch("CLOUDFLARE_INCLUDE_PROCESS_ENV", false, process, findings);
    dot_env(
        root,
        environment,
        if include_process { process } else { &[] },
        findings,
    )
}

/// The `.env` files, a later one overriding the earlier ones, over the variables of the process.
fn dot_env(
    root: &Path,
    environment: Option<&str>,
    process: &[(String, String)],
    findings: &mut Findings,
) -> Secrets {
    let mut names = vec![".env".to_owned(), ".env.local".to_owned()];
    if let Some(environment) = environment {
        names.push(format!(".env.{environment}"));
        names.push(format!(".env.{environment}.local"));
    }
    let mut files = Vec::new();
    let mut written: Vec<(String, String)> = Vec::new();
    for path in names.iter().map(|name| root.join(name)) {
        match read(&path) {
            Ok(Some(text)) => {
                dotenv::parse(&text)
                    .into_iter()
                    .for_each(|(name, value)| set(&mut written, name, value));
                files.push(path);
            }
            Ok(None) => {}
            Err(report) => findings.add_all(report),
        }
    }
    let mut values = process.to_vec();
    for (name, value) in dotenv::expand(written, process) {
        set(&mut values, name, value);
    }
    Secrets { values, files }
}

/// Replaces a value, or adds it.
pub(crate) fn set<T>(pairs: &mut Vec<(String, T)>, name: String, value: T) {
    match pairs.iter_mut().find(|(other, _)| *other == name) {
        Some((_, earlier)) => *earlier = value,
        None => pairs.push((name, value)),
    }
}

/// A file's text; `None` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<String>, Report> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Diagnostic::error(format!("cannot read {}: {error}", display_path(path))).into());
        }
    };
    match Source::from_bytes(path.to_owned(), &bytes) {
        (source, None) => Ok(Some(source.text().to_owned())),
        // The text around the fault is secret: only the place is shown.
        (source, Some(Span { start, .. })) => {
            let line = source.text()[..start].matches('\n').count() + 1;
            Err(Diagnostic::error(format!("line {line} of {} is not UTF-8", display_path(path))).into())
        }
    }
}

/// A variable of the process that is `true` or `false`.
fn switch(name: &str, default: bool, process: &[(String, String)], findings: &mut Findings) -> bool {
    let Some((_, value)) = process.iter().find(|(other, _)| other == name) else {
        return default;
    };
    match value.to_ascii_lowercase().as_str() {
        "true" => true,
        "false" => false,
        _ => {
            findings.add(Diagnostic::error(format!(
                "the environment variable {name} must be \"true\" or \"false\", but it is {value:?}"
            )));
            default
        }
    }
}
