//! Session timers (RFC 4028): each leg keeps its own, and a peer that vanished is noticed by it.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use call::Call;
use snapshot::Policy;
use stage::{
    CALLER, OFFER, Stage, invite, line, reply, request, request_of_terminator, sdp, with_lines, with_sdp, without_sdp,
};
use units::Cause;

const TERMINATOR: &str = "127.0.0.3:5060";
const ON: &str = r#"{"session_timer":{"mode":"on","expires_s":600}}"#;

fn policy(text: &str) -> Policy {
    Policy::from_text(text).expect("the policy is sound")
}

/// The originator's INVITE with these lines, answered by the terminator with those.
fn talk(stage: &mut Stage, asked: &str, answered: &str) -> Call {
    let mut call = stage.begin_with(&with_lines(&invite(), asked));
    let answer = with_lines(&reply(stage.last_of(1, "INVITE "), 200, Some(OFFER)), answered);
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    let ack = request("ACK", stage.last_of(0, "SIP/2.0 200 "), 1);
    stage.hear(&mut call, 0, &ack, CALLER);
    assert!(call.is_up());
    call
}

fn ended(stage: &Stage) -> Option<Cause> {
    stage.cdrs().last().map(|cdr| cdr.cause)
}

#[test]
fn an_originator_that_asks_for_a_timer_gets_one_and_we_refresh_if_it_names_nobody() {
    let mut stage = Stage::new();
    let mut call = talk(&mut stage, "Supported: timer\r\nSession-Expires: 100\r\nAllow: UPDATE\r\n", "");
    let answer = stage.last_of(0, "SIP/2.0 200 ").to_owned();
    assert_eq!(line(&answer, "Session-Expires"), "Session-Expires: 100;refresher=uas");
    assert_eq!(line(&answer, "Require"), "Require: timer");
    stage.wait(&mut call, 50_100);
    let update = stage.last(0).to_owned();
    assert!(update.starts_with("UPDATE sip:1000@127.0.0.2:5060 "), "{update}");
    assert_eq!(line(&update, "Session-Expires"), "Session-Expires: 100;refresher=uac");
    assert!(!update.contains("m=audio") && update.contains("Contact: "));
    let refreshed = with_lines(&reply(&update, 200, None), "Session-Expires: 100;refresher=uac\r\n");
    stage.hear(&mut call, 0, &refreshed, CALLER);
    stage.wait(&mut call, 50_100);
    let again = stage.last_of(0, "UPDATE ").to_owned();
    assert_ne!(line(&again, "CSeq"), line(&update, "CSeq"));
    assert!(call.is_up());
    assert_eq!(stage.count(1, "UPDATE "), 0, "each leg keeps its own");
}

