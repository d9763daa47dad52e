//! Two clocks that must not mix: the monotonic one for durations, the wall clock for dates.

use core::ops::{Add, Sub};

/// A reading of the monotonic clock, in microseconds since an epoch of the process's choosing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// From microseconds.
    pub const fn from_micros(micros: u64) -> Instant {
        Instant(micros)
    }

    /// In microseconds.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since an earlier reading; 0 if it is not earlier.
    pub const fn millis_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }

    /// Microseconds since an earlier reading; 0 if it is not earlier.
    pub const fn micros_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This many milliseconds later.
    pub const fn plus_millis(self, millis: u64) -> Instant {
        Instant(self.0.saturating_add(millis.saturating_mul(1_000)))
    }
}

/// A reading of the wall clock: microseconds since 1970-01-01 UTC. Used for dates only, never for durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(i64);

impl WallTime {
    /// From microseconds since 1970-01-01 UTC.
    pub const fn from_micros(micros: i64) -> WallTime {
        WallTime(micros)
    }

    /// Microseconds since 1970-01-01 UTC.
    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl Add<u64> for WallTime {
    type Output = WallTime;
    /// Adds microseconds.
    fn add(self, micros: u64) -> WallTime {
        WallTime(self.0.saturating_add_unsigned(micros))
    }
}

impl Sub for WallTime {
    type Output = i64;
    /// The difference in microseconds.
    fn sub(self, other: WallTime) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

/// Both clocks, read together once at the start of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// For durations and deadlines.
    pub now: Instant,
    /// For dates.
    pub wall: WallTime,
}
