//! How a call ended: causes to SIP answers and back, who ended it, and whether another route may be tried.

use cdr::Party;
use units::Cause;

/// An end, with who and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// Who ended it.
    pub by: Party,
    /// Why.
    pub cause: Cause,
    /// The SIP status that said so, if one did; else 0.
    pub status: u16,
}

impl Release {
    /// We ended it.
    pub fn by_switch(cause: Cause) -> Release {
        Release { by: Party::Switch, cause, status: 0 }
    }

    /// A terminator refused with this status.
    pub fn refused(status: u16, q850: Option<Cause>) -> Release {
        let cause = q850.unwrap_or_else(|| cause_of_status(status));
        Release { by: Party::Egress, cause, status }
    }

    /// True if another route may be tried after this end of an attempt.
    pub fn next_route_allowed(&self) -> bool {
        match (self.by, self.cause) {
            // Our own refusals of one trunk: full, too fast, unreachable, no port for it.
            (Party::Switch, Cause::TERMINATOR_CAPACITY | Cause::TERMINATOR_CPS) => true,
            (Party::Switch, Cause::TRUNK_RESTS | Cause::TRUNK_THROTTLED) => true,
            (Party::Switch, Cause::TIMER_EXPIRED | Cause::TRUNK_UNREACHABLE) => true,
            (Party::Ingress | Party::Switch, _) => false,
            // Another carrier would say the same: not allocated, normal, busy, no answer.
            (Party::Egress, Cause::UNALLOCATED | Cause::NORMAL | Cause::BUSY | Cause::NO_ANSWER) => false,
            (Party::Egress, _) => true,
        }
    }

    /// The status that the originator is answered with. A refusal that a terminator sent is passed on as it is, save for
    /// those that speak of our own relation to it (RFC 3261 §22: a peer's challenge is never passed on).
    pub fn ingress_status(&self) -> u16 {
        match (self.by, self.status) {
            (Party::Egress, 401 | 402 | 407 | 305) => 503,
            (Party::Egress, 300..=399) => 503,
            (Party::Egress | Party::Ingress, status @ 400..=699) => status,
            _ => status_of_cause(self.cause),
        }
    }
}

/// What a peer says of why it takes an INVITE back or ends a call (RFC 3326 §2): nothing, or a value of either protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// A SIP status: 200 where the call was answered elsewhere.
    pub status: Option<u16>,
    /// A cause of Q.850.
    pub cause: Option<Cause>,
}

impl Why {
    /// Why a call ended: as said in Q.850's terms, else what a SIP failure means in them; normal release if it does not say.
    pub fn end(self) -> Cause {
        let failure = self.status.filter(|status| *status >= 400);
        self.cause.or(failure.map(cause_of_status)).unwrap_or(Cause::NORMAL)
    }
}

/// The Q.850 cause of a SIP status (RFC 3398 §8.2.6.1, RFC 4497 for what it leaves out).
pub fn cause_of_status(status: u16) -> Cause {
    match status {
        400 | 481 | 500 | 513 => Cause::TEMPORARY,
        401 | 402 | 403 | 407 | 603 => Cause::REJECTED,
        404 | 485 | 604 => Cause::UNALLOCATED,
        405 | 501 => Cause::SERVICE_NOT_IMPLEMENTED,
        408 | 504 => Cause::TIMER_EXPIRED,
        410 => Cause::CHANGED,
        415 | 488 | 606 => Cause::NOT_IMPLEMENTED,
        480 => Cause::NO_RESPONSE,
        482 | 483 => Cause::NO_ROUTE,
        484 => Cause::INVALID_NUMBER,
        486 | 600 => Cause::BUSY,
        487 => Cause::NORMAL_UNSPECIFIED,
        502 => Cause::NETWORK_DOWN,
        503 => Cause::NO_CIRCUIT,
        200..=299 => Cause::NORMAL,
        _ => Cause::INTERWORKING,
    }
}

