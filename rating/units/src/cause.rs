//! Why a call ended: internal causes keep the numbers that M4's users know; 16 and its like are Q.850.

use core::fmt;

/// A release cause. 1–127 are ITU-T Q.850 values, 300 and above are our own refusals (M4's numbers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause(pub u16);

macro_rules! causes {
    ($($number:literal $name:ident $text:literal;)*) => {
        impl Cause {
            $(#[doc = $text] pub const $name: Cause = Cause($number);)*

            /// What the cause means, in a few words.
            pub const fn text(self) -> &'static str {
                match self.0 {
                    $($number => $text,)*
                    _ => "unknown cause",
                }
            }

            /// Every cause with a name, in order of number.
            pub const ALL: &'static [Cause] = &[$(Cause($number)),*];
        }
    };
}

causes! {
    1 UNALLOCATED "number not allocated";
    3 NO_ROUTE "no route to destination";
    16 NORMAL "normal release";
    17 BUSY "user busy";
    18 NO_RESPONSE "no user responding";
    19 NO_ANSWER "no answer from user";
    20 ABSENT "subscriber absent";
    21 REJECTED "call rejected";
    22 CHANGED "number changed";
    27 OUT_OF_ORDER "destination out of order";
    28 INVALID_NUMBER "invalid number format";
    31 NORMAL_UNSPECIFIED "normal, unspecified";
    34 NO_CIRCUIT "no circuit available";
    38 NETWORK_DOWN "network out of order";
    41 TEMPORARY "temporary failure";
    42 CONGESTION "switching equipment congestion";
    57 NOT_AUTHORISED "bearer capability not authorised";
    65 NOT_IMPLEMENTED "bearer capability not implemented";
    79 SERVICE_NOT_IMPLEMENTED "service not implemented";
    88 INCOMPATIBLE "incompatible destination";
    102 TIMER_EXPIRED "recovery on timer expiry";
    111 PROTOCOL_ERROR "protocol error";
    127 INTERWORKING "interworking, unspecified";
    300 NOT_AUTHENTICATED "not authenticated";
    301 ORIGINATOR_NOT_FOUND "originator not found by IP";
    302 GLOBAL_CAPACITY "global call limit";
    303 ORIGINATOR_CAPACITY "originator capacity";
    304 ORIGINATOR_CPS "originator CPS";
    306 ORIGINATOR_BALANCE "originator minimum balance";
    307 ORIGINATOR_RATE_NOT_FOUND "originator rate not found";
    308 PLAN_NOT_FOUND "routing plan not found";
    309 INGRESS_TRUNK_INACTIVE "ingress trunk not active";
    310 NO_TERMINATOR "suitable terminator not found";
    311 CARRIER_BLOCKED "carrier blocked";
    312 CALLER_CANCELLED "caller cancelled";
    313 ORIGINATOR_CARRIER_CAPACITY "originator's capacity over all its trunks";
    314 START_NOT_RECORDED "accounting start not recorded in time";
    315 MAX_DURATION "call duration limit reached";
    317 REGISTRATION_FAILED "registration with the terminator failed";
    318 CODECS_NOT_ALLOWED "originator codecs not allowed";
    319 SWITCH_FULL "switch cannot take more calls";
    320 BALANCE_TOO_LOW "balance too low for a call";
    321 CALLING_NOT_ACCEPTED "calling number not accepted by the terminator's list";
    322 CALLING_REFUSED "calling number refused by the terminator's list";
    323 TERMINATOR_BALANCE "terminator's maximum balance";
    324 MARGIN_TOO_LOW "rate margin lower than allowed";
    325 CALLED_DENIED "called number denied";
    326 CALLED_NOT_ALLOWED "called number not in the allow list";
    327 TERMINATOR_CAPACITY "terminator capacity";
    328 TERMINATOR_CARRIER_CAPACITY "terminator's capacity over all its trunks";
    329 TERMINATOR_CPS "terminator CPS";
    330 BLOCKED_BY_ORIGINATOR_DECK "destination blocked in the originator's deck";
    331 BLOCKED_BY_TERMINATOR_DECK "destination blocked in the terminator's deck";
    332 TECH_PREFIX_MISMATCH "address matched but tech prefix did not";
    333 PORT_MISMATCH "address matched but port or transport did not";
    334 CALLING_DENIED "calling number denied";
    335 CALLING_NOT_ALLOWED "calling number not in the allow list";
    336 DESTINATION_EMPTY "destination empty";
    337 WRONG_NODE "call came to a node not assigned to the originator";
    338 TRUNK_UNREACHABLE "unreachable terminator skipped";
    339 OWN_TERMINATOR "own terminators may not be dialled";
    340 ORIGINATOR_PRICE "a minute costs more than the originator allows";
    341 GLOBAL_CPS "global CPS limit";
    400 MONEY_EXHAUSTED "money for the call used up";
    401 MEDIA_TIMEOUT "no media received";
    402 SWITCH_RESTARTED "switch restarted during the call";
    403 OPERATOR_RELEASED "released by an operator";
    404 DRAINING "switch is draining";
    405 TERMINATOR_RATE_NOT_FOUND "terminator rate not found";
    406 LOOP_DETECTED "loop detected";
    407 NO_RESOURCES "no media port or memory left";
    408 ACK_MISSING "answer never acknowledged";
    409 REFRESH_MISSING "peer stopped to refresh the call";
    410 TRUNK_RESTS "terminator rests: its quality is below a floor";
    411 TRUNK_THROTTLED "terminator throttled: it refuses too much";
    412 UNDESCRIBED "media was offered and never answered";
    420 CARRIER_CAPACITY "carrier's capacity in both directions";
    421 TERMINATOR_CARRIER_CPS "terminator's CPS over all its trunks";
    422 TERMINATOR_SHARE "terminator's capacity for one originator";
    423 DAY_CAP "originator's spending of the day reached its cap";
    424 MONTH_CAP "originator's spending of the month reached its cap";
    425 MINIMUM_KEPT "what is left must stay on the originator's account";
    426 NODE_WRITTEN_OFF "node was written off and has no money";
    427 ORIGINATOR_CARRIER_CPS "originator's CPS over all its trunks";
    428 TERMINATOR_PRICE "terminator asks more for a minute than the originator allows";
    430 IDENTITY_MISSING "call came without a signed identity";
    431 IDENTITY_STALE "signed identity is too old, or of the future";
    432 IDENTITY_UNREACHABLE "certificate of the signed identity could not be had";
    433 IDENTITY_UNSUPPORTED "certificate or kind of the signed identity is not accepted";
    434 IDENTITY_INVALID "signed identity is broken, forged or of another call";
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.text())
    }
}
