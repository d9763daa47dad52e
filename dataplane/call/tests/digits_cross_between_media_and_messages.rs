//! Digits between a trunk that has them by INFO and one that has them in media.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use call::Call;
use media::Verdict;
use snapshot::Policy;
use stage::{CALLER, OFFER, Stage, invite, line, reply, request, request_of_terminator, with_sdp};

const TERMINATOR: &str = "127.0.0.3:5060";

/// A stage whose terminators have digits by INFO, or whose originator has.
fn stage(by_info: &str) -> Stage {
    let info = Policy::from_text(r#"{"media":{"dtmf":"info"}}"#).expect("the policy is sound");
    if by_info == "ingress" {
        Stage::with_policies(info, Policy::default())
    } else {
        Stage::with_policies(Policy::default(), info)
    }
}

/// A description with events by this payload type.
fn with_events(port: u16, format: u8) -> String {
    let plain = OFFER.replace("m=audio 4000 RTP/AVP 8", &format!("m=audio {port} RTP/AVP 8 {format}"));
    format!("{plain}a=rtpmap:{format} telephone-event/8000\r\na=fmtp:{format} 0-15\r\n")
}

fn plain(port: u16) -> String {
    OFFER.replace("4000", &port.to_string())
}

fn talk(stage: &mut Stage, offer: &str, answer: &str) -> Call {
    let mut call = stage.begin_with(&with_sdp(&invite(), offer));
    let answer = reply(stage.last_of(1, "INVITE "), 200, Some(answer));
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    let ack = request("ACK", stage.last_of(0, "SIP/2.0 200 "), 1);
    stage.hear(&mut call, 0, &ack, CALLER);
    call
}

fn port(message: &str) -> u16 {
    let media = message.lines().find(|line| line.starts_with("m=")).expect("there is a description");
    media.split(' ').nth(1).unwrap().parse().unwrap()
}

fn hear(stage: &mut Stage, port: u16, from: &str, format: u8, number: u16, timestamp: u32, payload: &[u8]) -> Verdict {
    let mut packet = vec![0x80, format];
    packet.extend(number.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(7u32.to_be_bytes());
    packet.extend(payload);
    let now = stage.clock().now;
    stage.relay.on_packet(now, port, from.parse().unwrap(), &packet)
}

/// What the shard does in its turn.
fn pass_digits(stage: &mut Stage, call: &mut Call) {
    while let Some((port, digit)) = stage.relay.digit() {
        stage.with(|ctx| call.on_digit(ctx, port, digit));
        stage.serve(call);
    }
}

#[test]
fn events_of_one_side_reach_the_other_by_info_once_each() {
    let mut stage = stage("egress");
    let mut call = talk(&mut stage, &with_events(4000, 101), &plain(6000));
    let (offered, answered) = (stage.first(1).to_owned(), stage.last_of(0, "SIP/2.0 200 ").to_owned());
    assert!(!offered.contains("telephone-event") && offered.contains("RTP/AVP 8\r\n"), "{offered}");
    assert!(answered.contains("RTP/AVP 8 101\r\n") && answered.contains("a=rtpmap:101 telephone-event/8000\r\n"));
    let ours = port(&answered);
    for (event, timestamp, ends) in [(5u8, 8_000u32, 3u8), (11, 16_000, 3), (0, 24_000, 0), (9, 32_000, 1)] {
        for (step, duration) in [320u16, 800, 1_280].into_iter().enumerate() {
            let bytes = [event, 10, (duration >> 8) as u8, duration as u8];
            let verdict = hear(&mut stage, ours, "127.0.0.2:4000", 101, step as u16, timestamp, &bytes);
            assert!(matches!(verdict, Verdict::Drop(_)), "events are kept back");
        }
        for _ in 0..ends {
            hear(&mut stage, ours, "127.0.0.2:4000", 101, 9, timestamp, &[event, 0x8a, 5, 0]);
        }
    }
    pass_digits(&mut stage, &mut call);
    let told: Vec<&str> = stage
        .sent
        .iter()
        .filter(|(leg, _, text)| *leg == 1 && text.starts_with("INFO "))
        .map(|sent| sent.2.as_str())
        .collect();
    let signals: Vec<&str> =
        told.iter().filter_map(|text| text.lines().find(|line| line.starts_with("Signal="))).collect();
    assert_eq!(signals, ["Signal=5", "Signal=#", "Signal=0", "Signal=9"], "the end of 0 was lost");
    assert!(
        told[0].contains("Content-Type: application/dtmf-relay\r\n") && told[0].contains("Duration=160\r\n"),
        "{}",
        told[0]
    );
    let voice = hear(&mut stage, ours, "127.0.0.2:4000", 8, 30, 40_000, &[0xd5; 160]);
    assert!(matches!(voice, Verdict::Forward { .. }), "voice passes as ever");
}

#[test]
fn info_takes_the_place_of_voice_without_a_packet_more_or_less() {
    let mut stage = stage("egress");
    let mut call = talk(&mut stage, &with_events(4000, 96), &plain(6000));
    let info = |number, signal: &str| {
        let body = format!("Signal={signal}\r\nDuration=100\r\n");
        let head = request_of_terminator("INFO", stage.first(1), number).replace("Content-Length: 0\r\n\r\n", "");
        format!("{head}Content-Type: application/dtmf-relay\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let (star, odd) = (info(2, "*"), info(3, "X"));
    stage.hear(&mut call, 1, &star, TERMINATOR);
    assert!(
        stage.last(1).starts_with("SIP/2.0 200 ") && line(stage.last(1), "CSeq").ends_with("2 INFO"),
        "{}",
        stage.last(1)
    );
    assert_eq!(stage.count(0, "INFO "), 0, "the originator hears it in media");
    let ours = port(stage.first(1));
    let mut said = Vec::new();
    for number in 0..20u16 {
        let timestamp = 160 * u32::from(number);
        match hear(&mut stage, ours, "127.0.0.2:6000", 8, number, timestamp, &[0xd5; 160]) {
            Verdict::Say { to, bytes, .. } => {
                assert_eq!((to.to_string().as_str(), &bytes[2..4]), ("127.0.0.2:4000", &number.to_be_bytes()[..]));
                assert_eq!((&bytes[4..8], &bytes[8..12]), (&[0; 4][..], &7u32.to_be_bytes()[..]));
                said.push((bytes[1], bytes[12], bytes[13] & 0x80 != 0, u16::from_be_bytes([bytes[14], bytes[15]])));
            }
            Verdict::Forward { .. } => assert!(number > 7, "voice comes after the digit"),
            Verdict::Changed { .. } => panic!("nobody has a key"),
            Verdict::Drop(why) => panic!("{why:?}"),
        }
    }
    let going = |units| (96, 10, false, units);
    let ended = (96, 10, true, 800);
    assert_eq!(said, [(0xe0, 10, false, 160), going(160), going(320), going(480), going(640), ended, ended, ended]);
    stage.hear(&mut call, 1, &odd, TERMINATOR);
    assert_eq!(stage.count(0, "INFO "), 1, "what is no digit crosses as it is");
}

#[test]
fn an_originator_by_info_offers_events_to_the_terminator() {
    let mut stage = stage("ingress");
    let mut call = talk(&mut stage, OFFER, &with_events(6000, 101));
    let (offered, answered) = (stage.first(1).to_owned(), stage.last_of(0, "SIP/2.0 200 ").to_owned());
    assert!(offered.contains("RTP/AVP 8 101\r\n") && offered.contains("a=fmtp:101 0-15\r\n"), "{offered}");
    assert!(!answered.contains("telephone-event"), "{answered}");
    hear(&mut stage, port(&offered), "127.0.0.2:6000", 101, 1, 8_000, &[1, 0x8a, 3, 0x20]);
    pass_digits(&mut stage, &mut call);
    assert!(
        stage.last(0).starts_with("INFO ") && stage.last(0).contains("Signal=1\r\nDuration=100\r\n"),
        "{}",
        stage.last(0)
    );
    assert!(stage.sent.iter().all(|(leg, _, text)| *leg == 0 || !text.starts_with("INFO ")));
}
