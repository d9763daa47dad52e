//! Latencies over time, coarsely: how many calls of each second fell into each of a few dozen steps. What the heat map is drawn from.

use serde::{Deserialize, Serialize};

use crate::clock::SECOND;

/// Steps from ten microseconds to a hundred seconds, four in ten.
pub const STEPS: usize = 28;
/// Columns at most; a longer run has wider ones.
const COLUMNS: usize = 600;

/// Counts by column and step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Heat {
    /// Seconds that a column stands for.
    pub wide_s: u64,
    /// Counts.
    pub columns: Vec<[u32; STEPS]>,
}

impl Heat {
    /// For a run of so many nanoseconds, without a call yet.
    pub fn new(long: u64) -> Heat {
        let seconds = long.div_ceil(SECOND).max(1);
        let wide_s = seconds.div_ceil(COLUMNS as u64);
        Heat { wide_s, columns: vec![[0; STEPS]; seconds.div_ceil(wide_s) as usize] }
    }

    /// Counts a call that was due so long after the run's beginning. What is beyond the last column counts in that.
    pub fn record(&mut self, due: u64, latency: u64) {
        let last = self.columns.len().saturating_sub(1);
        let column = (due / SECOND / self.wide_s.max(1)) as usize;
        if let Some(column) = self.columns.get_mut(column.min(last)) {
            column[step(latency)] += 1;
        }
    }

    /// Adds another worker's.
    pub fn merge(&mut self, other: &Heat) {
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.columns.iter().flatten().all(|count| *count == 0)
    }
}

/// The step of a latency in nanoseconds.
pub fn step(latency: u64) -> usize {
    let decades = (latency.max(1) as f64 / 1e4).log10();
    (decades * 4.0).clamp(0.0, (STEPS - 1) as f64) as usize
}

/// The lower end of a step in milliseconds.
pub fn from_ms(step: usize) -> f64 {
    10_f64.powf(step as f64 / 4.0 - 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_in_their_second_and_step() {
        let mut heat = Heat::new(3 * SECOND);
        heat.record(SECOND / 2, 1_000_000);
        heat.record(5 * SECOND, 30_000_000_000);
        assert_eq!((heat.columns[0][8], heat.columns[2][25]), (1, 1));
        assert!(from_ms(8) <= 1.0 && from_ms(9) > 1.0 && (from_ms(25) - 17_782.8).abs() < 1.0);
        assert_eq!(Heat::new(3_600 * SECOND).columns.len(), 600);
    }
}
