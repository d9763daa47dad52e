//! Seconds and money by the rules of the README, in fractions of 128 bits; nothing here calls the code under test.

use snapshot::{Deck, Rate};
use units::{Currency, RateClass, Rounding};

use super::Wrong;

/// As many billionths as make a whole.
pub const ONE: i128 = 1_000_000_000;

/// A fraction to the nearest whole, halves to the even one; nothing here is negative.
pub fn nearest(above: i128, below: i128) -> i128 {
    let (whole, rest) = (above / below, above % below);
    if rest * 2 > below || (rest * 2 == below && whole % 2 == 1) { whole + 1 } else { whole }
}

/// What a rate says, as plain numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    pub deck: u32,
    /// Symbols of the number that its prefix matched.
    pub prefix: usize,
    /// What its prices count in, and what its account counts in.
    pub currencies: (Currency, Currency),
    /// Billionths of the account's currency for one unit of the deck's.
    pub exchange: i128,
    /// Hours and jurisdiction.
    pub class: RateClass,
    /// Nano-units for sixty seconds.
    pub per_minute: i128,
    /// Nano-units for an answer.
    pub fee: i128,
    pub minimum: u64,
    pub step: u64,
    pub free: u64,
    pub rounding: Rounding,
    pub decimals: u32,
    /// Nano-units for sixty seconds within the minimum.
    pub first: i128,
    pub from_zero: bool,
    /// Millionths on top.
    pub tax: i128,
    pub blocked: bool,
}

impl Quoted {
    pub fn of(deck: &Deck, rate: &Rate) -> Quoted {
        Quoted {
            deck: deck.id.0,
            prefix: rate.prefix.len(),
            currencies: (deck.currency, deck.currency),
            exchange: ONE,
            class: rate.class,
            per_minute: i128::from(rate.per_minute.nanos()),
            fee: i128::from(rate.connection_fee.nanos()),
            minimum: u64::from(rate.minimum_s),
            step: u64::from(rate.increment_s),
            free: u64::from(rate.free_s),
            rounding: deck.rounding,
            decimals: u32::from(deck.decimals),
            first: i128::from(rate.first_per_minute.unwrap_or(rate.per_minute).nanos()),
            from_zero: deck.steps_from_zero,
            tax: i128::from(deck.tax_ppm),
            blocked: rate.blocked,
        }
    }

    /// Seconds billed for a call of this many milliseconds, its price in nano-units before tax and with it.
    pub fn price(&self, ms: u64, wrong: Wrong) -> (u64, i128, i128) {
        let billed = self.billed(ms, wrong);
        if billed == 0 {
            return (0, 0, 0);
        }
        let mut first = billed.min(self.minimum);
        if wrong == Wrong::FirstRateForgotten {
            first = 0;
        }
        let after = i128::from(billed - first);
        let sixty = self.first * i128::from(first) + self.per_minute * after + self.fee * 60;
        let sixty = if wrong == Wrong::ExchangeForgotten { sixty * ONE } else { sixty * self.exchange };
        let net = self.rounded(sixty, 60 * ONE, wrong);
        let tax = if wrong == Wrong::TaxOnRounded { 0 } else { self.tax };
        let gross = self.rounded(sixty * (1_000_000 + tax), 60_000_000 * ONE, wrong);
        (billed, net, if wrong == Wrong::TaxOnRounded { net + net * self.tax / 1_000_000 } else { gross })
    }

    /// A fraction of nano-units with the deck's decimals, halves to the even one.
    fn rounded(&self, above: i128, below: i128, wrong: Wrong) -> i128 {
        // In units of the last decimal that is kept: nano-units × 10^decimals / 10^9.
        let (above, below) = (above * 10_i128.pow(self.decimals), below * 10_i128.pow(9));
        let (sign, above) = (above.signum(), above.abs());
        let (mut whole, rest) = (above / below, above % below);
        let is_odd = whole % 2 == 1;
        whole += match (2 * rest).cmp(&below) {
            std::cmp::Ordering::Greater => 1,
            std::cmp::Ordering::Equal if is_odd || wrong == Wrong::HalvesUp => 1,
            _ => 0,
        };
        sign * whole * 10_i128.pow(9 - self.decimals)
    }

    fn billed(&self, ms: u64, wrong: Wrong) -> u64 {
        let (whole, rest) = (ms / 1_000, ms % 1_000);
        let talked = match self.rounding {
            Rounding::Ceil if rest > 0 => whole + 1,
            Rounding::Round if rest >= 500 => whole + 1,
            _ => whole,
        };
        let is_free = if wrong == Wrong::FreeIsShorter { talked < self.free } else { talked <= self.free };
        if talked == 0 || (is_free && self.minimum <= self.free) {
            return 0;
        }
        let step = self.step.max(1);
        let from_zero = self.from_zero != (wrong == Wrong::StepsTurned);
        let from = if from_zero { 0 } else { self.minimum };
        match talked.checked_sub(from) {
            None | Some(0) => self.minimum.max(talked),
            Some(over) => (talked + (step - over % step) % step).max(self.minimum),
        }
    }
}
