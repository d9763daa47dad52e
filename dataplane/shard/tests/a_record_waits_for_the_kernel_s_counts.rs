//! A call that ends while the kernel relays its media: its record has what the kernel counted, or comes without it after a while.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use shard::{Carried, Change, Loaded};
use snapshot::Policy;
use units::{Cause, Instant};
use world::{ORIGINATOR, SDP, TERMINATOR, World, find, invite, reply, request};

fn port(message: &str) -> u16 {
    let media = message.lines().find_map(|line| line.strip_prefix("m=audio ")).expect("there is a description");
    media.split(' ').next().unwrap().parse().unwrap()
}

/// A call whose both streams the kernel has, and the answer that the originator heard. Its ingress trunk has this policy.
fn below(policy: &str) -> (World, String) {
    let mut model = world::network::world();
    model.decks[0].rates = vec![world::network::rate("", "1")];
    let way_in = world::network::way_in(&mut model, 1, &["192.0.2.60/32"], "");
    (way_in.cps, way_in.capacity, way_in.media_timeout_s) = (0, 0, 2);
    way_in.policy = Policy::from_text(policy).unwrap();
    world::network::way_out(&mut model, 2, "0.5");
    world::network::deck_of(&mut model, 2).rates = vec![world::network::rate("", "0.5")];
    let image = world::network::image(&model);
    let mut world = World::sharded(Loaded::new(Arc::new(image)).unwrap(), 0, 1);
    world.shard.use_kernel();
    let heard = world.hear(ORIGINATOR, invite("below").as_bytes());
    let passed = find(&heard, TERMINATOR, "INVITE ").expect("the call is passed on");
    let theirs = SDP.replace("m=audio 4000", "m=audio 7000").replace("192.0.2.60", "192.0.2.1");
    let answered = world.hear(TERMINATOR, reply(&passed, "200 OK", "ours", &theirs).as_bytes());
    let answer = find(&answered, ORIGINATOR, "SIP/2.0 200").expect("it is answered");
    world.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
    let mut packet = [0; 172];
    (packet[0], packet[1]) = (0x80, 8);
    let peers: [SocketAddr; 2] = ["192.0.2.60:4000", "192.0.2.1:7000"].map(|at| at.parse().unwrap());
    for (port, peer) in [port(&answer), port(&passed)].into_iter().zip(peers) {
        let clock = world.clock();
        world.shard.on_media(clock, clock.now, port, peer, &mut packet, 172).expect("it is passed on");
    }
    world.pass(1);
    assert!(matches!(world.changes[..], [Change::Join { .. }, Change::Join { .. }]), "{:?}", world.changes);
    world.changes.clear();
    (world, answer)
}

const COUNTS: Carried = Carried {
    packets: 49,
    bytes: 49 * 172,
    last: Some(Instant::from_micros(3_000_000)),
    source: 0,
    sources: 1,
    sequences: (1, 50),
    lost: 1,
    reordered: 0,
    jitter_us: 0,
};

#[test]
fn the_record_has_what_the_kernel_counted() {
    let (mut world, answer) = below("");
    world.carried = Some(COUNTS);
    world.pass(1_000);
    let said = world.hear(ORIGINATOR, request(&answer, "BYE", 2).as_bytes());
    assert!(find(&said, TERMINATOR, "BYE ").is_some() && find(&said, ORIGINATOR, "SIP/2.0 200").is_some(), "{said:#?}");
    assert!(matches!(world.changes[..], [Change::Part { .. }, Change::Part { .. }]));
    let cdr = world.cdrs.iter().find(|cdr| cdr.attempt.0 == 0).expect("the record is written");
    for media in [cdr.ingress_media, cdr.egress_media] {
        assert_eq!((media.packets, media.lost), (50, 1), "one before, the rest in the kernel");
    }
    assert_eq!((cdr.cause, cdr.duration_ms), (Cause::NORMAL, 1_001));
}

