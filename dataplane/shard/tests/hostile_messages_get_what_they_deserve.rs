//! Loops, strangers, intruders, floods and wishes that we do not grant, through a whole shard.

mod world;

use std::sync::Arc;

use shard::Loaded;
use shard::guard::{REFUSED_MAX, Reason, Settings, Stranger};
use snapshot::Model;
use units::Cause;
use world::{ORIGINATOR, SDP, STRANGER, TERMINATOR, World, find, header, invite, network, reply, request, status};

/// The final answer to a message of the originator's that is an INVITE with something changed.
fn answer(world: &mut World, datagram: &str) -> (u16, String) {
    let sent = world.hear(ORIGINATOR, datagram.as_bytes());
    let last = sent.iter().rev().find(|(_, text)| status(text).is_some_and(|status| status >= 200));
    last.map_or((0, String::new()), |(_, text)| (status(text).unwrap_or(0), text.clone()))
}

fn method(name: &str) -> String {
    invite("one").replace("INVITE sip", &format!("{name} sip")).replace("1 INVITE", &format!("1 {name}"))
}

fn with(line: &str) -> String {
    invite("one").replacen("\r\nVia", &format!("\r\n{line}\r\nVia"), 1)
}

fn body(kind: &str, body: &str) -> String {
    let text = invite("one");
    let head = text.split("Content-Type").next().unwrap_or_default();
    format!("{head}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn every_wish_outside_a_call_gets_its_status() {
    let cases = [
        (method("FROB"), 501, ""),
        (method("MESSAGE"), 405, "Allow"),
        (method("SUBSCRIBE"), 405, "Allow"),
        (method("PUBLISH"), 405, "Allow"),
        (method("NOTIFY"), 405, "Allow"),
        (method("REFER"), 403, ""),
        (method("BYE"), 481, ""),
        (method("CANCEL"), 481, ""),
        (method("UPDATE"), 481, ""),
        (method("OPTIONS"), 200, "Accept"),
        (method("OPTIONS"), 200, "Accept-Encoding"),
        (method("OPTIONS"), 200, "Accept-Language"),
        (method("OPTIONS").replace("442071838750@127.0.0.1 SIP", "someone@else.example SIP"), 200, "Allow"),
        (method("OPTIONS").replace("Max-Forwards: 70", "Max-Forwards: 0"), 200, ""),
        (method("ACK"), 0, ""),
        (invite("one").replace("Max-Forwards: 70", "Max-Forwards: 0"), 483, ""),
        (invite("one").replace("442071838750@127.0.0.1>\r\nCall", "4420@127.0.0.1>;tag=x\r\nCall"), 481, ""),
        (with("Require: replaces"), 420, "Unsupported"),
        (with("Proxy-Require: sec-agree"), 420, "Unsupported"),
        (with("Content-Encoding: gzip"), 415, "Accept-Encoding"),
        (with("Accept: text/plain"), 406, ""),
        (with("Accept: text/plain, application/*;q=0.5"), 0, ""),
        (body("text/plain", "hello"), 415, "Accept"),
        (body("application/sdp", &"x".repeat(20_000)), 413, ""),
        (invite("one").replace("sip:442071838750@127.0.0.1 SIP", "tel:+44-2071838750 SIP"), 0, ""),
        (invite("one").replace("sip:442071838750@127.0.0.1 SIP", "sips:442071838750@127.0.0.1 SIP"), 416, ""),
        (method("OPTIONS").replace("OPTIONS sip:", "OPTIONS SIPS:"), 416, ""),
        (invite("one").replace("sip:442071838750@127.0.0.1 SIP", "http://127.0.0.1/ SIP"), 416, ""),
        (invite("one").replace("442071838750@127.0.0.1 SIP", "44%0d%0aX:1@127.0.0.1 SIP"), 404, ""),
        (invite("one").replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), 400, ""),
    ];
    for (datagram, expected, wanted) in cases {
        let mut world = World::default();
        let (got, text) = answer(&mut world, &datagram);
        assert_eq!(got, expected, "{datagram}\n{text}");
        assert!(wanted.is_empty() || header(&text, wanted).is_some(), "{wanted} in {text}");
        world.nothing_is_left(&datagram);
    }
}

