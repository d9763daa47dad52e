//! Seconds and money by the rules of the README, in fractions of 128 bits; nothing here calls the code under test.

use snapshot::{Deck, Rate};
use units::Rounding;

use super::Wrong;

/// What a rate says, as plain numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    pub deck: u32,
    pub prefix: String,
    /// Nano-units for sixty seconds.
    pub per_minute: i128,
    /// Nano-units for an answer.
    pub fee: i128,
    pub minimum: u64,
    pub step: u64,
    pub free: u64,
    pub rounding: Rounding,
    pub decimals: u32,
    pub blocked: bool,
}

impl Quoted {
    pub fn of(deck: &Deck, rate: &Rate) -> Quoted {
        Quoted {
            deck: deck.id.0,
            prefix: rate.prefix.clone(),
            per_minute: i128::from(rate.per_minute.nanos()),
            fee: i128::from(rate.connection_fee.nanos()),
            minimum: u64::from(rate.minimum_s),
            step: u64::from(rate.increment_s),
            free: u64::from(rate.free_s),
            rounding: deck.rounding,
            decimals: u32::from(deck.decimals),
            blocked: rate.blocked,
        }
    }

    /// Seconds billed for a call of this many milliseconds, and its price in nano-units.
    pub fn price(&self, ms: u64, wrong: Wrong) -> (u64, i128) {
        let billed = self.billed(ms, wrong);
        if billed == 0 {
            return (0, 0);
        }
        // In units of the last decimal that is kept: (rate × seconds / 60 + fee) × 10^decimals / 10^9.
        let above = (self.per_minute * i128::from(billed) + self.fee * 60) * 10_i128.pow(self.decimals);
        let below = 60 * 10_i128.pow(9);
        let (sign, above) = (above.signum(), above.abs());
        let (mut whole, rest) = (above / below, above % below);
        let is_odd = whole % 2 == 1;
        whole += match (2 * rest).cmp(&below) {
            std::cmp::Ordering::Greater => 1,
            std::cmp::Ordering::Equal if is_odd || wrong == Wrong::HalvesUp => 1,
            _ => 0,
        };
        (billed, sign * whole * 10_i128.pow(9 - self.decimals))
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
        let from = if wrong == Wrong::StepsFromZero { 0 } else { self.minimum };
        match talked.checked_sub(from) {
            None | Some(0) => self.minimum,
            Some(over) => (talked + (step - over % step) % step).max(self.minimum),
        }
    }
}
