//! Counts of delays in steps of an eighth of a doubling, as `bpf/mill.c` has them.

/// Steps; the last one holds all that is longer.
pub const STEPS: usize = 320;

/// Delays by their length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delays([u64; STEPS]);

impl Default for Delays {
    fn default() -> Delays {
        Delays([0; STEPS])
    }
}

impl Delays {
    /// Counts some of this many nanoseconds.
    pub fn add(&mut self, delay_ns: u64, count: u64) {
        self.0[step(delay_ns)] += count;
    }

    /// Adds another's.
    pub fn merge(&mut self, other: &Delays) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }

    /// Each step that has any: the nanoseconds in its middle, and how many.
    pub fn steps(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().enumerate().filter(|(_, count)| **count > 0).map(|(step, count)| (middle(step), *count))
    }

    pub(crate) fn of(counts: [u64; STEPS]) -> Delays {
        Delays(counts)
    }
}

fn step(delay_ns: u64) -> usize {
    let high = delay_ns.checked_ilog2().unwrap_or(0) as usize;
    if high < 3 {
        return delay_ns as usize;
    }
    ((high - 2) * 8 + (delay_ns >> (high - 3) & 7) as usize).min(STEPS - 1)
}

fn middle(step: usize) -> u64 {
    if step < 8 {
        return step as u64;
    }
    let (doubling, eighth) = (step / 8 - 1, (step % 8) as u64);
    let wide = 1 << doubling;
    (8 + eighth) * wide + wide / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_found_again_within_a_sixteenth() {
        for delay in [0, 1, 7, 8, 9, 15, 16, 17, 1_000, 999_999, 60_000_000, 5_000_000_000] {
            let mut delays = Delays::default();
            delays.add(delay, 3);
            let [(found, 3)] = delays.steps().collect::<Vec<_>>()[..] else { panic!("one step has three") };
            assert!(found.abs_diff(delay) * 16 <= delay, "{delay} became {found}");
        }
        let mut delays = Delays::default();
        delays.add(u64::MAX, 1);
        assert_eq!(delays.steps().count(), 1);
    }
}
