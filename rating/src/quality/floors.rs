//! Floors: a trunk whose quality falls below them rests, then shows with test calls that it is well again.
//!
//! ```text
//!   open ── a floor broken over the window ──▶ resting ── its time ──▶ testing
//!   testing ── the floors hold over the test calls ──▶ open          └─ they do not ──▶ resting
//! ```

use snapshot::policy::Floors;
use units::{Clock, Instant};

use super::{Result, Sum, Talk, Window};

/// Which floor broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// Too few calls were answered: found and wanted, per cent, over so many calls.
    Asr(u8, u8, u8),
    /// Calls talked too little: found and wanted, seconds, over so many answered calls.
    Acd(u16, u16, u8),
    /// Too many calls were short: found and allowed, per cent, over so many answered calls.
    Short(u8, u8, u8),
}

impl core::fmt::Display for Shortfall {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Shortfall::Asr(found, least, calls) => write!(f, "ASR {found} % below {least} % over {calls} calls"),
            Shortfall::Acd(found, least, calls) => {
                write!(f, "ACD {found} s below {least} s over {calls} answered calls")
            }
            Shortfall::Short(found, most, calls) => {
                write!(f, "{found} % short calls, more than {most} %, over {calls} answered calls")
            }
        }
    }
}

/// The floors of one trunk and where it stands with them.
#[derive(Clone, Debug)]
pub struct Trial {
    policy: Floors,
    window: Window,
    phase: Phase,
    /// What made the trunk rest, or would have.
    broken: Option<Shortfall>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Open,
    Resting { since: Clock, until: Instant },
    Testing { since: Clock, next_at: Instant, running: u8, over: u8 },
}

impl Trial {
    /// Open, with an empty window.
    pub fn new(policy: &Floors) -> Trial {
        let window = Window::new(or(policy.calls, 100), or(policy.short_s, 6));
        Trial { policy: policy.clone(), window, phase: Phase::Open, broken: None }
    }

    /// True if a policy has floors, or wants them observed.
    pub fn has(policy: &Floors) -> bool {
        *policy != Floors::default()
    }

    /// True if it was made of this policy.
    pub fn is(&self, policy: &Floors) -> bool {
        self.policy == *policy
    }

    /// What the last calls say.
    pub fn sum(&self) -> Sum {
        self.window.sum()
    }

    /// What made the trunk rest; if it is only observed: what would have.
    pub fn broken(&self) -> Option<Shortfall> {
        self.broken
    }

    /// Since when the trunk rests or is tested, and whether it is tested.
    pub fn since(&self) -> Option<(Clock, bool)> {
        match self.phase {
            Phase::Open => None,
            Phase::Resting { since, .. } => Some((since, false)),
            Phase::Testing { since, .. } => Some((since, true)),
        }
    }

