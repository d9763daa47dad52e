//! Prices, judged by the vectors of the feature table and by a second calculator.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use proptest::prelude::*;
use rating::{Charge, FIRST_SLICE_S, charge, first_slice, paid_ms, reserve};
use units::{Currency, EXCHANGE_ONE, Money, Rounding, TAX_PPM_MAX, Terms};

/// `30/6/0` at so much a minute.
fn terms(steps: &str, per_minute: &str) -> Terms {
    let steps: Vec<u16> = steps.split('/').map(|part| part.parse().unwrap()).collect();
    Terms {
        minimum_s: steps[0],
        increment_s: steps[1],
        free_s: steps[2],
        per_minute: Money::parse(per_minute).unwrap(),
        ..Terms::default()
    }
}

fn check(terms: &Terms, duration_ms: u64, billed_s: u32, price: &str) {
    let found = charge(terms, duration_ms);
    assert_eq!(
        (found.billed_s, found.price),
        (billed_s, Money::parse(price).unwrap()),
        "{duration_ms} ms at {terms:?}"
    );
}

#[test]
fn the_vectors_of_the_feature_table() {
    let coarse = [(0, 0, "0"), (1, 30, "0.025"), (30, 30, "0.025"), (31, 36, "0.030"), (36, 36, "0.030")];
    for (seconds, billed, price) in coarse.into_iter().chain([(37, 42, "0.035"), (61, 66, "0.055")]) {
        check(&terms("30/6/0", "0.05"), seconds * 1_000, billed, price);
    }
    let fine = [(0, 0, "0"), (1, 1, "0.000667"), (30, 30, "0.020"), (31, 31, "0.020667"), (36, 36, "0.024")];
    for (seconds, billed, price) in fine.into_iter().chain([(37, 37, "0.024667"), (61, 61, "0.040667")]) {
        check(&terms("1/1/0", "0.04"), seconds * 1_000, billed, price);
    }
}

#[test]
fn the_formula_of_the_nearest_competitor() {
    // Yeti: CD 61, CF 0.01, II 60, IR = NR = 0.05, VAT 20: NI 60 gives 0.132, NI 1 gives 0.073. Before tax the latter goes on for ever.
    let taxed = |steps| Terms {
        connection_fee: Money::parse("0.01").unwrap(),
        first_per_minute: Money::parse("0.05"),
        tax_ppm: 200_000,
        ..terms(steps, "0.05")
    };
    for (steps, billed_s, net, tax, price) in
        [("60/60/0", 120, "0.11", "0.022", "0.132"), ("60/1/0", 61, "0.060833", "0.012167", "0.073")]
    {
        let money = |text| Money::parse(text).unwrap();
        let expected = Charge { billed_s, net: money(net), tax: money(tax), price: money(price) };
        assert_eq!(charge(&taxed(steps), 61_000), expected);
    }
    // II 5, IR 0, NI 1, NR 0.06: the first five seconds are free.
    let free = Terms { first_per_minute: Some(Money::ZERO), ..terms("5/1/0", "0.06") };
    check(&free, 5_000, 5, "0");
    check(&free, 6_000, 6, "0.001");
}

#[test]
fn the_first_interval_has_its_own_rate() {
    let terms = Terms { first_per_minute: Money::parse("1.2"), ..terms("30/6/0", "0.6") };
    check(&terms, 1_000, 30, "0.6");
    check(&terms, 30_000, 30, "0.6");
    check(&terms, 31_000, 36, "0.66");
    check(&Terms { minimum_s: 0, ..terms }, 6_000, 6, "0.06");
}

#[test]
fn an_account_may_count_in_another_currency_than_the_deck() {
    let euro = Currency::parse("EUR").unwrap();
    let exchanged = Terms { deck_currency: euro, exchange: 1_083_333_333, ..terms("1/1/0", "0.6") };
    check(&exchanged, 60_000, 60, "0.65");
    check(&Terms { decimals: 9, ..exchanged }, 60_000, 60, "0.65");
    check(&Terms { decimals: 9, ..exchanged }, 1_000, 1, "0.010833333");
    check(&Terms { tax_ppm: 190_000, ..exchanged }, 60_000, 60, "0.7735");
}

#[test]
fn steps_count_from_the_end_of_the_minimum() {
    check(&terms("30/7/0", "0.6"), 31_000, 37, "0.37");
    check(&terms("30/7/0", "0.6"), 37_001, 44, "0.44");
    check(&terms("0/6/0", "0.6"), 1_000, 6, "0.06");
    check(&terms("1/0/0", "0.6"), 2_500, 3, "0.03");
}

