//! What a sheet does to the deck that stands, and how decks are turned into each other.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use proptest::prelude::*;
use rating::deck::merge::{Dates, Line, Merged, Missing, country_code, counts, merge};
use rating::deck::{Options, Status, read};
use rating::diff::{ChangeKind, apply, by_key, by_line, edits};
use snapshot::Rate;
use units::{Money, RateClass, WallTime};
use world::rate;

const NOW: WallTime = WallTime::from_micros(1_000_000);

/// A rate from the tenth microsecond on.
fn old(prefix: &str, price: &str) -> Rate {
    Rate { from: WallTime::from_micros(10), ..rate(prefix, price) }
}

fn over(deck: &[Rate], sheet: &str, missing: Missing) -> Merged {
    let options = Options { from: NOW, ..Options::default() };
    merge(deck.to_vec(), &read(sheet, &options), missing, &Dates { now: NOW, from: NOW, ..Dates::default() })
}

/// Prefix, price, beginning and end of all rates afterwards.
fn shown(merged: &Merged) -> Vec<String> {
    let end = |till: Option<WallTime>| till.map_or(String::new(), |till| till.micros().to_string());
    let one = |rate: &Rate| format!("{} {} {}..{}", rate.prefix, rate.per_minute, rate.from.micros(), end(rate.till));
    merged.rates.iter().map(one).collect()
}

fn kinds(merged: &Merged) -> Vec<ChangeKind> {
    merged.lines.iter().map(|line| line.kind).collect()
}

#[test]
fn a_rate_follows_the_old_one_at_its_moment_and_the_same_rate_goes_on() {
    let deck = [old("33", "1"), old("44", "1"), old("49", "1")];
    let merged = over(&deck, "code,rate,effective\n44,2,1970-01-02\n33,1,\n49,0.5,\n7,1,\n", Missing::Stays);
    let day = 86_400_000_000_i64;
    let wanted = [
        "33 1.00 10..".to_owned(),
        "44 1.00 10..".to_owned(),
        format!("44 2.00 {day}.."),
        "49 1.00 10..".to_owned(),
        "49 0.50 1000000..".to_owned(),
        "7 1.00 1000000..".to_owned(),
    ];
    assert_eq!(shown(&merged), wanted);
    use ChangeKind::{Decrease, Increase, New, Unchanged};
    assert_eq!(kinds(&merged), [Unchanged, Increase, Decrease, New]);
}

#[test]
fn what_is_missing_closes_in_a_whole_sheet_in_listed_countries_or_not_at_all() {
    let deck = [old("3361", "1"), old("4420", "1"), old("4477", "1"), old("49", "1")];
    let sheet = "code,rate\n4477,1\n";
    let open = |missing| {
        let merged = over(&deck, sheet, missing);
        assert!(merged.rates.iter().all(|rate| rate.till.is_none() || rate.till == Some(NOW)), "{merged:?}");
        merged.rates.into_iter().filter(|rate| rate.till.is_none()).map(|rate| rate.prefix).collect::<Vec<_>>()
    };
    assert_eq!(open(Missing::Closed), ["4477"]);
    assert_eq!(open(Missing::ClosedInCountry), ["3361", "4477", "49"]);
    assert_eq!(open(Missing::Stays), ["3361", "4420", "4477", "49"]);
    let codes = ["14155551234", "7495", "4420", "35312", "8821", "2", ""];
    assert_eq!(codes.map(country_code), ["1", "7", "44", "353", "882", "2", ""]);
}

#[test]
fn a_code_of_a_row_with_a_problem_stays_whatever_is_missing() {
    let merged = over(&[old("44", "1"), old("49", "1")], "code,rate\n44,cheap\n33,1\n", Missing::Closed);
    assert_eq!(shown(&merged), ["33 1.00 1000000..", "44 1.00 10..", "49 1.00 10..1000000"]);
}

#[test]
fn a_closed_code_ends_at_its_date_and_a_blocked_one_refuses() {
    let deck = [old("44", "1"), old("49", "1")];
    let merged = over(&deck, "code,rate,effective,status\n44,,1970-01-02,Closed\n49,1,,Blocked\n", Missing::Stays);
    assert_eq!(kinds(&merged), [ChangeKind::Closed, ChangeKind::Blocked]);
    assert_eq!(merged.rates[0].till, Some(WallTime::from_micros(86_400_000_000)));
    assert!(merged.rates.last().unwrap().blocked);
}

