//! Replay: a record decided on one copy of a snapshot comes out the same on another, and what was changed is named.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use rating::decision::{decode, encode};
use rating::replay::{Difference, Repeater, price};
use rating::{Ask, Charge, Policies, Routes, charge, quote, routes};
use snapshot::{Model, Order, View};
use units::{DeckId, Money, Revision};
use world::{ask, deck_of, image, trunk, way_out, world};

fn plain(count: u32) -> Model {
    let mut model = world();
    for id in 2..2 + count {
        way_out(&mut model, id, &format!("0.{id:02}7"));
    }
    model
}

/// What the node recorded of a call that was decided on this model.
fn recorded(model: &Model, seed: u64) -> Vec<u8> {
    let image = image(model);
    let view = View::open(&image);
    let asked = ask(seed);
    let sell = quote(&view, DeckId(1), &asked.destination(), asked.at).unwrap();
    let asked = Ask { sell, ..asked };
    let (mut found, mut bytes) = (Routes::default(), Vec::new());
    routes(&view, &Policies::default(), &asked, &mut found).unwrap();
    encode(view.revision(), &asked, &found, &mut bytes);
    bytes
}

/// What another machine says to the record of `before` with the snapshot of `after`.
fn again(before: &Model, after: &Model) -> Vec<Difference> {
    let bytes = recorded(before, 7);
    let image = image(after);
    Repeater::default().repeat(&View::open(&image), &Policies::default(), &bytes, &decode(&bytes).unwrap())
}

fn told(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(|one| format!("{}: {} → {}", one.input, one.recorded, one.repeated)).collect()
}

#[test]
fn every_order_comes_out_the_same_on_a_copy() {
    for order in [Order::Lcr, Order::Priority, Order::Weight, Order::Percent] {
        let mut model = plain(9);
        model.plans[0].order = order;
        for (place, route) in model.plans[0].routes.iter_mut().enumerate() {
            (route.percent, route.weight) = (place as u8 * 3, place as u16 / 2);
        }
        let image = image(&model);
        let copy = image.clone();
        let mut repeater = Repeater::default();
        for seed in 0..200 {
            let bytes = recorded(&model, seed);
            let found = repeater.repeat(&View::open(&copy), &Policies::default(), &bytes, &decode(&bytes).unwrap());
            assert_eq!(told(&found), [""; 0]);
        }
    }
}

#[test]
fn a_changed_buy_rate_is_named_with_its_deck_and_what_follows_from_it() {
    let mut after = plain(3);
    deck_of(&mut after, 2).rates[0].per_minute = Money::parse("0.5").unwrap();
    assert_eq!(
        told(&again(&plain(3), &after)),
        [
            "out-2: buy rate in deck-2: price of a minute: 0.027 → 0.50",
            "out-2: margin: 0.973 → 0.50",
            "order: out-2, out-3, out-4 → out-3, out-4, out-2",
        ]
    );
}

#[test]
fn a_changed_sell_rate_is_named() {
    let mut after = plain(1);
    after.decks[0].rates[0].increment_s = 30;
    assert_eq!(told(&again(&plain(1), &after)), ["sell rate in deck-1: minimum/increment/free: 1/1/0 → 1/30/0"]);
    after.decks[0].rates.clear();
    assert_eq!(told(&again(&plain(1), &after))[0].split(" →").next(), Some("sell rate in deck-1: 1.00 USD a minute"));
}

#[test]
fn a_trunk_that_was_switched_off_is_named_with_its_verdict() {
    let mut after = plain(2);
    trunk(&mut after, 2).active = false;
    let found = told(&again(&plain(2), &after));
    assert!(found.iter().any(|line| line.starts_with("out-2: verdict: kept →")), "{found:?}");
    assert!(found.contains(&"order: out-2, out-3 → out-3".to_owned()), "{found:?}");
}

#[test]
fn a_route_that_came_or_went_is_named() {
    let found = told(&again(&plain(2), &plain(3)));
    assert_eq!(found, ["candidate out-4: not in the plan → kept", "order: out-2, out-3 → out-2, out-3, out-4"]);
    let found = told(&again(&plain(3), &plain(2)));
    assert!(found[0].starts_with("candidate egress trunk 4: kept → not in the plan"), "{found:?}");
}

#[test]
fn another_revision_is_named_and_nothing_else() {
    let mut after = plain(2);
    after.revision = Revision(2);
    assert_eq!(told(&again(&plain(2), &after)), ["revision: 1 → 2"]);
}

#[test]
fn a_price_is_computed_again() {
    let terms = ask(1).sell;
    let right = charge(&terms, 61_200);
    assert_eq!(price("sell", &terms, 61_200, right), None);
    let wrong = Charge { price: Money::parse("1").unwrap(), ..right };
    let found = price("sell", &terms, 61_200, wrong).unwrap();
    assert_eq!((found.input.as_str(), found.recorded.as_str()), ("sell price", "1.00 for 62 s"));
    assert_eq!(found.repeated, "1.033333 for 62 s");
}
