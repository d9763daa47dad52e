//! A price told step by step, computed by the same code as the price itself.

use cdr::Priced;
use units::{Rounding, Terms};

use crate::api::story::Arithmetic;
use crate::value::Amount;

impl Arithmetic {
    /// What a call of this many milliseconds would cost.
    pub(crate) fn of(terms: &Terms, duration_ms: u64) -> Arithmetic {
        let charge = rating::charge(terms, duration_ms);
        let priced = Priced { terms: *terms, billed_s: charge.billed_s, price: charge.price };
        Arithmetic::stored(&priced, duration_ms)
    }

    /// What a call cost, beside what its terms give today.
    pub(crate) fn stored(priced: &Priced, duration_ms: u64) -> Arithmetic {
        let terms = &priced.terms;
        let today = rating::charge(terms, duration_ms);
        let seconds = whole_seconds(terms.rounding, duration_ms);
        Arithmetic {
            currency: terms.currency.code(),
            duration_ms,
            seconds,
            billed_s: priced.billed_s,
            per_minute: Amount(terms.per_minute),
            connection_fee: Amount(terms.connection_fee),
            price: Amount(priced.price),
            steps: steps(priced, duration_ms, seconds),
            agrees: today.billed_s == priced.billed_s && today.price == priced.price,
        }
    }
}

fn whole_seconds(rounding: Rounding, duration_ms: u64) -> u64 {
    match rounding {
        Rounding::Ceil => duration_ms.div_ceil(1_000),
        Rounding::Round => duration_ms.saturating_add(500) / 1_000,
        Rounding::Floor => duration_ms / 1_000,
    }
}

fn steps(priced: &Priced, duration_ms: u64, seconds: u64) -> Vec<String> {
    let Priced { terms, billed_s, price } = priced;
    let way = match terms.rounding {
        Rounding::Ceil => "up",
        Rounding::Round => "to the nearest",
        Rounding::Floor => "down",
    };
    let mut steps = vec![format!("{duration_ms} ms talked = {seconds} s, rounded {way}")];
    let (minimum, increment) = (u64::from(terms.minimum_s), u64::from(terms.increment_s.max(1)));
    if *billed_s == 0 {
        let why = if seconds == 0 { "nothing was talked" } else { "within the free seconds" };
        steps.push(format!("{why}: nothing is billed"));
        return steps;
    }
    if seconds <= minimum {
        steps.push(format!("at most the minimum of {minimum} s: {billed_s} s billed"));
    } else if increment == 1 {
        steps.push(format!("steps of 1 s after {minimum} s: {billed_s} s billed"));
    } else {
        let over = seconds - minimum;
        steps.push(format!("{minimum} s + ⌈{over} / {increment}⌉ × {increment} s = {billed_s} s billed"));
    }
    let exact = exact(i128::from(*billed_s) * i128::from(terms.per_minute.nanos()));
    steps.push(format!("{billed_s} s × {} / 60 s = {exact}", terms.per_minute));
    if terms.connection_fee.nanos() != 0 {
        steps.push(format!("+ connection fee {}", terms.connection_fee));
    }
    steps.push(format!("rounded half-even to {} decimals: {price} {}", terms.decimals, terms.currency));
    steps
}

/// Sixtieths of nano-units as a decimal with twelve places, zeros cut; `…` where it goes on.
fn exact(sixtieths: i128) -> String {
    let scaled = sixtieths.unsigned_abs() * 1_000;
    let (units, fraction) = (scaled / 60 / 1_000_000_000_000, scaled / 60 % 1_000_000_000_000);
    let sign = if sixtieths < 0 { "-" } else { "" };
    let digits = format!("{fraction:012}");
    let goes_on = if scaled.is_multiple_of(60) { "" } else { "…" };
    match (digits.trim_end_matches('0'), goes_on) {
        ("", "") => format!("{sign}{units}"),
        (short, "") => format!("{sign}{units}.{short}"),
        _ => format!("{sign}{units}.{digits}…"),
    }
}
