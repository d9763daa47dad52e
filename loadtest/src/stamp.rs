//! RTP packets that know whose they are: a relay that loses, repeats, reorders or mixes them up is found out.

use std::net::SocketAddr;

use crate::clock::MS;

/// Bytes of a packet: RTP header and 20 ms of G.711.
pub const PACKET_BYTES: usize = 172;
/// Between two packets.
pub const PACKET_NS: u64 = 20 * MS;
const MAGIC: [u8; 4] = *b"TdmL";

/// What a received packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The call's place in the plan.
    pub place: u32,
    /// Sent by the caller's end.
    pub by_caller: bool,
    /// Counts from 0.
    pub sequence: u32,
    /// When it was sent, on the run's clock.
    pub sent: u64,
}

/// Writes one packet.
pub fn write(packet: &mut [u8; PACKET_BYTES], stamp: Stamp) {
    packet.fill(0xD5);
    packet[0] = 0x80;
    packet[1] = if stamp.sequence == 0 { 0x88 } else { 8 };
    packet[2..4].copy_from_slice(&(stamp.sequence as u16).to_be_bytes());
    packet[4..8].copy_from_slice(&stamp.sequence.wrapping_mul(160).to_be_bytes());
    let source = (stamp.place << 1) | u32::from(stamp.by_caller);
    packet[8..12].copy_from_slice(&source.to_be_bytes());
    packet[12..16].copy_from_slice(&MAGIC);
    packet[16..20].copy_from_slice(&stamp.place.to_be_bytes());
    packet[20] = u8::from(stamp.by_caller);
    packet[21..25].copy_from_slice(&stamp.sequence.to_be_bytes());
    packet[25..33].copy_from_slice(&stamp.sent.to_be_bytes());
}

/// Reads one packet; `None` if it is not of this program.
pub fn read(packet: &[u8]) -> Option<Stamp> {
    if packet.len() != PACKET_BYTES || packet[12..16] != MAGIC {
        return None;
    }
    let word = |at: usize| u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
    let sent = (u64::from(word(25)) << 32) | u64::from(word(29));
    Some(Stamp { place: word(16), by_caller: packet[20] == 1, sequence: word(21), sent })
}

/// One end of one call's media.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// Where packets go.
    pub peer: SocketAddr,
    /// Packets sent.
    pub sent: u32,
    /// Packets received that belong here.
    pub received: u32,
    /// Highest sequence received, plus one.
    pub next: u32,
    /// Packets that came after a later one.
    pub late: u32,
    /// Packets of another call, or not ours at all.
    pub misrouted: u32,
}

impl Stream {
    /// Nothing sent or heard yet.
    pub fn new(peer: SocketAddr) -> Stream {
        Stream { peer, sent: 0, received: 0, next: 0, late: 0, misrouted: 0 }
    }

    /// Counts a packet; true if it belongs to this end of this call.
    pub fn hear(&mut self, stamp: Option<Stamp>, place: u32, by_caller: bool) -> bool {
        match stamp {
            Some(stamp) if stamp.place == place && stamp.by_caller == by_caller => {
                self.received += 1;
                if stamp.sequence >= self.next {
                    self.next = stamp.sequence + 1;
                } else {
                    self.late += 1;
                }
                true
            }
            _ => {
                self.misrouted += 1;
                false
            }
        }
    }

    /// Gaps in what was heard, up to the last packet heard.
    pub fn lost(&self) -> u32 {
        self.next.saturating_sub(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_of_another_call_is_found_out() {
        let mut packet = [0; PACKET_BYTES];
        let mut stream = Stream::new(SocketAddr::from(([127, 0, 0, 1], 4000)));
        for sequence in [0, 1, 3, 2, 5] {
            write(&mut packet, Stamp { place: 9, by_caller: true, sequence, sent: 77 });
            assert!(stream.hear(read(&packet), 9, true));
        }
        write(&mut packet, Stamp { place: 8, by_caller: true, sequence: 6, sent: 77 });
        assert!(!stream.hear(read(&packet), 9, true));
        assert!(!stream.hear(read(&packet[..40]), 9, true));
        assert_eq!((stream.received, stream.late, stream.lost(), stream.misrouted), (5, 1, 1, 2));
    }
}