#[test]
fn of_several_parts_the_description_goes_on_alone() {
    let parts = format!(
        "--b\r\nContent-Type: application/isup\r\nContent-Disposition: signal;handling=optional\r\n\r\nsecret\r\n\
         --b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b--\r\n"
    );
    let mut world = World::default();
    let sent = world.hear(ORIGINATOR, body("multipart/mixed;boundary=b", &parts).as_bytes());
    let passed = find(&sent, TERMINATOR, "INVITE ").expect("the call goes on");
    assert_eq!(header(&passed, "Content-Type"), Some("application/sdp"));
    assert!(passed.contains("m=audio") && !passed.contains("secret") && !passed.contains("--b"));
    let required = parts.replace("optional", "required");
    let (got, _) = answer(&mut World::default(), &body("multipart/mixed;boundary=b", &required));
    assert_eq!(got, 415);
}

#[test]
fn a_refusal_without_memory_is_the_same_for_a_repeat() {
    let mut world = World::default();
    let datagram = method("FROB");
    assert_eq!(answer(&mut world, &datagram), answer(&mut world, &datagram), "RFC 3261 §8.2.7");
}

#[test]
fn a_stranger_gets_one_short_packet_or_none_and_is_reported() {
    let mut world = World::default();
    let sent = world.hear(STRANGER, invite("one").as_bytes());
    assert_eq!(sent.len(), 1);
    assert_eq!(status(&sent[0].1), Some(403));
    assert_eq!(world.pass(100_000), [], "and it is not repeated");
    let refused = world.shard.refused().next().copied().expect("it is reported");
    assert_eq!(refused.from, STRANGER.parse().expect("an address"));
    assert_eq!((refused.user(), refused.reason), ("442071838750", Reason::Unknown));

    let mut silent = World::new(Settings { stranger: Stranger::Silent, ..Settings::default() });
    assert_eq!(silent.hear(STRANGER, invite("one").as_bytes()), []);
    assert_eq!(silent.shard.refused().count(), 1, "reported all the same");
}

#[test]
fn nobody_is_a_stranger_before_the_first_snapshot() {
    let mut world = World::early();
    assert_eq!(world.hear(ORIGINATOR, invite("one").as_bytes()), [], "it is sent again");
    assert_eq!((world.counter("sip_early"), world.counter("sip_strangers")), (1, 0));
    world.load_first();
    let sent = world.hear(ORIGINATOR, invite("one").as_bytes());
    assert!(find(&sent, TERMINATOR, "INVITE ").is_some(), "the repeat finds its trunk: {sent:?}");
}

#[test]
fn a_switch_without_a_way_in_forbids_nobody() {
    let mut world = World::early();
    world.load(Loaded::new(Arc::new(network::image(&Model::default()))).expect("a sound snapshot"));
    assert_eq!(answer(&mut world, &invite("one")).0, 503, "it is being set up");
    assert_eq!(answer(&mut world, &method("OPTIONS")).0, 403);
    assert_eq!(world.shard.refused().count(), 2, "operators see who tries");
    world.load_first();
    let sent = world.hear(ORIGINATOR, invite("two").as_bytes());
    assert!(find(&sent, TERMINATOR, "INVITE ").is_some(), "{sent:?}");
    let sent = world.hear(STRANGER, invite("three").as_bytes());
    assert_eq!(status(&sent[0].1), Some(403), "from now on strangers are told");
}

#[test]
fn the_report_keeps_the_latest_in_clear_text_only() {
    let mut world = World::new(Settings { stranger_per_s: 0, strangers_per_s: 0, ..Settings::default() });
    for number in 0..1_000 {
        let odd = format!("{number}\u{e9}{}", "9".repeat(40));
        world.hear(STRANGER, invite("one").replace("442071838750@127.0.0.1 SIP", &format!("{odd}@h SIP")).as_bytes());
    }
    let kept: Vec<&str> = world.shard.refused().map(shard::guard::Refused::user).collect();
    assert_eq!(kept.len(), REFUSED_MAX);
    assert!(kept[0].starts_with("999??9") && kept[0].len() == 32, "{}", kept[0]);
    assert!(kept[255].starts_with("744??9"));
}

/// An answered call: the answer that its originator got, and the INVITE that its terminator got.
fn talking(world: &mut World) -> (String, String) {
    let passed = find(&world.hear(ORIGINATOR, invite("one").as_bytes()), TERMINATOR, "INVITE ").expect("passed on");
    let sent = world.hear(TERMINATOR, reply(&passed, "200 OK", "ours", SDP).as_bytes());
    let answer = find(&sent, ORIGINATOR, "SIP/2.0 200").expect("answered");
    world.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
    (answer, passed)
}

