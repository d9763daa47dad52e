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
    world.shard.on_drain(true);
    let answer = find(&world.hear(BALANCER, question(2).as_bytes()), BALANCER, "SIP/2.0 503").unwrap();
    assert_eq!(header(&answer, "Retry-After"), Some("1"));
    let stranger = world.hear(STRANGER, question(3).replace(BALANCER, STRANGER).as_bytes());
    assert!(stranger.iter().all(|(_, text)| status(text) == Some(403)), "{stranger:?}");
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