#[test]
fn a_deck_may_count_its_steps_from_zero() {
    let zero = |steps| Terms { steps_from_zero: true, ..terms(steps, "0.6") };
    for (seconds, billed) in [(1, 30), (28, 30), (29, 35), (31, 35), (35, 35), (36, 42)] {
        check(&zero("30/7/0"), seconds * 1_000, billed, &format!("{}", f64::from(billed) / 100.0));
    }
    check(&zero("60/6/0"), 7_000, 60, "0.6");
    check(&zero("0/6/0"), 7_000, 12, "0.12");
}

#[test]
fn grace_is_free_unless_the_minimum_is_longer() {
    check(&terms("1/1/3", "0.6"), 3_000, 0, "0");
    check(&terms("1/1/3", "0.6"), 3_001, 4, "0.04");
    check(&terms("60/1/3", "0.6"), 1_000, 60, "0.6");
    check(&terms("3/1/3", "0.6"), 3_000, 0, "0");
    let fee = Terms { connection_fee: Money::parse("0.5").unwrap(), ..terms("1/1/3", "0.6") };
    check(&fee, 3_000, 0, "0");
    check(&fee, 4_000, 4, "0.54");
}

#[test]
fn milliseconds_become_seconds_as_the_deck_says() {
    let rounded = |rounding| Terms { rounding, ..terms("1/1/0", "60") };
    for (rounding, ms, seconds) in [
        (Rounding::Ceil, 1_100, 2),
        (Rounding::Ceil, 1, 1),
        (Rounding::Round, 1_400, 1),
        (Rounding::Round, 1_499, 1),
        (Rounding::Round, 1_500, 2),
        (Rounding::Round, 499, 0),
        (Rounding::Floor, 1_900, 1),
        (Rounding::Floor, 999, 0),
    ] {
        check(&rounded(rounding), ms, seconds, &seconds.to_string());
    }
}

#[test]
fn halves_go_to_the_even_digit() {
    let cents = |per_minute| Terms { decimals: 2, ..terms("60/60/0", per_minute) };
    for (exact, rounded) in
        [("0.005", "0"), ("0.015", "0.02"), ("0.025", "0.02"), ("0.0250001", "0.03"), ("0.035", "0.04")]
    {
        check(&cents(exact), 60_000, 60, rounded);
    }
    let whole = Terms { decimals: 0, ..terms("60/60/0", "2.5") };
    check(&whole, 60_000, 60, "2");
    let nano = Terms { decimals: 9, ..terms("1/1/0", "0.000000090") };
    check(&nano, 1_000, 1, "0.000000002");
}

#[test]
fn an_unanswered_call_costs_nothing_not_even_the_fee() {
    let fee = Terms { connection_fee: Money::parse("1").unwrap(), ..terms("30/6/0", "1") };
    check(&fee, 0, 0, "0");
    check(&fee, 1, 30, "1.5");
}

#[test]
fn a_price_beyond_all_bounds_stops_at_the_bound() {
    let dear = Terms { per_minute: Money::MAX, decimals: 9, ..Terms::default() };
    assert_eq!(charge(&dear, u64::MAX).price, Money::MAX);
    assert_eq!(charge(&Terms::default(), u64::MAX).billed_s, u32::MAX);
}

#[test]
fn money_lasts_to_the_last_millisecond_that_it_pays() {
    let story = |steps, money: &str| paid_ms(&terms(steps, "0.6"), Money::parse(money).unwrap());
    assert_eq!(story("1/1/0", "0.10"), 10_000);
    assert_eq!(story("1/1/0", "0.099999"), 9_000);
    assert_eq!(story("30/6/0", "0.29"), 0);
    assert_eq!(story("30/6/0", "0.30"), 30_000);
    assert_eq!(story("30/6/0", "0.36"), 36_000);
    assert_eq!(story("1/1/5", "0"), 5_000);
    assert_eq!(story("1/1/0", "-1"), 0);
    assert_eq!(paid_ms(&Terms::default(), Money::ZERO), u64::MAX);
}

#[test]
fn the_first_slice_pays_for_the_least_that_an_answer_costs() {
    let slice = |steps| first_slice(&Terms { connection_fee: Money::parse("1").unwrap(), ..terms(steps, "0.6") });
    assert_eq!(slice("30/6/0"), (Money::parse("1.3").unwrap(), 30_000));
    assert_eq!(slice("1/1/0"), (Money::parse("1.05").unwrap(), u64::from(FIRST_SLICE_S) * 1_000));
    assert_eq!(slice("1/60/0"), (Money::parse("1.61").unwrap(), 60_000));
    assert_eq!(slice("1/1/20"), (Money::parse("1.21").unwrap(), 21_000));
    assert_eq!(first_slice(&Terms::default()).0, Money::ZERO);
}

