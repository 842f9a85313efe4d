//! What is to be said about a project: errors and warnings, each with its place and a hint, rendered
//! together.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::source::{Origin, Source, Span};

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The project can't be used as it is.
    Error,
    /// It can, but probably not as meant.
    Warning,
}

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Diagnostic {
    /// How grave it is.
    pub severity: Severity,
    /// What is the case, in one sentence.
    pub message: String,
    /// Where, if it is in a file.
    pub origin: Option<Origin>,
    /// A further place that belongs to it, with words of its own.
    pub related: Option<(Origin, String)>,
    /// What to do.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into())
    }

    /// A warning without a place.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message.into())
    }

    fn new(severity: Severity, message: String) -> Self {
        Self {
            severity,
            message,
            origin: None,
            related: None,
            hint: None,
        }
    }

    /// With its place.
    pub fn at(self, origin: Origin) -> Self {
        Self {
            origin: Some(origin),
            ..self
        }
    }

    /// With a further place in the same file.
    pub fn related(self, origin: Origin, label: impl Into<String>) -> Self {
        Self {
            related: Some((origin, label.into())),
            ..self
        }
    }

    /// With advice.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    fn group(&self) -> Group<'_> {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(&*self.message));
        if let Some(origin) = &self.origin {
            let mut snippet = Snippet::source(origin.source.text())
                .path(origin.source.display_path())
                .annotation(AnnotationKind::Primary.span(origin.span.start..origin.span.end));
            if let Some((related, label)) = &self.related {
                snippet = snippet.annotation(
                    AnnotationKind::Context
                        .span(related.span.start..related.span.end)
                        .label(&**label),
                );
            }
            group = group.element(snippet);
        }
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(&**hint));
        }
        group
    }
}

/// Several diagnostics: those without a place first, the others in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Report {
    /// All of them.
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// The text for a terminal that understands colours; every line ends with a line break. The text
    /// is complete without them, see [`Report`]'s `Display`.
    pub fn styled(&self) -> String {
        self.render(&Renderer::styled())
    }

    fn render(&self, renderer: &Renderer) -> String {
        let mut text = String::new();
        for (nth, diagnostic) in self.diagnostics.iter().enumerate() {
            if nth > 0 {
                text.push('\n');
            }
            let rendered = renderer.render(&[diagnostic.group()]);
            // The renderer shows the other control characters of a file as signs, but not these, which
            // some terminals obey.
            text.push_str(&rendered.replace(|c| matches!(c, '\u{80}'..='\u{9f}'), "\u{fffd}"));
            text.push('\n');
        }
        text
    }
}

impl From<Diagnostic> for Report {
    fn from(diagnostic: Diagnostic) -> Self {
        Self {
            diagnostics: vec![diagnostic],
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

/// What was found so far in one file.
#[derive(Debug)]
pub(crate) struct Findings {
    source: Arc<Source>,
    report: Report,
}

impl Findings {
    pub(crate) fn new(source: Arc<Source>) -> Self {
        Self {
            source,
            report: Report::default(),
        }
    }

    /// A place in the file.
    pub(crate) fn origin(&self, span: Span) -> Origin {
        Origin {
            source: self.source.clone(),
            span,
        }
    }

    pub(crate) fn add(&mut self, diagnostic: Diagnostic) {
        self.report.diagnostics.push(diagnostic);
    }

    pub(crate) fn add_all(&mut self, report: Report) {
        self.report.diagnostics.extend(report.diagnostics);
    }

    /// Adds an error at a place in the file.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.add(Diagnostic::error(message).at(self.origin(span)));
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.report.has_errors()
    }

    /// All of it: what has no place first, the rest in the order of the file.
    pub(crate) fn into_report(mut self) -> Report {
        let diagnostics = &mut self.report.diagnostics;
        diagnostics.sort_by_key(|diagnostic| diagnostic.origin.as_ref().map(|origin| origin.span.start));
        self.report
    }
}
