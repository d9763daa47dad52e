//! Counters and latency buckets that a shard keeps without locks: plain integers that one thread writes.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Sub-buckets in one octave: values are kept within 1/32, about 3 %.
const STEPS: usize = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Octaves above the first `STEPS` exact values; the last bucket holds all that is larger (2³⁶ ns is 69 s).
const OCTAVES: usize = 32;
/// How many buckets a [`Histogram`] has.
pub const BUCKETS: usize = STEPS * (OCTAVES + 1);

/// A latency distribution in nanoseconds, as log-linear buckets: exact below 32 ns, within 3 % above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: Box::new([0; BUCKETS]) }
    }
}

impl Histogram {
    /// Counts one value in nanoseconds.
    pub fn record(&mut self, nanos: u64) {
        self.counts[bucket_of(nanos)] += 1;
    }

    /// Adds another distribution's counts.
    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts.iter()) {
            *mine += theirs;
        }
    }

    /// Values counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The buckets that hold something: upper bound in nanoseconds, count; ascending.
    pub fn filled(&self) -> Vec<(u64, u64)> {
        let held = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        held.map(|(bucket, count)| (upper_bound(bucket), *count)).collect()
    }
}

fn bucket_of(nanos: u64) -> usize {
    if nanos < STEPS as u64 {
        return nanos as usize;
    }
    let octave = 63 - nanos.leading_zeros() - STEP_BITS;
    let step = (nanos >> octave) as usize - STEPS;
    (STEPS + octave as usize * STEPS + step).min(BUCKETS - 1)
}

fn upper_bound(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let (octave, step) = ((bucket - STEPS) / STEPS, (bucket - STEPS) % STEPS);
    (((STEPS + step + 1) as u64) << octave) - 1
}
