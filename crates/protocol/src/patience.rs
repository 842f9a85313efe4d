//! Whether it is worth while to wait awake for what the other end of a connection is about to say.
//!
//! A core takes some 35 µs to go to sleep and be woken in a virtual machine, and its caches are cold after that: longer than many
//! an answer takes. Both ends look for the next message a moment longer before they sleep; where that is in vain, it is tried
//! ever more rarely.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// After this many waits in vain in a row the pause grows no more: one wait in 31 is tried. What waits long is followed by what
/// waits briefly, which loses by every wait that isn't tried.
const MOST_FAILURES: u32 = 5;

/// What was learnt of waiting awake. One thread at a time waits by it.
#[derive(Debug, Default)]
pub struct Patience {
    /// How often it was in vain since it was last worth it.
    failures: AtomicU32,
    /// How many waits are not to be tried.
    pause: AtomicU32,
}

impl Patience {
    /// Nothing learnt yet.
    pub const fn new() -> Self {
        Self {
            failures: AtomicU32::new(0),
            pause: AtomicU32::new(0),
        }
    }

    /// Whether to try the wait that comes now. If so, [`Self::learn`] wants to know how it went.
    pub fn is_worth_it(&self) -> bool {
        let pause = self.pause.load(Relaxed);
        self.pause.store(pause.saturating_sub(1), Relaxed);
        pause == 0
    }

    /// Says whether what was waited for came in time.
    pub fn learn(&self, was_worth_it: bool) {
        if was_worth_it {
            self.failures.store(0, Relaxed);
            return;
        }
        let failures = (self.failures.load(Relaxed) + 1).min(MOST_FAILURES);
        self.failures.store(failures, Relaxed);
        // One failure is an exception; more are a habit.
        self.pause.store((1 << failures) - 2, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_in_vain_become_rare_until_one_is_worth_it() {
        let patience = Patience::default();
        let tried = (0..1000)
            .filter(|_| {
                let tried = patience.is_worth_it();
                if tried {
                    patience.learn(false);
                }
                tried
            })
            .count();
        assert!((30..45).contains(&tried), "{tried} of 1000 were tried");
        while !patience.is_worth_it() {}
        patience.learn(true);
        assert!((0..100).all(|_| patience.is_worth_it()));
    }
}
