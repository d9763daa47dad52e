//! Offers and answers (RFC 3264, 6337, 3311): who may ask when, what the other side hears, and where media goes meanwhile.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use call::Call;
use media::Verdict;
use stage::{
    CALLER, OFFER, Stage, hold, invite, line, reply, request, request_of_terminator, sdp, with_lines, with_sdp,
    without_sdp,
};

const TERMINATOR: &str = "127.0.0.3:5060";
const ALLOWS: &str = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n";

/// Two sides talk; both take UPDATE.
fn talk(stage: &mut Stage) -> Call {
    let mut call = stage.begin_with(&with_lines(&invite(), ALLOWS));
    let answer = with_lines(&reply(stage.last_of(1, "INVITE "), 200, Some(&sdp(6000, 1))), ALLOWS);
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    let ack = request("ACK", stage.last_of(0, "SIP/2.0 200 "), 1);
    stage.hear(&mut call, 0, &ack, CALLER);
    call
}

/// A request of the originator in the dialog of its call.
fn asks(stage: &Stage, method: &str, number: u32) -> String {
    request(method, stage.last_of(0, "SIP/2.0 200 "), number)
}

/// A request of the terminator.
fn asks_back(stage: &Stage, method: &str, number: u32) -> String {
    request_of_terminator(method, stage.first(1), number)
}

#[test]
fn an_answer_that_comes_again_is_acknowledged_after_other_invites_too() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage);
    let first = with_lines(&reply(stage.first(1), 200, Some(&sdp(6000, 1))), ALLOWS);
    for number in 2..30 {
        let change = with_sdp(&asks(&stage, "INVITE", number), &sdp(4000, number as u16));
        stage.hear(&mut call, 0, &change, CALLER);
        let before = (stage.count(1, "ACK "), stage.last_of(1, "INVITE ").to_owned());
        if number < 9 {
            stage.hear(&mut call, 1, &first, TERMINATOR);
            let ack = stage.last_of(1, "ACK ");
            assert_eq!((stage.count(1, "ACK "), line(ack, "CSeq")), (before.0 + 1, "CSeq: 1 ACK"), "{number}");
        }
        stage.hear(&mut call, 1, &reply(&before.1, 200, Some(&sdp(6000, number as u16))), TERMINATOR);
        let ack = request("ACK", stage.last_of(0, "SIP/2.0 200 "), number);
        stage.hear(&mut call, 0, &ack, CALLER);
    }
    // A refusal comes again after another change, too.
    for number in [30, 131, 232] {
        let change = with_sdp(&asks(&stage, "INVITE", number), &sdp(4000, number as u16));
        stage.hear(&mut call, 0, &change, CALLER);
        let refusal = reply(stage.last_of(1, "INVITE "), 488, None);
        stage.hear(&mut call, 1, &refusal, TERMINATOR);
        stage.hear(&mut call, 0, &without_sdp(&change).replace("INVITE", "ACK"), CALLER);
        let other = with_sdp(&asks(&stage, "INVITE", number + 100), &sdp(4000, number as u16));
        stage.hear(&mut call, 0, &other, CALLER);
        let acks = stage.count(1, "ACK ");
        stage.hear(&mut call, 1, &refusal, TERMINATOR);
        assert_eq!(stage.count(1, "ACK "), acks + 1, "{number}");
        stage.hear(&mut call, 1, &reply(stage.last_of(1, "INVITE "), 200, Some(&sdp(6000, 40))), TERMINATOR);
        let ack = request("ACK", stage.last_of(0, "SIP/2.0 200 "), number + 100);
        stage.hear(&mut call, 0, &ack, CALLER);
        stage.wait(&mut call, 6_000);
    }
    stage.wait(&mut call, 33_000);
    let acks = stage.count(1, "ACK ");
    stage.hear(&mut call, 1, &first, TERMINATOR);
    assert_eq!(stage.count(1, "ACK "), acks, "nobody repeats an answer for longer");
    assert!(call.is_stable(), "nothing of them is left");
}