#[test]
fn nobody_but_its_peer_speaks_in_a_dialog() {
    let mut world = World::default();
    let (answer, passed) = talking(&mut world);
    let bye = request(&answer, "BYE", 2);
    for from in [STRANGER, TERMINATOR] {
        assert_eq!(world.hear(from, bye.as_bytes()), [], "{from}");
    }
    assert_eq!(world.hear(STRANGER, reply(&passed, "486 Busy Here", "x", "").as_bytes()), []);
    assert_eq!(world.counter("sip_intruders"), 3);
    assert_eq!(world.shard.refused().next().map(|refused| refused.reason), Some(Reason::Intruder));
    let from_another_port = "192.0.2.60:40404";
    let sent = world.hear(from_another_port, bye.as_bytes());
    assert!(find(&sent, TERMINATOR, "BYE ").is_some(), "the peer itself may come from another port");
}

#[test]
fn a_peer_speaks_from_where_it_says_that_it_is_reached() {
    let behind = "203.0.113.77:5060";
    for (named, speaks) in [
        ("Contact: <sip:203.0.113.77:5060>\r\n", true),
        ("Contact: <sip:198.51.100.9:5060>\r\nRecord-Route: <sip:203.0.113.77;lr>\r\n", true),
        ("Contact: <sip:198.51.100.9:5060>\r\nRecord-Route: <sip:192.0.2.1;lr>\r\n", false),
        ("Contact: <sip:far.example:5060>\r\n", false),
    ] {
        let mut world = World::default();
        let passed = find(&world.hear(ORIGINATOR, invite("one").as_bytes()), TERMINATOR, "INVITE ").expect("passed on");
        let accepted = reply(&passed, "200 OK", "ours", SDP).replace("Contact: <sip:192.0.2.1:5060>\r\n", named);
        let sent = world.hear(TERMINATOR, accepted.as_bytes());
        let answer = find(&sent, ORIGINATOR, "SIP/2.0 200").expect("answered");
        world.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
        let (from, to) = (header(&passed, "From").unwrap_or(""), header(&passed, "To").unwrap_or(""));
        let bye = format!(
            "BYE sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {behind};branch=z9hG4bKfar\r\nMax-Forwards: 70\r\n\
             From: {to};tag=ours\r\nTo: {from}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            header(&passed, "Call-ID").unwrap_or("")
        );
        let sent = world.hear(behind, bye.as_bytes());
        assert_eq!(find(&sent, behind, "SIP/2.0 200").is_some(), speaks, "{named}: {sent:?}");
        assert_eq!(find(&sent, ORIGINATOR, "BYE ").is_some(), speaks, "{named}");
    }
}

#[test]
fn a_place_that_is_none_takes_nobody_out_of_a_call() {
    for named in [
        "Contact: <sip:b@[::1>",
        "Contact: <sip:b@((((>",
        "Contact: <sip:b@192.0.2.1:99999>",
        "Contact: <mailto:b@192.0.2.1>",
        "Contact: <>",
        "Contact: <urn:service:sos>\r\nRecord-Route: <sip:((((>",
        "Contact: <sip:192.0.2.1:5060>\r\nRecord-Route: <sip:b@999:x>, <mailto:x@y>",
        "Contact: <sip:192.0.2.1:5060>\r\nRecord-Route: <mailto:x@y>",
    ] {
        let (lines, named) = (format!("{named}\r\n"), named.escape_debug());
        for early in [false, true] {
            let mut world = World::default();
            let invite = invite("one").replace("Contact: <sip:37060011111@192.0.2.60:5060>\r\n", &lines);
            let heard = world.hear(ORIGINATOR, invite.as_bytes());
            let Some(passed) = find(&heard, TERMINATOR, "INVITE ") else {
                assert!(heard.iter().any(|(_, text)| status(text) == Some(400)), "{named}: {heard:?}");
                continue;
            };
            let contact = "Contact: <sip:192.0.2.1:5060>\r\n";
            if early {
                let ringing = reply(&passed, "183 Session Progress", "ours", SDP).replace(contact, &lines);
                world.hear(TERMINATOR, ringing.as_bytes());
            }
            let accepted = reply(&passed, "200 OK", "ours", SDP).replace(contact, &lines);
            let sent = world.hear(TERMINATOR, accepted.as_bytes());
            let answer = find(&sent, ORIGINATOR, "SIP/2.0 200").unwrap_or_else(|| panic!("{named}: {sent:?}"));
            world.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
            let sent = world.hear(ORIGINATOR, request(&answer, "BYE", 2).as_bytes());
            let bye = find(&sent, TERMINATOR, "BYE ").unwrap_or_else(|| panic!("{named}: {sent:?}"));
            assert!(bye.starts_with("BYE sip:") && sip::parse::message(bye.as_bytes()).is_ok(), "{named}: {bye}");
            world.hear(TERMINATOR, reply(&bye, "200 OK", "", "").as_bytes());
            world.nothing_is_left(&named.to_string());
        }
        let mut world = World::default();
        let passed = find(&world.hear(ORIGINATOR, invite("one").as_bytes()), TERMINATOR, "INVITE ").expect("passed on");
        let accepted = reply(&passed, "200 OK", "ours", SDP).replace("Contact: <sip:192.0.2.1:5060>\r\n", &lines);
        let sent = world.hear(TERMINATOR, accepted.as_bytes());
        let answer = find(&sent, ORIGINATOR, "SIP/2.0 200").unwrap_or_else(|| panic!("{named}: {sent:?}"));
        world.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
        let sent = world.hear(ORIGINATOR, request(&answer, "BYE", 2).as_bytes());
        assert!(find(&sent, TERMINATOR, "BYE sip:").is_some(), "{named}: {sent:?}");
    }
}

