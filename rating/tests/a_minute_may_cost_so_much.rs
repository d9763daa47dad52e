//! Ceilings on what a minute of a call may cost: the originator's, and ours at a terminator.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use rating::decision::{decode, encode};
use rating::replay::Repeater;
use rating::whatif::{Fate, Past, WhatIf};
use rating::{Ask, Policies, Reason, Routes, Verdict, dearest, routes, sell};
use snapshot::{ExchangeRate, Model, View};
use units::{AccountId, Cause, Currency, DeckId, EgressTrunkId, IngressTrunkId, Money, WallTime};
use world::{ask, deck_of, image, way_in, way_out, world};

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

/// Calls are sold at 1 a minute and bought at 0.4, 0.5 and 0.6; a trunk with these ceilings.
fn world_with(sell_max: &str, buy_max: &str) -> Model {
    let mut model = world();
    let prices = &mut way_in(&mut model, 1, &["10.0.0.0/8"], "").policy.prices;
    (prices.sell_per_minute_max, prices.buy_per_minute_max) = (sell_max.into(), buy_max.into());
    for (id, price) in [(2, "0.4"), (3, "0.5"), (4, "0.6")] {
        way_out(&mut model, id, price);
    }
    model
}

fn asked(model: &Model) -> Ask {
    let (image, ask) = (image(model), ask(1));
    let payer = (IngressTrunkId(1), AccountId(1));
    Ask { sell: sell(&View::open(&image), payer, DeckId(1), &ask.destination(), ask.at).unwrap(), ..ask }
}

fn judged(model: &Model) -> (Result<(), Cause>, Routes) {
    let image = image(model);
    let view = View::open(&image);
    let mut out = Routes::default();
    let outcome = routes(&view, &Policies::compile(&view).unwrap(), &asked(model), &mut out);
    (outcome, out)
}

/// Why there is no route, the trunks that are tried, and why the others are not.
type Told = (Option<u16>, Vec<u32>, Vec<(u16, Option<Reason>)>);

fn told(model: &Model) -> Told {
    let (outcome, found) = judged(model);
    let dropped = found.dropped().iter().map(|candidate| match candidate.verdict {
        Verdict::Dropped(cause) => (cause.0, candidate.reason),
        other => panic!("dropped, not {other:?}"),
    });
    let kept = found.kept().iter().map(|candidate| candidate.egress.0).collect();
    (outcome.err().map(|cause| cause.0), kept, dropped.collect())
}

#[test]
fn a_call_that_is_sold_above_the_ceiling_is_refused_with_its_own_cause() {
    assert_eq!(told(&world_with("1", "")), (None, vec![2, 3, 4], vec![]), "a minute may cost the ceiling itself");
    let reason = Reason::SellCeiling(money("0.999999999"));
    assert_eq!(told(&world_with("0.999999999", "")), (Some(340), vec![], vec![(340, Some(reason)); 3]));
    assert_eq!(reason.to_string(), "a minute may cost the originator 0.999999999 at most");
    let mut free = world_with("0", "");
    assert_eq!(told(&free).0, Some(340), "nothing but free calls");
    free.decks[0].rates[0].per_minute = Money::ZERO;
    free.plans[0].margin_min = money("-9");
    assert_eq!(told(&free).0, None);
}

#[test]
fn routes_above_the_ceiling_are_not_tried() {
    let reason = Some(Reason::BuyCeiling(money("0.5")));
    assert_eq!(told(&world_with("", "0.5")), (None, vec![2, 3], vec![(428, reason)]));
    assert_eq!(told(&world_with("", "0.3")).0, Some(428));
    assert_eq!(told(&world_with("0.9", "0.3")).0, Some(340), "what the originator pays comes first");
    let mut model = world_with("", "0.5");
    model.plans[0].margin_min = money("0.55");
    let causes: Vec<u16> = told(&model).2.iter().map(|(cause, _)| *cause).collect();
    assert_eq!(causes, [324, 428], "a dear route is dear before its margin is too low");
}

#[test]
fn the_dearer_of_the_minutes_within_and_after_the_minimum_counts() {
    let mut model = world_with("1.5", "0.5");
    for (deck, first) in [(1, "2"), (2, "0.51")] {
        let rate = &mut deck_of(&mut model, deck).rates[0];
        (rate.first_per_minute, rate.minimum_s) = (Some(money(first)), 0);
    }
    assert_eq!(told(&model).1, [2, 3], "without a minimum no second has the first price");
    deck_of(&mut model, 2).rates[0].minimum_s = 1;
    assert_eq!(told(&model).1, [3]);
    deck_of(&mut model, 1).rates[0].minimum_s = 30;
    assert_eq!((told(&model).0, dearest(&asked(&model).sell)), (Some(340), money("2")));
    deck_of(&mut model, 1).rates[0].first_per_minute = Some(money("0.2"));
    assert_eq!((told(&model).0, dearest(&asked(&model).sell)), (None, money("1")));
}

#[test]
fn ceilings_count_in_the_currency_of_the_account_that_pays() {
    let mut model = world_with("1.25", "0.5");
    for (code, value) in [("USD", "0.8"), ("EUR", "1")] {
        let (currency, value) = (Currency::parse(code).unwrap(), money(value));
        model.exchange_rates.push(ExchangeRate { currency, from: WallTime::from_micros(0), value });
    }
    for deck in [1, 2, 3] {
        deck_of(&mut model, deck).currency = Currency::parse("EUR").unwrap();
    }
    // 1 EUR is 1.25 USD; 0.4 EUR are 0.50 USD and 0.5 EUR are 0.625.
    assert_eq!((told(&model).0, told(&model).1), (None, vec![2]));
    model.ingress_trunks[0].policy.prices.sell_per_minute_max = "1.249".into();
    assert_eq!(told(&model).0, Some(340));
}

#[test]
fn the_record_says_it_and_comes_out_the_same_again() {
    for (sell_max, buy_max) in [("0.9", ""), ("", "0.5")] {
        let model = world_with(sell_max, buy_max);
        let ((_, found), question) = (judged(&model), asked(&model));
        let mut bytes = Vec::new();
        encode(model.revision, &question, &found, &mut bytes);
        let read = decode(&bytes).unwrap();
        assert_eq!((&read.ask, &read.candidates[..]), (&question, found.all()));
        let image = image(&model);
        let view = View::open(&image);
        let again = Repeater::default().repeat(&view, &Policies::compile(&view).unwrap(), &bytes, &read);
        assert_eq!(again, []);
    }
}

#[test]
fn yesterdays_calls_are_decided_under_a_new_ceiling() {
    let (before, draft) = (world_with("", ""), world_with("0.9", ""));
    let (_, found) = judged(&before);
    let mut bytes = Vec::new();
    encode(before.revision, &asked(&before), &found, &mut bytes);
    let mut past = Past::default();
    past.add(&decode(&bytes).unwrap(), EgressTrunkId(2), Some(60_000));
    let image = image(&draft);
    let view = View::open(&image);
    let fate = WhatIf::default().decide(&view, &Policies::compile(&view).unwrap(), &past, &past.calls[0]);
    assert_eq!(fate, Fate::Blocked(Cause::ORIGINATOR_PRICE));
}
