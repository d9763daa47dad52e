//! Whom the relay believes, where packets go, and what becomes of ports.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::collections::BTreeSet;
use std::net::SocketAddr;

use media::{Carries, Dropped, Pair, QUARANTINE_MS, REST_MIN_MS, Relay, Verdict};
use units::Instant;

const ALICE: &str = "192.0.2.10:4000";
const BOB: &str = "198.51.100.7:6000";

/// Two joined legs; each peer's RTCP is on the next port.
struct Call {
    relay: Relay,
    ingress: Pair,
    egress: Pair,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn next_port(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port() + 1)
}

fn rtp() -> [u8; 172] {
    let mut packet = [0; 172];
    packet[0] = 0x80;
    packet
}

const REPORT: [u8; 8] = [0x80, 201, 0, 1, 1, 2, 3, 4];

impl Call {
    fn new(ingress: &str, egress: &str) -> Call {
        let mut relay = Relay::new(20_000, 20_099, 7);
        let (one, other) = (relay.open(at(0)).unwrap(), relay.open(at(0)).unwrap());
        let mut call = Call { relay, ingress: one, egress: other };
        call.expect(one, ingress);
        call.expect(other, egress);
        call.relay.join(one.id, other.id);
        call
    }

    fn expect(&mut self, pair: Pair, peer: &str) {
        let peer = address(peer);
        self.relay.expect(pair.id, peer, next_port(peer));
    }

    /// What an RTP packet from here to a leg leads to.
    fn hear(&mut self, pair: Pair, from: &str) -> Verdict {
        self.relay.on_packet(at(1), pair.rtp_port, address(from), &rtp())
    }
}

fn at(millis: u64) -> Instant {
    Instant::default().plus_millis(millis)
}

fn to(pair: Pair, peer: &str) -> Verdict {
    Verdict::Forward { port: pair.rtp_port, to: address(peer) }
}

const STRANGER: Verdict = Verdict::Drop(Dropped::Stranger);

/// Packets from sources, in order, to the ingress leg; each is the peer's or a stranger's.
fn check(named: &str, heard: &[(&str, bool)]) {
    let mut call = Call::new(named, BOB);
    for (from, believed) in heard {
        let expected = if *believed { to(call.egress, BOB) } else { STRANGER };
        assert_eq!(call.hear(call.ingress, from), expected, "from {from} when {named} was named: {heard:?}");
    }
}

#[test]
fn what_one_leg_hears_leaves_from_the_other_legs_port_to_its_peer() {
    let mut call = Call::new(ALICE, BOB);
    assert_eq!(call.hear(call.ingress, ALICE), to(call.egress, BOB));
    assert_eq!(call.hear(call.egress, BOB), to(call.ingress, ALICE));
}

#[test]
fn rtcp_takes_the_odd_ports_and_is_latched_by_itself() {
    let mut call = Call::new(ALICE, BOB);
    let verdict = call.relay.on_packet(at(1), call.ingress.rtp_port + 1, address("192.0.2.10:4001"), &REPORT);
    assert_eq!(verdict, Verdict::Forward { port: call.egress.rtp_port + 1, to: address("198.51.100.7:6001") });
    let stray = call.relay.on_packet(at(1), call.ingress.rtp_port + 1, address("203.0.113.9:1"), &REPORT);
    assert_eq!(stray, STRANGER);
}

#[test]
fn rtcp_that_shares_the_rtp_port_is_relayed_there() {
    let mut call = Call::new(ALICE, BOB);
    let verdict = call.relay.on_packet(at(1), call.ingress.rtp_port, address(ALICE), &REPORT);
    assert_eq!(verdict, to(call.egress, BOB));
    assert_eq!(call.relay.quality(call.ingress.id).packets, 0, "reports are not media");
}

#[test]
fn reports_alone_are_no_sign_that_anybody_speaks() {
    let mut call = Call::new(ALICE, BOB);
    call.hear(call.ingress, ALICE);
    for (port, from) in [(call.ingress.rtp_port, ALICE), (call.ingress.rtp_port + 1, "192.0.2.10:4001")] {
        let verdict = call.relay.on_packet(at(9_000), port, address(from), &REPORT);
        assert!(matches!(verdict, Verdict::Forward { .. }), "{verdict:?}");
        assert_eq!(call.relay.last_heard(call.ingress.id), Some(at(1)), "reports to port {port}");
    }
    call.relay.on_packet(at(9_500), call.ingress.rtp_port, address(ALICE), &rtp());
    assert_eq!(call.relay.last_heard(call.ingress.id), Some(at(9_500)));
}

