//! Calls of one caller to one destination, counted by the second: what goes round in circles through other switches.

use alloc::vec;
use alloc::vec::Vec;

use units::Instant;

/// Places of the table.
pub const PAIR_SLOTS: usize = 1 << 12;
const WINDOW_US: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    key: u64,
    since: Instant,
    count: u16,
}

/// The pairs of the last second. When more pairs call than there are places, the rarer ones are forgotten: a call is never
/// refused for another pair's sake.
#[derive(Debug)]
pub struct Pairs {
    slots: Vec<Pair>,
    per_s: u16,
}

impl Pairs {
    /// Without calls. 0 is no limit.
    pub fn new(per_s: u16) -> Pairs {
        Pairs { slots: vec![Pair::default(); PAIR_SLOTS], per_s }
    }

    /// Counts a call; true if the pair has had its number in this second.
    pub fn is_over(&mut self, now: Instant, key: u64) -> bool {
        if self.per_s == 0 {
            return false;
        }
        let (one, two) = (key as usize % PAIR_SLOTS, (key >> 32) as usize % PAIR_SLOTS);
        let weight = |pair: &Pair| if now.micros_since(pair.since) >= WINDOW_US { 0 } else { pair.count };
        let rarer = if weight(&self.slots[one]) <= weight(&self.slots[two]) { one } else { two };
        let found = [one, two].into_iter().find(|slot| self.slots[*slot].key == key);
        let pair = &mut self.slots[found.unwrap_or(rarer)];
        if pair.key != key || now.micros_since(pair.since) >= WINDOW_US {
            *pair = Pair { key, since: now, count: 0 };
        }
        pair.count = pair.count.saturating_add(1);
        pair.count > self.per_s
    }

    /// Bytes of the table.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Pair>()
    }
}
