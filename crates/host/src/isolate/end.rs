//! How an event ended, taken out of its frame.

use std::collections::HashMap;

use isthmus_protocol::queue::Retry;
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
    /// Of a batch of messages.
    Queue(Verdict),
}

/// What a consumer said to a batch.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// To all messages that nothing was said to.
    pub(crate) batch: Option<Word>,
    /// To single messages, by their ids.
    pub(crate) messages: HashMap<String, Word>,
}

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It is done with.
    Ack,
    /// It is to be delivered again.
    Retry(Retry),
}

impl EventEnd {
    /// Takes the end out of its frame.
    pub(super) fn read(outcome: Outcome, report: &Report<'_>) -> Self {
        let finding = match report {
            Report::None => Finding::Nothing,
            Report::Scheduled { no_retry } => Finding::Scheduled { no_retry: *no_retry },
            Report::Queue(verdict) => {
                let acked = verdict.acked.iter().map(|id| ((*id).to_owned(), Word::Ack));
                let retried = verdict
                    .retried
                    .iter()
                    .map(|(id, retry)| ((*id).to_owned(), Word::Retry(*retry)));
                Finding::Queue(Verdict {
                    batch: match verdict.retry_all {
                        Some(retry) => Some(Word::Retry(retry)),
                        None => verdict.ack_all.then_some(Word::Ack),
                    },
                    messages: acked.chain(retried).collect(),
                })
            }
        };
        Self { outcome, finding }
    }
}
