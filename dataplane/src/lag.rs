//! How far behind a core is.
//!
//! A turn takes what the ring holds. When it holds all that its buffers allow, more waits in the sockets; the time over which every
//! turn was such a one is how long it has waited.

use shard::guard::LAG_MAX_MS;
use units::Instant;

/// One core's backlog.
#[derive(Debug, Default)]
pub struct Lag {
    starved: u64,
    turned: Instant,
    behind_since: Option<Instant>,
}

/// After so long without an answer balancers send a node's calls elsewhere, in microseconds. Longer than a turn ever sleeps.
const STILL_US: u64 = 1_500_000;

impl Lag {
    /// A turn is about to begin: whether the process stood still since the one before.
    pub fn stood_still(&self, now: Instant) -> bool {
        self.turned != Instant::default() && now.micros_since(self.turned) > STILL_US
    }

    /// A turn begins; `starved` counts how often the ring had no buffer left. Says the lag in thousandths of [`LAG_MAX_MS`].
    pub fn turn(&mut self, now: Instant, starved: u64) -> u32 {
        // The buffers ran out during the turn before this one: what it read had waited since its beginning at least.
        self.behind_since = (starved > self.starved).then(|| self.behind_since.unwrap_or(self.turned));
        (self.starved, self.turned) = (starved, now);
        self.behind_since.map_or(0, |since| (now.micros_since(since) / LAG_MAX_MS).min(u64::from(u32::MAX)) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_stopped_notices() {
        let (at, mut lag) = (|ms: u64| Instant::from_micros(ms * 1_000), Lag::default());
        assert!(!lag.stood_still(at(90_000)), "nothing is known at the start");
        lag.turn(at(90_000), 0);
        assert_eq!([91_200, 91_600].map(|ms| lag.stood_still(at(ms))), [false, true]);
    }

    #[test]
    fn lag_is_the_time_over_which_the_ring_was_full_at_every_turn() {
        let mut lag = Lag::default();
        let turns = [
            (0, 0, 0),
            (5, 1, 250),
            (10, 2, 500),
            (21, 9, 1_050),
            (26, 9, 0),
            (500, 9, 0),
            (505, 10, 250),
            (506, 10, 0),
        ];
        for (ms, starved, permille) in turns {
            assert_eq!(lag.turn(Instant::from_micros(ms * 1_000), starved), permille, "at {ms} ms");
        }
    }
}