    /// True if a call may go to the trunk.
    pub fn lets(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Open => true,
            Phase::Resting { .. } => false,
            Phase::Testing { next_at, running, .. } => next_at <= now && running < self.tests(),
        }
    }

    /// When something happens by itself: the rest ends, the next test call may go.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Open => None,
            Phase::Resting { until, .. } => Some(until),
            Phase::Testing { next_at, running, .. } => (running < self.tests()).then_some(next_at),
        }
    }

    /// Time went on.
    pub fn on_time(&mut self, clock: Clock) {
        if let Phase::Resting { until, .. } = self.phase
            && until <= clock.now
        {
            self.window.clear();
            self.phase = Phase::Testing { since: clock, next_at: clock.now, running: 0, over: 0 };
        }
    }

    /// A call goes to the trunk.
    pub fn on_begun(&mut self, now: Instant) {
        let per_minute = if self.policy.test_per_minute == 0 { 6 } else { u64::from(self.policy.test_per_minute) };
        if let Phase::Testing { next_at, running, .. } = &mut self.phase {
            *next_at = now.plus_millis(60_000 / per_minute);
            *running += 1;
        }
    }

    /// A call that was begun then was answered.
    pub fn on_answered(&mut self, clock: Clock, begun: Instant, pdd_ms: u64) {
        if self.is_of_now(begun) {
            self.window.count(clock.now, Result::Answered, Some(pdd_ms));
            self.judge(clock);
        }
    }

    /// A call that was begun then ended unanswered.
    pub fn on_failed(&mut self, clock: Clock, begun: Instant, result: Result, pdd_ms: Option<u64>) {
        if self.is_of_now(begun) {
            self.window.count(clock.now, result, pdd_ms);
            self.on_test_over(true);
            self.judge(clock);
        }
    }

    /// An answered call that was begun then is over.
    pub fn on_talked(&mut self, clock: Clock, begun: Instant, talk: Talk) {
        if self.is_of_now(begun) {
            self.window.talked(talk);
            self.on_test_over(true);
            self.judge(clock);
        }
    }

    /// A call that was begun never reached the trunk.
    pub fn on_void(&mut self) {
        self.on_test_over(false);
    }

    fn on_test_over(&mut self, counts: bool) {
        if let Phase::Testing { running, over, .. } = &mut self.phase {
            *running = running.saturating_sub(1);
            *over = over.saturating_add(u8::from(counts));
        }
    }

    /// Calls of before a rest say nothing of the trunk as it is; during it none count.
    fn is_of_now(&self, begun: Instant) -> bool {
        match self.phase {
            Phase::Open => true,
            Phase::Resting { .. } => false,
            Phase::Testing { since, .. } => begun >= since.now,
        }
    }

    fn judge(&mut self, clock: Clock) {
        match self.phase {
            Phase::Open => {
                self.broken = self.shortfall(or(self.policy.calls_min, 50).min(or(self.policy.calls, 100)));
                if self.broken.is_some() && !self.policy.observe {
                    self.rest(clock);
                }
            }
            Phase::Testing { over, .. } if over >= self.tests() => match self.shortfall(1).or(self.unproved()) {
                Some(broken) => {
                    self.broken = Some(broken);
                    self.rest(clock);
                }
                None => (self.phase, self.broken) = (Phase::Open, None),
            },
            Phase::Testing { .. } | Phase::Resting { .. } => {}
        }
    }

    fn rest(&mut self, clock: Clock) {
        let rest_s = if self.policy.rest_s == 0 { 300 } else { self.policy.rest_s };
        self.phase = Phase::Resting { since: clock, until: clock.now.plus_millis(u64::from(rest_s) * 1_000) };
    }

    fn tests(&self) -> u8 {
        or(self.policy.test_calls, 10)
    }

    /// The first floor that is broken over at least so many calls.
    fn shortfall(&self, calls_min: u8) -> Option<Shortfall> {
        let (sum, floors) = (self.window.sum(), &self.policy);
        // Compared as fractions: a share is not rounded into the right or the wrong.
        let below = u32::from(sum.answered) * 100 < u32::from(floors.asr_min_percent) * u32::from(sum.calls);
        let above = u32::from(sum.short) * 100 > u32::from(floors.short_max_percent) * u32::from(sum.talks);
        if sum.calls >= calls_min && below {
            return Some(Shortfall::Asr(sum.asr_percent(), floors.asr_min_percent, sum.calls));
        }
        if sum.talks >= calls_min && sum.acd_s < floors.acd_min_s {
            return Some(Shortfall::Acd(sum.acd_s, floors.acd_min_s, sum.talks));
        }
        if sum.talks >= calls_min && floors.short_max_percent > 0 && above {
            return Some(Shortfall::Short(sum.short_percent(), floors.short_max_percent, sum.talks));
        }
        None
    }

    /// Test calls of which none was answered prove nothing of how long calls talk.
    fn unproved(&self) -> Option<Shortfall> {
        let silent = self.window.sum().talks == 0;
        (silent && self.policy.acd_min_s > 0).then_some(Shortfall::Acd(0, self.policy.acd_min_s, 0))
    }
}

fn or(value: u8, default: u8) -> u8 {
    if value == 0 { default } else { value }
}
