//! When what is committed is synced.
//!
//! At once where somebody will ask for it soon, so that it is done by then; else once somebody asks, or after [`DELAY`]: a sync
//! takes as much of a core as several statements, and one serves all that was committed before it. Which it is to be is learnt
//! from how it went before.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use isthmus_protocol::Patience;

/// For how long what nobody asks for may stay not durable.
const DELAY: Duration = Duration::from_millis(5);

/// What the syncing thread is to do.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The newest transaction that wants a sync.
    committed: u64,
    /// The newest one for which there was one, or need be none.
    handled: u64,
    /// When the oldest one that waits was committed.
    since: Option<Instant>,
    /// The newest one that is to be synced without delay.
    urgent: u64,
    /// The newest one that somebody waited for, or does.
    asked: u64,
    is_closed: bool,
    /// The newest one was synced at once, and nobody has asked for it yet.
    was_eager: bool,
    patience: Patience,
}

impl Schedule {
    /// The transaction `number` is committed.
    pub(crate) fn commit(&self, number: u64) {
        let mut state = self.lock();
        state.committed = number;
        if state.was_eager {
            state.patience.learn(false);
        }
        state.was_eager = state.patience.is_worth_it();
        if state.was_eager {
            state.urgent = number;
        }
        if state.urgent >= number || state.since.is_none() {
            self.bell.notify_one();
        }
        state.since.get_or_insert_with(Instant::now);
    }

    /// The transactions up to `number` are durable without a sync.
    pub(crate) fn skip(&self, number: u64) {
        let mut state = self.lock();
        state.handled = state.handled.max(number);
    }

    /// Somebody asks for what was committed, or is about to be, and waits for it where a number is given.
    pub(crate) fn ask(&self, waits_for: Option<u64>) {
        let mut state = self.lock();
        state.was_eager = false;
        state.patience.learn(true);
        if let Some(number) = waits_for {
            state.asked = state.asked.max(number);
            if number > state.urgent {
                state.urgent = number;
                self.bell.notify_one();
            }
        }
    }

    /// The newest transaction that somebody waited for, or does.
    pub(crate) fn asked(&self) -> u64 {
        self.lock().asked
    }

    /// Nothing is committed any more.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.bell.notify_one();
    }

    /// Waits for the next sync: up to which transaction. `None` at the end.
    pub(crate) fn next(&self) -> Option<u64> {
        let mut state = self.lock();
        loop {
            let State {
                committed,
                handled,
                since,
                urgent,
                is_closed,
                ..
            } = *state;
            if committed <= handled {
                state.since = None;
                if is_closed {
                    return None;
                }
                state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let left = DELAY.saturating_sub(since.map_or(DELAY, |since| since.elapsed()));
            if urgent > handled || is_closed || left.is_zero() {
                (state.since, state.handled) = (None, committed);
                return Some(committed);
            }
            let woken = self.bell.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_synced_at_once() {
        let schedule = Schedule::default();
        for number in 1..100 {
            schedule.commit(number);
            assert_eq!(schedule.lock().urgent, number);
            assert_eq!(schedule.next(), Some(number));
            schedule.ask(None);
        }
    }

    #[test]
    fn what_nobody_asks_for_waits_for_more_and_not_for_long() {
        let schedule = Schedule::default();
        let mut at_once = 0;
        for number in 1..=100 {
            schedule.commit(number);
            if schedule.lock().urgent == number {
                at_once += 1;
                assert_eq!(schedule.next(), Some(number));
            }
        }
        assert!((1..20).contains(&at_once), "{at_once}");
        schedule.commit(101);
        schedule.lock().urgent = 0;
        // After the delay, without anybody's asking.
        assert_eq!(schedule.next(), Some(101));
        // Nor is it waited for what is asked for before it is committed.
        schedule.ask(Some(102));
        schedule.commit(102);
        assert_eq!(schedule.lock().urgent, 102);
        assert_eq!(schedule.next(), Some(102));
    }

    #[test]
    fn what_is_left_is_synced_at_the_end() {
        let schedule = Schedule::default();
        schedule.commit(1);
        schedule.commit(2);
        schedule.skip(2);
        schedule.commit(3);
        schedule.close();
        assert_eq!(schedule.next(), Some(3));
        assert_eq!(schedule.next(), None);
    }
}
