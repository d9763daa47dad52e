//! Digits as events (RFC 4733) become INFO and back through the whole program: each digit once, in order and as long as it was. Meanwhile the kernel
//! leaves the call's media to the program, and takes it over when neither side has events any more.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set itself up has failed")]

#[path = "../../rating/tests/world.rs"]
mod world;

#[path = "../fastpath/tests/support/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod cables;
#[path = "support/plane.rs"]
mod plane;
#[path = "support/read.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod read;
#[path = "support/stage.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod stage;
#[path = "support/talk.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod talk;

use std::net::UdpSocket;

use cables::World;
use panel::wire::Ask;
use plane::Plane;
use read::row;
use stage::{Phone, Stage, line, written};
use talk::{MEDIA, Talk, packet};
use tempfile::TempDir;

const BY_INFO: &str = r#"{"media":{"dtmf":"info"}}"#;
const KEYS: &[u8; 16] = b"0123456789*#ABCD";
/// RFC 4733 §2.1: the clock of events is that of the voice.
const TICKS_PER_MS: u16 = 8;
/// The payload type of events, and that of the voice.
const EVENTS: u8 = 101;

/// One key and how long it was pressed, in milliseconds. Each has a length of its own, in steps of a packet.
fn pressed() -> Vec<(char, u16)> {
    KEYS.iter().zip((3..).map(|packets| 20 * packets)).map(|(key, millis)| (char::from(*key), millis)).collect()
}

/// A key as RFC 4733 §2.5.1 says it: an update every 20 ms, and its end three times. Behind this number, in a stream of this source.
fn events((key, millis): (char, u16), after: u16, source: u8) -> Vec<Vec<u8>> {
    let event = KEYS.iter().position(|known| char::from(*known) == key).unwrap() as u8;
    let whole = millis * TICKS_PER_MS;
    let begin = (u32::from(after) + 1) * 160;
    let updates = (1..whole / 160).map(|nth| (nth * 160, 0));
    let all = updates.chain([(whole, 0x80); 3]).enumerate().map(|(nth, (elapsed, end))| {
        let number = after + 1 + nth as u16;
        let [high, low] = elapsed.to_be_bytes();
        let mut said = packet(number, EVENTS | if nth == 0 { 0x80 } else { 0 }, source, &[event, end | 10, high, low]);
        said[4..8].copy_from_slice(&begin.to_be_bytes());
        said
    });
    all.collect()
}

/// The keys in what somebody heard, as RFC 4733 has them: updates of one key share a timestamp, the first has the marker, a key's end is said three
/// times; and the numbers of all packets follow one another.
fn keys(heard: &[Vec<u8>]) -> Vec<(char, u16)> {
    let word = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    for two in heard.windows(2) {
        assert_eq!(word(&two[1], 2), word(&two[0], 2).wrapping_add(1), "no number is missing, none is said twice");
    }
    let mut keys: Vec<(&[u8], u8, u16, u32)> = Vec::new();
    for said in heard.iter().filter(|said| said[1] & 0x7F == EVENTS) {
        let (event, ticks, ends) = (said[12], word(said, 14), u32::from(said[13] >> 7));
        match keys.last_mut().filter(|(timestamp, ..)| *timestamp == &said[4..8]) {
            Some((_, same, longest, ended)) => {
                assert!(*same == event && said[1] & 0x80 == 0 && ticks >= *longest && ends >= u32::from(*ended > 0));
                (*longest, *ended) = (ticks, *ended + ends);
            }
            None => {
                assert_eq!((said[1] & 0x80, ends), (0x80, 0), "a key begins with the marker, and before it ends");
                keys.push((&said[4..8], event, ticks, 0));
            }
        }
    }
    assert!(keys.iter().all(|(_, _, _, ends)| *ends == 3), "{keys:?}");
    keys.iter().map(|(_, event, ticks, _)| (char::from(KEYS[usize::from(*event)]), ticks / TICKS_PER_MS)).collect()
}

/// The key in the body of an INFO.
fn key(body: &str) -> (char, u16) {
    let value = |name: &str| body.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    (value("Signal=").parse().unwrap(), value("Duration=").parse().unwrap())
}

fn relay_of((key, millis): (char, u16)) -> String {
    format!("application/dtmf-relay\r\nSignal={key}\r\nDuration={millis}\r\n")
}

/// A call whose side `by_info` has its digits by INFO, the other one as events.
fn begin(by_info: usize, range: &str) -> (TempDir, Plane, Talk) {
    let data = TempDir::new().unwrap();
    let sip = UdpSocket::bind("127.0.42.1:0").unwrap().local_addr().unwrap();
    let mut talk = Talk::new(sip);
    talk.events[by_info] = false;
    let policies = if by_info == 0 { [BY_INFO, ""] } else { ["", BY_INFO] };
    talk.publish(data.path(), policies[0], policies[1]);
    let mut plane = Plane::start(data.path(), &["--sip", &sip.to_string(), "--rtp", range, "--log", "warn"]);
    // Every shard has opened its sockets when it answers.
    plane.ask(Ask::Figures);
    talk.begin(&mut plane, "digits");
    (data, plane, talk)
}

