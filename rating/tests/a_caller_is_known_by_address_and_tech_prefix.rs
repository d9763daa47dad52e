//! Admission: which ingress trunk a call belongs to, and what is said when it belongs to none.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use rating::{Admission, Policies, admit, is_known};
use snapshot::{Model, View};
use units::{AccountId, CarrierId, Cause, DeckId, IngressTrunkId, PlanId};
use world::{arrival, image, way_in, way_out, world};

/// The trunk's id, or the cause's number.
fn check(model: &Model, calls: &[(&str, &str, Result<u32, u16>)]) {
    let image = image(model);
    let view = View::open(&image);
    let policies = Policies::compile(&view).unwrap();
    for (source, called, expected) in calls {
        let mut admission = Admission::default();
        let found = admit(&view, &policies, &arrival(source, called), &mut admission);
        let found = found.map(|()| admission.ingress.0).map_err(|cause| cause.0);
        assert_eq!(found, *expected, "{called} from {source}");
    }
}

#[test]
fn an_admission_carries_what_the_call_needs() {
    let mut model = world();
    way_in(&mut model, 3, &["10.0.0.0/8"], "77#");
    let image = image(&model);
    let mut found = Admission::default();
    let policies = Policies::default();
    admit(&View::open(&image), &policies, &arrival("10.1.1.1:5060", "77#442071838750"), &mut found).unwrap();
    assert_eq!((found.ingress, found.carrier, found.account), (IngressTrunkId(3), CarrierId(1), AccountId(1)));
    assert_eq!((found.plan, found.sell_deck, found.called.as_str()), (PlanId(1), DeckId(1), "442071838750"));
    assert_eq!((found.capacity, found.cps, found.max_duration_s, found.media_timeout_s), (13, 23, 33, 43));
}

#[test]
fn the_longest_tech_prefix_wins_then_the_longest_network_then_a_port() {
    let mut model = world();
    way_in(&mut model, 1, &["10.0.0.0/8"], "");
    way_in(&mut model, 2, &["10.0.0.0/8"], "77");
    way_in(&mut model, 3, &["10.0.0.0/8"], "771");
    way_in(&mut model, 4, &["10.0.1.0/24"], "");
    way_in(&mut model, 5, &["10.0.1.0/24:5062"], "");
    way_in(&mut model, 6, &["10.0.1.0/24"], "");
    check(
        &model,
        &[
            ("10.9.9.9:5060", "44", Ok(1)),
            ("10.9.9.9:5060", "7744", Ok(2)),
            ("10.9.9.9:5060", "77144", Ok(3)),
            ("10.0.1.9:5060", "44", Ok(4)),
            ("10.0.1.9:5062", "44", Ok(5)),
            ("10.0.1.9:5062", "7744", Ok(2)),
            ("[::ffff:10.9.9.9]:5060", "44", Ok(1)),
        ],
    );
}

#[test]
fn a_refusal_says_what_did_not_fit() {
    let mut model = world();
    way_in(&mut model, 1, &["10.0.0.1/32:5060"], "");
    way_in(&mut model, 2, &["10.0.0.2/32"], "77");
    way_in(&mut model, 3, &["10.0.0.3/32:5060", "10.0.0.3/32:5061"], "77");
    way_in(&mut model, 4, &["2001:db8::/32"], "");
    check(
        &model,
        &[
            ("10.0.0.9:5060", "44", Err(301)),
            ("10.0.0.1:5061", "44", Err(333)),
            ("10.0.0.2:9", "44", Err(332)),
            ("10.0.0.3:5061", "44", Err(332)),
            ("10.0.0.3:9", "7744", Err(333)),
            ("10.0.0.2:9", "77", Err(336)),
            ("10.0.0.2:9", "77+", Err(336)),
            ("10.0.0.1:5060", "", Err(336)),
            ("[2001:db8::9]:5060", "44", Ok(4)),
            ("[2001:db9::9]:5060", "44", Err(301)),
        ],
    );
}

#[test]
fn a_trunk_that_is_off_does_not_let_its_calls_in_through_another() {
    let mut model = world();
    way_in(&mut model, 1, &["10.0.0.0/8"], "");
    way_in(&mut model, 2, &["10.0.0.1/32"], "").active = false;
    check(&model, &[("10.0.0.1:5060", "44", Err(309)), ("10.0.0.2:5060", "44", Ok(1))]);
    model.carriers[0].blocked = true;
    check(&model, &[("10.0.0.1:5060", "44", Err(309)), ("10.0.0.2:5060", "44", Err(311))]);
}

#[test]
fn neighbours_are_known_by_address_alone() {
    let mut model = world();
    way_in(&mut model, 1, &["10.0.0.0/8:5060"], "77");
    way_out(&mut model, 2, "0.1");
    let image = image(&model);
    let known = |address: &str| is_known(&View::open(&image), address.parse().unwrap());
    assert!(known("10.3.4.5:9") && known("192.0.2.1:9") && known("[::ffff:10.0.0.1]:1"));
    assert!(!known("192.0.2.2:5060") && !known("[2001:db8::1]:5060"));
}

#[test]
fn nobody_is_known_to_an_empty_snapshot() {
    check(&Model::default(), &[("10.0.0.1:5060", "44", Err(Cause::ORIGINATOR_NOT_FOUND.0))]);
}
