//! Seconds into money, and money into seconds.
//!
//! Everything is exact until the last step: the price is a fraction of nano-units, rounded half-even once to the deck's decimals. The
//! price before tax is rounded from its own fraction in the same way, and tax is what lies between the two.
//! The price never falls as a call goes on, so the reserve of a duration is its price and covers every shorter call.

use units::{EXCHANGE_ONE, Money, Rounding, Terms};

/// Seconds that a call's first reserve pays for at least, however short the billing steps are.
pub const FIRST_SLICE_S: u32 = 5;

/// No tax, in millionths of the price before it.
const TAX_ONE: i128 = 1_000_000;

/// Nano-units of the last decimal that is kept, by the number of decimals.
const PLACES: [i128; 10] = [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// What a call of some duration costs, in the account's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Seconds billed after minimum, steps and free seconds; 4,294,967,295 at most.
    pub billed_s: u32,
    /// Seconds × rate + connection fee, before tax; zero when no second is billed.
    pub net: Money,
    /// What tax adds; `net` + `tax` = `price`.
    pub tax: Money,
    /// With tax: what is reserved and charged.
    pub price: Money,
}

/// What an answered call of this many milliseconds costs. No duration, no price: not even the connection fee.
pub fn charge(terms: &Terms, duration_ms: u64) -> Charge {
    let billed_s = billed(terms, whole_seconds(terms.rounding, duration_ms));
    let net = rounded(terms, billed_s, 0);
    let price = if terms.tax_ppm == 0 { net } else { price(terms, billed_s) };
    Charge { billed_s, net, tax: price - net, price }
}

/// What must be reserved so that a call may last this many milliseconds: no shorter call costs more.
pub fn reserve(terms: &Terms, duration_ms: u64) -> Money {
    charge(terms, duration_ms).price.max(Money::ZERO)
}

/// How many milliseconds a reserve lasts: the longest duration whose charge is at most `money`; `u64::MAX` if no duration is.
///
/// Zero when `money` is negative, though then not even zero is paid for.
pub fn paid_ms(terms: &Terms, money: Money) -> u64 {
    let fits = |seconds: u32| price(terms, billed(terms, seconds)) <= money;
    if fits(u32::MAX) {
        return u64::MAX;
    }
    if !fits(0) {
        return 0;
    }
    let paid = last_that_fits(guess(terms, money), u32::from(terms.increment_s.max(1)), fits);
    let rest_ms = match terms.rounding {
        Rounding::Ceil => 0,
        Rounding::Round => 499,
        Rounding::Floor => 999,
    };
    u64::from(paid) * 1_000 + rest_ms
}