/// A peer's places and names grow from message to message until what we print of them would fit into none.
#[test]
fn what_a_peer_makes_us_say_is_always_a_message() {
    let long = |length: usize| "x".repeat(length);
    let places = |length: usize| format!("Contact: <sip:{}@192.0.2.1:5060>\r\n", long(length));
    let routes = |length: usize| {
        (0..8).map(|_| format!("Record-Route: <sip:192.0.2.1;{};lr>\r\n", long(length))).collect::<String>()
    };
    for length in [500, 2_700, 5_600, 8_000, 60_000] {
        let mut world = World::default();
        let lines = format!("{}{}", routes(length / 8), places(60));
        let invite = invite("one")
            .replacen("Max-Forwards", &format!("{lines}Max-Forwards"), 1)
            .replace("Contact: <sip:37060011111@192.0.2.60:5060>\r\n", "");
        let heard = world.hear(ORIGINATOR, invite.as_bytes());
        let Some(passed) = find(&heard, TERMINATOR, "INVITE ") else {
            assert_eq!((status(&heard[0].1), length > 5_600), (Some(513), true), "{heard:?}");
            continue;
        };
        let lines = format!("{}{}", routes(length / 8), places(60));
        let accepted = reply(&passed, "200 OK", "ours", SDP).replace("Contact: <sip:192.0.2.1:5060>\r\n", &lines);
        let sent = world.hear(TERMINATOR, accepted.as_bytes());
        let answer = find(&sent, ORIGINATOR, "SIP/2.0 200").expect("answered");
        world.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
        for (number, longer) in [(2, length), (3, 5_700), (4, 64_000)] {
            let moved = request(&answer, "UPDATE", number)
                .replace("Content-Length", &format!("{}Content-Length", places(longer)));
            let sent = world.hear(ORIGINATOR, moved.as_bytes());
            assert!(sent.iter().all(|(_, text)| text.len() <= 65_535), "{length} {longer}");
            for (kind, bytes) in [(10, 60_000), (60_000, 10), (500, 16 << 10)] {
                let body =
                    format!("Content-Type: text/{}\r\nContent-Length: {bytes}\r\n\r\n{}", long(kind), long(bytes));
                let number = 10 * number + u32::from(kind > bytes) + 2 * u32::from(kind == 500);
                let info = request(&answer, "INFO", number).replace("Content-Length: 0\r\n\r\n", &body);
                let sent = world.hear(ORIGINATOR, info.as_bytes());
                assert!(sent.iter().all(|(_, text)| text.len() <= 65_535), "{length} {longer}");
            }
        }
        let sent = world.hear(ORIGINATOR, request(&answer, "BYE", 99).as_bytes());
        let bye = find(&sent, TERMINATOR, "BYE ").unwrap_or_else(|| panic!("{length}: {sent:?}"));
        world.hear(TERMINATOR, reply(&bye, "200 OK", "", "").as_bytes());
        world.nothing_is_left(&length.to_string());
    }
}

#[test]
fn an_info_whose_body_is_packed_is_refused() {
    let mut world = World::default();
    let (answer, _) = talking(&mut world);
    let body = "Content-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi";
    let info = request(&answer, "INFO", 2).replace("Content-Length: 0\r\n\r\n", body);
    let sent = world.hear(ORIGINATOR, info.as_bytes());
    assert_eq!(status(&sent[0].1), Some(415), "{sent:?}");
    let plain = info.replace("Content-Encoding: gzip", "Content-Encoding: identity").replace("2 INFO", "3 INFO");
    let sent = world.hear(ORIGINATOR, plain.replace("INFO2", "INFO3").as_bytes());
    assert!(find(&sent, TERMINATOR, "INFO ").is_some_and(|info| info.ends_with("\r\n\r\nhi")), "{sent:?}");
}