/// RFC 5764 §3: RTP and RTCP shake hands each on its port.
#[test]
fn handshakes_pass_on_both_ports_and_are_no_sign_that_anybody_speaks() {
    let mut call = Call::new(ALICE, BOB);
    call.relay.carry(call.ingress.id, Carries::RtpAndDtls);
    call.hear(call.ingress, ALICE);
    let record = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9];
    for (above, from) in [(0, ALICE), (1, "192.0.2.10:4001")] {
        let verdict = call.relay.on_packet(at(9_000), call.ingress.rtp_port + above, address(from), &record);
        let Verdict::Forward { port, .. } = verdict else { panic!("{verdict:?}") };
        assert_eq!(port, call.egress.rtp_port + above);
        assert_eq!(call.relay.last_heard(call.ingress.id), Some(at(1)));
    }
}

/// What a page of a fax says is no RTP, and counts.
#[test]
fn images_are_heard() {
    let mut call = Call::new(ALICE, BOB);
    call.relay.carry(call.ingress.id, Carries::Datagrams);
    call.relay.on_packet(at(7), call.ingress.rtp_port, address(ALICE), &[0, 0, 6, 0xc0, 1]);
    assert_eq!(call.relay.last_heard(call.ingress.id), Some(at(7)));
}

#[test]
fn rtp_that_nobody_described_is_no_sign_that_anybody_speaks() {
    let mut call = Call::new(ALICE, BOB);
    call.hear(call.ingress, ALICE);
    for (types, heard) in [(1 << 127, 1), (0, 9_000)] {
        call.relay.allow(call.ingress.id, types);
        call.relay.on_packet(at(9_000), call.ingress.rtp_port, address(ALICE), &rtp());
        assert_eq!(call.relay.last_heard(call.ingress.id), Some(at(heard)));
    }
}

#[test]
fn rtp_of_a_mute_peer_and_of_other_payload_types_goes_nowhere_and_reports_pass() {
    let mut call = Call::new(ALICE, BOB);
    let report = |call: &mut Call| call.relay.on_packet(at(1), call.ingress.rtp_port, address(ALICE), &REPORT);
    call.relay.mute(call.ingress.id, true);
    assert_eq!(call.hear(call.ingress, ALICE), Verdict::Drop(Dropped::Nowhere));
    assert_eq!(report(&mut call), to(call.egress, BOB));
    assert_eq!(call.hear(call.egress, BOB), to(call.ingress, ALICE), "the other way passes");
    call.relay.mute(call.ingress.id, false);
    call.relay.allow(call.ingress.id, 1 << 127);
    assert_eq!(call.hear(call.ingress, ALICE), Verdict::Drop(Dropped::Undescribed));
    assert_eq!(report(&mut call), to(call.egress, BOB));
    assert_eq!(call.relay.dropped(Dropped::Undescribed), 1);
    call.relay.allow(call.ingress.id, 0);
    assert_eq!(call.hear(call.ingress, ALICE), to(call.egress, BOB), "nothing was described");
}

#[test]
fn the_named_address_is_believed_and_nobody_else_after_it() {
    check(ALICE, &[(ALICE, true), ("192.0.2.10:4002", false), ("192.0.2.11:4000", false), (ALICE, true)]);
}

#[test]
fn a_neighbour_behind_a_nat_is_latched_once() {
    check(ALICE, &[("192.0.2.99:9999", true), ("192.0.2.98:9999", false), ("192.0.2.99:9999", true)]);
}

#[test]
fn the_named_address_takes_over_from_a_neighbour_for_good() {
    check(ALICE, &[("192.0.2.99:9999", true), (ALICE, true), ("192.0.2.99:9999", false)]);
}

#[test]
fn a_source_outside_the_named_range_is_a_stranger_from_the_first_packet() {
    check(ALICE, &[("192.0.3.10:4000", false), ("[2001:db8::1]:4000", false), (ALICE, true)]);
    check("[2001:db8:0:1::5]:4000", &[("[2001:db8:0:2::5]:4000", false), ("[2001:db8:0:1::9]:7", true)]);
}