#[test]
fn a_kernel_that_does_not_answer_delays_the_record_a_tenth_of_a_second() {
    let (mut world, answer) = below("");
    let said = world.hear(ORIGINATOR, request(&answer, "BYE", 2).as_bytes());
    assert!(find(&said, TERMINATOR, "BYE ").is_some(), "the other side hears at once");
    assert!(find(&said, ORIGINATOR, "SIP/2.0 200").is_none() && world.cdrs.is_empty(), "the record is not written");
    let again = world.hear(TERMINATOR, said_bye(&said).as_bytes());
    assert!(find(&again, TERMINATOR, "SIP/2.0 200").is_none(), "their BYE waits for the record too");
    world.pass(99);
    assert!(world.cdrs.is_empty());
    let said = world.pass(1);
    assert!(find(&said, ORIGINATOR, "SIP/2.0 200").is_some(), "{said:#?}");
    assert_eq!(world.cdrs.len(), 2);
    assert_eq!(world.cdrs[1].ingress_media.packets, 1);
    assert!(world.cdrs.iter().all(|cdr| cdr.duration_ms == 1), "nobody pays for the wait");
    world.pass(60_000);
    assert_eq!((world.shard.calls_held(), world.ports), (0, 0), "nothing is left");
}

/// The terminator says goodbye at the same moment: our BYE turned round.
fn said_bye(said: &[world::Sent]) -> String {
    let ours = find(said, TERMINATOR, "BYE ").unwrap();
    let field = |name: &str| ours.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    format!(
        "BYE sip:127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {TERMINATOR};branch=z9hG4bKcross\r\nMax-Forwards: 70\r\n\
         From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 77 BYE\r\nContent-Length: 0\r\n\r\n",
        field("To:"),
        field("From:"),
        field("Call-ID:")
    )
}

/// Media may be silent for two seconds; the kernel heard the peers last at that moment.
#[test]
fn silence_is_believed_only_when_the_kernel_says_so() {
    for (last_us, ends) in [(2_900_000, false), (1_100_000, true)] {
        let (mut world, _) = below("");
        world.carried = Some(Carried { last: Some(Instant::from_micros(last_us)), ..COUNTS });
        let said = world.pass(2_200);
        assert_eq!(world.changes.len(), 2, "the kernel is asked before the call ends");
        let ended = find(&said, TERMINATOR, "BYE ").is_some();
        assert_eq!(ended, ends, "heard at {last_us}: {said:#?}");
        assert_eq!(world.cdrs.iter().any(|cdr| cdr.cause == Cause::MEDIA_TIMEOUT), ends);
    }
}

/// The kernel heard the terminator last a second after the answer, the originator speaks on all the time.
#[test]
fn silence_of_one_side_ends_a_call_though_the_other_speaks_on() {
    let (mut world, answer) = below(r#"{"media":{"silence":"either"}}"#);
    world.carried = Some(Carried { last: Some(Instant::from_micros(2_000_000)), ..COUNTS });
    let (port, peer) = (port(&answer), "192.0.2.60:4000".parse().unwrap());
    let mut packet = [0; 172];
    (packet[0], packet[1]) = (0x80, 8);
    for number in 1..200u8 {
        world.pass(20);
        let clock = world.clock();
        packet[3] = number;
        world.shard.on_media(clock, clock.now, port, peer, &mut packet, 172);
    }
    let count = |wanted: fn(&Change) -> bool| world.changes.iter().filter(|change| wanted(change)).count();
    let parts = count(|change| matches!(change, Change::Part { .. }));
    let joins = count(|change| matches!(change, Change::Join { .. }));
    assert_eq!((parts, joins), (4, 2), "asked when it may be two seconds, back after the answer, asked again");
    let cdr = world.cdrs.iter().find(|cdr| cdr.attempt.0 == 0).expect("the call has ended");
    assert_eq!(cdr.cause, Cause::MEDIA_TIMEOUT);
    assert!((3_000..3_200).contains(&cdr.duration_ms), "{}", cdr.duration_ms);
}
