//! United States jurisdiction and ported numbers: the table of truth cell by cell, and what follows for rates and routes.
#![allow(clippy::unwrap_used, reason = "a story that cannot be told fails")]

mod world;

use rating::{Admission, Arrival, Destination, Policies, Routes, admit, judge, quote, routes, state_of};
use snapshot::{Deck, Model, Plan, Rate, View, Way};
use units::{Cause, DeckId, Hours, Jurisdiction, Money, Number, PlanId, RateClass, WallTime};
use world::{arrival, ask, deck, deck_of, image, number, rate, way_in, way_out, world};

use Jurisdiction::{Indeterminate, Inter, International, Intra};

const UK: &str = "+442071838750";
const NEW_YORK: &str = "12125550100";
const SYRACUSE: &str = "+13155550100";
const CHICAGO: &str = "12245550100";

#[test]
fn the_table_of_truth() {
    let callers = [UK, NEW_YORK, SYRACUSE, CHICAGO, "", "anonymous", "0123"];
    for (destination, expected) in [
        (UK, [International; 7]),
        (NEW_YORK, [Indeterminate, Intra, Intra, Inter, Indeterminate, Indeterminate, Indeterminate]),
        (SYRACUSE, [Indeterminate, Intra, Intra, Inter, Indeterminate, Indeterminate, Indeterminate]),
        (CHICAGO, [Indeterminate, Inter, Inter, Intra, Indeterminate, Indeterminate, Indeterminate]),
    ] {
        for (caller, expected) in callers.into_iter().zip(expected) {
            assert_eq!(judge(&number(caller), &number(destination)), expected, "{caller} to {destination}");
        }
    }
}

#[test]
fn other_countries_of_the_numbering_plan_are_abroad_and_territories_are_states() {
    for (caller, destination, expected) in [
        (NEW_YORK, "14165550100", International),
        ("14165550100", "14165550100", International),
        ("14165550100", NEW_YORK, Indeterminate),
        (NEW_YORK, "18765550100", International),
        (NEW_YORK, "17875550100", Inter),
        ("19395550100", "17875550100", Intra),
        (NEW_YORK, "18005550100", Indeterminate),
        ("18005550100", NEW_YORK, Indeterminate),
        (NEW_YORK, "19995550100", Indeterminate),
        // No exchange begins with 0 or 1, and no number has other than ten digits after the 1.
        ("12120550100", NEW_YORK, Indeterminate),
        ("2125550100", NEW_YORK, Indeterminate),
        (NEW_YORK, "1212555010", Indeterminate),
    ] {
        assert_eq!(judge(&number(caller), &number(destination)), expected, "{caller} to {destination}");
    }
    assert_eq!((state_of(&number(SYRACUSE)), state_of(&number(UK))), (Some("NY"), None));
    assert_eq!(state_of(&number("18085550100")), Some("HI"));
}

fn classed(prefix: &str, per_minute: &str, jurisdiction: Jurisdiction) -> Rate {
    Rate { class: RateClass { hours: Hours::Any, jurisdiction }, ..rate(prefix, per_minute) }
}

/// One trunk from anywhere; its deck has a price for each jurisdiction and for 1312 a dear one.
fn america() -> Model {
    let mut model = world();
    way_in(&mut model, 1, &["0.0.0.0/0"], "").policy.portability.accept = true;
    *deck_of(&mut model, 1) = Deck {
        by_jurisdiction: true,
        ..deck(
            1,
            vec![rate("1", "4"), classed("1", "1", Inter), classed("1", "2", Intra), classed("1", "3", Indeterminate)],
        )
    };
    model
}

fn admitted(model: &Model, calling: &str, called: &str, lrn: &str) -> (Result<(), Cause>, Admission) {
    let image = image(model);
    let view = View::open(&image);
    let mut out = Admission::default();
    let arrival = Arrival { calling: number(calling), lrn: number(lrn), ..arrival("10.0.0.1:5060", called) };
    (admit(&view, &Policies::compile(&view).unwrap(), &arrival, &mut out), out)
}

fn sold(model: &Model, calling: &str, called: &str, lrn: &str) -> (Jurisdiction, Result<Money, Cause>) {
    let (_, admission) = admitted(model, calling, called, lrn);
    let image = image(model);
    let found = quote(&View::open(&image), admission.sell_deck, &admission.destination(), WallTime::from_micros(1_000));
    (admission.jurisdiction, found.map(|terms| terms.per_minute))
}

fn dollars(whole: i64) -> Result<Money, Cause> {
    Ok(Money::from_nanos(whole * 1_000_000_000))
}

#[test]
fn a_call_is_sold_by_its_jurisdiction() {
    let model = america();
    assert_eq!(sold(&model, CHICAGO, NEW_YORK, ""), (Inter, dollars(1)));
    assert_eq!(sold(&model, SYRACUSE, NEW_YORK, ""), (Intra, dollars(2)));
    assert_eq!(sold(&model, UK, NEW_YORK, ""), (Indeterminate, dollars(3)));
    assert_eq!(sold(&model, NEW_YORK, "14165550100", ""), (International, dollars(4)));
    let mut model = model;
    deck_of(&mut model, 1).by_jurisdiction = false;
    assert_eq!(sold(&model, SYRACUSE, NEW_YORK, ""), (Intra, dollars(4)));
}

