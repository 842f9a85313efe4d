//! Rate limits: calls on a channel, counted by [`RateLimiter`].

use std::sync::Arc;

use isthmus_protocol::RateLimit;
use isthmus_stores::RateLimiter;

/// A limit as configured, and the counter of its namespace.
pub(crate) struct RateLimitGrant {
    pub(crate) limiter: Arc<RateLimiter>,
    pub(crate) limit: u64,
    /// In seconds.
    pub(crate) period: u32,
}

impl RateLimitGrant {
    /// Counts one more use; whether it is within the limit.
    pub(super) fn is_within(&self, used: &RateLimit<'_>) -> bool {
        let limit = used.limit.unwrap_or(self.limit as f64);
        self.limiter
            .is_within(used.key, limit, used.period.unwrap_or(self.period))
    }
}
