//! The clock that keeper and guard share: it goes on while the machine sleeps.

use rustix::time::{ClockId, clock_gettime};
use units::Instant;

/// This moment since the machine's start.
pub fn now() -> Instant {
    let read = clock_gettime(ClockId::Boottime);
    let micros = read.tv_sec.unsigned_abs() * 1_000_000 + read.tv_nsec.unsigned_abs() / 1_000;
    Instant::from_micros(micros)
}
