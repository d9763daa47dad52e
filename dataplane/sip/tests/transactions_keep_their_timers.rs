//! The four transactions, told as stories: what is heard when, and what is said then.

use sip::client::Client;
use sip::effect::{Effect, Effects};
use sip::invite_client::InviteClient;
use sip::invite_server::InviteServer;
use sip::server::Server;
use units::Instant;

fn at(ms: u64) -> Instant {
    Instant::from_micros(ms * 1_000)
}

/// Lets time pass to `end`, a millisecond at a time, and notes when the machine spoke.
fn run(end: u64, mut step: impl FnMut(Instant, &mut Effects)) -> Vec<(u64, Effect)> {
    let mut said = Vec::new();
    for ms in 0..=end {
        let mut out = Effects::new();
        step(at(ms), &mut out);
        said.extend(out.into_iter().map(|effect| (ms, effect)));
    }
    said
}

#[test]
fn an_unheard_invite_is_repeated_at_doubled_intervals_and_given_up_after_64_t1() {
    let mut invite = InviteClient::new(at(0), false);
    let said = run(40_000, |now, out| invite.on_time(now, out));
    let expected = [500, 1_500, 3_500, 7_500, 15_500, 31_500].map(|ms| (ms, Effect::Resend));
    assert_eq!(said[..6], expected);
    assert_eq!(said[6..], [(32_000, Effect::TimedOut)]);
    assert!(invite.is_over());
}

#[test]
fn an_invite_may_be_cancelled_only_between_the_first_1xx_and_the_final_answer() {
    let mut invite = InviteClient::new(at(0), false);
    let mut out = Effects::new();
    assert!(!invite.may_cancel());
    invite.on_response(at(10), 100, &mut out);
    assert!(invite.may_cancel());
    invite.on_response(at(20), 486, &mut out);
    assert!(!invite.may_cancel());
    assert_eq!(*out, [Effect::Provisional, Effect::Acknowledge, Effect::Refused]);
}

#[test]
fn a_repeated_refusal_is_acknowledged_again_and_reported_once() {
    let mut invite = InviteClient::new(at(0), false);
    let mut out = Effects::new();
    invite.on_response(at(10), 503, &mut out);
    invite.on_response(at(510), 503, &mut out);
    assert_eq!(*out, [Effect::Acknowledge, Effect::Refused, Effect::Acknowledge]);
    let said = run(33_000, |now, out| invite.on_time(now, out));
    assert_eq!(said, []);
    assert!(invite.is_over(), "timer D lets go");
}

#[test]
fn every_acceptance_reaches_the_core_for_64_t1() {
    let mut invite = InviteClient::new(at(0), false);
    let mut out = Effects::new();
    for ms in [10, 510, 1_510] {
        invite.on_response(at(ms), 200, &mut out);
    }
    assert_eq!(*out, [Effect::Accepted; 3]);
}

#[test]
fn an_answer_is_repeated_until_its_ack_comes() {
    let mut invite = InviteServer::new(false);
    invite.on_final_sent(at(0), 200);
    let said = run(4_000, |now, out| invite.on_time(now, out));
    assert_eq!(said, [500, 1_500, 3_500].map(|ms| (ms, Effect::Resend)));
    let mut out = Effects::new();
    invite.on_ack(at(4_100), &mut out);
    invite.on_ack(at(4_200), &mut out);
    assert_eq!(*out, [Effect::Acknowledged], "a doubled ACK is heard once");
    let said = run(10_000, |now, out| invite.on_time(now, out));
    assert_eq!(said, []);
    assert!(invite.is_over());
}

#[test]
fn an_answer_without_ack_is_given_up_after_64_t1() {
    let mut invite = InviteServer::new(false);
    invite.on_final_sent(at(0), 200);
    let said = run(32_000, |now, out| invite.on_time(now, out));
    assert_eq!(said.last(), Some(&(32_000, Effect::TimedOut)));
    assert_eq!(said.len(), 11, "intervals double to T2 and stay there");
}

#[test]
fn a_bye_is_repeated_at_most_every_t2_and_given_up_after_64_t1() {
    let mut bye = Client::new(at(0), false);
    let said = run(32_000, |now, out| bye.on_time(now, out));
    let times: Vec<u64> = said.iter().map(|(ms, _)| *ms).collect();
    assert_eq!(times, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000]);
    assert_eq!(said.last().map(|(_, effect)| *effect), Some(Effect::TimedOut));
}

#[test]
fn a_request_heard_again_gets_the_same_answer_for_64_t1() {
    let mut bye = Server::new(at(0), false);
    let mut out = Effects::new();
    bye.on_repeat(&mut out);
    assert_eq!(*out, [], "there is no answer yet");
    bye.on_final_sent(at(10));
    bye.on_repeat(&mut out);
    assert_eq!(*out, [Effect::Resend]);
    bye.on_time(at(32_010));
    assert!(bye.is_over());
}

#[test]
fn over_a_reliable_transport_nothing_is_repeated_but_an_answer_that_accepts() {
    let mut out = Effects::new();
    let mut invite = InviteClient::new(at(0), true);
    assert_eq!(invite.deadline(), Some(at(32_000)));
    invite.on_time(at(31_999), &mut out);
    assert_eq!(*out, []);
    invite.on_response(at(31_999), 486, &mut out);
    assert_eq!(*out, [Effect::Acknowledge, Effect::Refused]);
    invite.on_time(at(31_999), &mut out);
    assert!(invite.is_over(), "timer D is 0");

    out.clear();
    let mut bye = Client::new(at(0), true);
    bye.on_response(at(10), 100, &mut out);
    bye.on_time(at(31_999), &mut out);
    assert_eq!(*out, [Effect::Provisional], "timer E is off");
    bye.on_response(at(31_999), 200, &mut out);
    bye.on_time(at(31_999), &mut out);
    assert!(bye.is_over(), "timer K is 0");

    out.clear();
    let mut refused = InviteServer::new(true);
    refused.on_final_sent(at(0), 486);
    refused.on_time(at(31_999), &mut out);
    assert_eq!(*out, [], "timer G is off");
    refused.on_ack(at(31_999), &mut out);
    refused.on_time(at(31_999), &mut out);
    assert!(refused.is_over(), "timer I is 0");

    out.clear();
    let mut accepted = InviteServer::new(true);
    accepted.on_final_sent(at(0), 200);
    accepted.on_time(at(500), &mut out);
    assert_eq!(*out, [Effect::Resend], "RFC 3261 §13.3.1.4 knows no transport");

    let mut heard = Server::new(at(0), true);
    heard.on_final_sent(at(5));
    heard.on_time(at(5));
    assert!(heard.is_over(), "timer J is 0");
}

#[test]
fn a_request_that_could_not_be_sent_is_given_up() {
    let mut bye = Client::new(at(0), true);
    bye.abandon();
    assert!(bye.is_over() && bye.deadline().is_none());
}
