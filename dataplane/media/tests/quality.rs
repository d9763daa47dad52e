//! Loss, jitter and the score of one direction.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::net::SocketAddr;

use media::{Format, Pair, Quality, Relay, Voice};
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
    // 1 % with concealment: Ie,eff = 95 · 1 / 26.1 = 3.6, so R ≈ 89 and 4.33; 5 % in runs of five: R ≈ 74 and 3.8.
    assert!((430..=436).contains(&scores[1]) && (375..=390).contains(&scores[2]), "{scores:?}");
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

/// What a list of numbers, heard in this order, says of order and bursts: by sets and lists, with no window.
fn by_hand(heard: &[u16]) -> (u32, u32, u32, u16) {
    let (mut seen, mut highest) = (std::collections::BTreeSet::new(), heard[0]);
    let (mut late, mut twice) = (0, 0);
    for number in heard {
        match (seen.insert(*number), *number < highest) {
            (false, _) => twice += 1,
            (true, true) => late += 1,
            (true, false) => {}
        }
        highest = highest.max(*number);
    }
    let lost: Vec<u16> = (*seen.first().unwrap()..=highest).filter(|number| !seen.contains(number)).collect();
    // RFC 3611 §4.7.2: fewer than 16 packets came between a loss of a burst and the next.
    let bursts = lost.chunk_by(|one, next| next - one - 1 < 16).filter(|burst| burst.len() > 1);
    let (inside, span) = bursts.fold((0, 0), |(inside, span), burst| {
        (inside + burst.len(), span + usize::from(burst[burst.len() - 1] - burst[0]) + 1)
    });
    (lost.len() as u32, late, twice, (inside * 1_000).checked_div(span).unwrap_or(0) as u16)
}

#[test]
fn losses_bunch_as_the_rfc_says() {
    let heard: Vec<u16> =
        (0..400).filter(|number| !matches!(number, 50 | 100..=103 | 110 | 200 | 216 | 300 | 317)).collect();
    let quality = Ear::numbers(heard.iter().copied());
    assert_eq!((quality.lost, quality.burst_loss_permille), (10, by_hand(&heard).3));
    // 100..=103, 110 and 200, 216: seven losses among 11 and 17 numbers; fourteen numbers on the average, at the pace of 390 that came in 7.8 s.
    assert_eq!((quality.burst_loss_permille, quality.burst_ms), (250, 272));
    assert_eq!(Ear::numbers((0..400).filter(|number| number % 20 != 0)).burst_ms, 0, "alone, each of them");
}

#[test]
fn bunched_loss_sounds_worse_than_scattered_loss() {
    let scattered = Ear::numbers((0..10_000).filter(|number| number % 20 != 3));
    let bunched = Ear::numbers((0..10_000).filter(|number| (number + 200) % 400 >= 20));
    assert_eq!(scattered.lost, bunched.lost);
    assert!(bunched.mos_x100 + 10 < scattered.mos_x100, "{bunched:?} {scattered:?}");
}

/// What the E-model says by G.107's own terms, in floating point: R = 93.2 - Id - Ie,eff and Annex B.
fn score(lost: f64, burst: f64, delay_ms: f64, (equipment, robustness): (f64, f64)) -> f64 {
    let delay = 0.024 * delay_ms + if delay_ms > 177.3 { 0.11 * (delay_ms - 177.3) } else { 0.0 };
    let r = 93.2 - delay - (equipment + (95.0 - equipment) * lost / (lost / burst + robustness));
    1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6
}

