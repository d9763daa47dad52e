//! The client transaction of every method but INVITE.
//!
//! ```text
//!  Trying ──1xx──▶ Proceeding ──200-699──▶ Completed ──K──▶ Terminated      RFC 3261 §17.1.2, figure 6
//!     └──────F──────────┴──▶ Terminated (TimedOut)
//! ```

use units::Instant;

use crate::effect::{Effect, Effects, GIVE_UP_MS, T1_MS, T2_MS, T4_MS};

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Trying { resend_at: Instant, resend_ms: u64, give_up_at: Instant },
    Proceeding { resend_at: Instant, give_up_at: Instant },
    Completed { forget_at: Instant },
    Terminated,
}

/// One request that we sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    state: State,
    reliable: bool,
}

impl Client {
    /// The request was just sent, over a `reliable` transport or over UDP.
    pub fn new(now: Instant, reliable: bool) -> Client {
        // RFC 3261 §17.1.2.2: timer E starts at T1, over a reliable transport never; timer F fires at 64·T1.
        let give_up_at = now.plus_millis(GIVE_UP_MS);
        let resend_at = if reliable { give_up_at } else { now.plus_millis(T1_MS) };
        Client { state: State::Trying { resend_at, resend_ms: T1_MS, give_up_at }, reliable }
    }

    /// One whose final response was heard, and that is remembered until then.
    pub fn remembered(forget_at: Instant) -> Client {
        Client { state: State::Completed { forget_at }, reliable: false }
    }

    /// A response with this status came.
    pub fn on_response(&mut self, now: Instant, status: u16, out: &mut Effects) {
        match (&self.state, status / 100) {
            (State::Trying { give_up_at, .. } | State::Proceeding { give_up_at, .. }, 1) => {
                let resend_at = if self.reliable { *give_up_at } else { now.plus_millis(T2_MS) };
                self.state = State::Proceeding { resend_at, give_up_at: *give_up_at };
                out.push(Effect::Provisional);
            }
            (State::Trying { .. } | State::Proceeding { .. }, class) => {
                // RFC 3261 §17.1.2.2: timer K is T4 over UDP, 0 over a reliable transport.
                let forget_ms = if self.reliable { 0 } else { T4_MS };
                self.state = State::Completed { forget_at: now.plus_millis(forget_ms) };
                out.push(if class == 2 { Effect::Accepted } else { Effect::Refused });
            }
            (State::Completed { .. } | State::Terminated, _) => {}
        }
    }

    /// Time went on.
    pub fn on_time(&mut self, now: Instant, out: &mut Effects) {
        match &mut self.state {
            State::Trying { give_up_at, .. } | State::Proceeding { give_up_at, .. } if *give_up_at <= now => {
                self.state = State::Terminated;
                out.push(Effect::TimedOut);
            }
            State::Trying { resend_at, resend_ms, .. } if *resend_at <= now => {
                // RFC 3261 §17.1.2.2: timer E doubles up to T2.
                *resend_ms = (*resend_ms * 2).min(T2_MS);
                *resend_at = now.plus_millis(*resend_ms);
                out.push(Effect::Resend);
            }
            State::Proceeding { resend_at, .. } if *resend_at <= now => {
                *resend_at = now.plus_millis(T2_MS);
                out.push(Effect::Resend);
            }
            State::Completed { forget_at } if *forget_at <= now => self.state = State::Terminated,
            State::Trying { .. } | State::Proceeding { .. } | State::Completed { .. } | State::Terminated => {}
        }
    }

    /// When `on_time` is due.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Trying { resend_at, give_up_at, .. } | State::Proceeding { resend_at, give_up_at } => {
                Some(*resend_at.min(give_up_at))
            }
            State::Completed { forget_at } => Some(*forget_at),
            State::Terminated => None,
        }
    }

    /// True when it is only remembered, for what may come again: at its deadline nothing happens but that it is forgotten.
    pub fn only_remembers(&self) -> bool {
        matches!(self.state, State::Completed { .. })
    }

    /// Gives up at once: the request could not be sent.
    pub fn abandon(&mut self) {
        self.state = State::Terminated;
    }

    /// True while no final response was heard.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Trying { .. } | State::Proceeding { .. })
    }

    /// Nothing more will happen.
    pub fn is_over(&self) -> bool {
        self.state == State::Terminated
    }
}
