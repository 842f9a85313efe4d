//! Peers that stop talking: a time limit that every sign of progress sets back.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::streams::lock;

/// When something happened last.
pub(super) struct Pulse(Mutex<Instant>);

impl Pulse {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Something happens.
    pub(super) fn beat(&self) {
        *lock(&self.0) = Instant::now();
    }

    /// Ends once nothing has happened for `limit`.
    pub(super) async fn stopped(&self, limit: Duration) {
        loop {
            let deadline = *lock(&self.0) + limit;
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }
}
