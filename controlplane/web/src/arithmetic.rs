//! A price told step by step, computed by the same code as the price itself.

use cdr::Priced;
use units::{EXCHANGE_ONE, Money, Rounding, Terms};

use crate::api::story::Arithmetic;
use crate::value::{Amount, Percent};

impl Arithmetic {
    /// What a call of this many milliseconds would cost.
    pub(crate) fn of(terms: &Terms, duration_ms: u64) -> Arithmetic {
        let charge = rating::charge(terms, duration_ms);
        let priced = Priced { terms: *terms, billed_s: charge.billed_s, price: charge.price, tax: charge.tax };
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
            prefix_digits: terms.prefix_digits,
            hours: terms.class.hours.into(),
            jurisdiction: terms.class.jurisdiction.into(),
            per_minute: Amount(terms.per_minute),
            connection_fee: Amount(terms.connection_fee),
            net: Amount(priced.price - priced.tax),
            tax: Amount(priced.tax),
            price: Amount(priced.price),
            steps: steps(priced, duration_ms, seconds),
            agrees: (today.billed_s, today.price, today.tax) == (priced.billed_s, priced.price, priced.tax),
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
    let Priced { terms, billed_s, price, tax } = priced;
    let way = match terms.rounding {
        Rounding::Ceil => "up",
        Rounding::Round => "to the nearest",
        Rounding::Floor => "down",
    };
    let mut steps = vec![format!("{duration_ms} ms talked = {seconds} s, rounded {way}")];
    if *billed_s == 0 {
        let why = if seconds == 0 { "nothing was talked" } else { "within the free seconds" };
        steps.push(format!("{why}: nothing is billed"));
        return steps;
    }
    steps.push(billing(terms, seconds, *billed_s));
    steps.extend(minutes(terms, *billed_s));
    if terms.connection_fee.nanos() != 0 {
        steps.push(format!("+ connection fee {}", terms.connection_fee));
    }
    let (currency, decimals) = (terms.currency, terms.decimals);
    if terms.exchange != EXCHANGE_ONE || terms.deck_currency != currency {
        steps.push(format!("× {} {currency} for 1 {}", Money::from_nanos(terms.exchange), terms.deck_currency));
    }
    if terms.tax_ppm == 0 {
        steps.push(format!("rounded half-even to {decimals} decimals: {price} {currency}"));
    } else {
        let net = *price - *tax;
        steps.push(format!("before tax, rounded half-even to {decimals} decimals: {net} {currency}"));
        steps.push(format!("+ {} % tax on the sum before rounding", Percent::from_ppm(terms.tax_ppm)));
        steps.push(format!("rounded half-even to {decimals} decimals: {price} {currency}, {tax} of it tax"));
    }
    steps
}

/// How seconds become billed seconds.
fn billing(terms: &Terms, seconds: u64, billed_s: u32) -> String {
    let (minimum, increment) = (u64::from(terms.minimum_s), u64::from(terms.increment_s.max(1)));
    if terms.steps_from_zero {
        return format!("⌈{seconds} / {increment}⌉ × {increment} s, at least {minimum} s = {billed_s} s billed");
    }
    if seconds <= minimum {
        return format!("at most the minimum of {minimum} s: {billed_s} s billed");
    }
    if increment == 1 {
        return format!("steps of 1 s after {minimum} s: {billed_s} s billed");
    }
    let over = seconds - minimum;
    format!("{minimum} s + ⌈{over} / {increment}⌉ × {increment} s = {billed_s} s billed")
}

/// Billed seconds by their rate: those within the minimum first, where they have a rate of their own.
fn minutes(terms: &Terms, billed_s: u32) -> Vec<String> {
    let told = |seconds: u32, price: Money| {
        let exact = exact(i128::from(seconds) * i128::from(price.nanos()));
        format!("{seconds} s × {price} / 60 s = {exact}")
    };
    let Some(first) = terms.first_per_minute else { return vec![told(billed_s, terms.per_minute)] };
    let first_s = billed_s.min(u32::from(terms.minimum_s));
    let rest_s = billed_s - first_s;
    let mut lines = vec![format!("first {}", told(first_s, first))];
    if rest_s > 0 {
        lines.push(format!("+ {}", told(rest_s, terms.per_minute)));
    }
    lines
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The first number after `mark`, digits after the point counted: its value in units of 10⁻⁹.
    fn after(line: &str, mark: &str) -> i128 {
        let rest = &line[line.find(mark).expect("the mark stands in the line") + mark.len()..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        i128::from(Money::parse(&rest[..end]).expect("a decimal").nanos())
    }

    /// Adds up what the steps say, as a reader with a pencil would: (numerator, denominator) of the price before rounding.
    fn by_hand(steps: &[String]) -> (i128, i128) {
        let one = 1_000_000_000;
        let (mut sum, mut per) = (0, 60);
        for line in steps {
            if line.contains(" / 60 s = ") {
                let seconds: String = line.chars().filter(|c| c.is_ascii_digit() || *c == ' ').collect();
                let seconds: i128 = seconds.split_whitespace().next().expect("seconds").parse().expect("a number");
                sum += seconds * after(line, "s × ");
            } else if line.starts_with("+ connection fee ") {
                sum += 60 * after(line, "fee ");
            } else if line.starts_with("× ") {
                (sum, per) = (sum * after(line, "× "), per * one);
            } else if line.contains(" % tax") {
                (sum, per) = (sum * (100 * one + after(line, "+ ")), per * 100 * one);
            }
        }
        (sum, per)
    }

    fn drawn(seed: u64) -> (Terms, u64) {
        let draw = |place: u64, limit: u64| rating::random(seed, place) % limit;
        let one_in = |place: u64, of: u64| draw(place, of) == 0;
        let price = |place: u64| Money::from_nanos(draw(place, 2_000_000_000) as i64);
        let terms = Terms {
            per_minute: price(0),
            first_per_minute: one_in(1, 2).then(|| price(2)),
            connection_fee: if one_in(3, 2) { price(4) } else { Money::ZERO },
            minimum_s: draw(5, 70) as u16,
            increment_s: draw(6, 70) as u16,
            steps_from_zero: one_in(7, 2),
            free_s: draw(8, 5) as u16,
            decimals: draw(9, 10) as u8,
            tax_ppm: if one_in(10, 2) { draw(11, 1_000_001) as u32 } else { 0 },
            exchange: if one_in(12, 2) { 1 + draw(13, 3_000_000_000) as i64 } else { EXCHANGE_ONE },
            ..Terms::default()
        };
        (terms, draw(14, 400_000))
    }

    #[test]
    fn the_steps_add_up_to_the_price() {
        for seed in 0..20_000 {
            let (terms, duration_ms) = drawn(seed);
            let told = Arithmetic::of(&terms, duration_ms);
            assert!(told.agrees);
            let (sum, per) = by_hand(&told.steps);
            let place = 10_i128.pow(9 - u32::from(terms.decimals));
            // The nearest price on the grid: never further off than half a place.
            let off = (i128::from(told.price.0.nanos()) * per - sum).abs() * 2;
            assert!(off <= place * per, "seed {seed}: {:?} is not {}", told.steps, told.price);
            assert_eq!(i128::from(told.price.0.nanos()) % place, 0, "seed {seed}");
            let shown = told.steps.last().expect("steps");
            assert!(sum == 0 || shown.contains(&format!(": {} USD", told.price)), "seed {seed}: {shown}");
        }
    }
}
