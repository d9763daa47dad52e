//! One call through the B2BUA, from INVITE to BYE.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use call::Call;
use cdr::Record;
use media::Relay;
use stage::{CALLER, Stage, invite, line, reply, request};
use units::{Cause, Money};

#[test]
fn the_egress_invite_shows_nothing_of_the_ingress_leg_but_the_numbers() {
    let mut stage = Stage::new();
    stage.begin();
    let (_, to, egress) = stage.sent.iter().find(|(leg, _, _)| *leg == 1).expect("a route was tried");
    assert_eq!(to.to_string(), "127.0.0.3:5060", "the cheapest first");
    assert!(egress.starts_with("INVITE sip:4420123@127.0.0.3:5060 SIP/2.0\r\n"));
    for secret in ["127.0.0.2", "one@", "z9hG4bKa1", "caller", "X-Secret", "4000"] {
        assert!(!egress.contains(secret), "{secret} leaked into\n{egress}");
    }
}

#[test]
fn a_refused_route_leads_to_the_next_and_each_try_has_its_record() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    let refusal = reply(stage.last(1), 503, None);
    stage.hear(&mut call, 1, &refusal, "127.0.0.3:5060");
    assert!(stage.sent.iter().any(|(leg, _, text)| *leg == 1 && text.starts_with("ACK ")));
    assert!(stage.last(2).starts_with("INVITE sip:4420123@127.0.0.4:5060"));
    let busy = reply(stage.last(2), 486, None);
    stage.hear(&mut call, 2, &busy, "127.0.0.4:5060");
    assert!(stage.last(0).starts_with("SIP/2.0 486 "));
    let cdrs = stage.cdrs();
    let told: Vec<_> = cdrs.iter().map(|cdr| (cdr.attempt.0, cdr.sip_status, cdr.cause)).collect();
    assert_eq!(told, [(1, 503, Cause::NO_CIRCUIT), (2, 486, Cause::BUSY), (0, 486, Cause::BUSY)]);
    assert!(call.is_over());
}

