//! Guessing, listing, replaying: SECURITY rows 6, 9 and 10.

use shard::proof::{FAILURES_MAX, SILENCE_MS};
use shard::recent::Recent;
use sip::auth::nonce::LIFE_MS;
use units::Instant;

use crate::world::{AWAY, HOME, Phone, REALM, World, model, status};

const LINES: &str = "Contact: <sip:x@10.0.0.2>\r\n";

/// A refusal without what differs from one to the next.
fn plain(refusal: &str, user: &str) -> String {
    let lines = refusal.replace(user, "someone");
    let kept = lines.lines().map(|line| match line.split_once("nonce=\"") {
        Some((before, after)) => format!("{before}nonce{}", &after[32..]),
        None => line.split(";tag=").next().unwrap_or(line).to_owned(),
    });
    kept.collect::<Vec<_>>().join("\n")
}

#[test]
fn known_and_unknown_users_get_the_same_question() {
    let mut world = World::new(1, &model());
    let mut refusals = Vec::new();
    for (user, from) in [("alice", HOME), ("nobody", AWAY)] {
        let mut phone = Phone::new(user, "wrong");
        let request = phone.register(LINES);
        let first = world.ask(from, &request).replace(&from[..12], "somewhere");
        let proof = phone.register_proof(&first, 1);
        let request = phone.register(&format!("{LINES}{proof}"));
        let second = world.ask(from, &request).replace(&from[..12], "somewhere");
        assert!(!second.contains("stale"));
        refusals.push((plain(&first, user), plain(&second, user)));
    }
    assert_eq!(refusals[0], refusals[1]);
    assert_eq!(world.counted("proofs_failed"), 2);
}

/// The hashes that a refusal asks for, in their order.
fn asked_for(refusal: &str) -> Vec<&str> {
    refusal.split("algorithm=").skip(1).map(|rest| rest.split([',', '\r']).next().unwrap()).collect()
}

#[test]
fn who_does_not_answer_the_strongest_hash_is_asked_for_the_other_first() {
    let mut world = World::new(1, &model());
    let mut alice = Phone::new("alice", "wonderland");
    let request = alice.register(LINES);
    assert_eq!(asked_for(&world.ask(HOME, &request)), ["SHA-256", "MD5"]);
    for _ in 0..3 {
        let request = alice.register(LINES);
        let again = world.ask(HOME, &request);
        assert_eq!(asked_for(&again), ["MD5", "SHA-256"], "what worked stays first");
        let proof = alice.register_proof(&again, 1);
        let request = alice.register(&format!("{LINES}{proof}"));
        assert_eq!(status(&world.ask(HOME, &request)), 200);
    }
    world.wait(86_400_000);
    let request = alice.register(LINES);
    assert_eq!(asked_for(&world.ask(HOME, &request)), ["SHA-256", "MD5"], "for a day");
}

/// baresip 1.0 gives up at any challenge whose hash it does not know, wherever it stands.
#[test]
fn who_answers_no_question_with_two_hashes_is_asked_for_the_one_that_all_know() {
    let mut world = World::new(1, &model());
    let mut alice = Phone::new("alice", "wonderland");
    let asked: &[&[&str]] = &[&["SHA-256", "MD5"], &["MD5", "SHA-256"], &["MD5"], &["MD5"]];
    for asked in asked {
        let request = alice.register(LINES);
        assert_eq!(asked_for(&world.ask(HOME, &request)), *asked);
    }
    for _ in 0..2 {
        let request = alice.register(LINES);
        let refusal = world.ask(HOME, &request);
        assert_eq!(asked_for(&refusal), ["MD5"], "it knows nothing else");
        let proof = alice.register_proof(&refusal, 1);
        let request = alice.register(&format!("{LINES}{proof}"));
        assert_eq!(status(&world.ask(HOME, &request)), 200);
    }
}