/// Our answer for a cause: RFC 3398 §7.2.4.1 for Q.850, and for our own refusals what their meaning suggests
/// (402 money, 403 not allowed, 404 no such destination, 480 nobody there, 503 no room).
pub fn status_of_cause(cause: Cause) -> u16 {
    match cause {
        Cause::UNALLOCATED | Cause::NO_ROUTE | Cause::ORIGINATOR_RATE_NOT_FOUND | Cause::PLAN_NOT_FOUND => 404,
        Cause::BUSY => 486,
        Cause::NO_RESPONSE | Cause::NO_ANSWER | Cause::ABSENT => 480,
        Cause::CALLING_DENIED
        | Cause::CALLING_NOT_ALLOWED
        | Cause::CALLING_NOT_ACCEPTED
        | Cause::CALLING_REFUSED
        | Cause::CALLED_DENIED
        | Cause::CALLED_NOT_ALLOWED => 403,
        Cause::REJECTED | Cause::BLOCKED_BY_ORIGINATOR_DECK | Cause::ORIGINATOR_PRICE | Cause::CARRIER_BLOCKED => 403,
        Cause::ORIGINATOR_NOT_FOUND
        | Cause::TECH_PREFIX_MISMATCH
        | Cause::PORT_MISMATCH
        | Cause::INGRESS_TRUNK_INACTIVE
        | Cause::WRONG_NODE
        | Cause::OWN_TERMINATOR => 403,
        Cause::ORIGINATOR_BALANCE | Cause::BALANCE_TOO_LOW | Cause::MONEY_EXHAUSTED => 402,
        Cause::MINIMUM_KEPT | Cause::DAY_CAP | Cause::MONTH_CAP => 402,
        Cause::DESTINATION_EMPTY | Cause::INVALID_NUMBER => 484,
        Cause::CALLER_CANCELLED => 487,
        Cause::CODECS_NOT_ALLOWED | Cause::INCOMPATIBLE | Cause::NOT_IMPLEMENTED => 488,
        Cause::LOOP_DETECTED => 482,
        Cause::TIMER_EXPIRED => 408,
        Cause::CHANGED => 410,
        // RFC 8224 §6.2.2.
        Cause::IDENTITY_MISSING => 428,
        Cause::IDENTITY_STALE => 403,
        Cause::IDENTITY_UNREACHABLE => 436,
        Cause::IDENTITY_UNSUPPORTED => 437,
        Cause::IDENTITY_INVALID => 438,
        // RFC 3261 §21.6.3: what came from behind us was no valid answer.
        Cause::UNDESCRIBED => 502,
        _ => 503,
    }
}

/// The Q.850 value for a Reason header (RFC 3326 §2); our own causes read as their nearest relative.
pub fn q850_of_cause(cause: Cause) -> u16 {
    match cause {
        Cause(value @ 1..=127) => value,
        Cause::MAX_DURATION | Cause::MONEY_EXHAUSTED | Cause::OPERATOR_RELEASED | Cause::SWITCH_RESTARTED => 31,
        Cause::MEDIA_TIMEOUT => 41,
        Cause::CALLER_CANCELLED => 16,
        Cause::ORIGINATOR_CAPACITY | Cause::TERMINATOR_CAPACITY | Cause::SWITCH_FULL | Cause::DRAINING => 42,
        Cause::ORIGINATOR_CARRIER_CAPACITY | Cause::TERMINATOR_CARRIER_CAPACITY | Cause::TERMINATOR_SHARE => 42,
        Cause::GLOBAL_CAPACITY | Cause::GLOBAL_CPS | Cause::CARRIER_CAPACITY => 42,
        Cause::ORIGINATOR_CARRIER_CPS | Cause::TERMINATOR_CARRIER_CPS => 42,
        Cause::ACK_MISSING => 102,
        Cause::UNDESCRIBED => 111,
        Cause::NO_TERMINATOR | Cause::MARGIN_TOO_LOW | Cause::TERMINATOR_PRICE => 34,
        Cause::TRUNK_RESTS | Cause::TRUNK_THROTTLED | Cause::TERMINATOR_BALANCE => 34,
        Cause::NODE_WRITTEN_OFF => 41,
        _ => 21,
    }
}
