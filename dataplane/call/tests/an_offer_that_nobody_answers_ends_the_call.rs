//! Offer and answer of which one is missing (RFC 3264 §4, RFC 6337 §2): nobody can be heard, nobody pays, and both sides are told.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use cdr::Party;
use stage::{CALLER, OFFER, Stage, invite, line, reply, request, sdp, with_sdp, without_sdp};
use units::{Cause, Money};

const TERMINATOR: &str = "127.0.0.3:5060";

#[test]
fn a_terminator_that_answers_and_never_described_media_is_released_and_nobody_pays() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    let answer = reply(stage.first(1), 200, None);
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    assert_eq!((stage.count(1, "ACK "), stage.count(1, "BYE ")), (1, 1), "it has answered and must hear a goodbye");
    assert_eq!(stage.count(0, "SIP/2.0 200 "), 0);
    assert!(stage.last(0).starts_with("SIP/2.0 502 "), "{}", stage.last(0));
    assert!(line(stage.last(0), "Reason").starts_with("Reason: Q.850;cause=111;"), "{}", stage.last(0));
    let told: Vec<_> = stage.cdrs().iter().map(|cdr| (cdr.sip_status, cdr.cause, cdr.released_by)).collect();
    assert_eq!(told, [(200, Cause::UNDESCRIBED, Party::Egress), (502, Cause::UNDESCRIBED, Party::Egress)]);
    for cdr in stage.cdrs() {
        assert_eq!((cdr.answered_ms, cdr.duration_ms), (None, 0));
        assert!([cdr.sell, cdr.buy].iter().flatten().all(|priced| priced.price == Money::ZERO));
    }
    stage.wait(&mut call, 70_000);
    assert!(call.is_done());
}

#[test]
fn where_nobody_offers_media_none_is_missing() {
    let mut stage = Stage::new();
    let mut call = stage.begin_with(&without_sdp(&invite()));
    let answer = reply(stage.first(1), 200, None);
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    let ack = request("ACK", stage.last_of(0, "SIP/2.0 200 "), 1);
    stage.hear(&mut call, 0, &ack, CALLER);
    assert!(call.is_up());
    assert_eq!((stage.count(1, "ACK "), stage.count(1, "BYE ")), (1, 0));
}

#[test]
fn what_a_route_said_before_it_failed_describes_no_other_route() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    for (status, body) in [(183, Some(OFFER)), (503, None)] {
        let answer = reply(stage.first(1), status, body);
        stage.hear(&mut call, 1, &answer, TERMINATOR);
    }
    let answer = reply(stage.first(2), 200, None);
    stage.hear(&mut call, 2, &answer, "127.0.0.4:5060");
    assert!(stage.last(0).starts_with("SIP/2.0 502 "), "{}", stage.last(0));
    assert_eq!((stage.count(2, "ACK "), stage.count(2, "BYE ")), (1, 1));
}

#[test]
fn an_originator_that_does_not_answer_the_terminators_offer_is_released() {
    for (answer, cause) in [("", Cause::UNDESCRIBED), ("v=0\r\nm=nonsense\r\n", Cause::INCOMPATIBLE)] {
        let mut stage = Stage::new();
        let mut call = stage.begin_with(&without_sdp(&invite()));
        let offer = reply(stage.first(1), 200, Some(OFFER));
        stage.hear(&mut call, 1, &offer, TERMINATOR);
        assert!(stage.last(0).starts_with("SIP/2.0 200 ") && stage.last(0).contains("m=audio"));
        assert_eq!(stage.count(1, "ACK "), 0, "it waits for the answer");
        let ack = request("ACK", stage.last(0), 1);
        let ack = if answer.is_empty() { ack } else { with_sdp(&ack, answer) };
        stage.hear(&mut call, 0, &ack, CALLER);
        assert_eq!((stage.count(1, "ACK "), stage.count(1, "BYE "), stage.count(0, "BYE ")), (1, 1, 1));
        assert!(stage.last_of(1, "ACK ").contains("m=audio 0 RTP/AVP 8\r\n"), "its offer is answered, and declined");
        let told: Vec<_> = stage.cdrs().iter().map(|cdr| (cdr.cause, cdr.released_by)).collect();
        assert_eq!(told, [(cause, Party::Ingress); 2]);
    }
}

/// RFC 3261 §9.1 and §13.2.2.4: the answer was on its way when the caller gave up, and it offers media.
#[test]
fn an_offer_that_crosses_a_cancel_is_declined_and_released() {
    let mut stage = Stage::new();
    let mut call = stage.begin_with(&without_sdp(&invite()));
    let trying = reply(stage.first(1), 100, None);
    stage.hear(&mut call, 1, &trying, TERMINATOR);
    let cancel = without_sdp(&invite()).replace("INVITE sip:", "CANCEL sip:").replace("1 INVITE", "1 CANCEL");
    stage.hear(&mut call, 0, &cancel, CALLER);
    assert_eq!(stage.count(1, "CANCEL "), 1);
    let two = "m=audio 4000 RTP/AVP 8 0\r\nm=video 4002 RTP/AVP 31\r\n";
    let offer = reply(stage.first(1), 200, Some(&OFFER.replace("m=audio 4000 RTP/AVP 8\r\n", two)));
    for _ in 0..2 {
        stage.hear(&mut call, 1, &offer, TERMINATOR);
        let ack = stage.last_of(1, "ACK ");
        assert!(ack.ends_with("m=audio 0 RTP/AVP 8 0\r\nm=video 0 RTP/AVP 31\r\n"), "{ack}");
    }
    assert_eq!((stage.count(1, "ACK "), stage.count(1, "BYE ")), (2, 1));
    stage.wait(&mut call, 70_000);
    assert!(call.is_done());
}

#[test]
fn a_change_whose_offer_nobody_answers_leaves_the_call_as_it_is() {
    let mut stage = Stage::new();
    let mut call = stage.talking_call();
    let answered = stage.last_of(0, "SIP/2.0 200 ").to_owned();
    stage.hear(&mut call, 0, &request("INVITE", &answered, 2), CALLER);
    let passed = stage.last_of(1, "INVITE ").to_owned();
    stage.hear(&mut call, 1, &reply(&passed, 200, Some(&sdp(6200, 2))), TERMINATOR);
    stage.hear(&mut call, 0, &request("ACK", &answered, 2), CALLER);
    assert!(call.is_up());
    assert_eq!(stage.count(1, "ACK "), 2, "the one of the answer, and the one of the change");
}
