//! A call ends with its paid time, unless money comes while it runs.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod world;

use std::sync::Arc;

use shard::Loaded;
use units::{Cause, Money};
use world::{ORIGINATOR, SDP, TERMINATOR, World, find, invite, network, reply, request};

/// A call at one unit a minute is up, and the account has half a unit. The answer that the originator heard.
fn half_a_minute() -> (World, String) {
    let mut model = network::world();
    model.decks[0].rates = vec![network::rate("", "1")];
    let way_in = network::way_in(&mut model, 1, &["192.0.2.60/32"], "");
    (way_in.cps, way_in.capacity, way_in.max_duration_s, way_in.media_timeout_s) = (0, 0, 0, 0);
    network::way_out(&mut model, 2, "0.5");
    network::deck_of(&mut model, 2).rates = vec![network::rate("", "0.5")];
    let mut world = World::default();
    world.load(Loaded::new(Arc::new(network::image(&model))).unwrap());
    world.funds = Some(Money::NANOS / 2);
    let heard = world.hear(ORIGINATOR, invite("short").as_bytes());
    let passed = find(&heard, TERMINATOR, "INVITE ").unwrap();
    let answered = world.hear(TERMINATOR, reply(&passed, "200 OK", "ours", SDP).as_bytes());
    let answer = find(&answered, ORIGINATOR, "SIP/2.0 200").unwrap();
    world.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
    (world, answer)
}

#[test]
fn without_a_payment_it_ends_when_its_money_is_used_up() {
    let (mut world, _) = half_a_minute();
    assert!(find(&world.pass(29_000), ORIGINATOR, "BYE ").is_none(), "it is paid for half a minute");
    assert!(find(&world.pass(2_000), ORIGINATOR, "BYE ").is_some());
    world.pass(1_000);
    let call = world.cdrs.iter().find(|cdr| cdr.attempt.0 == 0).unwrap();
    assert_eq!((call.cause, call.duration_ms), (Cause::MONEY_EXHAUSTED, 30_000));
    assert_eq!(call.sell.unwrap().price, Money::from_nanos(Money::NANOS / 2), "to the last unit");
}

#[test]
fn a_payment_in_time_lets_it_go_on() {
    let (mut world, answer) = half_a_minute();
    world.pass(25_000);
    world.funds = Some(10 * Money::NANOS);
    assert!(find(&world.pass(65_000), ORIGINATOR, "BYE ").is_none(), "it goes on with the new money");
    world.hear(ORIGINATOR, request(&answer, "BYE", 2).as_bytes());
    let call = world.cdrs.iter().find(|cdr| cdr.attempt.0 == 0).unwrap();
    assert_eq!((call.cause, call.duration_ms), (Cause::NORMAL, 90_000));
    assert_eq!(call.sell.unwrap().price, Money::from_nanos(Money::NANOS * 3 / 2));
}