/// The port in the first media line.
fn port(message: &str) -> u16 {
    let media = message.lines().find(|line| line.starts_with("m=")).expect("there is a description");
    media.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Where a voice packet from the terminator, heard on the port that the egress INVITE named, goes.
fn voice_to_originator(stage: &mut Stage, from: &str) -> Option<String> {
    let (now, into) = (stage.clock().now, port(stage.first(1)));
    let packet = [&[0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1][..], &[0xd5; 160]].concat();
    match stage.relay.on_packet(now, into, from.parse().unwrap(), &packet) {
        Verdict::Forward { to, .. } => Some(to.to_string()),
        Verdict::Drop(_) | Verdict::Say { .. } | Verdict::Changed { .. } => None,
    }
}

#[test]
fn hold_and_resume_cross_in_both_directions() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage);
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "INVITE", 2), &hold()), CALLER);
    let passed = stage.last(1).to_owned();
    assert!(passed.starts_with("INVITE ") && passed.contains("a=sendonly") && !passed.contains("m=audio 4000"));
    stage.hear(&mut call, 1, &reply(&passed, 200, Some(&format!("{}a=recvonly\r\n", sdp(6000, 2)))), TERMINATOR);
    assert!(stage.last(1).starts_with("ACK "));
    assert!(stage.last(0).starts_with("SIP/2.0 200 ") && stage.last(0).contains("a=recvonly"));
    stage.hear(&mut call, 0, &asks(&stage, "ACK", 2), CALLER);
    stage.hear(&mut call, 1, &with_sdp(&asks_back(&stage, "INVITE", 2), &sdp(6000, 3)), TERMINATOR);
    let passed = stage.last(0).to_owned();
    assert!(passed.starts_with("INVITE sip:1000@127.0.0.2:5060 ") && !passed.contains("a=sendonly"));
    stage.hear(&mut call, 0, &reply(&passed, 200, Some(&sdp(4000, 3))), CALLER);
    assert!(stage.last(1).starts_with("SIP/2.0 200 "));
}

#[test]
fn each_description_that_differs_has_a_version_of_its_own() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage);
    let origin = |message: &str| message.lines().find(|line| line.starts_with("o=")).unwrap().to_owned();
    let first = origin(stage.first(1));
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "INVITE", 2), OFFER), CALLER);
    assert_eq!(origin(stage.last(1)), first, "nothing changed");
    let passed = stage.last(1).to_owned();
    stage.hear(&mut call, 1, &reply(&passed, 200, Some(&sdp(6000, 1))), TERMINATOR);
    stage.hear(&mut call, 0, &asks(&stage, "ACK", 2), CALLER);
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "INVITE", 3), &hold()), CALLER);
    assert_ne!(origin(stage.last(1)), first);
}

#[test]
fn a_refused_change_leaves_media_where_it_was() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage);
    assert_eq!(voice_to_originator(&mut stage, "127.0.0.2:6000").as_deref(), Some("127.0.0.2:4000"));
    for (number, method) in [(2, "INVITE"), (3, "UPDATE")] {
        stage.hear(&mut call, 0, &with_sdp(&asks(&stage, method, number), &sdp(4400, 2)), CALLER);
        let passed = stage.last(1).to_owned();
        assert!(passed.starts_with(method));
        stage.hear(&mut call, 1, &reply(&passed, 488, None), TERMINATOR);
        assert!(stage.last(0).starts_with("SIP/2.0 488 "));
        assert_eq!(voice_to_originator(&mut stage, "127.0.0.2:6000").as_deref(), Some("127.0.0.2:4000"));
        stage.hear(&mut call, 0, &asks(&stage, "ACK", number).replace("ACK2", "INVITE2"), CALLER);
    }
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "UPDATE", 4), &sdp(4400, 3)), CALLER);
    let passed = stage.last(1).to_owned();
    stage.hear(&mut call, 1, &reply(&passed, 200, Some(&sdp(6000, 1))), TERMINATOR);
    assert_eq!(voice_to_originator(&mut stage, "127.0.0.2:6000").as_deref(), Some("127.0.0.2:4400"));
}

#[test]
fn a_change_without_offer_brings_the_other_sides_offer_and_its_answer_in_the_ack() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage);
    stage.hear(&mut call, 0, &asks(&stage, "INVITE", 2), CALLER);
    let passed = stage.last(1).to_owned();
    assert!(passed.starts_with("INVITE ") && !passed.contains("m=audio"));
    stage.hear(&mut call, 1, &reply(&passed, 200, Some(&sdp(6200, 2))), TERMINATOR);
    assert!(stage.last(0).contains("m=audio") && stage.count(1, "ACK ") == 1, "its ACK waits for the answer");
    // Another offer now would meet the one that has no answer yet.
    stage.hear(&mut call, 1, &with_sdp(&asks_back(&stage, "UPDATE", 2), &sdp(6300, 3)), TERMINATOR);
    assert!(stage.last(1).starts_with("SIP/2.0 500 ") && stage.last(1).contains("Retry-After: "));
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "ACK", 2), &sdp(4000, 2)), CALLER);
    assert!(stage.last(1).starts_with("ACK ") && stage.last(1).contains("m=audio"));
}

