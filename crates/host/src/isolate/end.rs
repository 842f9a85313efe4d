//! How an event ended, taken out of its frame.

use isthmus_protocol::{Outcome, Report};

/// How an event ended: with its handler and all it passed to `waitUntil`.
#[derive(Debug)]
pub(crate) struct EventEnd {
    /// How.
    pub(crate) outcome: Outcome,
    /// What it came to.
    pub(crate) finding: Finding,
}

/// What an event came to.
#[derive(Debug)]
pub(crate) enum Finding {
    /// Nothing that is told.
    Nothing,
    /// Of a cron trigger.
    Scheduled {
        /// It is not to be tried again.
        no_retry: bool,
    },
}

impl EventEnd {
    /// Takes the end out of its frame.
    pub(super) fn read(outcome: Outcome, report: &Report<'_>) -> Self {
        let finding = match report {
            Report::None | Report::Queue(_) => Finding::Nothing,
            Report::Scheduled { no_retry } => Finding::Scheduled { no_retry: *no_retry },
        };
        Self { outcome, finding }
    }
}
