//! INVITE of an ingress trunk whose policy wants a proof.

use crate::world::{AWAY, HOME, Phone, World, model, status};

const URI: &str = "sip:4912345@voice.example";

fn invite(phone: &mut Phone, lines: &str) -> String {
    phone.request("INVITE", URI, "4912345", &format!("Contact: <sip:x@10.0.0.2>\r\n{lines}"))
}

/// Sends an INVITE, answers its challenge, and tells the first answer to the second INVITE.
fn call(world: &mut World, phone: &mut Phone, from: &str) -> String {
    let request = invite(phone, "");
    let refusal = world.ask(from, &request);
    assert_eq!(status(&refusal), 407, "{refusal}");
    assert!(refusal.contains("Proxy-Authenticate: Digest realm=\"voice.example\""));
    let proof = phone.proof(&refusal, "INVITE", URI, 1);
    let request = invite(phone, &proof);
    world.hear(from, &request).first().map(|(_, answer)| answer.clone()).unwrap_or_default()
}

#[test]
fn the_right_proof_begins_a_call_from_anywhere_and_a_wrong_one_never() {
    let mut world = World::new(1, &model());
    let mut thief = Phone::new("alice", "guess");
    assert_eq!(status(&call(&mut world, &mut thief, AWAY)), 407);
    let mut nobody = Phone::new("nobody", "guess");
    assert_eq!(status(&call(&mut world, &mut nobody, AWAY)), 407);
    assert_eq!((world.shards[0].calls_held(), world.counted("calls_begun")), (0, 0));
    let mut alice = Phone::new("alice", "wonderland");
    assert_eq!(status(&call(&mut world, &mut alice, HOME)), 100);
    assert_eq!(world.counted("calls_begun"), 1);
}

#[test]
fn a_trunk_with_sources_needs_both_its_address_and_its_proof() {
    let mut world = World::new(1, &model());
    let mut carol = Phone::new("carol", "christmas");
    assert_eq!(status(&call(&mut world, &mut carol, HOME)), 407, "right password, wrong place");
    let mut alice = Phone::new("alice", "wonderland");
    assert_eq!(status(&call(&mut world, &mut alice, "198.51.100.33:5060")), 407, "right place, another's password");
    let mut carol = Phone::new("carol", "christmas");
    assert_eq!(status(&call(&mut world, &mut carol, "198.51.100.33:5060")), 100);
}

#[test]
fn a_proof_is_not_good_for_a_second_call_at_any_shard() {
    let mut world = World::new(4, &model());
    let mut alice = Phone::new("alice", "wonderland");
    let request = invite(&mut alice, "");
    let refusal = world.ask(HOME, &request);
    let proof = alice.proof(&refusal, "INVITE", URI, 1);
    let request = invite(&mut alice, &proof);
    assert_eq!(status(&world.hear(HOME, &request)[0].1), 100);
    for round in 0..16 {
        alice.call_id = format!("again-{round}");
        let request = invite(&mut alice, &proof);
        let answer = world.ask(HOME, &request);
        assert_eq!((status(&answer), answer.contains("stale=true")), (407, true));
    }
    assert_eq!(world.counted("calls_begun"), 1);
}

#[test]
fn where_every_trunk_names_its_addresses_a_stranger_is_refused_as_ever() {
    let mut model = model();
    model.ingress_trunks.drain(..2);
    let mut world = World::new(1, &model);
    let mut alice = Phone::new("alice", "wonderland");
    let request = invite(&mut alice, "");
    assert_eq!(status(&world.ask(HOME, &request)), 403);
    let options = alice.request("OPTIONS", "sip:voice.example", "x", "");
    assert_eq!(status(&world.ask(HOME, &options)), 403);
}
