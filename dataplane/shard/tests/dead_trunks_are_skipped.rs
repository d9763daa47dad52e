//! Egress trunks are asked by OPTIONS whether they live; those that do not answer are skipped until they do.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod world;

use std::sync::Arc;

use shard::health::Word;
use shard::{Loaded, Parcel};
use units::{EgressTrunkId, Instant, WallTime};
use world::{ORIGINATOR, TERMINATOR, World, find, header, invite, network, reply};

/// Trunks 2 (192.0.2.1, asked every 10 s) and 3 (192.0.2.3, dearer, never asked).
fn two_ways(failures: u8) -> Loaded {
    let mut model = network::world();
    model.decks[0].rates = vec![network::rate("", "1")];
    let way_in = network::way_in(&mut model, 1, &["192.0.2.60/32"], "");
    (way_in.cps, way_in.capacity) = (0, 0);
    for (id, price) in [(2, "0.5"), (3, "0.6")] {
        network::way_out(&mut model, id, price);
        network::deck_of(&mut model, id).rates = vec![network::rate("", price)];
    }
    network::trunk(&mut model, 3).address = OTHER.parse().unwrap();
    let probe = &mut network::trunk(&mut model, 2).policy.probe;
    (probe.interval_s, probe.failures) = (10, failures);
    Loaded::new(Arc::new(network::image(&model))).unwrap()
}

const OTHER: &str = "192.0.2.3:5060";

fn world(failures: u8) -> World {
    let mut world = World::default();
    world.load(two_ways(failures));
    world
}

/// The next OPTIONS to the trunk within two intervals; time stops when it is sent.
fn question(world: &mut World) -> String {
    for _ in 0..25_000 {
        if let Some(options) = find(&world.pass(1), TERMINATOR, "OPTIONS ") {
            return options;
        }
    }
    panic!("the trunk is asked");
}

/// To whom a call goes first.
fn first_way(world: &mut World, name: &str) -> &'static str {
    let sent = world.hear(ORIGINATOR, invite(name).as_bytes());
    let to = [TERMINATOR, OTHER].into_iter().find(|to| find(&sent, to, "INVITE ").is_some());
    to.unwrap_or_else(|| panic!("{name} goes out: {sent:?}"))
}

#[test]
fn a_question_is_a_whole_options_request() {
    let options = question(&mut world(1));
    assert!(options.starts_with("OPTIONS sip:192.0.2.1:5060 SIP/2.0\r\n"));
    assert_eq!(header(&options, "To"), Some("<sip:192.0.2.1:5060>"));
    assert_eq!((header(&options, "CSeq"), header(&options, "Max-Forwards")), (Some("1 OPTIONS"), Some("70")));
    assert!(header(&options, "Call-ID").unwrap().ends_with("-tdm0000"), "answers find the shard that asked");
    assert!(sip::parse::message(options.as_bytes()).is_ok());
}

#[test]
fn a_trunk_that_never_answers_is_skipped_and_its_first_answer_brings_it_back() {
    let mut world = world(3);
    assert_eq!(first_way(&mut world, "early"), TERMINATOR);
    world.pass(60_000);
    assert_eq!((world.counter("trunks_lost"), world.counter("trunks_found")), (1, 0));
    let figures = world.shard.figures().trunks;
    assert_eq!((figures[0].egress_trunk, figures[0].up, figures[0].failures >= 3), (2, false, true));
    assert_eq!(first_way(&mut world, "skipping"), OTHER);
    let options = question(&mut world);
    world.hear(TERMINATOR, reply(&options, "404 Not Found", "x", "").as_bytes());
    assert_eq!(world.counter("trunks_found"), 1, "somebody is there");
    assert_eq!(first_way(&mut world, "again"), TERMINATOR);
    assert!(world.shard.figures().trunks[0].up);
}

#[test]
fn the_record_says_that_the_trunk_was_unreachable() {
    let mut world = world(1);
    world.pass(30_000);
    let sent = world.hear(ORIGINATOR, invite("told").as_bytes());
    let out = find(&sent, OTHER, "INVITE ").unwrap();
    world.hear(OTHER, reply(&out, "404 Not Found", "x", "").as_bytes());
    let cdr = world.cdrs.iter().find(|cdr| cdr.attempt.0 == 0).unwrap();
    let decision = rating::decision::decode(&cdr.decision).unwrap();
    let verdicts: Vec<_> = decision.candidates.iter().map(|one| (one.egress.0, one.verdict)).collect();
    let dropped = rating::Verdict::Dropped(units::Cause::TRUNK_UNREACHABLE);
    assert_eq!(verdicts, [(3, rating::Verdict::Kept), (2, dropped)]);
}

