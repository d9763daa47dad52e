//! Routes: who is kept, who is dropped and why, and in what order the kept ones are tried.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use rating::{Destination, Policies, Routes, Rules, Verdict, outbound_number, quote, routes};
use snapshot::{Model, Order, Rate, View};
use units::{CarrierId, Cause, DeckId, EgressTrunkId, Money, PlanId, WallTime};
use world::{ask, deck_of, image, number, rate, trunk, way_out, world};

fn judged(model: &Model, seed: u64) -> (Result<(), Cause>, Routes) {
    let image = image(model);
    let mut out = Routes::default();
    let view = View::open(&image);
    let policies = Policies::compile(&view).unwrap();
    let found = routes(&view, &policies, &ask(seed), &mut out);
    (found, out)
}

fn kept(model: &Model, seed: u64) -> Vec<u32> {
    judged(model, seed).1.kept().iter().map(|candidate| candidate.egress.0).collect()
}

/// The dropped ones with their cause.
fn dropped(model: &Model) -> Vec<(u32, u16)> {
    let (_, routes) = judged(model, 1);
    let cause = |verdict| match verdict {
        Verdict::Dropped(cause) => cause.0,
        other => panic!("dropped, not {other:?}"),
    };
    routes.dropped().iter().map(|candidate| (candidate.egress.0, cause(candidate.verdict))).collect()
}

#[test]
fn the_cheapest_comes_first() {
    let mut model = world();
    for (id, price) in [(2, "0.5"), (3, "0.1"), (4, "0.3")] {
        way_out(&mut model, id, price);
    }
    assert_eq!(kept(&model, 1), [3, 4, 2]);
    let (found, routes) = judged(&model, 1);
    assert_eq!(found, Ok(()));
    let first = routes.kept()[0];
    assert_eq!((first.carrier, first.account.0, first.verdict), (CarrierId(3), 3, Verdict::Kept));
    assert_eq!(
        (first.margin, first.buy.unwrap().per_minute),
        (Money::parse("0.9").unwrap(), Money::parse("0.1").unwrap())
    );
    assert_eq!((first.buy.unwrap().deck, first.buy.unwrap().prefix_digits), (DeckId(3), 2));
}

#[test]
fn a_higher_priority_or_a_lower_weight_comes_before_the_price() {
    let mut model = world();
    for (id, price, priority, weight) in [(2, "0.5", 9, 3), (3, "0.1", 1, 2), (4, "0.3", 9, 1), (5, "0.2", -4, 2)] {
        let route = way_out(&mut model, id, price);
        (route.priority, route.weight) = (priority, weight);
    }
    assert_eq!(kept(&model, 1), [3, 5, 4, 2]);
    model.plans[0].order = Order::Priority;
    assert_eq!(kept(&model, 1), [4, 2, 3, 5]);
    model.plans[0].order = Order::Weight;
    assert_eq!(kept(&model, 1), [4, 3, 5, 2]);
}

#[test]
fn equals_fall_to_the_priority_and_then_to_chance() {
    let mut model = world();
    for id in 2..6 {
        way_out(&mut model, id, "0.5").priority = i16::from(id == 4);
    }
    let firsts: std::collections::BTreeSet<_> = (0..200).map(|seed| kept(&model, seed)).collect();
    assert!(firsts.iter().all(|order| order[0] == 4));
    assert_eq!(firsts.len(), 6, "all orders of the other three occur");
    assert_eq!(kept(&model, 77), kept(&model, 77), "one seed, one order");
}

#[test]
fn shares_are_kept_in_the_long_run_and_none_is_never_tried() {
    let mut model = world();
    for (id, percent) in [(2, 70), (3, 30), (4, 0)] {
        way_out(&mut model, id, "0.5").percent = percent;
    }
    model.plans[0].order = Order::Percent;
    assert_eq!(dropped(&model), [(4, 310)]);
    let firsts = (0..2_000).filter(|seed| kept(&model, *seed)[0] == 2).count();
    assert!((1_300..1_500).contains(&firsts), "{firsts} of 2,000 should be near 1,400");
    assert!((0..100).all(|seed| kept(&model, seed).len() == 2), "the other one is the next route");
}

#[test]
fn each_reason_has_its_cause() {
    let mut model = world();
    for id in 2..10 {
        way_out(&mut model, id, "0.5");
    }
    trunk(&mut model, 2).active = false;
    model.carriers[2].blocked = true;
    deck_of(&mut model, 4).rates = vec![rate("45", "0.5")];
    deck_of(&mut model, 5).rates[0].blocked = true;
    deck_of(&mut model, 6).rates[0].per_minute = Money::parse("1.01").unwrap();
    deck_of(&mut model, 7).rates[0].till = Some(WallTime::from_micros(1_000));
    let own = trunk(&mut model, 8);
    (own.carrier, own.account) = (CarrierId(1), units::AccountId(1));
    assert_eq!(dropped(&model), [(2, 309), (3, 311), (4, 405), (5, 331), (6, 324), (7, 405), (8, 339)]);
    assert_eq!(kept(&model, 1), [9]);
    let (_, routes) = judged(&model, 1);
    assert_eq!(routes.all().len(), 8);
    assert_eq!((routes.dropped()[0].buy, routes.dropped()[4].margin), (None, Money::parse("-0.01").unwrap()));
}

#[test]
fn the_margin_may_be_asked_for_or_given_away() {
    let mut model = world();
    way_out(&mut model, 2, "0.7");
    way_out(&mut model, 3, "0.701");
    model.plans[0].margin_min = Money::parse("0.3").unwrap();
    assert_eq!((kept(&model, 1), dropped(&model)), (vec![2], vec![(3, 324)]));
    deck_of(&mut model, 3).rates[0].per_minute = Money::parse("1.2").unwrap();
    model.plans[0].margin_min = Money::parse("-0.2").unwrap();
    assert_eq!(kept(&model, 1), [2, 3]);
}

