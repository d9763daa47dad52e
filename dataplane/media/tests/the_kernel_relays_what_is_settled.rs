//! When a call's media is left to the kernel, when it comes back, and that nothing is counted twice or forgotten.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::net::SocketAddr;

use media::{Carried, Carries, Change, Pair, Path, Relay, Stay, Verdict};
use units::Instant;

const ALICE: &str = "192.0.2.10:4000";
const BOB: &str = "198.51.100.7:6000";

/// Two joined legs whose relay may use the kernel.
struct Call {
    relay: Relay,
    one: Pair,
    other: Pair,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn at(millis: u64) -> Instant {
    Instant::default().plus_millis(millis)
}

impl Call {
    fn new() -> Call {
        let mut relay = Relay::new(20_000, 20_099, 7);
        relay.use_kernel(true);
        let (one, other) = (relay.open(at(0)).unwrap(), relay.open(at(0)).unwrap());
        relay.join(one.id, other.id);
        relay.expect(one.id, address(ALICE), address("192.0.2.10:4001"));
        relay.expect(other.id, address(BOB), address("198.51.100.7:6001"));
        Call { relay, one, other }
    }

    /// A call whose both directions the kernel has.
    fn below() -> Call {
        let mut call = Call::new();
        call.hear(call.one, ALICE, 100);
        call.hear(call.other, BOB, 500);
        assert_eq!(call.changes().len(), 2);
        call
    }

    fn hear(&mut self, pair: Pair, from: &str, sequence: u16) -> Verdict {
        let mut packet = [0; 172];
        packet[0] = 0x80;
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        self.relay.on_packet(at(1), pair.rtp_port, address(from), &packet)
    }

    /// What the kernel is to do; that packets were passed on is another story.
    fn changes(&mut self) -> Vec<Change> {
        let all = std::iter::from_fn(|| self.relay.change());
        all.filter(|change| !matches!(change, Change::Passed { .. })).collect()
    }

    /// The numbers of the packets of which the kernel hears that they were passed on.
    fn passed(&mut self) -> Vec<u16> {
        let all = std::iter::from_fn(|| self.relay.change());
        all.filter_map(|change| if let Change::Passed { sequence, .. } = change { Some(sequence) } else { None })
            .collect()
    }

    fn both_parts(&self) -> [Change; 2] {
        [self.one, self.other].map(|pair| Change::Part { port: pair.rtp_port })
    }

