//! The two values that the kernel's program and we both read, byte for byte as `bpf/relay.c` has them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::hops::HopId;

/// Bytes of `struct flow`.
pub const FLOW_BYTES: usize = 112;
/// Bytes of `struct heard`.
pub const HEARD_BYTES: usize = 88;

/// The two ways in which a flow is joined.
const BEHIND: u32 = 1;
const AT_ONCE: u32 = 2;

/// One direction of a call's media: from a peer by our two ports to the other peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Our address and port that the packets come to.
    pub local: SocketAddr,
    /// Who may send them; anybody else's go up.
    pub peer: SocketAddr,
    /// Our address and port that they leave from.
    pub from: SocketAddr,
    /// Where they go.
    pub to: SocketAddr,
    /// The byte of DSCP and ECN (RFC 2474 §3) that leaves.
    pub class: u8,
    /// The way to `to`.
    pub hop: HopId,
    /// RTP timestamp units a second, for the jitter; 8,000 for G.711.
    pub clock_rate: u32,
    /// The RTP payload types that are taken, a bit each.
    pub types: u128,
    /// User space relayed it until now and may still have packets of it: the kernel lets packets up until the last one of them was
    /// [passed on](crate::Flows::passed), or 256 of them came.
    pub behind: bool,
}

/// What tells an RTP packet from those before and after it, by number, timestamp and source; `bpf/relay.c` makes the same.
pub fn mark(sequence: u16, timestamp: u32, source: u32) -> u64 {
    (u64::from(sequence) << 48 | u64::from(timestamp)) ^ u64::from(source) << 16
}

impl Flow {
    /// The kernel's form; none if the addresses are not all of one family: such a flow stays in user space.
    pub fn bytes(&self) -> Option<[u8; FLOW_BYTES]> {
        let all = [self.local, self.peer, self.from, self.to];
        let ipv6 = self.local.is_ipv6();
        if all.iter().any(|one| one.is_ipv6() != ipv6) {
            return None;
        }
        let mut out = [0; FLOW_BYTES];
        let joined = if self.behind { BEHIND } else { AT_ONCE };
        out[4..8].copy_from_slice(&joined.to_ne_bytes());
        for (place, address) in [8, 24, 40, 56].into_iter().zip(all) {
            out[place..place + 16].copy_from_slice(&address_bytes(address.ip()));
        }
        for (place, address) in [72, 74, 76].into_iter().zip([self.peer, self.from, self.to]) {
            out[place..place + 2].copy_from_slice(&address.port().to_be_bytes());
        }
        out[78] = u8::from(ipv6);
        out[79] = self.class;
        let words = |address: SocketAddr| address_bytes(address.ip());
        let addresses =
            difference(&[words(self.peer), words(self.local)].concat(), &[words(self.from), words(self.to)].concat());
        let ports = difference(
            &[self.peer.port().to_be_bytes(), self.local.port().to_be_bytes()].concat(),
            &[self.from.port().to_be_bytes(), self.to.port().to_be_bytes()].concat(),
        );
        for (place, word) in [80, 84, 88, 92].into_iter().zip([addresses, ports, self.hop.0, self.clock_rate]) {
            out[place..place + 4].copy_from_slice(&word.to_ne_bytes());
        }
        for (place, shift) in [96, 100, 104, 108].into_iter().zip([0, 32, 64, 96]) {
            out[place..place + 4].copy_from_slice(&((self.types >> shift) as u32).to_ne_bytes());
        }
        Some(out)
    }
}

/// An address in the kernel's order; one of IPv4 fills the first four bytes.
fn address_bytes(address: IpAddr) -> [u8; 16] {
    let mut out = [0; 16];
    match address {
        IpAddr::V4(v4) => out[..4].copy_from_slice(&Ipv4Addr::octets(&v4)),
        IpAddr::V6(v6) => out = Ipv6Addr::octets(&v6),
    }
    out
}

/// What a ones' complement checksum over `old` gains when `new` stands there instead (RFC 1624 §3), not yet folded.
fn difference(old: &[u8], new: &[u8]) -> u32 {
    let words = |bytes: &[u8]| -> Vec<u16> {
        bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect()
    };
    words(old).into_iter().map(|word| u32::from(!word)).chain(words(new).into_iter().map(u32::from)).sum()
}

/// What one direction heard since it was joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// RTP packets.
    pub packets: u64,
    /// Their bytes, RTP headers included.
    pub bytes: u64,
    /// When the first came, in nanoseconds of the monotonic clock; 0 for none.
    pub first_ns: u64,
    /// When the last came.
    pub last_ns: u64,
    /// The last packet's source (RFC 3550 §5.1).
    pub ssrc: u32,
    /// How often the source was a new one, the first included.
    pub sources: u32,
    /// Packets that never came, by sequence numbers.
    pub lost: u32,
    /// Packets that came behind a later one, doubles included.
    pub reordered: u32,
    /// The sequence numbers of the last source's first packet and of its highest, counted on beyond 65,535 as in RFC 3550 A.1.
    pub sequences: (u32, u32),
    /// Interarrival jitter of RFC 3550 §6.4.1, in timestamp units.
    pub jitter: u32,
    /// The longest silence between two packets, in microseconds.
    pub gap_max_us: u32,
}

impl Heard {
    /// Reads the kernel's form.
    pub fn read(bytes: &[u8; HEARD_BYTES]) -> Heard {
        let wide = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let (sources, base, highest, received) = (word(36), word(40), word(44), word(48));
        let expected = if sources == 0 { 0 } else { highest.wrapping_sub(base).wrapping_add(1) };
        Heard {
            packets: wide(0),
            bytes: wide(8),
            first_ns: wide(16),
            last_ns: wide(24),
            ssrc: word(32),
            sources,
            lost: word(52).saturating_add(expected.saturating_sub(received)),
            reordered: word(56),
            sequences: (base, highest),
            jitter: word(64) >> 4,
            gap_max_us: word(68),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_between_families_stays_in_user_space() {
        let flow = Flow {
            local: "192.0.2.1:10000".parse().expect("an address"),
            peer: "192.0.2.9:4000".parse().expect("an address"),
            from: "[2001:db8::1]:10002".parse().expect("an address"),
            to: "[2001:db8::9]:6000".parse().expect("an address"),
            class: 0xb8,
            hop: HopId(0),
            clock_rate: 8_000,
            types: u128::MAX,
            behind: false,
        };
        assert_eq!(flow.bytes(), None);
    }

    #[test]
    fn the_difference_turns_the_old_checksum_into_the_new() {
        let sum = |words: &[u16]| {
            let mut sum: u32 = words.iter().copied().map(u32::from).sum();
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            !(sum as u16)
        };
        let (old, new, rest) = ([0x0102, 0xfffe, 0x8000, 7], [0xabcd, 0, 0xffff, 9], [0x1234, 0x5678]);
        let bytes = |words: [u16; 4]| words.map(u16::to_ne_bytes).concat();
        let before = sum(&[&old[..], &rest[..]].concat());
        let mut after = u32::from(!before) + difference(&bytes(old), &bytes(new));
        while after > 0xffff {
            after = (after & 0xffff) + (after >> 16);
        }
        assert_eq!(!(after as u16), sum(&[&new[..], &rest[..]].concat()));
    }
}
