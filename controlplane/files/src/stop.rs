//! The word that all threads end on.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whether it was said, and how many threads have not ended.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

/// A thread that is waited for; dropped, it has ended.
pub(crate) struct Guest<'a>(&'a Stop);

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).1 -= 1;
        self.0.changed.notify_all();
    }
}

impl Stop {
    /// A thread begins.
    pub(crate) fn enter(&self) -> Guest<'_> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 += 1;
        Guest(self)
    }

    /// Whether it was said.
    pub(crate) fn ordered(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits so long or until it is said. The answer: go on.
    pub(crate) fn pause(&self, length: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(state, length, |(ordered, _)| !*ordered);
        !waited.unwrap_or_else(PoisonError::into_inner).0.0
    }

    /// Says it, and waits until all have ended or this time is over: an upload cannot be cut short.
    pub(crate) fn order(&self, most: Duration) {
        let late = Instant::now() + most;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = true;
        self.changed.notify_all();
        while state.1 > 0 && Instant::now() < late {
            let left = late.saturating_duration_since(Instant::now());
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