#[test]
fn only_a_new_description_arms_the_latch_again() {
    let mut call = Call::new(ALICE, BOB);
    assert_eq!(call.hear(call.ingress, ALICE), to(call.egress, BOB));
    call.expect(call.ingress, "203.0.113.5:5000");
    assert_eq!(call.hear(call.ingress, ALICE), STRANGER);
    assert_eq!(call.hear(call.egress, BOB), to(call.ingress, "203.0.113.5:5000"), "sent there before it is heard");
    assert_eq!(call.hear(call.ingress, "203.0.113.5:5000"), to(call.egress, BOB));
}

#[test]
fn a_repeated_description_keeps_sending_to_the_learnt_neighbour() {
    let mut call = Call::new(ALICE, BOB);
    call.hear(call.ingress, "192.0.2.99:9999");
    call.expect(call.ingress, ALICE);
    assert_eq!(call.hear(call.egress, BOB), to(call.ingress, "192.0.2.99:9999"));
    assert_eq!(call.hear(call.ingress, "192.0.2.50:5555"), to(call.egress, BOB), "the peer's NAT may have moved it");
}

#[test]
fn nothing_is_sent_to_a_leg_on_hold_or_without_a_peer() {
    let nowhere = Verdict::Drop(Dropped::Nowhere);
    for held in ["0.0.0.0:6000", "198.51.100.7:0", "224.0.0.1:6000", "255.255.255.255:6000", "[ff02::1]:6000"] {
        let mut call = Call::new(ALICE, BOB);
        let peer = address(held);
        call.relay.expect(call.egress.id, peer, peer);
        assert_eq!(call.hear(call.ingress, ALICE), nowhere, "{held}");
    }
}

#[test]
fn what_is_neither_rtp_nor_rtcp_is_dropped_and_teaches_nothing() {
    let mut call = Call::new(ALICE, BOB);
    let mut stun = [0u8; 20];
    stun[4..8].copy_from_slice(&0x2112_a442u32.to_be_bytes());
    let mut extended = rtp();
    extended[0] = 0x90;
    extended[14..16].copy_from_slice(&200u16.to_be_bytes());
    let mut crowded = rtp()[..40].to_vec();
    crowded[0] = 0x8f;
    let long_report = [0x80, 200, 0, 6, 0, 0, 0, 0];
    let foreign: [&[u8]; 8] = [
        &[],
        &[0x80],
        &rtp()[..11],
        &stun,
        &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &extended,
        &crowded,
        &long_report,
    ];
    for bytes in foreign {
        let verdict = call.relay.on_packet(at(1), call.ingress.rtp_port, address(ALICE), bytes);
        assert_eq!(verdict, Verdict::Drop(Dropped::Foreign), "{bytes:?}");
    }
    assert_eq!(call.relay.dropped(Dropped::Foreign), 8);
    assert_eq!(call.relay.last_heard(call.ingress.id), None);
    assert_eq!(call.hear(call.ingress, "192.0.2.99:9999"), to(call.egress, BOB), "the latch was still open");
}

/// Between peers who share keys everything behind the first head is hidden from us (RFC 3711 §3.4).
#[test]
fn a_compound_that_is_not_whole_passes_only_where_it_may_be_encrypted() {
    let mut call = Call::new(ALICE, BOB);
    let one = |more: &[u8]| [&REPORT[..], more].concat();
    let other_version = [0x40, 201, 0, 1, 1, 2, 3, 4];
    let other_type = [0x80, 100, 0, 1, 1, 2, 3, 4];
    let too_long = [0x80, 202, 0, 2, 1, 2, 3, 4];
    for (compound, is_whole) in [
        (one(&[]), true),
        (one(&REPORT), true),
        (one(&one(&[0x81, 203, 0, 1, 1, 2, 3, 4])), true),
        (one(&[0]), false),
        (one(&[0x80, 201, 0]), false),
        (one(&other_version), false),
        (one(&other_type), false),
        (one(&too_long), false),
    ] {
        for (carries, passes) in
            [(Carries::Rtp, is_whole), (Carries::Srtp, true), (Carries::RtpAndDtls, true), (Carries::Rtp, is_whole)]
        {
            call.relay.carry(call.ingress.id, carries);
            for port in [call.ingress.rtp_port, call.ingress.rtp_port + 1] {
                let verdict = call.relay.on_packet(at(1), port, address(ALICE), &compound);
                assert_eq!(verdict != Verdict::Drop(Dropped::Foreign), passes, "{carries:?} {compound:?}");
            }
        }
    }
}

