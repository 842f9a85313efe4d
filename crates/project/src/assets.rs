//! `assets`: the folder of static assets, and which requests it gets.

use std::path::Path;

use crate::discover::lexically_normal;
use crate::environment::Environment;
use crate::model::{Assets, HtmlHandling, NotFoundHandling, RunWorkerFirst};
use crate::raw::{Node, Value};
use crate::report::{Diagnostic, Findings};
use crate::source::{Span, display_path};

/// The most patterns of `run_worker_first`, and bytes in one.
const PATTERNS_MAX: usize = 100;
const PATTERN_MAX: usize = 100;

/// The assets of a project whose configuration is in `root`. `built`: the folder may have to be made first.
pub(crate) fn assets(
    environment: &Environment<'_>,
    root: &Path,
    built: bool,
    findings: &mut Findings,
) -> Option<Assets> {
    let entry = environment.get("assets")?;
    let table = entry.value.as_table()?;
    let text = |key| {
        let value = &table.get(key)?.value;
        Some((value.as_text()?, value.span))
    };
    if let Some(base) = table.get("base_path") {
        findings.error(base.key_span, "`assets.base_path` is not served by Isthmus");
    }
    let Some((directory, span)) = text("directory") else {
        if !table.entries.is_empty() {
            findings.add(
                Diagnostic::error("`assets` has no `directory`")
                    .at(findings.origin(entry.key_span))
                    .hint("name the folder of the assets: \"directory\": \"./public\""),
            );
        }
        return None;
    };
    let directory = lexically_normal(&root.join(directory));
    if !directory.is_dir() && (!built || directory.exists()) {
        let state = if directory.exists() {
            "is no folder"
        } else {
            "does not exist"
        };
        findings.error(
            span,
            format!("the folder of the assets {} {state}", display_path(&directory)),
        );
    }
    Some(Assets {
        directory,
        binding: text("binding").map(|(binding, _)| binding.to_owned()),
        html_handling: match text("html_handling").map(|(text, _)| text) {
            Some("force-trailing-slash") => HtmlHandling::ForceTrailingSlash,
            Some("drop-trailing-slash") => HtmlHandling::DropTrailingSlash,
            Some("none") => HtmlHandling::None,
            _ => HtmlHandling::AutoTrailingSlash,
        },
        not_found_handling: match text("not_found_handling").map(|(text, _)| text) {
            Some("single-page-application") => NotFoundHandling::SinglePageApplication,
            Some("404-page") => NotFoundHandling::NotFoundPage,
            _ => NotFoundHandling::None,
        },
        run_worker_first: match table.get("run_worker_first").map(|entry| &entry.value) {
            Some(Value {
                node: Node::Bool(true),
                ..
            }) => RunWorkerFirst::Always,
            Some(Value {
                node: Node::List(patterns),
                span,
            }) => self::patterns(patterns, *span, findings),
            _ => RunWorkerFirst::Never,
        },
    })
}

/// The patterns of `run_worker_first`; those that begin with `!` are the assets'.
fn patterns(list: &[Value], span: Span, findings: &mut Findings) -> RunWorkerFirst {
    if list.len() > PATTERNS_MAX {
        findings.error(
            span,
            format!("`run_worker_first` may have {PATTERNS_MAX} patterns"),
        );
    }
    let (mut worker, mut assets) = (Vec::new(), Vec::new());
    for value in list {
        let Some(pattern) = value.as_text() else { continue };
        let (list, path) = match pattern.strip_prefix('!') {
            Some(path) => (&mut assets, path),
            None => (&mut worker, pattern),
        };
        if !path.starts_with('/') {
            findings.error(
                value.span,
                "a pattern of `run_worker_first` begins with `/` or `!/`",
            );
        } else if path.len() > PATTERN_MAX {
            findings.error(
                value.span,
                format!("a pattern of `run_worker_first` has at most {PATTERN_MAX} characters"),
            );
        } else if list.iter().any(|known| known == path) {
            findings.error(value.span, "this pattern is there twice");
        } else {
            list.push(path.to_owned());
        }
    }
    if worker.is_empty() {
        findings.error(span, "`run_worker_first` needs a pattern without `!`");
    }
    RunWorkerFirst::Patterns { worker, assets }
}
