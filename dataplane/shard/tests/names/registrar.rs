//! REGISTER of subscribers: RFC 3261 §10.3.

use sip::{Name, parse};

use crate::world::{AWAY, HOME, Phone, World, contacts, model, status};

const CONTACT: &str = "Contact: <sip:alice@10.0.0.2:5062>\r\n";

#[test]
fn a_phone_is_asked_registers_is_found_and_forgotten() {
    let mut world = World::new(1, &model());
    let mut alice = Phone::new("alice", "wonderland");
    let request = alice.register(CONTACT);
    let refusal = world.ask(HOME, &request);
    let message = parse::message(refusal.as_bytes()).unwrap();
    let challenges: Vec<_> = message.headers(Name::WwwAuthenticate).map(|value| value.to_vec()).collect();
    assert_eq!(challenges.len(), 2, "RFC 8760 §2.3: two hashes are offered");
    assert!(String::from_utf8_lossy(&challenges[0]).contains("algorithm=SHA-256"), "the strongest first");
    assert!(refusal.len() * 10 <= request.len() * 12, "{} for {} bytes", refusal.len(), request.len());
    assert!(world.shards[0].registrar().all().next().is_none());

    let proof = alice.register_proof(&refusal, 1);
    let request = alice.register(&format!("{CONTACT}{proof}"));
    let answer = world.ask(HOME, &request);
    assert_eq!(status(&answer), 200);
    assert_eq!(contacts(&answer), ["<sip:alice@10.0.0.2:5062>;expires=3600"]);
    assert_eq!(world.ask(HOME, &request), answer, "a repeat gets the same bytes");

    let found = world.shards[0].registrar().find(world.clock().now, "alice");
    assert_eq!(found[0].contact, b"sip:alice@10.0.0.2:5062");
    assert_eq!(found[0].hop.remote, HOME.parse().unwrap(), "calls go where it came from");
    world.wait(3_599_000);
    assert_eq!(world.shards[0].registrar().find(world.clock().now, "alice@voice.example").len(), 1);
    world.wait(1_000);
    assert!(world.shards[0].registrar().find(world.clock().now, "alice").is_empty());
    assert!(world.shards[0].registrar().all().next().is_none(), "and nothing of it is left");
}

#[test]
fn expiry_comes_from_the_contact_then_the_header_and_is_bounded() {
    let mut world = World::new(1, &model());
    let mut alice = Phone::new("alice", "wonderland");
    let rows = [
        ("Contact: <sip:a@10.0.0.2>;expires=120\r\nExpires: 600\r\n", "<sip:a@10.0.0.2>;expires=120"),
        ("Contact: <sip:a@10.0.0.2>\r\nExpires: 600\r\n", "<sip:a@10.0.0.2>;expires=600"),
        ("Contact: <sip:a@10.0.0.2>;expires=soon\r\n", "<sip:a@10.0.0.2>;expires=3600"),
        ("m: sip:a@10.0.0.2;expires=99999999999999999999\r\n", "<sip:a@10.0.0.2>;expires=3600"),
        ("m: sip:a@10.0.0.2;expires=4294967296\r\n", "<sip:a@10.0.0.2>;expires=86400"),
    ];
    for (lines, contact) in rows {
        let answer = alice.registers(&mut world, HOME, lines);
        assert_eq!(contacts(&answer), [contact], "{lines}");
    }
    let answer = alice.registers(&mut world, HOME, "Contact: <sip:a@10.0.0.2>;expires=59\r\n");
    assert_eq!(status(&answer), 423);
    assert!(answer.contains("Min-Expires: 60\r\n"));
}

#[test]
fn bindings_are_listed_taken_back_one_by_one_and_all_at_once() {
    let mut world = World::new(1, &model());
    let mut alice = Phone::new("alice", "wonderland");
    let two = "Contact: <sip:a@10.0.0.2>;expires=60\r\nContact: \"x\" <sip:b@10.0.0.3;transport=udp>;q=0.5\r\n";
    assert_eq!(contacts(&alice.registers(&mut world, HOME, two)).len(), 2);
    world.wait(30_000);
    let listed = contacts(&alice.registers(&mut world, HOME, ""));
    assert_eq!(listed, ["<sip:a@10.0.0.2>;expires=30", "<sip:b@10.0.0.3;transport=udp>;expires=3570"]);
    let gone = alice.registers(&mut world, HOME, "Contact: <sip:b@10.0.0.3;Transport=UDP>;expires=0\r\n");
    assert_eq!(contacts(&gone), ["<sip:a@10.0.0.2>;expires=30"]);
    for (lines, wanted) in [
        ("Contact: *\r\n", 400),
        ("Contact: *\r\nExpires: 60\r\n", 400),
        ("Contact: *, <sip:a@10.0.0.2>\r\nExpires: 0\r\n", 400),
        ("Contact: <sip:a@10.0.0.2\r\n", 400),
        ("Contact: <tel:>\r\n", 400),
        ("Require: path\r\nContact: *\r\nExpires: 0\r\n", 420),
        ("Contact: *\r\nExpires: 0\r\n", 200),
    ] {
        let request = alice.register(lines);
        let first = world.ask(HOME, &request);
        let answer = if status(&first) == 401 { alice.registers(&mut world, HOME, lines) } else { first };
        assert_eq!(status(&answer), wanted, "{lines}");
        assert!(wanted != 420 || answer.contains("Unsupported: path\r\n"));
    }
    assert!(world.shards[0].registrar().all().next().is_none());
}

