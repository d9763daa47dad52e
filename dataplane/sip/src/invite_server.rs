//! The INVITE server transaction: an originator's INVITE and our answers to it.
//!
//! ```text
//!  Proceeding ──3xx-6xx sent──▶ Completed ──ACK──▶ Confirmed ──I──▶ Terminated   RFC 3261 §17.2.1, figure 7
//!      │                            └──H──▶ Terminated (TimedOut)
//!      └──2xx sent──▶ Accepted ──ACK──▶ Confirmed                                RFC 6026 §7.1, RFC 3261 §13.3.1.4
//!                         └──64·T1──▶ Terminated (TimedOut)
//! ```

use units::Instant;

use crate::effect::{Effect, Effects, GIVE_UP_MS, T1_MS, T2_MS, T4_MS};

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Proceeding,
    Completed { resend_at: Instant, resend_ms: u64, give_up_at: Instant },
    Accepted { resend_at: Instant, resend_ms: u64, give_up_at: Instant },
    Confirmed { forget_at: Instant },
    Terminated,
}

/// One INVITE that we received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteServer {
    state: State,
    reliable: bool,
}

impl InviteServer {
    /// The INVITE just came, over a `reliable` transport or over UDP.
    pub fn new(reliable: bool) -> InviteServer {
        InviteServer { state: State::Proceeding, reliable }
    }

    /// One whose answer was acknowledged, and that is remembered until then.
    pub fn remembered(forget_at: Instant) -> InviteServer {
        InviteServer { state: State::Confirmed { forget_at }, reliable: false }
    }

    /// The INVITE came again: the last response, if any, is repeated.
    pub fn on_repeat(&mut self, out: &mut Effects) {
        match self.state {
            State::Proceeding | State::Completed { .. } | State::Accepted { .. } => out.push(Effect::Resend),
            State::Confirmed { .. } | State::Terminated => {}
        }
    }

    /// We sent a final response with this status.
    pub fn on_final_sent(&mut self, now: Instant, status: u16) {
        let (resend_at, give_up_at) = (now.plus_millis(T1_MS), now.plus_millis(GIVE_UP_MS));
        self.state = match status {
            // RFC 3261 §13.3.1.4: the core repeats a 2xx until the ACK comes, over any transport: hops behind the first may lose it.
            200..=299 => State::Accepted { resend_at, resend_ms: T1_MS, give_up_at },
            // RFC 3261 §17.2.1: timer G does not run over a reliable transport.
            _ if self.reliable => State::Completed { resend_at: give_up_at, resend_ms: T1_MS, give_up_at },
            _ => State::Completed { resend_at, resend_ms: T1_MS, give_up_at },
        };
    }

    /// The ACK came.
    pub fn on_ack(&mut self, now: Instant, out: &mut Effects) {
        match self.state {
            State::Completed { .. } | State::Accepted { .. } => {
                // RFC 3261 §17.2.1: timer I is T4 over UDP, 0 over a reliable transport.
                let forget_ms = if self.reliable { 0 } else { T4_MS };
                self.state = State::Confirmed { forget_at: now.plus_millis(forget_ms) };
                out.push(Effect::Acknowledged);
            }
            State::Proceeding | State::Confirmed { .. } | State::Terminated => {}
        }
    }

    /// Time went on.
    pub fn on_time(&mut self, now: Instant, out: &mut Effects) {
        match &mut self.state {
            State::Completed { give_up_at, .. } | State::Accepted { give_up_at, .. } if *give_up_at <= now => {
                self.state = State::Terminated;
                out.push(Effect::TimedOut);
            }
            State::Completed { resend_at, resend_ms, .. } | State::Accepted { resend_at, resend_ms, .. }
                if *resend_at <= now =>
            {
                // RFC 3261 §17.2.1: timer G doubles up to T2.
                *resend_ms = (*resend_ms * 2).min(T2_MS);
                *resend_at = now.plus_millis(*resend_ms);
                out.push(Effect::Resend);
            }
            State::Confirmed { forget_at } if *forget_at <= now => self.state = State::Terminated,
            State::Proceeding
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Confirmed { .. }
            | State::Terminated => {}
        }
    }

    /// When `on_time` is due. `Proceeding` has none: the call's own deadlines bound it.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Completed { resend_at, give_up_at, .. } | State::Accepted { resend_at, give_up_at, .. } => {
                Some(*resend_at.min(give_up_at))
            }
            State::Confirmed { forget_at } => Some(*forget_at),
            State::Proceeding | State::Terminated => None,
        }
    }

    /// True when it is only remembered, for what may come again: at its deadline nothing happens but that it is forgotten.
    pub fn only_remembers(&self) -> bool {
        matches!(self.state, State::Confirmed { .. })
    }

    /// True while no final response was sent.
    pub fn is_pending(&self) -> bool {
        self.state == State::Proceeding
    }

    /// True between our 2xx and its ACK.
    pub fn awaits_ack(&self) -> bool {
        matches!(self.state, State::Accepted { .. })
    }

    /// Nothing more will happen.
    pub fn is_over(&self) -> bool {
        self.state == State::Terminated
    }
}
