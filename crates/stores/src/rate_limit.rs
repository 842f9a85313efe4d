//! [Rate limits](https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/): uses are counted by key in fixed
//! windows of time. Nothing is kept on disk, as upstream: a limit of a minute is not worth a write for each use.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Clock;

/// Counts the uses of one namespace.
pub struct RateLimiter {
    clock: Arc<dyn Clock>,
    /// By which keys are told apart: what a client can choose to be long takes no memory.
    hasher: RandomState,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    /// Which one it is, counted from the epoch in periods.
    number: u64,
    uses: HashMap<u64, u64>,
}

impl RateLimiter {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            hasher: RandomState::new(),
            window: Mutex::default(),
        }
    }

    /// Counts one more use of `key`; whether it is one of the first `limit` in this period of so many seconds. What is not
    /// is not counted.
    pub fn is_within(&self, key: &str, limit: f64, period: u32) -> bool {
        let number = self.clock.now_ms() / (u64::from(period.max(1)) * 1000);
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.number != number {
            window.number = number;
            // A busy window leaves no memory behind.
            window.uses = HashMap::new();
        }
        let uses = window.uses.entry(self.hasher.hash_one(key)).or_default();
        let is_within = (*uses as f64) < limit;
        *uses += u64::from(is_within);
        is_within
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    struct Hands(AtomicU64);

    impl Clock for Hands {
        fn now(&self) -> u64 {
            self.now_ms() / 1000
        }

        fn now_ms(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn each_key_has_its_uses_in_each_window() {
        let clock = Arc::new(Hands(AtomicU64::new(59_999)));
        let limiter = RateLimiter::new(clock.clone());
        let uses = |key: &str| (0..4).filter(|_| limiter.is_within(key, 2.0, 60)).count();
        assert_eq!((uses("a"), uses("b"), uses("a")), (2, 2, 0));
        clock.0.store(60_000, Ordering::Relaxed);
        assert_eq!(uses("a"), 2);
        clock.0.store(119_999, Ordering::Relaxed);
        assert_eq!(uses("a"), 0);
        assert!(!limiter.is_within("c", 0.0, 60) && !limiter.is_within("c", f64::NAN, 60));
    }
}
