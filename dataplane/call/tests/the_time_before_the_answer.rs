//! Between INVITE and answer: what the originator hears early, forks, and messages that cross or come too late.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use media::Verdict;
use snapshot::Policy;
use stage::{
    CALLER, OFFER, Stage, invite, line, reply, request, request_of_terminator, sdp, with_lines, with_sdp, without_sdp,
};
use units::Cause;

const TERMINATOR: &str = "127.0.0.3:5060";

fn policy(text: &str) -> Policy {
    Policy::from_text(text).expect("the policy is sound")
}

fn cancel() -> String {
    without_sdp(&invite()).replace("INVITE sip:", "CANCEL sip:").replace("1 INVITE", "1 CANCEL")
}

fn port(message: &str) -> u16 {
    let media = message.lines().find(|line| line.starts_with("m=")).expect("there is a description");
    media.split(' ').nth(1).unwrap().parse().unwrap()
}

/// True if a voice packet that comes to this port of ours is passed on.
fn passes(stage: &mut Stage, port: u16, from: &str) -> bool {
    let packet = [&[0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1][..], &[0xd5; 160]].concat();
    let now = stage.clock().now;
    matches!(stage.relay.on_packet(now, port, from.parse().unwrap(), &packet), Verdict::Forward { .. })
}

#[test]
fn early_media_is_relayed_one_way_or_not_at_all_as_the_trunk_says() {
    for (text, told, from_originator, from_terminator) in [
        ("", "SIP/2.0 183 ", true, true),
        (r#"{"early_media":"one_way"}"#, "SIP/2.0 183 ", false, true),
        (r#"{"early_media":"suppress"}"#, "SIP/2.0 180 ", false, false),
    ] {
        let mut stage = Stage::with_policies(policy(text), Policy::default());
        let mut call = stage.begin();
        let early = reply(stage.last(1), 183, Some(&sdp(6000, 1)));
        stage.hear(&mut call, 1, &early, TERMINATOR);
        assert!(stage.last(0).starts_with(told), "{text}");
        assert_eq!(stage.last(0).contains("m=audio"), told.contains("183"), "{text}");
        let (towards_terminator, answer) = (port(stage.first(1)), reply(stage.first(1), 200, None));
        assert_eq!(passes(&mut stage, towards_terminator, "127.0.0.2:6000"), from_terminator, "{text}");
        stage.hear(&mut call, 1, &answer, TERMINATOR);
        assert!(stage.last(0).starts_with("SIP/2.0 200 ") && stage.last(0).contains("m=audio"), "{text}");
        let towards_originator = port(stage.last(0));
        assert!(passes(&mut stage, towards_terminator, "127.0.0.2:6000"));
        assert!(passes(&mut stage, towards_originator, "127.0.0.2:4000"));
        let mut stage = Stage::with_policies(policy(text), Policy::default());
        let mut call = stage.begin();
        let early = reply(stage.last_of(1, "INVITE "), 183, Some(&sdp(6000, 1)));
        stage.hear(&mut call, 1, &early, TERMINATOR);
        assert_eq!(passes(&mut stage, towards_originator, "127.0.0.2:4000"), from_originator, "{text}");
    }
}

#[test]
fn a_silent_terminator_rings_by_our_word() {
    let mut stage = Stage::with_policies(policy(r#"{"ringing_after_s":4}"#), Policy::default());
    let mut call = stage.begin();
    stage.wait(&mut call, 3_900);
    assert_eq!(stage.count(0, "SIP/2.0 180 "), 0);
    stage.wait(&mut call, 200);
    assert_eq!(stage.count(0, "SIP/2.0 180 "), 1);
    let mut call = stage.begin();
    let ringing = reply(stage.last_of(1, "INVITE "), 180, None);
    stage.hear(&mut call, 1, &ringing, TERMINATOR);
    stage.wait(&mut call, 6_000);
    assert_eq!(stage.count(0, "SIP/2.0 180 "), 2, "whoever rings needs no word of ours");
}

#[test]
fn an_invitation_ends_when_it_says_so() {
    for (seconds, ends) in [("2", true), ("0", true), ("600", false), ("soon", false)] {
        let mut stage = Stage::new();
        let mut call = stage.begin_with(&with_lines(&invite(), &format!("Expires: {seconds}\r\n")));
        let ringing = reply(stage.last_of(1, "INVITE "), 180, None);
        stage.hear(&mut call, 1, &ringing, TERMINATOR);
        stage.wait(&mut call, 1_900);
        assert_eq!(stage.count(0, "SIP/2.0 487 ") > 0, seconds == "0", "{seconds}");
        stage.wait(&mut call, 200);
        assert_eq!(stage.count(0, "SIP/2.0 487 ") > 0, ends, "{seconds}");
        assert_eq!(stage.count(1, "CANCEL ") > 0, ends, "{seconds}");
    }
}

#[test]
fn the_branches_of_a_fork_are_one_early_dialog_and_the_last_description_counts() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    let invite = stage.last(1).to_owned();
    let branch = |tag: &str, status: u16, port: u16| {
        reply(&invite, status, Some(&sdp(port, 1))).replace("tag=callee", &format!("tag={tag}"))
    };
    for (tag, port) in [("x", 6000), ("y", 6100)] {
        stage.hear(&mut call, 1, &branch(tag, 183, port), TERMINATOR);
    }
    let tags: Vec<_> = stage.sent.iter().filter(|(_, _, text)| text.starts_with("SIP/2.0 183")).collect();
    assert_eq!((tags.len(), line(&tags[0].2, "To")), (2, line(&tags[1].2, "To")));
    let (now, into) = (stage.clock().now, port(stage.last(0)));
    let packet = [&[0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1][..], &[0xd5; 160]].concat();
    let sent = stage.relay.on_packet(now, into, "127.0.0.2:4000".parse().unwrap(), &packet);
    assert!(matches!(sent, Verdict::Forward { to, .. } if to.port() == 6100), "{sent:?}");
    stage.hear(&mut call, 1, &branch("x", 199, 0), TERMINATOR);
    assert_eq!(stage.count(0, "SIP/2.0 199 "), 0, "one branch less is nobody's end");
    for status in [181, 182] {
        stage.hear(&mut call, 1, &branch("y", status, 6100), TERMINATOR);
        assert!(stage.last(0).starts_with(&format!("SIP/2.0 {status} ")));
    }
    stage.hear(&mut call, 1, &branch("y", 200, 6100), TERMINATOR);
    assert!(call.is_up());
    stage.hear(&mut call, 1, &branch("z", 200, 6200), TERMINATOR);
    assert!(stage.last(1).starts_with("BYE ") && line(stage.last(1), "To").ends_with(";tag=z"));
    assert!(line(stage.last_of(1, "ACK "), "To").ends_with(";tag=z"), "RFC 3261 §13.2.2.4");
}

#[test]
fn each_branch_of_a_fork_gets_the_pracks_of_its_own() {
    let mut stage = Stage::with_policies(Policy::default(), policy(r#"{"reliable":"local"}"#));
    let mut call = stage.begin();
    let invite = stage.last(1).to_owned();
    for (tag, number) in [("x", 10), ("y", 20), ("x", 11)] {
        let response = reply(&invite, 180, None).replace("tag=callee", &format!("tag={tag}"));
        let contact = format!("sip:{tag}@127.0.0.3");
        let response = response.replace("sip:4420123@127.0.0.3:5060>\r\nContent", &format!("{contact}>\r\nContent"));
        let lines = format!("Require: 100rel\r\nRSeq: {number}\r\nRecord-Route: <sip:127.0.0.3:5070;lr>\r\n");
        stage.hear(&mut call, 1, &with_lines(&response, &lines), TERMINATOR);
        let prack = stage.last(1);
        assert!(prack.starts_with(&format!("PRACK {contact} ")), "{prack}");
        assert!(line(prack, "To").ends_with(&format!(";tag={tag}")));
        assert_eq!(line(prack, "Route"), "Route: <sip:127.0.0.3:5070;lr>");
        assert_eq!(line(prack, "RAck"), format!("RAck: {number} 1 INVITE"));
    }
}

#[test]
fn a_caller_that_leaves_an_early_dialog_by_bye_has_cancelled() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    let ringing = reply(stage.last(1), 180, None);
    stage.hear(&mut call, 1, &ringing, TERMINATOR);
    stage.hear(&mut call, 0, &request("BYE", stage.last(0), 2), CALLER);
    assert_eq!(stage.count(0, "SIP/2.0 487 "), 1);
    assert!(stage.last(0).starts_with("SIP/2.0 200 ") && line(stage.last(0), "CSeq").ends_with("BYE"));
    assert!(stage.last(1).starts_with("CANCEL "));
    assert_eq!(stage.cdrs().last().map(|cdr| cdr.cause), Some(Cause::CALLER_CANCELLED));
}

#[test]
fn a_terminator_that_says_bye_before_its_answer_has_refused() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    let invite = stage.last(1).to_owned();
    stage.hear(&mut call, 1, &reply(&invite, 180, None), TERMINATOR);
    stage.hear(&mut call, 1, &request_of_terminator("BYE", &invite, 1), TERMINATOR);
    assert!(line(stage.last_of(1, "SIP/2.0 200 "), "CSeq").ends_with("BYE"));
    assert_eq!(stage.count(1, "CANCEL "), 1);
    assert!(stage.last(2).starts_with("INVITE "), "the next route is tried");
}

#[test]
fn a_cancel_that_crosses_the_answer_changes_nothing() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    let answer = reply(stage.last(1), 200, Some(OFFER));
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    let answered = stage.last(0).to_owned();
    stage.hear(&mut call, 0, &cancel(), CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 200 ") && line(stage.last(0), "CSeq").ends_with("CANCEL"));
    assert!(call.is_up(), "RFC 3261 §9.2");
    stage.hear(&mut call, 0, &request("ACK", &answered, 1), CALLER);
    stage.hear(&mut call, 0, &invite(), CALLER);
    assert!(
        line(stage.last(0), "CSeq").ends_with("CANCEL"),
        "the INVITE of before is not answered again after its ACK"
    );
}

#[test]
fn an_answer_that_crosses_our_cancel_is_acknowledged_and_released() {
    for offered in [true, false] {
        let mut stage = Stage::new();
        let mut call = stage.begin_with(&if offered { invite() } else { without_sdp(&invite()) });
        let invite = stage.last(1).to_owned();
        stage.hear(&mut call, 1, &reply(&invite, 180, None), TERMINATOR);
        stage.hear(&mut call, 0, &cancel(), CALLER);
        assert!(stage.last(1).starts_with("CANCEL "));
        stage.hear(&mut call, 1, &reply(&invite, 200, Some(OFFER)), TERMINATOR);
        assert_eq!((stage.count(1, "ACK "), stage.count(1, "BYE ")), (1, 1), "with an offer of ours: {offered}");
    }
}

#[test]
fn a_refusal_that_crosses_our_cancel_is_acknowledged() {
    for status in [302, 404, 486, 503, 603] {
        let mut stage = Stage::new();
        let mut call = stage.begin();
        let invite = stage.last(1).to_owned();
        stage.hear(&mut call, 1, &reply(&invite, 180, None), TERMINATOR);
        stage.hear(&mut call, 0, &cancel(), CALLER);
        stage.hear(&mut call, 1, &reply(&invite, status, None), TERMINATOR);
        assert_eq!(stage.count(1, "ACK "), 1);
        assert_eq!(stage.count(2, "INVITE "), 0, "nobody is called for a caller that left");
        stage.hear(&mut call, 0, &request("ACK", stage.last_of(0, "SIP/2.0 487 "), 1), CALLER);
        stage.wait(&mut call, 70_000);
        assert!(call.is_done(), "{status}");
    }
}

#[test]
fn an_invite_that_comes_again_hears_the_same_answer() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    stage.hear(&mut call, 1, &reply(stage.first(1), 180, None), TERMINATOR);
    let ringing = stage.last(0).to_owned();
    stage.hear(&mut call, 0, &invite(), CALLER);
    assert_eq!(stage.last(0), ringing);
    stage.hear(&mut call, 1, &reply(stage.first(1), 486, None), TERMINATOR);
    let refused = stage.last(0).to_owned();
    stage.hear(&mut call, 0, &invite(), CALLER);
    assert_eq!(stage.last(0), refused);
    assert_eq!(stage.count(1, "INVITE "), 1);
}

#[test]
fn both_sides_may_say_goodbye_at_once() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    let invite = stage.last(1).to_owned();
    stage.hear(&mut call, 1, &reply(&invite, 200, Some(OFFER)), TERMINATOR);
    let answered = stage.last(0).to_owned();
    stage.hear(&mut call, 0, &request("ACK", &answered, 1), CALLER);
    stage.hear(&mut call, 0, &request("BYE", &answered, 2), CALLER);
    stage.hear(&mut call, 1, &request_of_terminator("BYE", &invite, 2), TERMINATOR);
    assert!(line(stage.last_of(1, "SIP/2.0 200 "), "CSeq").ends_with("BYE"), "its BYE crossed ours");
    let ours = stage.last_of(1, "BYE ").to_owned();
    stage.hear(&mut call, 1, &reply(&ours, 481, None), TERMINATOR);
    assert_eq!(stage.cdrs().len(), 2, "one record of the attempt and one of the call");
    stage.wait(&mut call, 70_000);
    assert!(call.is_done());
}

#[test]
fn info_crosses_before_the_answer_once_there_is_somebody_to_hear_it() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    let invite = stage.last(1).to_owned();
    stage.hear(&mut call, 1, &reply(&invite, 180, None), TERMINATOR);
    let told = stage.last(0).to_owned();
    stage.hear(&mut call, 0, &request("INFO", &told, 2), CALLER);
    let passed = stage.last(1).to_owned();
    assert!(passed.starts_with("INFO sip:4420123@127.0.0.3:5060 ") && line(&passed, "To").ends_with(";tag=callee"));
    stage.hear(&mut call, 1, &reply(&passed, 200, None), TERMINATOR);
    assert!(stage.last(0).starts_with("SIP/2.0 200 ") && line(stage.last(0), "CSeq").ends_with("INFO"));
    stage.hear(&mut call, 1, &request_of_terminator("INFO", &invite, 1), TERMINATOR);
    assert!(stage.last(0).starts_with("INFO "));
}