#[test]
fn wishes_within_a_call_get_their_status_and_leave_it_alone() {
    for (name, line, expected) in [
        ("FROB", "", 501),
        ("MESSAGE", "", 405),
        ("SUBSCRIBE", "", 405),
        ("REFER", "", 403),
        ("INFO", "Require: frob", 420),
        ("INFO", "Info-Package: frob", 469),
        ("UPDATE", "Require: frob", 420),
    ] {
        let mut world = World::default();
        let (answer, _) = talking(&mut world);
        let line = if line.is_empty() { String::new() } else { format!("{line}\r\n") };
        let wish = request(&answer, name, 2).replace("Content-Length", &format!("{line}Content-Length"));
        let sent = world.hear(ORIGINATOR, wish.as_bytes());
        assert_eq!(status(&sent[0].1), Some(expected), "{name}");
        let bye = request(&answer, "BYE", 3);
        assert!(find(&world.hear(ORIGINATOR, bye.as_bytes()), TERMINATOR, "BYE ").is_some(), "{name}: the call lives");
    }
}

#[test]
fn our_own_invite_that_comes_back_is_a_loop_and_with_another_number_a_spiral() {
    let mut world = World::default();
    let passed = find(&world.hear(ORIGINATOR, invite("one").as_bytes()), TERMINATOR, "INVITE ").expect("passed on");
    assert_eq!(header(&passed, "Max-Forwards"), Some("69"));
    let back = passed.replacen("Via", "Via: SIP/2.0/UDP 192.0.2.60:5060;branch=z9hG4bKproxy\r\nVia", 1);
    let (looped, _) = answer(&mut world, &back);
    assert_eq!((looped, world.counter("loops")), (482, 1));
    // With media through somebody else: descriptions that point at ourselves are refused.
    let spiral = back.replacen("442071838750@", "442071838751@", 1).replace("198.51.100.5", "198.51.100.6");
    let again = find(&world.hear(ORIGINATOR, spiral.as_bytes()), TERMINATOR, "INVITE ").expect("a call of its own");
    assert_eq!(header(&again, "Max-Forwards"), Some("68"));
    assert_eq!(world.shard.calls_held(), 2);
    let repeat = world.hear(ORIGINATOR, spiral.as_bytes());
    assert!(repeat.iter().all(|(_, text)| status(text) == Some(100)), "a repeat is no third call: {repeat:?}");
    world.nothing_is_left("both");
}

#[test]
fn calls_of_a_pair_that_wait_for_each_other_are_stopped_with_a_record() {
    let mut world = World::new(Settings { pair_waiting_max: 10, ..Settings::default() });
    let last: Vec<u16> = (0..12).map(|n| answer(&mut world, &invite(&format!("c{n}"))).0).collect();
    assert_eq!(last, [&[0; 10][..], &[482, 482]].concat());
    let looped: Vec<_> = world.cdrs.iter().filter(|cdr| cdr.cause == Cause::LOOP_DETECTED).collect();
    assert_eq!((looped.len(), looped[0].sip_status, looped[0].originator.0), (2, 482, 1));
    world.pass(1_000);
    assert_eq!(answer(&mut world, &invite("later")).0, 0);
    world.nothing_is_left("all");
}

#[test]
fn calls_of_a_pair_that_are_answered_or_refused_at_once_are_no_loop_however_many_a_second() {
    let mut world = World::new(Settings { pair_waiting_max: 2, ..Settings::default() });
    for n in 0..200 {
        let heard = world.hear(ORIGINATOR, invite(&format!("c{n}")).as_bytes());
        let passed = find(&heard, TERMINATOR, "INVITE ").unwrap_or_else(|| panic!("{n} is passed on: {heard:#?}"));
        let line = if n % 2 == 0 { "200 OK" } else { "486 Busy Here" };
        let answered = world.hear(TERMINATOR, reply(&passed, line, "ours", SDP).as_bytes());
        let answer = find(&answered, ORIGINATOR, &format!("SIP/2.0 {}", &line[..3])).expect("the originator hears it");
        world.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
        if n % 2 == 0 {
            world.hear(ORIGINATOR, request(&answer, "BYE", 2).as_bytes());
        }
    }
    assert_eq!(world.counter("loops"), 0);
    world.nothing_is_left("all");
}

#[test]
fn what_broke_a_shard_once_is_dropped_unread() {
    let blocked = vec![shard::guard::fingerprint(invite("one").as_bytes())];
    let mut world = World::new(Settings { blocked, ..Settings::default() });
    assert_eq!(world.hear(ORIGINATOR, invite("one").as_bytes()), []);
    assert_eq!((world.counter("sip_blocked"), world.shard.calls_held()), (1, 0));
    world.good_call("two");
}
