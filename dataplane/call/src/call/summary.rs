//! A running call in a few words, for whoever watches.

use media::{Pair, Path, Quality, Relay, Stays};
use units::{CarrierId, Clock, EgressTrunkId, IngressTrunkId, Money, Number, Suite, WallTime};

use crate::call::{Call, State};

/// What a watcher sees of a running call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary<'a> {
    /// `admitting`, `routing`, `trying`, `ringing`, `answering`, `up` or `releasing`.
    pub state: &'static str,
    /// Where it came in.
    pub ingress_trunk: IngressTrunkId,
    /// Who sent it.
    pub originator: CarrierId,
    /// Where the present attempt goes; 0 if there is none.
    pub egress_trunk: EgressTrunkId,
    /// Who takes it; 0 if there is none.
    pub terminator: CarrierId,
    /// The caller.
    pub calling: Number,
    /// The destination as routed.
    pub called: Number,
    /// Which attempt is under way; 0 before the first.
    pub attempt: u8,
    /// When the INVITE came.
    pub started: WallTime,
    /// Milliseconds since the answer; `None` before it.
    pub talking_ms: Option<u64>,
    /// Sell price of a minute, in the originator's account's currency.
    pub sell_per_minute: Money,
    /// Buy price of a minute, in the terminator's account's currency; zero before a route is tried.
    pub buy_per_minute: Money,
    /// First codec of the answer; empty before it.
    pub codec: &'a str,
}

impl Call {
    /// What media from the originator and from the terminator is like so far.
    pub fn media(&self, relay: &Relay) -> [Quality; 2] {
        let of = |leg: u8| self.legs[usize::from(leg)].pair.map(|pair| relay.quality(pair.id)).unwrap_or_default();
        [of(0), if self.current == 0 { Quality::default() } else { of(self.current) }]
    }

    /// What was measured of both sides' media, once the call is over: leg and measure.
    pub fn measured(&self) -> [(u8, &cdr::Quality); 2] {
        [(0, &self.ingress_media), (self.current, &self.egress_media)]
    }

    /// The media ports that it has, by leg.
    pub fn pairs(&self) -> impl Iterator<Item = (u8, Pair)> {
        (0..).zip(&self.legs).filter_map(|(leg, of)| Some((leg, of.pair?)))
    }

    /// Who calls, and the destination as routed.
    pub fn numbers(&self) -> (&Number, &Number) {
        (&self.opening.calling, &self.opening.admission.called)
    }

    /// Where the call's media is relayed, and why it stays in user space; nothing without media.
    pub fn media_path(&self, relay: &Relay) -> Option<(Path, Stays)> {
        let pair = self.legs[0].pair?;
        Some((relay.path(pair.id), relay.stays(pair.id)))
    }

    /// What media between us and the originator, and between us and the terminator, is encrypted with.
    pub fn suites(&self) -> [Option<Suite>; 2] {
        [self.suite(0), self.suite(self.current).filter(|_| self.current != 0)]
    }

    /// The call as it stands.
    pub fn summary(&self, clock: Clock) -> Summary<'_> {
        let candidate = self.attempts.last().filter(|_| self.current != 0).map(|attempt| attempt.candidate);
        let per_minute = |terms: Option<units::Terms>| terms.map_or(Money::ZERO, |terms| rating::minute(&terms));
        let talking = self.answered.filter(|_| self.is_up());
        Summary {
            state: match self.state {
                State::Taking { .. } | State::Vouching { .. } | State::Reserving { .. } => "admitting",
                State::TakingEgress { .. } | State::Owing { .. } => "routing",
                State::Trying { .. } => "trying",
                State::Ringing { .. } => "ringing",
                State::Answering { .. } => "answering",
                State::Up(_) => "up",
                State::Parting { .. } | State::Over { .. } => "releasing",
            },
            ingress_trunk: self.opening.admission.ingress,
            originator: self.opening.admission.carrier,
            egress_trunk: candidate.map(|candidate| candidate.egress).unwrap_or_default(),
            terminator: candidate.map(|candidate| candidate.carrier).unwrap_or_default(),
            calling: self.opening.calling,
            called: self.opening.admission.called,
            attempt: self.attempts.len() as u8,
            started: self.started.wall,
            talking_ms: talking.map(|at| clock.now.millis_since(at)),
            sell_per_minute: per_minute(self.sell),
            buy_per_minute: per_minute(candidate.and_then(|candidate| candidate.buy)),
            codec: if talking.is_some() { &self.codec } else { "" },
        }
    }
}
