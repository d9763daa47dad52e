//! The home shard of a trunk counts its calls; routes follow within seconds, on every shard.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod world;

use std::sync::Arc;

use call::effect::{Place, Trunk};
use rating::Reason;
use rating::quality::{Over, Sum};
use shard::book::{Allowed, Entry};
use shard::standings::Word;
use shard::table::CallRef;
use shard::{Loaded, Parcel};
use snapshot::Order;
use snapshot::policy::{Floors, Throttle};
use units::{CarrierId, Cause, EgressTrunkId, PlanId, ShardId};
use world::{ORIGINATOR, SDP, TERMINATOR, World, find, invite, network, reply, request};

/// Where trunk 3 is.
const OTHER: &str = "192.0.2.3:5060";

/// Trunk 2 at 192.0.2.1, the cheaper one, with these; trunk 3 at 192.0.2.3, plain.
fn two_ways(order: Order, throttle: Throttle, floors: Floors) -> Loaded {
    let mut model = network::world();
    model.decks[0].rates = vec![network::rate("", "1")];
    let way_in = network::way_in(&mut model, 1, &["192.0.2.60/32"], "");
    (way_in.cps, way_in.capacity) = (0, 0);
    for (id, price) in [(2, "0.5"), (3, "0.6")] {
        network::way_out(&mut model, id, price);
        network::deck_of(&mut model, id).rates = vec![network::rate("", price)];
    }
    network::trunk(&mut model, 3).address = OTHER.parse().unwrap();
    let policy = &mut network::trunk(&mut model, 2).policy;
    (policy.throttle, policy.floors) = (throttle, floors);
    model.plans[0].order = order;
    model.plans[0].policy.quality.calls_min = 5;
    Loaded::new(Arc::new(network::image(&model))).unwrap()
}

fn world(loaded: Loaded) -> World {
    let mut world = World::default();
    world.load(loaded);
    world
}

/// One call that ends by `status` at trunk 2 and by 500 at trunk 3. Which trunks it tried.
fn call(world: &mut World, name: &str, status: &str) -> Vec<u32> {
    // Another caller each time: many calls between the same two numbers are a loop.
    let caller = format!("3706{:07}", world.now_us / 1_000 % 10_000_000);
    let asked = invite(name).replace("37060011111", &caller);
    let (mut sent, mut tried) = (world.hear(ORIGINATOR, asked.as_bytes()), Vec::new());
    for _ in 0..2 {
        let ways = [(2, TERMINATOR, status), (3, OTHER, "500 Oops")];
        let out = ways.iter().find_map(|(id, to, status)| Some((*id, *to, *status, find(&sent, to, "INVITE ")?)));
        let Some((id, to, status, out)) = out else { break };
        tried.push(id);
        if status.starts_with("200") {
            let answer =
                find(&world.hear(to, reply(&out, status, "x", SDP).as_bytes()), ORIGINATOR, "SIP/2.0 200").unwrap();
            world.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
            let bye = find(&world.hear(ORIGINATOR, request(&answer, "BYE", 2).as_bytes()), to, "BYE ").unwrap();
            world.hear(to, reply(&bye, "200 OK", "", "").as_bytes());
            break;
        }
        sent = world.hear(to, reply(&out, status, "x", "").as_bytes());
    }
    tried
}

/// A call each `every_ms` for `ms`; how many of them tried trunk 2, and how many there were.
fn offer(world: &mut World, name: &str, (ms, every_ms): (u64, u64), status: &str) -> (u64, u64) {
    let (mut taken, all) = (0, ms / every_ms);
    for number in 0..all {
        taken += u64::from(call(world, &format!("{name}{number}"), status).contains(&2));
        world.pass(every_ms);
    }
    (taken, all)
}

fn state(world: &World) -> (String, String) {
    let standings = world.shard.figures().standings;
    (standings[0].state.clone(), standings[0].reason.clone())
}

#[test]
fn a_trunk_that_turns_all_503_loses_its_calls_within_two_seconds_and_has_them_back_within_ten() {
    let mut world = world(two_ways(Order::Lcr, Throttle { percent: 50, ..Throttle::default() }, Floors::default()));
    assert_eq!(offer(&mut world, "well", (10_000, 20), "200 OK"), (500, 500));
    offer(&mut world, "ill", (2_000, 20), "503 Service Unavailable");
    assert_eq!(state(&world).0, "throttled");
    let (taken, all) = offer(&mut world, "iller", (20_000, 20), "503 Service Unavailable");
    assert!(taken > 0 && taken * 100 < all, "{taken} of {all} calls");
    offer(&mut world, "better", (10_000, 20), "200 OK");
    assert_eq!(state(&world).0, "open");
    assert_eq!(offer(&mut world, "healthy", (1_000, 20), "200 OK"), (50, 50));
    world.nothing_is_left("the throttle");
}

#[test]
fn the_record_says_that_the_trunk_was_throttled_and_its_home_refuses_what_slips_through() {
    let throttle = Throttle { percent: 50, calls_min: 5, ..Throttle::default() };
    let mut world = world(two_ways(Order::Lcr, throttle, Floors::default()));
    for number in 0..5 {
        call(&mut world, &format!("ill{number}"), "480 Temporarily Unavailable");
    }
    assert_eq!(call(&mut world, "told", "200 OK"), [3]);
    let cdr = world.cdrs.iter().rfind(|cdr| cdr.attempt.0 == 0).unwrap();
    let decision = rating::decision::decode(&cdr.decision).unwrap();
    let dropped = rating::Verdict::Dropped(Cause::TRUNK_THROTTLED);
    assert_eq!((decision.ask.throttled, decision.candidates[1].verdict), (0b01, dropped));
    // Another shard that has not heard yet still has the trunk open; the home shard says no.
    world.parcel(Parcel::Standing(Word::Shut { trunk: EgressTrunkId(2), cause: None }));
    assert_eq!(call(&mut world, "slips", "200 OK"), [3]);
    let cdr = world.cdrs.iter().rfind(|cdr| cdr.attempt.0 == 0).unwrap();
    assert_eq!(rating::decision::decode(&cdr.decision).unwrap().candidates[0].egress.0, 2, "it was kept");
    world.nothing_is_left("the refused");
}