#[test]
fn an_answer_is_journaled_before_it_is_passed_on_and_a_bye_before_it_is_answered() {
    let mut stage = Stage::new();
    let mut call = stage.talking_call();
    assert!(matches!(&stage.records[0], Record::Start(start) if start.paid_ms >= 30_000));
    assert!(stage.records.iter().any(|record| matches!(record, Record::Paid { .. })), "the reserve was extended");
    let answer = stage.sent.iter().find(|(_, _, text)| text.starts_with("SIP/2.0 200")).unwrap().2.clone();
    stage.hear(&mut call, 0, &request("BYE", &answer, 2), CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 200 "));
    assert!(stage.last(1).starts_with("BYE sip:4420123@127.0.0.3:5060"));
    let cdrs = stage.cdrs();
    assert_eq!(cdrs.len(), 2);
    assert_eq!(cdrs[0].duration_ms, cdrs[1].duration_ms);
    let seconds = cdrs[1].duration_ms.div_ceil(1_000);
    let sell = cdrs[1].sell.expect("the call has a price");
    assert_eq!(sell.price, Money::from_nanos(seconds as i64 * 1_000_000), "0.06 a minute is 0.001 a second");
    let used = cdrs[1].grants.iter().fold(Money::ZERO, |sum, part| sum + part.amount);
    assert_eq!(used, sell.price, "the price came from the grants");
}

#[test]
fn a_cancelled_call_is_cancelled_on_the_other_side_once_that_was_heard() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    let cancel = invite().replace("INVITE sip:", "CANCEL sip:").replace("1 INVITE", "1 CANCEL");
    stage.hear(&mut call, 0, &cancel, CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 487 "));
    assert!(stage.last(1).starts_with("INVITE "), "RFC 3261 §9.1: no CANCEL before a 1xx");
    let trying = reply(stage.last(1), 100, None);
    stage.hear(&mut call, 1, &trying, "127.0.0.3:5060");
    assert!(stage.last(1).starts_with("CANCEL "));
    assert_eq!(stage.cdrs().last().map(|cdr| cdr.cause), Some(Cause::CALLER_CANCELLED));
}

#[test]
fn a_stable_call_survives_as_bytes() {
    let mut stage = Stage::new();
    let call = stage.talking_call();
    assert!(call.is_stable(), "no transaction is open after the ACK and its time");
    let bytes = call.export(stage.clock()).expect("the call is stable");
    assert!(bytes.len() < 2_048, "{} bytes", bytes.len());
    let ports = Call::exported_ports(&bytes).expect("the bytes are whole");
    let now = stage.clock().now;
    let mut relay = Relay::new(20_000, 20_099, 1);
    let opened: Vec<_> = (0..50).map_while(|_| relay.open(now)).collect();
    let at = |port: u16| *opened.iter().find(|pair| pair.rtp_port == port).expect("all ports are open");
    let (ingress, egress) = (at(ports.0), at(ports.1));
    let mut again = Call::import(&bytes, ingress, egress).expect("what was written can be read");
    assert!(again.export(stage.clock()).as_ref() == Some(&bytes), "nothing was lost on the way");
    assert_eq!(again.deadline(), call.deadline());
    stage.relay = relay;
    let answer = stage.sent.iter().find(|(_, _, text)| text.starts_with("SIP/2.0 200")).unwrap().2.clone();
    stage.hear(&mut again, 0, &request("BYE", &answer, 2), CALLER);
    assert_eq!(stage.cdrs().len(), 2, "the call that came back is billed once, whole");
    for length in 0..bytes.len() {
        assert!(Call::import(&bytes[..length], ingress, egress).is_err());
    }
}

#[test]
fn a_goodbye_ends_the_dialog_for_whoever_said_it() {
    let mut stage = Stage::new();
    let mut call = stage.talking_call();
    let answered = stage.last_of(0, "SIP/2.0 200 ").to_owned();
    for (number, expected) in [(2, "SIP/2.0 200 "), (2, "SIP/2.0 200 "), (3, "SIP/2.0 481 ")] {
        stage.hear(&mut call, 0, &request("BYE", &answered, number), CALLER);
        assert!(stage.last(0).starts_with(expected), "BYE {number}: {}", stage.last(0));
    }
    assert_eq!(stage.count(1, "BYE "), 1);
    assert_eq!(stage.cdrs().len(), 2);
}

#[test]
fn whoever_asks_within_a_call_is_told_what_we_take() {
    let mut stage = Stage::new();
    let mut call = stage.talking_call();
    let answered = stage.last_of(0, "SIP/2.0 200 ").to_owned();
    stage.hear(&mut call, 0, &request("OPTIONS", &answered, 2), CALLER);
    let told = stage.last(0);
    assert!(told.starts_with("SIP/2.0 200 "));
    for name in ["Allow", "Accept", "Accept-Encoding", "Accept-Language"] {
        assert!(!line(told, name).is_empty(), "RFC 3261 §11.2: {name} in {told}");
    }
}

#[test]
fn a_dialled_card_number_crosses_whole_however_fast_it_is_dialled() {
    let mut stage = Stage::new();
    let mut call = stage.talking_call();
    let answer = stage.last(0).to_owned();
    let digit = |number: u32| {
        let body = "Content-Type: application/dtmf-relay\r\nContent-Length: 10\r\n\r\nSignal=5\r\n";
        request("INFO", &answer, number).replace("Content-Length: 0\r\n\r\n", body)
    };
    for number in 2..202 {
        stage.hear(&mut call, 0, &digit(number), CALLER);
        let passed = stage.last_of(1, "INFO ").to_owned();
        assert_eq!(stage.count(1, "INFO "), number as usize - 1);
        stage.hear(&mut call, 1, &reply(&passed, 200, None), "127.0.0.3:5060");
        assert!(stage.last(0).starts_with("SIP/2.0 200 "), "{number}: {}", stage.last(0));
        stage.wait(&mut call, 10);
    }
    stage.hear(&mut call, 0, &digit(201), CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 200 ") && stage.count(1, "INFO ") == 200, "a repeat is no digit");
    // Those that wait are bounded.
    for number in 202..220 {
        stage.hear(&mut call, 0, &digit(number), CALLER);
    }
    assert_eq!(stage.count(1, "INFO "), 208);
    assert!(stage.last(0).starts_with("SIP/2.0 503 "), "{}", stage.last(0));
    stage.hear(&mut call, 0, &request("BYE", &answer, 220), CALLER);
    assert!(stage.last_of(1, "BYE ").starts_with("BYE "));
}
