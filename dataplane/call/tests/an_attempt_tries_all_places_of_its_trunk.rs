//! A trunk with several addresses: one attempt tries them in order (RFC 3263 §4.3); and how that order is drawn (RFC 2782).
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use call::ways::{Places, Target, order};
use call::{Call, Ways};
use sip::Transport;
use stage::{OFFER, Stage, reply};
use units::{Cause, EgressTrunkId};

fn target(priority: u32, weight: u16, addresses: &[&str]) -> Target {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Target { transport: Transport::Udp, priority, weight, addresses, flow: None }
}

const PLACES: [&str; 3] = ["127.0.0.11:5060", "127.0.0.12:5060", "127.0.0.13:5060"];

/// A call whose trunk has these places, in order.
fn begun(places: &[&str]) -> (Stage, Call) {
    let mut model = stage::model();
    model.plans[0].routes.truncate(1);
    let mut stage = Stage::of(&model);
    let targets = places.iter().zip(0..).map(|(place, priority)| target(priority, 0, &[place])).collect();
    stage.ways.set_targets(EgressTrunkId(1), targets);
    let call = stage.begin();
    (stage, call)
}

/// Time goes on, deadline by deadline.
fn pass(stage: &mut Stage, call: &mut Call, ms: u64) {
    let end = stage.now_ms + ms;
    while let Some(due) = call.deadline().map(|at| at.micros().div_ceil(1_000)).filter(|due| *due <= end) {
        stage.now_ms = due.max(stage.now_ms);
        stage.with(|ctx| call.on_time(ctx));
        stage.serve(call);
    }
    stage.now_ms = end;
}

/// The INVITEs that went out: where to, on which leg.
fn invites(stage: &Stage) -> Vec<(String, u8)> {
    let sent = stage.sent.iter().filter(|(leg, _, text)| *leg > 0 && text.starts_with("INVITE "));
    let mut all: Vec<_> = sent.map(|(leg, to, _)| (to.to_string(), *leg)).collect();
    all.dedup();
    all
}

fn last_invite(stage: &Stage) -> String {
    stage.sent.iter().rfind(|(_, _, text)| text.starts_with("INVITE ")).unwrap().2.clone()
}

/// Attempts in the journal: address and cause.
fn attempts(stage: &Stage) -> Vec<(String, Cause)> {
    let attempts = stage.cdrs().into_iter().filter(|cdr| cdr.attempt.0 > 0);
    attempts.map(|cdr| (cdr.egress_address.unwrap().to_string(), cdr.cause)).collect()
}

#[test]
fn a_silent_place_is_left_after_two_seconds() {
    let (mut stage, mut call) = begun(&PLACES);
    assert_eq!(invites(&stage), [(PLACES[0].to_owned(), 1)]);
    pass(&mut stage, &mut call, 1_900);
    assert!(invites(&stage).iter().all(|(to, _)| to == PLACES[0]));
    pass(&mut stage, &mut call, 200);
    assert_eq!(invites(&stage).last().unwrap(), &(PLACES[1].to_owned(), 2));
    let invite = last_invite(&stage);
    stage.hear(&mut call, 2, &reply(&invite, 200, Some(OFFER)), PLACES[1]);
    assert!(call.is_up());
    assert!(attempts(&stage).is_empty(), "it is one attempt, and it goes on");
}

#[test]
fn a_place_that_says_anything_is_waited_for() {
    let (mut stage, mut call) = begun(&PLACES);
    let invite = last_invite(&stage);
    stage.hear(&mut call, 1, &reply(&invite, 100, None), PLACES[0]);
    pass(&mut stage, &mut call, 7_000);
    assert!(invites(&stage).iter().all(|(to, _)| to == PLACES[0]));
}

#[test]
fn a_place_without_room_leaves_the_call_to_the_next_one_and_the_last_one_decides() {
    let (mut stage, mut call) = begun(&PLACES);
    for (leg, place) in (1..).zip(PLACES) {
        let invite = last_invite(&stage);
        assert_eq!(invites(&stage).last().unwrap(), &(place.to_owned(), leg));
        stage.hear(&mut call, leg, &reply(&invite, 503, None), place);
    }
    assert!(call.is_over());
    assert_eq!(attempts(&stage).len(), 1, "{:?}", attempts(&stage));
    assert_eq!(attempts(&stage)[0].0, PLACES[2]);
}

#[test]
fn other_refusals_are_the_trunks_word() {
    let (mut stage, mut call) = begun(&PLACES);
    let invite = last_invite(&stage);
    stage.hear(&mut call, 1, &reply(&invite, 486, None), PLACES[0]);
    assert!(call.is_over());
    assert_eq!(attempts(&stage), [(PLACES[0].to_owned(), Cause::BUSY)]);
}

