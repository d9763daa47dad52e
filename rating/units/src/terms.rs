//! The terms of one rate: everything that turns seconds into money, small enough to travel with a call.

use crate::{Currency, DeckId, Money};

/// How call milliseconds become seconds before steps apply (Kolmisoft `billsec_round_function`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Rounding {
    /// Up: 1.1 s counts as 2. The default.
    #[default]
    Ceil = 0,
    /// To the nearest, halves up: 1.4 s counts as 1, 1.5 s as 2.
    Round = 1,
    /// Down: 1.9 s counts as 1.
    Floor = 2,
}

/// One rate as quoted to a call. A running call keeps the terms that it was quoted, whatever is published meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The deck that the rate stands in.
    pub deck: DeckId,
    /// The currency of `per_minute` and `connection_fee`.
    pub currency: Currency,
    /// Price of sixty seconds.
    pub per_minute: Money,
    /// Charged once for an answered call.
    pub connection_fee: Money,
    /// Seconds billed at least, once answered and past the free seconds.
    pub minimum_s: u16,
    /// Length of a billing step after the minimum, in seconds; 0 is read as 1.
    pub increment_s: u16,
    /// A call of at most this many seconds costs nothing, unless `minimum_s` is larger (M4's grace rule).
    pub free_s: u16,
    /// Milliseconds to seconds.
    pub rounding: Rounding,
    /// Decimals of the price: rounded half-even once, at the end. 0 to 9, default 6.
    pub decimals: u8,
    /// How many digits of the number the rate's prefix matched.
    pub prefix_digits: u8,
}

impl Default for Terms {
    /// A free rate in US dollars with per-second steps.
    fn default() -> Terms {
        Terms {
            deck: DeckId(0),
            currency: Currency::USD,
            per_minute: Money::ZERO,
            connection_fee: Money::ZERO,
            minimum_s: 1,
            increment_s: 1,
            free_s: 0,
            rounding: Rounding::Ceil,
            decimals: 6,
            prefix_digits: 0,
        }
    }
}