#[test]
fn ports_outside_the_range_and_closed_ones_are_nobodys() {
    let mut call = Call::new(ALICE, BOB);
    call.relay.close(at(5), call.ingress.id);
    for port in [0, 19_999, 20_100, u16::MAX, call.ingress.rtp_port] {
        let verdict = call.relay.on_packet(at(6), port, address(ALICE), &rtp());
        assert_eq!(verdict, Verdict::Drop(Dropped::Closed), "{port}");
    }
    assert_eq!(call.hear(call.egress, BOB), Verdict::Drop(Dropped::Nowhere), "its other half is gone");
}

#[test]
fn a_closed_streams_name_means_nothing_to_the_next_user_of_its_ports() {
    let mut relay = Relay::new(30_000, 30_001, 1);
    let old = relay.open(at(0)).unwrap();
    relay.close(at(0), old.id);
    let young = relay.open(at(QUARANTINE_MS)).unwrap();
    assert_eq!(young.rtp_port, old.rtp_port);
    relay.expect(old.id, address(ALICE), address(ALICE));
    relay.close(at(QUARANTINE_MS), old.id);
    assert_eq!(relay.ports_used(), 2);
    assert_eq!(relay.on_packet(at(QUARANTINE_MS), young.rtp_port, address(ALICE), &rtp()), STRANGER);
}

#[test]
fn every_pair_is_even_is_given_once_and_rests_after_use() {
    let mut relay = Relay::new(20_000, 20_099, 3);
    let pairs: Vec<Pair> = std::iter::from_fn(|| relay.open(at(0))).collect();
    let ports: BTreeSet<u16> = pairs.iter().map(|pair| pair.rtp_port).collect();
    assert_eq!(ports, (20_000..20_100).step_by(2).collect());
    assert_eq!((relay.ports_used(), relay.ports_max()), (100, 100));
    assert_ne!(pairs.iter().map(|pair| pair.rtp_port).collect::<Vec<_>>(), ports.into_iter().collect::<Vec<_>>());
    relay.close(at(10), pairs[4].id);
    relay.close(at(20), pairs[7].id);
    // The others are in use: then a pair that has rested longest need not rest for as long as it should.
    assert_eq!(relay.open(at(10 + REST_MIN_MS - 1)), None);
    assert_eq!(relay.open(at(10 + REST_MIN_MS)).unwrap().rtp_port, pairs[4].rtp_port);
    assert_eq!(relay.open(at(10 + REST_MIN_MS)), None);
    assert_eq!(relay.open(at(20 + REST_MIN_MS)).unwrap().rtp_port, pairs[7].rtp_port);
}

#[test]
fn no_pair_is_given_again_early_while_another_has_rested() {
    let mut relay = Relay::new(20_000, 20_099, 3);
    let mut used = BTreeSet::new();
    for second in 0..10 {
        let pairs: Vec<Pair> = std::iter::from_fn(|| relay.open(at(second * 500))).take(5).collect();
        assert!(pairs.iter().all(|pair| used.insert(pair.rtp_port)), "one of {pairs:?} was used a moment ago");
        for pair in pairs {
            relay.close(at(second * 500), pair.id);
        }
    }
    let again = relay.open(at(QUARANTINE_MS)).unwrap();
    assert!(used.contains(&again.rtp_port), "all were used, and the first of them have rested");
}

/// Pairs that a life has while it uses so many of a hundred, at its first moment and after the quarantine.
fn life(boot: u32, used: usize) -> [BTreeSet<u16>; 2] {
    let mut relay = Relay::new(20_000, 20_199, u64::from(boot));
    relay.begin_life(boot);
    let mut draw = |ms, most| -> BTreeSet<u16> {
        std::iter::from_fn(|| relay.open(at(ms))).take(most).map(|pair| pair.rtp_port).collect()
    };
    let first = draw(0, used);
    let later = draw(QUARANTINE_MS, used - first.len());
    [first.clone(), &first | &later]
}

