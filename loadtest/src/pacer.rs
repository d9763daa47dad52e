//! The hand on a run: it ends it, slows it, hastens it, and lets it stand, while calls are placed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;

/// How the plan's time runs from one moment of the clock on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// The moment, on the run's clock.
    at: u64,
    /// The moment of the plan that it stands for.
    plan: u64,
    /// Plan time in clock time: 1 as planned, 0 standing still.
    speed: f64,
}

impl Segment {
    /// When a call of the plan is due on the clock; far away while the plan stands still.
    pub fn clock(&self, due: u64) -> u64 {
        let ahead = due as i128 - i128::from(self.plan);
        if self.speed == 1.0 {
            return (i128::from(self.at) + ahead).max(1) as u64;
        }
        if self.speed == 0.0 {
            return if ahead <= 0 { self.at } else { u64::MAX / 2 };
        }
        (self.at as f64 + ahead as f64 / self.speed).clamp(1.0, u64::MAX as f64 / 2.0) as u64
    }

    /// Plan time in clock time.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// The moment of the plan that the clock stands for.
    pub fn plan(&self, now: u64) -> u64 {
        let ahead = now.saturating_sub(self.at);
        if self.speed == 1.0 { self.plan + ahead } else { self.plan + (ahead as f64 * self.speed) as u64 }
    }
}

/// Shared by those who watch a run and its workers.
#[derive(Clone, Debug)]
pub struct Reins {
    /// The clock that the run goes by.
    pub clock: Clock,
    /// Someone wants the run to end.
    pub stop: Arc<AtomicBool>,
    /// Someone wants it to end without waiting for calls.
    hurry: Arc<AtomicBool>,
    /// Calls of others may still come: nobody leaves because all of his own have ended.
    pub hold: Arc<AtomicBool>,
    changes: Arc<AtomicU64>,
    segment: Arc<Mutex<Segment>>,
}

impl Default for Reins {
    fn default() -> Reins {
        let segment = Segment { at: 0, plan: 0, speed: 1.0 };
        Reins {
            clock: Clock::start(),
            stop: Arc::default(),
            hurry: Arc::default(),
            hold: Arc::default(),
            changes: Arc::default(),
            segment: Arc::new(Mutex::new(segment)),
        }
    }
}

impl Reins {
    /// The run is to end in order; asked again, at once.
    pub fn end(&self) {
        if self.stop.swap(true, Relaxed) {
            self.hurry.store(true, Relaxed);
        }
    }

    /// Nothing is waited for any more.
    pub fn hurries(&self) -> bool {
        self.hurry.load(Relaxed)
    }

    /// The plan begins at this moment of the clock.
    pub fn begin(&self, at: u64) {
        self.put(Segment { at, plan: 0, speed: 1.0 });
        self.changes.store(0, Relaxed);
    }

    /// How often the pace was changed.
    pub fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    /// How the plan's time runs.
    pub fn segment(&self) -> Segment {
        *self.segment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the plan runs at this speed.
    pub fn pace(&self, speed: f64) {
        self.pace_from(self.clock.now(), speed);
    }

    fn pace_from(&self, now: u64, speed: f64) {
        let running = self.segment();
        self.put(Segment { at: now.max(running.at), plan: running.plan(now), speed });
        self.changes.fetch_add(1, Relaxed);
    }

    fn put(&self, segment: Segment) {
        *self.segment.lock().unwrap_or_else(PoisonError::into_inner) = segment;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_is_paused_and_hastened_loses_no_call_and_places_none_twice() {
        let reins = Reins::default();
        reins.begin(1_000);
        assert_eq!((reins.segment().clock(500), reins.segment().plan(1_500)), (1_500, 500));
        reins.pace_from(2_000, 0.0);
        assert_eq!((reins.segment().plan(9_000), reins.segment().clock(1_000)), (1_000, 2_000));
        assert!(reins.segment().clock(1_001) > 1 << 60);
        reins.pace_from(5_000, 2.0);
        assert_eq!((reins.segment().clock(1_500), reins.segment().plan(5_250)), (5_250, 1_500));
        reins.pace_from(5_250, 1.0);
        assert_eq!((reins.segment().clock(1_600), reins.changes()), (5_350, 3));
    }
}
