//! The server transaction of every method but INVITE.
//!
//! ```text
//!  Trying ──final sent──▶ Completed ──J──▶ Terminated      RFC 3261 §17.2.2, figure 8
//! ```
//! Provisional responses are not sent (RFC 4320 §4.1), so there is no `Proceeding`.

use units::Instant;

use crate::effect::{Effect, Effects, GIVE_UP_MS};

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Trying { give_up_at: Instant },
    Completed { forget_at: Instant },
    Terminated,
}

/// One request that we received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    state: State,
    reliable: bool,
}

impl Server {
    /// The request just came, over a `reliable` transport or over UDP.
    pub fn new(now: Instant, reliable: bool) -> Server {
        Server { state: State::Trying { give_up_at: now.plus_millis(GIVE_UP_MS) }, reliable }
    }

    /// One that was answered, and is remembered until then.
    pub fn remembered(forget_at: Instant) -> Server {
        Server { state: State::Completed { forget_at }, reliable: false }
    }

    /// The request came again.
    pub fn on_repeat(&mut self, out: &mut Effects) {
        match self.state {
            State::Completed { .. } => out.push(Effect::Resend),
            State::Trying { .. } | State::Terminated => {}
        }
    }

    /// We sent the final response.
    pub fn on_final_sent(&mut self, now: Instant) {
        // RFC 3261 §17.2.2: timer J is 64·T1 over UDP, 0 over a reliable transport.
        let forget_ms = if self.reliable { 0 } else { GIVE_UP_MS };
        self.state = State::Completed { forget_at: now.plus_millis(forget_ms) };
    }

    /// Time went on.
    pub fn on_time(&mut self, now: Instant) {
        match self.state {
            State::Trying { give_up_at: at } | State::Completed { forget_at: at } if at <= now => {
                self.state = State::Terminated;
            }
            State::Trying { .. } | State::Completed { .. } | State::Terminated => {}
        }
    }

    /// When `on_time` is due.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Trying { give_up_at: at } | State::Completed { forget_at: at } => Some(at),
            State::Terminated => None,
        }
    }

    /// True when it is only remembered, for what may come again: at its deadline nothing happens but that it is forgotten.
    pub fn only_remembers(&self) -> bool {
        matches!(self.state, State::Completed { .. })
    }

    /// True while no final response was sent.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Trying { .. })
    }

    /// Nothing more will happen.
    pub fn is_over(&self) -> bool {
        self.state == State::Terminated
    }
}
