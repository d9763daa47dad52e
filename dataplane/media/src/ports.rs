//! Which pairs of ports are free: drawn at random, and left alone for a while after use so that a late packet meets nobody.
//!
//! A process that was killed leaves peers behind who go on sending to its ports, and its successor does not know which these are. So the
//! pairs are dealt into [`WINDOWS`] by their number, and each life of the program draws from a window of its own first, from that of its
//! successor last, and from any other only when it is as old as a quarantine. That holds while no life uses more than three quarters of
//! its pairs at a time, and costs nothing then: whoever has calls of fifteen seconds or more cannot need more than a quarter of the pairs in
//! the first five seconds.
//!
//! Where every pair is in use or resting, the one that has rested longest is taken, but none before [`REST_MIN_MS`]: a call of which a
//! late packet of the same peer might be heard is better than a call refused.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use units::Instant;

/// How long a closed pair is not given to another call, in milliseconds.
pub const QUARANTINE_MS: u64 = 5_000;

/// How long a closed pair rests even where no other is left, in milliseconds: longer than packets are on their way.
pub const REST_MIN_MS: u64 = 1_000;

const _: () = assert!(REST_MIN_MS < QUARANTINE_MS);

/// How long a pair that could not be opened is left alone, in milliseconds: some other program has the port.
pub const AVOID_MS: u64 = 60_000;

/// Parts of a range, for lives of the program that follow each other.
const WINDOWS: usize = 4;

/// The free pairs of one range, by index.
#[derive(Debug)]
pub(crate) struct Ports {
    /// In the order in which the windows are drawn from.
    free: [Vec<u16>; WINDOWS],
    /// Which life of the program this is, from 1.
    boot: u32,
    /// When pairs of other windows have rested from an earlier life; unknown before the first pair is drawn.
    rested_at: Option<Instant>,
    resting: VecDeque<(Instant, u16)>,
    avoided: VecDeque<(Instant, u16)>,
    state: u64,
}

impl Ports {
    pub(crate) fn new(pairs: u16, seed: u64) -> Ports {
        let resting = VecDeque::with_capacity(usize::from(pairs));
        let free = [(0..pairs).collect(), Vec::new(), Vec::new(), Vec::new()];
        Ports { free, boot: 0, rested_at: None, resting, avoided: VecDeque::new(), state: seed }
    }

    /// Says which life of the program this is, from 1; before any pair is drawn.
    pub(crate) fn begin_life(&mut self, boot: u32) {
        self.boot = boot;
        let all: Vec<u16> = self.free.iter_mut().flat_map(core::mem::take).collect();
        all.into_iter().for_each(|pair| self.release(pair));
    }

    /// The own window comes first, then those of the lives before this one. The successor's is the last: nobody has used it for longest.
    fn release(&mut self, pair: u16) {
        let windows = WINDOWS as u32;
        let rank =
            if self.boot == 0 { 0 } else { (self.boot % windows + windows - u32::from(pair) % windows) % windows };
        self.free[rank as usize].push(pair);
    }

    /// A random free pair, else the one that has rested longest; none while all are in use or have been a moment ago.
    pub(crate) fn take(&mut self, now: Instant) -> Option<u16> {
        while let Some(pair) = due(&mut self.resting, now).or_else(|| due(&mut self.avoided, now)) {
            self.release(pair);
        }
        // A first life follows nobody.
        let rest = if self.boot > 1 { QUARANTINE_MS } else { 0 };
        let rested = *self.rested_at.get_or_insert(now.plus_millis(rest)) <= now;
        let open = if rested { WINDOWS } else { 1 };
        let Some(window) = self.free[..open].iter().position(|window| !window.is_empty()) else {
            return due(&mut self.resting, now.plus_millis(QUARANTINE_MS - REST_MIN_MS));
        };
        let drawn = self.draw() % self.free[window].len() as u64;
        Some(self.free[window].swap_remove(drawn as usize))
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
        self.free.iter_mut().for_each(|window| window.retain(|free| *free != pair));
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

/// The first of those who wait in order of time, if its time has come.
fn due(waiting: &mut VecDeque<(Instant, u16)>, now: Instant) -> Option<u16> {
    waiting.pop_front_if(|(until, _)| *until <= now).map(|(_, pair)| pair)
}