#[test]
fn a_peer_that_refreshes_and_stops_is_released_before_the_interval_ends() {
    let mut stage = Stage::new();
    let asked = "Supported: timer\r\nSession-Expires: 120;refresher=uac\r\n";
    let mut call = talk(&mut stage, asked, "");
    let answer = stage.last_of(0, "SIP/2.0 200 ").to_owned();
    assert_eq!(line(&answer, "Session-Expires"), "Session-Expires: 120;refresher=uac");
    stage.wait(&mut call, 80_000);
    let update = with_lines(&request("UPDATE", &answer, 2), asked);
    stage.hear(&mut call, 0, &update, CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 200 "));
    assert_eq!(line(stage.last(0), "Session-Expires"), "Session-Expires: 120;refresher=uac");
    assert_eq!(stage.count(1, "UPDATE "), 0, "it says nothing to the other leg");
    stage.wait(&mut call, 87_900);
    assert!(call.is_up());
    stage.wait(&mut call, 200);
    assert_eq!(ended(&stage), Some(Cause::REFRESH_MISSING));
    for leg in [0, 1] {
        let bye = stage.last_of(leg, "BYE ");
        assert!(line(bye, "Reason").contains("peer stopped to refresh"), "{bye}");
    }
}

#[test]
fn an_interval_that_is_too_short_meets_422_with_the_shortest_one() {
    let mut stage = Stage::with_policies(policy(r#"{"session_timer":{"min_s":300}}"#), Policy::default());
    let short = with_lines(&invite(), "Supported: timer\r\nSession-Expires: 120\r\n");
    stage.begin_with(&short);
    assert!(stage.last(0).starts_with("SIP/2.0 422 "));
    assert_eq!(line(stage.last(0), "Min-SE"), "Min-SE: 300");
    assert_eq!(stage.cdrs().last().map(|cdr| cdr.sip_status), Some(422));
    let mut stage = Stage::with_policies(policy(r#"{"session_timer":{"min_s":300}}"#), Policy::default());
    stage.begin_with(&short.replace("Supported: timer\r\n", ""));
    assert!(stage.last(1).starts_with("INVITE "), "RFC 4028 §8: who knows no timers cannot ask for a longer one");
}

#[test]
fn a_terminator_that_wants_a_longer_interval_is_asked_again_with_it() {
    let mut stage = Stage::with_policies(Policy::default(), policy(ON));
    let mut call = stage.begin();
    let first = stage.last(1).to_owned();
    assert_eq!(line(&first, "Session-Expires"), "Session-Expires: 600");
    let longer = with_lines(&reply(&first, 422, None), "Min-SE: 900\r\n");
    stage.hear(&mut call, 1, &longer, TERMINATOR);
    let second = stage.last(1).to_owned();
    assert_eq!(line(&second, "Session-Expires"), "Session-Expires: 900");
    assert_eq!(line(&second, "Min-SE"), "Min-SE: 900");
    assert_eq!(line(&second, "CSeq"), "CSeq: 2 INVITE");
    assert!(second.contains("m=audio"));
    let acks = stage.count(1, "ACK ");
    stage.hear(&mut call, 1, &longer, TERMINATOR);
    assert_eq!(stage.count(1, "ACK "), acks + 1, "the refusal came again: its ACK was lost");
    // A terminator that never has enough is left.
    for least in [1_000, 1_100, 1_200, 1_300, 1_400] {
        let longer = with_lines(&reply(stage.last_of(1, "INVITE "), 422, None), &format!("Min-SE: {least}\r\n"));
        stage.hear(&mut call, 1, &longer, TERMINATOR);
    }
    assert_eq!(stage.count(1, "INVITE "), 5);
    assert!(stage.last(2).starts_with("INVITE "), "the next route is tried");
}

#[test]
fn a_terminator_without_timers_is_refreshed_by_us_alone() {
    let mut stage = Stage::with_policies(Policy::default(), policy(ON));
    let mut call = talk(&mut stage, "", "");
    let before = stage.last_of(1, "INVITE ").to_owned();
    stage.wait(&mut call, 301_000);
    let refresh = stage.last(1).to_owned();
    assert!(refresh.starts_with("INVITE "), "it does not allow UPDATE: {refresh}");
    let origin = |message: &str| message.lines().find(|line| line.starts_with("o=")).unwrap().to_owned();
    assert_eq!(origin(&refresh), origin(&before), "RFC 4028 §7.4: the same description in the same version");
    stage.hear(&mut call, 1, &reply(&refresh, 200, Some(OFFER)), TERMINATOR);
    assert!(stage.last(1).starts_with("ACK "));
    assert_eq!(stage.count(0, "INVITE "), 0);
    stage.wait(&mut call, 300_100);
    assert!(stage.last(1).starts_with("INVITE "), "and again");
    let busy = reply(stage.last(1), 500, None);
    stage.hear(&mut call, 1, &busy, TERMINATOR);
    stage.wait(&mut call, 299_000);
    assert!(call.is_up() && stage.last(1).starts_with("ACK "), "whatever it answers, it lives");
    stage.wait(&mut call, 1_500);
    let unknown = reply(stage.last_of(1, "INVITE "), 481, None);
    stage.hear(&mut call, 1, &unknown, TERMINATOR);
    assert!(call.is_over());
}

#[test]
fn a_refresh_without_answer_ends_the_call() {
    let mut stage = Stage::with_policies(Policy::default(), policy(ON));
    let mut call = talk(&mut stage, "", "Allow: INVITE, UPDATE\r\nSession-Expires: 600;refresher=uac\r\n");
    stage.wait(&mut call, 301_000);
    assert!(stage.last(1).starts_with("UPDATE "));
    stage.wait(&mut call, 33_000);
    assert_eq!(ended(&stage), Some(Cause::TIMER_EXPIRED));
}

#[test]
fn a_peer_that_takes_no_update_after_all_is_refreshed_by_invite() {
    let mut stage = Stage::with_policies(Policy::default(), policy(ON));
    let mut call = talk(&mut stage, "", "Allow: INVITE, UPDATE\r\nSession-Expires: 600;refresher=uac\r\n");
    stage.wait(&mut call, 301_000);
    let refused = reply(stage.last_of(1, "UPDATE "), 405, None);
    stage.hear(&mut call, 1, &refused, TERMINATOR);
    stage.wait(&mut call, 100);
    assert!(stage.last(1).starts_with("INVITE ") && stage.last(1).contains("m=audio"));
}

#[test]
fn a_refresh_that_meets_another_transaction_is_tried_again() {
    let mut stage = Stage::with_policies(Policy::default(), policy(ON));
    let mut call = talk(&mut stage, "", "Session-Expires: 600;refresher=uac\r\n");
    stage.wait(&mut call, 300_100);
    let pending = reply(stage.last_of(1, "INVITE "), 491, None);
    stage.hear(&mut call, 1, &pending, TERMINATOR);
    let sent = stage.count(1, "INVITE ");
    stage.wait(&mut call, 2_000);
    assert_eq!(stage.count(1, "INVITE "), sent, "RFC 3261 §14.1: the Call-ID is ours, so 2.1 seconds at least");
    stage.wait(&mut call, 2_000);
    assert!(stage.count(1, "INVITE ") > sent);
}

#[test]
fn a_trunk_without_timers_neither_asks_for_one_nor_takes_one() {
    let off = policy(r#"{"session_timer":{"mode":"off"}}"#);
    let mut stage = Stage::with_policies(off.clone(), off);
    let call = talk(&mut stage, "Supported: timer\r\nSession-Expires: 90\r\n", "Session-Expires: 90;refresher=uas\r\n");
    assert!(!stage.last_of(0, "SIP/2.0 200 ").contains("Session-Expires"));
    assert!(!stage.last_of(1, "INVITE ").contains("timer"));
    assert!(call.deadline().unwrap().micros() > 0);
    let mut stage = Stage::with_policies(policy(r#"{"session_timer":{"mode":"off"}}"#), Policy::default());
    stage.begin_with(&with_lines(&invite(), "Require: timer\r\n"));
    assert_eq!(line(stage.last(0), "Unsupported"), "Unsupported: timer");
}

#[test]
fn an_update_of_the_terminator_refreshes_its_leg_alone() {
    let mut stage = Stage::with_policies(Policy::default(), policy(ON));
    let mut call = talk(&mut stage, "", "Session-Expires: 600;refresher=uas\r\n");
    let invite = stage.last_of(1, "INVITE ").to_owned();
    stage.wait(&mut call, 560_000);
    let update = with_lines(
        &request_of_terminator("UPDATE", &invite, 2),
        "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n",
    );
    stage.hear(&mut call, 1, &update, TERMINATOR);
    assert_eq!(line(stage.last(1), "Session-Expires"), "Session-Expires: 600;refresher=uac");
    stage.wait(&mut call, 560_000);
    assert!(call.is_up());
    stage.wait(&mut call, 10_000);
    assert_eq!(ended(&stage), Some(Cause::REFRESH_MISSING));
}

#[test]
fn a_change_that_crosses_keeps_the_timers_of_both_legs_running() {
    let mut stage = Stage::with_policies(Policy::default(), policy(ON));
    let asked = "Supported: timer\r\nSession-Expires: 200;refresher=uac\r\n";
    let mut call = talk(&mut stage, asked, "Session-Expires: 600;refresher=uac\r\n");
    stage.wait(&mut call, 150_000);
    let change = with_lines(&with_sdp(&request("INVITE", stage.last_of(0, "SIP/2.0 200 "), 2), &sdp(4200, 2)), asked);
    stage.hear(&mut call, 0, &change, CALLER);
    let passed = stage.last(1).to_owned();
    assert_eq!(line(&passed, "Session-Expires"), "Session-Expires: 600;refresher=uac");
    let accepted = with_lines(&reply(&passed, 200, Some(&sdp(6200, 2))), "Session-Expires: 600;refresher=uac\r\n");
    stage.hear(&mut call, 1, &accepted, TERMINATOR);
    assert_eq!(line(stage.last(0), "Session-Expires"), "Session-Expires: 200;refresher=uac");
    stage.hear(&mut call, 0, &without_sdp(&request("ACK", stage.last(0), 2)), CALLER);
    stage.wait(&mut call, 160_000);
    assert!(call.is_up());
}

#[test]
fn timers_survive_with_the_call() {
    let mut stage = Stage::with_policies(Policy::default(), policy(ON));
    let mut call = talk(&mut stage, "Supported: timer\r\nSession-Expires: 900;refresher=uac\r\n", "");
    stage.wait(&mut call, 60_000);
    let bytes = call.export(stage.clock()).expect("the call is stable");
    assert!(bytes.len() < 2_048, "{} bytes", bytes.len());
    let ports = Call::exported_ports(&bytes).unwrap();
    let mut relay = media::Relay::new(20_000, 20_099, 1);
    let opened: Vec<_> = (0..50).map_while(|_| relay.open(stage.clock().now)).collect();
    let at = |port: u16| *opened.iter().find(|pair| pair.rtp_port == port).unwrap();
    let mut again = Call::import(&bytes, at(ports.0), at(ports.1)).unwrap();
    stage.relay = relay;
    assert_eq!(again.deadline(), call.deadline());
    stage.wait(&mut again, 250_000);
    assert!(stage.last(1).starts_with("INVITE ") && stage.last(1).contains("m=audio"), "the refresh that was due");
    let refreshed = reply(stage.last(1), 200, Some(OFFER));
    stage.hear(&mut again, 1, &refreshed, TERMINATOR);
    stage.wait(&mut again, 300_100);
    let refreshed = reply(stage.last_of(1, "INVITE "), 200, Some(OFFER));
    stage.hear(&mut again, 1, &refreshed, TERMINATOR);
    stage.wait(&mut again, 280_000);
    assert_eq!(ended(&stage), Some(Cause::REFRESH_MISSING), "the originator was to refresh");
}

#[test]
fn a_change_that_meets_422_goes_again_with_the_longer_interval() {
    let mut stage = Stage::with_policies(Policy::default(), policy(ON));
    let mut call = talk(&mut stage, "", "Session-Expires: 600;refresher=uac\r\n");
    let change = with_sdp(&request("INVITE", stage.last_of(0, "SIP/2.0 200 "), 2), &sdp(4200, 2));
    stage.hear(&mut call, 0, &change, CALLER);
    let longer = with_lines(&reply(stage.last_of(1, "INVITE "), 422, None), "Min-SE: 700\r\n");
    stage.hear(&mut call, 1, &longer, TERMINATOR);
    let again = stage.last(1).to_owned();
    assert!(again.starts_with("INVITE ") && again.contains("m=audio") && again.contains("Session-Expires: 700"));
    stage.hear(&mut call, 1, &reply(&again, 200, Some(&sdp(6200, 2))), TERMINATOR);
    assert!(stage.last(0).starts_with("SIP/2.0 200 ") && line(stage.last(0), "CSeq").ends_with("2 INVITE"));
}
