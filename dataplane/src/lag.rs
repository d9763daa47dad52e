//! How far behind a core is.
//!
//! A turn takes what the ring holds. When it holds all that its buffers allow, more waits in the sockets; the time over which every
//! turn began with such a one is how long the core has been behind. What gathered while the machine lent the core to somebody else
//! for a moment is no reason to refuse calls: a core that can, works it off in a few turns.

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
        self.behind_since = (starved > self.starved).then(|| self.behind_since.unwrap_or(now));
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
        let turns =
            [(0, 0, 0), (5, 1, 0), (10, 2, 250), (26, 9, 1_050), (31, 9, 0), (500, 9, 0), (505, 10, 0), (506, 10, 0)];
        for (ms, starved, permille) in turns {
            assert_eq!(lag.turn(Instant::from_micros(ms * 1_000), starved), permille, "at {ms} ms");
        }
    }

    #[test]
    fn a_core_that_works_off_what_gathered_while_it_was_away_was_never_behind() {
        let mut lag = Lag::default();
        // Away for 40 ms, then four full turns of 2 ms; away again at once.
        for (ms, starved, permille) in
            [(0, 0, 0), (40, 1, 0), (42, 2, 100), (44, 3, 200), (46, 4, 300), (48, 4, 0), (90, 5, 0), (91, 5, 0)]
        {
            assert_eq!(lag.turn(Instant::from_micros(ms * 1_000), starved), permille, "at {ms} ms");
        }
    }
}
