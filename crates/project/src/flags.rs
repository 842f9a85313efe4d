//! [Compatibility flags](https://developers.cloudflare.com/workers/configuration/compatibility-flags/):
//! one dated table, and how a date and a list of flags resolve to on and off.
//!
//! A flag is on if it is named; else off if its opposite is named; else on if the compatibility date has
//! reached its own date, or has reached the date from which another flag that is on implies it.

mod platform;
mod python;

use crate::report::{Diagnostic, Findings};
use crate::source::{Span, Spanned};
use crate::suggest;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The name that turns it on, and by which it is known.
    pub enable: &'static str,
    /// The name that turns it off.
    pub disable: Option<&'static str>,
    /// The compatibility date from which it is on by default (`YYYY-MM-DD`).
    pub default_from: Option<&'static str>,
    /// The flags that turn it on, and from which date they do.
    pub implied: Option<(&'static [&'static str], &'static str)>,
    /// What may be expected of it.
    pub standing: Standing,
    /// What it changes; empty for the flags of the JavaScript platform, whose names say it.
    pub why: &'static str,
}

/// What may be expected of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// For everybody.
    Stable,
    /// May change or vanish; upstream serves it locally only.
    Experimental,
    /// Still accepted, changes nothing.
    Obsolete,
}

/// A flag by the name that enables it, and whether it is on.
pub type FlagState = (&'static str, bool);

const fn flag(enable: &'static str) -> Flag {
    Flag {
        enable,
        disable: None,
        default_from: None,
        implied: None,
        standing: Standing::Stable,
        why: "",
    }
}

impl Flag {
    const fn disabled_by(self, name: &'static str) -> Self {
        Self {
            disable: Some(name),
            ..self
        }
    }

    const fn since(self, date: &'static str) -> Self {
        Self {
            default_from: Some(date),
            ..self
        }
    }

    const fn implied(self, by: &'static [&'static str], date: &'static str) -> Self {
        Self {
            implied: Some((by, date)),
            ..self
        }
    }

    const fn experimental(self) -> Self {
        Self {
            standing: Standing::Experimental,
            ..self
        }
    }

    const fn obsolete(self) -> Self {
        Self {
            standing: Standing::Obsolete,
            ..self
        }
    }

    const fn why(self, why: &'static str) -> Self {
        Self { why, ..self }
    }
}

/// Every flag known: those of Python first.
pub fn flags() -> impl Iterator<Item = &'static Flag> {
    python::PYTHON_FLAGS.iter().chain(platform::PLATFORM_FLAGS)
}

/// A flag and what naming it asks for, by either of its names.
fn find(name: &str) -> Option<(&'static Flag, bool)> {
    flags().find_map(|flag| {
        if flag.enable == name {
            Some((flag, true))
        } else if flag.disable == Some(name) {
            Some((flag, false))
        } else {
            None
        }
    })
}

/// The state of every flag at `date` (`YYYY-MM-DD`) with `named` in the configuration. What is wrong
/// with the list goes to `findings`.
pub(crate) fn resolve(named: &[Spanned<String>], date: &str, findings: &mut Findings) -> Vec<FlagState> {
    let asked = asked(named, date, findings);
    let mut states: Vec<(&'static Flag, bool)> = flags()
        .map(|flag| {
            let reached = flag.default_from.is_some_and(|from| from <= date);
            let on = asked
                .iter()
                .find(|(other, ..)| other.enable == flag.enable)
                .map(|(_, on, _)| *on);
            (flag, on.unwrap_or(reached))
        })
        .collect();
    // An implied flag may imply another, so this goes on until nothing changes. States only ever turn
    // on, hence it ends.
    loop {
        let on: Vec<&str> = states
            .iter()
            .filter(|(_, on)| *on)
            .map(|(flag, _)| flag.enable)
            .collect();
        let mut changed = false;
        for (flag, state) in &mut states {
            let refused = asked
                .iter()
                .any(|(other, on, _)| other.enable == flag.enable && !on);
            let implied = flag
                .implied
                .is_some_and(|(by, from)| from <= date && by.iter().any(|name| on.contains(name)));
            if implied && !*state && !refused {
                *state = true;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    states.into_iter().map(|(flag, on)| (flag.enable, on)).collect()
}

/// What the list asks for, each flag once.
fn asked(named: &[Spanned<String>], date: &str, findings: &mut Findings) -> Vec<(&'static Flag, bool, Span)> {
    let mut asked: Vec<(&'static Flag, bool, Span)> = Vec::new();
    for Spanned { value: name, span } in named {
        let Some((flag, on)) = find(name) else {
            findings.add(unknown(name).at(findings.origin(*span)));
            continue;
        };
        if let Some((_, earlier, _)) = asked.iter().find(|(other, ..)| other.enable == flag.enable) {
            let diagnostic = if *earlier == on {
                Diagnostic::warning(format!("the compatibility flag `{name}` is there twice"))
            } else {
                Diagnostic::error(format!(
                    "`{}` and `{}` are opposites",
                    flag.enable,
                    flag.disable.unwrap_or_default()
                ))
                .hint("keep one of them")
            };
            findings.add(diagnostic.at(findings.origin(*span)));
            continue;
        }
        if let Some(diagnostic) = without_effect(flag, name, on, date) {
            findings.add(diagnostic.at(findings.origin(*span)));
        }
        asked.push((flag, on, *span));
    }
    asked
}

fn unknown(name: &str) -> Diagnostic {
    let names = flags()
        .flat_map(|flag| [Some(flag.enable), flag.disable])
        .flatten();
    let diagnostic = Diagnostic::error(format!("there is no compatibility flag `{name}`"));
    match suggest::closest(name, names) {
        Some(known) => diagnostic.hint(format!("did you mean `{known}`?")),
        None => diagnostic,
    }
}

/// Says of a flag that it changes nothing here, unless it asks for what is the case anyway.
fn without_effect(flag: &Flag, name: &str, on: bool, date: &str) -> Option<Diagnostic> {
    let default = flag.default_from.is_some_and(|from| from <= date);
    let reason = match flag.standing {
        Standing::Obsolete => "is obsolete and has no effect",
        Standing::Experimental => "is experimental upstream and has no effect in Isthmus",
        Standing::Stable if flag.why.is_empty() && default != on => "has no effect in Isthmus yet",
        Standing::Stable => return None,
    };
    Some(Diagnostic::warning(format!(
        "the compatibility flag `{name}` {reason}"
    )))
}
