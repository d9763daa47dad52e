//! Provisional responses that must arrive (RFC 3262): across the bridge, on one leg alone, or not at all.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use call::Call;
use snapshot::Policy;
use stage::{CALLER, OFFER, Stage, invite, line, reply, request, sdp, with_lines, with_sdp, without_sdp};
use units::Cause;

const TERMINATOR: &str = "127.0.0.3:5060";

fn policy(text: &str) -> Policy {
    Policy::from_text(text).expect("the policy is sound")
}

fn supporting() -> String {
    with_lines(&invite(), "Supported: 100rel\r\nAllow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE\r\n")
}

/// A reliable provisional response of the terminator.
fn reliable(stage: &Stage, status: u16, number: u32, body: Option<&str>) -> String {
    with_lines(&reply(stage.last_of(1, "INVITE "), status, body), &format!("Require: 100rel\r\nRSeq: {number}\r\n"))
}

/// The originator's PRACK of our last reliable response.
fn prack(stage: &Stage, number: u32) -> String {
    let response = stage.last_of(0, "SIP/2.0 18");
    let rack = line(response, "RSeq").replace("RSeq: ", "");
    with_lines(&request("PRACK", response, number), &format!("RAck: {rack} 1 INVITE\r\n"))
}

fn rseq(response: &str) -> u64 {
    line(response, "RSeq").replace("RSeq: ", "").parse().unwrap()
}

/// A call whose originator and terminator both know reliable responses, with a 183 that carries the answer.
fn early_call(stage: &mut Stage) -> Call {
    let mut call = stage.begin_with(&supporting());
    let early = reliable(stage, 183, 700, Some(OFFER));
    stage.hear(&mut call, 1, &early, TERMINATOR);
    call
}

