//! RFC 4475 and RFC 5118 through a whole shard: every message gets the answer that the table of required behaviour names.

mod torture;
mod world;

use torture::messages;
use world::{ORIGINATOR, STRANGER, Sent, TERMINATOR, World, find, header, reserved, status};

/// What a message must get.
enum Must {
    /// One of these final answers, or a call that is passed on where 0 stands among them.
    Get(&'static [u16]),
    /// Anything but 400 (or these): it is well formed.
    BeTaken(&'static [u16]),
    /// No answer.
    Vanish,
}
use Must::{BeTaken, Get, Vanish};

/// A liberal reader passes the call on, routes it nowhere, or answers as if nothing were wrong.
const LIBERAL: &[u16] = &[400, 0, 200, 401, 404, 405, 481];
/// REGISTER is well formed: the registrar asks who speaks, or this switch has none for the sender.
const TABLE: &[(&str, Must)] = &[
    ("wsinv", Get(&[481])),
    ("intmeth", Get(&[501, 405])),
    ("esc01", BeTaken(&[])),
    ("escnull", BeTaken(&[])),
    ("esc02", Get(&[501, 405])),
    ("lwsdisp", BeTaken(&[])),
    ("longreq", BeTaken(&[513])),
    ("dblreq", BeTaken(&[])),
    ("semiuri", BeTaken(&[])),
    ("transports", BeTaken(&[])),
    ("mpart01", Get(&[405, 415])),
    ("unreason", Vanish),
    ("noreason", Vanish),
    ("badinv01", Get(&[400])),
    ("clerr", Get(&[400])),
    ("ncl", Get(&[400])),
    ("scalar02", Get(&[400])),
    ("scalarlg", Vanish),
    ("quotbal", Get(LIBERAL)),
    ("ltgtruri", Get(LIBERAL)),
    ("lwsruri", Get(LIBERAL)),
    ("lwsstart", Get(LIBERAL)),
    ("trws", Get(LIBERAL)),
    ("escruri", Get(LIBERAL)),
    ("baddate", Get(LIBERAL)),
    ("regbadct", Get(LIBERAL)),
    ("badaspec", Get(LIBERAL)),
    ("baddn", Get(LIBERAL)),
    ("badvers", Get(&[505])),
    ("mismatch01", Get(&[400])),
    ("mismatch02", Get(&[501, 405, 400])),
    ("bigcode", Vanish),
    ("badbranch", BeTaken(&[400])),
    ("insuf", Get(&[400])),
    ("unkscm", Get(&[416])),
    ("novelsc", Get(&[416])),
    ("unksm2", Get(&[400])),
    ("bext01", Get(&[420])),
    ("invut", Get(&[415])),
    ("regaut01", Get(&[401, 405])),
    ("multi01", Get(&[400])),
    ("mcl01", Get(&[400])),
    ("bcast", Vanish),
    ("zeromf", Get(&[200, 483])),
    ("cparam01", BeTaken(&[])),
    ("cparam02", BeTaken(&[])),
    ("regescrt", BeTaken(&[])),
    ("sdp01", Get(&[406])),
    ("inv2543", BeTaken(&[])),
    ("ipv6-good", BeTaken(&[])),
    ("ipv6-bad", Get(&[400])),
    ("port-ambiguous", BeTaken(&[])),
    ("port-unambiguous", BeTaken(&[])),
    ("via-received-param-with-delim", Get(&[481])),
    ("via-received-param-no-delim", BeTaken(&[])),
    ("ipv6-in-sdp", BeTaken(&[])),
    ("mult-ip-in-header", Get(&[481])),
    ("mult-ip-in-sdp", BeTaken(&[])),
    ("ipv4-mapped-ipv6", BeTaken(&[])),
    ("ipv6-bug-abnf-3-colons", Get(&[400, 200])),
    ("ipv6-correct-abnf-2-colons", BeTaken(&[])),
];

/// The final answers to a message, 0 for a call that was passed on.
fn answers(sent: &[Sent]) -> Vec<u16> {
    let passed = find(sent, TERMINATOR, "INVITE ").map(|_| 0);
    let finals = sent.iter().filter_map(|(_, text)| status(text)).filter(|status| *status >= 200);
    finals.chain(passed).collect()
}

fn check(name: &str, must: &Must, sent: &[Sent]) {
    let found = answers(sent);
    let right = match (must, found.as_slice()) {
        (Vanish, _) => sent.is_empty(),
        (Get(allowed), [one]) => allowed.contains(one),
        (BeTaken(also), [one]) => *one != 400 || also.contains(one),
        (Get(_) | BeTaken(_), _) => false,
    };
    assert!(right, "{name} got {found:?}: {sent:#?}");
    assert!(sent.iter().all(|(to, _)| !to.ip().to_string().starts_with("255.")), "{name}: nothing is broadcast");
}

#[test]
fn every_message_gets_its_answer_and_a_good_call_works_after_it() {
    let all = messages();
    assert_eq!((all.len(), TABLE.len()), (49 + 12, 49 + 12), "none is left out");
    for (message, (name, must)) in all.iter().zip(TABLE) {
        assert_eq!(message.name, *name);
        let mut world = World::default();
        check(name, must, &world.hear(ORIGINATOR, &message.bytes));
        world.good_call("after");
        world.nothing_is_left(name);
        assert!(!reserved(&world).is_positive(), "{name}: no money is held");
    }
}

#[test]
fn the_answers_say_what_was_wrong() {
    let say = |name: &str, wanted: &str| {
        let sent = World::default().hear(ORIGINATOR, &torture::message(name).bytes);
        let text = &sent.first().expect("it is answered").1;
        header(text, wanted).unwrap_or_else(|| panic!("{name}: {wanted} in {text}")).to_owned()
    };
    let tags = World::default().hear(ORIGINATOR, &torture::message("bext01").bytes).remove(0).1;
    let unsupported: Vec<&str> = tags.lines().filter_map(|line| line.strip_prefix("Unsupported: ")).collect();
    assert_eq!(
        unsupported,
        ["nothingSupportsThis", "nothingSupportsThisEither", "noProxiesSupportThis", "norDoAnyProxiesSupportThis"]
    );
    assert!(say("invut", "Accept").contains("application/sdp"));
    assert_eq!(say("invut", "Accept-Encoding"), "identity");
    assert!(say("mpart01", "Allow").contains("INVITE"));
    for wanted in ["Allow", "Accept"] {
        say("zeromf", wanted);
    }
}

#[test]
fn nothing_that_a_stranger_sends_becomes_a_call_or_a_large_answer() {
    for message in messages() {
        let mut world = World::default();
        let sent = world.hear(STRANGER, &message.bytes);
        let stranger: std::net::IpAddr = [203, 0, 113, 9].into();
        assert!(sent.len() <= 1, "{}: one packet at most", message.name);
        for (to, text) in &sent {
            assert_eq!((to.ip(), status(text)), (stranger, Some(403)), "{}", message.name);
            assert!(text.len() * 10 <= message.bytes.len() * 12, "{}: 1.2 bytes for one", message.name);
        }
        assert_eq!(world.shard.calls_held(), 0, "{}", message.name);
        world.good_call("after");
    }
}

#[test]
fn every_message_may_be_cut_anywhere() {
    for message in messages() {
        let mut world = World::default();
        for end in 0..message.bytes.len() {
            world.hear(ORIGINATOR, &message.bytes[..end]);
            world.now_us += 100;
        }
        world.good_call("after");
        world.nothing_is_left(&message.name);
    }
}
