//! Made-up datagrams on media ports: STUN, ZRTP, DTLS, RTP and RTCP that lie about their lengths. Each passes or is dropped as it should be, whoever
//! sends it; each is counted, none does harm, and a stranger's never reaches anybody.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

#[path = "../../rating/tests/world.rs"]
mod world;

#[path = "support/plane.rs"]
mod plane;
#[path = "support/read.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod read;
#[path = "support/talk.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod talk;

use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use panel::wire::Ask;
use plane::{PATIENCE, Plane};
use read::{counter, record};
use talk::{MEDIA, REPORTS, Talk, packet};
use tempfile::TempDir;

/// All that looks into packets does: captures, recordings, a collector that nobody is.
const WATCHED: &str = r#"{"capture":{"what":"full"},"recording":{"percent":100}}"#;

/// What a datagram looks like, and so where it passes.
#[derive(Clone, Copy, PartialEq)]
enum Like {
    Nothing,
    Rtp,
    Dtls,
    Rtcp,
    /// A compound whose first packet is whole: of SRTCP nobody can look at more.
    Srtcp,
}
use Like::{Dtls, Nothing, Rtcp, Rtp, Srtcp};

/// What the descriptions say that streams carry.
const CARRIES: [(&str, &str); 3] = [
    ("RTP/AVP", ""),
    ("RTP/SAVP", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"),
    ("UDP/TLS/RTP/SAVP", "a=setup:actpass\r\na=fingerprint:sha-256 3C:77:1E:9B:04:5F\r\n"),
];

impl Like {
    fn passes(self, profile: &str, sockets: [usize; 2]) -> bool {
        match self {
            Nothing => false,
            Rtp => sockets == MEDIA,
            // RFC 5764 §3: RTCP on a port of its own has a handshake of its own.
            Dtls => profile.contains("TLS"),
            Rtcp => true,
            Srtcp => profile.contains("SAVP"),
        }
    }
}

fn with<const N: usize>(head: [u8; N], rest: usize) -> Vec<u8> {
    [&head[..], &vec![0x5A; rest]].concat()
}

/// RTP with these first two bytes (RFC 3550 §5.1), and so much behind the twelve of its header.
fn rtp(first: u8, second: u8, rest: &[u8]) -> Vec<u8> {
    [&[first, second, 0, 7, 0, 0, 0, 160, 0, 0, 0, 1][..], rest].concat()
}

fn like_rtp() -> Vec<(&'static str, Vec<u8>, Like)> {
    let voice = [0x55; 160];
    let extension = |words: [u8; 2], bytes: usize| [&[0xBE, 0xDE, words[0], words[1]][..], &vec![0; bytes]].concat();
    vec![
        ("nothing", vec![], Nothing),
        ("a byte", vec![0x80], Nothing),
        ("a header without its end", rtp(0x80, 8, &[])[..11].to_vec(), Nothing),
        ("a header alone", rtp(0x80, 8, &[]), Rtp),
        ("version 0", rtp(0, 8, &voice), Nothing),
        ("version 1, as data of TURN begin (RFC 8656 §12.4)", rtp(0x40, 8, &voice), Nothing),
        ("version 3", rtp(0xC0, 8, &voice), Nothing),
        ("a payload type that nobody described", rtp(0x80, 77, &voice), Nothing),
        ("fifteen sources that are there", rtp(0x8F, 8, &[1; 60]), Rtp),
        ("fifteen sources of which the last is cut", rtp(0x8F, 8, &[1; 59]), Nothing),
        ("an extension that is there", rtp(0x90, 8, &extension([0, 2], 8)), Rtp),
        ("an extension that ends a byte later", rtp(0x90, 8, &extension([0, 2], 7)), Nothing),
        ("an extension of 65,535 words", rtp(0x90, 8, &extension([0xFF, 0xFF], 160)), Nothing),
        ("an extension without its length", rtp(0x90, 8, &[0xBE, 0xDE, 0]), Nothing),
        (
            "sources and an extension that lies",
            rtp(0x9F, 8, &[[1; 60].as_slice(), &extension([1, 0], 9)].concat()),
            Nothing,
        ),
        ("more padding than payload", rtp(0xA0, 8, &[0xFF; 160]), Rtp),
        ("padding and nothing else", rtp(0xA0, 8, &[]), Rtp),
    ]
}

/// Of what shares its ports (RFC 7983).
fn like_handshakes() -> Vec<(&'static str, Vec<u8>, Like)> {
    vec![
        ("a question of STUN", with([0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42], 12), Nothing),
        (
            "an answer of STUN with attributes that are not there",
            with([1, 1, 0xFF, 0xFC, 0x21, 0x12, 0xA4, 0x42], 12),
            Nothing,
        ),
        (
            "ZRTP (RFC 6189 §5)",
            with([0x10, 0, 0, 1, b'Z', b'R', b'T', b'P', 0, 0, 0, 1, 0x50, 0x5A, 0, 3], 12),
            Nothing,
        ),
        ("a handshake of DTLS 1.2", with([22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 40], 40), Dtls),
        (
            "two records of DTLS",
            [
                with([20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1], 1),
                with([22, 254, 253, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9], 9),
            ]
            .concat(),
            Dtls,
        ),
        ("a record that is longer than its datagram", with([22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 41], 40), Nothing),
        ("a record of 65,535 bytes", with([23, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF], 100), Nothing),
        ("a record without its length", vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0], Nothing),
        ("a record of TLS", with([22, 3, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 40], 40), Nothing),
        ("a sealed record of DTLS 1.3 (RFC 9147 §4)", with([0x2E, 1, 2, 0, 20], 20), Dtls),
        ("one that is shorter than its cipher's proof", with([0x2E, 1, 2, 0, 15], 15), Nothing),
        ("one that says that it is longer", with([0x2E, 1, 2, 0xFF, 0xFF], 20), Nothing),
    ]
}