#[test]
fn a_refusal_names_what_stopped_everyone_who_could_have_taken_the_call() {
    let mut model = world();
    assert_eq!(judged(&model, 1).0, Err(Cause::NO_TERMINATOR));
    way_out(&mut model, 2, "1.1");
    way_out(&mut model, 3, "0.5");
    trunk(&mut model, 3).active = false;
    assert_eq!(judged(&model, 1).0, Err(Cause::MARGIN_TOO_LOW));
    trunk(&mut model, 3).active = true;
    deck_of(&mut model, 3).rates[0].blocked = true;
    assert_eq!(judged(&model, 1).0, Err(Cause::NO_TERMINATOR));
    deck_of(&mut model, 2).rates[0].blocked = true;
    assert_eq!(judged(&model, 1).0, Err(Cause::BLOCKED_BY_TERMINATOR_DECK));
    deck_of(&mut model, 2).rates.clear();
    deck_of(&mut model, 3).rates.clear();
    assert_eq!(judged(&model, 1).0, Err(Cause::NO_TERMINATOR));
    let image = image(&model);
    let unknown = rating::Ask { plan: PlanId(9), ..ask(1) };
    assert_eq!(
        routes(&View::open(&image), &Policies::default(), &unknown, &mut Routes::default()),
        Err(Cause::PLAN_NOT_FOUND)
    );
}

#[test]
fn sixteen_are_kept_and_the_others_are_named() {
    let mut model = world();
    for id in 2..66 {
        way_out(&mut model, id, &format!("0.{id:02}"));
    }
    trunk(&mut model, 5).active = false;
    let (found, routes) = judged(&model, 1);
    assert_eq!(found, Ok(()));
    let ids: Vec<_> = routes.kept().iter().map(|candidate| candidate.egress.0).collect();
    assert_eq!(ids, (2..=18).filter(|id| *id != 5).collect::<Vec<_>>());
    assert_eq!((routes.dropped().len(), routes.all().len()), (48, 64));
    assert_eq!(routes.dropped()[0].verdict, Verdict::Surplus);
    assert_eq!((routes.dropped()[0].egress, routes.dropped()[46].egress), (EgressTrunkId(19), EgressTrunkId(65)));
    assert_eq!(routes.dropped()[47].verdict, Verdict::Dropped(Cause::INGRESS_TRUNK_INACTIVE));
}

#[test]
fn filling_again_forgets_what_was_there() {
    let (mut large, mut small) = (world(), world());
    for id in 2..20 {
        way_out(&mut large, id, "0.5");
    }
    way_out(&mut small, 2, "0.5");
    let (large, small) = (image(&large), image(&small));
    let mut out = Routes::default();
    routes(&View::open(&large), &Policies::default(), &ask(1), &mut out).unwrap();
    routes(&View::open(&small), &Policies::default(), &ask(1), &mut out).unwrap();
    assert_eq!((out.kept().len(), out.dropped().len()), (1, 0));
    routes(&View::open(&image(&world())), &Policies::default(), &ask(1), &mut out).unwrap_err();
    assert_eq!(out.all().len(), 0);
}

#[test]
fn a_sell_rate_is_quoted_by_longest_prefix_and_date() {
    let mut model = world();
    let later = Rate { from: WallTime::from_micros(50), ..rate("4420", "3") };
    deck_of(&mut model, 1).rates.extend([later, Rate { blocked: true, ..rate("449", "9") }]);
    let image = image(&model);
    let view = View::open(&image);
    let to = |called: &str| Destination { called: number(called), ..Destination::default() };
    let quoted = |called: &str, at| quote(&view, DeckId(1), &to(called), WallTime::from_micros(at));
    assert_eq!(quoted("442071838750", 49).unwrap().per_minute, Money::parse("1").unwrap());
    assert_eq!(quoted("+442071838750", 50).unwrap().per_minute, Money::parse("3").unwrap());
    assert_eq!(quoted("4499", 0), Err(Cause::BLOCKED_BY_ORIGINATOR_DECK));
    assert_eq!(quoted("1", 0), Err(Cause::ORIGINATOR_RATE_NOT_FOUND));
    assert_eq!(quote(&view, DeckId(9), &to("44"), WallTime::from_micros(0)), Err(Cause::ORIGINATOR_RATE_NOT_FOUND));
}

#[test]
fn the_number_goes_out_as_the_trunk_wants_it() {
    let mut model = world();
    way_out(&mut model, 2, "0.5");
    let mut sent = |strip, add: &str, called: &str| {
        let trunk = trunk(&mut model, 2);
        (trunk.strip_digits, trunk.add_prefix) = (strip, add.into());
        let image = image(&model);
        let view = View::open(&image);
        outbound_number(&view.egress(EgressTrunkId(2)).unwrap(), &Rules::default(), &number(called))
            .map(|number| number.as_str().to_owned())
    };
    assert_eq!(sent(0, "", "442071").as_deref(), Some("442071"));
    assert_eq!(sent(2, "0", "442071").as_deref(), Some("02071"));
    assert_eq!(sent(2, "+44", "442071").as_deref(), Some("+442071"));
    assert_eq!(sent(6, "", "442071"), None);
    assert_eq!(sent(7, "9", "442071"), None);
    assert_eq!(sent(0, "1234567890123456789012345678901234567", "442071"), None);
}
