//! One clock for both ends of every call: nanoseconds since the run began, and the wall time of that beginning.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

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

    /// A reading as microseconds since 1970 UTC; `None` for "not yet".
    pub fn wall_us(&self, reading: u64) -> Option<u64> {
        (reading > 0).then(|| self.wall_us + reading / 1_000)
    }
}
