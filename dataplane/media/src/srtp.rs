//! Encrypted media (RFC 3711): one [`Context`] for each secret, which seals what one side sends or opens what it sent.
//!
//! A packet is changed in its own memory. One whose tag is wrong, or whose number came before, stays as it was.

mod keys;
mod replay;

use alloc::vec::Vec;

pub use keys::{Keys, Secret};
use replay::Window;

use crate::rtp::{self, Header, Packet};
use crate::stream::Carries;

/// The most that sealing adds to a packet, in bytes: a tag of 16 and the number of an RTCP packet.
pub const SEAL_BYTES_MAX: usize = 20;
/// Sources under one key at most. Another one could only be had by forgetting which packets of an older one were seen.
pub const SOURCES_MAX: usize = 16;
/// RFC 3711 §3.4: the bit that says that an RTCP packet is encrypted, before its number of 31 bits.
const ENCRYPTED: u32 = 1 << 31;
/// Bytes of an RTCP packet that stay readable.
const RTCP_HEAD: usize = 8;
const NUMBER_BYTES: usize = 4;

/// Why a packet is neither sealed nor opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its tag is wrong, or it is too short to have one.
    Forged,
    /// Its number was used before, or is too old to tell (RFC 3711 §3.3.2).
    Replayed,
    /// It is the first of one source too many, or the key has served its time (RFC 3711 §9.2).
    Exhausted,
}

/// What one secret protects: every source that is sent under it, RTP and RTCP.
#[derive(Clone)]
pub struct Context {
    secret: Secret,
    rtp: Keys,
    rtcp: Keys,
    sources: Vec<Source>,
    /// The number of the next RTCP packet that is sealed.
    next_report: u32,
}

/// One source's numbers.
#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    rtp: Window,
    rtcp: Window,
}

impl Context {
    /// Derives the keys of a secret.
    pub fn new(secret: Secret) -> Context {
        let (rtp, rtcp) = (Keys::rtp(&secret), Keys::rtcp(&secret));
        Context { secret, rtp, rtcp, sources: Vec::with_capacity(1), next_report: 0 }
    }

    /// The key that it was made of.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Seals an RTP or RTCP packet of `length` bytes at the beginning of `room`; its length afterwards, at most
    /// [`SEAL_BYTES_MAX`] more.
    ///
    /// # Errors
    /// A number that this source used before would betray both packets; it is refused as one that came before.
    pub fn seal(&mut self, room: &mut [u8], length: usize) -> Result<usize, Refused> {
        match room.get(..length).and_then(|packet| rtp::read(Carries::Rtp, packet)) {
            Some(Packet::Rtp(header)) => self.seal_rtp(&header, room, length),
            Some(Packet::Rtcp) => self.seal_rtcp(room, length),
            Some(Packet::Opaque) | None => Err(Refused::Forged),
        }
    }

    /// Opens an RTP or RTCP packet in place; its length afterwards.
    ///
    /// # Errors
    /// Why it is not the peer's; the packet stays as it was.
    pub fn open(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        match rtp::read(Carries::Rtp, packet) {
            Some(Packet::Rtp(header)) => self.open_rtp(&header, packet),
            Some(Packet::Rtcp) => self.open_rtcp(packet),
            Some(Packet::Opaque) | None => Err(Refused::Forged),
        }
    }

    fn seal_rtp(&mut self, header: &Header, room: &mut [u8], length: usize) -> Result<usize, Refused> {
        let tag_bytes = self.rtp.tag_bytes();
        if length + tag_bytes > room.len() {
            return Err(Refused::Exhausted);
        }
        let (place, index) = self.rtp_index(header)?;
        let (packet, tag) = room[..length + tag_bytes].split_at_mut(length);
        let head = usize::from(header.length);
        self.rtp.seal_rtp(header.source, index, packet.split_at_mut(head), tag);
        self.note(place, header.source)?.rtp.note(index);
        Ok(length + tag_bytes)
    }

    fn open_rtp(&mut self, header: &Header, packet: &mut [u8]) -> Result<usize, Refused> {
        let length = packet.len().checked_sub(self.rtp.tag_bytes()).ok_or(Refused::Forged)?;
        let head = usize::from(header.length);
        if length < head {
            return Err(Refused::Forged);
        }
        let (place, index) = self.rtp_index(header)?;
        let (packet, tag) = packet.split_at_mut(length);
        self.rtp.open_rtp(header.source, index, packet.split_at_mut(head), tag)?;
        self.note(place, header.source)?.rtp.note(index);
        Ok(length)
    }

    fn seal_rtcp(&mut self, room: &mut [u8], length: usize) -> Result<usize, Refused> {
        let sealed = length + self.rtcp.tag_bytes() + NUMBER_BYTES;
        // RFC 3711 §9.2: the number of a report has 31 bits and never comes twice.
        if sealed > room.len() || length < RTCP_HEAD || self.next_report == ENCRYPTED {
            return Err(Refused::Exhausted);
        }
        let ssrc = word(&room[4..]);
        self.rtcp.seal_rtcp(ssrc, self.next_report, &mut room[..sealed], length);
        self.next_report += 1;
        Ok(sealed)
    }

    fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let length = packet.len().checked_sub(self.rtcp.tag_bytes() + NUMBER_BYTES).ok_or(Refused::Forged)?;
        if length < RTCP_HEAD {
            return Err(Refused::Forged);
        }
        let (ssrc, number) = (word(&packet[4..]), self.rtcp.number(packet, length));
        let place = self.place(ssrc)?;
        let index = u64::from(number & !ENCRYPTED);
        if self.sources.get(place).is_some_and(|source| source.rtcp.has(index)) {
            return Err(Refused::Replayed);
        }
        self.rtcp.open_rtcp(ssrc, number, packet, length)?;
        self.note(place, ssrc)?.rtcp.note(index);
        Ok(length)
    }

    /// The source's place, and the whole number of one of its packets if it did not come before.
    fn rtp_index(&self, header: &Header) -> Result<(usize, u64), Refused> {
        let place = self.place(header.source)?;
        let index = match self.sources.get(place) {
            Some(source) => source.rtp.extend(header.sequence).ok_or(Refused::Replayed)?,
            None => u64::from(header.sequence),
        };
        Ok((place, index))
    }

    /// The place of a source; the next free one if it was never heard.
    fn place(&self, ssrc: u32) -> Result<usize, Refused> {
        match self.sources.iter().position(|source| source.ssrc == ssrc) {
            Some(place) => Ok(place),
            None if self.sources.len() == SOURCES_MAX => Err(Refused::Exhausted),
            None => Ok(self.sources.len()),
        }
    }

    /// Only a packet that was the peer's makes a source known.
    fn note(&mut self, place: usize, ssrc: u32) -> Result<&mut Source, Refused> {
        if place == self.sources.len() {
            self.sources.push(Source { ssrc, rtp: Window::default(), rtcp: Window::default() });
        }
        self.sources.get_mut(place).ok_or(Refused::Exhausted)
    }
}

impl core::fmt::Debug for Context {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Context({:?}, {} sources)", self.secret, self.sources.len())
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