#[test]
fn the_score_is_that_of_the_e_model_for_each_codec() {
    for (voice, figures) in [
        (Voice::Plain, (0.0, 25.1)),
        (Voice::G729, (11.0, 19.0)),
        (Voice::G723, (15.0, 16.1)),
        (Voice::Efr, (5.0, 10.0)),
    ] {
        for percent in [0u16, 2, 5, 10] {
            let mut ear = Ear::new();
            ear.relay.formats(
                ear.pair.id,
                [Format { payload_type: 97, clock_hz: 8_000, voice, ..Format::default() }].into_iter(),
            );
            for number in (0..10_000u16).filter(|number| number % 100 >= percent) {
                ear.hear(20_000 * u64::from(number), 97, number, 160 * u32::from(number), 1);
            }
            let lost = f64::from(percent);
            let burst = (lost * (1.0 - lost / 100.0)).max(1.0);
            let (found, wanted) = (f64::from(ear.quality().mos_x100), 100.0 * score(lost, burst, 20.0, figures));
            assert!((found - wanted).abs() <= 2.5, "{voice:?} {percent} %: {found} is not {wanted}");
        }
    }
}

/// A report: a sender's with this NTP time if it has one, then one block that answers a report of that middle.
fn report(ntp: Option<u64>, block: Option<(u32, u32)>) -> Vec<u8> {
    let mut packet = vec![0x80 | u8::from(block.is_some()), if ntp.is_some() { 200 } else { 201 }, 0, 0, 0, 0, 0, 9];
    if let Some(ntp) = ntp {
        packet.extend(ntp.to_be_bytes());
        packet.extend([0; 12]);
    }
    if let Some((middle, delay)) = block {
        packet.extend([0; 16]);
        packet.extend(middle.to_be_bytes());
        packet.extend(delay.to_be_bytes());
    }
    packet[3] = (packet.len() / 4 - 1) as u8;
    packet
}

/// Two joined pairs, each with the peer that it expects.
fn joined() -> (Relay, [(Pair, SocketAddr); 2]) {
    let mut relay = Relay::new(20_000, 20_003, 7);
    let (one, other) = (relay.open(Instant::default()).unwrap(), relay.open(Instant::default()).unwrap());
    let (near, far): (SocketAddr, SocketAddr) = (PEER.parse().unwrap(), "198.51.100.7:6001".parse().unwrap());
    relay.expect(one.id, near, near);
    relay.expect(other.id, far, far);
    relay.join(one.id, other.id);
    (relay, [(one, near), (other, far)])
}

#[test]
fn reports_that_come_back_tell_the_round_trip_of_each_side() {
    let (mut relay, [(one, near), (other, far)]) = joined();
    let mut hear = |ms: u64, pair: Pair, from: SocketAddr, bytes: &[u8]| {
        relay.on_packet(Instant::from_micros(ms * 1_000), pair.rtp_port + 1, from, bytes);
        (relay.quality(one.id).rtt_us, relay.quality(other.id).rtt_us)
    };
    hear(1_000, one, near, &report(Some(0x1111_2222_3333_4444), None));
    assert_eq!(hear(1_100, other, far, &report(None, Some((0x2222_3334, 0)))), (0, 0), "it answers another report");
    // Half a second in 1/65,536 s; it left us 580 ms ago.
    assert_eq!(hear(1_580, other, far, &report(None, Some((0x2222_3333, 32_768)))), (0, 80_000));
    assert_eq!(hear(1_590, other, far, &report(None, Some((0x2222_3333, u32::MAX)))), (0, 80_000), "it lies");
    hear(2_000, other, far, &report(Some(0x5555_6666_7777_8888), None));
    let (near_us, far_us) = hear(2_040, one, near, &report(Some(1), Some((0x6666_7777, 0))));
    assert_eq!((near_us, far_us), (40_000, 80_000));
}