fn like_reports() -> Vec<(&'static str, Vec<u8>, Like)> {
    vec![
        ("a sender report", with([0x80, 200, 0, 6], 24), Rtcp),
        ("a report that is longer than its datagram", with([0x80, 200, 0, 7], 24), Nothing),
        ("a report of 65,535 words", with([0x81, 201, 0xFF, 0xFF], 28), Nothing),
        ("a report of four bytes", vec![0x80, 200, 0, 0], Nothing),
        ("a report of version 1", with([0x40, 200, 0, 6], 24), Nothing),
        ("a compound whose parts are whole", [with([0x80, 201, 0, 1], 4), with([0x81, 203, 0, 1], 4)].concat(), Rtcp),
        (
            "a compound whose second part is longer than the rest",
            [with([0x80, 201, 0, 1], 4), with([0x81, 203, 0, 2], 4)].concat(),
            Srtcp,
        ),
        (
            "a compound whose second part has no version",
            [with([0x80, 201, 0, 1], 4), with([0x01, 203, 0, 1], 4)].concat(),
            Srtcp,
        ),
        ("a compound whose second part is RTP", [with([0x80, 201, 0, 1], 4), rtp(0x80, 8, &[])].concat(), Srtcp),
        ("a compound with a byte too many", [with([0x80, 201, 0, 1], 4), vec![0x80]].concat(), Srtcp),
    ]
}

fn made_up() -> Vec<(&'static str, Vec<u8>, Like)> {
    [like_rtp(), like_handshakes(), like_reports()].concat()
}

fn begin(last: u8, range: &str, furnish: impl Fn(&mut Talk), ingress: &str, egress: &str) -> (TempDir, Plane, Talk) {
    let data = TempDir::new().unwrap();
    let sip = UdpSocket::bind((format!("127.0.43.{last}"), 0)).unwrap().local_addr().unwrap();
    let mut talk = Talk::new(sip);
    furnish(&mut talk);
    talk.publish(data.path(), ingress, egress);
    let words = ["--sip", &sip.to_string(), "--rtp", range, "--log", "warn", "--hep", "127.0.43.9:9"];
    let mut plane = Plane::start(data.path(), &words);
    // Every shard has opened its sockets when it answers.
    plane.ask(Ask::Figures);
    talk.begin(&mut plane, "strange");
    (data, plane, talk)
}

/// What is known to pass, and so is heard next if nothing before it was.
fn known(number: u16, sockets: [usize; 2]) -> Vec<u8> {
    if sockets == MEDIA { packet(1_000 + number, 8, 1, &[0xD5; 160]) } else { with([0x80, 201, 0, 1], 4) }
}

fn every_port(ours: [SocketAddr; 2]) -> impl Iterator<Item = SocketAddr> {
    ours.into_iter().flat_map(|rtp| [rtp, SocketAddr::new(rtp.ip(), rtp.port() + 1)])
}

