//! Room on one trunk: calls at the same time, and calls a second.

use alloc::collections::VecDeque;

use call::effect::Trunk;
use units::{Cause, Instant};

/// The window of a CPS limit, in microseconds.
const WINDOW_US: u64 = 1_000_000;

/// Which limit refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Too many calls at the same time.
    Capacity,
    /// Too many new calls within a second.
    Cps,
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
    /// When the calls of the last second came, oldest first; as many as the limit at most.
    recent: VecDeque<Instant>,
}

impl Room {
    /// Takes one call's room, or says which limit stands against it. A limit of 0 is none.
    pub fn take(&mut self, now: Instant, capacity: u32, cps: u32) -> Result<(), Full> {
        if capacity > 0 && self.taken >= capacity {
            return Err(Full::Capacity);
        }
        if cps > 0 {
            while self.recent.front().is_some_and(|at| now.micros_since(*at) >= WINDOW_US) {
                self.recent.pop_front();
            }
            if self.recent.len() >= cps as usize {
                return Err(Full::Cps);
            }
            self.recent.push_back(now);
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