#[test]
fn refusals_that_say_nothing_of_life_do_not_count_as_answers() {
    for (status, alive) in [
        ("503 Service Unavailable", false),
        ("408 Request Timeout", false),
        ("501 Not Implemented", true),
        ("200 OK", true),
    ] {
        let mut world = world(1);
        let options = question(&mut world);
        world.hear(TERMINATOR, reply(&options, status, "x", "").as_bytes());
        world.pass(9_000);
        assert_eq!(world.shard.figures().trunks[0].up, alive, "{status}");
    }
}

#[test]
fn nobody_else_may_answer_for_a_trunk() {
    let mut world = world(1);
    let options = question(&mut world);
    world.hear("203.0.113.9:5060", reply(&options, "200 OK", "x", "").as_bytes());
    world.hear(OTHER, reply(&options, "200 OK", "x", "").as_bytes());
    let forged = reply(&options, "200 OK", "x", "").replace("z9hG4bK", "z9hG4bKx");
    world.hear(TERMINATOR, forged.as_bytes());
    world.pass(9_000);
    assert!(!world.shard.figures().trunks[0].up);
}

#[test]
fn an_invite_without_any_answer_counts_as_a_failure() {
    let mut world = world(2);
    let options = question(&mut world);
    world.hear(TERMINATOR, reply(&options, "200 OK", "x", "").as_bytes());
    world.pass(1);
    assert_eq!(first_way(&mut world, "silent"), TERMINATOR);
    for _ in 0..9 {
        let sent = world.pass(1_000);
        assert!(sent.iter().all(|(_, text)| !text.starts_with("OPTIONS ")), "the next question is due later");
        if world.shard.figures().trunks[0].failures == 1 {
            return;
        }
    }
    panic!("the silence of the INVITE was counted");
}

#[test]
fn a_draining_node_asks_nothing() {
    let mut world = world(1);
    question(&mut world);
    let clock = world.clock();
    world.shard.on_drain(clock, true);
    assert!(world.pass(60_000).iter().all(|(_, text)| !text.starts_with("OPTIONS ")));
    assert!(world.shard.figures().trunks[0].up);
    world.shard.on_drain(clock, false);
    question(&mut world);
}

#[test]
fn questions_come_at_their_interval_but_not_in_step() {
    let mut world = world(10);
    let mut times = Vec::new();
    for _ in 0..50 {
        let options = question(&mut world);
        times.push(world.now_us / 1_000);
        world.hear(TERMINATOR, reply(&options, "200 OK", "x", "").as_bytes());
    }
    let gaps: Vec<u64> = times.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(gaps.iter().all(|gap| (8_990..=11_010).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().max().unwrap() - gaps.iter().min().unwrap() > 500, "{gaps:?}");
}

#[test]
fn another_snapshot_may_end_the_questions_and_what_they_found() {
    let mut world = world(1);
    world.pass(30_000);
    assert_eq!(first_way(&mut world, "down"), OTHER);
    let mut quiet = network::world();
    quiet.decks[0].rates = vec![network::rate("", "1")];
    network::way_in(&mut quiet, 1, &["192.0.2.60/32"], "").cps = 0;
    network::way_out(&mut quiet, 2, "0.5");
    network::deck_of(&mut quiet, 2).rates = vec![network::rate("", "0.5")];
    world.load(Loaded::new(Arc::new(network::image(&quiet))).unwrap());
    assert_eq!(first_way(&mut world, "quiet"), TERMINATOR);
    assert!(world.pass(60_000).iter().all(|(_, text)| !text.starts_with("OPTIONS ")));
}

#[test]
fn what_a_home_shard_says_holds_for_all() {
    let mut world = World::sharded(two_ways(1), 1, 2);
    // Trunk 2 lives with shard 0: this one does not ask, but believes.
    assert!(world.pass(60_000).is_empty() && world.shard.figures().trunks.is_empty());
    let since = Some(WallTime::from_micros(5));
    world.parcel(Parcel::Trunk(Word::Down { trunk: EgressTrunkId(2), since }));
    assert_eq!(world.shard.ways().down_since(EgressTrunkId(2)), since);
    world.parcel(Parcel::Trunk(Word::Down { trunk: EgressTrunkId(2), since: None }));
    assert!(!world.shard.ways().is_down(EgressTrunkId(2)));
    let mut home = World::sharded(two_ways(1), 0, 2);
    home.parcel(Parcel::Trunk(Word::Silent { trunk: EgressTrunkId(2), since: Instant::from_micros(home.now_us + 1) }));
    assert!(home.shard.ways().is_down(EgressTrunkId(2)));
    let told = home.parcels.iter().any(|(to, parcel)| {
        to.0 == 1 && matches!(parcel, Parcel::Trunk(Word::Down { trunk: EgressTrunkId(2), since: Some(_) }))
    });
    assert!(told, "{:?}", home.parcels);
}
