//! A hash for addresses of objects, by which deep conversions know what they have converted.

use std::hash::{BuildHasherDefault, Hasher};

/// For maps and sets keyed by an address as `usize`.
pub(crate) type Addresses = BuildHasherDefault<AddressHasher>;

/// Addresses are as good as random but for their low bits.
#[derive(Default)]
pub(crate) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn write_usize(&mut self, address: usize) {
        // Multiplication spreads to the upper bits, where the map looks; the swap brings them down as well.
        self.0 = ((address >> 4) as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .swap_bytes();
    }
}