#[test]
fn a_trunk_below_its_floor_rests_and_good_test_calls_bring_it_back() {
    let floors = Floors {
        asr_min_percent: 50,
        calls_min: 10,
        rest_s: 30,
        test_calls: 3,
        test_per_minute: 60,
        ..Floors::default()
    };
    let mut world = world(two_ways(Order::Lcr, Throttle::default(), floors));
    assert_eq!(offer(&mut world, "bad", (1_000, 100), "500 Oops"), (10, 10));
    assert_eq!(state(&world), ("resting".into(), "ASR 0 % below 50 % over 10 calls".into()));
    assert_eq!(offer(&mut world, "rest", (29_000, 1_000), "200 OK").0, 0);
    world.pass(1_000);
    assert_eq!(state(&world).0, "testing");
    let (taken, _) = offer(&mut world, "test", (2_000, 100), "500 Oops");
    assert_eq!(taken, 2, "one test call a second");
    offer(&mut world, "third", (1_000, 100), "500 Oops");
    assert_eq!(state(&world).0, "resting");
    world.pass(30_000);
    offer(&mut world, "good", (3_000, 100), "200 OK");
    assert_eq!(state(&world), ("open".into(), String::new()));
    assert_eq!(offer(&mut world, "back", (1_000, 100), "200 OK"), (10, 10));
}

#[test]
fn routes_go_by_quality_once_enough_is_known() {
    let mut world = world(two_ways(Order::Quality, Throttle::default(), Floors::default()));
    for number in 0..6 {
        assert!(call(&mut world, &format!("cold{number}"), "500 Oops").len() == 2, "both are tried");
        world.pass(1_000);
    }
    let sums: Vec<_> = world.shard.figures().routes.iter().map(|row| (row.egress_trunk, row.sum.calls)).collect();
    assert_eq!(sums, [(2, 6), (3, 6)]);
    for number in 0..3 {
        call(&mut world, &format!("well{number}"), "200 OK");
    }
    world.pass(300);
    call(&mut world, "by-quality", "200 OK");
    let cdr = world.cdrs.iter().rfind(|cdr| cdr.attempt.0 == 0).unwrap();
    let read = rating::decision::decode(&cdr.decision).unwrap();
    let ranks: Vec<_> = read.candidates.iter().map(|one| (one.egress.0, one.reason.unwrap())).collect();
    assert_eq!(ranks, [(2, Reason::Index(33_333_333)), (3, Reason::Index(0))], "three of nine calls were answered");
    assert_eq!(world.shard.ways().sum(PlanId(1), EgressTrunkId(2)).answered, 3);
}

#[test]
fn a_home_shard_tells_the_others_and_they_tell_it() {
    let throttle = Throttle { percent: 50, calls_min: 3, ..Throttle::default() };
    let loaded = two_ways(Order::Lcr, throttle, Floors::default());
    let mut world = World::sharded(loaded, 0, 2);
    let (plan, begun) = (PlanId(1), world.clock().now);
    let trunk = Trunk::Egress(EgressTrunkId(2));
    let place = Place { trunk, carrier: CarrierId(2), originator: CarrierId(1) };
    let over = Over::Failed { begun, status: 503, result: rating::quality::Result::Failed, pdd_ms: None };
    for _ in 0..3 {
        let (call, allowed) = (CallRef::default(), Allowed::default());
        world.parcel(Parcel::Book { from: ShardId(1), entry: Entry::Take { call, place, allowed } });
        world.parcel(Parcel::Book { from: ShardId(1), entry: Entry::Return { place, plan, over } });
    }
    let told = world.parcels.iter().any(|(to, parcel)| {
        let shut = Word::Shut { trunk: EgressTrunkId(2), cause: Some(Cause::TRUNK_THROTTLED) };
        to.0 == 1 && matches!(parcel, Parcel::Standing(word) if *word == shut)
    });
    assert!(told, "trunk 2 lives at shard 0: {:?}", world.parcels);
    let loaded = two_ways(Order::Quality, Throttle::default(), Floors::default());
    let mut away = World::sharded(loaded, 1, 2);
    assert!(away.shard.figures().standings.is_empty() && away.shard.figures().routes[0].egress_trunk == 3);
    let sum = Sum { calls: 9, ..Sum::default() };
    away.parcel(Parcel::Standing(Word::Sum { plan: PlanId(1), trunk: EgressTrunkId(2), sum }));
    away.parcel(Parcel::Standing(Word::Shut { trunk: EgressTrunkId(2), cause: Some(Cause::TRUNK_RESTS) }));
    assert_eq!(away.shard.ways().sum(PlanId(1), EgressTrunkId(2)), sum);
    assert_eq!(away.shard.ways().shut(EgressTrunkId(2)), Some(Cause::TRUNK_RESTS));
    away.load(two_ways(Order::Lcr, Throttle::default(), Floors::default()));
    assert_eq!(away.shard.ways().sum(PlanId(1), EgressTrunkId(2)), Sum::default());
    assert_eq!(away.shard.ways().shut(EgressTrunkId(2)), None, "no longer watched");
}
