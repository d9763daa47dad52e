//! Offer and answer as a conversation (RFC 3264 §4): who owes an answer, over INVITE, PRACK and UPDATE together.

use sip::{Method, Stored};

use crate::leg::{InviteIn, InviteOut, Leg, RequestIn, RequestOut, receive};

/// Who owes an answer to an offer (RFC 3264 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offering {
    /// Nobody: a new offer may be made.
    Nobody,
    /// The peer: we made an offer.
    Us,
    /// We do: the peer made an offer.
    Peer,
}

impl Leg {
    /// True while an UPDATE of either side is unanswered.
    pub fn has_open_update(&self) -> bool {
        let received = self.requests_in.iter().any(|request| request.is_open(Method::Update));
        received || self.requests_out.iter().any(|request| request.is_open(Method::Update))
    }

    /// Whose offer has no answer yet.
    pub fn open_offer(&self) -> Offering {
        if self.requests_in.iter().any(|request| request.machine.is_pending() && request.described()) {
            return Offering::Peer;
        }
        if self.requests_out.iter().any(|request| request.machine.is_pending() && request.described()) {
            return Offering::Us;
        }
        let received = self.invite_in.as_ref().map_or(Offering::Nobody, InviteIn::offering);
        if received != Offering::Nobody {
            return received;
        }
        self.invite_out.as_ref().map_or(Offering::Nobody, InviteOut::offering)
    }
}

impl InviteIn {
    fn offering(&self) -> Offering {
        match (self.offered, self.settled.is_some()) {
            (_, true) => Offering::Nobody,
            (true, false) if self.machine.is_pending() => Offering::Peer,
            // Our 2xx or reliable response made the offer; the ACK or the PRACK answers it.
            (false, false) if self.machine.awaits_ack() || self.reliably.holds_answer() => Offering::Us,
            (_, false) => Offering::Nobody,
        }
    }
}

impl InviteOut {
    /// True while its 2xx has no ACK of ours: it made an offer.
    pub fn awaits_our_ack(&self) -> bool {
        self.machine.is_accepted() && self.ack.is_empty()
    }

    fn offering(&self) -> Offering {
        match (self.offered, self.settled) {
            (_, true) => Offering::Nobody,
            (true, false) if self.machine.is_pending() => Offering::Us,
            (false, false) if self.awaits_our_ack() => Offering::Peer,
            (_, false) => Offering::Nobody,
        }
    }
}

impl RequestIn {
    pub(super) fn is_open(&self, method: Method) -> bool {
        self.machine.is_pending() && self.request.method() == method
    }

    /// It carries a description.
    fn described(&self) -> bool {
        described(&self.request)
    }
}

impl RequestOut {
    pub(super) fn is_open(&self, method: Method) -> bool {
        self.machine.is_pending() && self.request.method() == method
    }

    fn described(&self) -> bool {
        described(&self.request)
    }
}

/// True for an UPDATE or PRACK with a description.
fn described(request: &Stored) -> bool {
    let exchanges = matches!(request.method(), Method::Update | Method::Prack);
    exchanges && sip::parse::message(request.text()).is_ok_and(|request| receive::has_sdp(&request))
}
