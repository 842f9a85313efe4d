//! Which file is the project's configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::raw::Syntax;
use crate::report::{Diagnostic, Findings, Report};
use crate::source::{Source, display_path};

/// The names of a configuration, in the order in which wrangler prefers them.
const NAMES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

/// Finds and reads the configuration: `file` if given, else the nearest one in `dir` or above it.
pub(crate) fn discover(dir: &Path, file: Option<&Path>) -> Result<(Arc<Source>, Syntax, Findings), Report> {
    let (path, others) = match file {
        Some(file) => (absolute(file)?, Vec::new()),
        None => nearest(&absolute(dir)?)?,
    };
    let syntax = syntax(&path)?;
    let bytes = std::fs::read(&path)
        .map_err(|error| Diagnostic::error(format!("cannot read {}: {error}", display_path(&path))))
        .map_err(Report::from)?;
    let (source, fault) = Source::from_bytes(path, &bytes);
    let mut findings = Findings::new(source.clone());
    if let Some(span) = fault {
        return Err(Diagnostic::error("this is not UTF-8")
            .at(findings.origin(span))
            .into());
    }
    for other in others {
        findings.add(Diagnostic::warning(format!(
            "{} is ignored: {} comes first",
            display_path(&other),
            source.display_path()
        )));
    }
    Ok((source, syntax, findings))
}

/// The configuration of a folder, if there is one.
pub(crate) fn find(dir: &Path) -> Option<PathBuf> {
    nearest(&absolute(dir).ok()?).ok().map(|(path, _)| path)
}

fn syntax(path: &Path) -> Result<Syntax, Report> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json" | "jsonc") => Ok(Syntax::Json),
        Some("toml") => Ok(Syntax::Toml),
        _ => Err(
            Diagnostic::error(format!("{} is no configuration", display_path(path)))
                .hint("a configuration's name ends in .jsonc, .json or .toml")
                .into(),
        ),
    }
}

/// The configuration that counts in the nearest folder that has one, and the others there.
fn nearest(dir: &Path) -> Result<(PathBuf, Vec<PathBuf>), Report> {
    if !dir.is_dir() {
        return Err(Diagnostic::error(format!("there is no folder {}", display_path(dir))).into());
    }
    dir.ancestors()
        .find_map(|folder| {
            let mut found = NAMES
                .iter()
                .map(|name| folder.join(name))
                .filter(|path| path.is_file());
            Some((found.next()?, found.collect()))
        })
        .ok_or_else(|| {
            Diagnostic::error(format!(
                "there is no wrangler.jsonc, wrangler.json or wrangler.toml in {} or above it",
                display_path(dir)
            ))
            .hint("name a project's folder, or a configuration with --config")
            .into()
        })
}

fn absolute(path: &Path) -> Result<PathBuf, Report> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    match std::path::absolute(path) {
        // `.` and `..` would show in every message otherwise.
        Ok(path) => Ok(lexically_normal(&path)),
        Err(error) => Err(Diagnostic::error(format!("cannot find {}: {error}", path.display())).into()),
    }
}

/// An absolute path without `.` and `..`, unless a link before a `..` gives that another meaning.
pub(crate) fn lexically_normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if !normal.is_symlink() => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}
