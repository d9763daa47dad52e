//! Limits of trunks, carriers, pairs of carriers and the whole switch: taken together, refused with their own cause, given back exactly.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use call::effect::{Place, Trunk};
use rating::quality::Over;
use shard::book::{Allowed, Book, Entry, Holder, Limits, Order, home};
use shard::table::CallRef;
use units::{CarrierId, Cause, EgressTrunkId, IngressTrunkId, Instant, NodeId, PlanId, ShardId};

const SHARDS: u16 = 3;
const ASKS: ShardId = ShardId(2);

/// Three home shards, and parcels that arrive at once.
struct Homes(Vec<Book>);

impl Homes {
    fn new() -> Homes {
        Homes((0..SHARDS).map(|shard| Book::new(NodeId(1), 1, ShardId(shard), SHARDS)).collect())
    }

    /// Puts a question and follows what comes of it; the answer that reaches who asked.
    fn ask(&mut self, ms: u64, entry: Entry) -> Option<Result<(), Cause>> {
        let (now, mut answer) = (Instant::from_micros(ms * 1_000), None);
        let mut under_way = vec![(entry.home(SHARDS).unwrap(), ASKS, entry)];
        while let Some((to, from, entry)) = under_way.pop() {
            if let Entry::Taken { taken, .. } = entry {
                assert_eq!(to, ASKS, "the answer goes to who asked, whoever passed the question on");
                answer = Some(taken);
                continue;
            }
            assert_eq!(entry.home(SHARDS), Some(to), "every question reaches its home: {entry:?}");
            let mut out = Vec::new();
            self.0[usize::from(to.0)].on_entry(now, from, entry, &mut out);
            under_way.extend(out.into_iter().map(|order| match order {
                Order::Tell(next, entry) => (next, to, entry),
                Order::Pass { to, from, entry } => (to, from, entry),
                other => panic!("room has nothing to do with {other:?}"),
            }));
        }
        answer
    }

    fn enter(&mut self, ms: u64, place: Place, switch: Limits, allowed: Allowed) -> Result<(), Cause> {
        self.ask(ms, Entry::Enter { call: CallRef::default(), place, switch, allowed }).unwrap()
    }

    fn take(&mut self, ms: u64, place: Place, allowed: Allowed) -> Result<(), Cause> {
        self.ask(ms, Entry::Take { call: CallRef::default(), place, allowed }).unwrap()
    }

    fn put_back(&mut self, place: Place) {
        assert_eq!(self.ask(0, Entry::Return { place, plan: PlanId(1), over: Over::Void }), None);
    }

    fn taken(&self, holder: Holder) -> u32 {
        self.0.iter().map(|book| book.taken(holder)).sum()
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|book| book.rooms(Instant::from_micros(0)).is_empty() && book.trunk_rooms() == 0)
    }
}

fn way_in(trunk: u32, carrier: u32) -> Place {
    let carrier = CarrierId(carrier);
    Place { trunk: Trunk::Ingress(IngressTrunkId(trunk)), carrier, originator: carrier }
}

fn way_out(trunk: u32, carrier: u32, originator: u32) -> Place {
    let (carrier, originator) = (CarrierId(carrier), CarrierId(originator));
    Place { trunk: Trunk::Egress(EgressTrunkId(trunk)), carrier, originator }
}

fn calls(capacity: u32) -> Limits {
    Limits { capacity, ..Limits::default() }
}

fn cps(cps: u32) -> Limits {
    Limits { cps, ..Limits::default() }
}

#[test]
fn each_limit_refuses_with_a_cause_of_its_own() {
    let allowed = |trunk, carrier, both, share| Allowed { trunk, carrier, both, share };
    let (one, none) = (calls(1), Limits::default());
    let ways_in = [
        (one, Allowed::default(), Cause::GLOBAL_CAPACITY),
        (cps(1), Allowed::default(), Cause::GLOBAL_CPS),
        (none, allowed(one, none, 0, 0), Cause::ORIGINATOR_CAPACITY),
        (none, allowed(cps(1), none, 0, 0), Cause::ORIGINATOR_CPS),
        (none, allowed(none, one, 0, 0), Cause::ORIGINATOR_CARRIER_CAPACITY),
        (none, allowed(none, cps(1), 0, 0), Cause::ORIGINATOR_CARRIER_CPS),
        (none, allowed(none, none, 1, 0), Cause::CARRIER_CAPACITY),
    ];
    for (switch, allowed, cause) in ways_in {
        let mut homes = Homes::new();
        assert_eq!(homes.enter(1, way_in(4, 7), switch, allowed), Ok(()));
        assert_eq!(homes.enter(2, way_in(4, 7), switch, allowed), Err(cause));
        assert_eq!(homes.taken(Holder::Switch), 1, "whoever is refused at the trunk has left the switch");
    }
    let ways_out = [
        (allowed(one, none, 0, 0), Cause::TERMINATOR_CAPACITY),
        (allowed(cps(1), none, 0, 0), Cause::TERMINATOR_CPS),
        (allowed(none, one, 0, 0), Cause::TERMINATOR_CARRIER_CAPACITY),
        (allowed(none, cps(1), 0, 0), Cause::TERMINATOR_CARRIER_CPS),
        (allowed(none, none, 1, 0), Cause::CARRIER_CAPACITY),
        (allowed(none, none, 0, 1), Cause::TERMINATOR_SHARE),
    ];
    for (allowed, cause) in ways_out {
        let mut homes = Homes::new();
        assert_eq!(homes.take(1, way_out(4, 7, 8), allowed), Ok(()));
        assert_eq!(homes.take(2, way_out(4, 7, 8), allowed), Err(cause));
    }
}

