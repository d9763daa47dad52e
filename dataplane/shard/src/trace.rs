//! Captured messages of chosen calls: what the ladder of a call is drawn from.

use alloc::vec::Vec;

use cdr::trace::Seen;
use sip::Hop;
use units::WallTime;

/// Messages kept of one call at most; what comes later is counted only.
const MESSAGES_MAX: usize = 64;
/// Bytes kept of one call at most.
const BYTES_MAX: usize = 64 << 10;
/// Memory for messages grows by so much. A held call keeps them for as long as it lasts: doubling would hold up to as much again.
const STEP_BYTES: usize = 1 << 10;

/// What a call has said when it is answered has room in this many bytes, and all of it in so many messages.
const FIRST_BYTES: usize = 4 << 10;
const USUAL_MESSAGES: usize = 16;

const _: () = assert!(MESSAGES_MAX <= u8::MAX as usize, "each message may have come by a hop of its own");

/// One call's messages so far.
#[derive(Debug, Default)]
pub struct Ladder {
    /// In the order in which they came and went.
    notes: Vec<Noted>,
    /// Which ways they took, each once.
    hops: Vec<Hop>,
    /// Their bytes, one message after the other.
    text: Vec<u8>,
}

/// One message; it begins where the one before it ends.
#[derive(Clone, Copy, Debug)]
struct Noted {
    at: WallTime,
    end: u32,
    leg: u8,
    inbound: bool,
    hop: u8,
}

impl Ladder {
    /// Keeps one message of a leg that came in or went out, if there is room; without the keys of its media, which are within its last
    /// `body` bytes.
    pub fn note(&mut self, at: WallTime, (leg, inbound): (u8, bool), hop: Hop, (bytes, body): (&[u8], usize)) {
        if self.notes.len() >= MESSAGES_MAX || self.text.len() + bytes.len() > BYTES_MAX {
            return;
        }
        let begin = self.text.len();
        if self.text.capacity() - begin < bytes.len() {
            let step = if begin == 0 { FIRST_BYTES } else { STEP_BYTES };
            self.text.reserve_exact(bytes.len().next_multiple_of(step));
        }
        if self.notes.is_empty() {
            self.notes.reserve_exact(USUAL_MESSAGES);
        }
        self.text.extend_from_slice(bytes);
        let head = bytes.len().saturating_sub(body);
        sdp::mask_keys(&mut self.text[begin + head..]);
        let hop = self.place(hop);
        self.notes.push(Noted { at, end: self.text.len() as u32, leg, inbound, hop });
    }

    fn place(&mut self, hop: Hop) -> u8 {
        let known = self.hops.iter().position(|known| *known == hop);
        let place = known.unwrap_or_else(|| {
            self.hops.push(hop);
            self.hops.len() - 1
        });
        place as u8
    }

    /// The messages, each with the way that it took.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = (Seen<'_>, Hop)> {
        self.notes.iter().enumerate().map(|(place, noted)| {
            let begin = place.checked_sub(1).map_or(0, |before| self.notes[before].end);
            let (hop, bytes) = (self.hops[usize::from(noted.hop)], &self.text[begin as usize..noted.end as usize]);
            let Noted { at, leg, inbound, .. } = *noted;
            (Seen { at, leg, inbound, peer: hop.remote, bytes }, hop)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were_noted_without_their_keys_and_with_their_ways() {
        let hop = |port: u16| Hop::udp(0, ([192, 0, 2, 1], port).into());
        let mut ladder = Ladder::default();
        let said: [(u8, &[u8], &[u8]); 4] = [
            (0, b"INVITE sip:1@2 SIP/2.0\r\n", b"INVITE sip:1@2 SIP/2.0\r\n"),
            (1, b"a=crypto:1 X inline:c2VjcmV0\r\n", b"a=crypto:1 X inline:********\r\n"),
            (0, b"", b""),
            (1, &[b'a'; 3_000], &[b'a'; 3_000]),
        ];
        for (place, (leg, bytes, _)) in said.iter().enumerate() {
            let at = WallTime::from_micros(place as i64);
            ladder.note(at, (*leg, *leg == 0), hop(5_060 + u16::from(*leg)), (bytes, bytes.len()));
        }
        let kept: Vec<_> = ladder.messages().map(|(seen, hop)| (seen.at.micros(), seen.leg, seen.bytes, hop)).collect();
        let wanted = said.iter().enumerate();
        let wanted: Vec<_> =
            wanted.map(|(place, (leg, _, kept))| (place as i64, *leg, *kept, hop(5_060 + u16::from(*leg)))).collect();
        assert_eq!(kept, wanted);
        assert!(ladder.messages().all(|(seen, hop)| seen.peer == hop.remote && seen.inbound == (seen.leg == 0)));
    }

    #[test]
    fn a_call_keeps_so_many_messages_and_bytes_and_hardly_more_memory() {
        let hop = Hop::udp(0, ([192, 0, 2, 1], 5_060).into());
        let (mut short, mut long) = (Ladder::default(), Ladder::default());
        for _ in 0..2 * MESSAGES_MAX {
            short.note(WallTime::default(), (0, true), hop, (&[1; 700], 0));
            long.note(WallTime::default(), (0, true), hop, (&[1; 4_000], 0));
        }
        assert_eq!((short.messages().len(), short.text.len()), (MESSAGES_MAX, 700 * MESSAGES_MAX));
        assert_eq!(long.text.len(), BYTES_MAX / 4_000 * 4_000);
        for ladder in [short, long] {
            assert!(ladder.text.capacity() < ladder.text.len() + STEP_BYTES, "{}", ladder.text.capacity());
            assert_eq!(ladder.hops.len(), 1, "one way is kept once");
        }
    }
}
