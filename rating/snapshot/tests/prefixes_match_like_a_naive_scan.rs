//! The longest prefix, judged by an oracle that compares strings.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use proptest::prelude::*;
use snapshot::{Model, Rate, View};
use units::{DeckId, Money, WallTime};
use world::{model_of, rate};

/// All rates that could apply, the longest prefix first, then the latest date.
fn naive<'a>(rates: &'a [Rate], digits: &str, at: WallTime) -> Option<&'a Rate> {
    let applies =
        |rate: &&Rate| digits.starts_with(&rate.prefix) && rate.from <= at && rate.till.is_none_or(|till| at < till);
    rates.iter().filter(applies).max_by_key(|rate| (rate.prefix.len(), rate.from))
}

fn check(rates: &[Rate], numbers: &[String], at: WallTime) {
    let image = model_of(rates.to_vec()).encode().unwrap();
    View::check(&image).unwrap();
    let deck = View::open(&image).deck(DeckId(1)).unwrap();
    for number in numbers {
        let expected =
            naive(rates, number, at).map(|rate| (rate.per_minute, rate.prefix.len() as u8, rate.from, rate.till));
        let found = deck.lookup(number.as_bytes(), at);
        let found = found.map(|rate| (rate.terms.per_minute, rate.prefix_digits, rate.from, rate.till));
        assert_eq!(found, expected, "number {number:?} at {at:?}");
    }
}

/// No two rates with the same prefix and date: those are refused.
fn distinct(rates: Vec<Rate>) -> Vec<Rate> {
    let mut seen = std::collections::BTreeSet::new();
    rates.into_iter().filter(|rate| seen.insert((rate.prefix.clone(), rate.from))).collect()
}

fn prefixes() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => "[0-3]{0,6}",
        3 => "[0-9*#]{0,15}",
        2 => "[0-2A-C]{0,5}",
        1 => "[0-9A-Z*#]{0,15}",
    ]
}

fn rates() -> impl Strategy<Value = Vec<Rate>> {
    let dates = (prefixes(), 0_i64..6, proptest::option::of(1_i64..4), 0_i64..1_000);
    let rate = dates.prop_map(|(prefix, from, lasts, nanos)| Rate {
        per_minute: Money::from_nanos(nanos),
        from: WallTime::from_micros(from),
        till: lasts.map(|lasts| WallTime::from_micros(from + lasts)),
        ..rate(&prefix, "0")
    });
    proptest::collection::vec(rate, 0..300).prop_map(distinct)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_deck_and_the_number(
        rates in rates(),
        numbers in proptest::collection::vec(prop_oneof!["[0-3]{0,9}", "[0-9*#]{0,20}", "[0-2A-C]{0,7}", "[0-9A-Za-z*#._-]{0,20}"], 40),
        at in -1_i64..10,
    ) {
        let mut numbers = numbers;
        numbers.extend(rates.iter().map(|rate| rate.prefix.clone()));
        numbers.extend(rates.iter().map(|rate| format!("{}0", rate.prefix)));
        check(&rates, &numbers, WallTime::from_micros(at));
    }
}

#[test]
fn a_full_numbering_plan_with_gaps() {
    let odd = (0..40_000_u32).map(|n| n.wrapping_mul(2_654_435_761) % 3_000_000).map(|n| rate(&n.to_string(), "0.01"));
    let mut rates: Vec<Rate> = odd.chain((1..100).map(|n| rate(&n.to_string(), "0.5"))).collect();
    for (place, rate) in rates.iter_mut().enumerate() {
        rate.per_minute = Money::from_nanos(place as i64);
    }
    let rates = distinct(rates);
    let by_text: std::collections::BTreeMap<_, _> = rates.iter().map(|rate| (rate.prefix.as_str(), rate)).collect();
    let image = model_of(rates.clone()).encode().unwrap();
    View::check(&image).unwrap();
    let deck = View::open(&image).deck(DeckId(1)).unwrap();
    for n in 0..200_000_u64 {
        let number = (n * 7_919_777 % 99_999_999_977).to_string();
        let expected = (0..=number.len()).rev().find_map(|length| by_text.get(&number[..length]));
        let found = deck.lookup(number.as_bytes(), WallTime::from_micros(5));
        assert_eq!(found.map(|rate| rate.terms.per_minute), expected.map(|rate| rate.per_minute), "{number}");
    }
}

