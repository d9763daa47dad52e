//! What both ends of a call said and heard, word for word: kept while the call is under way, written as a capture (pcapng) of those that failed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;

/// Datagrams of one end of a call that are kept, and bytes of them; what comes later is not.
const FRAMES_MAX: usize = 40;
const BYTES_MAX: usize = 32 << 10;

/// One datagram of an end.
#[derive(Clone, Copy, Debug)]
struct Frame {
    at: u64,
    out: bool,
    peer: SocketAddr,
    /// Where it ends among the texts.
    until: usize,
}

/// What one end said and heard. Its memory is used again for other calls.
#[derive(Debug, Default)]
pub struct Film {
    frames: Vec<Frame>,
    text: String,
}

impl Film {
    /// Another call begins.
    pub fn begin(&mut self) {
        self.frames.clear();
        self.text.clear();
    }

    /// Keeps a datagram of this moment, as long as there is room.
    pub fn note(&mut self, at: u64, out: bool, peer: SocketAddr, text: &str) {
        if self.frames.len() < FRAMES_MAX && self.text.len() + text.len() <= BYTES_MAX {
            self.text.push_str(text);
            self.frames.push(Frame { at, out, peer, until: self.text.len() });
        }
    }

    /// All of it, of an end at this address.
    pub fn developed(&self, clock: &Clock, local: SocketAddr) -> Vec<Datagram> {
        let mut begin = 0;
        let datagram = |frame: &Frame| {
            let text = self.text[begin..frame.until].to_owned();
            begin = frame.until;
            let (from, to) = if frame.out { (local, frame.peer) } else { (frame.peer, local) };
            Datagram { at_ns: clock.wall_us(frame.at).unwrap_or(0) * 1_000 + frame.at % 1_000, from, to, text }
        };
        self.frames.iter().map(datagram).collect()
    }
}

/// A datagram as it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Datagram {
    /// Nanoseconds since 1970 UTC.
    pub at_ns: u64,
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// What it said.
    pub text: String,
}

/// One end of a call that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The call's place in the plan.
    pub place: u32,
    /// What became of the call, from its caller's end; nothing from a callee's.
    pub told: Option<String>,
    /// In the order of time.
    pub datagrams: Vec<Datagram>,
}

/// Which calls are told so: the first few that fail.
#[derive(Debug, Default)]
pub struct Reel {
    left: AtomicU32,
    is_on: bool,
    places: Mutex<Vec<u32>>,
}

impl Reel {
    /// For so many calls.
    pub fn new(calls: u32) -> Reel {
        Reel { left: AtomicU32::new(calls), is_on: calls > 0, places: Mutex::default() }
    }

