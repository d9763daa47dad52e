//! Captured messages of chosen calls: what the ladder of a call is drawn from.

use alloc::vec::Vec;

use cdr::trace::{self, Seen};
use sip::Hop;
use units::{CallId, WallTime};

/// Messages kept of one call at most; what comes later is counted only.
const MESSAGES_MAX: usize = 64;
/// Bytes of messages kept of one call at most.
const BYTES_MAX: usize = 64 << 10;
/// Memory for messages comes in pieces of so much, the first for most of what a call has said when it is answered. Nothing is moved
/// when there are more, and a held call keeps hardly more than it fills.
const FIRST_BYTES: usize = 4 << 10;
const PIECE_BYTES: usize = 2 << 10;
/// Memory for a long message is a multiple of this.
const STEP_BYTES: usize = 1 << 10;
/// All of a call has room in so many messages and pieces.
const USUAL_MESSAGES: usize = 16;
const USUAL_PIECES: usize = 4;
/// What has one of its own.
const USUAL_HOPS: usize = 2;

const _: () =
    assert!(MESSAGES_MAX <= u8::MAX as usize, "each message may have come by a hop, and lie in a piece, of its own");
const _: () = assert!(PIECE_BYTES.is_multiple_of(STEP_BYTES) && FIRST_BYTES >= PIECE_BYTES);

/// One call's messages so far, encoded as they are kept: to hand them over is to hand their memory over.
#[derive(Debug)]
pub struct Ladder {
    /// In the order in which they came and went.
    notes: Vec<Noted>,
    /// Which ways they took, each once.
    hops: Vec<Hop>,
    /// A `cdr` trace, each message whole within one piece.
    pieces: Vec<Vec<u8>>,
    /// Bytes of messages.
    bytes: usize,
}

/// One message.
#[derive(Clone, Copy, Debug)]
struct Noted {
    at: WallTime,
    /// Where its own bytes are in its piece.
    begin: u32,
    end: u32,
    piece: u8,
    leg: u8,
    inbound: bool,
    hop: u8,
}

impl Ladder {
    /// No message yet.
    pub fn new(call: CallId) -> Ladder {
        let (mut first, mut pieces) = (Vec::with_capacity(FIRST_BYTES), Vec::with_capacity(USUAL_PIECES));
        trace::begin(call, &mut first);
        pieces.push(first);
        let (notes, hops) = (Vec::with_capacity(USUAL_MESSAGES), Vec::with_capacity(USUAL_HOPS));
        Ladder { notes, hops, pieces, bytes: 0 }
    }

    /// Keeps one message of a leg that came in or went out, if there is room; without the keys of its media, which are within its last
    /// `body` bytes.
    pub fn note(&mut self, at: WallTime, (leg, inbound): (u8, bool), hop: Hop, (bytes, body): (&[u8], usize)) {
        if self.notes.len() >= MESSAGES_MAX || self.bytes + bytes.len() > BYTES_MAX {
            return;
        }
        self.bytes += bytes.len();
        let place = self.place(hop);
        let needed = bytes.len() + trace::MESSAGE_BYTES;
        if self.pieces.last().is_none_or(|piece| piece.capacity() - piece.len() < needed) {
            self.pieces.push(Vec::with_capacity(needed.next_multiple_of(STEP_BYTES).max(PIECE_BYTES)));
        }
        let number = self.pieces.len() - 1;
        let piece = &mut self.pieces[number];
        trace::append(&Seen { at, leg, inbound, peer: hop.remote, bytes }, piece);
        let (end, begin) = (piece.len(), piece.len() - bytes.len());
        let head = bytes.len().saturating_sub(body);
        sdp::mask_keys(&mut piece[begin + head..]);
        let (begin, end) = (begin as u32, end as u32);
        self.notes.push(Noted { at, begin, end, piece: number as u8, leg, inbound, hop: place });
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
        self.notes.iter().map(|noted| {
            let Noted { at, leg, inbound, .. } = *noted;
            let (hop, piece) = (self.hops[usize::from(noted.hop)], &self.pieces[usize::from(noted.piece)]);
            let bytes = &piece[noted.begin as usize..noted.end as usize];
            (Seen { at, leg, inbound, peer: hop.remote, bytes }, hop)
        })
    }

    /// The encoded trace, in pieces.
    pub fn into_pieces(mut self) -> Vec<Vec<u8>> {
        if let Some(first) = self.pieces.first_mut() {
            trace::close(self.notes.len() as u32, first);
        }
        self.pieces
    }
}

#[cfg(test)]
mod tests {
    use units::{NodeId, ShardId};

    use super::*;

    const CALL: CallId = CallId { node: NodeId(1), boot: 2, shard: ShardId(3), sequence: 4 };

    #[test]
    fn messages_come_back_as_they_were_noted_without_their_keys_and_with_their_ways() {
        let hop = |port: u16| Hop::udp(0, ([192, 0, 2, 1], port).into());
        let mut ladder = Ladder::new(CALL);
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
        let trace = trace::decode(&ladder.into_pieces().concat()).unwrap();
        let told: Vec<_> =
            trace.messages.iter().map(|message| (message.at.micros(), message.leg, &message.bytes[..])).collect();
        let wanted: Vec<_> = wanted.iter().map(|(at, leg, kept, _)| (*at, *leg, *kept)).collect();
        assert_eq!((trace.call, told), (CALL, wanted));
    }

    #[test]
    fn a_call_keeps_so_many_messages_and_bytes_and_hardly_more_memory() {
        let hop = Hop::udp(0, ([192, 0, 2, 1], 5_060).into());
        let (mut short, mut long) = (Ladder::new(CALL), Ladder::new(CALL));
        for _ in 0..2 * MESSAGES_MAX {
            short.note(WallTime::default(), (0, true), hop, (&[1; 700], 0));
            long.note(WallTime::default(), (0, true), hop, (&[1; 4_000], 0));
        }
        assert_eq!((short.messages().len(), short.bytes), (MESSAGES_MAX, 700 * MESSAGES_MAX));
        assert_eq!(long.bytes, BYTES_MAX / 4_000 * 4_000);
        for ladder in [short, long] {
            let room: usize = ladder.pieces.iter().map(Vec::capacity).sum();
            assert!(room < ladder.bytes * 3 / 2, "{room} for {}", ladder.bytes);
            assert_eq!(ladder.hops.len(), 1, "one way is kept once");
        }
    }
}
