//! What descriptions do to media: shared ports, images, silence, media that goes past us.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use call::Call;
use call::effect::Effect;
use media::Verdict;
use snapshot::Policy;
use stage::{CALLER, OFFER, Stage, hold, invite, model, reply, request, sdp, with_sdp};
use units::Cause;

const TERMINATOR: &str = "127.0.0.3:5060";
const VOICE: [u8; 14] = [0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xd5, 0xd5];
const REPORT: [u8; 8] = [0x80, 201, 0, 1, 1, 2, 3, 4];

fn policy(text: &str) -> Policy {
    Policy::from_text(text).expect("the policy is sound")
}

/// Two sides talk: the originator offered this, the terminator answered that.
fn talk(stage: &mut Stage, offer: &str, answer: &str) -> Call {
    let mut call = stage.begin_with(&with_sdp(&invite(), offer));
    let answer = reply(stage.last_of(1, "INVITE "), 200, Some(answer));
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    let ack = request("ACK", stage.last_of(0, "SIP/2.0 200 "), 1);
    stage.hear(&mut call, 0, &ack, CALLER);
    call
}

/// The originator offers a change, and this is the terminator's answer.
fn change(stage: &mut Stage, call: &mut Call, number: u32, offer: &str, answer: &str) {
    let invite = with_sdp(&request("INVITE", stage.last_of(0, "SIP/2.0 200 "), number), offer);
    stage.hear(call, 0, &invite, CALLER);
    let answer = reply(stage.last_of(1, "INVITE "), 200, Some(answer));
    stage.hear(call, 1, &answer, TERMINATOR);
    let ack = request("ACK", stage.last_of(0, "SIP/2.0 200 "), number);
    stage.hear(call, 0, &ack, CALLER);
}

fn port(message: &str) -> u16 {
    let media = message.lines().find(|line| line.starts_with("m=")).expect("there is a description");
    media.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Where this goes when it comes to that port of ours.
fn passes(stage: &mut Stage, port: u16, from: &str, bytes: &[u8]) -> Option<String> {
    let now = stage.clock().now;
    match stage.relay.on_packet(now, port, from.parse().unwrap(), bytes) {
        Verdict::Forward { to, .. } => Some(to.to_string()),
        Verdict::Drop(_) | Verdict::Say { .. } | Verdict::Changed { .. } => None,
    }
}

#[test]
fn rtcp_shares_a_port_where_offer_and_answer_say_so_and_nowhere_else() {
    let muxed = |port| format!("{}a=rtcp-mux\r\n", sdp(port, 1));
    for (offer, answer, agreed, reports_to) in [
        (muxed(4000), muxed(6000), true, "127.0.0.2:4000"),
        (muxed(4000), sdp(6000, 1), false, "127.0.0.2:4001"),
        (sdp(4000, 1), muxed(6000), false, "127.0.0.2:4001"),
        (format!("{}a=rtcp:4009\r\n", sdp(4000, 1)), sdp(6000, 1), false, "127.0.0.2:4009"),
    ] {
        let mut stage = Stage::new();
        talk(&mut stage, &offer, &answer);
        assert_eq!(stage.last_of(0, "SIP/2.0 200 ").contains("a=rtcp-mux"), agreed, "{offer}{answer}");
        let (ours, to) = (port(stage.first(1)), Some(reports_to.to_owned()));
        if agreed {
            assert_eq!(passes(&mut stage, ours, "127.9.9.9:6000", &REPORT), None, "a stranger");
            assert_eq!(passes(&mut stage, ours, "127.0.0.2:6000", &REPORT), to);
        } else {
            assert_eq!(passes(&mut stage, ours + 1, "127.0.0.2:6001", &REPORT), to);
        }
    }
}

#[test]
fn a_call_turns_to_images_and_back() {
    const FAX: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=image 4100 udptl t38\r\n\
                       a=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n";
    let mut stage = Stage::new();
    let mut call = talk(&mut stage, OFFER, &sdp(6000, 1));
    let (ours, udptl) = (port(stage.first(1)), [0u8, 0, 6, 0xc0, 1, 0x80, 0, 0, 0xff]);
    assert_eq!(passes(&mut stage, ours, "127.0.0.2:6000", &udptl), None, "no image was agreed on");
    change(&mut stage, &mut call, 2, FAX, &FAX.replace("4100", "6100"));
    let passed = stage.last_of(1, "INVITE ");
    assert!(passed.contains("udptl t38\r\n") && passed.contains("a=T38FaxUdpEC:t38UDPRedundancy"), "{passed}");
    assert_eq!(passes(&mut stage, ours, "127.0.0.2:6100", &udptl).as_deref(), Some("127.0.0.2:4100"));
    assert_eq!(stage.with(|ctx| call.summary(ctx.desk.clock).codec.to_owned()), "t38");
    change(&mut stage, &mut call, 3, &sdp(4200, 3), &sdp(6200, 3));
    assert_eq!(passes(&mut stage, ours, "127.0.0.2:6200", &udptl), None);
    assert_eq!(passes(&mut stage, ours, "127.0.0.2:6200", &VOICE).as_deref(), Some("127.0.0.2:4200"));
}

#[test]
fn keys_of_either_kind_cross_untouched() {
    let dtls = |port| {
        sdp(port, 1).replace("RTP/AVP", "UDP/TLS/RTP/SAVP") + "a=fingerprint:sha-256 AB:CD\r\na=setup:actpass\r\n"
    };
    let mut stage = Stage::new();
    talk(&mut stage, &dtls(4000), &dtls(6000));
    let (passed, ours) = (stage.first(1).to_owned(), port(stage.first(1)));
    assert!(passed.contains("a=fingerprint:sha-256 AB:CD\r\n") && passed.contains("a=setup:actpass\r\n"), "{passed}");
    let mut hello = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2];
    assert_eq!(passes(&mut stage, ours, "127.0.0.2:6000", &hello).as_deref(), Some("127.0.0.2:4000"));
    hello.pop();
    assert_eq!(passes(&mut stage, ours, "127.0.0.2:6000", &hello), None, "a record that ends early");
}

