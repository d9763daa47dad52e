//! The INVITE client transaction: our INVITE on its way to a terminator.
//!
//! ```text
//!  Calling ──1xx──▶ Proceeding ──3xx-6xx──▶ Completed ──D──▶ Terminated      RFC 3261 §17.1.1, figure 5
//!     │ └──────────────2xx──────▶ Accepted ──M──▶ Terminated                 RFC 6026 §7.2
//!     └──B──▶ Terminated (TimedOut)
//! ```

use units::Instant;

use crate::effect::{Effect, Effects, GIVE_UP_MS, T1_MS};

/// Timer D over an unreliable transport, in milliseconds: how long repeated refusals are acknowledged.
const FORGET_MS: u64 = 32_000;

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Calling { resend_at: Instant, resend_ms: u64, give_up_at: Instant },
    Proceeding { give_up_at: Option<Instant> },
    Completed { forget_at: Instant },
    Accepted { forget_at: Instant },
    Terminated,
}

/// One INVITE that we sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteClient {
    state: State,
    reliable: bool,
}

impl InviteClient {
    /// The INVITE was just sent, over a `reliable` transport or over UDP.
    pub fn new(now: Instant, reliable: bool) -> InviteClient {
        // RFC 3261 §17.1.1.2: timer A starts at T1, over a reliable transport never; timer B fires at 64·T1.
        let give_up_at = now.plus_millis(GIVE_UP_MS);
        let resend_at = if reliable { give_up_at } else { now.plus_millis(T1_MS) };
        InviteClient { state: State::Calling { resend_at, resend_ms: T1_MS, give_up_at }, reliable }
    }

    /// One that was answered by a 2xx (`accepted`) or refused, and that is remembered until then.
    pub fn remembered(accepted: bool, forget_at: Instant) -> InviteClient {
        let state = if accepted { State::Accepted { forget_at } } else { State::Completed { forget_at } };
        InviteClient { state, reliable: false }
    }

    /// A response with this status came.
    pub fn on_response(&mut self, now: Instant, status: u16, out: &mut Effects) {
        let class = status / 100;
        match (&self.state, class) {
            (State::Calling { .. }, 1) => {
                self.state = State::Proceeding { give_up_at: None };
                out.push(Effect::Provisional);
            }
            (State::Proceeding { .. }, 1) => out.push(Effect::Provisional),
            (State::Calling { .. } | State::Proceeding { .. }, 2) => {
                self.state = State::Accepted { forget_at: now.plus_millis(GIVE_UP_MS) };
                out.push(Effect::Accepted);
            }
            // RFC 6026 §7.2: further 2xx go to the core, which acknowledges each.
            (State::Accepted { .. }, 2) => out.push(Effect::Accepted),
            (State::Calling { .. } | State::Proceeding { .. }, _) => {
                // RFC 3261 §17.1.1.2: timer D is 0 over a reliable transport.
                let forget_ms = if self.reliable { 0 } else { FORGET_MS };
                self.state = State::Completed { forget_at: now.plus_millis(forget_ms) };
                out.extend([Effect::Acknowledge, Effect::Refused]);
            }
            (State::Completed { .. }, 3..=6) => out.push(Effect::Acknowledge),
            (State::Completed { .. } | State::Accepted { .. } | State::Terminated, _) => {}
        }
    }

    /// Time went on.
    pub fn on_time(&mut self, now: Instant, out: &mut Effects) {
        match &mut self.state {
            State::Calling { give_up_at, .. } | State::Proceeding { give_up_at: Some(give_up_at) }
                if *give_up_at <= now =>
            {
                self.state = State::Terminated;
                out.push(Effect::TimedOut);
            }
            State::Calling { resend_at, resend_ms, .. } if *resend_at <= now => {
                // RFC 3261 §17.1.1.2: timer A doubles without bound; timer B ends it.
                *resend_ms *= 2;
                *resend_at = now.plus_millis(*resend_ms);
                out.push(Effect::Resend);
            }
            State::Completed { forget_at } | State::Accepted { forget_at } if *forget_at <= now => {
                self.state = State::Terminated;
            }
            State::Calling { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => {}
        }
    }

    /// When `on_time` is due. `Proceeding` has none until [`InviteClient::bound`]: the call's own deadlines end it.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { resend_at, give_up_at, .. } => Some(*resend_at.min(give_up_at)),
            State::Completed { forget_at } | State::Accepted { forget_at } => Some(*forget_at),
            State::Proceeding { give_up_at } => *give_up_at,
            State::Terminated => None,
        }
    }

    /// True when it is only remembered, for what may come again: at its deadline nothing happens but that it is forgotten.
    pub fn only_remembers(&self) -> bool {
        matches!(self.state, State::Completed { .. } | State::Accepted { .. })
    }

    /// True once a provisional response was heard and no final one: only then may a CANCEL be sent (RFC 3261 §9.1).
    pub fn may_cancel(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// True once any response was heard; meaningless after the end.
    pub fn was_heard(&self) -> bool {
        !matches!(self.state, State::Calling { .. } | State::Terminated)
    }

    /// True while no final response was heard.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding { .. })
    }

    /// True once it was answered with a 2xx.
    pub fn is_accepted(&self) -> bool {
        matches!(self.state, State::Accepted { .. })
    }

    /// A CANCEL or a BYE was sent: RFC 3261 §9.1 waits for the final response no longer than 64·T1 then.
    pub fn bound(&mut self, now: Instant) {
        if let State::Proceeding { give_up_at: give_up_at @ None } = &mut self.state {
            *give_up_at = Some(now.plus_millis(GIVE_UP_MS));
        }
    }

    /// Gives up at once, as when nothing came for 64·T1.
    pub fn abandon(&mut self) {
        self.state = State::Terminated;
    }

    /// Nothing more will happen.
    pub fn is_over(&self) -> bool {
        self.state == State::Terminated
    }
}