#[test]
fn thirty_wrong_proofs_silence_the_address_and_not_the_owner() {
    for shards in [1, 4] {
        let mut world = World::new(shards, &model());
        for guess in 0..FAILURES_MAX {
            let mut thief = Phone::new(if guess % 2 == 0 { "alice" } else { "bob" }, "guess");
            thief.call_id = format!("guess-{guess}");
            assert_eq!(status(&thief.registers(&mut world, AWAY, LINES)), 401, "guess {guess}");
        }
        let mut thief = Phone::new("alice", "wonderland");
        let request = thief.register(LINES);
        assert!(world.hear(AWAY, &request).is_empty(), "silence, whatever is sent");
        let mut alice = Phone::new("alice", "wonderland");
        assert_eq!(status(&alice.registers(&mut world, HOME, LINES)), 200, "the owner is elsewhere");
        world.wait(SILENCE_MS);
        let request = thief.register(LINES);
        assert_eq!(status(&world.ask(AWAY, &request)), 401, "and forgiven in the end");
    }
}

#[test]
fn slow_mistakes_silence_nobody() {
    let mut world = World::new(1, &model());
    for _ in 0..100 {
        let mut phone = Phone::new("alice", "mistyped");
        assert_eq!(status(&phone.registers(&mut world, HOME, LINES)), 401);
        world.wait(2_100);
    }
}

#[test]
fn an_answer_is_good_for_one_use_one_place_and_one_request() {
    let mut world = World::new(1, &model());
    let mut alice = Phone::new("alice", "wonderland");
    let request = alice.register(LINES);
    let refusal = world.ask(HOME, &request);
    let proof = alice.register_proof(&refusal, 1);
    let with = |alice: &mut Phone, proof: &str| alice.register(&format!("{LINES}{proof}"));

    let request = with(&mut alice, &proof);
    let stolen = world.ask(AWAY, &request);
    assert_eq!((status(&stolen), stolen.contains("stale")), (401, false), "bound to the address");
    let elsewhere = alice.proof(&refusal, "REGISTER", "sip:other.example", 1);
    let request = with(&mut alice, &elsewhere);
    assert_eq!(status(&world.ask(HOME, &request)), 400, "made for another Request-URI");
    let other_method = alice.proof(&refusal, "INVITE", "sip:voice.example", 1);
    let request = with(&mut alice, &other_method);
    assert_eq!(status(&world.ask(HOME, &request)), 401);

    let request = with(&mut alice, &proof);
    assert_eq!(status(&world.ask(HOME, &request)), 200);
    let request = with(&mut alice, &proof);
    let replayed = world.ask(HOME, &request);
    assert_eq!((status(&replayed), replayed.contains("stale=true")), (401, true), "the count must rise");
    let next = alice.register_proof(&refusal, 2);
    let request = with(&mut alice, &next);
    assert_eq!(status(&world.ask(HOME, &request)), 200, "and may");
    world.wait(LIFE_MS);
    let late = alice.register_proof(&refusal, 3);
    let request = with(&mut alice, &late);
    let late = world.ask(HOME, &request);
    assert_eq!((status(&late), late.contains("stale=true")), (401, true));
    let wrong = Phone::new("alice", "guess").register_proof(&refusal, 4);
    let request = with(&mut alice, &wrong);
    assert!(!world.ask(HOME, &request).contains("stale"), "stale is said to who knows the password alone");
}

#[test]
fn junk_in_the_header_is_refused_and_harms_nothing() {
    let mut world = World::new(1, &model());
    let rows = [
        ("Authorization: NoOneKnowsThisScheme opaque-data=here\r\n", 401),
        ("Authorization: Basic YWxpY2U6d29uZGVybGFuZA==\r\n", 401),
        (
            "Authorization: Digest username=\"alice\", realm=\"elsewhere\", nonce=\"n\", uri=\"u\", response=\"r\"\r\n",
            400,
        ),
        ("Authorization: Digest\r\n", 400),
        ("Authorization: Digest username=\"al\r\n", 400),
        ("Authorization: Digest username=\"'; drop table users; --\", realm=\"voice.example\"\r\n", 400),
    ];
    for (line, wanted) in rows {
        let mut alice = Phone::new("alice", "wonderland");
        let request = alice.register(&format!("{LINES}{line}"));
        assert_eq!(status(&world.ask(HOME, &request)), wanted, "{line}");
    }
    let mut alice = Phone::new("alice", "wonderland");
    let request = alice.register(&format!("Authorization: Digest x=\"{}\"\r\n", "x".repeat(9_000)));
    assert_eq!(status(&world.ask(HOME, &request)), 400);
    assert_eq!(status(&alice.registers(&mut world, HOME, LINES)), 200);
}

