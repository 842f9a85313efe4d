//! When messages are too old: they are kept for some days from when they came into their queue, and then dropped, whether
//! anybody has them or not.
//!
//! Whoever wants messages or counts them first drops those, and so does the host now and then. That there is something to drop
//! is known without a look at the store.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::limits::{RETENTION, RETENTIONS};
use super::{Queue, QueueError};

/// How many messages are dropped at once: writes of others come in between.
const AT_ONCE: usize = 1000;

/// What is known of the oldest message.
#[derive(Debug)]
pub(super) struct Expiry {
    /// No message is too old before this moment, in milliseconds since the epoch.
    due: AtomicI64,
    /// How many messages were dropped and nobody was told.
    dropped: AtomicU64,
}

impl Expiry {
    /// Nothing is known yet.
    pub(super) fn unknown() -> Self {
        Self {
            due: AtomicI64::new(i64::MIN),
            dropped: AtomicU64::new(0),
        }
    }

    /// Notes that messages came at a moment, which are kept for the shortest time that can be set, or for longer.
    pub(super) fn came(&self, now: i64) {
        let least = 1000 * i64::from(*RETENTIONS.start());
        self.due.fetch_min(now + least, Ordering::Relaxed);
    }
}

impl Queue {
    /// Drops messages that are too old.
    ///
    /// # Errors
    /// The store's.
    pub async fn expire(&self) -> Result<(), QueueError> {
        // Before the look: what comes meanwhile makes it earlier again.
        self.expiry.due.store(i64::MAX, Ordering::Relaxed);
        let due = match self.drop_old().await {
            Ok(due) => due,
            Err(error) => {
                self.expiry.due.store(i64::MIN, Ordering::Relaxed);
                return Err(error);
            }
        };
        self.expiry.due.fetch_min(due, Ordering::Relaxed);
        Ok(())
    }

    /// The same where it is known that there may be some.
    pub(super) async fn expire_due(&self) -> Result<(), QueueError> {
        if self.now() < self.expiry.due.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.expire().await
    }

    /// How many messages were dropped since it was asked last.
    pub fn take_expired(&self) -> u64 {
        self.expiry.dropped.swap(0, Ordering::Relaxed)
    }

    /// How long messages are kept, in seconds.
    ///
    /// # Errors
    /// The store's.
    pub async fn retention(&self) -> Result<u32, QueueError> {
        Ok(seconds(self.store.state(self.now()).await?.retention))
    }

    /// Drops them; answers when the next will be too old.
    async fn drop_old(&self) -> Result<i64, QueueError> {
        let retention = 1000 * i64::from(self.retention().await?);
        loop {
            let expired = self.store.expire(self.now() - retention, AT_ONCE).await?;
            self.expiry
                .dropped
                .fetch_add(expired.count as u64, Ordering::Relaxed);
            if expired.count < AT_ONCE {
                // A message is kept for as long as is said, and not a moment less.
                return Ok(expired.oldest.map_or(i64::MAX, |oldest| oldest + retention + 1));
            }
        }
    }
}

/// A time for which messages are kept, as it was set or as is usual.
pub(super) fn seconds(retention: Option<i64>) -> u32 {
    retention.map_or(RETENTION, |milliseconds| {
        u32::try_from(milliseconds / 1000).unwrap_or(u32::MAX)
    })
}
