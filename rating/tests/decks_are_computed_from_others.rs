//! Decks computed from others: prices, dates, blocked destinations, judged number by number.
#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod world;

use rating::derive::{Derived, Take};
use snapshot::{Calendar, Deck, Rate, View, When};
use units::{DeckId, Hours, Jurisdiction, Money, Percent, RateClass, WallTime};
use world::{deck, image, rate, world};

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn rule() -> Derived {
    Derived { from: vec![DeckId(1), DeckId(2)], minimum_s: 30, increment_s: 6, ..Derived::default() }
}

/// Prefix and price of each computed rate.
fn made(rule: &Derived, sources: &[&[Rate]]) -> Vec<(String, String)> {
    let told = |rate: Rate| (rate.prefix, if rate.blocked { "blocked".into() } else { rate.per_minute.to_string() });
    rule.rates(sources).into_iter().map(told).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(prefix, price)| ((*prefix).to_owned(), (*price).to_owned())).collect()
}

#[test]
fn each_prefix_takes_the_highest_or_lowest_of_the_longest_matches() {
    let (a, b) = ([rate("44", "0.10"), rate("4420", "0.02")], [rate("44", "0.05"), rate("49", "0.03")]);
    let max = made(&rule(), &[&a, &b]);
    assert_eq!(max, pairs(&[("44", "0.10"), ("4420", "0.05"), ("49", "0.03")]));
    let min = made(&Derived { take: Take::Min, ..rule() }, &[&a, &b]);
    assert_eq!(min, pairs(&[("44", "0.05"), ("4420", "0.02"), ("49", "0.03")]));
}

#[test]
fn per_cents_then_a_fixed_amount_then_the_floor() {
    let rule = Derived {
        add: Percent::parse("10").unwrap(),
        add_fixed: money("0.001"),
        floor_per_minute: money("0.02"),
        ..rule()
    };
    let fee = Rate { connection_fee: money("1"), first_per_minute: Some(money("0.2")), ..rate("44", "0.1") };
    let made = rule.rates(&[&[fee, rate("49", "0.01")]]);
    assert_eq!((made[0].per_minute, made[0].first_per_minute), (money("0.111"), Some(money("0.221"))));
    assert_eq!((made[0].connection_fee, made[1].per_minute), (money("1.1"), money("0.02")));
    assert_eq!((made[0].minimum_s, made[0].increment_s, made[0].free_s), (30, 6, 0));
    let loss = Derived { add_fixed: money("-5"), ..Derived::default() };
    assert_eq!(loss.rates(&[&[rate("44", "1")]])[0].per_minute, Money::ZERO);
}

#[test]
fn a_blocked_source_does_not_count_and_all_blocked_is_blocked() {
    let shut = |prefix: &str| Rate { blocked: true, ..rate(prefix, "9") };
    let (a, b) = ([rate("44", "0.1"), shut("4420")], [rate("44", "0.2"), shut("4477")]);
    let c = [shut("4420")];
    assert_eq!(made(&rule(), &[&a, &b]), pairs(&[("44", "0.20"), ("4420", "0.20"), ("4477", "0.10")]));
    assert_eq!(made(&rule(), &[&a, &c]), pairs(&[("44", "0.10"), ("4420", "blocked")]));
}

#[test]
fn the_computed_deck_prices_every_moment_as_its_sources_do() {
    let at = WallTime::from_micros;
    let dated = |prefix: &str, price: &str, from, till: Option<i64>| Rate {
        from: at(from),
        till: till.map(at),
        ..rate(prefix, price)
    };
    let a = vec![dated("44", "0.1", 0, Some(50)), dated("44", "0.2", 30, None), dated("4420", "0.4", 10, Some(20))];
    let b = vec![dated("4", "0.15", 5, None), dated("442", "0.3", 40, Some(60))];
    let mut model = world();
    model.decks = vec![deck(1, a.clone()), deck(2, b.clone()), deck(3, rule().rates(&[&a, &b]))];
    model.plans.clear();
    let image = image(&model);
    let view = View::open(&image);
    for digits in ["4", "41", "44", "442", "4420", "44201", "49"] {
        for moment in 0..70 {
            let price = |deck| {
                view.deck(DeckId(deck)).unwrap().lookup(digits.as_bytes(), at(moment)).map(|rate| rate.terms.per_minute)
            };
            assert_eq!(price(3), price(1).max(price(2)), "{digits} at {moment}");
        }
    }
}

#[test]
fn the_computed_deck_prices_every_class_as_its_sources_do() {
    let classed = |prefix: &str, price: &str, hours, jurisdiction| Rate {
        class: RateClass { hours, jurisdiction },
        ..rate(prefix, price)
    };
    use Jurisdiction::{Any, Indeterminate, Inter, International, Intra};
    let a = vec![
        rate("1", "0.1"),
        classed("1", "0.3", Hours::Peak, Any),
        classed("1212", "0.2", Hours::Any, Intra),
        classed("1212", "0.9", Hours::Peak, Intra),
    ];
    let b =
        vec![rate("12", "0.15"), classed("12", "0.05", Hours::OffPeak, Inter), classed("13", "0.4", Hours::Any, Inter)];
    let peak = r#"{"peak":[{"days":["thu"],"from":"08:00","till":"20:00"}]}"#;
    let judged =
        |id, rates| Deck { by_jurisdiction: true, calendar: Calendar::from_text(peak).unwrap(), ..deck(id, rates) };
    let computed = rule().rates(&[&a, &b]);
    assert!(computed.windows(2).all(|pair| rating::diff::by_key(&pair[0], &pair[1]).is_lt()), "in order");
    let mut model = world();
    model.decks = vec![judged(1, a), judged(2, b), judged(3, computed)];
    model.plans.clear();
    let image = image(&model);
    let view = View::open(&image);
    // 1970 began with a Thursday: its first hours are off-peak, those from eight on are peak.
    for at in [0, 9 * 3_600].map(|second: i64| WallTime::from_micros(second * 1_000_000)) {
        for jurisdiction in [Any, Inter, Intra, Indeterminate, International] {
            for digits in ["1", "12", "121", "1212", "12125", "13", "131", "2"] {
                let when = When { at, jurisdiction };
                let found = |id| view.deck(DeckId(id)).unwrap().lookup(digits.as_bytes(), when);
                let price = |id| found(id).map(|rate| rate.terms.per_minute);
                assert_eq!(price(3), price(1).max(price(2)), "{digits} {jurisdiction} at {at:?}");
            }
        }
    }
}
