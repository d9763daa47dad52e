//! What one currency is worth in another.

use units::{Currency, EXCHANGE_ONE, Money, WallTime};

use crate::layout::{self, exchange};
use crate::model::ExchangeRate;
use crate::read::{Record, section};
use crate::view::View;

/// The highest value of a currency in the base currency: a million.
pub const EXCHANGE_VALUE_MAX: Money = Money::from_nanos(1_000_000 * Money::NANOS);

impl View<'_> {
    /// What one unit of `from` is worth in `to` at a moment, in nano-units, rounded half-even once; `None` where no exchange rates join the two.
    pub fn exchange(&self, from: Currency, to: Currency, at: WallTime) -> Option<i64> {
        if from == to {
            return Some(EXCHANGE_ONE);
        }
        cross(self.value(from, at)?, self.value(to, at)?)
    }

    /// What a currency is worth in the base currency: the last of its rates that began by then.
    fn value(&self, currency: Currency, at: WallTime) -> Option<Money> {
        let image = self.image();
        let nth = |index| Record::nth(image, layout::EXCHANGES, index);
        let (mut low, mut high) = (0, section(image, layout::EXCHANGES).1);
        while low < high {
            let middle = low + (high - low) / 2;
            let key = nth(middle).map(|record| (record.chunk(exchange::CURRENCY), record.i64(exchange::FROM)));
            if key.is_some_and(|key| key <= (currency.bytes(), at.micros())) { low = middle + 1 } else { high = middle }
        }
        let last = nth(low.checked_sub(1)?)?;
        let same = last.chunk(exchange::CURRENCY) == currency.bytes();
        same.then(|| Money::from_nanos(last.i64(exchange::VALUE)))
    }
}

/// The same, asked of a model.
pub(crate) fn exchange_of(rates: &[ExchangeRate], from: Currency, to: Currency, at: WallTime) -> Option<i64> {
    let value = |currency| {
        let known = rates.iter().filter(|rate| rate.currency == currency && rate.from <= at);
        known.max_by_key(|rate| rate.from).map(|rate| rate.value)
    };
    if from == to { Some(EXCHANGE_ONE) } else { cross(value(from)?, value(to)?) }
}

/// One value over another, in nano-units; `None` where nothing is left of it, or too much for a price.
fn cross(from: Money, to: Money) -> Option<i64> {
    let (number, divisor) = (i128::from(from.nanos()) * i128::from(EXCHANGE_ONE), i128::from(to.nanos()));
    if divisor <= 0 {
        return None;
    }
    let (whole, rest) = (number.div_euclid(divisor), number.rem_euclid(divisor));
    let up = match (rest * 2).cmp(&divisor) {
        core::cmp::Ordering::Less => 0,
        core::cmp::Ordering::Equal => whole & 1,
        core::cmp::Ordering::Greater => 1,
    };
    i64::try_from(whole + up).ok().filter(|exchange| *exchange > 0)
}
