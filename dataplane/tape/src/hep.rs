//! What a collector of Homer's kind hears: HEP3, the encapsulation of `hep-specification` (sipcapture/HEP, revision 36): chunks of
//! vendor, type, length and value, in network byte order.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use units::WallTime;

/// Address family numbers of chunk 1.
const IPV4: u8 = 2;
const IPV6: u8 = 10;
const UDP: u8 = 17;
const TCP: u8 = 6;
/// Bytes of vendor, type and length.
const CHUNK_HEADER_BYTES: usize = 6;
/// The longest payload that leaves room for its chunks in a datagram.
pub const PAYLOAD_BYTES_MAX: usize = 65_000;

/// What a payload is, as in chunk 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A SIP message.
    Sip = 1,
    /// RTCP as it came.
    Rtcp = 5,
    /// How one side's media was once the call is over, in JSON; 34 would be a report while it runs.
    Quality = 35,
}

/// One packet for the collector.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// What the payload is.
    pub kind: Kind,
    /// Who sent it.
    pub from: SocketAddr,
    /// Who heard it.
    pub to: SocketAddr,
    /// It came over a connection.
    pub stream: bool,
    /// When.
    pub at: WallTime,
    /// Who tells it.
    pub agent: u32,
    /// What belongs together: both legs of a call have the same.
    pub correlation: &'a str,
    /// What is told.
    pub payload: &'a [u8],
}

/// Appends a packet; of a payload that is too long its beginning.
pub fn encode(packet: &Packet<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(b"HEP3\0\0");
    let (from, to) = (packet.from.ip().to_canonical(), packet.to.ip().to_canonical());
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            chunk(1, &[IPV4], out);
            chunk(3, &from.octets(), out);
            chunk(4, &to.octets(), out);
        }
        (from, to) => {
            chunk(1, &[IPV6], out);
            chunk(5, &six(from), out);
            chunk(6, &six(to), out);
        }
    }
    chunk(2, &[if packet.stream { TCP } else { UDP }], out);
    chunk(7, &packet.from.port().to_be_bytes(), out);
    chunk(8, &packet.to.port().to_be_bytes(), out);
    let micros = packet.at.micros().max(0) as u64;
    chunk(9, &((micros / 1_000_000) as u32).to_be_bytes(), out);
    chunk(10, &((micros % 1_000_000) as u32).to_be_bytes(), out);
    chunk(11, &[packet.kind as u8], out);
    chunk(12, &packet.agent.to_be_bytes(), out);
    chunk(17, packet.correlation.as_bytes(), out);
    chunk(15, &packet.payload[..packet.payload.len().min(PAYLOAD_BYTES_MAX)], out);
    let length = (out.len() - start) as u16;
    out[start + 4..start + 6].copy_from_slice(&length.to_be_bytes());
}

fn chunk(kind: u16, value: &[u8], out: &mut Vec<u8>) {
    // Vendor 0: the specification's own chunks.
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&((CHUNK_HEADER_BYTES + value.len()) as u16).to_be_bytes());
    out.extend_from_slice(value);
}

fn six(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}