#[test]
fn what_is_older_than_what_is_known_changes_nothing() {
    let mut world = World::new(1, &model());
    let mut alice = Phone::new("alice", "wonderland");
    assert_eq!(status(&alice.registers(&mut world, HOME, CONTACT)), 200);
    for take_back in ["Contact: *\r\nExpires: 0\r\n", "Contact: <sip:alice@10.0.0.2:5062>;expires=0\r\n"] {
        alice.cseq = 0;
        assert_eq!(status(&alice.registers(&mut world, HOME, take_back)), 500, "RFC 3261 §10.3 step 7");
    }
    assert_eq!(world.shards[0].registrar().all().count(), 1);
    // After a restart of the phone the Call-ID is another one, and the numbers begin anew.
    alice.call_id = "alice-2".into();
    alice.cseq = 0;
    assert_eq!(status(&alice.registers(&mut world, AWAY, CONTACT)), 200);
    let found = world.shards[0].registrar().find(world.clock().now, "alice");
    assert_eq!((found.len(), found[0].hop.remote), (1, AWAY.parse().unwrap()), "the same contact is one binding");
}

#[test]
fn ten_contacts_are_kept_and_the_one_that_ends_first_makes_room() {
    let mut world = World::new(1, &model());
    let mut alice = Phone::new("alice", "wonderland");
    for index in 0..15 {
        let lines = format!("Contact: <sip:a@10.0.0.{index}>;expires={}\r\n", 100 + index);
        assert_eq!(status(&alice.registers(&mut world, HOME, &lines)), 200);
    }
    let kept: Vec<_> = world.shards[0].registrar().all().map(|(_, binding)| binding.contact.clone()).collect();
    assert_eq!(kept.len(), 10);
    assert!(!kept.contains(&b"sip:a@10.0.0.4".to_vec()) && kept.contains(&b"sip:a@10.0.0.5".to_vec()));
    let many: String = (0..11).map(|index| format!("Contact: <sip:b@10.0.0.{index}>\r\n")).collect();
    assert_eq!(status(&alice.registers(&mut world, HOME, &many)), 400);
    let long = format!("Contact: <sip:{}@10.0.0.1>\r\n", "x".repeat(600));
    assert_eq!(status(&alice.registers(&mut world, HOME, &long)), 400);
}

#[test]
fn nobody_binds_anothers_name_and_nobody_comes_from_where_its_trunk_is_not() {
    let mut world = World::new(1, &model());
    let mut bob = Phone::new("bob", "builder");
    let lines = "Contact: <sip:b@10.0.0.2>\r\n";
    let request = bob.request("REGISTER", "sip:voice.example", "alice", lines);
    let refusal = world.ask(HOME, &request);
    let proof = bob.register_proof(&refusal, 1);
    let request = bob.request("REGISTER", "sip:voice.example", "alice", &format!("{lines}{proof}"));
    assert_eq!(status(&world.ask(HOME, &request)), 403);
    let mut carol = Phone::new("carol", "christmas");
    assert_eq!(status(&carol.registers(&mut world, HOME, lines)), 403);
    assert_eq!(status(&carol.registers(&mut world, "198.51.100.33:5060", lines)), 200);
    let mut model = model();
    model.ingress_trunks[2].active = false;
    world.publish(&model);
    assert_eq!(status(&carol.registers(&mut world, "198.51.100.33:5060", lines)), 403);
}

#[test]
fn whichever_shard_hears_it_the_home_decides_and_all_know() {
    let mut world = World::new(4, &model());
    for (user, password) in [("alice", "wonderland"), ("bob", "builder")] {
        for round in 0..6 {
            let mut phone = Phone::new(user, password);
            phone.call_id = format!("{user}-{round}");
            let lines = format!("Contact: <sip:{user}@10.0.0.{round}>\r\n");
            assert_eq!(status(&phone.registers(&mut world, HOME, &lines)), 200);
        }
        let now = world.clock().now;
        assert!(world.shards.iter().all(|shard| shard.registrar().find(now, user).len() == 6));
    }
    assert!(world.counted("sip_steered") > 0);
    let mut alice = Phone::new("alice", "wonderland");
    alice.call_id = "alice-last".into();
    assert_eq!(contacts(&alice.registers(&mut world, HOME, "Contact: *\r\nExpires: 0\r\n")).len(), 0);
    assert!(world.shards.iter().all(|shard| shard.registrar().all().count() == 6), "bob's are still known everywhere");
    world.wait(3_600_000);
    assert!(world.shards.iter().all(|shard| shard.registrar().all().count() == 0));
}

#[test]
fn without_subscribers_nobody_registers() {
    let mut model = model();
    model.ingress_trunks.iter_mut().for_each(|trunk| trunk.policy.digest = None);
    model.ingress_trunks.drain(..2);
    let mut world = World::new(1, &model);
    let mut alice = Phone::new("alice", "wonderland");
    let request = alice.register(CONTACT);
    assert_eq!(status(&world.ask("198.51.100.33:5060", &request)), 405);
}
