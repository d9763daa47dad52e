//! IP and UDP headers that we write ourselves, for datagrams that leave by one raw socket from any of our ports.

use std::net::{IpAddr, SocketAddr};

const V4: usize = 20;
const V6: usize = 40;
const UDP: usize = 8;
/// RFC 1700's default, as the kernel's own sockets have it.
const HOPS: u8 = 64;
/// Assigned Internet protocol number of UDP.
const PROTOCOL: u8 = 17;

/// Bytes of both headers of a datagram between these two; none if they are of different families.
pub(crate) fn bytes(from: SocketAddr, to: SocketAddr) -> Option<usize> {
    match (from.ip(), to.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) => Some(V4 + UDP),
        (IpAddr::V6(_), IpAddr::V6(_)) => Some(V6 + UDP),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

/// Writes both headers before the payload that follows them in `datagram`, [`bytes`] from its beginning.
pub(crate) fn write(datagram: &mut [u8], from: SocketAddr, to: SocketAddr, traffic_class: u8) {
    let length = datagram.len();
    let udp = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            // RFC 791 §3.1. The kernel computes its checksum. Never fragmented, so its number means nothing (RFC 6864 §4.1).
            datagram[..12].copy_from_slice(&[0x45, traffic_class, 0, 0, 0, 1, 0x40, 0, HOPS, PROTOCOL, 0, 0]);
            datagram[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            datagram[12..16].copy_from_slice(&from.octets());
            datagram[16..20].copy_from_slice(&to.octets());
            V4
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            // RFC 8200 §3.
            datagram[..8].copy_from_slice(&[0x60 | traffic_class >> 4, traffic_class << 4, 0, 0, 0, 0, PROTOCOL, HOPS]);
            datagram[4..6].copy_from_slice(&((length - V6) as u16).to_be_bytes());
            datagram[8..24].copy_from_slice(&from.octets());
            datagram[24..40].copy_from_slice(&to.octets());
            V6
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return,
    };
    let udp_length = (length - udp) as u16;
    datagram[udp..udp + 2].copy_from_slice(&from.port().to_be_bytes());
    datagram[udp + 2..udp + 4].copy_from_slice(&to.port().to_be_bytes());
    datagram[udp + 4..udp + 6].copy_from_slice(&udp_length.to_be_bytes());
    datagram[udp + 6..udp + 8].fill(0);
    // RFC 768: over both addresses, the protocol, the length, header and payload. Both addresses end where UDP begins.
    let addresses = if udp == V4 { 12 } else { 8 };
    let pseudo = u64::from(u16::from_ne_bytes([0, PROTOCOL])) + u64::from(udp_length.to_be());
    let checksum = fold(pseudo + sum(&datagram[addresses..]));
    datagram[udp + 6..udp + 8].copy_from_slice(&checksum.to_ne_bytes());
}

/// Adds 32-bit words in this machine's order: the checksum does not mind (RFC 1071 §2).
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(4);
    let mut last = [0; 4];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    let rest = u64::from(u32::from_ne_bytes(last));
    rest + words.map(|word| u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]))).sum::<u64>()
}

/// A computed zero is sent as all ones (RFC 768).
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match !(sum as u16) {
        0 => 0xffff,
        checksum => checksum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071 word by word: whatever is summed with its checksum gives all ones.
    fn plain(bytes: &[u8]) -> u16 {
        let word = |two: &[u8]| u32::from(two[0]) << 8 | two.get(1).map_or(0, |byte| u32::from(*byte));
        let sum: u32 = bytes.chunks(2).map(word).sum();
        ((sum & 0xffff) + (sum >> 16)) as u16
    }

    #[test]
    fn a_datagrams_checksum_is_right_for_both_families_and_odd_lengths() {
        for (from, to) in [("192.0.2.1:20000", "198.51.100.7:4000"), ("[2001:db8::1]:20001", "[2001:db8::f00d]:65535")]
        {
            let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
            let head = bytes(from, to).unwrap();
            for payload in [0, 1, 12, 171, 172, 1_400] {
                let mut datagram = vec![0xa7; head + payload];
                write(&mut datagram, from, to, 0xb8);
                let udp = head - UDP;
                let addresses = &datagram[if udp == V4 { 12 } else { 8 }..udp];
                let mut covered = addresses.to_vec();
                covered.extend([0, PROTOCOL]);
                covered.extend(((UDP + payload) as u16).to_be_bytes());
                covered.extend(&datagram[udp..]);
                assert_eq!(plain(&covered), 0xffff, "{from} {payload}");
            }
        }
    }

    #[test]
    fn families_do_not_mix() {
        assert_eq!(bytes("192.0.2.1:2".parse().unwrap(), "[::1]:2".parse().unwrap()), None);
    }
}