#[test]
fn a_ported_number_is_judged_where_it_was_ported_to() {
    let mut model = america();
    assert_eq!(sold(&model, CHICAGO, NEW_YORK, "+13125550000"), (Intra, dollars(2)));
    model.ingress_trunks[0].policy.portability.accept = false;
    assert_eq!(sold(&model, CHICAGO, NEW_YORK, "+13125550000"), (Inter, dollars(1)));
}

#[test]
fn only_decks_that_ask_for_it_look_up_by_the_routing_number() {
    let mut model = america();
    deck_of(&mut model, 1).rates = vec![rate("1212", "5"), rate("1312", "6")];
    assert_eq!(sold(&model, CHICAGO, NEW_YORK, "13125550000").1, dollars(5));
    deck_of(&mut model, 1).by_lrn = true;
    assert_eq!(sold(&model, CHICAGO, NEW_YORK, "13125550000").1, dollars(6));
    assert_eq!(sold(&model, CHICAGO, NEW_YORK, "").1, dollars(5));
    assert_eq!(sold(&model, CHICAGO, NEW_YORK, "14155550000").1, Err(Cause::ORIGINATOR_RATE_NOT_FOUND));
}

#[test]
fn the_cheapest_is_found_over_decks_of_both_kinds() {
    let mut model = world();
    for (id, by_lrn, dialled, ported) in [(2, true, "0.1", "0.5"), (3, false, "0.3", "0.01"), (4, true, "0.9", "0.2")] {
        way_out(&mut model, id, "0");
        *deck_of(&mut model, id) = Deck { by_lrn, ..deck(id, vec![rate("1212", dialled), rate("1312", ported)]) };
    }
    let image = image(&model);
    let order = |lrn: Number| {
        let mut out = Routes::default();
        let asked = rating::Ask { called: number(NEW_YORK), lrn, jurisdiction: Inter, ..ask(1) };
        routes(&View::open(&image), &Policies::default(), &asked, &mut out).unwrap();
        out.kept().iter().map(|kept| (kept.egress.0, kept.buy.unwrap().per_minute)).collect::<Vec<_>>()
    };
    let cents = |cents: i64| Money::from_nanos(cents * 10_000_000);
    assert_eq!(order(Number::EMPTY), [(2, cents(10)), (3, cents(30)), (4, cents(90))]);
    assert_eq!(order(number("13125550000")), [(4, cents(20)), (3, cents(30)), (2, cents(50))]);
}

#[test]
fn a_trunk_may_send_each_jurisdiction_its_own_way() {
    let mut model = america();
    model.plans.push(Plan { id: PlanId(7), code: "intra".into(), ..Plan::default() });
    model.decks.push(deck(8, vec![rate("1", "9")]));
    let ways = &mut model.ingress_trunks[0].ways;
    ways.intra = Way { plan: Some(PlanId(7)), sell_deck: None };
    ways.indeterminate = Way { plan: None, sell_deck: Some(DeckId(8)) };
    for (calling, plan, deck) in [(CHICAGO, 1, 1), (SYRACUSE, 7, 1), (UK, 1, 8)] {
        let (found, admission) = admitted(&model, calling, NEW_YORK, "");
        assert_eq!((found, admission.plan, admission.sell_deck), (Ok(()), PlanId(plan), DeckId(deck)), "{calling}");
    }
    assert_eq!(sold(&model, UK, NEW_YORK, ""), (Indeterminate, dollars(9)));
    model.ingress_trunks[0].ways.inter.plan = Some(PlanId(99));
    assert_eq!(model.encode().unwrap_err().problem, "its plan does not exist");
}

#[test]
fn a_blocked_class_is_refused_and_the_others_are_not() {
    let mut model = america();
    deck_of(&mut model, 1).rates[2].blocked = true;
    assert_eq!(sold(&model, SYRACUSE, NEW_YORK, ""), (Intra, Err(Cause::BLOCKED_BY_ORIGINATOR_DECK)));
    assert_eq!(sold(&model, CHICAGO, NEW_YORK, ""), (Inter, dollars(1)));
    way_out(&mut model, 2, "0");
    *deck_of(&mut model, 2) = Deck {
        by_jurisdiction: true,
        ..deck(2, vec![rate("1", "0.1"), Rate { blocked: true, ..classed("1212", "0", Intra) }])
    };
    let image = image(&model);
    let judged = |jurisdiction| {
        let asked = rating::Ask { called: number(NEW_YORK), jurisdiction, ..ask(1) };
        routes(&View::open(&image), &Policies::default(), &asked, &mut Routes::default())
    };
    assert_eq!((judged(Intra), judged(Inter)), (Err(Cause::BLOCKED_BY_TERMINATOR_DECK), Ok(())));
}

#[test]
fn letters_and_classes_go_together() {
    let mut model = america();
    let own = deck_of(&mut model, 1);
    own.rates = vec![rate("12", "1"), classed("12A", "2", Intra), classed("12A", "3", Inter), rate("12A5", "5")];
    let at = WallTime::from_micros(1_000);
    let image = image(&model);
    let deck = View::open(&image).deck(DeckId(1)).unwrap();
    for (called, jurisdiction, price) in
        [("12A9", Intra, 2), ("12A9", Inter, 3), ("12A9", International, 1), ("12A55", Intra, 5), ("1299", Intra, 1)]
    {
        let to = Destination { called: number(called), lrn: Number::EMPTY, jurisdiction };
        let found = to.rate(&deck, at).unwrap();
        assert_eq!(Ok(found.terms.per_minute), dollars(price), "{called} {jurisdiction}");
    }
}