/// Sends all of it to every port of a call, from an address of another network than the peers'. How many datagrams that were.
fn intrude(talk: &Talk) -> u64 {
    let (stranger, all) = (UdpSocket::bind("127.0.43.8:0").unwrap(), made_up());
    let ports: Vec<SocketAddr> = every_port(talk.media_ports()).collect();
    for port in &ports {
        all.iter().for_each(|(_, bytes, _)| assert_eq!(stranger.send_to(bytes, port).unwrap(), bytes.len()));
    }
    (ports.len() * all.len()) as u64
}

#[test]
fn each_datagram_passes_as_what_was_described_or_is_dropped_and_counted() {
    let ranges = ["22900-22999", "23000-23099", "23100-23199"];
    for ((profile, more), range) in CARRIES.into_iter().zip(ranges) {
        let furnish = |talk: &mut Talk| (talk.profile, talk.more) = (profile, more);
        let (data, mut plane, mut talk) = begin(1, range, furnish, WATCHED, "");
        // Before the peers were heard, and after.
        let (mut passed, mut dropped, mut number) = (0, intrude(&talk), 0);
        for sockets in [MEDIA, REPORTS] {
            for side in [0, 1] {
                for (name, bytes, like) in made_up() {
                    talk.says(sockets, side, &bytes);
                    if like.passes(profile, sockets) {
                        assert_eq!(talk.heard(&mut plane, sockets, 1 - side), bytes, "{profile}: {name}");
                        passed += 1;
                    } else {
                        dropped += 1;
                    }
                    // Nothing came before this.
                    number += 1;
                    talk.says(sockets, side, &known(number, sockets));
                    assert_eq!(talk.heard(&mut plane, sockets, 1 - side), known(number, sockets), "{profile}: {name}");
                    passed += 1;
                }
            }
        }
        dropped += intrude(&talk);
        talk.passes(&mut plane, MEDIA, 0, &known(number + 1, MEDIA));
        talk.end(&mut plane);
        let cdr = record(&mut plane, data.path(), "strange");
        let counted = ["media_relayed", "media_dropped", "panics"].map(|name| counter(&mut plane, name));
        assert_eq!(counted, [passed + 1, dropped, 0], "{profile}");
        assert_eq!(counter(&mut plane, "media_undescribed"), 2, "{profile}: one of each side");
        let strangers = made_up().iter().filter(|(_, _, like)| like.passes(profile, MEDIA)).count();
        let media = [cdr.ingress_media, cdr.egress_media];
        assert!(media.iter().all(|media| u64::from(media.strangers) >= 2 * strangers as u64), "{profile}: {media:?}");
    }
}

#[test]
fn under_keys_of_ours_everything_made_up_is_dropped() {
    const REQUIRED: &str =
        r#"{"media":{"srtp":"required","srtp_suites":["AES_CM_128_HMAC_SHA1_80"]},"capture":{"what":"full"}}"#;
    let (profile, more) = CARRIES[1];
    let furnish = |talk: &mut Talk| (talk.profile, talk.more) = (profile, more);
    let (data, mut plane, mut talk) = begin(2, "23200-23299", furnish, REQUIRED, REQUIRED);
    let all = made_up();
    let mut dropped = intrude(&talk);
    for sockets in [MEDIA, REPORTS] {
        for side in [0, 1] {
            all.iter().for_each(|(_, bytes, _)| talk.says(sockets, side, bytes));
            dropped += all.len() as u64;
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while counter(&mut plane, "media_dropped") < dropped {
        assert!(Instant::now() < deadline, "each is counted");
    }
    talk.end(&mut plane);
    let counted = ["media_relayed", "media_dropped", "panics"].map(|name| counter(&mut plane, name));
    assert_eq!(counted, [0, dropped, 0]);
    // From the peers: what looks like RTP or RTCP is tried with their keys.
    let tried = |sockets| all.iter().filter(|(_, _, like)| like.passes(profile, sockets)).count() as u64;
    let undescribed = 1;
    assert_eq!(counter(&mut plane, "media_forged"), 2 * (tried(MEDIA) + undescribed + tried(REPORTS)));
    let cdr = record(&mut plane, data.path(), "strange");
    assert_eq!(
        [cdr.ingress_media, cdr.egress_media].map(|media| (media.packets, media.suite.is_some())),
        [(0, true); 2]
    );
}