#[test]
fn a_place_that_answers_after_it_was_left_is_acknowledged_and_released() {
    let (mut stage, mut call) = begun(&PLACES);
    let first = last_invite(&stage);
    pass(&mut stage, &mut call, 2_100);
    stage.sent.clear();
    stage.hear(&mut call, 1, &reply(&first, 200, Some(OFFER)), PLACES[0]);
    let to_first: Vec<_> = stage.sent.iter().filter(|(leg, ..)| *leg == 1).map(|(_, _, text)| &text[..4]).collect();
    assert_eq!(to_first, ["ACK ", "BYE "]);
    assert!(!call.is_up() && !call.is_over(), "the second place is still waited for");
}

#[test]
fn a_place_that_cannot_be_reached_is_passed_over() {
    let (stage, _) = begun(&["[2001:db8::1]:5060", PLACES[1]]);
    assert_eq!(invites(&stage), [(PLACES[1].to_owned(), 1)], "no listener of ours has IPv6");
    let (stage, call) = begun(&["[2001:db8::1]:5060"]);
    assert!(call.is_over() && invites(&stage).is_empty());
}

#[test]
fn a_name_that_nobody_knows_is_no_way_out() {
    let (stage, call) = begun(&[]);
    assert!(call.is_over() && invites(&stage).is_empty());
    assert_eq!(stage.cdrs().last().unwrap().cause, Cause::TRUNK_UNREACHABLE);
}

#[test]
fn nothing_remains_of_a_call_whose_places_are_all_silent() {
    let (mut stage, mut call) = begun(&PLACES);
    pass(&mut stage, &mut call, 200_000);
    assert!(call.is_over() && call.is_done());
    assert_eq!(attempts(&stage).len(), 1);
}

fn taken(mut places: Places) -> Vec<String> {
    core::iter::from_fn(|| places.take()).map(|place| place.address.to_string()).collect()
}

#[test]
fn lower_priorities_come_first_and_four_places_are_enough() {
    let targets =
        [target(20, 0, &["127.0.0.4:1", "127.0.0.5:1"]), target(10, 1, &["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1"])];
    assert_eq!(taken(order(&targets, 1)), ["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1", "127.0.0.4:1"]);
    assert!(taken(order(&[], 1)).is_empty());
}

#[test]
fn equals_are_drawn_by_their_weights() {
    let targets = [target(1, 60, &["127.0.0.1:1"]), target(1, 30, &["127.0.0.2:1"]), target(1, 10, &["127.0.0.3:1"])];
    let first = |seed| taken(order(&targets, seed))[0].clone();
    let count = |place: &str| (0..10_000).filter(|seed| first(*seed) == place).count();
    let shares = [count("127.0.0.1:1"), count("127.0.0.2:1"), count("127.0.0.3:1")];
    let near = shares.iter().zip([6_000, 3_000, 1_000]).all(|(share, wanted)| share.abs_diff(wanted) < 300);
    assert!(near, "{shares:?}");
    assert_eq!(order(&targets, 42), order(&targets, 42), "the same seed draws the same");
    assert!((0..100).all(|seed| taken(order(&targets, seed)).len() == 3), "each is drawn once");
}

#[test]
fn a_weight_of_zero_is_hardly_ever_drawn_beside_others() {
    let targets = [target(1, 0, &["127.0.0.1:1"]), target(1, 99, &["127.0.0.2:1"])];
    let light = (0..10_000).filter(|seed| taken(order(&targets, *seed))[0] == "127.0.0.1:1").count();
    assert!((50..200).contains(&light), "about one in a hundred: {light}");
    let all = [target(1, 0, &["127.0.0.1:1"]), target(1, 0, &["127.0.0.2:1"])];
    assert_eq!(taken(order(&all, 7)), ["127.0.0.1:1", "127.0.0.2:1"]);
}

#[test]
fn trunks_are_known_by_name_as_long_as_a_snapshot_names_them() {
    let mut ways = Ways::default();
    ways.set_targets(EgressTrunkId(5), vec![target(0, 0, &[PLACES[0]])]);
    ways.set_targets(EgressTrunkId(2), Vec::new());
    assert!(ways.is_down(EgressTrunkId(2)) && !ways.is_down(EgressTrunkId(5)) && !ways.is_down(EgressTrunkId(9)));
    ways.retain(|_| true, |trunk| trunk.0 == 5);
    assert!(!ways.is_down(EgressTrunkId(2)) && ways.targets(EgressTrunkId(5)).is_some());
}
