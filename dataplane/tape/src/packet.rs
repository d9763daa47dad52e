//! A datagram with the headers that it had, or would have had: what arrives at a socket comes without them.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

const UDP: u8 = 17;
const ETHERNET_BYTES: usize = 14;
const UDP_HEADER_BYTES: usize = 8;
/// Hops that a packet says it may make; what it had left is not known.
const HOPS: u8 = 64;
/// The longest payload of UDP over IPv4 in bytes.
const PAYLOAD_BYTES_MAX: usize = 65_507;

/// Appends a frame: Ethernet without addresses, IP and UDP headers (RFC 791, 8200, 768) and as much of the payload as there is; `length` is what it had on the wire.
/// Returns the length that the whole frame would have had.
pub fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8], length: usize, out: &mut Vec<u8>) -> usize {
    let length = length.max(payload.len()).min(PAYLOAD_BYTES_MAX);
    let payload = &payload[..payload.len().min(length)];
    let udp_bytes = UDP_HEADER_BYTES + length;
    out.extend_from_slice(&[0; 12]);
    let kind = out.len();
    out.extend_from_slice(&[0x08, 0x00]);
    let start = out.len();
    match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let total = (20 + udp_bytes) as u16;
            out.extend_from_slice(&[0x45, 0]);
            out.extend_from_slice(&total.to_be_bytes());
            // Neither a number nor fragments: "do not fragment" is what our own sockets say.
            out.extend_from_slice(&[0, 0, 0x40, 0, HOPS, UDP, 0, 0]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
            let sum = fold(sum(0, &out[start..]));
            out[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
        }
        (from, to) => {
            out[kind..].copy_from_slice(&[0x86, 0xdd]);
            out.extend_from_slice(&[0x60, 0, 0, 0]);
            out.extend_from_slice(&(udp_bytes as u16).to_be_bytes());
            out.extend_from_slice(&[UDP, HOPS]);
            out.extend_from_slice(&six(from));
            out.extend_from_slice(&six(to));
        }
    }
    let addresses = if out[start] >> 4 == 4 { start + 12 } else { start + 8 };
    let udp = out.len();
    out.extend_from_slice(&from.port().to_be_bytes());
    out.extend_from_slice(&to.port().to_be_bytes());
    out.extend_from_slice(&(udp_bytes as u16).to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(payload);
    if payload.len() == length {
        // RFC 768: over the addresses, the protocol, the length and everything; a sum of 0 is written as all ones.
        let begun = sum(u32::from(UDP) + udp_bytes as u32, &out[addresses..udp]);
        let sum = match fold(sum(begun, &out[udp..])) {
            0 => 0xffff,
            sum => sum,
        };
        out[udp + 6..udp + 8].copy_from_slice(&sum.to_be_bytes());
    }
    ETHERNET_BYTES + udp - start + udp_bytes
}

fn six(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// RFC 1071: sixteen-bit words, the last filled up.
fn sum(begun: u32, bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)));
    words.fold(begun, |sum, word| sum + word)
}

fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    !((once & 0xffff) + (once >> 16)) as u16
}
