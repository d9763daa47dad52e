//! Tables by numbers of our own making, which nobody else can choose so that they collide.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Things by a call's place in the plan, or by a count.
pub type ByNumber<T> = HashMap<u32, T, Numbers>;
/// How such a table spreads its numbers.
pub type Numbers = BuildHasherDefault<Spread>;

/// One multiplication by the golden ratio: neighbours fall far apart, and the high bits are as good as the low ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
