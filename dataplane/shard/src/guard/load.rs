//! Overload: who is turned away first, and when everybody is welcome again (in the spirit of RFC 7339).
//!
//! The measure is lag: how long what the shard reads has waited. A queue that stays short never collapses, and a shard that is
//! behind works on calls and not on refusals of the next ones, so it admits again as soon as it has caught up.

use units::Instant;

/// The lag at which new calls are refused, in milliseconds: far below T1 (500 ms), so that nothing is sent twice because of us.
pub const LAG_MAX_MS: u64 = 20;
/// A measure is worth nothing after this many milliseconds: a pump that sleeps has caught up.
const STALE_MS: u64 = 500;

/// Rises from the first number on and falls at the second, both in thousandths of [`LAG_MAX_MS`].
const OVER: (u32, u32) = (1_000, 500);
const BUSY: (u32, u32) = (500, 250);
const _: () = assert!(OVER.1 < OVER.0 && BUSY.1 < BUSY.0 && BUSY.0 < OVER.0 && BUSY.1 < OVER.1 && STALE_MS < 1_000);

/// How busy a shard is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    /// Everybody is heard.
    #[default]
    Calm,
    /// Unknown sources are not.
    Busy,
    /// New calls of known peers get 503 as well; whatever belongs to a call goes on.
    Over,
}

/// The last measure and what followed from it.
#[derive(Debug, Default)]
pub struct Gauge {
    load: Load,
    measured: Instant,
}

impl Gauge {
    /// Takes a measure.
    pub fn on_load(&mut self, now: Instant, permille: u32) {
        let before = self.load(now);
        let holds = |(up, down): (u32, u32), level: Load| permille >= up || (before >= level && permille > down);
        self.load = match () {
            () if holds(OVER, Load::Over) => Load::Over,
            () if holds(BUSY, Load::Busy) => Load::Busy,
            () => Load::Calm,
        };
        self.measured = now;
    }

    /// What follows from the last measure.
    pub fn load(&self, now: Instant) -> Load {
        if now.millis_since(self.measured) < STALE_MS { self.load } else { Load::Calm }
    }
}