#[test]
fn a_carriers_limit_counts_all_its_trunks_and_a_share_one_originator() {
    let mut homes = Homes::new();
    let two = Allowed { carrier: calls(2), ..Allowed::default() };
    assert_eq!(homes.enter(1, way_in(1, 7), Limits::default(), two), Ok(()));
    assert_eq!(homes.enter(1, way_in(2, 7), Limits::default(), two), Ok(()));
    assert_eq!(homes.enter(1, way_in(3, 7), Limits::default(), two), Err(Cause::ORIGINATOR_CARRIER_CAPACITY));
    assert_eq!(homes.enter(1, way_in(5, 6), Limits::default(), two), Ok(()), "another carrier has its own");
    let share = Allowed { share: 1, ..Allowed::default() };
    assert_eq!(homes.take(1, way_out(1, 9, 7), share), Ok(()));
    assert_eq!(homes.take(1, way_out(2, 9, 7), share), Err(Cause::TERMINATOR_SHARE));
    assert_eq!(homes.take(1, way_out(2, 9, 6), share), Ok(()));
    let both = Allowed { both: 3, ..Allowed::default() };
    assert_eq!(homes.take(1, way_out(3, 7, 6), both), Ok(()), "two that it sends and one that it takes");
    assert_eq!(homes.take(1, way_out(3, 7, 6), both), Err(Cause::CARRIER_CAPACITY));
}

#[test]
fn a_refusal_takes_nothing_of_any_limit() {
    let mut homes = Homes::new();
    let narrow = Allowed { trunk: cps(1), carrier: cps(5), share: 9, ..Allowed::default() };
    assert_eq!(homes.take(0, way_out(1, 7, 8), narrow), Ok(()));
    for _ in 0..20 {
        assert_eq!(homes.take(0, way_out(1, 7, 8), narrow), Err(Cause::TERMINATOR_CPS));
    }
    for trunk in 2..=5 {
        assert_eq!(
            homes.take(0, way_out(trunk, 7, 8), narrow),
            Ok(()),
            "refused calls are no new calls of the carrier"
        );
    }
    assert_eq!(homes.take(0, way_out(6, 7, 8), narrow), Err(Cause::TERMINATOR_CARRIER_CPS));
    assert_eq!(homes.taken(Holder::Terminator(CarrierId(7))), 5);
}

#[test]
fn after_any_story_of_takes_and_returns_what_is_taken_is_what_is_held() {
    let mut homes = Homes::new();
    let (mut held, mut draw): (Vec<Place>, u64) = (Vec::new(), 7);
    let mut next = |bound: u64| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 33) % bound
    };
    let allowed = Allowed { trunk: calls(3), carrier: calls(5), both: 7, share: 2 };
    for step in 0..4_000 {
        if next(3) == 0 && !held.is_empty() {
            let place = held.swap_remove(next(held.len() as u64) as usize);
            homes.put_back(place);
        } else {
            let (trunk, carrier, from) = (next(6) as u32, next(4) as u32, next(4) as u32);
            let is_in = next(2) == 0;
            let place = if is_in { way_in(trunk, carrier) } else { way_out(trunk, carrier, from) };
            let taken = match is_in {
                true => homes.enter(step, place, calls(12), allowed),
                false => homes.take(step, place, allowed),
            };
            held.extend(taken.is_ok().then_some(place));
        }
        let count = |fits: &dyn Fn(&Place) -> bool| held.iter().filter(|place| fits(place)).count() as u32;
        assert_eq!(homes.taken(Holder::Switch), count(&|place| matches!(place.trunk, Trunk::Ingress(_))));
        for carrier in (0..4).map(CarrierId) {
            assert_eq!(homes.taken(Holder::Both(carrier)), count(&|place| place.carrier == carrier));
        }
        assert_eq!(homes.0.iter().map(Book::trunk_rooms).sum::<u32>(), held.len() as u32);
    }
    held.into_iter().for_each(|place| homes.put_back(place));
    assert!(homes.is_empty(), "nothing is remembered of calls that are gone");
}

#[test]
fn the_switch_lives_at_shard_0_and_a_place_with_its_carrier() {
    let enter = |carrier| Entry::Enter {
        call: CallRef::default(),
        place: way_in(1, carrier),
        switch: Limits::default(),
        allowed: Allowed::default(),
    };
    assert_eq!(enter(8).home(SHARDS), Some(ShardId(0)));
    assert_eq!(Entry::Leave.home(SHARDS), Some(ShardId(0)));
    let take = Entry::Take { call: CallRef::default(), place: way_out(1, 8, 3), allowed: Allowed::default() };
    assert_eq!(take.home(SHARDS), Some(home(8, SHARDS)));
}
