//! Which pairs of ports are free: drawn at random, and left alone for a while after use so that a late packet meets nobody.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use units::Instant;

/// How long a closed pair is not given to another call, in milliseconds.
pub const QUARANTINE_MS: u64 = 5_000;

/// How long a pair that could not be opened is left alone, in milliseconds: some other program has the port.
pub const AVOID_MS: u64 = 60_000;

/// The free pairs of one range, by index.
#[derive(Debug)]
pub(crate) struct Ports {
    free: Vec<u16>,
    resting: VecDeque<(Instant, u16)>,
    avoided: VecDeque<(Instant, u16)>,
    state: u64,
}

impl Ports {
    pub(crate) fn new(pairs: u16, seed: u64) -> Ports {
        let resting = VecDeque::with_capacity(usize::from(pairs));
        Ports { free: (0..pairs).collect(), resting, avoided: VecDeque::new(), state: seed }
    }

    /// A random free pair; none while all are in use or resting.
    pub(crate) fn take(&mut self, now: Instant) -> Option<u16> {
        for waiting in [&mut self.resting, &mut self.avoided] {
            while let Some(&(until, pair)) = waiting.front() {
                if until > now {
                    break;
                }
                waiting.pop_front();
                self.free.push(pair);
            }
        }
        if self.free.is_empty() {
            return None;
        }
        let drawn = self.draw() % self.free.len() as u64;
        Some(self.free.swap_remove(drawn as usize))
    }

    pub(crate) fn give_back(&mut self, now: Instant, pair: u16) {
        self.resting.push_back((now.plus_millis(QUARANTINE_MS), pair));
    }

    /// Gives back a pair that could not be opened.
    pub(crate) fn avoid(&mut self, now: Instant, pair: u16) {
        self.avoided.push_back((now.plus_millis(AVOID_MS), pair));
    }

    /// Never gives this pair out.
    pub(crate) fn exclude(&mut self, pair: u16) {
        self.free.retain(|free| *free != pair);
    }

    /// SplitMix64: enough to keep ports from being counted upwards; the latch, not the port number, is what keeps strangers out.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
