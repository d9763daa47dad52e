//! The values that the kernel's program and we both read, byte for byte as `bpf/mill.c` has them.

use std::net::SocketAddrV4;

/// Bytes of a frame: Ethernet, IPv4, UDP, RTP and 20 ms of G.711.
pub const FRAME_BYTES: usize = 214;
/// Bytes of `struct stream`.
pub(crate) const STREAM_BYTES: usize = 44;
/// Bytes of `struct at`.
pub(crate) const AT_BYTES: usize = 8;
/// Bytes of `struct ear`.
pub(crate) const EAR_BYTES: usize = 104;
/// Bytes of `struct turn`.
pub(crate) const TURN_BYTES: usize = 64;

/// Who speaks: what its packets say of themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Speaks {
    /// The call's place in the plan.
    pub place: u32,
    /// It is the caller's end.
    pub by_caller: bool,
    /// Which of the terminators' calls it is; 0 for callers.
    pub source: u32,
    /// The RTP source (RFC 3550 §5.1).
    pub ssrc: u32,
}

/// Who is to be heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hears {
    /// The call's place in the plan.
    pub place: u32,
    /// The caller's end is to be heard.
    pub by_caller: bool,
    /// Packets that it had sent before anybody listened.
    pub skipped: u32,
}

/// What an end has heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The last source heard.
    pub source: u32,
    /// One above its highest sequence.
    pub next: u32,
    /// What it had sent before anybody listened.
    pub skipped: u32,
    /// What was expected of sources before it.
    pub expected_before: u32,
    /// Packets that belong here.
    pub packets: u32,
    /// Of these, each once.
    pub received: u32,
    /// Packets of another call or end.
    pub misrouted: u32,
    /// Runs of packets missing.
    pub loss_runs: u32,
    /// Packets that came after a later one.
    pub late: u32,
    /// Packets that had come before.
    pub duplicate: u32,
    /// Packets more than 60 ms later than the fastest.
    pub unplayable: u32,
    /// Packets of the last source whose delays are added up.
    pub timed: u32,
    /// Their delays from end to end, in nanoseconds.
    pub delays_ns: i64,
    /// Interarrival jitter (RFC 3550 §6.4.1), in nanoseconds.
    pub jitter_ns: u64,
}

impl Speaks {
    /// The kernel's form of a stream between these, the other side's being reached by this address of its link.
    pub(crate) fn bytes(&self, from: SocketAddrV4, to: SocketAddrV4, link_to: [u8; 6]) -> [u8; STREAM_BYTES] {
        let mut out = [0; STREAM_BYTES];
        out[..4].copy_from_slice(&1_u32.to_ne_bytes());
        out[8..12].copy_from_slice(&from.ip().octets());
        out[16..18].copy_from_slice(&from.port().to_be_bytes());
        for (at, word) in [(28, self.place), (32, self.source), (36, self.ssrc)] {
            out[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        out[40..44].copy_from_slice(&u32::from(self.by_caller).to_ne_bytes());
        turn(&mut out, to, link_to);
        out
    }
}

/// Turns a stream to another address.
pub(crate) fn turn(stream: &mut [u8; STREAM_BYTES], to: SocketAddrV4, link_to: [u8; 6]) {
    stream[12..16].copy_from_slice(&to.ip().octets());
    stream[18..20].copy_from_slice(&to.port().to_be_bytes());
    // As `mill.c` writes the header.
    let mut header = [0x45, 0xb8, 0, 200, 0, 0, 0x40, 0, 64, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[12..20].copy_from_slice(&stream[8..16]);
    stream[20..22].copy_from_slice(&checksum(&header).to_be_bytes());
    stream[22..28].copy_from_slice(&link_to);
}

/// How many packets a stream has made.
pub(crate) fn made(stream: &[u8; STREAM_BYTES]) -> u32 {
    u32::from_ne_bytes([stream[4], stream[5], stream[6], stream[7]])
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The kernel's form of an address of ours.
pub(crate) fn at(address: SocketAddrV4) -> [u8; AT_BYTES] {
    let ([a, b, c, d], [high, low]) = (address.ip().octets(), address.port().to_be_bytes());
    [a, b, c, d, high, low, 0, 0]
}

/// Places of an ear's first words, after its lock.
const PLACE: usize = 4;

impl Hears {
    /// The kernel's form of an ear that has heard nothing.
    pub(crate) fn bytes(&self) -> [u8; EAR_BYTES] {
        let mut out = [0; EAR_BYTES];
        let words = [self.place, u32::from(self.by_caller), 0, self.skipped, self.skipped];
        for (nth, word) in words.into_iter().enumerate() {
            out[PLACE + 4 * nth..PLACE + 4 * nth + 4].copy_from_slice(&word.to_ne_bytes());
        }
        out[64..72].copy_from_slice(&u64::MAX.to_ne_bytes());
        out
    }
}

impl Heard {
    pub(crate) fn read(bytes: &[u8; EAR_BYTES]) -> Heard {
        let word = |nth: usize| {
            let at = PLACE + 4 * nth;
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let wide = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        Heard {
            source: word(2),
            next: word(3),
            skipped: word(4),
            expected_before: word(5),
            packets: word(6),
            received: word(7),
            misrouted: word(8),
            loss_runs: word(9),
            late: word(10),
            duplicate: word(11),
            unplayable: word(12),
            timed: word(13),
            delays_ns: wide(88) as i64,
            jitter_ns: wide(96) >> 4,
        }
    }
}
