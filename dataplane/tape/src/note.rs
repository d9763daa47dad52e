//! A note: one message or packet of a chosen call on its way from a shard to the tape thread.
//!
//! Notes travel through a ring of bytes, so that a packet costs one copy and no memory of its own.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use units::{AttemptIndex, CallId, WallTime};

/// Bytes of a note before what it carries.
pub const HEAD_BYTES: usize = 56;
/// Bytes that a note carries at most: the largest datagram.
pub const CARRIED_BYTES_MAX: usize = 65_535;

/// What a note carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum What {
    /// A SIP message.
    #[default]
    Sip = 0,
    /// A datagram of a media port, or its beginning.
    Media = 1,
    /// Nothing: the call is over, and so is what was kept of it.
    End = 2,
    /// How one side's media was, in JSON.
    Report = 3,
    /// A [`crate::Frame`] of a recorded voice.
    Voice = 4,
}

/// Who wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sinks(pub u8);

impl Sinks {
    /// The file of captured packets.
    pub const CAPTURE: Sinks = Sinks(1);
    /// The collector.
    pub const COLLECTOR: Sinks = Sinks(2);
    /// The file of a recorded call.
    pub const RECORDING: Sinks = Sinks(4);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Sinks) -> Sinks {
        Sinks(self.0 | other.0)
    }

    /// True if this is among them.
    pub const fn has(self, one: Sinks) -> bool {
        self.0 & one.0 != 0
    }

    /// True if nobody wants it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What carried a message between the peer and us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Over {
    /// A datagram.
    #[default]
    Udp = 0,
    /// A connection.
    Tcp = 1,
    /// A connection that others cannot read; a note has the message in clear.
    Tls = 2,
}

/// One note's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it carries.
    pub what: What,
    /// Who wants it.
    pub sinks: Sinks,
    /// The call.
    pub call: CallId,
    /// The leg: 0 is the originator's, others are attempts.
    pub leg: u8,
    /// It came to us, rather than from us.
    pub inbound: bool,
    /// What carried it.
    pub over: Over,
    /// Which of our listeners; of SIP only.
    pub listener: u8,
    /// Our media port; 0 for SIP.
    pub port: u16,
    /// When; of a recorded voice by a clock that never jumps.
    pub at: WallTime,
    /// The peer's address.
    pub peer: SocketAddr,
    /// Its length on the wire in bytes; what is carried may be less.
    pub length: u32,
}

impl Note {
    /// Appends the note with what it carries; of that at most [`CARRIED_BYTES_MAX`] bytes.
    pub fn encode(&self, carried: &[u8], out: &mut Vec<u8>) {
        let carried = &carried[..carried.len().min(CARRIED_BYTES_MAX)];
        self.encode_with(carried.len(), out, |out| out.extend_from_slice(carried));
    }

    /// Appends the note; `carry` appends what it carries, of exactly so many bytes, at most [`CARRIED_BYTES_MAX`].
    pub fn encode_with(&self, carried_bytes: usize, out: &mut Vec<u8>, carry: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(&(carried_bytes as u16).to_le_bytes());
        out.extend_from_slice(&[self.what as u8, self.sinks.0, self.leg, u8::from(self.inbound), self.over as u8]);
        out.push(self.listener);
        out.extend_from_slice(&self.port.to_le_bytes());
        out.extend_from_slice(&self.call.to_bytes(AttemptIndex(0)));
        out.extend_from_slice(&self.at.micros().to_le_bytes());
        let mapped = match self.peer.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        out.extend_from_slice(&mapped.octets());
        out.extend_from_slice(&self.peer.port().to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        carry(out);
    }

    /// How many bytes follow a head, if these are one's first two.
    pub fn carried_bytes(first: [u8; 2]) -> usize {
        usize::from(u16::from_le_bytes(first))
    }

    /// Reads a head; `None` if it is none.
    pub fn decode(head: &[u8; HEAD_BYTES]) -> Option<Note> {
        let what = match head[2] {
            0 => What::Sip,
            1 => What::Media,
            2 => What::End,
            3 => What::Report,
            4 => What::Voice,
            _ => return None,
        };
        let over = match head[6] {
            0 => Over::Udp,
            1 => Over::Tcp,
            2 => Over::Tls,
            _ => return None,
        };
        let address = Ipv6Addr::from(part::<16>(head, 34)?);
        Some(Note {
            what,
            sinks: Sinks(head[3]),
            leg: head[4],
            inbound: head[5] != 0,
            over,
            listener: head[7],
            port: u16::from_le_bytes(part(head, 8)?),
            call: CallId::from_bytes(part(head, 10)?).0,
            at: WallTime::from_micros(i64::from_le_bytes(part(head, 26)?)),
            peer: SocketAddr::new(IpAddr::V6(address).to_canonical(), u16::from_le_bytes(part(head, 50)?)),
            length: u32::from_le_bytes(part(head, 52)?),
        })
    }
}

fn part<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..at + N)?.try_into().ok()
}
