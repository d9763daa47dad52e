//! What is kept of a call for its ladder names no key of its media: neither one that a peer told us nor one of ours.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use std::sync::Arc;

use shard::Loaded;
use snapshot::policy::Policy;
use world::{ORIGINATOR, SDP, TERMINATOR, World, find, invite, reply, request};

/// Thirty bytes, as `AES_CM_128_HMAC_SHA1_80` wants them.
const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";

/// The key in a message.
fn key_in(message: &str) -> &str {
    let line = message.lines().find(|line| line.starts_with("a=crypto:")).expect("there is a key");
    line.split_once("inline:").unwrap().1.split(['|', ' ']).next().unwrap()
}

#[test]
fn keys_of_both_directions_are_left_out_and_all_else_stays() {
    let mut model = world::network::world();
    model.decks[0].rates = vec![world::network::rate("", "1")];
    let way_in = world::network::way_in(&mut model, 1, &["192.0.2.60/32"], "");
    (way_in.cps, way_in.capacity) = (0, 0);
    way_in.policy = Policy::from_text(r#"{"media":{"srtp":"required"}}"#).unwrap();
    world::network::way_out(&mut model, 2, "0.5");
    world::network::deck_of(&mut model, 2).rates = vec![world::network::rate("", "0.5")];
    let mut world = World::traced(Loaded::new(Arc::new(world::network::image(&model))).unwrap());

    let offer = SDP.replace("RTP/AVP", "RTP/SAVP") + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + KEY + "\r\n";
    let (plain, sealed) = (SDP.len(), offer.len());
    let call = invite("sealed").replace(SDP, &offer);
    let call = call.replace(&format!("Length: {plain}\r\n"), &format!("Length: {sealed}\r\n"));
    let heard = world.hear(ORIGINATOR, call.as_bytes());
    let passed = find(&heard, TERMINATOR, "INVITE ").expect("the call is passed on");
    let answered = world.hear(TERMINATOR, reply(&passed, "200 OK", "ours", SDP).as_bytes());
    let answer = find(&answered, ORIGINATOR, "SIP/2.0 200").expect("it is answered");
    world.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
    world.hear(ORIGINATOR, request(&answer, "BYE", 2).as_bytes());
    world.pass(60_000);

    let trace = cdr::trace::decode(world.traces.first().expect("the call was captured")).unwrap();
    let texts: Vec<String> =
        trace.messages.iter().map(|message| String::from_utf8(message.bytes.clone()).unwrap()).collect();
    let kept = |original: &str, key: &str| {
        let masked = original.replace(key, &"*".repeat(key.len()));
        assert!(masked != original && texts.contains(&masked), "{texts:#?}");
    };
    kept(&call, KEY);
    kept(&answer, key_in(&answer));
    assert!(texts.contains(&passed), "what has no key is kept as it went");
    assert!(texts.iter().any(|text| text.starts_with("BYE ")), "{texts:#?}");
}
