//! Our registrations with peers: RFC 3261 §10.2, SECURITY row 11.

use shard::registrations::{REST_MAX_MS, REST_MS, Standing};
use sip::auth::{Secret, credentials_of};
use sip::{Name, parse};
use units::{EgressTrunkId, Instant};

use crate::world::{AWAY, PEER, REALM, World, digest, model, registering};

const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"voice.example\", nonce=\"abc\", qop=\"auth\"\r\n";

/// The peer's response to a request of ours.
fn response(request: &str, status: u16, lines: &str) -> String {
    let message = parse::message(request.as_bytes()).unwrap();
    let mut out = format!("SIP/2.0 {status} So\r\n");
    for name in [Name::Via, Name::From, Name::CallId, Name::CSeq] {
        let value = String::from_utf8(message.header(name).unwrap().to_vec()).unwrap();
        out.push_str(&format!("{}: {value}\r\n", name.as_str()));
    }
    let to = String::from_utf8(message.header(Name::To).unwrap().to_vec()).unwrap();
    format!("{out}To: {to};tag=peer\r\n{lines}Content-Length: 0\r\n\r\n")
}

fn only(mut sent: Vec<(std::net::SocketAddr, String)>) -> String {
    assert_eq!(sent.len(), 1, "{sent:?}");
    let (to, text) = sent.remove(0);
    assert_eq!(to, PEER.parse().unwrap());
    text
}

fn standing(world: &World) -> Standing {
    let rows = world.shards[0].registrations().standings(world.clock().now);
    assert_eq!(rows[0].0, EgressTrunkId(1));
    rows[0].1
}

/// The switch that has just sent its first REGISTER.
fn begun() -> (World, String) {
    let mut world = World::new(1, &registering());
    let request = only(world.wait(100));
    (world, request)
}

/// Answers as a peer that asks for a proof first, and grants these seconds.
fn register(world: &mut World, request: &str, granted: u32) -> String {
    let proved = only(world.hear(PEER, &response(request, 401, CHALLENGE)));
    let message = parse::message(proved.as_bytes()).unwrap();
    let credentials = credentials_of(&message, Name::Authorization, REALM).unwrap();
    assert!(credentials.fits(&Secret::from_password("switch", REALM, "secret"), b"REGISTER"));
    let contact = String::from_utf8(message.header(Name::Contact).unwrap().to_vec()).unwrap();
    let lines = format!("Contact: <sip:x@y>;expires=5, {contact};expires={granted}\r\n");
    assert!(world.hear(PEER, &response(&proved, 200, &lines)).is_empty());
    proved
}

#[test]
fn it_is_asked_proved_granted_and_refreshed_at_half_time() {
    let (mut world, request) = begun();
    assert!(request.starts_with("REGISTER sip:peer.example SIP/2.0\r\n"), "{request}");
    assert!(request.contains("To: <sip:switch@peer.example>\r\n") && request.contains("Expires: 600\r\n"));
    assert!(request.contains("Contact: <sip:switch@192.0.2.100:5060>\r\n"));
    let proved = register(&mut world, &request, 400);
    assert_eq!(
        standing(&world),
        Standing::Registered { until: Instant::from_micros((world.now_ms + 400_000) * 1_000) }
    );
    assert!(world.wait(199_000).is_empty());
    let refresh = only(world.wait(1_000));
    let (first, again) = (parse::message(proved.as_bytes()).unwrap(), parse::message(refresh.as_bytes()).unwrap());
    assert_eq!(first.call_id(), again.call_id(), "RFC 3261 §10.2.4");
    assert_eq!(first.cseq().number + 1, again.cseq().number);
    assert_ne!(first.via().branch, again.via().branch);
}

#[test]
fn by_a_shared_address_the_machine_that_has_it_registers_alone() {
    let (mut world, request) = begun();
    register(&mut world, &request, 400);
    let held = |world: &mut World, here| {
        let clock = world.clock();
        world.shards.iter_mut().for_each(|shard| shard.on_address(clock, 0, here));
    };
    held(&mut world, false);
    assert_eq!(standing(&world), Standing::Out);
    world.publish(&registering());
    assert!(world.wait(900_000).is_empty(), "nothing is said: the peer knows another by then");
    held(&mut world, true);
    let request = only(world.wait(100));
    register(&mut world, &request, 400);
    held(&mut world, true);
    assert!(world.wait(199_000).is_empty(), "what is known is no news");
    held(&mut world, false);
    held(&mut world, true);
    only(world.wait(100));
}

