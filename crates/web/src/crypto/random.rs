//! The generator behind `Math.random`: xoshiro256++ (<https://prng.di.unimi.it/>), fast and of good
//! quality, but predictable; nothing secret comes from it.

use std::cell::Cell;

use crate::Host;

/// A pseudo-random generator, seeded by the host.
pub(super) struct Generator(Cell<[u64; 4]>);

impl Generator {
    pub(super) fn new(host: &dyn Host) -> Self {
        Self(Cell::new(seed(host)))
    }

    pub(super) fn reseed(&self, host: &dyn Host) {
        self.0.set(seed(host));
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub(super) fn next_f64(&self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    fn next_u64(&self) -> u64 {
        let mut state = self.0.get();
        let result = state[0]
            .wrapping_add(state[3])
            .rotate_left(23)
            .wrapping_add(state[0]);
        let shifted = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = state[3].rotate_left(45);
        self.0.set(state);
        result
    }
}

fn seed(host: &dyn Host) -> [u64; 4] {
    let mut state = [0; 4];
    for word in &mut state {
        let mut bytes = [0; 8];
        host.fill_random(&mut bytes);
        *word = u64::from_le_bytes(bytes);
    }
    // The one state from which the generator never leaves.
    if state == [0; 4] {
        [0x9e37_79b9_7f4a_7c15, 0, 0, 0]
    } else {
        state
    }
}
