//! The only place of this program that reads clocks for the shards.

use std::sync::OnceLock;
use std::time::{Instant as Monotonic, SystemTime, UNIX_EPOCH};

use units::{Clock, Instant, WallTime};

static EPOCH: OnceLock<Monotonic> = OnceLock::new();

/// Both clocks; the monotonic one counts from the first reading of this process.
pub fn read() -> Clock {
    Clock { now: Instant::from_micros(ticks() / 1_000), wall: wall() }
}

/// Nanoseconds on the monotonic clock.
pub fn ticks() -> u64 {
    EPOCH.get_or_init(Monotonic::now).elapsed().as_nanos() as u64
}

fn wall() -> WallTime {
    let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_micros() as i64,
        Err(before) => -(before.duration().as_micros() as i64),
    };
    WallTime::from_micros(micros)
}
