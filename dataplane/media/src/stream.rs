//! One leg's media: its two ports' trust, its other half, and what it measured.

use alloc::boxed::Box;

use units::Instant;

use crate::crypt::Crypt;
use crate::digits::Digits;
use crate::format::{Format, Formats};
use crate::kernel::{Below, Path};
use crate::latch::Latch;
use crate::quality::Tally;
use crate::report::Echo;
use crate::rtp::Header;
use crate::stay::Stays;

/// What the datagrams on a stream's first port are; its second port is for RTCP in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carries {
    /// RTP.
    #[default]
    Rtp,
    /// SRTP, or perhaps SRTP: keys were named, ours or of the ends alone.
    Srtp,
    /// SRTP and the handshake that makes its keys (RFC 5764): both pass.
    RtpAndDtls,
    /// Anything, such as UDPTL (ITU-T T.38 §9.1): it passes unmeasured.
    Datagrams,
}

/// The state of one pair of ports while a call has it. In order, what every packet touches comes first and on whole lines of the
/// processor's memory: with thousands of calls each line costs more than all that is done with it.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(crate) struct Stream {
    /// The payload types that pass, a bit each: those below 64, and the others.
    types: [u64; 2],
    pub(crate) rtp: Latch,
    /// Told apart from the pair's earlier users.
    pub(crate) generation: u32,
    /// The pair that what we hear leaves from.
    pub(crate) joined: Option<u16>,
    /// Why its packets pass through user space.
    pub(crate) stays: Stays,
    pub(crate) carries: Carries,
    /// What it hears goes nowhere.
    pub(crate) hushed: bool,
    /// RTP that it hears goes nowhere.
    pub(crate) mute: bool,
    /// Where its packets are relayed.
    pub(crate) path: Path,
    /// The peer was heard at an address that was not known for certain before.
    pub(crate) moved: bool,
    /// The next packet that is passed on decides whether the kernel may relay.
    pub(crate) review: bool,
    /// What the last packet's payload type means.
    format: Option<Format>,
    /// Keys of its own, if it ever had any.
    pub(crate) crypt: Option<Box<Crypt>>,
    /// When media of the peer was last heard here.
    pub(crate) heard: Option<Instant>,
    pub(crate) tally: Tally,
    pub(crate) formats: Formats,
    pub(crate) rtcp: Latch,
    pub(crate) digits: Digits,
    pub(crate) echo: Echo,
    /// The round trip beyond its other half, which is gone, in microseconds.
    pub(crate) beyond_us: u32,
    /// One of its ports could not be opened.
    pub(crate) avoid: bool,
    /// The present or last stay in the kernel.
    pub(crate) below: Below,
}

impl Stream {
    pub(crate) fn new(generation: u32) -> Stream {
        let (rtp, rtcp) = (Latch::Deaf, Latch::Deaf);
        Stream {
            generation,
            joined: None,
            carries: Carries::default(),
            rtp,
            rtcp,
            heard: None,
            format: None,
            formats: Formats::default(),
            tally: Tally::default(),
            digits: Digits::default(),
            echo: Echo::default(),
            beyond_us: 0,
            avoid: false,
            hushed: false,
            mute: false,
            types: [u64::MAX; 2],
            stays: Stays::default(),
            crypt: None,
            path: Path::Socket,
            below: Below::default(),
            moved: false,
            review: false,
        }
    }

    /// True if RTP of this payload type passes.
    #[inline]
    pub(crate) fn takes(&self, payload_type: u8) -> bool {
        self.types[usize::from(payload_type >> 6 & 1)] >> (payload_type & 63) & 1 == 1
    }

    /// The payload types that pass, a bit each.
    pub(crate) fn types(&self) -> u128 {
        u128::from(self.types[0]) | u128::from(self.types[1]) << 64
    }

    /// These payload types pass from now on, a bit each.
    pub(crate) fn take_types(&mut self, types: u128) {
        self.types = [types as u64, (types >> 64) as u64];
    }

    /// One RTP packet of the peer.
    pub(crate) fn measure(&mut self, came: Instant, header: &Header, bytes: usize) {
        if self.path == Path::Socket {
            let format = self.format(header.payload_type);
            self.tally.packet(came, header, format, bytes);
        } else {
            self.tally.stray(came, bytes);
            self.below.stray(header.sequence);
        }
    }

    /// What a payload type means.
    #[inline]
    pub(crate) fn format(&mut self, payload_type: u8) -> Format {
        match self.format {
            Some(format) if format.payload_type == payload_type => format,
            Some(_) | None => self.look_up(payload_type),
        }
    }

    #[inline(never)]
    fn look_up(&mut self, payload_type: u8) -> Format {
        *self.format.insert(self.formats.find(payload_type))
    }

    /// What payload types mean from now on.
    pub(crate) fn describe(&mut self, formats: Formats) {
        (self.formats, self.format) = (formats, None);
    }

    /// What was measured here and in the kernel.
    pub(crate) fn measured(&self) -> Tally {
        let mut tally = self.tally;
        tally.absorb(&self.below);
        tally
    }

    /// Back from the kernel: what it counted is ours.
    pub(crate) fn land(&mut self) {
        let below = core::mem::take(&mut self.below);
        self.tally.absorb(&below);
        self.heard = self.heard.max(below.carried.last);
        self.path = Path::Socket;
    }
}
