//! Loss, jitter and the score of one direction.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use media::{Pair, Quality, Relay};
use proptest::prelude::*;
use units::Instant;

const PEER: &str = "192.0.2.10:4000";

struct Ear {
    relay: Relay,
    pair: Pair,
}

impl Ear {
    fn new() -> Ear {
        let mut relay = Relay::new(20_000, 20_003, 7);
        let pair = relay.open(Instant::default()).unwrap();
        let peer: SocketAddr = PEER.parse().unwrap();
        relay.expect(pair.id, peer, peer);
        Ear { relay, pair }
    }

    fn hear(&mut self, micros: u64, payload_type: u8, sequence: u16, timestamp: u32, source: u32) {
        let mut packet = [0; 172];
        packet[0] = 0x80;
        packet[1] = payload_type;
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&source.to_be_bytes());
        self.relay.on_packet(Instant::from_micros(micros), self.pair.rtp_port, PEER.parse().unwrap(), &packet);
    }

    /// G.711 packets with these numbers, 20 ms apart.
    fn numbers(sequences: impl IntoIterator<Item = u16>) -> Quality {
        let mut ear = Ear::new();
        for (place, sequence) in sequences.into_iter().enumerate() {
            ear.hear(20_000 * place as u64, 8, sequence, 160 * place as u32, 1);
        }
        ear.quality()
    }

    fn quality(&self) -> Quality {
        self.relay.quality(self.pair.id)
    }
}

#[test]
fn an_unbroken_stream_has_no_loss_no_jitter_and_the_best_score() {
    let quality = Ear::numbers(0..1_000);
    assert_eq!((quality.packets, quality.bytes, quality.lost, quality.jitter_us), (1_000, 172_000, 0, 0));
    // G.107's defaults give R = 93.2 and 4.41; the 20 ms of one frame cost half a point of R.
    assert_eq!(quality.mos_x100, 440);
}

#[test]
fn missing_numbers_are_loss_also_around_the_turn_of_the_counter() {
    let gap = (65_500..=65_535).chain(0..64).filter(|sequence| sequence % 10 != 5);
    let heard = gap.clone().count() as u32;
    assert_eq!(Ear::numbers(gap).lost, 100 - heard);
}

#[test]
fn late_and_doubled_packets_are_not_loss() {
    assert_eq!(Ear::numbers([1, 2, 4, 3, 5, 5, 6]).lost, 0);
    assert_eq!(Ear::numbers([1, 2, 2, 2]).lost, 0);
}

#[test]
fn a_source_that_begins_anew_is_another_run_and_keeps_the_old_ones_loss() {
    assert_eq!(Ear::numbers([1, 2, 4, 40_000, 40_001, 40_002]).lost, 1);
    let mut ear = Ear::new();
    for (sequence, source) in [(1, 1), (3, 1), (900, 2), (902, 2)] {
        ear.hear(0, 8, sequence, 0, source);
    }
    assert_eq!(ear.quality().lost, 2);
}

#[test]
fn jitter_follows_the_rfc_for_alternating_delays() {
    let mut ear = Ear::new();
    for place in 0..2_000u64 {
        let late = if place % 2 == 1 { 5_000 } else { 0 };
        ear.hear(20_000 * place + late, 0, place as u16, 160 * place as u32, 1);
    }
    let jitter = ear.quality().jitter_us;
    assert!((4_900..=5_000).contains(&jitter), "|D| is always 5 ms, so J tends to it: {jitter}");
}

#[test]
fn codecs_without_a_known_clock_have_no_jitter_and_events_do_not_disturb_it() {
    let mut ear = Ear::new();
    for place in 0..100u64 {
        ear.hear(20_000 * place, 8, 2 * place as u16, 160 * place as u32, 1);
        // RFC 4733: an event keeps its first timestamp while it lasts.
        ear.hear(20_000 * place + 7_000, 101, 2 * place as u16 + 1, 0, 1);
    }
    assert_eq!(ear.quality().jitter_us, 0);
}

#[test]
fn the_score_falls_with_loss_and_never_leaves_its_range() {
    let score = |lost_percent: u16| {
        let kept = (0..10_000u16).filter(|sequence| sequence % 100 >= lost_percent);
        Ear::numbers(kept).mos_x100
    };
    let scores: Vec<u16> = [0, 1, 5, 20, 60].into_iter().map(score).collect();
    assert!(scores.windows(2).all(|pair| pair[0] > pair[1]), "{scores:?}");
    // 1 % with concealment: Ie,eff = 95 · 1 / 26.1 = 3.6, so R ≈ 89 and 4.33; 5 %: R ≈ 77 and 3.9.
    assert!((430..=436).contains(&scores[1]) && (385..=400).contains(&scores[2]), "{scores:?}");
    assert!(scores[4] >= 100);
}

#[test]
fn strangers_are_counted_but_not_measured() {
    let mut ear = Ear::new();
    ear.hear(0, 8, 1, 0, 1);
    let mut packet = [0; 172];
    packet[0] = 0x80;
    for _ in 0..5 {
        ear.relay.on_packet(Instant::default(), ear.pair.rtp_port, "203.0.113.1:1".parse().unwrap(), &packet);
    }
    let quality = ear.relay.close(Instant::default(), ear.pair.id);
    assert_eq!((quality.packets, quality.strangers), (1, 5));
    assert_eq!(ear.quality(), Quality::default(), "a closed stream measured nothing");
}

#[test]
fn silence_has_no_score() {
    assert_eq!(Ear::new().quality(), Quality::default());
}

proptest! {
    #[test]
    fn loss_is_what_a_set_of_numbers_says(kept in prop::collection::btree_set(0u16..400, 2..300)) {
        let (first, last) = (*kept.first().unwrap(), *kept.last().unwrap());
        let missing = u32::from(last - first) + 1 - kept.len() as u32;
        prop_assert_eq!(Ear::numbers(kept).lost, missing);
    }

    #[test]
    fn no_packet_breaks_the_relay(packets in prop::collection::vec((0u16..4, prop::collection::vec(any::<u8>(), 0..64)), 0..200)) {
        let mut ear = Ear::new();
        for (step, (port, bytes)) in packets.iter().enumerate() {
            let now = Instant::from_micros(step as u64 * 1_000_003);
            ear.relay.on_packet(now, 20_000 + port, PEER.parse().unwrap(), bytes);
        }
        prop_assert!(ear.quality().mos_x100 <= 450);
    }
}