    /// Whether what calls say is to be kept at all.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// A call failed; true if it is told.
    pub fn wants(&self, place: u32) -> bool {
        if !self.is_on {
            return false;
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.contains(&place) {
            return true;
        }
        let left = self.left.load(Relaxed);
        if left > 0 {
            self.left.store(left - 1, Relaxed);
            places.push(place);
        }
        left > 0
    }

    /// Whether a call failed and is told.
    pub fn has(&self, place: u32) -> bool {
        self.is_on && self.places.lock().unwrap_or_else(PoisonError::into_inner).contains(&place)
    }
}

/// LINKTYPE_RAW: packets begin with their IP header.
const RAW: u16 = 101;
/// Blocks and options of the format.
const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const COMMENT: u16 = 1;
const NAME: u16 = 2;
const RESOLUTION: u16 = 9;

/// A capture of all their datagrams, with the callers' ends and the callees' as two interfaces: what a switch is between.
pub fn capture(ends: &[End]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut head = 0x1A2B_3C4D_u32.to_le_bytes().to_vec();
    head.extend([1, 0, 0, 0]);
    head.extend((-1_i64).to_le_bytes());
    block(&mut out, SECTION, &head);
    for name in ["callers", "callees"] {
        let mut body = RAW.to_le_bytes().to_vec();
        body.extend([0; 6]);
        option(&mut body, NAME, name.as_bytes());
        // Moments are in units of 10⁻⁹ seconds.
        option(&mut body, RESOLUTION, &[9]);
        option(&mut body, 0, &[]);
        block(&mut out, INTERFACE, &body);
    }
    let told: BTreeMap<u32, &str> = ends.iter().filter_map(|end| Some((end.place, end.told.as_deref()?))).collect();
    let mut all: Vec<(&Datagram, &End)> =
        ends.iter().flat_map(|end| end.datagrams.iter().map(move |datagram| (datagram, end))).collect();
    all.sort_by_key(|(datagram, _)| datagram.at_ns);
    for (datagram, end) in all {
        let packet = packet(datagram);
        let interface = u32::from(end.told.is_none());
        let mut body = interface.to_le_bytes().to_vec();
        body.extend(((datagram.at_ns >> 32) as u32).to_le_bytes());
        body.extend((datagram.at_ns as u32).to_le_bytes());
        let bytes = (packet.len() as u32).to_le_bytes();
        body.extend([bytes, bytes].concat());
        padded(&mut body, &packet);
        let comment =
            format!("call {}: {}", end.place, told.get(&end.place).copied().unwrap_or("its caller is elsewhere"));
        option(&mut body, COMMENT, comment.as_bytes());
        option(&mut body, 0, &[]);
        block(&mut out, PACKET, &body);
    }
    out
}

fn block(out: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let length = (body.len() as u32 + 12).to_le_bytes();
    out.extend(kind.to_le_bytes());
    out.extend(length);
    out.extend(body);
    out.extend(length);
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend(code.to_le_bytes());
    out.extend((value.len() as u16).to_le_bytes());
    padded(out, value);
}

/// Everything begins at a multiple of four bytes.
fn padded(out: &mut Vec<u8>, value: &[u8]) {
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// The datagram with headers of UDP and IP, whose sums are right.
fn packet(datagram: &Datagram) -> Vec<u8> {
    let Datagram { from, to, text, .. } = datagram;
    let length = text.len() as u16 + 8;
    let mut udp = [from.port(), to.port(), length, 0].map(u16::to_be_bytes).concat();
    udp.extend(text.as_bytes());
    let (mut head, addresses) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let total = (length + 20).to_be_bytes();
            let mut head = vec![0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 17, 0, 0];
            let addresses = [from.octets(), to.octets()].concat();
            head.extend(&addresses);
            let sum = sum(0, &head).to_be_bytes();
            head[10..12].copy_from_slice(&sum);
            (head, addresses)
        }
        (from, to) => {
            let six = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            let mut head = vec![0x60, 0, 0, 0];
            head.extend(length.to_be_bytes());
            head.extend([17, 64]);
            let addresses = [six(from), six(to)].concat();
            head.extend(&addresses);
            (head, addresses)
        }
    };
    // RFC 768, RFC 8200 §8.1: addresses, protocol and length count too, and 0 stands for no sum.
    let begin = 17 + u32::from(length) + u32::from(!sum(0, &addresses));
    let sum = match sum(begin, &udp) {
        0 => 0xFFFF,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    head.extend(udp);
    head
}

/// RFC 1071.
fn sum(begin: u32, bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = begin + words.sum::<u32>();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn tshark_reads_both_ends_of_a_call_in_order() {
        let mut films = [Film::default(), Film::default()];
        let [caller, switch, callee] =
            ["127.0.0.1:6000", "127.0.0.1:5060", "[::1]:5070"].map(|address| address.parse().expect("an address"));
        let invite = |id: &str| {
            format!(
                "INVITE sip:1@a SIP/2.0\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:1@a>\r\n\
                 Call-ID: {id}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            )
        };
        films[0].note(1_000, true, switch, &invite("in"));
        films[1].note(5_000, false, "[::1]:5060".parse().expect("an address"), &invite("out"));
        films[0].note(9_000, false, switch, &invite("in").replace("INVITE sip:1@a SIP/2.0", "SIP/2.0 486 Busy Here"));
        let clock = Clock::start();
        let end = |nth: usize, told: Option<&str>, local| End {
            place: 7,
            told: told.map(str::to_owned),
            datagrams: films[nth].developed(&clock, local),
        };
        let file = capture(&[end(1, None, callee), end(0, Some("486, refused"), caller)]);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("failures.pcapng");
        std::fs::write(&path, file).expect("a capture");
        let mut tshark = Command::new("tshark");
        tshark
            .args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-r"])
            .arg(&path)
            .args(["-T", "fields"]);
        for field in [
            "frame.interface_name",
            "sip.Method",
            "sip.Status-Code",
            "sip.Call-ID",
            "udp.checksum.status",
            "frame.comment",
        ] {
            tshark.args(["-e", field]);
        }
        let output = tshark.output().expect("tshark is installed");
        let text = String::from_utf8(output.stdout).expect("text");
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
        let comment = "call 7: 486, refused";
        assert_eq!(
            rows,
            [
                ["callers", "INVITE", "", "in", "1", comment],
                ["callees", "INVITE", "", "out", "1", comment],
                ["callers", "", "486", "in", "1", comment],
            ],
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    #[test]
    fn the_first_few_calls_that_fail_are_told_and_no_more_is_kept_than_has_room() {
        let reel = Reel::new(2);
        assert_eq!([5, 6, 5, 7].map(|place| reel.wants(place)), [true, true, true, false]);
        assert_eq!([5, 7].map(|place| reel.has(place)), [true, false]);
        assert!(!Reel::new(0).wants(1) && !Reel::new(0).is_on());
        let (mut film, peer) = (Film::default(), "127.0.0.1:5060".parse().expect("an address"));
        (0..100).for_each(|at| film.note(at + 1, true, peer, "x"));
        assert_eq!(film.developed(&Clock::start(), peer).len(), FRAMES_MAX);
        film.begin();
        film.note(1, true, peer, &"x".repeat(BYTES_MAX + 1));
        assert!(film.developed(&Clock::start(), peer).is_empty());
    }
}
