//! When each end of each call wants to be woken: what is due soon in order, what is due later in slots of a few milliseconds.
//!
//! Most timers never fire: they guard against a silence that does not come. To file one costs a list's new head, whatever else is filed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::wire::Who;

/// 2 to the power of this: nanoseconds of a slot, about four milliseconds.
const SLOT_SHIFT: u32 = 22;
/// Slots; a power of two. What is due after the last one (a minute) waits in that and is filed again.
const SLOTS: u64 = 1 << 14;
/// Slots ahead in which the next timer is looked for: more than the longest wait of a worker.
const AHEAD: u64 = 8;
const NONE: u32 = u32::MAX;

/// One wish to be woken.
#[derive(Clone, Copy, Debug)]
struct Filed {
    due: u64,
    who: Who,
    /// The next one of its slot, or of those that are free.
    next: u32,
}

/// All of a worker's.
pub struct Timers {
    /// Due in the slots before `slot`.
    soon: BinaryHeap<Reverse<(u64, Who)>>,
    /// The first slot that was not looked into.
    slot: u64,
    /// By slot modulo [`SLOTS`]: the first of its list.
    heads: Box<[u32]>,
    filed: Vec<Filed>,
    free: u32,
}

impl Default for Timers {
    fn default() -> Timers {
        let heads = vec![NONE; SLOTS as usize].into_boxed_slice();
        Timers { soon: BinaryHeap::new(), slot: 0, heads, filed: Vec::new(), free: NONE }
    }
}

impl Timers {
    /// Wakes them then.
    pub fn file(&mut self, due: u64, who: Who) {
        let slot = due >> SLOT_SHIFT;
        if slot < self.slot {
            return self.soon.push(Reverse((due, who)));
        }
        let head = &mut self.heads[(slot.min(self.slot + SLOTS - 1) & (SLOTS - 1)) as usize];
        let filed = Filed { due, who, next: *head };
        *head = match self.free {
            NONE => {
                self.filed.push(filed);
                self.filed.len() as u32 - 1
            }
            free => {
                self.free = std::mem::replace(&mut self.filed[free as usize], filed).next;
                free
            }
        };
    }

    /// The first who is due by now.
    pub fn pop(&mut self, now: u64) -> Option<(u64, Who)> {
        // One more: what is due in the next few milliseconds is known to the nanosecond.
        while self.slot <= (now >> SLOT_SHIFT) + 1 {
            self.open();
        }
        match self.soon.peek() {
            Some(Reverse(first)) if first.0 <= now => self.soon.pop().map(|Reverse(first)| first),
            _ => None,
        }
    }

    /// Takes what is in the next slot into its order.
    fn open(&mut self) {
        let head = &mut self.heads[(self.slot & (SLOTS - 1)) as usize];
        let mut next = std::mem::replace(head, NONE);
        self.slot += 1;
        while next != NONE {
            let place = next;
            let Filed { due, who, .. } = self.filed[place as usize];
            next = std::mem::replace(&mut self.filed[place as usize].next, self.free);
            self.free = place;
            // One from beyond the last slot goes back into a slot.
            self.file(due, who);
        }
    }

    /// When the next one is due, or a moment before that; none if that is farther away than a worker ever waits.
    pub fn next_due(&self) -> Option<u64> {
        let later = (self.slot..self.slot + AHEAD).find(|slot| self.heads[(slot & (SLOTS - 1)) as usize] != NONE);
        self.soon.peek().map(|Reverse(first)| first.0).or(later.map(|slot| slot << SLOT_SHIFT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files and takes at random moments; a sorted list says what must come.
    #[test]
    fn whoever_is_due_is_woken_in_order_and_nobody_before() {
        let (mut timers, mut naive, mut now, mut chance) = (Timers::default(), Vec::new(), 1_u64, 88_u64);
        let mut random = |below: u64| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (chance >> 33) % below
        };
        for nth in 0..20_000 {
            let ahead = [1_000, 1 << SLOT_SHIFT, 1 << 30, (SLOTS + 900) << SLOT_SHIFT][random(4) as usize];
            let due = now + random(ahead);
            timers.file(due, Who::Caller(nth));
            naive.push((due, Who::Caller(nth)));
            if nth % 4 == 0 {
                let wait = [100_000, 1 << 24, 1 << 33][random(3) as usize];
                now += random(wait);
                naive.sort_unstable();
                let due = naive.partition_point(|(due, _)| *due <= now);
                let wanted: Vec<_> = naive.drain(..due).collect();
                let first = naive.first().map(|(due, _)| *due);
                assert_eq!(std::iter::from_fn(|| timers.pop(now)).collect::<Vec<_>>(), wanted);
                let soonest = timers.next_due();
                assert!(soonest.zip(first).is_none_or(|(told, due)| told <= due), "{soonest:?} {first:?}");
                assert!(soonest.is_some() || first.is_none_or(|due| due >= now + ((AHEAD - 1) << SLOT_SHIFT)));
            }
        }
        assert!(timers.filed.len() < 20_000, "places are used again");
    }
}
