//! What a shard says to the balancer before it, and by what the balancer finds its calls again.
#![allow(clippy::unwrap_used, reason = "a broken test may stop")]

mod world;

use shard::behind::Key;
use sip::behind::node_of;
use units::NodeId;
use world::{BALANCER, ORIGINATOR, SECRET, STRANGER, TERMINATOR, World, find, header, invite, status};

fn question(number: u32) -> String {
    format!(
        "OPTIONS sip:127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {BALANCER};branch=z9hG4bK{number}\r\nMax-Forwards: 1\r\n\
         From: <sip:{BALANCER}>;tag=q\r\nTo: <sip:127.0.0.1:5060>\r\nCall-ID: q{number}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn it_hears_who_this_is_what_it_carries_and_whether_it_takes_calls() {
    let mut world = World::default();
    let invited = world.hear(ORIGINATOR, invite("one").as_bytes());
    assert!(find(&invited, TERMINATOR, "INVITE ").is_some());
    let answer = find(&world.hear(BALANCER, question(1).as_bytes()), BALANCER, "SIP/2.0 200").unwrap();
    assert_eq!((header(&answer, "X-Tandem-Node"), header(&answer, "X-Tandem-Calls")), (Some("1"), Some("1")));
    let clock = world.clock();
    world.shard.on_drain(clock, true);
    let answer = find(&world.hear(BALANCER, question(2).as_bytes()), BALANCER, "SIP/2.0 503").unwrap();
    assert_eq!(header(&answer, "Retry-After"), Some("1"));
    let stranger = world.hear(STRANGER, question(3).replace(BALANCER, STRANGER).as_bytes());
    assert!(stranger.iter().all(|(_, text)| status(text) == Some(403)), "{stranger:?}");
}

/// No caller hears a refusal because a node is drained: balancers leave it before it refuses.
#[test]
fn calls_that_come_before_a_balancer_knows_of_a_drain_are_taken() {
    let mut world = World::default();
    let clock = world.clock();
    world.shard.on_drain(clock, true);
    let answer = world.hear(BALANCER, question(1).as_bytes());
    assert!(find(&answer, BALANCER, "SIP/2.0 503").is_some(), "it is told at once");
    let invited = world.hear(ORIGINATOR, invite("one").as_bytes());
    assert!(find(&invited, TERMINATOR, "INVITE ").is_some(), "it was under way");
    world.pass(1_600);
    let clock = world.clock();
    // Said again, which begins nothing anew.
    world.shard.on_drain(clock, true);
    let refused = world.hear(ORIGINATOR, invite("two").as_bytes());
    assert!(find(&refused, ORIGINATOR, "SIP/2.0 503").is_some(), "{refused:?}");
    world.shard.on_drain(clock, false);
    let invited = world.hear(ORIGINATOR, invite("three").as_bytes());
    assert!(find(&invited, TERMINATOR, "INVITE ").is_some(), "{invited:?}");
}

#[test]
fn a_process_that_ends_refuses_at_once() {
    let mut world = World::default();
    let clock = world.clock();
    world.shard.on_stop(clock);
    let refused = world.hear(ORIGINATOR, invite("one").as_bytes());
    assert!(find(&refused, ORIGINATOR, "SIP/2.0 503").is_some(), "{refused:?}");
}

#[test]
fn the_tags_of_both_legs_name_the_node() {
    let mut world = World::default();
    let sent = world.hear(ORIGINATOR, invite("one").as_bytes());
    let passed = find(&sent, TERMINATOR, "INVITE ").unwrap();
    let ringing = world.hear(TERMINATOR, world::reply(&passed, "180 Ringing", "theirs", "").as_bytes());
    let ringing = find(&ringing, ORIGINATOR, "SIP/2.0 180").unwrap();
    for (text, name) in [(&passed, "From"), (&ringing, "To")] {
        let tag = header(text, name).unwrap().split(";tag=").nth(1).unwrap();
        assert_eq!(node_of(&Key::of(SECRET), tag.as_bytes()), Some(NodeId(1)), "{tag}");
    }
}