/// The last number of seconds that fits, where 0 does, the largest number does not, and nothing fits behind what does not. Looked for from
/// `guess` on in ever longer steps, so that a good guess needs two looks.
fn last_that_fits(guess: u32, step: u32, fits: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high, mut far) = (0, u32::MAX, 1);
    let mut next = guess.clamp(1, u32::MAX - 1);
    loop {
        if fits(next) {
            low = next;
            next = next.saturating_add(far);
        } else {
            high = next;
            next = next.saturating_sub(far.max(step));
        }
        if next <= low || next >= high {
            break;
        }
        far = far.saturating_mul(2).max(step);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// About how many seconds this much money pays for, at the end of a step: what rounding and other currencies' last digits do is left out.
fn guess(terms: &Terms, money: Money) -> u32 {
    let (minimum, step) = (i128::from(terms.minimum_s), i128::from(terms.increment_s.max(1)));
    let mut sixtieths = i128::from(money.nanos()) * 60;
    if terms.tax_ppm != 0 || terms.exchange != EXCHANGE_ONE {
        let more = (TAX_ONE + i128::from(terms.tax_ppm)) * i128::from(terms.exchange);
        sixtieths = sixtieths.saturating_mul(TAX_ONE * i128::from(EXCHANGE_ONE)).checked_div(more).unwrap_or(0);
    }
    let first = i128::from(terms.first_per_minute.unwrap_or(terms.per_minute).nanos()) * minimum;
    let left = sixtieths - first - i128::from(terms.connection_fee.nanos()) * 60;
    let after = quotient(left, i128::from(terms.per_minute.nanos())).max(0);
    let seconds = if terms.steps_from_zero { (minimum + after) / step * step } else { minimum + after / step * step };
    u32::try_from(seconds.max(i128::from(terms.free_s))).unwrap_or(u32::MAX)
}

/// A quotient that is only wanted roughly; by the processor's own division where both numbers fit.
fn quotient(number: i128, divisor: i128) -> i128 {
    match (i64::try_from(number), i64::try_from(divisor)) {
        (Ok(number), Ok(divisor)) => number.checked_div(divisor).map_or(0, i128::from),
        _ => number.checked_div(divisor).unwrap_or(0),
    }
}

/// The least that must be reserved before a call may be answered, and the milliseconds that it pays for: connection fee and
/// minimum, one step, one second past the free ones, and [`FIRST_SLICE_S`] seconds at least.
pub fn first_slice(terms: &Terms) -> (Money, u64) {
    let least_s = u32::from(terms.minimum_s).max(u32::from(terms.increment_s)).max(u32::from(terms.free_s) + 1);
    let slice_ms = u64::from(least_s.max(FIRST_SLICE_S)) * 1_000;
    (reserve(terms, slice_ms), slice_ms)
}

fn whole_seconds(rounding: Rounding, duration_ms: u64) -> u32 {
    let seconds = match rounding {
        Rounding::Ceil => duration_ms.div_ceil(1_000),
        Rounding::Round => duration_ms.saturating_add(500) / 1_000,
        Rounding::Floor => duration_ms / 1_000,
    };
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// Seconds billed for whole seconds talked.
fn billed(terms: &Terms, seconds: u32) -> u32 {
    let (minimum, free) = (u32::from(terms.minimum_s), u32::from(terms.free_s));
    // M4's grace: short calls are free, unless the minimum is longer than the grace.
    if seconds == 0 || (seconds <= free && minimum <= free) {
        return 0;
    }
    let step = u64::from(terms.increment_s.max(1));
    let stepped = |seconds: u32| u64::from(seconds).div_ceil(step) * step;
    let billed = match terms.steps_from_zero {
        true => stepped(seconds).max(u64::from(minimum)),
        false => u64::from(minimum) + stepped(seconds.saturating_sub(minimum)),
    };
    u32::try_from(billed).unwrap_or(u32::MAX)
}

fn price(terms: &Terms, billed_s: u32) -> Money {
    rounded(terms, billed_s, terms.tax_ppm)
}

/// The price of billed seconds with so much tax, in the account's currency.
fn rounded(terms: &Terms, billed_s: u32, tax_ppm: u32) -> Money {
    if billed_s == 0 {
        return Money::ZERO;
    }
    let place = PLACES[usize::from(terms.decimals.min(9))];
    if tax_ppm == 0 && terms.exchange == EXCHANGE_ONE {
        // The same fraction without its common factors, mostly small enough for the processor's own division.
        let nanos = half_even(sixtieths(terms, billed_s), 60 * place) * place;
        return Money::from_nanos(nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64);
    }
    // A product that leaves 128 bits stands for a price far beyond the 64 bits of Money: both stop at their bound.
    let exact = sixtieths(terms, billed_s)
        .saturating_mul(TAX_ONE + i128::from(tax_ppm))
        .saturating_mul(i128::from(terms.exchange));
    let nanos = half_even(exact, 60 * TAX_ONE * i128::from(EXCHANGE_ONE) * place) * place;
    Money::from_nanos(nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
}

/// Sixty times the price before tax, in the deck's currency: seconds within the minimum, those after it, and the fee.
fn sixtieths(terms: &Terms, billed_s: u32) -> i128 {
    let first_s = billed_s.min(u32::from(terms.minimum_s));
    let first = i128::from(terms.first_per_minute.unwrap_or(terms.per_minute).nanos()) * i128::from(first_s);
    let next = i128::from(terms.per_minute.nanos()) * i128::from(billed_s - first_s);
    first + next + i128::from(terms.connection_fee.nanos()) * 60
}

/// `number / divisor` to the nearest whole, ties to the even one. `divisor` is positive.
pub(crate) fn half_even(number: i128, divisor: i128) -> i128 {
    if let (Ok(number), Ok(divisor)) = (i64::try_from(number), i64::try_from(divisor)) {
        let (whole, rest) = (number.div_euclid(divisor), number.rem_euclid(divisor));
        let up = match (rest as u64 * 2).cmp(&(divisor as u64)) {
            core::cmp::Ordering::Less => 0,
            core::cmp::Ordering::Greater => 1,
            core::cmp::Ordering::Equal => whole & 1,
        };
        return i128::from(whole) + i128::from(up);
    }
    let (whole, rest) = (number.div_euclid(divisor), number.rem_euclid(divisor));
    match (rest * 2).cmp(&divisor) {
        core::cmp::Ordering::Less => whole,
        core::cmp::Ordering::Greater => whole + 1,
        core::cmp::Ordering::Equal => whole + (whole & 1),
    }
}