    fn parted(&mut self, carried: Carried) {
        for pair in [self.one, self.other] {
            self.relay.on_parted(pair.rtp_port, carried);
        }
    }
}

fn carried(first: u32, last: u32, packets: u64) -> Carried {
    let lost = last - first + 1 - packets as u32;
    let (bytes, last_at) = (172 * packets, Some(at(9_000)));
    Carried { packets, bytes, last: last_at, sources: 1, sequences: (first, last), lost, ..Carried::default() }
}

#[test]
fn both_directions_are_joined_once_both_have_latched() {
    let mut call = Call::new();
    call.hear(call.one, ALICE, 1);
    assert_eq!(call.changes(), [], "the other peer was not heard");
    call.hear(call.other, BOB, 1);
    let (one, other) = (call.one.rtp_port, call.other.rtp_port);
    let join = |port, peer, from_port, to| Change::Join {
        port,
        peer: address(peer),
        from_port,
        to: address(to),
        clock_hz: 8_000,
        types: u128::MAX,
    };
    assert_eq!(call.changes(), [join(other, BOB, one, ALICE), join(one, ALICE, other, BOB)]);
    call.hear(call.one, ALICE, 2);
    assert_eq!(call.changes(), [], "once");
}

#[test]
fn streams_between_families_stay_and_are_counted_when_they_were_ready() {
    let mut call = Call::new();
    let other = "[2001:db8::7]:6000";
    call.relay.expect(call.other.id, address(other), address("[2001:db8::7]:6001"));
    call.hear(call.one, ALICE, 1);
    assert_eq!(call.relay.between_families(), 0, "the other peer was not heard");
    call.hear(call.other, other, 1);
    call.hear(call.one, ALICE, 2);
    assert_eq!((call.relay.between_families(), call.changes()), (2, vec![]), "once");
    assert_eq!(call.relay.path(call.one.id), Path::Socket);
    call.relay.expect(call.other.id, address(BOB), address("198.51.100.7:6001"));
    call.hear(call.other, BOB, 2);
    assert_eq!((call.relay.between_families(), call.changes().len()), (2, 2), "of one family they go");
}

#[test]
fn the_kernel_hears_of_each_packet_that_it_let_up_for_a_while() {
    let mut call = Call::below();
    for sequence in 101..901 {
        call.hear(call.one, ALICE, sequence);
    }
    let passed = call.passed();
    assert_eq!(passed[..256], (101..357).collect::<Vec<u16>>(), "each at first");
    assert_eq!(passed[256..], (5..=12).map(|round| 100 + 64 * round).collect::<Vec<u16>>(), "then one of 64");
    call.hear(call.one, "203.0.113.1:1", 901);
    let report = [0x80, 201, 0, 1, 1, 2, 3, 4];
    call.relay.on_packet(at(1), call.one.rtp_port, address(ALICE), &report);
    assert_eq!(call.passed(), [], "neither a stranger's nor a report");
    call.relay.lift(call.one.id);
    call.hear(call.one, ALICE, 902);
    assert_eq!(call.passed(), [], "nobody waits while it leaves");
}

#[test]
fn without_the_kernel_nothing_is_asked_of_it() {
    let mut call = Call::new();
    call.relay.use_kernel(false);
    call.hear(call.one, ALICE, 1);
    call.hear(call.other, BOB, 1);
    assert!(!call.relay.has_changes());
}

/// What keeps a call here, and what brings it back.
#[test]
fn a_call_that_needs_us_comes_back_at_once_and_goes_down_again_with_the_next_packet() {
    type Step = fn(&mut Call, bool);
    let steps: [(&str, Step); 6] = [
        ("hold", |call, on| call.relay.stay(call.one.id, Stay::Hold, on)),
        ("record", |call, on| call.relay.stay(call.other.id, Stay::Record, on)),
        ("hush", |call, on| call.relay.hush(call.one.id, on)),
        ("events", |call, on| call.relay.keep_events(call.one.id, on.then_some((101, 8_000)))),
        ("words", |call, on| call.relay.say_events(call.other.id, on.then_some((101, 8_000)))),
        ("images", |call, on| {
            call.relay.carry(call.one.id, if on { Carries::Datagrams } else { Carries::Rtp });
        }),
    ];
    for (what, step) in steps {
        let mut call = Call::below();
        step(&mut call, true);
        let mut parts = call.changes();
        parts.sort_by_key(|part| *part == Change::Part { port: call.other.rtp_port });
        assert_eq!(parts, call.both_parts(), "{what}");
        call.parted(Carried::default());
        call.hear(call.one, ALICE, 101);
        assert_eq!(call.changes(), [], "{what} holds");
        step(&mut call, false);
        assert_eq!(call.changes(), [], "{what}: not before a packet was passed on");
        call.hear(call.one, ALICE, 102);
        assert_eq!(call.changes().len(), 2, "{what} is over");
    }
}

#[test]
fn a_new_description_brings_the_call_back_until_its_peer_is_heard() {
    let mut call = Call::below();
    call.relay.expect(call.one.id, address("192.0.2.20:4444"), address("192.0.2.20:4445"));
    assert_eq!(call.changes(), call.both_parts());
    call.parted(Carried::default());
    call.hear(call.other, BOB, 501);
    assert_eq!(call.changes(), [], "the place was named but not heard");
    call.hear(call.one, "192.0.2.20:4444", 1);
    let joins = call.changes();
    assert!(matches!(joins[0], Change::Join { peer, .. } if peer == address("192.0.2.20:4444")), "{joins:?}");
}

#[test]
fn a_peer_that_moves_is_parted_and_joined_where_it_is() {
    let mut call = Call::new();
    call.hear(call.one, "192.0.2.77:9999", 1);
    call.hear(call.other, BOB, 1);
    assert_eq!(call.changes().len(), 2, "a neighbour behind a NAT was heard");
    let stranger = call.hear(call.one, "203.0.113.1:1", 2);
    assert!(matches!(stranger, Verdict::Drop(_)), "the relay judges what the kernel did not know");
    assert_eq!(call.changes(), [], "a stranger moves nothing");
    call.hear(call.one, ALICE, 3);
    assert_eq!(call.changes(), call.both_parts(), "the named address speaks itself");
    call.parted(Carried::default());
    call.hear(call.one, ALICE, 4);
    assert!(matches!(call.changes()[0], Change::Join { peer, .. } if peer == address(ALICE)));
}

#[test]
fn what_the_kernel_refuses_stays_here() {
    let mut call = Call::below();
    call.relay.on_unjoined(call.other.rtp_port);
    assert_eq!(call.changes(), [Change::Part { port: call.one.rtp_port }]);
    call.relay.on_parted(call.one.rtp_port, Carried::default());
    call.hear(call.one, ALICE, 101);
    call.hear(call.other, BOB, 501);
    assert_eq!(call.changes(), [], "nothing has changed since");
    assert_eq!(call.relay.path(call.one.id), Path::Socket);
}

#[test]
fn closing_a_stream_takes_its_call_out_of_the_kernel() {
    let mut call = Call::below();
    assert!(call.relay.is_below(call.one.id));
    call.relay.close(at(5), call.one.id);
    assert_eq!(call.changes(), call.both_parts());
    call.parted(carried(101, 110, 10));
    let rest = call.relay.quality(call.other.id);
    assert_eq!((rest.packets, rest.kernel_packets), (11, 10));
    assert!(!call.relay.is_below(call.other.id));
}

/// User space had 100; then what the kernel had, what came up meanwhile, and what comes after.
#[test]
fn packets_of_both_ways_make_one_row() {
    type Case = (&'static str, Carried, &'static [u16], &'static [u16], (u64, u32));
    let cases: [Case; 6] = [
        ("all by the kernel", carried(101, 200, 100), &[], &[201], (102, 0)),
        ("one lost on the way down", carried(102, 200, 99), &[], &[201], (101, 1)),
        ("that one was still in our socket", carried(102, 200, 99), &[101], &[201], (102, 0)),
        ("some lost below, one after", carried(101, 200, 95), &[], &[202], (97, 6)),
        ("the way was not known for a while", carried(101, 200, 80), &FIFTY[..20], &[201], (102, 0)),
        ("the kernel never had one", Carried::default(), &FIFTY, &[151], (52, 0)),
    ];
    for (what, counts, strays, after, (packets, lost)) in cases {
        let mut call = Call::below();
        for sequence in strays {
            call.hear(call.one, ALICE, *sequence);
        }
        call.relay.on_carried(call.one.rtp_port, counts);
        call.relay.lift(call.one.id);
        let before = call.relay.quality(call.one.id);
        call.parted(counts);
        assert_eq!(call.relay.quality(call.one.id), before, "{what}: the last counts were known");
        for sequence in after {
            call.hear(call.one, ALICE, *sequence);
        }
        let quality = call.relay.quality(call.one.id);
        assert_eq!((quality.packets, quality.lost, quality.reordered), (packets, lost, 0), "{what}");
        assert_eq!(quality.kernel_packets, counts.packets, "{what}");
    }
}

const FIFTY: [u16; 50] = {
    let mut all = [0; 50];
    let mut place = 0;
    while place < 50 {
        all[place] = 101 + place as u16;
        place += 1;
    }
    all
};

#[test]
fn a_long_stay_and_another_source_are_counted_right() {
    let mut call = Call::below();
    call.relay.lift(call.one.id);
    call.parted(carried(101, 100 + 200_000, 200_000));
    call.hear(call.one, ALICE, (200_101 % 65_536) as u16);
    let quality = call.relay.quality(call.one.id);
    assert_eq!((quality.packets, quality.lost), (200_002, 0));
    let mut call = Call::below();
    call.relay.lift(call.one.id);
    call.parted(Carried { sources: 2, source: 9, lost: 4, sequences: (7, 90), ..carried(7, 90, 84) });
    assert_eq!(call.relay.quality(call.one.id).lost, 4, "what the kernel says of two sources");
}

#[test]
fn the_kernel_s_counts_say_when_the_peer_was_last_heard() {
    let mut call = Call::below();
    assert_eq!(call.relay.last_heard(call.one.id), Some(at(1)));
    call.relay.on_carried(call.one.rtp_port, carried(101, 110, 10));
    assert_eq!(call.relay.last_heard(call.one.id), Some(at(9_000)));
    call.relay.lift(call.one.id);
    call.parted(carried(101, 110, 10));
    assert_eq!(call.relay.last_heard(call.one.id), Some(at(9_000)));
    assert!(!call.relay.has_changes() || call.changes() == call.both_parts(), "silence joins nothing");
}
