//! Routes by quality index, and routes that the day has shut: inputs of the decision, kept in its record.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use rating::quality::Sum;
use rating::{Ask, Policies, Reason, Routes, Today, Verdict, decision, on_this_day, routes};
use snapshot::{Model, Order, Policy, View};
use units::{Cause, EgressTrunkId, Revision};
use world::{ask, image, way_out, world};

/// Three routes at 0.02, 0.03 and 0.04 a minute.
fn three(quality: &str) -> Model {
    let mut model = world();
    for (id, price) in [(2, "0.02"), (3, "0.03"), (4, "0.04")] {
        way_out(&mut model, id, price);
    }
    model.plans[0].order = Order::Quality;
    model.plans[0].policy = Policy::from_text(&format!(r#"{{"quality":{quality}}}"#)).unwrap();
    model
}

fn calls(calls: u8, answered: u8) -> Sum {
    Sum { calls, answered, reached: answered, ..Sum::default() }
}

/// The trunks in the order to try them, and the decision's record.
fn decide(model: &Model, seed: u64, known: [Sum; 3], day: Ask) -> (Vec<u32>, Vec<u8>) {
    let image = image(model);
    let view = View::open(&image);
    let policies = Policies::compile(&view).unwrap();
    let (mut out, mut record) = (Routes::default(), Vec::new());
    let ask = Ask { resting: day.resting, throttled: day.throttled, ..ask(seed) };
    let known = |_, trunk: EgressTrunkId| known[trunk.0 as usize - 2];
    let ask = on_this_day(&view, &policies, ask, &mut out, (|_| Today::default(), known));
    let _ = routes(&view, &policies, &ask, &mut out);
    decision::encode(Revision(1), &ask, &out, &mut record);
    let read = decision::decode(&record).unwrap();
    assert_eq!((read.ask, read.candidates.as_slice()), (ask, out.all()));
    let (mut again, mut rewritten) = (Routes::default(), Vec::new());
    let _ = routes(&view, &policies, &read.ask, &mut again);
    decision::encode(Revision(1), &read.ask, &again, &mut rewritten);
    assert_eq!(rewritten, record, "a replay needs no memory of the day");
    (out.kept().iter().map(|candidate| candidate.egress.0).collect(), record)
}

#[test]
fn the_better_index_goes_first_and_equals_by_price() {
    let known = [calls(100, 30), calls(100, 60), calls(100, 30)];
    assert_eq!(decide(&three("{}"), 1, known, Ask::default()).0, [3, 2, 4]);
    let cheap = three(r#"{"formula":"ASR - 20 * PRICE * 100"}"#);
    assert_eq!(decide(&cheap, 1, known, Ask::default()).0, [3, 2, 4], "60 - 60, 30 - 40, 30 - 80");
    let cheaper = three(r#"{"formula":"ASR - 50 * PRICE * 100"}"#);
    assert_eq!(decide(&cheaper, 1, known, Ask::default()).0, [2, 3, 4], "30 - 100, 60 - 150, 30 - 200");
}

#[test]
fn unknown_routes_go_last_save_for_the_share_that_explores() {
    let known = [calls(100, 10), calls(9, 9), calls(100, 20)];
    let model = three(r#"{"explore_percent":10}"#);
    let orders: Vec<_> = (0..1_000).map(|seed| decide(&model, seed, known, Ask::default()).0).collect();
    let explored = orders.iter().filter(|order| **order == [3, 4, 2]).count();
    assert!((70..130).contains(&explored), "{explored} of 1,000");
    assert_eq!(orders.iter().filter(|order| **order == [4, 2, 3]).count(), 1_000 - explored);
}

#[test]
fn resting_and_throttled_routes_are_dropped_with_their_cause() {
    let known = [calls(100, 10), calls(100, 20), calls(100, 30)];
    let day = Ask { resting: 0b100, throttled: 0b110, ..Ask::default() };
    let (kept, record) = decide(&three("{}"), 1, known, day);
    let read = decision::decode(&record).unwrap();
    let dropped: Vec<_> =
        read.candidates[1..].iter().map(|candidate| (candidate.egress.0, candidate.verdict)).collect();
    assert_eq!(kept, [2]);
    let expected = [(3, Verdict::Dropped(Cause::TRUNK_THROTTLED)), (4, Verdict::Dropped(Cause::TRUNK_RESTS))];
    assert_eq!((dropped.as_slice(), read.candidates[0].reason), (&expected[..], Some(Reason::Index(10_000_000))));
}

#[test]
fn a_bad_formula_is_refused_where_it_stands() {
    let flaw = Policies::compile(&View::open(&image(&three(r#"{"formula":"ASR + QUALITY"}"#)))).unwrap_err();
    assert!(flaw.to_string().contains("quality.formula: character 7: this name is not known"), "{flaw}");
}
