//! The isolates that take events now, and what a request does when there is none.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use crate::isolate::Isolate;
use crate::limits::Timeouts;
use crate::streams::lock;
use crate::supervisor::Note;
use crate::zygote::BootFailure;

/// How the Worker stands.
#[derive(Clone, Debug)]
pub(crate) enum PoolState {
    /// It is being booted.
    Starting,
    /// It is booted; at a given moment all isolates may be busy being replaced.
    Serving,
    /// The last boot failed. The next request has another one tried.
    Failed {
        /// Which boot it was.
        attempt: u64,
        /// Why.
        failure: Arc<BootFailure>,
    },
    /// The server ends.
    Stopped,
}

/// Why there is no isolate for a request.
#[derive(Debug)]
pub(crate) enum Unavailable {
    /// The Worker can't be booted.
    Boot(Arc<BootFailure>),
    /// None was ready in time.
    Timeout,
    /// The server ends.
    Stopped,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boot(_) => f.write_str("the Worker could not be started"),
            Self::Timeout => f.write_str("no isolate became ready in time"),
            Self::Stopped => f.write_str("the server is shutting down"),
        }
    }
}

/// The isolates that take events.
pub(crate) struct Pool {
    isolates: Mutex<Vec<Arc<Isolate>>>,
    state: watch::Sender<PoolState>,
    notes: mpsc::UnboundedSender<Note>,
    timeouts: Timeouts,
}

impl Pool {
    pub(crate) fn new(notes: mpsc::UnboundedSender<Note>, timeouts: Timeouts) -> Self {
        Self {
            isolates: Mutex::default(),
            state: watch::Sender::new(PoolState::Starting),
            notes,
            timeouts,
        }
    }

    /// Adds an isolate that is ready.
    pub(crate) fn add(&self, isolate: Arc<Isolate>) {
        lock(&self.isolates).push(isolate);
        self.set_state(PoolState::Serving);
    }

    /// Takes an isolate out.
    pub(crate) fn remove(&self, id: u32) {
        lock(&self.isolates).retain(|isolate| isolate.id() != id);
    }

    /// Says how the Worker stands and wakes the requests that wait.
    pub(crate) fn set_state(&self, state: PoolState) {
        self.state.send_replace(state);
    }

    /// How many events are open in all isolates.
    pub(crate) fn open_events(&self) -> usize {
        lock(&self.isolates)
            .iter()
            .map(|isolate| isolate.open_events())
            .sum()
    }

    /// How many isolates take events.
    #[cfg(test)]
    pub(crate) fn ready(&self) -> usize {
        lock(&self.isolates).len()
    }

    /// An isolate for the next event: of those that answer, the one with the fewest events open. Waits
    /// while the Worker boots or isolates are replaced, and has a boot that failed tried once more.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub(crate) async fn acquire(&self) -> Result<Arc<Isolate>, Unavailable> {
        match self.pick() {
            Some(isolate) => Ok(isolate),
            None => self.wait().await,
        }
    }

    fn pick(&self) -> Option<Arc<Isolate>> {
        lock(&self.isolates)
            .iter()
            .min_by_key(|isolate| (isolate.is_suspect(), isolate.open_events()))
            .cloned()
    }

    async fn wait(&self) -> Result<Arc<Isolate>, Unavailable> {
        let mut state = self.state.subscribe();
        let deadline = Instant::now() + self.timeouts.wait_for_isolate;
        // The boot that had failed before this request came says nothing about the files as they are now.
        let mut known = None;
        if let PoolState::Failed { attempt, .. } = *state.borrow_and_update() {
            known = Some(attempt);
            // The supervisor is gone only when the server ends, and then the state says so.
            let _ = self.notes.send(Note::Wanted { attempt });
        }
        loop {
            // Look at the state before the isolates: one that is added in between changes the state again.
            let seen = state.borrow_and_update().clone();
            if let Some(isolate) = self.pick() {
                return Ok(isolate);
            }
            match seen {
                PoolState::Failed { attempt, failure } if known != Some(attempt) => {
                    return Err(Unavailable::Boot(failure));
                }
                PoolState::Stopped => return Err(Unavailable::Stopped),
                PoolState::Starting | PoolState::Serving | PoolState::Failed { .. } => {}
            }
            match timeout_at(deadline, state.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Unavailable::Stopped),
                Err(_) => return Err(Unavailable::Timeout),
            }
        }
    }
}
