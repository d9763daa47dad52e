//! Decks and accounts of several currencies: what is sold and bought at, what is left, and which deck comes first.
#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod world;

use rating::decision::{decode, encode};
use rating::{Ask, Policies, Routes, rerate, routes, sell};
use snapshot::{ExchangeRate, Model, Rate, View};
use units::{AccountId, Cause, Currency, DeckId, IngressTrunkId, Money, Terms, WallTime};
use world::{ask, deck, deck_of, image, number, rate, trunk, way_in, way_out, world};

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

/// Carrier 1 pays in US dollars from a deck in euros; a euro is worth 1.25 dollars, a pound 1.5.
fn three_currencies() -> Model {
    let mut model = world();
    way_in(&mut model, 1, &["10.0.0.0/8"], "");
    for (code, value) in [("USD", "0.8"), ("EUR", "1"), ("GBP", "1.2")] {
        let (currency, value) = (Currency::parse(code).unwrap(), money(value));
        model.exchange_rates.push(ExchangeRate { currency, from: WallTime::from_micros(0), value });
    }
    model.decks[0].currency = Currency::parse("EUR").unwrap();
    for (id, code, price) in [(2, "GBP", "0.7"), (3, "USD", "1.0"), (4, "EUR", "0.81")] {
        way_out(&mut model, id, price);
        deck_of(&mut model, id).currency = Currency::parse(code).unwrap();
    }
    model
}

fn sold(model: &Model, called: &str) -> Result<Terms, Cause> {
    let image = image(model);
    let payer = (IngressTrunkId(1), AccountId(1));
    sell(&View::open(&image), payer, DeckId(1), &number(called).into(), WallTime::from_micros(1_000))
}

fn judged(model: &Model) -> (Ask, Routes) {
    let image = image(model);
    let view = View::open(&image);
    let question = Ask { sell: sold(model, "442071838750").unwrap(), ..ask(1) };
    let mut out = Routes::default();
    routes(&view, &Policies::compile(&view).unwrap(), &question, &mut out).unwrap();
    (question, out)
}

#[test]
fn a_quote_counts_in_the_currency_of_the_account() {
    let terms = sold(&three_currencies(), "442071838750").unwrap();
    assert_eq!((terms.per_minute, terms.exchange), (money("1"), 1_250_000_000));
    assert_eq!((terms.deck_currency.as_str(), terms.currency.as_str()), ("EUR", "USD"));
    assert_eq!(rating::charge(&terms, 60_000).price, money("1.25"));
}

#[test]
fn carriers_are_compared_in_the_originators_currency() {
    let (question, found) = judged(&three_currencies());
    let told: Vec<_> = found.kept().iter().map(|kept| (kept.egress.0, kept.margin.to_string())).collect();
    // 1.00 USD, 0.81 EUR and 0.70 GBP cost 1.00, 1.0125 and 1.05 dollars of the 1.25 that the minute is sold at.
    assert_eq!(told, [(3, "0.25".into()), (4, "0.2375".into()), (2, "0.20".into())]);
    let mut record = Vec::new();
    encode(units::Revision(1), &question, &found, &mut record);
    assert_eq!(decode(&record).unwrap().candidates, found.all());
}

#[test]
fn the_margin_guard_counts_in_the_originators_currency() {
    let mut model = three_currencies();
    model.plans[0].margin_min = money("0.23");
    let (_, found) = judged(&model);
    assert_eq!(found.kept().iter().map(|kept| kept.egress.0).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn an_override_deck_comes_first_where_it_has_a_rate_in_force() {
    let mut model = three_currencies();
    let over = Rate { from: WallTime::from_micros(500), ..rate("4420", "0.2") };
    let late = Rate { from: WallTime::from_micros(5_000), ..rate("4421", "0.3") };
    model.decks.push(deck(9, vec![over, late, Rate { blocked: true, ..rate("4429", "0") }]));
    model.ingress_trunks[0].override_deck = Some(DeckId(9));
    let per_minute = |called: &str| sold(&model, called).map(|terms| (terms.deck.0, terms.per_minute));
    assert_eq!(per_minute("442071838750"), Ok((9, money("0.2"))));
    assert_eq!(per_minute("442171838750"), Ok((1, money("1"))));
    assert_eq!(per_minute("442900000000"), Err(Cause::BLOCKED_BY_ORIGINATOR_DECK));
    assert_eq!(per_minute("4930"), Err(Cause::ORIGINATOR_RATE_NOT_FOUND));
}

#[test]
fn a_terminators_override_deck_comes_before_its_buy_deck() {
    let mut model = three_currencies();
    model.decks.push(deck(9, vec![rate("4420", "0.1")]));
    trunk(&mut model, 2).override_deck = Some(DeckId(9));
    let (_, found) = judged(&model);
    let first = found.kept()[0];
    assert_eq!((first.egress.0, first.buy.unwrap().deck.0, first.margin), (2, 9, money("1.15")));
}

#[test]
fn a_call_that_is_priced_once_more_keeps_the_exchange_of_its_day() {
    let mut model = three_currencies();
    let charged = sold(&model, "442071838750").unwrap();
    model.decks[0].rates[0].per_minute = money("0.8");
    // Somebody has changed what a euro was worth then, too.
    model.exchange_rates[1].value = money("1.6");
    model.decks.push(deck(9, vec![rate("4420", "0.3"), Rate { blocked: true, ..rate("4421", "0.3") }]));
    let image = image(&model);
    let view = View::open(&image);
    let again = |deck: u32, called: &str| {
        let to = number(called).into();
        let found = rerate(&view, DeckId(deck), &charged, &to, (WallTime::from_micros(1_000), 60_000));
        found.map(|(terms, charge)| (terms.currency.as_str().to_owned(), charge.price))
    };
    assert_eq!(again(1, "442071838750"), Ok(("USD".into(), money("1"))), "0.8 EUR at 1.25");
    assert_eq!(again(9, "442071838750"), Ok(("USD".into(), money("0.3"))), "a deck in dollars");
    assert_eq!(again(9, "4421"), Err(Cause::BLOCKED_BY_ORIGINATOR_DECK));
    assert_eq!(again(9, "33"), Err(Cause::ORIGINATOR_RATE_NOT_FOUND));
    model.decks[0].currency = Currency::parse("GBP").unwrap();
    let image = world::image(&model);
    let (to, at) = (number("44").into(), (WallTime::from_micros(1_000), 60_000));
    let pounds = rerate(&View::open(&image), DeckId(1), &charged, &to, at).unwrap();
    assert_eq!(pounds.1.price, money("1.2"), "0.8 GBP at what they were worth: 1.5");
}