#[test]
fn a_small_packet_from_nobody_draws_no_large_one() {
    let mut world = World::new(1, &model());
    let small = "REGISTER sip:h SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bKa\r\nf:sip:a@h;tag=1\r\nt:sip:a@h\r\ni:c\r\n\
        CSeq:1 REGISTER\r\n\r\n";
    assert!(world.hear(HOME, small).is_empty());
    assert_eq!(world.counted("proofs_silenced"), 1);
    // Phones that say little about themselves are asked nevertheless: they repeat what is not answered, and that counts.
    let drawn: Vec<usize> = (1..60).flat_map(|_| world.hear(HOME, small)).map(|(_, text)| text.len()).collect();
    assert!(drawn.len() > 10, "{drawn:?}");
    let bytes: usize = drawn.iter().sum();
    assert!(bytes * 10 <= 60 * small.len() * 12, "{bytes} for sixty times {}", small.len());
}

/// What a phone sends at least that wants to be called.
#[test]
fn a_phone_that_says_no_more_than_it_must_is_asked_at_once_and_registers() {
    let mut world = World::new(1, &model());
    let register = |number: u32, lines: &str| {
        format!(
            "REGISTER sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:5062;branch=z9hG4bK-1-{number};rport\r\n\
             From: <sip:alice@{REALM}>;tag=1\r\nTo: <sip:alice@{REALM}>\r\nCall-ID: 1@198.51.100.7\r\n\
             CSeq: {number} REGISTER\r\nContact: <sip:alice@198.51.100.7:5062>\r\nMax-Forwards: 70\r\n\
             Expires: 3600\r\n{lines}Content-Length: 0\r\n\r\n"
        )
    };
    let request = register(1, "");
    let refusal = world.ask(HOME, &request);
    assert_eq!(status(&refusal), 401);
    assert!(refusal.len() * 10 <= request.len() * 12, "{} bytes for {}", refusal.len(), request.len());
    assert!(asked_for(&refusal).is_empty() && refusal.contains("\r\nv: "), "in the fewest bytes: {refusal}");
    let alice = Phone::new("alice", "wonderland");
    let request = register(2, &alice.register_proof(&refusal, 1));
    assert_eq!(status(&world.ask(HOME, &request)), 200);
}

#[test]
fn what_happened_lately_is_bounded_and_forgotten() {
    let at = |ms: u64| Instant::from_micros(ms * 1_000);
    let mut recent = Recent::new(3, 1_000);
    for key in 0..3 {
        assert_eq!(recent.put(at(key), key, "first"), None);
    }
    assert_eq!(recent.put(at(500), 0, "again"), None, "a value is replaced in its place");
    assert_eq!(recent.put(at(600), 3, "fourth"), Some("again"), "the oldest makes room");
    assert_eq!((recent.len(), recent.has(at(600), &0), recent.has(at(600), &1)), (3, false, true));
    assert!(!recent.has(at(1_001), &1), "its time is over");
    recent.put(at(5_000), 4, "later");
    assert_eq!(recent.len(), 1, "and its memory free");
}

#[test]
fn nonces_of_an_earlier_start_silence_no_crowd_that_comes_back() {
    let mut before = World::new(1, &model());
    let mut world = World::new(1, &model());
    world.now_ms += 7_000_000;
    let mut alice = Phone::new("alice", "wonderland");
    let request = alice.register(LINES);
    let old = before.ask(AWAY, &request);
    assert_eq!(status(&alice.registers(&mut world, HOME, LINES)), 200);
    for _ in 0..100 {
        let proof = alice.register_proof(&old, 1);
        let request = alice.register(&format!("{LINES}{proof}"));
        assert_eq!(status(&world.ask(HOME, &request)), 401);
    }
    assert_eq!(status(&alice.registers(&mut world, HOME, LINES)), 200);
}