#[test]
fn a_later_rate_of_the_deck_gives_way_and_one_already_closed_is_no_change() {
    let later = Rate { from: WallTime::from_micros(9_000_000), ..rate("44", "3") };
    let ended = Rate { till: Some(WallTime::from_micros(500)), ..old("49", "1") };
    let merged = over(&[old("44", "1"), later, ended], "code,rate\n44,2\n", Missing::Closed);
    assert_eq!(shown(&merged), ["44 1.00 10..", "44 2.00 1000000..", "49 1.00 10..500"]);
    assert_eq!(kinds(&merged), [ChangeKind::Increase]);
}

#[test]
fn increases_and_decreases_without_a_date_begin_when_the_title_says() {
    let text = "Increases from 1970-01-11 and decreases from 1970-01-06\ncode,rate\n1,2\n2,0.5\n3,1\n";
    let merged = over(&[old("1", "1"), old("2", "1")], text, Missing::Stays);
    let days: Vec<_> = merged.lines.iter().map(|line| line.at.micros() / 86_400_000_000).collect();
    assert_eq!(days, [10, 5, 0]);
}

#[test]
fn a_carriers_word_that_is_not_so_is_listed() {
    let text = "code,rate,change\n1,2,Increase\n2,2,Decrease\n3,1,Unchanged\n4,1,New\n";
    let merged = over(&[old("1", "1"), old("2", "1"), old("3", "1"), old("4", "1")], text, Missing::Stays);
    let listed: Vec<(u32, Status)> = merged.lines.iter().filter_map(|line| Some((line.row, line.disagrees?))).collect();
    assert_eq!(listed, [(3, Status::Decrease), (5, Status::New)]);
    let counted = counts(&merged.lines);
    assert_eq!((counted.increased, counted.unchanged, counted.new), (2, 2, 0));
}

fn decks() -> impl Strategy<Value = Vec<Rate>> {
    let one = ("[1-3]{1,3}", 0_i64..4, 0_i64..3, proptest::bool::ANY, (0_u8..3, 0_u8..3));
    proptest::collection::vec(one, 0..30).prop_map(|rows| {
        let mut rates: Vec<Rate> = rows
            .into_iter()
            .map(|(prefix, from, price, blocked, (hours, jurisdiction))| Rate {
                class: RateClass::from_code(hours | jurisdiction << 4).unwrap(),
                from: WallTime::from_micros(from),
                per_minute: Money::from_nanos(price),
                blocked,
                ..rate(&prefix, "0")
            })
            .collect();
        rates.sort_by(by_key);
        rates.dedup_by(|a, b| by_key(a, b).is_eq());
        rates
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_edits_between_two_decks_make_one_out_of_the_other_and_back(a in decks(), b in decks()) {
        prop_assert_eq!(&apply(&a, &edits(&a, &b)), &b);
        prop_assert_eq!(&apply(&b, &edits(&b, &a)), &a);
        prop_assert_eq!(edits(&a, &a), Default::default());
    }

    #[test]
    fn after_a_whole_sheet_every_code_costs_what_the_sheet_says(a in decks(), b in decks()) {
        let mut text = String::from("code,hours,jurisdiction,rate,blocked\n");
        let mut wanted: Vec<Rate> = b;
        wanted.dedup_by(|later, first| by_line(later, first).is_eq());
        for rate in &wanted {
            let RateClass { hours, jurisdiction } = rate.class;
            let (prefix, price, blocked) = (&rate.prefix, rate.per_minute, u8::from(rate.blocked));
            text.push_str(&format!("{prefix},{hours},{jurisdiction},{price},{blocked}\n"));
        }
        let merged = over(&a, &text, Missing::Closed);
        prop_assert!(merged.rates.windows(2).all(|pair| by_key(&pair[0], &pair[1]).is_lt()));
        let in_force = |of: &Rate| {
            let mut all = merged.rates.iter().filter(|rate| by_line(rate, of).is_eq() && rate.from <= NOW);
            all.rfind(|rate| rate.till.is_none_or(|till| NOW < till)).map(|rate| (rate.per_minute, rate.blocked))
        };
        for rate in &wanted {
            prop_assert_eq!(in_force(rate), Some((rate.per_minute, rate.blocked)));
        }
        for rate in a.iter().filter(|rate| wanted.iter().all(|other| by_line(other, rate).is_ne())) {
            prop_assert_eq!(in_force(rate), None);
        }
        let lines: Vec<Line> = merged.lines;
        prop_assert!(lines.iter().all(|line| line.old.is_some() || line.new.is_some()));
    }
}
