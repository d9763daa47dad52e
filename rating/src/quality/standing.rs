//! One trunk's standing: its floors and its throttle together.

use snapshot::Policy;
use units::{Cause, Clock, Instant, WallTime};

use super::{Result, Shortfall, Sum, Talk, Throttling, Trial};

/// How an attempt on a trunk came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Over {
    /// It never left the switch, or it was we who ended it for reasons of our own.
    #[default]
    Void,
    /// It was not answered.
    Failed {
        /// When its INVITE was sent.
        begun: Instant,
        /// What the trunk said; 408 for an INVITE that we gave up, 487 for one that the caller took back.
        status: u16,
        /// Whether it reached somebody.
        result: Result,
        /// Milliseconds from INVITE to ringing, if it rang.
        pdd_ms: Option<u64>,
    },
    /// It was answered, and is over.
    Talked {
        /// When its INVITE was sent.
        begun: Instant,
        /// How the talk was.
        talk: Talk,
    },
}

/// What a trunk may do at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Takes calls.
    #[default]
    Open,
    /// Refused too much: gets hardly any calls.
    Throttled,
    /// Below a floor: gets none.
    Resting,
    /// Shows with test calls that it is well again.
    Testing,
}

impl State {
    /// Its name: `open`, `throttled`, `resting`, `testing`.
    pub fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Throttled => "throttled",
            State::Resting => "resting",
            State::Testing => "testing",
        }
    }
}

/// Where one trunk stands. Without floors its window is kept all the same, for those who look.
#[derive(Clone, Debug)]
pub struct Standing {
    trial: Trial,
    throttling: Option<Throttling>,
    open_since: WallTime,
}

impl Standing {
    /// True if a policy asks for one.
    pub fn is_wanted(policy: &Policy) -> bool {
        Trial::has(&policy.floors) || policy.throttle.percent > 0
    }

    /// Open, with nothing known.
    pub fn new(clock: Clock, policy: &Policy) -> Standing {
        Standing {
            trial: Trial::new(&policy.floors),
            throttling: Throttling::new(clock.now, &policy.throttle),
            open_since: clock.wall,
        }
    }

    /// Another snapshot: whatever part of the policy changed begins anew.
    pub fn set(&mut self, clock: Clock, policy: &Policy) {
        if !self.trial.is(&policy.floors) {
            self.trial = Trial::new(&policy.floors);
        }
        if !self.throttling.as_ref().is_some_and(|throttling| throttling.is(&policy.throttle)) {
            self.throttling = Throttling::new(clock.now, &policy.throttle);
        }
    }

    /// What the trunk may do, and since when.
    pub fn state(&self) -> (State, WallTime) {
        let throttled = self.throttling.as_ref().and_then(Throttling::since);
        match (self.trial.since(), throttled) {
            (Some((since, false)), _) => (State::Resting, since.wall),
            (_, Some(since)) => (State::Throttled, since.wall),
            (Some((since, true)), None) => (State::Testing, since.wall),
            (None, None) => (State::Open, self.open_since),
        }
    }

    /// What the last calls say.
    pub fn sum(&self) -> Sum {
        self.trial.sum()
    }

    /// The floor that is broken.
    pub fn broken(&self) -> Option<Shortfall> {
        self.trial.broken()
    }

    /// Why no call may go to the trunk, if none may.
    pub fn refusal(&self, now: Instant) -> Option<Cause> {
        if !self.trial.lets(now) {
            return Some(Cause::TRUNK_RESTS);
        }
        let throttled = self.throttling.as_ref().is_some_and(|throttling| !throttling.lets(now));
        throttled.then_some(Cause::TRUNK_THROTTLED)
    }

    /// When [`Standing::on_time`] is due, or [`Standing::refusal`] changes by itself: later than `now`.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let all = [self.trial.deadline(), self.throttling.as_ref().and_then(Throttling::deadline)];
        all.into_iter().flatten().filter(|at| *at > now).min()
    }

    /// Time went on.
    pub fn on_time(&mut self, clock: Clock) {
        self.trial.on_time(clock);
    }

    /// A call goes to the trunk.
    pub fn on_begun(&mut self, now: Instant) {
        self.trial.on_begun(now);
        self.throttling.iter_mut().for_each(|throttling| throttling.on_begun(now));
    }

    /// A call that was begun then rings for the first time.
    pub fn on_ringing(&mut self, clock: Clock, begun: Instant) {
        self.change(clock, |standing| {
            standing.throttling.iter_mut().for_each(|throttling| throttling.on_ringing(clock, begun));
        });
    }

    /// A call that was begun then was answered, so many milliseconds after it rang or without having rung.
    pub fn on_answered(&mut self, clock: Clock, begun: Instant, pdd_ms: u64, rang: bool) {
        self.change(clock, |standing| {
            standing.trial.on_answered(clock, begun, pdd_ms);
            standing.throttling.iter_mut().for_each(|throttling| throttling.on_status(clock, begun, 200, rang));
        });
    }

    /// An attempt is over.
    pub fn on_over(&mut self, clock: Clock, over: Over) {
        self.change(clock, |standing| match over {
            Over::Void => standing.trial.on_void(),
            Over::Talked { begun, talk } => standing.trial.on_talked(clock, begun, talk),
            Over::Failed { begun, status, result, pdd_ms } => {
                standing.trial.on_failed(clock, begun, result, pdd_ms);
                let rang = pdd_ms.is_some();
                standing.throttling.iter_mut().for_each(|throttling| throttling.on_status(clock, begun, status, rang));
            }
        });
    }

    /// Notes since when the trunk has been open.
    fn change(&mut self, clock: Clock, step: impl FnOnce(&mut Standing)) {
        let was_open = self.state().0 == State::Open;
        step(self);
        if !was_open && self.state().0 == State::Open {
            self.open_since = clock.wall;
        }
    }
}
