//! `triggers`: when the Worker's `scheduled` handler runs.

use jiff::Timestamp;

use crate::cron::Cron;
use crate::environment::Environment;
use crate::raw::Value;
use crate::report::{Diagnostic, Findings};
use crate::resolve::is_empty;

/// `triggers.crons`, each once. One that can't be read is an error; one that never comes, or comes twice, a warning.
pub(crate) fn crons(environment: &Environment<'_>, findings: &mut Findings) -> Vec<Cron> {
    let Some(triggers) = environment.value("triggers").and_then(Value::as_table) else {
        return Vec::new();
    };
    if let Some(events) = triggers.get("events").filter(|entry| !is_empty(&entry.value)) {
        findings.add(
            Diagnostic::warning("`triggers.events` has no effect in Isthmus")
                .at(findings.origin(events.key_span)),
        );
    }
    let written = triggers.get("crons").and_then(|entry| entry.value.as_list());
    let mut crons: Vec<Cron> = Vec::new();
    for value in written.unwrap_or_default() {
        let Some(text) = value.as_text() else { continue };
        let found = match text.parse::<Cron>() {
            Err(error) => Diagnostic::error(format!("{text:?} is no cron expression: {error}"))
                .hint("for example \"30 6 * * mon-fri\", at 06:30 UTC from Monday to Friday"),
            Ok(cron) if crons.iter().any(|other| other.text() == text) => Diagnostic::warning(format!(
                "{:?} is there twice; it runs once each time",
                cron.text()
            )),
            Ok(cron) => {
                let comes = cron.next_after(Timestamp::now()).is_some();
                crons.push(cron);
                if comes {
                    continue;
                }
                Diagnostic::warning(format!("{text:?} never comes: no month it names has such a day"))
            }
        };
        findings.add(found.at(findings.origin(value.span)));
    }
    crons
}