/// A call between trunks that bear silence for so long, and whose silence counts.
fn watched(ingress: (&str, u16), egress: (&str, u16)) -> Stage {
    let mut model = model();
    model.ingress_trunks[0].policy = policy(&format!(r#"{{"media":{{"silence":"{}"}}}}"#, ingress.0));
    model.ingress_trunks[0].media_timeout_s = ingress.1;
    model.egress_trunks[0].policy =
        policy(&format!(r#"{{"media":{{"silence":"{}","timeout_s":{}}}}}"#, egress.0, egress.1));
    Stage::of(&model)
}

#[test]
fn silence_ends_a_call_by_its_own_cause_as_its_trunks_say() {
    for (ingress, egress, one_way, ends_after_s) in [
        (("both", 10), ("both", 0), false, Some(10)),
        (("both", 10), ("both", 0), true, None),
        (("either", 10), ("both", 0), true, Some(10)),
        (("both", 0), ("either", 7), true, Some(7)),
        (("both", 9), ("both", 5), false, Some(5)),
        (("either", 0), ("either", 0), false, None),
    ] {
        let mut stage = watched(ingress, egress);
        let mut call = talk(&mut stage, OFFER, &sdp(6000, 1));
        let (ours, begun) = (port(stage.first(1)), stage.now_ms);
        while call.is_up() && stage.now_ms < begun + 30_000 {
            if one_way {
                passes(&mut stage, ours, "127.0.0.2:6000", &VOICE).expect("the terminator speaks");
            }
            stage.wait(&mut call, 500);
        }
        let ended = (!call.is_up()).then(|| (stage.now_ms - begun) / 1_000);
        assert_eq!(ended, ends_after_s, "{ingress:?} {egress:?} one way: {one_way}");
        if ended.is_some() {
            assert_eq!(stage.cdrs().last().map(|cdr| cdr.cause), Some(Cause::MEDIA_TIMEOUT));
        }
    }
}

/// Both programs report to each other on and on.
#[test]
fn reports_keep_a_call_from_the_end_that_its_silence_has_only_while_it_is_held() {
    let mut stage = watched(("both", 10), ("both", 0));
    let mut call = talk(&mut stage, OFFER, &sdp(6000, 1));
    let ports = [port(stage.last_of(0, "SIP/2.0 200 ")), port(stage.first(1))];
    let report = |stage: &mut Stage, call: &mut Call, seconds: u64| {
        for _ in 0..seconds {
            for (ours, from) in ports.into_iter().zip(["127.0.0.2:4001", "127.0.0.2:6001"]) {
                assert!(passes(stage, ours + 1, from, &REPORT).is_some(), "reports pass");
            }
            stage.wait(call, 1_000);
        }
    };
    change(&mut stage, &mut call, 2, &hold(), &format!("{}a=recvonly\r\n", sdp(6000, 2)));
    report(&mut stage, &mut call, 60);
    assert!(call.is_up(), "a held call lives");
    change(&mut stage, &mut call, 3, &sdp(4000, 3), &sdp(6000, 3));
    report(&mut stage, &mut call, 9);
    assert!(call.is_up(), "silence counts from the end of the hold");
    report(&mut stage, &mut call, 1);
    stage.wait(&mut call, 500);
    assert!(!call.is_up(), "its media is gone for ten seconds");
    assert_eq!(stage.cdrs().last().map(|cdr| cdr.cause), Some(Cause::MEDIA_TIMEOUT));
}

#[test]
fn a_held_call_may_be_silent_and_is_watched_again_once_resumed() {
    let mut stage = watched(("either", 10), ("both", 0));
    let mut call = talk(&mut stage, OFFER, &sdp(6000, 1));
    change(&mut stage, &mut call, 2, &hold(), &format!("{}a=recvonly\r\n", sdp(6000, 2)));
    stage.wait(&mut call, 60_000);
    assert!(call.is_up(), "nobody needs to speak while the call is held");
    change(&mut stage, &mut call, 3, &sdp(4000, 3), &sdp(6000, 3));
    stage.wait(&mut call, 9_000);
    assert!(call.is_up(), "silence counts from the end of the hold");
    stage.wait(&mut call, 2_000);
    assert!(!call.is_up());
}

#[test]
fn voice_is_relayed_whatever_stands_before_it() {
    const FILM: &str = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
    let both = |port| sdp(port, 1).replace("m=audio", &format!("{FILM}m=audio"));
    let mut stage = Stage::new();
    talk(&mut stage, &both(4000), &both(6000).replace("m=video 4002", "m=video 0"));
    for message in [stage.first(1), stage.last_of(0, "SIP/2.0 200 ")] {
        assert!(message.contains("m=video 0 ") && !message.contains("m=audio 0 "), "{message}");
    }
    let ours = stage.first(1).lines().find(|line| line.starts_with("m=audio ")).unwrap();
    let ours = ours.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(passes(&mut stage, ours, "127.0.0.2:6000", &VOICE).is_some());
}

/// A description that names IPv6.
fn six(port: u16) -> String {
    sdp(port, 1).replace("c=IN IP4 127.0.0.2", "c=IN IP6 2001:db8::2")
}

/// Our sockets of a leg have one family: media of the other one could be neither sent nor believed, and the call would be silent and charged.
#[test]
fn who_describes_media_of_a_family_that_it_was_not_told_is_refused() {
    let mut stage = Stage::new();
    stage.begin_with(&with_sdp(&invite(), &six(4000)));
    assert!(stage.last(0).starts_with("SIP/2.0 488 "), "we have no address of IPv6: {}", stage.last(0));

    let mut stage = Stage::new();
    stage.switch.media_v6 = Some("2001:db8::1".parse().unwrap());
    let mut call = stage.begin_with(&with_sdp(&invite(), OFFER));
    let answer = reply(stage.last_of(1, "INVITE "), 200, Some(&six(6000)));
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    assert!(stage.last(1).starts_with("BYE "), "it was offered IPv4: {}", stage.last(1));
    assert!(stage.last(0).starts_with("SIP/2.0 488 "), "{}", stage.last(0));
    assert_eq!(stage.cdrs().last().map(|cdr| cdr.cause), Some(Cause::INCOMPATIBLE));

    let mut stage = Stage::new();
    let mut call = talk(&mut stage, OFFER, &sdp(6000, 1));
    let moves = with_sdp(&request("INVITE", stage.last_of(0, "SIP/2.0 200 "), 2), &six(4000));
    let ours = port(stage.first(1));
    stage.hear(&mut call, 0, &moves, CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 488 ") && call.is_up(), "{}", stage.last(0));
    let to = passes(&mut stage, ours, "127.0.0.2:6000", &VOICE);
    assert_eq!(to.as_deref(), Some("127.0.0.2:4000"), "all is as it was");
}

/// Offers that name both families. With each where its voice is met if we have an address of either, and if we have none of IPv6.
fn of_both_families() -> [(String, &'static str, Option<&'static str>); 7] {
    const FOUR: &str = "c=IN IP4 127.0.0.2\r\n";
    const SIX: &str = "c=IN IP6 2001:db8::2\r\n";
    const FILM: &str = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
    const AGAIN: &str = "m=audio 4004 RTP/AVP 8\r\n";
    let (on_four, on_six) = ("127.0.0.2:4000", "[2001:db8::2]:4000");
    let (four, six) = (sdp(4000, 1), six(4000));
    let off = four.replace("m=audio 4000", "m=audio 0");
    [
        (format!("{four}{SIX}"), on_six, None),
        (format!("{six}{FOUR}"), on_four, Some(on_four)),
        // What is not relayed says nothing of voice.
        (six.replace("m=audio", &format!("{FILM}{FOUR}m=audio")), on_six, None),
        (format!("{four}{FILM}{SIX}"), on_four, Some(on_four)),
        (format!("{off}{SIX}{AGAIN}{FOUR}"), "127.0.0.2:4004", Some("127.0.0.2:4004")),
        // RFC 4091: one stream at two addresses, the one that is liked better first.
        (format!("{four}{SIX}{AGAIN}{FOUR}"), on_six, Some("127.0.0.2:4004")),
        (format!("{six}{FOUR}{AGAIN}{SIX}"), on_four, Some(on_four)),
    ]
}

/// The terminator's answer: it takes all that has a port but films, at one address.
fn answer_to(offer: &str) -> String {
    let head = sdp(6000, 1);
    let lines = offer.lines().filter(|line| line.starts_with("m=")).map(|line| {
        let mut words: Vec<&str> = line.split(' ').collect();
        words[1] = if words[0] == "m=video" || words[1] == "0" { "0" } else { "6000" };
        words.join(" ") + "\r\n"
    });
    lines.fold(head[..head.find("m=").unwrap()].to_owned(), |answer, line| answer + &line)
}

/// The port of the voice that is on.
fn voice_port(message: &str) -> u16 {
    let line = message.lines().find(|line| line.starts_with("m=audio ") && !line.starts_with("m=audio 0 "));
    line.expect("voice is on").split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn media_of_the_other_family_than_signalling_is_met_there() {
    let alone = [(six(4000), "[2001:db8::2]:4000", None), (sdp(4000, 1), "127.0.0.2:4000", None)];
    for (offer, met, _) in alone.into_iter().chain(of_both_families()) {
        let mut stage = Stage::new();
        stage.switch.media_v6 = Some("2001:db8::1".parse().unwrap());
        talk(&mut stage, &offer, &answer_to(&offer));
        let (passed, told) = (stage.first(1).to_owned(), stage.last_of(0, "SIP/2.0 200 ").to_owned());
        let ours = if met.starts_with('[') { "c=IN IP6 2001:db8::1" } else { "c=IN IP4 127.0.0.1" };
        assert!(told.lines().filter(|line| line.starts_with("c=")).all(|line| line == ours), "{offer}{told}");
        assert!(!passed.contains("IP6"), "the terminator is told of its own family: {passed}");
        let ports = [&told, &passed].map(|message| voice_port(message));
        assert_eq!(passes(&mut stage, ports[1], "127.0.0.2:6000", &VOICE).as_deref(), Some(met), "{offer}");
        assert_eq!(passes(&mut stage, ports[0], met, &VOICE).as_deref(), Some("127.0.0.2:6000"), "{offer}");
    }
}

#[test]
fn of_two_addresses_for_one_stream_the_one_is_met_that_we_can_meet() {
    for (offer, _, met) in of_both_families() {
        let mut stage = Stage::new();
        if met.is_none() {
            stage.begin_with(&with_sdp(&invite(), &offer));
            assert!(stage.last(0).starts_with("SIP/2.0 488 "), "{offer}{}", stage.last(0));
            continue;
        }
        talk(&mut stage, &offer, &answer_to(&offer));
        let ours = voice_port(stage.first(1));
        assert_eq!(passes(&mut stage, ours, "127.0.0.2:6000", &VOICE).as_deref(), met, "{offer}");
    }
}

#[test]
fn reports_are_sent_to_nobody_whom_voice_may_not_be_sent_to() {
    for refused in ["IN IP4 127.0.0.1", "IN IP4 224.0.0.1"] {
        let mut stage = Stage::new();
        let port = stage.switch.listeners[0].address.port();
        stage.begin_with(&with_sdp(&invite(), &format!("{}a=rtcp:{port} {refused}\r\n", sdp(4000, 1))));
        assert!(stage.last(0).starts_with("SIP/2.0 488 "), "{refused}: {}", stage.last(0));
    }
}

#[test]
fn an_answer_has_as_many_media_lines_as_its_offer() {
    const MORE: &str = "m=video 6002 RTP/AVP 96\r\nb=AS:1\r\n";
    let media = |stage: &Stage| -> Vec<String> {
        let answer = stage.last_of(0, "SIP/2.0 200 ");
        let lines = answer.lines().filter(|line| line.starts_with("m=") || line.starts_with("b="));
        lines
            .map(|line| line.split(' ').enumerate().filter(|(at, _)| *at != 1).map(|(_, word)| word).collect())
            .collect()
    };
    let mut stage = Stage::new();
    talk(&mut stage, OFFER, &format!("{}{MORE}", sdp(6000, 1)));
    assert_eq!(media(&stage), ["m=audioRTP/AVP8"]);
    let mut stage = Stage::new();
    talk(&mut stage, &format!("{OFFER}{MORE}"), &sdp(6000, 1));
    assert_eq!(media(&stage), ["m=audioRTP/AVP8", "m=videoRTP/AVP96"]);
    assert!(stage.last_of(0, "SIP/2.0 200 ").ends_with("m=video 0 RTP/AVP 96\r\n"));
}

#[test]
fn a_refused_digit_leaves_a_change_beside_it_alone() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage, OFFER, &sdp(6000, 1));
    let change = with_sdp(&request("INVITE", stage.last_of(0, "SIP/2.0 200 "), 2), &sdp(4200, 2));
    stage.hear(&mut call, 0, &change, CALLER);
    let offered = stage.last_of(1, "INVITE ").to_owned();
    let digit = request("INFO", stage.last_of(0, "SIP/2.0 200 "), 3);
    stage.hear(&mut call, 0, &digit, CALLER);
    let refusal = reply(stage.last_of(1, "INFO "), 415, None);
    stage.hear(&mut call, 1, &refusal, TERMINATOR);
    stage.hear(&mut call, 1, &reply(&offered, 200, Some(&sdp(6000, 2))), TERMINATOR);
    let ours = port(stage.first(1));
    assert_eq!(passes(&mut stage, ours, "127.0.0.2:6000", &VOICE).as_deref(), Some("127.0.0.2:4200"));
}

/// Who of originator and terminator is heard by the other.
fn voices(stage: &mut Stage) -> (bool, bool) {
    let (to_originator, to_terminator) = (port(stage.last_of(0, "SIP/2.0 200 ")), port(stage.first(1)));
    let one = passes(stage, to_originator, "127.0.0.2:4000", &VOICE).is_some();
    let other = passes(stage, to_terminator, "127.0.0.2:6000", &VOICE).is_some();
    let reports = [(to_originator + 1, "127.0.0.2:4001"), (to_terminator + 1, "127.0.0.2:6001")];
    assert!(reports.iter().all(|(port, from)| passes(stage, *port, from, &REPORT).is_some()), "RTCP always passes");
    (one, other)
}

#[test]
fn nobody_is_heard_who_is_to_be_silent() {
    let directed = |port, direction: &str| match direction {
        "" => sdp(port, 2),
        "0.0.0.0" => sdp(port, 2).replace("c=IN IP4 127.0.0.2", "c=IN IP4 0.0.0.0"),
        direction => format!("{}a={direction}\r\n", sdp(port, 2)),
    };
    for (offer, answer, heard) in [
        ("sendonly", "recvonly", (true, false)),
        ("recvonly", "sendonly", (false, true)),
        ("inactive", "inactive", (false, false)),
        ("", "recvonly", (true, false)),
        ("", "inactive", (false, false)),
        // An answer that does not fit its offer: each side's own word holds for itself.
        ("sendonly", "", (true, false)),
        ("sendonly", "sendonly", (false, false)),
        ("inactive", "", (false, false)),
        ("0.0.0.0", "recvonly", (true, false)),
        ("", "", (true, true)),
    ] {
        let mut stage = Stage::new();
        let mut call = talk(&mut stage, OFFER, &sdp(6000, 1));
        assert_eq!(voices(&mut stage), (true, true));
        change(&mut stage, &mut call, 2, &directed(4000, offer), &directed(6000, answer));
        assert_eq!(voices(&mut stage), heard, "{offer:?} answered by {answer:?}");
        change(&mut stage, &mut call, 3, &sdp(4000, 3), &sdp(6000, 3));
        assert_eq!(voices(&mut stage), (true, true), "resumed after {offer:?}");
    }
}

#[test]
fn from_an_offer_on_its_answerer_may_speak_and_a_refusal_takes_that_back() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage, OFFER, &sdp(6000, 1));
    change(&mut stage, &mut call, 2, &hold(), &format!("{}a=recvonly\r\n", sdp(6000, 2)));
    let resume = with_sdp(&request("INVITE", stage.last_of(0, "SIP/2.0 200 "), 3), &sdp(4000, 3));
    stage.hear(&mut call, 0, &resume, CALLER);
    assert_eq!(voices(&mut stage), (true, true), "its answer may come behind its first packet");
    let refusal = reply(stage.last_of(1, "INVITE "), 488, None);
    stage.hear(&mut call, 1, &refusal, TERMINATOR);
    assert_eq!(voices(&mut stage), (true, false), "still on hold");
}

#[test]
fn only_payload_types_that_a_description_has_pass() {
    let formats = |port, version, formats: &str, lines: &str| {
        sdp(port, version).replace("RTP/AVP 8\r\n", &format!("RTP/AVP {formats}\r\n{lines}"))
    };
    let passing = |stage: &mut Stage| -> Vec<u8> {
        let ours = port(stage.first(1));
        let typed = |payload_type: u8| [&[0x80, payload_type], &VOICE[2..]].concat();
        (0..64).chain(96..128).filter(|one| passes(stage, ours, "127.0.0.2:6000", &typed(*one)).is_some()).collect()
    };
    let mut stage = Stage::new();
    let offer = formats(4000, 1, "8 0 18 101", "a=rtpmap:101 telephone-event/8000\r\n");
    let answer = formats(6000, 1, "8 96", "a=rtpmap:96 telephone-event/8000\r\n");
    let mut call = talk(&mut stage, &offer, &answer);
    assert_eq!(passing(&mut stage), [0, 8, 13, 18, 96, 101], "either side's numbers, and comfort noise");
    change(&mut stage, &mut call, 2, &formats(4000, 2, "0", ""), &formats(6000, 2, "0", ""));
    assert_eq!(passing(&mut stage), [0, 13]);
    let refused = with_sdp(&request("INVITE", stage.last_of(0, "SIP/2.0 200 "), 3), &formats(4000, 3, "9", ""));
    stage.hear(&mut call, 0, &refused, CALLER);
    assert_eq!(passing(&mut stage), [0, 9, 13], "the old ones until there is an answer");
    let refusal = reply(stage.last_of(1, "INVITE "), 488, None);
    stage.hear(&mut call, 1, &refusal, TERMINATOR);
    assert_eq!(passing(&mut stage), [0, 13]);
    // What a trunk's list leaves out was described to nobody.
    let mut stage = Stage::with_policies(Policy::default(), policy(r#"{"codecs":{"allow":["PCMA"]}}"#));
    talk(&mut stage, &offer, &formats(6000, 1, "8", ""));
    assert_eq!(passing(&mut stage), [8, 13]);
}

#[test]
fn media_goes_past_us_where_both_trunks_say_so() {
    let direct = || policy(r#"{"media":{"direct":true}}"#);
    let mut stage = Stage::with_policies(direct(), direct());
    let mut call = talk(&mut stage, OFFER, &sdp(6000, 1));
    let (offered, answered) = (stage.first(1).to_owned(), stage.last_of(0, "SIP/2.0 200 ").to_owned());
    assert!(offered.contains("c=IN IP4 127.0.0.2\r\n") && port(&offered) == 4000, "{offered}");
    assert!(answered.contains("c=IN IP4 127.0.0.2\r\n") && port(&answered) == 6000, "{answered}");
    assert!(offered.contains("o=- ") && !offered.contains("o=- 1 1 "), "whose description it is stays our business");
    assert_eq!(stage.relay.ports_used(), 0);
    change(&mut stage, &mut call, 2, &sdp(4008, 2), &sdp(6008, 2));
    assert_eq!(port(stage.last_of(1, "INVITE ")), 4008);
    let mut half = Stage::with_policies(direct(), Policy::default());
    talk(&mut half, OFFER, &sdp(6000, 1));
    assert!(half.relay.ports_used() == 4 && port(half.first(1)) != 4000);
}

#[test]
fn media_is_never_sent_to_ourselves() {
    let mut stage = Stage::new();
    let call = stage.begin_with(&with_sdp(
        &invite(),
        &OFFER.replace("m=audio 4000", "m=audio 5060").replace("c=IN IP4 127.0.0.2", "c=IN IP4 127.0.0.1"),
    ));
    assert!(call.is_over(), "{}", stage.last(0));
    let effects = stage.out.list.iter().any(|effect| matches!(effect, Effect::OpenPort { .. }));
    assert!(!effects && stage.last(0).starts_with("SIP/2.0 488"), "{}", stage.last(0));
}