#[test]
fn a_refusal_rests_ever_longer_and_is_told() {
    let (mut world, mut request) = begun();
    let mut rest_ms = REST_MS;
    for _ in 0..8 {
        assert!(world.hear(PEER, &response(&request, 403, "")).is_empty());
        assert_eq!(standing(&world), Standing::Failed { status: 403 });
        assert!(world.wait(rest_ms - 1).is_empty());
        request = only(world.wait(1));
        rest_ms = (rest_ms * 2).min(REST_MAX_MS);
    }
    register(&mut world, &request, 600);
    assert!(matches!(standing(&world), Standing::Registered { .. }));
}

#[test]
fn silence_is_repeated_given_up_and_tried_again() {
    let (mut world, request) = begun();
    let repeats = world.wait(31_000);
    assert!(repeats.len() > 5 && repeats.iter().all(|(_, text)| *text == request));
    assert!(world.wait(REST_MS - 1_000).iter().all(|(_, text)| *text == request));
    assert_eq!(standing(&world), Standing::Failed { status: 408 });
    let again = only(world.wait(2_000).into_iter().take(1).collect());
    assert_ne!(again, request);
}

#[test]
fn a_wrong_password_is_said_once_and_a_strange_realm_hears_nothing() {
    let (mut world, request) = begun();
    let proved = only(world.hear(PEER, &response(&request, 401, CHALLENGE)));
    let other = CHALLENGE.replace("abc", "def");
    assert!(world.hear(PEER, &response(&proved, 401, &other)).is_empty(), "not stale: the password is wrong");
    assert_eq!(standing(&world), Standing::Failed { status: 401 });

    let (mut world, request) = begun();
    let strange = CHALLENGE.replace("voice.example", "evil.example");
    assert!(world.hear(PEER, &response(&request, 401, &strange)).is_empty());
    assert_eq!(standing(&world), Standing::Failed { status: 401 });

    let (mut world, request) = begun();
    assert!(world.hear(AWAY, &response(&request, 401, CHALLENGE)).is_empty(), "nor does somebody else");
    assert_eq!(standing(&world), Standing::Out);
    let proved = only(world.hear(PEER, &response(&request, 401, CHALLENGE)));
    let stale = CHALLENGE.replace("abc", "def").replace("qop", "stale=true, qop");
    let fresher = only(world.hear(PEER, &response(&proved, 401, &stale)));
    assert!(fresher.contains("nonce=\"def\""));
    assert!(world.hear(PEER, &response(&fresher, 401, &stale)).is_empty(), "once for each nonce");
}

#[test]
fn a_peer_that_wants_longer_gets_longer() {
    let (mut world, request) = begun();
    let longer = only(world.hear(PEER, &response(&request, 423, "Min-Expires: 1800\r\n")));
    assert!(longer.contains("Expires: 1800\r\n"));
    assert!(world.hear(PEER, &response(&longer, 423, "Min-Expires: 1800\r\n")).is_empty(), "but not without end");
    assert_eq!(standing(&world), Standing::Failed { status: 423 });
}

#[test]
fn draining_takes_it_back_and_the_end_of_draining_brings_it_again() {
    let (mut world, request) = begun();
    register(&mut world, &request, 600);
    let clock = world.clock();
    world.shards[0].on_drain(clock, true);
    let leaving = only(world.wait(1));
    assert!(leaving.contains("Expires: 0\r\n"));
    assert!(world.hear(PEER, &response(&leaving, 200, "")).is_empty());
    assert_eq!(standing(&world), Standing::Out);
    assert!(world.wait(700_000).is_empty());
    let clock = world.clock();
    world.shards[0].on_drain(clock, false);
    assert!(only(world.wait(1)).contains("Expires: 600\r\n"));
}

#[test]
fn a_snapshot_without_it_takes_it_back_and_one_that_changes_it_begins_anew() {
    let (mut world, request) = begun();
    register(&mut world, &request, 600);
    world.publish(&registering());
    assert!(world.wait(1_000).is_empty(), "the same snapshot again changes nothing");
    let mut changed = registering();
    changed.egress_trunks[0].policy.digest = Some(digest("switch", "changed"));
    world.publish(&changed);
    let sent = world.wait(1);
    assert_eq!(sent.len(), 2, "the old one goes, the next one comes");
    for (_, request) in &sent {
        world.hear(PEER, &response(request, 200, ""));
    }
    world.publish(&model());
    let leaving = only(world.wait(1));
    world.hear(PEER, &response(&leaving, 200, ""));
    assert!(world.shards[0].registrations().standings(world.clock().now).is_empty());
    assert!(world.wait(700_000).is_empty());
}