#[test]
fn every_key_crosses_once_in_order_and_as_long_as_it_was_pressed() {
    for (by_info, range) in [(0, "23300-23399"), (1, "23400-23499")] {
        let (_data, mut plane, mut talk) = begin(by_info, range);
        let by_events = 1 - by_info;
        talk.speak(&mut plane, 3);
        assert_eq!(row(&mut plane).stays, ["digits"]);

        // Events that one side says: the other one is told, and hears nothing of them.
        let mut number = 100;
        for pressed in pressed() {
            for said in events(pressed, number, 1) {
                talk.says(MEDIA, by_events, &said);
                number += 1;
            }
            number += 1;
            talk.passes(&mut plane, MEDIA, by_events, &packet(number, 8, 1, &[0x55; 160]));
        }
        let told = talk.informed(&mut plane, by_info, KEYS.len());
        assert_eq!(told.values().map(|body| key(body)).collect::<Vec<_>>(), pressed(), "side {by_info} has INFO");

        // INFO that the other side sends: it takes the place of its voice.
        let (mut heard, mut number) = (Vec::new(), 200);
        for some in pressed().chunks(8) {
            for pressed in some {
                assert_eq!(talk.inform(&mut plane, by_info, &relay_of(*pressed)), 200);
            }
            let packets: u16 = some.iter().map(|(_, millis)| millis / 20 + 3 + 3).sum();
            for _ in 0..packets {
                number += 1;
                talk.says(MEDIA, by_info, &packet(number, 8, 2, &[0x55; 160]));
                heard.push(talk.heard(&mut plane, MEDIA, by_events));
            }
        }
        assert_eq!(keys(&heard), pressed(), "side {by_info} has INFO");
        // Where nobody says how long, a key is pressed for 160 ms.
        assert_eq!(talk.inform(&mut plane, by_info, "application/dtmf\r\n#"), 200);
        let heard: Vec<_> = (number + 1..number + 20)
            .map(|number| {
                talk.says(MEDIA, by_info, &packet(number, 8, 2, &[0x55; 160]));
                talk.heard(&mut plane, MEDIA, by_events)
            })
            .collect();
        assert_eq!(keys(&heard), [('#', 160)]);
        talk.end(&mut plane);
        // Nothing was told twice, and nobody heard an event of the other's.
        assert_eq!(talk.informed_in_all(by_info), KEYS.len());
        assert_eq!(talk.informed_in_all(by_events), 0, "what became voice goes no further");
    }
}

/// The called end has its digits as events, the caller by INFO.
fn on_cables(world: &World, data: &TempDir, sockets: &'static str) -> Stage {
    let mut phones = [Phone::new(world, 2, 4_000), Phone::new(world, 3, 6_000)];
    phones[1].events = true;
    let ways = ["--fast-path", "tc", "--media-sockets", sockets];
    Stage::as_trunks_want(world, data.path(), phones, ways, (60, BY_INFO))
}

/// The called end presses a key; the caller is told.
fn press(stage: &mut Stage, pressed: (char, u16)) {
    let called = &mut stage.called;
    let source = u32::from(called.media.local_addr().unwrap().port());
    for mut said in events(pressed, called.sequence.wrapping_sub(1), 0) {
        said[8..12].copy_from_slice(&source.to_be_bytes());
        called.media.send_to(&said, called.to).unwrap();
        called.sequence += 1;
    }
    let info = stage.caller.hear("INFO ");
    let heads = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].map(|name| line(&info, name)).join("\r\n");
    stage.caller.say(&format!("SIP/2.0 200 OK\r\n{heads}"), "");
    assert_eq!(key(info.split_once("\r\n\r\n").unwrap().1), pressed);
}

/// The caller tells of a key; the called end hears it.
fn tell(stage: &mut Stage, pressed: (char, u16)) {
    stage.inform(&relay_of(pressed));
    let mut heard = Vec::new();
    for _ in 0..pressed.1 / 20 + 6 {
        let caller = &mut stage.caller;
        let said = cables::rtp(caller.sequence, u32::from(caller.media.local_addr().unwrap().port()));
        caller.sequence += 1;
        caller.media.send_to(&said, caller.to).unwrap();
        heard.push(cables::next(&stage.called.media).0);
    }
    assert_eq!(keys(&heard), [pressed]);
}

#[test]
fn the_kernel_leaves_a_call_alone_while_its_digits_are_converted() {
    if !cables::may_run() {
        return;
    }
    for sockets in ["auto", "per-port"] {
        let (world, data) = (World::addressed(), TempDir::new().unwrap());
        let mut stage = on_cables(&world, &data, sockets);
        let by_sockets = || ("sockets".to_owned(), vec!["digits".to_owned()]);
        stage.call("digits");
        stage.talk(50);
        assert_eq!(stage.relayed_by(), by_sockets());
        press(&mut stage, ('7', 100));
        tell(&mut stage, ('#', 120));
        stage.talk(10);
        assert_eq!(stage.counter("fastpath_joined"), 0, "nothing of it went by the kernel");

        // The called end has no events any more: nothing is converted.
        stage.called.events = false;
        stage.describe("sendrecv", "sendrecv");
        stage.talk_until_below();
        assert_eq!(stage.relayed_by(), ("kernel".to_owned(), Vec::new()));

        // It has them again: back at once, and no key is missed.
        stage.called.events = true;
        stage.describe("sendrecv", "sendrecv");
        stage.talk(5);
        assert_eq!(stage.relayed_by(), by_sockets());
        press(&mut stage, ('D', 240));
        tell(&mut stage, ('0', 80));
        stage.talk(5);
        stage.say_goodbye();
        let cdr = written(data.path(), "digits");
        let sent = [&stage.caller, &stage.called].map(|phone| u64::from(phone.sequence));
        let media = [cdr.ingress_media, cdr.egress_media];
        assert_eq!(media.map(|media| (media.packets, media.lost, media.reordered)), sent.map(|sent| (sent, 0, 0)));
        assert!(media.iter().all(|media| media.kernel_packets > 0), "{media:?}");
    }
}
