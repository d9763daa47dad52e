//! Room of one holder: calls at the same time, and new calls in a window that slides.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use units::Instant;

/// Up to this many calls a window each one's moment is kept (64 KiB); beyond it they are counted by slots.
pub const MOMENTS_MAX: u32 = 8_192;
/// Slots that make a window.
const SLOTS: u64 = 256;

/// Which limit refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Too many calls at the same time.
    Capacity,
    /// Too many new calls within a window.
    Cps,
}

/// What a holder of room is allowed; a limit of 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Concurrent calls at most.
    pub capacity: u32,
    /// New calls a second at most, on average over the window.
    pub cps: u32,
    /// Length of the window in seconds, 1 to 60; 0 for 1. No window of this length holds more than `cps` times its seconds.
    pub window_s: u8,
}

impl Limits {
    fn window_us(self) -> u64 {
        u64::from(self.window_s.clamp(1, 60)) * 1_000_000
    }

    /// New calls within a window at most; 0 for no limit.
    pub(crate) fn calls_max(self) -> u32 {
        self.cps.saturating_mul(u32::from(self.window_s.clamp(1, 60)))
    }
}

/// How much of a holder's limits this node may use.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// Concurrent calls.
    pub calls: u32,
    /// New calls within a window.
    pub recent: u32,
}

/// What is taken of a holder's room.
#[derive(Debug, Default)]
pub struct Room {
    taken: u32,
    recent: Recent,
    /// Of the limit that the last call met; 0 if there was none.
    window_us: u64,
}

impl Room {
    /// Which limit stands against one more call. This node may have `most` of each: concurrent calls, and calls within a window.
    pub fn objection(&mut self, now: Instant, limits: Limits, most: Most) -> Option<Full> {
        if limits.capacity > 0 && self.taken >= most.calls {
            return Some(Full::Capacity);
        }
        let calls_max = limits.calls_max();
        (calls_max > 0 && !self.recent.fits(now, limits.window_us(), (calls_max, most.recent))).then_some(Full::Cps)
    }

    /// Takes one call's room; nothing stood against it.
    pub fn take(&mut self, now: Instant, limits: Limits) {
        self.taken += 1;
        self.window_us = 0;
        if limits.calls_max() > 0 {
            self.window_us = limits.window_us();
            self.recent.push(now);
        } else {
            self.recent = Recent::default();
        }
    }

    /// One call gives its room back.
    pub fn give_back(&mut self) {
        assert!(self.taken > 0, "every return follows a take");
        self.taken -= 1;
    }

    /// Calls that hold room.
    pub fn taken(&self) -> u32 {
        self.taken
    }

    /// New calls within the window of the CPS limit; 0 without one.
    pub fn recent(&self, now: Instant) -> u32 {
        match &self.recent {
            Recent::Moments(moments) => {
                moments.iter().rev().take_while(|at| now.micros_since(**at) < self.window_us).count() as u32
            }
            Recent::Counts(counts) => counts.within(now),
        }
    }

    /// Nothing would be lost if it were forgotten.
    pub fn is_idle(&self) -> bool {
        self.taken == 0 && matches!(&self.recent, Recent::Moments(moments) if moments.is_empty())
    }
}

/// The calls of the last window. A published change from one form to the other begins with an empty window.
#[derive(Debug)]
enum Recent {
    /// When each came, oldest first; exact.
    Moments(VecDeque<Instant>),
    /// How many came in each slot; never lets more through than the limit, and up to 1/256 of it less.
    Counts(Box<Counts>),
}

impl Default for Recent {
    fn default() -> Recent {
        Recent::Moments(VecDeque::new())
    }
}

impl Recent {
    /// One more call fits into the window: `most` of the `calls_max` that are the limit, which decides on the form.
    fn fits(&mut self, now: Instant, window_us: u64, (calls_max, most): (u32, u32)) -> bool {
        match self {
            Recent::Moments(moments) if calls_max <= MOMENTS_MAX => {
                while moments.front().is_some_and(|at| now.micros_since(*at) >= window_us) {
                    moments.pop_front();
                }
                moments.len() < most as usize
            }
            Recent::Counts(counts) if calls_max > MOMENTS_MAX && counts.width_us == window_us.div_ceil(SLOTS) => {
                counts.turn(now);
                counts.sum < most
            }
            Recent::Moments(_) | Recent::Counts(_) => {
                *self = match calls_max > MOMENTS_MAX {
                    true => Recent::Counts(Box::new(Counts::new(now, window_us.div_ceil(SLOTS)))),
                    false => Recent::default(),
                };
                self.fits(now, window_us, (calls_max, most))
            }
        }
    }

    /// Counts one more call; it fits.
    fn push(&mut self, now: Instant) {
        match self {
            Recent::Moments(moments) => moments.push_back(now),
            Recent::Counts(counts) => counts.push(),
        }
    }
}

/// A ring of one slot more than a window has: two calls within a window of each other always stand in it together.
#[derive(Debug)]
struct Counts {
    width_us: u64,
    /// The slot of the last call, counted since the clock's epoch.
    last: u64,
    sum: u32,
    slots: [u32; SLOTS as usize + 1],
}

impl Counts {
    fn new(now: Instant, width_us: u64) -> Counts {
        Counts { width_us, last: now.micros() / width_us, sum: 0, slots: [0; SLOTS as usize + 1] }
    }

    /// Empties the slots that have left the window.
    fn turn(&mut self, now: Instant) {
        let (tick, count) = (now.micros() / self.width_us, self.slots.len() as u64);
        // After a whole round of silence every slot has been emptied.
        for past in (self.last + 1..=tick).take(self.slots.len()) {
            self.sum -= core::mem::take(&mut self.slots[(past % count) as usize]);
        }
        self.last = self.last.max(tick);
    }

    fn push(&mut self) {
        let count = self.slots.len() as u64;
        self.slots[(self.last % count) as usize] += 1;
        self.sum += 1;
    }

    /// Calls in slots that are still within the window.
    fn within(&self, now: Instant) -> u32 {
        let (tick, count) = (now.micros() / self.width_us, self.slots.len() as u64);
        let gone = tick.saturating_sub(self.last).min(count);
        let old: u32 = (1..=gone).map(|past| self.slots[((self.last + past) % count) as usize]).sum();
        self.sum - old
    }
}
