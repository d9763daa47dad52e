//! What stood against a candidate, or gave it its place, with the number that decided.

use core::fmt;

use units::Money;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $code:literal $name:ident $(($number:ident: $kind:ty))? $word:literal;)*) => {
        /// Why a candidate is where it is, beyond its cause.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason {
            $($(#[doc = $doc])* $name $(($kind))?,)*
        }

        impl Reason {
            /// A stable word for programs.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Reason::$name { .. } => $word,)*
                }
            }

            /// The price or margin that decided, where one did.
            pub fn money(self) -> Option<Money> {
                match self {
                    Reason::Margin(money) | Reason::Band(money) => Some(money),
                    Reason::SellCeiling(money) | Reason::BuyCeiling(money) => Some(money),
                    _ => None,
                }
            }

            /// What was drawn, or the share that it was drawn with, in per cent.
            pub fn percent(self) -> Option<u8> {
                match self {
                    Reason::Forced(percent) | Reason::Share(percent) => Some(percent),
                    _ => None,
                }
            }

            /// How it stands in a record: its code, and its number or 0.
            pub fn parts(self) -> (u8, i64) {
                match self {
                    $(Reason::$name $(($number))? => ($code, 0 $(+ Figure::to($number))?),)*
                }
            }

            /// From a record; `None` for a code that is none.
            pub fn from_parts(code: u8, _number: i64) -> Option<Reason> {
                match code {
                    $($code => Some(Reason::$name $((<$kind as Figure>::from(_number)?))?),)*
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    /// The route is switched off.
    1 Inactive "route_inactive";
    /// The ingress trunk bears none of the tags that the route asks for.
    2 NoTag "tag";
    /// The destination lies in none of the route's areas.
    3 CalledArea "called_area";
    /// The caller is of none of the route's areas.
    4 CallingArea "calling_area";
    /// The route's expression does not match the destination.
    5 CalledMatch "called_match";
    /// The route's denying expression matches the destination.
    6 CalledDeny "called_deny";
    /// The route's expression does not match the caller.
    7 CallingMatch "calling_match";
    /// The route's denying expression matches the caller.
    8 CallingDeny "calling_deny";
    /// The margin of a minute would have to be this.
    9 Margin(least: Money) "margin";
    /// An exclusive route matched the call.
    10 Exclusive "exclusive";
    /// It stands behind a route after which hunting stops.
    11 Stopped "stopped";
    /// Its trunk stands earlier in the order.
    12 Twice "twice";
    /// The plan gives it no share of the calls.
    13 NoShare "no_share";
    /// Kept: the dearest price of the band that it stands in.
    14 Band(dearest: Money) "band";
    /// Kept: it came to the front of its plan because this number below its per cent was drawn, 0 to 99.
    15 Forced(drawn: u8) "forced";
    /// The call comes outside the route's hours.
    20 Hours "hours";
    /// The call is sold dearer: a minute may cost the originator this.
    21 SellCeiling(most: Money) "sell_ceiling";
    /// The terminator asks more: a minute may cost us this.
    22 BuyCeiling(most: Money) "buy_ceiling";
    /// Kept: its place was drawn with this share of those that were left, in per cent.
    16 Share(percent: u8) "share";
    /// Kept: its quality index, in millionths.
    17 Index(millionths: i64) "index";
    /// Kept: too little is known of its quality.
    18 Unknown "quality_unknown";
    /// Kept: too little is known of its quality, and this number below the plan's per cent was drawn to find out, 0 to 99.
    19 Explored(drawn: u8) "explored";
}

impl fmt::Display for Reason {
    /// For people, with the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Inactive => f.write_str("the route is switched off"),
            Reason::NoTag => f.write_str("the originator bears none of the route's tags"),
            Reason::CalledArea => f.write_str("the destination is in none of the route's areas"),
            Reason::CallingArea => f.write_str("the caller is in none of the route's areas"),
            Reason::CalledMatch => f.write_str("the destination does not match the route's expression"),
            Reason::CalledDeny => f.write_str("the destination matches the route's denying expression"),
            Reason::CallingMatch => f.write_str("the caller does not match the route's expression"),
            Reason::CallingDeny => f.write_str("the caller matches the route's denying expression"),
            Reason::Hours => f.write_str("outside the route's hours"),
            Reason::Margin(least) => write!(f, "the margin of a minute would have to be {least}"),
            Reason::SellCeiling(most) => write!(f, "a minute may cost the originator {most} at most"),
            Reason::BuyCeiling(most) => write!(f, "a minute may be bought at {most} at most"),
            Reason::Exclusive => f.write_str("an exclusive route claims the call"),
            Reason::Stopped => f.write_str("hunting stops at a route before it"),
            Reason::Twice => f.write_str("the trunk stands earlier in the order"),
            Reason::NoShare => f.write_str("the plan gives it no share"),
            Reason::Band(dearest) => write!(f, "in the band of prices up to {dearest}"),
            Reason::Forced(drawn) => write!(f, "forced to the front: {drawn} of 100 was drawn"),
            Reason::Share(percent) => write!(f, "drawn with a share of {percent} %"),
            Reason::Index(millionths) => {
                let (sign, size) = (if *millionths < 0 { "-" } else { "" }, millionths.unsigned_abs() / 10_000);
                write!(f, "quality index {sign}{}.{:02}", size / 100, size % 100)
            }
            Reason::Unknown => f.write_str("too little is known of its quality"),
            Reason::Explored(drawn) => {
                write!(f, "too little is known of its quality, tried to find out: {drawn} of 100 was drawn")
            }
        }
    }
}

/// Numbers that a record keeps as `i64`.
trait Figure: Sized {
    fn to(self) -> i64;
    fn from(number: i64) -> Option<Self>;
}

impl Figure for Money {
    fn to(self) -> i64 {
        self.nanos()
    }
    fn from(number: i64) -> Option<Money> {
        Some(Money::from_nanos(number))
    }
}

impl Figure for i64 {
    fn to(self) -> i64 {
        self
    }
    fn from(number: i64) -> Option<i64> {
        Some(number)
    }
}

impl Figure for u8 {
    fn to(self) -> i64 {
        self.into()
    }
    fn from(number: i64) -> Option<u8> {
        u8::try_from(number).ok()
    }
}
