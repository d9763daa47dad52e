//! Subscribers that register with one node and are called from another.

use shard::registrar::Change;
use shard::{Flow, Hop, Transport};
use units::EgressTrunkId;

use crate::world::{AWAY, HOME, Phone, World, contacts, model, status};

const CONTACT: &str = "Contact: <sip:alice@10.0.0.2:5062>\r\n";

/// Two nodes whose egress trunk leads to alice.
fn nodes() -> (World, World) {
    let mut model = model();
    model.egress_trunks[0].policy.subscriber = "alice".into();
    (World::of_node(1, 2, &model), World::of_node(2, 3, &model))
}

fn alice(world: &mut World, from: &str, call_id: &str, lines: &str) -> String {
    let mut alice = Phone::new("alice", "wonderland");
    alice.call_id = call_id.into();
    alice.registers(world, from, lines)
}

/// Where a node's calls to alice go, by the word of each of its shards.
fn target(world: &World) -> Option<String> {
    let all = world.shards.iter().map(|shard| {
        let targets = shard.ways().targets(EgressTrunkId(1)).unwrap();
        targets.first().map(|target| target.addresses[0].to_string())
    });
    let mut all: Vec<_> = all.collect();
    all.dedup();
    assert_eq!(all.len(), 1, "shards agree: {all:?}");
    all.remove(0)
}

fn pass(ms: u64, worlds: [&mut World; 2]) {
    worlds.into_iter().for_each(|world| drop(world.wait(ms)));
}

#[test]
fn whoever_registers_with_one_node_is_found_by_the_other_until_it_ends() {
    let (mut one, mut two) = nodes();
    assert_eq!((target(&one), target(&two)), (None, None));
    assert_eq!(status(&alice(&mut one, HOME, "a", CONTACT)), 200);
    assert_eq!(one.told.len(), 1, "each change is told once, by its home shard");
    two.learn(&std::mem::take(&mut one.told));
    assert_eq!((target(&one), target(&two)), (Some(HOME.into()), Some(HOME.into())));
    assert!(two.told.is_empty(), "what was heard of a node is not told on");
    let row = two.shards.iter().flat_map(|shard| shard.peers(two.clock()).bindings).collect::<Vec<_>>();
    assert_eq!((row.len(), row[0].node, row[0].reached), (1, 1, true));
    pass(3_600_000, [&mut one, &mut two]);
    assert_eq!((target(&one), target(&two)), (None, None));
    assert!(two.shards.iter().all(|shard| shard.registrar().all().next().is_none()));
}

#[test]
fn of_two_registers_the_later_holds_in_whichever_order_they_are_heard() {
    let (mut one, mut two) = nodes();
    alice(&mut one, HOME, "a", CONTACT);
    pass(10, [&mut one, &mut two]);
    alice(&mut two, AWAY, "b", CONTACT);
    let (first, second) = (std::mem::take(&mut one.told), std::mem::take(&mut two.told));
    one.learn(&second);
    two.learn(&first);
    assert_eq!((target(&one), target(&two)), (Some(AWAY.into()), Some(AWAY.into())));
    one.learn(&first);
    assert_eq!(target(&one), Some(AWAY.into()), "a node's own older word comes back");
    assert!(one.shards.iter().all(|shard| shard.registrar().all().count() == 1), "one contact is one binding");
}

#[test]
fn a_registration_goes_on_and_is_taken_back_at_another_node() {
    let (mut one, mut two) = nodes();
    alice(&mut one, HOME, "a", CONTACT);
    two.learn(&std::mem::take(&mut one.told));
    pass(10, [&mut one, &mut two]);
    let mut phone = Phone::new("alice", "wonderland");
    phone.call_id = "a".into();
    let request = phone.register(CONTACT);
    let refusal = two.ask(HOME, &request);
    let proof = phone.register_proof(&refusal, 1);
    phone.cseq = 1;
    let old = phone.register(&format!("{CONTACT}{proof}"));
    assert_eq!(status(&two.ask(HOME, &old)), 500, "RFC 3261 §10.3 step 7 holds across nodes");
    let gone = alice(&mut two, AWAY, "b", "Contact: *\r\nExpires: 0\r\n");
    assert_eq!((status(&gone), contacts(&gone).len()), (200, 0));
    one.learn(&std::mem::take(&mut two.told));
    assert_eq!((target(&one), target(&two)), (None, None));
}

#[test]
fn a_connection_of_another_node_is_listed_and_not_called() {
    let (mut one, mut two) = nodes();
    alice(&mut one, HOME, "a", CONTACT);
    let over_tcp = |change: &Change, flow| {
        let mut change = change.clone();
        change.binding.hop = Hop { transport: Transport::Tcp, flow, ..change.binding.hop };
        change
    };
    two.learn(&[over_tcp(&one.told[0], None)]);
    assert_eq!(target(&two), None);
    let listed: Vec<_> = two.shards.iter().flat_map(|shard| shard.peers(two.clock()).bindings).collect();
    assert_eq!((listed.len(), listed[0].reached), (1, false));
    assert!(over_tcp(&one.told[0], Some(Flow::new(0, 1))).binding.is_reached());
}
