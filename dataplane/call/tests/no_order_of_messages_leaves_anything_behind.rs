//! Peers that say anything at any time: nothing panics, and when the call is over nothing of it is left.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use call::{Call, Random};
use snapshot::Policy;
use stage::{
    CALLER, OFFER, Stage, hold, invite, line, reply, request, request_of_terminator, sdp, with_lines, with_sdp,
    without_sdp,
};

const POLICIES: [&str; 6] = [
    "",
    r#"{"reliable":"local","session_timer":{"mode":"on","expires_s":90}}"#,
    r#"{"reliable":"local","session_timer":{"mode":"on","refresher":"peer"}}"#,
    r#"{"reliable":"off","session_timer":{"mode":"off"}}"#,
    r#"{"early_media":"suppress","ringing_after_s":2,"session_timer":{"min_s":100}}"#,
    r#"{"early_media":"one_way","session_timer":{"mode":"on","refresher":"us","expires_s":120}}"#,
];
const STATUSES: [u16; 16] = [100, 180, 181, 183, 183, 199, 200, 200, 302, 401, 408, 422, 481, 486, 491, 500];
const METHODS: [&str; 7] = ["INVITE", "UPDATE", "INFO", "PRACK", "BYE", "ACK", "OPTIONS"];
const LINES: [&str; 6] = [
    "Supported: 100rel, timer\r\nAllow: UPDATE, PRACK\r\n",
    "Session-Expires: 90;refresher=uac\r\nSupported: timer\r\n",
    "Session-Expires: 120;refresher=uas\r\n",
    "Require: 100rel\r\nRSeq: 1\r\n",
    "Require: 100rel\r\nRSeq: 2\r\nMin-SE: 4000\r\n",
    "Session-Expires: x\r\nRAck: 1 1 INVITE\r\n",
];

struct Chance(Random);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        (self.0.bits() % limit as u64) as usize
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// More lines and a description, or none, on any message.
    fn adorned(&mut self, message: &str) -> String {
        let mut message = message.to_owned();
        if self.below(2) == 0 {
            message = with_lines(&message, self.of(&LINES));
        }
        match self.below(5) {
            0 => with_sdp(&message, OFFER),
            1 => with_sdp(&message, &sdp(4000 + self.below(50) as u16 * 2, 2)),
            2 => with_sdp(&message, &hold()),
            _ => message,
        }
    }
}

/// One message of a peer that follows from something that was said to it, or time.
fn step(stage: &mut Stage, call: &mut Call, chance: &mut Chance) {
    let leg = chance.below(usize::from(call.legs())) as u8;
    let from = ["127.0.0.2:5060", "127.0.0.3:5060", "127.0.0.4:5060"][usize::from(leg).min(2)];
    let told: Vec<String> =
        stage.sent.iter().filter(|(to, _, _)| *to == leg).map(|(_, _, text)| text.clone()).collect();
    if told.is_empty() || chance.below(6) == 0 {
        let wait = chance.of(&[10, 600, 5_000, 33_000, 61_000]);
        return stage.wait(call, wait);
    }
    let heard = told[told.len() - 1 - chance.below(told.len().min(6))].clone();
    let number = 1 + chance.below(9) as u32;
    let method = chance.of(&METHODS);
    let text = match (heard.starts_with("SIP/2.0"), leg) {
        (false, _) if heard.starts_with("ACK ") => return,
        (false, _) => reply(&heard, chance.of(&STATUSES), None),
        (true, 0) if chance.below(8) == 0 => {
            without_sdp(&invite()).replace("INVITE sip:", "CANCEL sip:").replace("1 INVITE", "1 CANCEL")
        }
        (true, 0) if heard.contains("RSeq: ") && chance.below(2) == 0 => {
            let rack = line(&heard, "RSeq").replace("RSeq: ", "");
            with_lines(&request("PRACK", &heard, number), &format!("RAck: {rack} 1 INVITE\r\n"))
        }
        (true, 0) => request(method, &heard, number),
        (true, _) => request_of_terminator(method, stage.first(leg), number),
    };
    let text = chance.adorned(&text);
    if sip::parse::message(text.as_bytes()).is_ok() {
        stage.hear(call, leg, &text, from);
    }
}

fn play(seed: u64) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut chance = Chance(Random::new(bytes));
    let policy = |text: &str| Policy::from_text(text).unwrap();
    let ingress = policy(chance.of(&POLICIES));
    let egress = policy(POLICIES[chance.below(4)]);
    let mut stage = Stage::with_policies(ingress, egress);
    let opening = if chance.below(4) == 0 { without_sdp(&invite()) } else { invite() };
    let mut call = stage.begin_with(&with_lines(&opening, LINES[chance.below(2)]));
    for _ in 0..40 {
        step(&mut stage, &mut call, &mut chance);
    }
    // Half of the calls are released by an operator, the others end by a limit of their own, the longest call's at the latest.
    if seed.is_multiple_of(2) {
        stage.with(|ctx| call.on_operator_release(ctx));
        stage.serve(&mut call);
    }
    stage.wait(&mut call, if seed.is_multiple_of(2) { 200_000 } else { 7_600_000 });
    assert!(call.is_done(), "seed {seed}: something is left of {call:#?}");
    assert_eq!(stage.relay.ports_used(), 0, "seed {seed}");
    assert_eq!(stage.cdrs().iter().filter(|cdr| cdr.attempt.0 == 0).count(), 1, "seed {seed}: one record of the call");
    assert!(stage.sent.len() < 2_000, "seed {seed}: {} messages", stage.sent.len());
}

#[test]
fn nothing_is_left_whatever_the_peers_say() {
    (0..2_000).for_each(play);
}

#[test]
fn an_originator_that_requires_reliable_responses_gets_them_from_us() {
    let mut stage = Stage::new();
    let mut call = stage.begin_with(&with_lines(&invite(), "Require: 100rel\r\n"));
    let ringing = reply(stage.last(1), 180, None);
    stage.hear(&mut call, 1, &ringing, "127.0.0.3:5060");
    let told = stage.last(0).to_owned();
    assert!(told.contains("Require: 100rel\r\nRSeq: "), "RFC 3262 §3: {told}");
    let rack = line(&told, "RSeq").replace("RSeq: ", "");
    stage.hear(&mut call, 0, &with_lines(&request("PRACK", &told, 2), &format!("RAck: {rack} 1 INVITE\r\n")), CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 200 ") && stage.count(1, "PRACK ") == 0);
}