#[test]
fn jitter_and_round_trips_are_the_network_s_however_late_we_look() {
    let (mut relay, [(one, near), (other, far)]) = joined();
    let mut hear = |(came, now): (u64, u64), port: u16, from: SocketAddr, bytes: &[u8]| {
        let (mut room, at) = ([0; 192], |ms: u64| Instant::from_micros(ms * 1_000));
        room[..bytes.len()].copy_from_slice(bytes);
        relay.on_room(at(now), at(came), port, from, &mut room, bytes.len());
        (relay.quality(one.id), relay.quality(other.id).rtt_us)
    };
    for number in 0..100u8 {
        let mut packet = [0; 172];
        (packet[0], packet[1], packet[3]) = (0x80, 8, number);
        packet[4..8].copy_from_slice(&(160 * u32::from(number)).to_be_bytes());
        let came = 7 + 20 * u64::from(number);
        let (quality, _) = hear((came, came.next_multiple_of(100)), one.rtp_port, near, &packet);
        assert_eq!((quality.jitter_us, quality.first), (0, Some(Instant::from_micros(7_000))));
    }
    // It waited for us for 100 ms, was 80 ms on its way there and back, and waited for us again.
    hear((3_000, 3_100), one.rtp_port + 1, near, &report(Some(0x1111_2222_3333_4444), None));
    let (_, rtt_us) = hear((3_180, 3_300), other.rtp_port + 1, far, &report(None, Some((0x2222_3333, 0))));
    assert_eq!(rtt_us, 80_000);
}

#[test]
fn delay_costs_score_by_both_round_trips() {
    let (mut relay, [(one, near), (other, far)]) = joined();
    for (pair, from, ms) in [(one, near, 0), (other, far, 10)] {
        relay.on_packet(Instant::from_micros(ms), pair.rtp_port + 1, from, &report(Some(0x1_0000 * (ms + 1)), None));
    }
    for (pair, from, middle) in [(one, near, 11u32), (other, far, 1)] {
        relay.on_packet(Instant::from_micros(400_010), pair.rtp_port + 1, from, &report(None, Some((middle, 0))));
    }
    let mut packet = [0; 172];
    (packet[0], packet[1]) = (0x80, 8);
    relay.on_packet(Instant::from_micros(400_020), one.rtp_port, near, &packet);
    // 200 ms to each side and back: 400 ms one way beside the frame.
    let wanted = 100.0 * score(0.0, 1.0, 420.0, (0.0, 25.1));
    assert!((f64::from(relay.quality(one.id).mos_x100) - wanted).abs() < 1.5, "{:?} {wanted}", relay.quality(one.id));
    relay.close(Instant::from_micros(400_030), other.id);
    assert!((f64::from(relay.close(Instant::from_micros(400_040), one.id).mos_x100) - wanted).abs() < 1.5);
}

proptest! {
    #[test]
    fn loss_is_what_a_set_of_numbers_says(kept in prop::collection::btree_set(0u16..400, 2..300)) {
        let (first, last) = (*kept.first().unwrap(), *kept.last().unwrap());
        let missing = u32::from(last - first) + 1 - kept.len() as u32;
        prop_assert_eq!(Ear::numbers(kept).lost, missing);
    }

    #[test]
    fn order_and_bursts_are_what_a_list_of_numbers_says(
        kept in prop::collection::vec(prop::bool::weighted(0.8), 200..400), swaps in prop::collection::vec((0usize..150, 1usize..40), 0..20),
        begin in any::<u16>(),
    ) {
        let mut heard: Vec<u16> = (0..kept.len() as u16).filter(|number| *number == 0 || kept[usize::from(*number)]).collect();
        for (at, by) in swaps {
            // One packet comes late by fewer places than the window has, and one comes twice.
            let at = at % (heard.len() - 2);
            let number = heard[at + 1];
            heard.insert((at + by).min(heard.len()), number);
            if by % 3 != 0 {
                let first = heard.iter().position(|other| *other == number).unwrap();
                heard.remove(first.max(1));
            }
        }
        // What comes later than the window reaches counts as lost.
        let mut highest = 0;
        prop_assume!(heard.iter().all(|number| { highest = highest.max(*number); highest - number < 64 }));
        let (lost, late, twice, share) = by_hand(&heard);
        let quality = Ear::numbers(heard.iter().map(|number| number.wrapping_add(begin)));
        prop_assert_eq!((quality.lost, quality.reordered, quality.duplicates, quality.burst_loss_permille), (lost, late, twice, share));
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
