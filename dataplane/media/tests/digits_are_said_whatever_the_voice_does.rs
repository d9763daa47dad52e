//! Digits that take the place of voice reach a listener of RFC 4733 once each and in order, whatever becomes of the voice's order, number and source.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use media::{Digit, Pair, Relay, Verdict};
use units::Instant;

const ALICE: &str = "192.0.2.10:4000";
const BOB: &str = "198.51.100.7:6000";
const EVENTS: (u8, u32) = (101, 8_000);

/// Chance that is the same in every run (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ word >> 31) % limit
    }
}

/// Says a digit when it has ended, by RFC 4733 §2.5.2.3: once for each source and timestamp.
#[derive(Default)]
struct Listener {
    /// How long each event lasts so far, and whether it has ended.
    events: BTreeMap<(u32, u32), (u16, bool)>,
    digits: Vec<(u8, u16)>,
}

impl Listener {
    fn hear(&mut self, bytes: &[u8; 16]) {
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let (lasts, ends) = (u16::from_be_bytes([bytes[14], bytes[15]]), bytes[13] & 0x80 != 0);
        assert_eq!(bytes[1] & 127, EVENTS.0);
        let event = self.events.entry((word(8), word(4))).or_default();
        assert!(lasts >= event.0, "an event never becomes shorter: {event:?}, then {lasts}");
        assert!(ends || !event.1, "an event that has ended goes on");
        if ends && !event.1 {
            self.digits.push((bytes[12], lasts));
        }
        *event = (lasts, ends);
    }
}

struct Voice {
    sequence: u16,
    timestamp: u32,
    source: u32,
}

fn joined() -> (Relay, Pair) {
    let mut relay = Relay::new(20_000, 20_099, 7);
    let now = Instant::default();
    let [one, other] = [relay.open(now).unwrap(), relay.open(now).unwrap()];
    relay.join(one.id, other.id);
    for (pair, peer) in [(one, ALICE), (other, BOB)] {
        let peer: SocketAddr = peer.parse().unwrap();
        relay.expect(pair.id, peer, peer);
    }
    (relay, one)
}

fn speak(relay: &mut Relay, pair: Pair, voice: &Voice) -> Option<[u8; 16]> {
    let mut packet = [0; 172];
    packet[0] = 0x80;
    packet[2..4].copy_from_slice(&voice.sequence.to_be_bytes());
    packet[4..8].copy_from_slice(&voice.timestamp.to_be_bytes());
    packet[8..12].copy_from_slice(&voice.source.to_be_bytes());
    match relay.on_packet(Instant::default(), pair.rtp_port, ALICE.parse().unwrap(), &packet) {
        Verdict::Say { bytes, .. } => Some(bytes),
        Verdict::Forward { .. } => None,
        other => panic!("{other:?}"),
    }
}

/// Forty-eight seconds of voice, of which one packet in twenty is lost, one in ten late by up to three, and whose source changes.
fn voice(chance: &mut Chance) -> Vec<Voice> {
    let mut voice: Vec<Voice> = Vec::new();
    let any = |chance: &mut Chance| chance.below(1 << 32) as u32;
    let (mut source, mut offset, begins) = (any(chance), any(chance), any(chance) as u16);
    for place in 0..2_400_u32 {
        if chance.below(150) == 0 {
            (source, offset) = (any(chance), any(chance));
        }
        if chance.below(20) > 0 {
            let (sequence, timestamp) = (begins.wrapping_add(place as u16), offset.wrapping_add(160 * place));
            voice.push(Voice { sequence, timestamp, source });
        }
    }
    for place in 0..voice.len() - 4 {
        if chance.below(10) == 0 && voice[place..place + 4].iter().all(|one| one.source == voice[place].source) {
            voice.swap(place, place + 1 + chance.below(3) as usize);
        }
    }
    voice
}

/// Some digits at once, short and long.
#[test]
fn each_digit_is_heard_once_and_in_order() {
    for seed in 0..500 {
        let mut chance = Chance(seed);
        let (mut relay, pair) = joined();
        relay.say_events(pair.id, Some(EVENTS));
        let mut digit = || {
            let millis = [40, 100, 160, 250, 2_000][chance.below(5) as usize];
            Digit { event: chance.below(16) as u8, millis }
        };
        let told: Vec<Digit> = (0..=seed % 8).map(|_| digit()).collect();
        assert!(told.iter().all(|digit| relay.say(pair.id, *digit)), "eight digits wait at most");
        let mut listener = Listener::default();
        for said in voice(&mut chance).iter().filter_map(|one| speak(&mut relay, pair, one)) {
            listener.hear(&said);
        }
        let lasts = |digit: &Digit| (digit.event, 8 * digit.millis);
        assert_eq!(listener.digits, told.iter().map(lasts).collect::<Vec<_>>(), "seed {seed}");
    }
}

/// A peer's events become digits though it speaks from another source than before, with a clock that is behind.
#[test]
fn digits_of_another_source_are_heard() {
    let (mut relay, pair) = joined();
    relay.keep_events(pair.id, Some(EVENTS));
    let mut press = |source: u32, timestamp: u32, event: u8, ends: bool| {
        let mut packet = [0x80, EVENTS.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, event, 10 | u8::from(ends) << 7, 0x03, 0x20];
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&source.to_be_bytes());
        relay.on_packet(Instant::default(), pair.rtp_port, ALICE.parse().unwrap(), &packet);
        std::iter::from_fn(|| relay.digit()).map(|(_, digit)| digit.event).collect::<Vec<_>>()
    };
    assert_eq!(press(1, 3_000_000_000, 4, true), [4]);
    assert_eq!(press(1, 3_000_000_000, 4, true), [], "its end is said again");
    assert_eq!(press(1, 2_999_000_000, 3, true), [], "late by far");
    assert_eq!(press(2, 2_999_000_000, 7, true), [7], "of another source");
    assert_eq!(press(2, 2_999_004_000, 8, false), [], "not over yet");
    assert_eq!(press(3, 17, 9, true), [9]);
}
