//! What a packet must look like to be relayed. Everything else on a media port (STUN, noise) is not ours.

use crate::stream::Carries;

/// What the relay measures of an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) source: u32,
    /// The header's length in bytes.
    pub(crate) length: u16,
}

/// A datagram on a media port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    Rtp(Header),
    Rtcp,
    /// Not looked into: a DTLS record, or whatever a stream of datagrams has.
    Opaque,
}

impl Packet {
    /// Whether somebody is heard, or an image sent. Reports and handshakes go on while nobody is: they keep no call alive.
    #[inline]
    pub(crate) fn is_heard(&self, carries: Carries) -> bool {
        match self {
            Packet::Rtp(_) => true,
            Packet::Opaque => carries == Carries::Datagrams,
            Packet::Rtcp => false,
        }
    }
}

const HEADER_BYTES: usize = 12;

/// Reads what came to an RTP port. RFC 5761 §4: second bytes 192 to 223 are RTCP that shares the port. RFC 5764 §5.1.2: first
/// bytes 20 to 63 are DTLS. UDPTL (T.38 §9.1) begins with a sequence number of two bytes, so that any bytes may be it.
#[inline]
pub(crate) fn read(carries: Carries, bytes: &[u8]) -> Option<Packet> {
    match (carries, bytes.first()?) {
        (Carries::Datagrams, _) => return (bytes.len() > 2).then_some(Packet::Opaque),
        (Carries::RtpAndDtls, 20..=63) => return read_handshake(bytes),
        (Carries::Rtp | Carries::Srtp | Carries::RtpAndDtls, _) => {}
    }
    match bytes.get(1) {
        Some(192..=223) => read_rtcp(bytes),
        Some(_) => read_rtp(bytes),
        None => None,
    }
}

/// Reads what came to an RTCP port. RFC 5764 §3: where RTCP has a port of its own, it has a handshake of its own.
#[inline]
pub(crate) fn read_second(carries: Carries, bytes: &[u8]) -> Option<Packet> {
    match (carries, bytes.first()?) {
        (Carries::RtpAndDtls, 20..=63) => read_handshake(bytes),
        (Carries::Rtp | Carries::Srtp | Carries::RtpAndDtls | Carries::Datagrams, _) => read_rtcp(bytes),
    }
}

fn read_handshake(bytes: &[u8]) -> Option<Packet> {
    if bytes[0] < 32 { read_dtls(bytes) } else { read_dtls_13(bytes) }
}

/// RFC 6347 §4.1: type, version (254 or 253 after the sign of its first byte), epoch, number, length: 13 bytes, then the fragment.
fn read_dtls(bytes: &[u8]) -> Option<Packet> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(11)?, *bytes.get(12)?]));
    (bytes[1] == 254 && 13 + length <= bytes.len()).then_some(Packet::Opaque)
}

/// RFC 9147 §4: `001CSLEE`, a connection id where C is set (of a length that only the ends know), a number of one byte or, where S is
/// set, two, a length where L is set; what follows is encrypted, with at least sixteen bytes for the cipher's proof (§4.2.3).
fn read_dtls_13(bytes: &[u8]) -> Option<Packet> {
    let (with_id, long_number, with_length) = (bytes[0] & 0x10 != 0, bytes[0] & 8 != 0, bytes[0] & 4 != 0);
    let length_at = 2 + usize::from(long_number);
    let sealed_at = length_at + if with_length { 2 } else { 0 };
    let sealed = bytes.len().checked_sub(sealed_at).filter(|sealed| *sealed >= 16)?;
    if with_id || !with_length {
        return Some(Packet::Opaque);
    }
    let length = usize::from(u16::from_be_bytes([bytes[length_at], bytes[length_at + 1]]));
    (length <= sealed).then_some(Packet::Opaque)
}

#[inline]
fn read_rtp(bytes: &[u8]) -> Option<Packet> {
    if bytes.len() < HEADER_BYTES || bytes[0] >> 6 != 2 {
        return None;
    }
    // RFC 3550 §5.1: CSRC entries, §5.3.1: one extension with its own length in words.
    let mut header_bytes = HEADER_BYTES + 4 * usize::from(bytes[0] & 0x0f);
    if bytes[0] & 0x10 != 0 {
        let words = bytes.get(header_bytes + 2..header_bytes + 4)?;
        header_bytes += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    if header_bytes > bytes.len() {
        return None;
    }
    Some(Packet::Rtp(Header {
        payload_type: bytes[1] & 0x7f,
        sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
        timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        source: u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
        length: header_bytes as u16,
    }))
}

/// Only the first packet of a compound is looked at: in SRTCP the rest is encrypted (RFC 3711 §3.4). What is not must be [`is_whole`].
fn read_rtcp(bytes: &[u8]) -> Option<Packet> {
    if bytes.len() < 8 || bytes[0] >> 6 != 2 || !(192..=223).contains(&bytes[1]) {
        return None;
    }
    // RFC 3550 §6.4.1: the length counts 32-bit words minus one.
    let first_bytes = 4 * (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])) + 1);
    (first_bytes <= bytes.len()).then_some(Packet::Rtcp)
}

/// Whether each packet of a compound has our version and a type of RTCP, and all together are as long as the datagram (RFC 3550 A.2).
pub(crate) fn is_whole(compound: &[u8]) -> bool {
    let mut rest = compound;
    while let [head, kind, high, low, ..] = *rest {
        let packet_bytes = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        match rest.get(packet_bytes..) {
            Some(after) if head >> 6 == 2 && (192..=223).contains(&kind) => rest = after,
            _ => return false,
        }
    }
    rest.is_empty()
}
