//! Which shard owns a SIP datagram.
//!
//! The Call-ID decides: one that we minted ends in a mark with the shard's number, any other is hashed. So all messages of a leg
//! meet at one shard, whichever socket the kernel gave them to.

use alloc::vec::Vec;

use units::ShardId;

/// Starts the mark at the end of a minted Call-ID.
const MARK: &[u8] = b"-tdm";

/// The mark of a shard: `-tdm` and four hexadecimal digits.
pub fn mark(shard: ShardId) -> Vec<u8> {
    let mut mark = MARK.to_vec();
    mark.extend((0..4).map(|place| b"0123456789abcdef"[usize::from(shard.0 >> (12 - place * 4)) & 15]));
    mark
}

/// The shard named by a minted Call-ID.
pub fn minted(call_id: &[u8]) -> Option<ShardId> {
    let tail = call_id.get(call_id.len().checked_sub(MARK.len() + 4)?..)?;
    let digits = core::str::from_utf8(tail.strip_prefix(MARK)?).ok()?;
    u16::from_str_radix(digits, 16).ok().map(ShardId)
}

/// The owner among `shards` of a datagram; `None` if it has no Call-ID, so that whoever got it may refuse it.
pub fn owner(datagram: &[u8], shards: u16) -> Option<ShardId> {
    let call_id = find_call_id(datagram)?;
    let named = minted(call_id).filter(|shard| shard.0 < shards);
    Some(named.unwrap_or_else(|| ShardId((hash(call_id) % u64::from(shards.max(1))) as u16)))
}

/// The value of the first Call-ID header, without reading the rest of the message.
fn find_call_id(datagram: &[u8]) -> Option<&[u8]> {
    let mut rest = &datagram[memchr::memchr(b'\n', datagram)? + 1..];
    loop {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        if matches!(line.first()?, b'C' | b'c' | b'I' | b'i') {
            let colon = memchr::memchr(b':', line).unwrap_or(0);
            let name = line[..colon].trim_ascii();
            if name.eq_ignore_ascii_case(b"Call-ID") || name.eq_ignore_ascii_case(b"i") {
                return Some(line[colon + 1..].trim_ascii());
            }
        } else if line.trim_ascii().is_empty() {
            return None;
        }
        rest = rest.get(end + 1..)?;
    }
}

/// FNV-1a, 64 bits: the same on every node and in every release.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mixed = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    mixed ^ (mixed >> 32)
}
