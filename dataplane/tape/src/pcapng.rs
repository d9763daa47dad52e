//! Files of captured packets: pcapng, as `draft-ietf-opsawg-pcapng` says (§3 blocks, §3.5 options, §4.1 to §4.3 the three that are
//! used). Little-endian, one section, time in nanoseconds.

use alloc::vec::Vec;

use units::WallTime;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
/// Written in the writer's byte order.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Packets are frames of Ethernet (LINKTYPE_ETHERNET). Raw IP would be nearer, but libpcap refuses a file with several interfaces of it.
const LINK: u16 = 1;
/// The smallest block: type, length, length.
const BLOCK_BYTES_MIN: usize = 12;

const COMMENT: u16 = 1;

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Way {
    /// To us.
    In = 1,
    /// From us.
    Out = 2,
}

/// Appends a section's beginning: who wrote it.
pub fn section(program: &str, out: &mut Vec<u8>) {
    block(SECTION, out, |out| {
        out.extend_from_slice(&BYTE_ORDER.to_le_bytes());
        out.extend_from_slice(&[1, 0, 0, 0]);
        // The section's length is not known.
        out.extend_from_slice(&u64::MAX.to_le_bytes());
        option(4, program.as_bytes(), out);
        option(0, b"", out);
    });
}

/// Appends an interface; packets name it by its place among them.
pub fn interface(name: &str, description: &str, out: &mut Vec<u8>) {
    block(INTERFACE, out, |out| {
        out.extend_from_slice(&LINK.to_le_bytes());
        // Packets of any length.
        out.extend_from_slice(&[0; 6]);
        option(2, name.as_bytes(), out);
        option(3, description.as_bytes(), out);
        // Ten to the minus ninth.
        option(9, &[9], out);
        option(0, b"", out);
    });
}

/// One packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The interface's place.
    pub interface: u32,
    /// When it came or went.
    pub at: WallTime,
    /// Which way.
    pub way: Way,
    /// What there is of it.
    pub bytes: &'a [u8],
    /// How long it was.
    pub length: usize,
    /// What is said about it.
    pub comment: &'a str,
}

/// Appends a packet.
pub fn packet(packet: &Packet<'_>, out: &mut Vec<u8>) {
    let nanos = u64::try_from(packet.at.micros()).unwrap_or(0).saturating_mul(1_000);
    block(PACKET, out, |out| {
        let lengths = [packet.bytes.len() as u32, packet.length as u32];
        for word in [packet.interface, (nanos >> 32) as u32, nanos as u32].iter().chain(&lengths) {
            out.extend_from_slice(&word.to_le_bytes());
        }
        padded(packet.bytes, out);
        option(COMMENT, packet.comment.as_bytes(), out);
        option(2, &(packet.way as u32).to_le_bytes(), out);
        option(0, b"", out);
    });
}

/// How many of a file's bytes are whole blocks: what follows was being written when its writer ended.
pub fn whole(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(length) = bytes.get(at + 4..at + 8).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes) {
        let length = length as usize;
        let is_sound = length >= BLOCK_BYTES_MIN && length.is_multiple_of(4);
        let Some(end) = at.checked_add(length).filter(|end| is_sound && *end <= bytes.len()) else { break };
        if bytes[end - 4..end] != bytes[at + 4..at + 8] {
            break;
        }
        at = end;
    }
    at
}

fn block(kind: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = (out.len() - start + 4) as u32;
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
}

fn option(code: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    padded(value, out);
}

/// Fields end on multiples of four bytes.
fn padded(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(bytes);
    let rest = bytes.len().next_multiple_of(4) - bytes.len();
    out.extend_from_slice(&[0; 4][..rest]);
}