#[test]
fn a_call_without_offer_is_answered_in_the_ack() {
    let mut stage = Stage::new();
    let mut call = stage.begin_with(&without_sdp(&invite()));
    let offer = reply(stage.last(1), 200, Some(&sdp(6000, 1)));
    stage.hear(&mut call, 1, &offer, TERMINATOR);
    assert_eq!(stage.count(1, "ACK "), 0);
    stage.hear(&mut call, 1, &offer, TERMINATOR);
    assert_eq!(stage.count(1, "ACK "), 0, "a repeat of it changes nothing");
    let ack = with_sdp(&request("ACK", stage.last(0), 1), OFFER);
    stage.hear(&mut call, 0, &ack, CALLER);
    assert!(stage.last(1).starts_with("ACK ") && stage.last(1).contains("m=audio"));
    stage.hear(&mut call, 1, &offer, TERMINATOR);
    assert_eq!(stage.count(1, "ACK "), 2, "the first was lost");
}

#[test]
fn changes_that_meet_are_refused_on_both_sides() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage);
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "INVITE", 2), &sdp(4200, 2)), CALLER);
    stage.hear(&mut call, 1, &with_sdp(&asks_back(&stage, "INVITE", 2), &sdp(6200, 2)), TERMINATOR);
    assert!(stage.last(1).starts_with("SIP/2.0 491 "), "RFC 3261 §14.2");
    let passed = stage.last_of(1, "INVITE ").to_owned();
    stage.hear(&mut call, 1, &reply(&passed, 491, None), TERMINATOR);
    assert!(stage.last(0).starts_with("SIP/2.0 491 "), "when to try again is the peer's affair");
    assert!(call.is_up());
}

#[test]
fn a_second_change_before_the_first_was_answered_is_asked_to_come_later() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage);
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "INVITE", 2), &sdp(4200, 2)), CALLER);
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "INVITE", 3), &sdp(4300, 3)), CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 500 ") && stage.last(0).contains("Retry-After: "));
    stage.hear(&mut call, 0, &asks(&stage, "INVITE", 1), CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 500 ") && !stage.last(0).contains("Retry-After: "), "an old number");
}

#[test]
fn a_change_that_is_taken_back_leaves_the_call() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage);
    let change = with_sdp(&asks(&stage, "INVITE", 2), &sdp(4200, 2));
    stage.hear(&mut call, 0, &change, CALLER);
    let passed = stage.last(1).to_owned();
    stage.hear(&mut call, 1, &reply(&passed, 100, None), TERMINATOR);
    stage.hear(
        &mut call,
        0,
        &without_sdp(&change).replace("INVITE sip", "CANCEL sip").replace("2 INVITE", "2 CANCEL"),
        CALLER,
    );
    assert!(stage.last(1).starts_with("CANCEL "));
    stage.hear(&mut call, 1, &reply(&passed, 487, None), TERMINATOR);
    assert!(stage.last(0).starts_with("SIP/2.0 487 "));
    assert!(call.is_up());
    assert_eq!(voice_to_originator(&mut stage, "127.0.0.2:6000").as_deref(), Some("127.0.0.2:4000"));
}

#[test]
fn a_change_that_nobody_answers_is_cancelled_in_time() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage);
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "INVITE", 2), &sdp(4200, 2)), CALLER);
    let passed = stage.last(1).to_owned();
    stage.hear(&mut call, 1, &reply(&passed, 100, None), TERMINATOR);
    stage.wait(&mut call, 60_500);
    assert!(stage.last(1).starts_with("CANCEL "));
    stage.hear(&mut call, 1, &reply(&passed, 487, None), TERMINATOR);
    assert!(stage.last(0).starts_with("SIP/2.0 487 ") && call.is_up());
}

#[test]
fn a_change_that_meets_the_end_of_the_call_is_answered_all_the_same() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage);
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "INVITE", 2), &sdp(4200, 2)), CALLER);
    let passed = stage.last(1).to_owned();
    stage.hear(&mut call, 1, &asks_back(&stage, "BYE", 2), TERMINATOR);
    assert!(stage.last_of(0, "SIP/2.0 487 ").contains("CSeq: 2 INVITE"), "RFC 3261 §15.1.2");
    assert!(stage.last(0).starts_with("BYE "));
    stage.hear(&mut call, 1, &reply(&passed, 200, Some(OFFER)), TERMINATOR);
    assert!(stage.last_of(1, "ACK ").contains("CSeq: 2 ACK"), "a late answer of it is acknowledged");
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "INVITE", 3), OFFER), CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 481 "));
    stage.wait(&mut call, 120_000);
    assert!(call.is_done());
}

