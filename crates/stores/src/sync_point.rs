//! What is written, but not durable yet.
//!
//! A store may answer before what it wrote is durable, if its caller lets nobody know of the answer until then
//! ([`D1Database::execute_ahead`](crate::d1::D1Database::execute_ahead)).

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use tokio::sync::watch;

use crate::{WHAT_TO_DO, sync_schedule::Schedule};

/// A state of a store that is durable once [`Self::wait`] says so.
#[derive(Clone, Debug)]
pub struct SyncPoint {
    history: Arc<History>,
    number: u64,
}

/// Why a state can't be made durable: which file, what went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotDurable(pub String);

impl SyncPoint {
    /// Whether it is durable. Where it isn't, the caller is going to [`Self::wait`].
    pub fn is_durable(&self) -> bool {
        let is_durable = self.history.reached() >= self.number;
        self.history.schedule.ask((!is_durable).then_some(self.number));
        is_durable
    }

    /// Waits until it is durable.
    ///
    /// # Errors
    /// [`NotDurable`]: it may be lost with the machine's power, and is seen until then.
    pub async fn wait(&self) -> Result<(), NotDurable> {
        if self.is_durable() {
            return Ok(());
        }
        let mut state = self.history.state.subscribe();
        let settled = state.wait_for(|state| state.reached >= self.number || state.broken.is_some());
        match settled.await {
            Ok(state) if state.reached < self.number => state
                .broken
                .clone()
                .map_or(Ok(()), |reason| Err(NotDurable(reason))),
            // This holds the sender, which is therefore not gone.
            _ => Ok(()),
        }
    }

    /// Whether it is of the store whose transactions these are.
    pub(crate) fn is_of(&self, history: &Arc<History>) -> bool {
        Arc::ptr_eq(&self.history, history)
    }

    /// Whether it is a later state than `other`, which is of the same store.
    pub fn is_after(&self, other: &Self) -> bool {
        self.number > other.number
    }

    /// Whether both are of one store.
    pub fn is_of_same_store(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.history, &other.history)
    }
}

/// The transactions of a store, in the order in which they are committed.
#[derive(Debug)]
pub(crate) struct History {
    /// The store's kind and place.
    store: String,
    /// How many have begun to be committed.
    begun: AtomicU64,
    state: watch::Sender<State>,
    schedule: Schedule,
}

#[derive(Debug, Default)]
struct State {
    /// How many of them are durable, or came to nothing.
    reached: u64,
    /// Why no more are.
    broken: Option<String>,
}

impl History {
    /// Of a store that is called `store` in messages.
    pub(crate) fn of(store: String) -> Self {
        Self {
            store,
            begun: AtomicU64::new(0),
            state: watch::Sender::default(),
            schedule: Schedule::default(),
        }
    }

    /// Counts a transaction that is about to be committed, before others can see what it wrote.
    pub(crate) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, SeqCst) + 1
    }

    /// How many transactions are durable.
    pub(crate) fn reached(&self) -> u64 {
        self.state.borrow().reached
    }

    /// When transactions are made durable.
    pub(crate) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The first `number` transactions are durable, unless the history is broken: then nobody knows.
    pub(crate) fn reach(&self, number: u64) {
        self.state.send_if_modified(|state| {
            let is_news = state.reached < number && state.broken.is_none();
            if is_news {
                state.reached = number;
            }
            is_news
        });
    }

    /// Transactions that are committed can't be made durable, until [`Self::mend`].
    pub(crate) fn break_off(&self, error: &io::Error) {
        self.state.send_modify(|state| {
            let reason = || {
                format!(
                    "what was written to {} can't be made durable: {error}. {WHAT_TO_DO}",
                    self.store
                )
            };
            state.broken.get_or_insert_with(reason);
        });
    }

    /// All that was ever committed is durable.
    pub(crate) fn mend(&self) {
        let begun = self.begun.load(SeqCst);
        self.state.send_modify(|state| {
            state.reached = state.reached.max(begun);
            state.broken = None;
        });
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.state.borrow().broken.is_some()
    }

    /// The state that can be seen now, if it isn't durable yet. `None` while the history is broken, too: those who have seen what
    /// isn't durable have heard of that, and a disk that fails keeps nobody from reading.
    pub(crate) fn unsettled(self: &Arc<Self>) -> Option<SyncPoint> {
        let number = self.begun.load(SeqCst);
        let state = self.state.borrow();
        (state.reached < number && state.broken.is_none()).then(|| SyncPoint {
            history: Arc::clone(self),
            number,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_point_is_durable_once_all_before_it_are() {
        let history = Arc::new(History::of("the store".to_owned()));
        assert!(history.unsettled().is_none());
        assert_eq!((history.begin(), history.begin()), (1, 2));
        let second = history.unsettled().expect("not durable");
        history.reach(1);
        assert!(!second.is_durable());
        let waiting = tokio::spawn({
            let second = second.clone();
            async move { second.wait().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        history.begin();
        history.reach(2);
        assert_eq!(waiting.await.expect("no panic"), Ok(()));
        assert!(second.is_durable());
        let third = history.unsettled().expect("not durable");
        assert!(third.is_of_same_store(&second) && !third.is_durable());
        // What is reached stays so.
        history.reach(1);
        assert!(second.is_durable());
    }

    #[tokio::test]
    async fn a_broken_history_is_said_to_who_waits_until_it_is_mended() {
        let history = Arc::new(History::of("the store".to_owned()));
        history.begin();
        history.reach(1);
        let first = SyncPoint {
            history: history.clone(),
            number: 1,
        };
        history.begin();
        let second = history.unsettled().expect("not durable");
        history.break_off(&io::Error::other("first"));
        history.break_off(&io::Error::other("second"));
        let broken = second.wait().await.expect_err("not durable").to_string();
        assert!(
            broken.starts_with("what was written to the store can't be made durable: first. "),
            "{broken}"
        );
        assert_eq!(first.wait().await, Ok(()));
        assert!(history.is_broken() && history.unsettled().is_none());
        // A sync after one that failed tells nothing.
        history.reach(2);
        assert!(!second.is_durable());
        history.mend();
        assert_eq!(second.wait().await, Ok(()));
        assert!(!history.is_broken() && history.unsettled().is_none());
    }
}
