//! What is noted comes back as it was, and a file of packets is sound however it was cut.

#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::net::SocketAddr;

use proptest::prelude::*;
use tape::note::HEAD_BYTES;
use tape::pcapng::{self, Packet, Way};
use tape::{Note, Over, Sinks, What, packet};
use units::{CallId, NodeId, ShardId, WallTime};

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<bool>(), any::<[u8; 16]>(), any::<u16>()).prop_map(|(six, bytes, port)| {
        let four: [u8; 4] = bytes[..4].try_into().unwrap();
        let ip = if six { std::net::Ipv6Addr::from(bytes).to_canonical() } else { four.into() };
        SocketAddr::new(ip, port)
    })
}

fn note() -> impl Strategy<Value = Note> {
    let what = prop_oneof![Just(What::Sip), Just(What::Media), Just(What::End), Just(What::Report), Just(What::Voice)];
    let over = prop_oneof![Just(Over::Udp), Just(Over::Tcp), Just(Over::Tls)];
    (what, over, any::<(u8, bool, u8, u16, u32, i64)>(), address(), any::<(u16, u32, u32)>()).prop_map(
        |(what, over, (leg, inbound, listener, port, length, at), peer, (node, boot, sequence))| Note {
            what,
            sinks: Sinks::CAPTURE,
            call: CallId { node: NodeId(node), boot, shard: ShardId(3), sequence: u64::from(sequence) },
            leg,
            inbound,
            over,
            listener,
            port,
            at: WallTime::from_micros(at),
            peer,
            length,
        },
    )
}

proptest! {
    #[test]
    fn a_note_comes_back_as_it_was(note in note(), carried in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let mut bytes = Vec::new();
        note.encode(&carried, &mut bytes);
        let head: [u8; HEAD_BYTES] = bytes[..HEAD_BYTES].try_into().unwrap();
        prop_assert_eq!(Note::carried_bytes([head[0], head[1]]), carried.len());
        prop_assert_eq!(Note::decode(&head), Some(note));
        prop_assert_eq!(&bytes[HEAD_BYTES..], &carried[..]);
    }

    #[test]
    fn any_bytes_are_a_head_or_none(head in any::<[u8; 32]>(), tail in any::<[u8; 24]>()) {
        let head: [u8; HEAD_BYTES] = [&head[..], &tail[..]].concat().try_into().unwrap();
        let _ = Note::decode(&head);
    }

    #[test]
    fn any_bytes_have_some_whole_blocks(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(pcapng::whole(&bytes) <= bytes.len());
    }

    #[test]
    fn a_datagram_adds_up(from in address(), to in address(), payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut frame = Vec::new();
        let length = packet::datagram(from, to, &payload, 0, &mut frame);
        prop_assert_eq!(length, frame.len());
        let udp_bytes = 8 + payload.len();
        let udp = frame.len() - udp_bytes;
        // RFC 1071 §1: over everything with the sum in it, all ones come out.
        let addresses = if frame[12] == 0x08 { 26..34 } else { 22..54 };
        let whole = [&frame[addresses], &[0, 17], &(udp_bytes as u16).to_be_bytes(), &frame[udp..]].concat();
        let sum: u32 = whole.chunks(2).map(|two| u32::from(two[0]) * 256 + u32::from(*two.get(1).unwrap_or(&0))).sum();
        prop_assert_eq!((sum >> 16) + (sum & 0xffff), 0xffff);
    }
}

#[test]
fn a_file_that_was_cut_anywhere_keeps_its_whole_packets() {
    let (mut file, mut ends) = (Vec::new(), Vec::new());
    pcapng::section("test", &mut file);
    ends.push(file.len());
    pcapng::interface("udp 192.0.2.1:5060", "", &mut file);
    ends.push(file.len());
    for number in 0..5u8 {
        let at = WallTime::from_micros(1_700_000_000_000_000 + i64::from(number));
        let bytes = vec![number; usize::from(number) * 3];
        let packet = Packet { interface: 0, at, way: Way::In, bytes: &bytes, length: 100, comment: "five" };
        pcapng::packet(&packet, &mut file);
        ends.push(file.len());
    }
    for cut in 0..=file.len() {
        let wanted = ends.iter().copied().filter(|end| *end <= cut).max().unwrap_or(0);
        assert_eq!(pcapng::whole(&file[..cut]), wanted, "cut at {cut}");
    }
}

#[test]
fn a_datagram_of_which_only_the_beginning_is_kept_says_its_length() {
    let (from, to) = ("192.0.2.1:4000".parse().unwrap(), "192.0.2.2:5000".parse().unwrap());
    let mut frame = Vec::new();
    assert_eq!(packet::datagram(from, to, &[7; 12], 172, &mut frame), 14 + 20 + 8 + 172);
    assert_eq!(frame.len(), 14 + 20 + 8 + 12);
    assert_eq!(frame[16..18], 200u16.to_be_bytes(), "RFC 791: total length");
    assert_eq!(frame[38..40], 180u16.to_be_bytes(), "RFC 768: length");
    assert_eq!(frame[40..42], [0, 0], "RFC 768: without a sum, as it cannot be computed");
}