#[test]
fn an_update_becomes_a_change_by_invite_for_a_peer_that_takes_none() {
    let mut stage = Stage::new();
    let mut call = stage.begin_with(&with_lines(&invite(), ALLOWS));
    let answer = reply(stage.last(1), 200, Some(&sdp(6000, 1)));
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    stage.hear(&mut call, 0, &asks(&stage, "ACK", 1), CALLER);
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "UPDATE", 2), &sdp(4200, 2)), CALLER);
    let passed = stage.last(1).to_owned();
    assert!(passed.starts_with("INVITE ") && passed.contains("m=audio"));
    stage.hear(&mut call, 1, &reply(&passed, 200, Some(&sdp(6200, 2))), TERMINATOR);
    assert!(stage.last(0).starts_with("SIP/2.0 200 ") && line(stage.last(0), "CSeq").ends_with("UPDATE"));
    assert!(stage.last(0).contains("m=audio"));
}

#[test]
fn an_update_before_the_answer_meets_the_offer_that_is_open() {
    let mut stage = Stage::new();
    let mut call = stage.begin_with(&with_lines(&invite(), ALLOWS));
    let early = with_lines(&reply(stage.last(1), 183, Some(&sdp(6000, 1))), ALLOWS);
    stage.hear(&mut call, 1, &early, TERMINATOR);
    let told = stage.last(0).to_owned();
    stage.hear(&mut call, 0, &with_sdp(&request("UPDATE", &told, 2), &sdp(4200, 2)), CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 500 ") && stage.last(0).contains("Retry-After"), "RFC 3311 §5.2");
    stage.hear(&mut call, 1, &with_sdp(&asks_back(&stage, "UPDATE", 1), &sdp(6200, 2)), TERMINATOR);
    assert!(stage.last(1).starts_with("SIP/2.0 491 "));
    stage.hear(&mut call, 0, &request("UPDATE", &told, 3), CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 200 "), "one without an offer changes nothing but the target");
}

#[test]
fn an_update_before_the_answer_crosses_once_offer_and_answer_were_exchanged() {
    let mut stage = Stage::new();
    let mut call = stage.begin_with(&with_lines(&invite(), &format!("{ALLOWS}Supported: 100rel\r\n")));
    let lines = format!("{ALLOWS}Require: 100rel\r\nRSeq: 1\r\n");
    let early = with_lines(&reply(stage.last(1), 183, Some(&sdp(6000, 1))), &lines);
    stage.hear(&mut call, 1, &early, TERMINATOR);
    let told = stage.last(0).to_owned();
    let rack = line(&told, "RSeq").replace("RSeq: ", "");
    stage.hear(&mut call, 0, &with_lines(&request("PRACK", &told, 2), &format!("RAck: {rack} 1 INVITE\r\n")), CALLER);
    stage.hear(&mut call, 0, &with_sdp(&request("UPDATE", &told, 3), &sdp(4200, 2)), CALLER);
    let passed = stage.last(1).to_owned();
    assert!(passed.starts_with("UPDATE sip:4420123@127.0.0.3:5060 ") && line(&passed, "To").ends_with(";tag=callee"));
    stage.hear(&mut call, 1, &reply(&passed, 200, Some(&sdp(6200, 2))), TERMINATOR);
    assert!(stage.last(0).starts_with("SIP/2.0 200 ") && stage.last(0).contains("m=audio"));
    stage.hear(&mut call, 1, &with_sdp(&asks_back(&stage, "UPDATE", 1), &sdp(6300, 3)), TERMINATOR);
    let passed = stage.last(0).to_owned();
    assert!(passed.starts_with("UPDATE sip:1000@127.0.0.2:5060 "), "{passed}");
    stage.hear(&mut call, 0, &reply(&passed, 200, Some(&sdp(4300, 3))), CALLER);
    assert!(stage.last(1).starts_with("SIP/2.0 200 ") && stage.last(1).contains("m=audio"));
    let answer = reply(stage.first(1), 200, None);
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    assert!(call.is_up());
}

#[test]
fn a_section_that_comes_later_is_refused_by_port_0_and_the_number_of_lines_stays() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage);
    let offer = format!("{}m=video 4002 RTP/AVP 34\r\n", sdp(4000, 2));
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "INVITE", 2), &offer), CALLER);
    let passed = stage.last(1).to_owned();
    assert!(passed.contains("m=video 0 RTP/AVP 34"));
    let answer = format!("{}m=video 0 RTP/AVP 34\r\n", sdp(6000, 2));
    stage.hear(&mut call, 1, &reply(&passed, 200, Some(&answer)), TERMINATOR);
    assert!(stage.last(0).contains("m=video 0 RTP/AVP 34"));
    stage.hear(&mut call, 0, &asks(&stage, "ACK", 2), CALLER);
    let none = OFFER.replace("m=audio 4000", "m=audio 0");
    stage.hear(&mut call, 0, &with_sdp(&asks(&stage, "INVITE", 3), &none), CALLER);
    assert!(stage.last(1).contains("m=audio 0 RTP/AVP 8"), "a stream that is off stays off");
}