#[test]
fn a_longer_prefix_without_a_rate_in_force_gives_way_to_the_shorter() {
    let rates = vec![
        Rate { till: Some(WallTime::from_micros(10)), ..rate("4420", "2") },
        Rate { from: WallTime::from_micros(20), ..rate("4420", "3") },
        rate("44", "1"),
    ];
    for (at, price) in [(0, 2), (9, 2), (10, 1), (19, 1), (20, 3), (99, 3)] {
        let image = model_of(rates.clone()).encode().unwrap();
        let found = View::open(&image).deck(DeckId(1)).unwrap().lookup(b"442071", WallTime::from_micros(at)).unwrap();
        assert_eq!(found.terms.per_minute, Money::parse(&price.to_string()).unwrap(), "at {at}");
    }
}

#[test]
fn of_two_rates_in_force_the_one_that_began_last_counts() {
    let rates = vec![rate("44", "1"), Rate { from: WallTime::from_micros(5), ..rate("44", "2") }];
    check(&rates, &["44".into(), "4".into(), "449".into()], WallTime::from_micros(4));
    check(&rates, &["44".into(), "4".into(), "449".into()], WallTime::from_micros(5));
}

#[test]
fn an_empty_deck_and_an_empty_prefix() {
    check(&[], &["".into(), "1".into()], WallTime::from_micros(0));
    check(
        &[rate("", "1")],
        &["".into(), "1".into(), "999999999999999999999".into(), "A".into()],
        WallTime::from_micros(0),
    );
}

#[test]
fn a_lookup_says_everything_about_the_rate() {
    let full = Rate {
        destination: "Côte d'Ivoire — mobile".into(),
        connection_fee: Money::from_nanos(7),
        first_per_minute: Some(Money::ZERO),
        minimum_s: 30,
        increment_s: 6,
        free_s: 3,
        blocked: true,
        till: Some(WallTime::from_micros(9)),
        ..rate("225", "0.25")
    };
    let mut model: Model = model_of(vec![full]);
    model.decks[0].decimals = 4;
    model.decks[0].rounding = units::Rounding::Floor;
    (model.decks[0].steps_from_zero, model.decks[0].tax_ppm) = (true, 190_000);
    let image = model.encode().unwrap();
    let deck = View::open(&image).deck(DeckId(1)).unwrap();
    let found = deck.lookup(b"2251234", WallTime::from_micros(8)).unwrap();
    assert_eq!((found.destination(), found.blocked, found.prefix_digits), ("Côte d'Ivoire — mobile", true, 3));
    assert_eq!((found.from, found.till), (WallTime::from_micros(0), Some(WallTime::from_micros(9))));
    let terms = found.terms;
    assert_eq!((terms.minimum_s, terms.increment_s, terms.free_s), (30, 6, 3));
    assert_eq!((terms.decimals, terms.rounding, terms.prefix_digits), (4, units::Rounding::Floor, 3));
    assert_eq!((terms.first_per_minute, terms.steps_from_zero, terms.tax_ppm), (Some(Money::ZERO), true, 190_000));
    assert_eq!((terms.connection_fee, terms.deck), (Money::from_nanos(7), DeckId(1)));
}

#[test]
fn the_index_stays_small() {
    let rates: Vec<Rate> = (0..100_000).map(|n| rate(&format!("1{n:05}"), "0.01")).collect();
    let image = model_of(rates).encode().unwrap();
    let deck = View::open(&image).deck(DeckId(1)).unwrap();
    assert_eq!(deck.prefixes(), 100_000);
    assert!(deck.index_bytes() <= 32 * deck.prefixes(), "{} bytes", deck.index_bytes());
    // Equal rates are kept once: the whole file is hardly more than the index.
    assert!(image.len() < 32 * deck.prefixes(), "{} bytes", image.len());
}
