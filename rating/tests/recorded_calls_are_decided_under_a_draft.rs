//! What would have become of recorded calls: one by one or in a batch, with the day's shut trunks and refusals, and with quality.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use rating::decision::{decode, encode};
use rating::whatif::{Fate, Past, WhatIf};
use rating::{Ask, Policies, Routes, routes};
use snapshot::{Model, Order, View};
use units::{Cause, EgressTrunkId, Revision};
use world::{ask, image, number, trunk, way_in, way_out, world};

/// Three ways out at 0.2, 0.3 and 0.4 a minute; calls are sold at 1.
fn three() -> Model {
    let mut model = world();
    way_in(&mut model, 1, &["10.0.0.0/8"], "");
    for (id, price) in [(2, "0.2"), (3, "0.3"), (4, "0.4")] {
        way_out(&mut model, id, price);
    }
    model
}

/// Adds a call as it was recorded under this model.
fn record(past: &mut Past, model: &Model, ask: &Ask, by: u32) {
    let (mut found, mut bytes) = (Routes::default(), Vec::new());
    let image = image(model);
    let view = View::open(&image);
    let _ = routes(&view, &Policies::compile(&view).unwrap(), ask, &mut found);
    encode(Revision(1), ask, &found, &mut bytes);
    past.add(&decode(&bytes).unwrap(), EgressTrunkId(by), (by != 0).then_some(60_000));
}

fn fates(draft: &Model, past: &Past) -> Vec<Fate> {
    let image = image(draft);
    let view = View::open(&image);
    let policies = Policies::compile(&view).unwrap();
    let (mut what_if, mut together) = (WhatIf::default(), vec![Fate::Failed]);
    what_if.decide_all(&view, &policies, past, &mut together);
    let alone: Vec<Fate> = past.calls.iter().map(|call| what_if.decide(&view, &policies, past, call)).collect();
    assert_eq!(alone, together, "the order in which calls are decided does not matter");
    alone
}

fn taken_by(fates: &[Fate]) -> Vec<u32> {
    let trunk = |fate: &Fate| match fate {
        Fate::Taken { egress, .. } => egress.0,
        Fate::Blocked(_) | Fate::Failed => 0,
    };
    fates.iter().map(trunk).collect()
}

#[test]
fn calls_come_out_in_the_order_in_which_they_went_in() {
    let (mut past, model) = (Past::default(), three());
    for called in ["449", "441", "33", "4455555555555", "44", "442"] {
        record(&mut past, &model, &Ask { called: number(called), ..ask(1) }, 2);
    }
    let found = fates(&model, &past);
    assert_eq!(taken_by(&found), [2, 2, 0, 2, 2, 2]);
    assert_eq!(found[2], Fate::Blocked(Cause::ORIGINATOR_RATE_NOT_FOUND));
    past.clear();
    assert_eq!(fates(&model, &past), []);
}

#[test]
fn what_the_day_had_shut_and_what_was_tried_in_vain_stays_so() {
    let (mut past, model) = (Past::default(), three());
    record(&mut past, &model, &ask(1), 2);
    record(&mut past, &model, &ask(1), 3);
    record(&mut past, &model, &Ask { unreachable: 0b001, ..ask(1) }, 3);
    record(&mut past, &model, &Ask { throttled: 0b011, ..ask(1) }, 4);
    assert_eq!(taken_by(&fates(&model, &past)), [2, 3, 3, 4]);
    let mut draft = three();
    trunk(&mut draft, 4).active = false;
    let found = fates(&draft, &past);
    assert_eq!(taken_by(&found), [2, 3, 3, 0]);
    assert_eq!(found[3], Fate::Blocked(Cause::TRUNK_UNREACHABLE));
}

#[test]
fn quality_counts_by_the_plan_that_it_was_known_for() {
    let (mut past, mut model) = (Past::default(), three());
    model.plans[0].order = Order::Quality;
    let mut known = ask(1);
    for (place, index) in [(0, 100), (1, 300), (2, 200)] {
        known.indexes.set(place, index);
    }
    record(&mut past, &model, &ask(1), 2);
    record(&mut past, &model, &known, 3);
    assert_eq!(taken_by(&fates(&model, &past))[1], 3);
    let mut draft = model;
    draft.plans[0].id = units::PlanId(2);
    draft.ingress_trunks[0].plan = units::PlanId(2);
    draft.plans[0].order = Order::Lcr;
    assert_eq!(taken_by(&fates(&draft, &past)), [2, 2]);
}
