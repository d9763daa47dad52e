//! The only place of this program that reads clocks for the shards.

use std::sync::OnceLock;
use std::time::{Duration, Instant as Monotonic, SystemTime, UNIX_EPOCH};

use units::{Clock, Instant, WallTime};

static EPOCH: OnceLock<Monotonic> = OnceLock::new();

/// Both clocks; the monotonic one counts from the first reading of this process.
pub fn read() -> Clock {
    Clock { now: Instant::from_micros(ticks() / 1_000), wall: wall() }
}

/// No datagram has waited for us longer: beyond, the time of day was set in between.
const WAITED_US_MAX: i64 = 10_000_000;

/// What both clocks showed when the kernel received a datagram that was looked at in this turn.
pub fn at(turn: Clock, stamp: Duration) -> Clock {
    let micros = stamp.as_secs() as i64 * 1_000_000 + i64::from(stamp.subsec_micros());
    let waited = turn.wall.micros() - micros;
    let waited = if (0..=WAITED_US_MAX).contains(&waited) { waited } else { 0 };
    let now = Instant::from_micros(turn.now.micros().saturating_sub(waited as u64));
    Clock { now, wall: WallTime::from_micros(turn.wall.micros() - waited) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_says_how_long_a_datagram_waited_unless_the_time_of_day_was_set() {
        let turn = Clock { now: Instant::from_micros(5_000_000), wall: WallTime::from_micros(1_800_000_000_000_000) };
        let at = |micros: u64| {
            let Clock { now, wall } = at(turn, Duration::from_micros(micros));
            (now.micros(), wall.micros())
        };
        assert_eq!(at(1_799_999_999_997_000), (4_997_000, 1_799_999_999_997_000));
        let now = (5_000_000, 1_800_000_000_000_000);
        assert_eq!(at(1_800_000_000_000_000), now);
        assert_eq!(at(1_800_003_600_000_000), now, "an hour back");
        assert_eq!(at(1_799_996_400_000_000), now, "an hour on");
    }
}
