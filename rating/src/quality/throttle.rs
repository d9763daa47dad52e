//! The throttle: a trunk that refuses too much gets hardly any calls until it is well again.
//!
//! ```text
//!   open ── share of refusals in the window ≥ limit, or twice calls_min refusals in a row ──▶ throttled
//!   throttled ── three calls in a row that were begun since and are well ──▶ open
//! ```
//! While throttled one call is let through every 125 that the trunk would have got, at least every 5 s so that it is back within 10 s of
//! health, and at most every quarter of a second. After a good one the next may go at once.

use snapshot::policy::Throttle;
use units::{Clock, Instant};

/// Slots that make a window.
const SLOTS: usize = 20;
/// Good calls in a row that end the throttle.
const GOOD_CALLS: u8 = 3;
/// Of so many calls one is let through: 0.8 per cent.
const CALLS_PER_TEST: u64 = 125;
/// The shortest time between two calls that are let through, in milliseconds.
const TEST_MS_MIN: u64 = 250;
/// The longest one: with it a trunk of less than 25 calls a second gets more than one per cent.
const TEST_MS_MAX: u64 = 5_000;

/// The throttle of one trunk.
#[derive(Clone, Debug)]
pub struct Throttling {
    policy: Throttle,
    slots: [(u32, u32); SLOTS],
    /// The slot of the last call, counted since the clock's epoch.
    last: u64,
    in_a_row: u32,
    open_since: Instant,
    throttled: Option<Throttled>,
}

#[derive(Clone, Copy, Debug)]
struct Throttled {
    since: Clock,
    interval_ms: u64,
    next_at: Instant,
    good: u8,
}

impl Throttling {
    /// An open throttle; `None` if the policy has none.
    pub fn new(now: Instant, policy: &Throttle) -> Option<Throttling> {
        (policy.percent > 0).then(|| Throttling {
            policy: policy.clone(),
            slots: [(0, 0); SLOTS],
            last: 0,
            in_a_row: 0,
            open_since: now,
            throttled: None,
        })
    }

    /// True if it was made of this policy.
    pub fn is(&self, policy: &Throttle) -> bool {
        self.policy == *policy
    }

    /// Since when the trunk has been throttled, if it is.
    pub fn since(&self) -> Option<Clock> {
        self.throttled.map(|throttled| throttled.since)
    }

    /// True if a call may go to the trunk.
    pub fn lets(&self, now: Instant) -> bool {
        self.throttled.is_none_or(|throttled| throttled.next_at <= now)
    }

    /// A call goes to the trunk.
    pub fn on_begun(&mut self, now: Instant) {
        if let Some(throttled) = &mut self.throttled {
            throttled.next_at = now.plus_millis(throttled.interval_ms);
        }
    }

    /// When a call is let through, although nothing else happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.throttled.map(|throttled| throttled.next_at)
    }

    /// A call that was begun then rings for the first time.
    pub fn on_ringing(&mut self, clock: Clock, begun: Instant) {
        if self.throttled.is_some() {
            self.test(clock, begun, true);
        }
    }

    /// A call that was begun then was answered (200) or failed with this status; `rang` if [`Throttling::on_ringing`] was told.
    pub fn on_status(&mut self, clock: Clock, begun: Instant, status: u16, rang: bool) {
        let usual = [408, 480, 503];
        let listed = if self.policy.statuses.is_empty() { &usual[..] } else { &self.policy.statuses };
        let refused = listed.contains(&status);
        match self.throttled {
            None => self.judge(clock, refused),
            // What rang was good once: it does not count twice.
            Some(_) if rang && !refused => {}
            Some(_) => self.test(clock, begun, !refused),
        }
    }

    fn judge(&mut self, clock: Clock, refused: bool) {
        self.count(clock.now, refused);
        self.in_a_row = if refused { self.in_a_row.saturating_add(1) } else { 0 };
        let calls_min = if self.policy.calls_min == 0 { 10 } else { u32::from(self.policy.calls_min) };
        let (bad, all) =
            self.slots.iter().fold((0u64, 0u64), |sum, slot| (sum.0 + u64::from(slot.0), sum.1 + u64::from(slot.1)));
        let too_many = all >= u64::from(calls_min) && bad * 100 >= all * u64::from(self.policy.percent);
        if !refused || !(too_many || self.in_a_row >= calls_min * 2) {
            return;
        }
        // A window that began before the trunk was open, or before its first call, has seen less time than it is long.
        let seen_ms = clock.now.millis_since(self.open_since).clamp(1, self.width_us() * SLOTS as u64 / 1_000);
        let interval_ms = (CALLS_PER_TEST * seen_ms / all.max(1)).clamp(TEST_MS_MIN, TEST_MS_MAX);
        let next_at = clock.now.plus_millis(interval_ms);
        self.throttled = Some(Throttled { since: clock, interval_ms, next_at, good: 0 });
    }

    /// The result of a call that was let through; older ones say nothing of the trunk as it is.
    fn test(&mut self, clock: Clock, begun: Instant, good: bool) {
        let Some(throttled) = self.throttled.as_mut().filter(|throttled| begun >= throttled.since.now) else { return };
        throttled.good = if good { throttled.good + 1 } else { 0 };
        if throttled.good == GOOD_CALLS {
            self.throttled = None;
            (self.slots, self.in_a_row, self.open_since) = ([(0, 0); SLOTS], 0, clock.now);
        } else if good {
            throttled.next_at = clock.now;
        }
    }

    fn width_us(&self) -> u64 {
        let window_s = if self.policy.window_s == 0 { 10 } else { u64::from(self.policy.window_s) };
        window_s * 1_000_000 / SLOTS as u64
    }

    fn count(&mut self, now: Instant, refused: bool) {
        let tick = now.micros() / self.width_us();
        // After a whole round of silence every slot has been emptied.
        for past in (self.last + 1..=tick).rev().take(SLOTS) {
            self.slots[(past % SLOTS as u64) as usize] = (0, 0);
        }
        self.last = self.last.max(tick);
        let slot = &mut self.slots[(self.last % SLOTS as u64) as usize];
        slot.0 += u32::from(refused);
        slot.1 += 1;
    }
}