#[test]
fn requests_that_overtook_each_other_are_refused_by_their_numbers() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    stage.hear(&mut call, 1, &reply(stage.first(1), 200, Some(OFFER)), TERMINATOR);
    let answered = stage.last(0).to_owned();
    stage.hear(&mut call, 0, &request("ACK", &answered, 1), CALLER);
    stage.hear(&mut call, 0, &request("INFO", &answered, 5), CALLER);
    assert!(stage.last(1).starts_with("INFO "));
    stage.hear(&mut call, 0, &request("INFO", &answered, 4), CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 500 "), "RFC 3261 §12.2.2");
    stage.hear(&mut call, 0, &with_sdp(&request("INVITE", &answered, 3), OFFER), CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 500 "));
    assert_eq!(stage.count(1, "INFO "), 1);
}

#[test]
fn an_answer_without_ack_is_repeated_and_then_released() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    stage.hear(&mut call, 1, &reply(stage.first(1), 200, Some(OFFER)), TERMINATOR);
    stage.wait(&mut call, 31_900);
    assert_eq!(stage.count(0, "SIP/2.0 200 "), 1 + 10, "RFC 3261 §13.3.1.4");
    stage.wait(&mut call, 300);
    assert!(stage.last(0).starts_with("BYE ") && stage.last_of(1, "BYE ").starts_with("BYE "));
    assert_eq!(stage.cdrs().last().map(|cdr| cdr.cause), Some(Cause::ACK_MISSING));
}