/// The second calculator. It walks second by second and compares candidates instead of dividing, in fractions of a nano-unit.
fn oracle(terms: &Terms, tax_ppm: u32, duration_ms: u64) -> (u32, i128) {
    let mut seconds = 0_u32;
    let mut left = duration_ms;
    while left >= 1_000 {
        (seconds, left) = (seconds + 1, left - 1_000);
    }
    let up = match terms.rounding {
        Rounding::Ceil => left > 0,
        Rounding::Round => left * 2 >= 1_000,
        Rounding::Floor => false,
    };
    seconds += u32::from(up);
    let in_grace = seconds <= u32::from(terms.free_s) && terms.minimum_s <= terms.free_s;
    if seconds == 0 || in_grace {
        return (0, 0);
    }
    let mut billed = if terms.steps_from_zero { 0 } else { u32::from(terms.minimum_s) };
    while billed < seconds {
        billed += u32::from(terms.increment_s).max(1);
    }
    billed = billed.max(u32::from(terms.minimum_s));
    let mut exact = i128::from(terms.connection_fee.nanos()) * 60;
    for second in 0..billed {
        let first = terms.first_per_minute.filter(|_| second < u32::from(terms.minimum_s));
        exact += i128::from(first.unwrap_or(terms.per_minute).nanos());
    }
    // In millionths, in billionths: what the tax and the exchange multiply.
    exact = (exact * 1_000_000 + exact * i128::from(tax_ppm)) * i128::from(terms.exchange);
    let mut place = 1;
    for _ in terms.decimals..9 {
        place *= 10;
    }
    // Two neighbours on the grid of the deck's decimals; the nearer one, or the even one.
    let unit = 60 * 1_000_000 * 1_000_000_000;
    let steps = exact / unit / place;
    let (low, high) = (steps * place * unit, (steps + 1) * place * unit);
    let up = (exact - low > high - exact) || (exact - low == high - exact && steps % 2 != 0);
    (billed, (steps + i128::from(up)) * place)
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let money = prop_oneof![Just(0_i64), 0..2_000_000_000_i64, 0..1_000_i64, 0..1_000_000_000_000_i64];
    let small = || prop_oneof![Just(0_u16), Just(1), Just(6), Just(30), Just(60), 0_u16..200];
    let rounding = prop_oneof![Just(Rounding::Ceil), Just(Rounding::Round), Just(Rounding::Floor)];
    let tax = prop_oneof![Just(0_u32), Just(200_000), 0..=TAX_PPM_MAX];
    let exchange = prop_oneof![Just(EXCHANGE_ONE), 1..3_000_000_000_i64, 1..200_000_000_000_i64];
    let prices = (money.clone(), proptest::option::of(money.clone()), money, tax, exchange);
    (prices, small(), small(), small(), rounding, 0_u8..=9, any::<bool>()).prop_map(
        |((per_minute, first, fee, tax_ppm, exchange), minimum_s, increment_s, free_s, rounding, decimals, zero)| {
            Terms {
                per_minute: Money::from_nanos(per_minute),
                first_per_minute: first.map(Money::from_nanos),
                connection_fee: Money::from_nanos(fee),
                tax_ppm,
                exchange,
                steps_from_zero: zero,
                minimum_s,
                increment_s,
                free_s,
                rounding,
                decimals,
                ..Terms::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_calculators_agree(terms in any_terms(), duration_ms in prop_oneof![0_u64..3_000, 0_u64..4_000_000]) {
        let found = charge(&terms, duration_ms);
        prop_assert_eq!((found.billed_s, i128::from(found.price.nanos())), oracle(&terms, terms.tax_ppm, duration_ms));
        prop_assert_eq!((found.billed_s, i128::from(found.net.nanos())), oracle(&terms, 0, duration_ms));
        prop_assert_eq!(found.net + found.tax, found.price);
    }

    #[test]
    fn a_longer_call_never_costs_less(terms in any_terms(), shorter in 0_u64..400_000, more in 0_u64..400_000) {
        prop_assert!(charge(&terms, shorter).price <= charge(&terms, shorter + more).price);
        prop_assert!(reserve(&terms, shorter + more) >= charge(&terms, shorter).price);
    }

    #[test]
    fn paid_time_is_the_exact_inverse(terms in any_terms(), nanos in prop_oneof![0..10_000_i64, 0..3_000_000_000_000_i64]) {
        let money = Money::from_nanos(nanos);
        let ms = paid_ms(&terms, money);
        prop_assert!(charge(&terms, ms).price <= money);
        if ms < u64::MAX {
            prop_assert!(charge(&terms, ms + 1).price > money);
        }
    }

    #[test]
    fn a_reserve_lasts_as_long_as_it_was_made_for(terms in any_terms(), duration_ms in 0_u64..4_000_000) {
        prop_assert!(paid_ms(&terms, reserve(&terms, duration_ms)) >= duration_ms);
        let (money, slice_ms) = first_slice(&terms);
        prop_assert!(paid_ms(&terms, money) >= slice_ms);
        prop_assert!(slice_ms >= u64::from(FIRST_SLICE_S) * 1_000);
    }
}
