//! Token buckets of many sources in a table of fixed size.
//!
//! Each source has two places; it is over its limit when both are. So a flood fills only the places that it hashes to, and a
//! source that shares one of them is still heard by the other. A bucket is one number: the moment at which it would be full
//! again (the generic cell rate algorithm, ITU-T I.371 annex A).

use alloc::vec;
use alloc::vec::Vec;

use units::Instant;

/// Places for sources that no trunk has.
pub const STRANGER_SLOTS: usize = 1 << 16;
/// Places for sources that some trunk has.
pub const PEER_SLOTS: usize = 1 << 12;

/// One table.
#[derive(Debug)]
pub struct Buckets {
    slots: Vec<u64>,
    /// Microseconds that one message uses up; 0 for no limit.
    each_us: u64,
    /// Microseconds that a full bucket holds.
    depth_us: u64,
}

impl Buckets {
    /// Full buckets; `slots` is a power of two of at most 2^32.
    pub fn new(slots: usize, per_s: u32, burst: u32) -> Buckets {
        debug_assert!(slots.is_power_of_two(), "places are found by a mask");
        let each_us = if per_s == 0 { 0 } else { (1_000_000 / u64::from(per_s)).max(1) };
        Buckets { slots: vec![0; slots], each_us, depth_us: each_us * u64::from(burst.max(1)) }
    }

    /// Takes one token, if there is one.
    pub fn take(&mut self, now: Instant, key: u64) -> bool {
        let mask = self.slots.len() - 1;
        let (one, two) = (key as usize & mask, (key >> 32) as usize & mask);
        let used = self.slots[one].min(self.slots[two]).max(now.micros()) + self.each_us;
        let passes = used - now.micros() <= self.depth_us;
        if passes {
            self.slots[one] = self.slots[one].max(used);
            self.slots[two] = self.slots[two].max(used);
        }
        passes
    }

    /// Bytes of the table.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
    }
}
