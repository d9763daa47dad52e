//! The timer wheel: one deadline a call, filed in O(1), checked again when it comes due.
//!
//! A call whose deadline moved earlier is filed a second time; one whose deadline moved later is found not to be due and filed
//! anew. So nothing is ever searched for or removed.

use alloc::vec::Vec;

use units::Instant;

use crate::table::CallRef;

/// Slots of a millisecond each; a deadline further away waits for another round.
const SLOTS: usize = 8_192;
const WORDS: usize = SLOTS / 64;

/// Deadlines of one shard's calls.
#[derive(Debug)]
pub struct Wheel {
    slots: Vec<Vec<(u64, CallRef)>>,
    /// One bit a slot: set when the slot holds something.
    filled: [u64; WORDS],
    /// All ticks before this one have been turned.
    cursor: u64,
}

impl Default for Wheel {
    fn default() -> Wheel {
        let slots = (0..SLOTS).map(|_| Vec::new()).collect();
        Wheel { slots, filled: [0; WORDS], cursor: 0 }
    }
}

/// A deadline that is further away than this many ticks is first looked at on a coarse tick before it: the many that are far
/// away, most of which will never be due, share their wake-ups.
const FAR: u64 = 1_024;
const COARSE: u64 = 256;

/// A moment as a tick, rounded up; what is far away, rounded down.
fn tick(at: Instant, cursor: u64) -> u64 {
    let tick = at.micros().div_ceil(1_000);
    if tick.saturating_sub(cursor) > FAR { tick - tick % COARSE } else { tick }
}

impl Wheel {
    /// Files a deadline; returns when the call comes out, which is before its deadline if that is far away.
    pub fn file(&mut self, at: Instant, call: CallRef) -> Instant {
        let due = tick(at, self.cursor).max(self.cursor);
        let slot = (due % SLOTS as u64) as usize;
        self.slots[slot].push((due, call));
        self.filled[slot / 64] |= 1 << (slot % 64);
        Instant::from_micros(due * 1_000)
    }

    /// Turns the wheel to `now` and takes out what is due, oldest tick first.
    pub fn turn(&mut self, now: Instant, due: &mut Vec<CallRef>) {
        let last = now.micros() / 1_000;
        let steps = (last + 1).saturating_sub(self.cursor).min(SLOTS as u64);
        let first = (last + 1).saturating_sub(steps);
        let mut at = first;
        while at <= last {
            let slot = (at % SLOTS as u64) as usize;
            let ahead = self.filled[slot / 64] >> (slot % 64);
            if ahead == 0 {
                // Nothing in the rest of this word.
                at += 64 - slot as u64 % 64;
                continue;
            }
            let slot = slot + ahead.trailing_zeros() as usize;
            at += u64::from(ahead.trailing_zeros()) + 1;
            if at > last + 1 {
                break;
            }
            self.slots[slot].retain(|(tick, call)| {
                if *tick <= last {
                    due.push(*call);
                }
                *tick > last
            });
            if self.slots[slot].is_empty() {
                self.filled[slot / 64] &= !(1 << (slot % 64));
            }
        }
        self.cursor = self.cursor.max(last + 1);
    }

    /// When `turn` finds something at the earliest; early by whole rounds for what is far away.
    pub fn deadline(&self) -> Option<Instant> {
        let start = (self.cursor % SLOTS as u64) as usize;
        let distance = (0..=WORDS).find_map(|step| {
            let word = (start / 64 + step) % WORDS;
            let mut bits = self.filled[word];
            if step == 0 {
                bits &= u64::MAX << (start % 64);
            }
            let slot = word * 64 + bits.trailing_zeros() as usize;
            (bits != 0).then(|| (slot + SLOTS - start) % SLOTS)
        })?;
        Some(Instant::from_micros((self.cursor + distance as u64) * 1_000))
    }
}
