//! What becomes of the messages of a batch, by what the consumer said and how its event ended.
//!
//! What was said to a message counts more than what was said to the batch, and that more than how the event ended: a message
//! that was acknowledged stays so though the handler raised later. Miniflare retries all of them then; upstream's
//! documentation says otherwise.

use isthmus_protocol::Outcome;
use isthmus_protocol::queue::Retry;
use isthmus_stores::queue::{LeaseId, Leased};

use crate::isolate::{Verdict, Word};

/// What becomes of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// These are done with.
    pub(super) acknowledged: Vec<LeaseId>,
    /// These are delivered again, after so many seconds.
    pub(super) retried: Vec<(LeaseId, i32)>,
    /// These were tried too often.
    pub(super) dead: Vec<Leased>,
}

impl Fate {
    /// Decides. `attempts` is how often a message may be delivered, `delay` the seconds before it is delivered again where
    /// nothing else was said.
    pub(super) fn decide(
        batch: Vec<Leased>,
        outcome: Outcome,
        verdict: &Verdict,
        attempts: u32,
        delay: i32,
    ) -> Self {
        let rest = verdict.batch.unwrap_or(match outcome {
            Outcome::Ok => Word::Ack,
            Outcome::Exception | Outcome::Canceled => Word::Retry(Retry::default()),
        });
        let mut fate = Self::default();
        for message in batch {
            match verdict.messages.get(&hex(message.name)).copied().unwrap_or(rest) {
                Word::Ack => fate.acknowledged.push(message.id),
                Word::Retry(_) if message.attempts >= attempts => fate.dead.push(message),
                Word::Retry(retry) => {
                    // The whole batch's delay also counts for a message that says no other.
                    let batch = match verdict.batch {
                        Some(Word::Retry(retry)) => retry.delay,
                        _ => None,
                    };
                    let delay = retry.delay.or(batch).unwrap_or(delay);
                    fate.retried.push((message.id, delay));
                }
            }
        }
        fate
    }
}

/// A message's name as the consumer sees it.
pub(crate) fn hex(name: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(name))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bytes::Bytes;
    use isthmus_protocol::queue::ContentType;

    use super::*;

    fn message(number: u8, attempts: u32) -> Leased {
        Leased {
            id: LeaseId {
                message: number.into(),
                lease: 1,
            },
            name: [number; 16],
            sent: 0,
            attempts,
            content_type: ContentType::Text,
            body: Bytes::new(),
        }
    }

    /// Which of the messages 1, 2 and 3 are acknowledged, retried (with delays) and dead.
    fn fate(
        outcome: Outcome,
        batch: Option<Word>,
        words: &[(u8, Word)],
    ) -> (Vec<i64>, Vec<(i64, i32)>, Vec<i64>) {
        let verdict = Verdict {
            batch,
            messages: words
                .iter()
                .map(|(number, word)| (hex([*number; 16]), *word))
                .collect::<HashMap<_, _>>(),
        };
        let messages = vec![message(1, 1), message(2, 2), message(3, 3)];
        let fate = Fate::decide(messages, outcome, &verdict, 3, 7);
        (
            fate.acknowledged.iter().map(|id| id.message).collect(),
            fate.retried
                .iter()
                .map(|(id, delay)| (id.message, *delay))
                .collect(),
            fate.dead.iter().map(|message| message.id.message).collect(),
        )
    }

    fn retry(delay: Option<i32>) -> Word {
        Word::Retry(Retry { delay })
    }

    #[test]
    fn without_a_word_the_outcome_decides() {
        assert_eq!(fate(Outcome::Ok, None, &[]), (vec![1, 2, 3], vec![], vec![]));
        for outcome in [Outcome::Exception, Outcome::Canceled] {
            assert_eq!(fate(outcome, None, &[]), (vec![], vec![(1, 7), (2, 7)], vec![3]));
        }
    }

    #[test]
    fn a_word_to_the_batch_counts_more_than_the_outcome() {
        assert_eq!(
            fate(Outcome::Exception, Some(Word::Ack), &[]),
            (vec![1, 2, 3], vec![], vec![])
        );
        assert_eq!(
            fate(Outcome::Ok, Some(retry(Some(4))), &[]),
            (vec![], vec![(1, 4), (2, 4)], vec![3])
        );
    }

    #[test]
    fn a_word_to_a_message_counts_most() {
        let words = [(1, Word::Ack), (3, Word::Ack)];
        assert_eq!(
            fate(Outcome::Exception, None, &words),
            (vec![1, 3], vec![(2, 7)], vec![])
        );
        let words = [(1, retry(Some(2))), (2, retry(None))];
        assert_eq!(
            fate(Outcome::Ok, Some(Word::Ack), &words),
            (vec![3], vec![(1, 2), (2, 7)], vec![])
        );
        assert_eq!(
            fate(Outcome::Ok, Some(retry(Some(9))), &words),
            (vec![], vec![(1, 2), (2, 9)], vec![3])
        );
    }
}
