//! The terms of one rate: everything that turns seconds into money, small enough to travel with a call.

use crate::{Currency, DeckId, Money, RateClass};

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

/// The exchange of a currency into itself, in nano-units.
pub const EXCHANGE_ONE: i64 = 1_000_000_000;
/// The highest tax, in millionths: the price doubles.
pub const TAX_PPM_MAX: u32 = 1_000_000;

/// One rate as quoted to a call. A running call keeps the terms that it was quoted, whatever is published meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The deck that the rate stands in.
    pub deck: DeckId,
    /// What a price counts in: the account's currency.
    pub currency: Currency,
    /// What `per_minute`, `first_per_minute` and `connection_fee` count in: the deck's currency.
    pub deck_currency: Currency,
    /// What one unit of the deck's currency is worth in the account's, in nano-units: 1,000,000,000 where both are the same.
    pub exchange: i64,
    /// Price of sixty seconds.
    pub per_minute: Money,
    /// Price of sixty seconds within the minimum (Yeti's initial rate); `None` for `per_minute`.
    pub first_per_minute: Option<Money>,
    /// Charged once for an answered call.
    pub connection_fee: Money,
    /// Seconds billed at least, once answered and past the free seconds.
    pub minimum_s: u16,
    /// Length of a billing step, in seconds; 0 is read as 1.
    pub increment_s: u16,
    /// Steps count from the call's beginning; otherwise from the end of the minimum.
    pub steps_from_zero: bool,
    /// A call of at most this many seconds costs nothing, unless `minimum_s` is larger (M4's grace rule).
    pub free_s: u16,
    /// Milliseconds to seconds.
    pub rounding: Rounding,
    /// Decimals of the price: rounded half-even once, at the end. 0 to 9, default 6.
    pub decimals: u8,
    /// Tax on top of the price, in millionths: 200,000 is 20 per cent. 0 to [`TAX_PPM_MAX`].
    pub tax_ppm: u32,
    /// How many digits of the number the rate's prefix matched.
    pub prefix_digits: u8,
    /// Which calls the rate is for.
    pub class: RateClass,
}

impl Default for Terms {
    /// A free rate in US dollars with per-second steps.
    fn default() -> Terms {
        Terms {
            deck: DeckId(0),
            currency: Currency::USD,
            deck_currency: Currency::USD,
            exchange: EXCHANGE_ONE,
            per_minute: Money::ZERO,
            first_per_minute: None,
            connection_fee: Money::ZERO,
            minimum_s: 1,
            increment_s: 1,
            steps_from_zero: false,
            free_s: 0,
            rounding: Rounding::Ceil,
            decimals: 6,
            tax_ppm: 0,
            prefix_digits: 0,
            class: RateClass::ANY,
        }
    }
}
