//! Who should have how much of a limit: what each wants, the smaller wishes first, and what is left over evenly.

use alloc::vec;
use alloc::vec::Vec;

use units::Instant;

/// How long less must have been needed before less is wanted, in milliseconds.
const RELAX_MS: u64 = 10_000;

/// A limit in parts that add up to it, one for each wish in its order. Nobody has more than he wants while another has less than that and
/// less than he.
pub fn fair(limit: u32, wants: &[u32]) -> Vec<u32> {
    let mut parts = vec![0_u32; wants.len()];
    let mut left = limit;
    loop {
        let open = parts.iter().zip(wants).filter(|(part, want)| part < want).count() as u32;
        let each = left.checked_div(open).unwrap_or(0).max(1);
        if open == 0 || left == 0 {
            break;
        }
        // Each round fulfils a wish or leaves less than one call a wish.
        for (part, want) in parts.iter_mut().zip(wants) {
            let more = each.min(left).min(want.saturating_sub(*part));
            *part += more;
            left -= more;
        }
    }
    let count = wants.len().max(1) as u32;
    for (place, part) in parts.iter_mut().enumerate() {
        *part += left / count + u32::from((place as u32) < left % count);
    }
    parts
}

/// What a node wants of one limit: a quarter above what it needed lately, in few steps, so that words change seldom.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demand {
    want: u32,
    /// The most that was needed since the last look at whether less would do.
    peak: u32,
    look_at: Instant,
}

impl Demand {
    /// So many calls used it or would have.
    pub fn on_used(&mut self, now: Instant, calls: u32, limit: u32) {
        let need = if calls == 0 { 0 } else { above(calls).saturating_add(1).min(limit) };
        self.peak = self.peak.max(need);
        if need > self.want {
            self.want = above(need).min(limit);
        } else if now < self.look_at {
            self.want = self.want.min(limit);
            return;
        } else if self.peak + self.peak / 2 < self.want {
            self.want = above(self.peak).min(limit);
        }
        (self.peak, self.look_at) = (need, now.plus_millis(RELAX_MS));
    }

    /// What it wants.
    pub fn want(&self) -> u32 {
        self.want
    }
}

fn above(calls: u32) -> u32 {
    calls.saturating_add(calls / 4)
}
