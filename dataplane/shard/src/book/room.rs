//! Room on one trunk: calls at the same time, and new calls in a window that slides.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use call::effect::Trunk;
use units::{Cause, Instant};

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

/// What a trunk allows; a limit of 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Concurrent calls at most.
    pub capacity: u32,
    /// New calls a second at most, on average over the window.
    pub cps: u32,
    /// Length of the window in seconds, 1 to 60; 0 for 1. No window of this length holds more than `cps` times its seconds.
    pub window_s: u8,
}

/// The cause that a refusal is known by.
pub fn cause(trunk: Trunk, full: Full) -> Cause {
    match (trunk, full) {
        (Trunk::Ingress(_), Full::Capacity) => Cause::ORIGINATOR_CAPACITY,
        (Trunk::Ingress(_), Full::Cps) => Cause::ORIGINATOR_CPS,
        (Trunk::Egress(_), Full::Capacity) => Cause::TERMINATOR_CAPACITY,
        (Trunk::Egress(_), Full::Cps) => Cause::TERMINATOR_CPS,
    }
}

/// What is taken of a trunk.
#[derive(Debug, Default)]
pub struct Room {
    taken: u32,
    recent: Recent,
}

impl Room {
    /// Takes one call's room, or says which limit stands against it.
    pub fn take(&mut self, now: Instant, limits: Limits) -> Result<(), Full> {
        if limits.capacity > 0 && self.taken >= limits.capacity {
            return Err(Full::Capacity);
        }
        let window_s = limits.window_s.clamp(1, 60);
        let calls_max = limits.cps.saturating_mul(u32::from(window_s));
        if calls_max > 0 && !self.recent.take(now, u64::from(window_s) * 1_000_000, calls_max) {
            return Err(Full::Cps);
        }
        self.taken += 1;
        Ok(())
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
    /// Counts one more call, unless the window holds as many as it may.
    fn take(&mut self, now: Instant, window_us: u64, calls_max: u32) -> bool {
        match self {
            Recent::Moments(moments) if calls_max <= MOMENTS_MAX => {
                while moments.front().is_some_and(|at| now.micros_since(*at) >= window_us) {
                    moments.pop_front();
                }
                let fits = moments.len() < calls_max as usize;
                if fits {
                    moments.push_back(now);
                }
                fits
            }
            Recent::Counts(counts) if calls_max > MOMENTS_MAX && counts.width_us == window_us.div_ceil(SLOTS) => {
                counts.take(now, calls_max)
            }
            Recent::Moments(_) | Recent::Counts(_) => {
                *self = match calls_max > MOMENTS_MAX {
                    true => Recent::Counts(Box::new(Counts::new(now, window_us.div_ceil(SLOTS)))),
                    false => Recent::default(),
                };
                self.take(now, window_us, calls_max)
            }
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

    fn take(&mut self, now: Instant, calls_max: u32) -> bool {
        let (tick, count) = (now.micros() / self.width_us, self.slots.len() as u64);
        // After a whole round of silence every slot has been emptied.
        for past in (self.last + 1..=tick).take(self.slots.len()) {
            self.sum -= core::mem::take(&mut self.slots[(past % count) as usize]);
        }
        self.last = self.last.max(tick);
        let fits = self.sum < calls_max;
        if fits {
            self.slots[(tick % count) as usize] += 1;
            self.sum += 1;
        }
        fits
    }
}
