//! Calls of one caller to one destination that wait: what goes round in circles through other switches is nested, so none of its
//! calls has an answer or a final refusal yet.

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
    waiting: u16,
}

/// A call that is counted, until it is answered or over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    key: u64,
    /// When its second began: a later one does not know of it.
    since: Instant,
}

/// The pair has as many waiting calls as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looping;

/// The pairs of the last second. When more pairs call than there are places, the rarer ones are forgotten: a call is never
/// refused for another pair's sake.
#[derive(Debug)]
pub struct Pairs {
    slots: Vec<Pair>,
    waiting_max: u16,
}

impl Pairs {
    /// Without calls. 0 is no limit.
    pub fn new(waiting_max: u16) -> Pairs {
        Pairs { slots: vec![Pair::default(); PAIR_SLOTS], waiting_max }
    }

    /// Counts a call that begins.
    pub fn enter(&mut self, now: Instant, key: u64) -> Result<Option<Seat>, Looping> {
        if self.waiting_max == 0 {
            return Ok(None);
        }
        let [one, two] = places(key);
        let weight = |pair: &Pair| if now.micros_since(pair.since) >= WINDOW_US { 0 } else { pair.waiting };
        let rarer = if weight(&self.slots[one]) <= weight(&self.slots[two]) { one } else { two };
        let found = [one, two].into_iter().find(|slot| self.slots[*slot].key == key);
        let pair = &mut self.slots[found.unwrap_or(rarer)];
        if pair.key != key || now.micros_since(pair.since) >= WINDOW_US {
            *pair = Pair { key, since: now, waiting: 0 };
        }
        if pair.waiting >= self.waiting_max {
            return Err(Looping);
        }
        pair.waiting += 1;
        Ok(Some(Seat { key, since: pair.since }))
    }

    /// A call that was counted waits no longer.
    pub fn leave(&mut self, seat: Seat) {
        for slot in places(seat.key) {
            let pair = &mut self.slots[slot];
            if (pair.key, pair.since) == (seat.key, seat.since) {
                pair.waiting = pair.waiting.saturating_sub(1);
                return;
            }
        }
    }

    /// Bytes of the table.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Pair>()
    }
}

/// The two places that a pair may have.
fn places(key: u64) -> [usize; 2] {
    [key as usize % PAIR_SLOTS, (key >> 32) as usize % PAIR_SLOTS]
}
