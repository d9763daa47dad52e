//! The line that says for whom a message stands, between a balancer and its cores.
#![allow(clippy::unwrap_used, reason = "a broken test may stop")]

use std::net::SocketAddr;

use proptest::prelude::*;
use sip::Transport;
use sip::behind::across::{self, Across, Course};
use sip::behind::{Key, LINE_BYTES_MAX, Way, unwrap, wrap};
use sip::peek::Glance;
use units::{NodeId, ShardId, WallTime};

const MESSAGE: &[u8] =
    b"BYE sip:1@x SIP/2.0\r\nf: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\ni: q\r\nX-Tandem-Source: 9.9.9.9:9 00\r\n\r\n";

fn key() -> Key {
    Key::of(b"secret")
}

#[test]
fn a_line_is_believed_in_its_place_with_its_proof_and_for_its_way() {
    for peer in ["192.0.2.7:5060", "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"] {
        let peer: SocketAddr = peer.parse().unwrap();
        let mut wrapped = Vec::new();
        assert!(wrap(&key(), Way::Inward, peer, MESSAGE, &mut wrapped));
        assert!(wrapped.len() - MESSAGE.len() <= LINE_BYTES_MAX);
        assert!(Glance::of(&wrapped).is_some_and(|glance| glance.to_tag == Some(b"2")), "it is still a message");
        let (from, cut) = unwrap(&key(), Way::Inward, &mut wrapped.clone()).unwrap();
        assert_eq!(from, peer);
        let mut whole = wrapped.clone();
        unwrap(&key(), Way::Inward, &mut whole);
        assert_eq!(&whole[cut..], MESSAGE);
        assert_eq!(unwrap(&Key::of(b"other"), Way::Inward, &mut wrapped.clone()), None);
        assert_eq!(unwrap(&key(), Way::Outward, &mut wrapped.clone()), None);
    }
    assert_eq!(unwrap(&key(), Way::Inward, &mut MESSAGE.to_vec()), None, "a peer's own line is in another place");
    let claimed = b"BYE sip:1@x SIP/2.0\r\nX-Tandem-Source: 192.0.2.7:5060 0000000000000000\r\n\r\n";
    assert_eq!(unwrap(&key(), Way::Inward, &mut claimed.to_vec()), None);
}

#[test]
fn a_glance_tells_requests_from_responses() {
    let request = Glance::of(MESSAGE).unwrap();
    assert_eq!((request.status, request.method, request.call_id), (None, &b"BYE"[..], &b"q"[..]));
    let response = [b"SIP/2.0 486 Busy Here\r\n", &MESSAGE[21..]].concat();
    let response = Glance::of(&response).unwrap();
    assert_eq!((response.status, response.method, response.from_tag), (Some(486), &b""[..], &b"1"[..]));
}

fn marked(across: &Across) -> Vec<u8> {
    let mut marked = Vec::new();
    assert!(across::mark(&key(), across, MESSAGE, &mut marked) && across::is_marked(&marked));
    marked
}

fn across(peer: &str) -> Across {
    Across {
        course: Course::Heard,
        from: NodeId(u16::MAX),
        to: NodeId(7),
        shard: ShardId(u16::MAX),
        transport: Transport::Tls,
        at: WallTime::from_micros(i64::MIN),
        place: "[2001:db8:1111:2222:3333:4444:5555:6666]:65535".parse().unwrap(),
        peer: peer.parse().unwrap(),
    }
}

#[test]
fn what_a_node_hands_over_is_whole_or_nothing() {
    for peer in ["192.0.2.7:5060", "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"] {
        let marked = marked(&across(peer));
        assert_eq!(across::read(&key(), &marked), Some((across(peer), MESSAGE.to_vec())));
        assert_eq!(across::read(&Key::of(b"other"), &marked), None);
        for place in 0..marked.len() {
            let mut changed = marked.clone();
            changed[place] ^= 1;
            assert_eq!(across::read(&key(), &changed), None, "byte {place}");
        }
    }
    assert!(!across::is_marked(MESSAGE));
}

proptest! {
    #[test]
    fn no_bytes_break_what_reads_a_node_s_line(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..160usize) {
        let marked = marked(&across("[::1]:1"));
        for message in [bytes.clone(), [&marked[..cut.min(marked.len())], &bytes].concat()] {
            let _ = across::read(&key(), &message);
        }
    }

    #[test]
    fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..120usize) {
        let mut wrapped = Vec::new();
        wrap(&key(), Way::Outward, "[::1]:1".parse().unwrap(), MESSAGE, &mut wrapped);
        for mut message in [bytes.clone(), [&wrapped[..cut.min(wrapped.len())], &bytes].concat()] {
            let _ = Glance::of(&message);
            unwrap(&key(), Way::Outward, &mut message);
        }
    }
}
