//! One clock for both ends of every call: nanoseconds since the run began, and the wall time of that beginning.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// Clocks that were read within this were read at one moment.
const AT_ONCE: u64 = 5_000;

/// The run's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    wall_us: u64,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { start: Instant::now(), wall_us: wall.as_micros() as u64 }
    }

    /// Nanoseconds since the start; never 0, so that 0 can mean "not yet".
    pub fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64 + 1
    }

    /// How far readings are behind the system's clock, in nanoseconds since 1970: what turns the kernel's stamps into readings. None if
    /// something came between the two clocks' being read.
    pub fn behind(&self) -> Option<u64> {
        let before = self.now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_nanos() as u64;
        let took = self.now() - before;
        (took < AT_ONCE).then(|| wall.saturating_sub(before + took / 2))
    }

    /// A reading as microseconds since 1970 UTC; `None` for "not yet".
    pub fn wall_us(&self, reading: u64) -> Option<u64> {
        (reading > 0).then(|| self.wall_us + reading / 1_000)
    }
}
