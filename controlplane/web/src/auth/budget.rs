//! How many requests a caller may make: whoever asks without end shall not slow down everybody else.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Requests of one caller in a window at most.
const REQUESTS_MAX: u32 = 60_000;
/// The window.
const WINDOW: Duration = Duration::from_secs(60);
/// Callers that are counted at most; beyond, those are forgotten whose window is over, and at worst all.
const CALLERS_MAX: usize = 10_000;

/// What all callers have spent.
#[derive(Debug)]
pub struct Budgets {
    requests_max: u32,
    spent: Mutex<HashMap<String, (Instant, u32)>>,
}

impl Default for Budgets {
    fn default() -> Budgets {
        Budgets::of(REQUESTS_MAX)
    }
}

/// What a caller has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Requests in a window.
    pub requests_max: u32,
    /// Requests that may still come in this window.
    pub left: u32,
    /// When the next window begins, in seconds.
    pub ends_s: u64,
    /// This request is one too many.
    pub is_spent: bool,
}

impl Budgets {
    /// So many requests for each caller.
    pub fn of(requests_max: u32) -> Budgets {
        Budgets { requests_max, spent: Mutex::default() }
    }

    /// Counts a request of this caller.
    pub fn spend(&self, caller: &str, now: Instant) -> Budget {
        let mut all = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CALLERS_MAX && !all.contains_key(caller) {
            all.retain(|_, (begun, _)| now.saturating_duration_since(*begun) < WINDOW);
            if all.len() >= CALLERS_MAX {
                all.clear();
            }
        }
        let (begun, spent) = all.entry(caller.to_owned()).or_insert((now, 0));
        if now.saturating_duration_since(*begun) >= WINDOW {
            (*begun, *spent) = (now, 0);
        }
        let is_spent = *spent >= self.requests_max;
        *spent += u32::from(!is_spent);
        let ends = WINDOW.saturating_sub(now.saturating_duration_since(*begun));
        let ends_s = ends.as_secs() + u64::from(ends.subsec_nanos() > 0);
        Budget { requests_max: self.requests_max, left: self.requests_max - *spent, ends_s, is_spent }
    }
}

impl Budget {
    /// Writes it into the headers of an answer.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let policy = format!("\"requests\";q={};w={}", self.requests_max, WINDOW.as_secs());
        let left = format!("\"requests\";r={};t={}", self.left, self.ends_s);
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", left)] {
            let value = HeaderValue::from_str(&value).expect("digits and quotes make a header");
            headers.insert(HeaderName::from_static(name), value);
        }
        if self.is_spent {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.ends_s));
        }
    }
}