#[test]
fn a_life_leaves_alone_what_an_earlier_one_may_have_used_until_that_has_rested() {
    for boot in 1..9 {
        let [_, before] = life(boot, 75);
        let [first, all] = life(boot + 1, 100);
        assert_eq!((before.len(), first.len(), all.len()), (75, 25, 100), "boot {boot}");
        assert!(before.is_disjoint(&first), "boot {boot}");
    }
    let [first, _] = life(1, 100);
    assert_eq!(first.len(), 100, "the first life follows nobody");
}

#[test]
fn the_same_seed_gives_the_same_ports() {
    let drawn = |seed| {
        let mut relay = Relay::new(20_000, 39_999, seed);
        (0..50).map(|_| relay.open(at(0)).unwrap().rtp_port).collect::<Vec<_>>()
    };
    assert_eq!(drawn(9), drawn(9));
    assert_ne!(drawn(9), drawn(10));
}

#[test]
fn a_port_that_another_program_has_is_left_alone_for_a_minute_and_our_own_for_ever() {
    let at = |ms: u64| Instant::from_micros(ms * 1_000);
    let mut relay = Relay::new(20_000, 20_005, 1);
    relay.exclude(20_003);
    relay.exclude(5_060);
    let (first, second) = (relay.open(at(0)).expect("two pairs are left"), relay.open(at(0)).expect("one is left"));
    assert!(relay.open(at(0)).is_none() && first.rtp_port != 20_002 && second.rtp_port != 20_002);
    relay.avoid(first.rtp_port + 1);
    relay.close(at(0), first.id);
    relay.close(at(0), second.id);
    let again = relay.open(at(30_000)).expect("the sound pair has rested");
    assert_eq!(again.rtp_port, second.rtp_port);
    assert!(relay.open(at(30_000)).is_none());
    assert_eq!(relay.open(at(60_000)).map(|pair| pair.rtp_port), Some(first.rtp_port));
}

#[test]
fn a_hushed_stream_is_measured_and_goes_nowhere_until_it_may_speak() {
    let mut call = Call::new(ALICE, BOB);
    call.relay.hush(call.ingress.id, true);
    assert_eq!(call.hear(call.ingress, ALICE), Verdict::Drop(Dropped::Nowhere));
    assert!(matches!(call.hear(call.egress, BOB), Verdict::Forward { .. }), "the other direction is not concerned");
    assert_eq!(call.relay.quality(call.ingress.id).packets, 1);
    call.relay.hush(call.ingress.id, false);
    assert!(matches!(call.hear(call.ingress, ALICE), Verdict::Forward { .. }));
}

#[test]
fn datagrams_and_handshakes_pass_only_where_they_were_agreed_on() {
    let mut call = Call::new(ALICE, BOB);
    let record = [22u8, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9];
    // DTLS 1.3 (RFC 9147 §4): number of two bytes, length; and the shortest head, which says neither.
    let (mut sealed, mut terse) = ([0u8; 21], [0u8; 18]);
    (sealed[0], sealed[4], terse[0]) = (0b0010_1110, 16, 0b0010_0010);
    let (udptl, short) = ([0u8, 7, 0, 1], [0u8, 7]);
    let mut heard = |carries, bytes: &[u8]| {
        call.relay.carry(call.ingress.id, carries);
        let verdict = call.relay.on_packet(at(1), call.ingress.rtp_port, address(ALICE), bytes);
        matches!(verdict, Verdict::Forward { .. })
    };
    for (carries, bytes, passes) in [
        (Carries::Rtp, &record[..], false),
        (Carries::RtpAndDtls, &record, true),
        (Carries::RtpAndDtls, &record[..13], false),
        (Carries::RtpAndDtls, &sealed, true),
        (Carries::RtpAndDtls, &sealed[..20], false),
        (Carries::RtpAndDtls, &terse, true),
        (Carries::RtpAndDtls, &terse[..17], false),
        (Carries::Rtp, &sealed, false),
        (Carries::RtpAndDtls, &udptl, false),
        (Carries::RtpAndDtls, &rtp(), true),
        (Carries::Rtp, &udptl, false),
        (Carries::Datagrams, &udptl, true),
        (Carries::Datagrams, &short, false),
        (Carries::Datagrams, &[], false),
    ] {
        assert_eq!(heard(carries, bytes), passes, "{carries:?} {bytes:?}");
    }
    assert_eq!(call.relay.quality(call.ingress.id).packets, 1, "only RTP is measured");
}