#[test]
fn a_reliable_response_and_its_prack_cross_the_bridge_with_numbers_of_their_own() {
    let mut stage = Stage::new();
    let mut call = early_call(&mut stage);
    assert_eq!(line(stage.first(1), "Supported"), "Supported: 100rel, timer");
    let told = stage.last(0).to_owned();
    assert!(told.starts_with("SIP/2.0 183 ") && told.contains("Require: 100rel\r\n") && told.contains("m=audio"));
    assert!((1..1 << 31).contains(&rseq(&told)) && rseq(&told) != 700);
    assert_eq!(stage.count(1, "PRACK "), 0, "the originator acknowledges");
    let heard = prack(&stage, 2);
    stage.hear(&mut call, 0, &heard, CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 200 ") && line(stage.last(0), "CSeq").ends_with("PRACK"));
    let passed = stage.last(1).to_owned();
    assert!(passed.starts_with("PRACK sip:4420123@127.0.0.3:5060 "), "{passed}");
    assert_eq!(line(&passed, "RAck"), "RAck: 700 1 INVITE");
    assert_eq!(line(&passed, "CSeq"), "CSeq: 2 PRACK");
    assert!(line(&passed, "To").ends_with(";tag=callee"));
    let ringing = reliable(&stage, 180, 701, None);
    stage.hear(&mut call, 1, &ringing, TERMINATOR);
    assert_eq!(rseq(stage.last(0)), rseq(&told) + 1);
    let answer = reply(stage.last_of(1, "INVITE "), 200, None);
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    let answered = stage.last(0).to_owned();
    assert!(answered.starts_with("SIP/2.0 200 ") && !answered.contains("m=audio"), "the answer was given: {answered}");
    let late = with_lines(&request("PRACK", &told, 3), &format!("RAck: {} 1 INVITE\r\n", rseq(&told) + 1));
    stage.hear(&mut call, 0, &late, CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 200 "), "a PRACK after the answer finds its response");
    stage.hear(&mut call, 0, &request("ACK", &answered, 1), CALLER);
    assert!(call.is_up() && stage.last_of(1, "ACK ").starts_with("ACK "));
}

#[test]
fn a_reliable_response_is_repeated_until_its_prack_and_then_the_invite_is_refused() {
    let mut stage = Stage::new();
    let mut call = early_call(&mut stage);
    stage.wait(&mut call, 31_900);
    // 0.5, 1, 2, 4, 8, 16 seconds lie between the repeats.
    assert_eq!(stage.count(0, "SIP/2.0 183 "), 1 + 6);
    stage.wait(&mut call, 200);
    assert!(stage.last(0).starts_with("SIP/2.0 504 "), "{}", stage.last(0));
    assert_eq!(stage.count(1, "CANCEL "), 1);
    assert!(call.is_over());
    stage.wait(&mut call, 120_000);
    assert!(call.is_done(), "nothing is left although the terminator never ended its INVITE");
}

#[test]
fn the_answer_waits_for_the_prack_of_a_response_that_described_media() {
    let mut stage = Stage::new();
    let mut call = early_call(&mut stage);
    let answer = reply(stage.last_of(1, "INVITE "), 200, None);
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    assert!(!call.is_up() && stage.count(0, "SIP/2.0 200 ") == 0, "RFC 3262 §3");
    let heard = prack(&stage, 2);
    stage.hear(&mut call, 0, &heard, CALLER);
    assert!(call.is_up());
    assert!(line(stage.last(0), "CSeq").ends_with("INVITE") && stage.last(0).starts_with("SIP/2.0 200 "));
}

#[test]
fn responses_wait_in_line_for_the_prack_of_the_one_before() {
    let mut stage = Stage::new();
    let mut call = early_call(&mut stage);
    for (status, number) in [(180, 701), (182, 702), (182, 703)] {
        let response = reliable(&stage, status, number, None);
        stage.hear(&mut call, 1, &response, TERMINATOR);
    }
    assert_eq!(stage.count(0, "SIP/2.0 180 ") + stage.count(0, "SIP/2.0 182 "), 0);
    for (number, expected) in [(2, "SIP/2.0 180 "), (3, "SIP/2.0 182 "), (4, "SIP/2.0 182 ")] {
        let heard = prack(&stage, number);
        stage.hear(&mut call, 0, &heard, CALLER);
        assert!(stage.last_of(0, "SIP/2.0 18").starts_with(expected));
    }
    let heard = prack(&stage, 5);
    stage.hear(&mut call, 0, &heard, CALLER);
    let acknowledged: Vec<_> = (700..704).map(|number| format!("RAck: {number} 1 INVITE")).collect();
    let sent = stage.sent.iter().filter(|(leg, _, text)| *leg == 1 && text.starts_with("PRACK "));
    assert_eq!(sent.map(|(_, _, text)| line(text, "RAck").to_owned()).collect::<Vec<_>>(), acknowledged);
}

#[test]
fn a_prack_that_names_no_response_of_ours_meets_481() {
    let mut stage = Stage::new();
    let mut call = early_call(&mut stage);
    let told = stage.last(0).to_owned();
    let number = rseq(&told);
    let wrong =
        [format!("{} 1 INVITE", number + 1), format!("{number} 2 INVITE"), format!("{number} 1 BYE"), "x".into()];
    for (at, rack) in (2..).zip(wrong) {
        stage.hear(&mut call, 0, &with_lines(&request("PRACK", &told, at), &format!("RAck: {rack}\r\n")), CALLER);
        assert!(stage.last(0).starts_with("SIP/2.0 481 "), "{rack}");
    }
    assert_eq!(stage.count(1, "PRACK "), 0);
}

#[test]
fn a_repeated_or_overtaking_response_is_not_taken() {
    let mut stage = Stage::new();
    let mut call = early_call(&mut stage);
    for number in [700, 702, 699] {
        let response = reliable(&stage, 180, number, None);
        stage.hear(&mut call, 1, &response, TERMINATOR);
    }
    let heard = prack(&stage, 2);
    stage.hear(&mut call, 0, &heard, CALLER);
    assert_eq!(stage.count(0, "SIP/2.0 180 "), 0);
    assert_eq!(stage.count(1, "PRACK "), 1);
}

#[test]
fn an_offer_of_the_terminator_is_answered_by_the_originators_prack() {
    let mut stage = Stage::new();
    let mut call = stage.begin_with(&without_sdp(&supporting()));
    assert!(!stage.last(1).contains("m=audio"));
    let early = reliable(&stage, 183, 5, Some(&sdp(6000, 1)));
    stage.hear(&mut call, 1, &early, TERMINATOR);
    assert!(stage.last(0).contains("m=audio") && stage.last(0).contains("Require: 100rel"));
    let heard = with_sdp(&prack(&stage, 2), OFFER);
    stage.hear(&mut call, 0, &heard, CALLER);
    let passed = stage.last(1).to_owned();
    assert!(passed.starts_with("PRACK ") && passed.contains("m=audio"), "{passed}");
    assert!(!passed.contains("4000"));
    assert_eq!(stage.count(0, "SIP/2.0 200 "), 0, "the PRACK is answered when the terminator has answered ours");
    stage.hear(&mut call, 1, &reply(&passed, 200, None), TERMINATOR);
    assert!(line(stage.last(0), "CSeq").ends_with("PRACK"));
    let answer = reply(stage.last_of(1, "INVITE "), 200, None);
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    assert!(stage.last(1).starts_with("ACK ") && !stage.last(1).contains("m=audio"));
    assert!(stage.last(0).starts_with("SIP/2.0 200 ") && !stage.last(0).contains("m=audio"));
}

#[test]
fn a_prack_may_offer_and_its_answer_comes_back() {
    let mut stage = Stage::new();
    let mut call = early_call(&mut stage);
    let heard = with_sdp(&prack(&stage, 2), &sdp(4100, 2));
    stage.hear(&mut call, 0, &heard, CALLER);
    let passed = stage.last(1).to_owned();
    assert!(passed.starts_with("PRACK ") && passed.contains("m=audio"));
    stage.hear(&mut call, 1, &with_sdp(&reply(&passed, 200, None), &sdp(6100, 2)), TERMINATOR);
    assert!(stage.last(0).starts_with("SIP/2.0 200 ") && stage.last(0).contains("m=audio"));
}

#[test]
fn a_trunk_that_acknowledges_by_itself_tells_the_originator_plainly() {
    let mut stage = Stage::with_policies(Policy::default(), policy(r#"{"reliable":"local"}"#));
    let mut call = stage.begin();
    assert!(line(stage.last(1), "Supported").contains("100rel"), "although the originator did not offer it");
    let early = reliable(&stage, 183, 9, Some(OFFER));
    stage.hear(&mut call, 1, &early, TERMINATOR);
    assert_eq!(line(stage.last(1), "RAck"), "RAck: 9 1 INVITE");
    assert!(!stage.last(0).contains("RSeq") && stage.last(0).contains("m=audio"));
    let answer = reply(stage.last_of(1, "INVITE "), 200, None);
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    assert!(stage.last(0).starts_with("SIP/2.0 200 "));
    assert!(stage.last(0).contains("m=audio"), "the originator has no answer yet but a preview of it");
}

#[test]
fn an_ingress_trunk_may_be_served_reliably_though_the_terminator_knows_nothing_of_it() {
    let mut stage = Stage::with_policies(policy(r#"{"reliable":"local"}"#), policy(r#"{"reliable":"off"}"#));
    let mut call = stage.begin_with(&supporting());
    assert_eq!(line(stage.last(1), "Supported"), "Supported: timer");
    let ringing = reply(stage.last(1), 180, None);
    stage.hear(&mut call, 1, &ringing, TERMINATOR);
    assert!(stage.last(0).contains("RSeq: "));
    let heard = prack(&stage, 2);
    stage.hear(&mut call, 0, &heard, CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 200 "));
    assert_eq!(stage.count(1, "PRACK "), 0);
}

#[test]
fn an_originator_that_requires_what_its_trunk_does_not_give_meets_420() {
    let mut stage = Stage::with_policies(policy(r#"{"reliable":"off"}"#), Policy::default());
    let mut call = stage.begin_with(&with_lines(&invite(), "Require: 100rel\r\n"));
    assert!(stage.last(0).starts_with("SIP/2.0 420 "));
    assert_eq!(line(stage.last(0), "Unsupported"), "Unsupported: 100rel");
    assert_eq!(stage.cdrs().last().map(|cdr| (cdr.sip_status, cdr.cause)), Some((420, Cause::INTERWORKING)));
    stage.hear(&mut call, 0, &request("ACK", stage.last(0), 1).replace("z9hG4bKACK1", "z9hG4bKa1"), CALLER);
    stage.wait(&mut call, 40_000);
    assert!(call.is_done());
}

#[test]
fn the_early_answers_of_two_routes_leave_one_dialog_and_every_prack_its_own_leg() {
    let mut stage = Stage::new();
    let mut call = early_call(&mut stage);
    let heard = prack(&stage, 2);
    stage.hear(&mut call, 0, &heard, CALLER);
    let refusal = reply(stage.last_of(1, "INVITE "), 503, None);
    stage.hear(&mut call, 1, &refusal, TERMINATOR);
    let early = with_lines(&reply(stage.last_of(2, "INVITE "), 180, None), "Require: 100rel\r\nRSeq: 33\r\n");
    stage.hear(&mut call, 2, &early, "127.0.0.4:5060");
    let heard = prack(&stage, 3);
    stage.hear(&mut call, 0, &heard, CALLER);
    assert_eq!(line(stage.last(2), "RAck"), "RAck: 33 1 INVITE");
    assert_eq!(stage.count(1, "PRACK "), 1);
}

#[test]
fn an_originator_that_took_another_routes_answer_is_offered_the_one_that_counts() {
    for allow in ["UPDATE", "INVITE"] {
        let mut stage = Stage::new();
        let mut call = stage.begin_with(&supporting().replace("PRACK, UPDATE", &format!("PRACK, {allow}")));
        let early = reliable(&stage, 183, 700, Some(OFFER));
        stage.hear(&mut call, 1, &early, TERMINATOR);
        let told = stage.last(0).to_owned();
        let heard = prack(&stage, 2);
        stage.hear(&mut call, 0, &heard, CALLER);
        let refusal = reply(stage.last_of(1, "INVITE "), 503, None);
        stage.hear(&mut call, 1, &refusal, TERMINATOR);
        let other = sdp(7000, 1).replace("RTP/AVP 8", "RTP/AVP 0");
        let answer = reply(stage.last_of(2, "INVITE "), 200, Some(&other));
        stage.hear(&mut call, 2, &answer, "127.0.0.4:5060");
        let answered = stage.last(0).to_owned();
        assert!(answered.starts_with("SIP/2.0 200 ") && !answered.contains("m=audio"), "RFC 3261 §13.2.1");
        stage.hear(&mut call, 0, &request("ACK", &answered, 1), CALLER);
        let offer = stage.last(0).to_owned();
        assert!(offer.starts_with(&format!("{allow} sip:1000@")) && offer.contains("RTP/AVP 0"), "{offer}");
        assert!(told.contains("RTP/AVP 8"));
        stage.hear(&mut call, 0, &reply(&offer, 200, Some(&sdp(4000, 2).replace("AVP 8", "AVP 0"))), CALLER);
        assert_eq!(stage.count(2, "INVITE ") + stage.count(2, "UPDATE "), 1, "the terminator need not know");
        assert!(call.is_up());
    }
}

#[test]
fn a_challenged_prack_is_proven_within_its_early_dialog() {
    let digest = format!(
        r#"{{"reliable":"local","digest":{{"user":"acme","realm":"carrier","ha1_md5":"{}","ha1_sha256":"{}"}}}}"#,
        "0".repeat(32),
        "0".repeat(64)
    );
    let mut stage = Stage::with_policies(Policy::default(), policy(&digest));
    let mut call = stage.begin();
    let early = reliable(&stage, 183, 700, Some(OFFER));
    stage.hear(&mut call, 1, &early, TERMINATOR);
    let first = stage.last_of(1, "PRACK ").to_owned();
    let asks = "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n\", qop=\"auth\"\r\n";
    stage.hear(&mut call, 1, &with_lines(&reply(&first, 407, None), asks), TERMINATOR);
    let again = stage.last_of(1, "PRACK ").to_owned();
    assert!(line(&again, "Proxy-Authorization").contains("nonce=\"n\""), "{again}");
    assert_eq!((line(&again, "To"), line(&again, "RAck")), (line(&first, "To"), line(&first, "RAck")));
    assert!(line(&again, "To").ends_with(";tag=callee") && again.lines().next() == first.lines().next(), "{again}");
    let answer = reply(stage.last_of(1, "INVITE "), 200, None);
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    assert!(stage.last(0).starts_with("SIP/2.0 200 "), "{}", stage.last(0));
}
