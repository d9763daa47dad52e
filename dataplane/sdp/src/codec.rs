//! Codecs by name: what a payload type stands for.

use core::fmt;

use crate::line::number;

/// A codec as `name/clock`, such as `PCMA/8000`; a number of audio tracks may follow after another slash.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Codec<'a>(&'a [u8]);

impl<'a> Codec<'a> {
    pub(crate) const fn new(text: &'a [u8]) -> Codec<'a> {
        Codec(text)
    }

    /// The text as it stands after the payload type in `a=rtpmap`.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The text, if it is UTF-8; else empty.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        core::str::from_utf8(self.0).unwrap_or("")
    }

    /// The name before the slash; compare without regard to case.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.0.split(|byte| *byte == b'/').next().unwrap_or(b"")
    }

    /// The clock in Hz, 1..=2^32-1.
    #[must_use]
    pub fn clock_hz(&self) -> u32 {
        self.0.split(|byte| *byte == b'/').nth(1).and_then(|text| number(text, u64::from(u32::MAX))).unwrap_or(0) as u32
    }

    /// Is this what an operator's list calls `PCMU`, `G729/8000` or `opus/48000/2`? What the list leaves open fits; case does
    /// not matter, and one audio track is the same as none named (RFC 8866 §6.6).
    #[must_use]
    pub fn is_called(&self, wanted: &[u8]) -> bool {
        let (mut ours, mut wanted) = (self.0.split(|byte| *byte == b'/'), wanted.split(|byte| *byte == b'/'));
        if !ours.next().unwrap_or(b"").eq_ignore_ascii_case(wanted.next().unwrap_or(b"")) {
            return false;
        }
        let (clock, tracks) = (ours.next().unwrap_or(b""), ours.next().unwrap_or(b"1"));
        wanted.next().is_none_or(|wanted| wanted == clock) && wanted.next().is_none_or(|wanted| wanted == tracks)
    }

    /// Does it carry speech by itself? False for events, comfort noise and what only repeats or repairs other formats.
    #[must_use]
    pub fn is_voice(&self) -> bool {
        const HELPERS: [&[u8]; 7] = [EVENTS, b"CN", b"tone", b"red", b"rtx", b"ulpfec", b"flexfec"];
        let name = self.name();
        !HELPERS.iter().any(|helper| name.eq_ignore_ascii_case(helper))
    }

    /// Are these telephone events (RFC 4733)?
    #[must_use]
    pub fn is_events(&self) -> bool {
        self.name().eq_ignore_ascii_case(EVENTS)
    }
}

/// RFC 4733 §2.
const EVENTS: &[u8] = b"telephone-event";

impl fmt::Debug for Codec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// RFC 3551 §6, tables 4 and 5: what payload types mean without `a=rtpmap`.
pub(crate) const fn static_codec(payload_type: u8) -> Option<Codec<'static>> {
    let text: &[u8] = match payload_type {
        0 => b"PCMU/8000",
        3 => b"GSM/8000",
        4 => b"G723/8000",
        5 => b"DVI4/8000",
        6 => b"DVI4/16000",
        7 => b"LPC/8000",
        8 => b"PCMA/8000",
        9 => b"G722/8000",
        10 => b"L16/44100/2",
        11 => b"L16/44100",
        12 => b"QCELP/8000",
        13 => b"CN/8000",
        14 => b"MPA/90000",
        15 => b"G728/8000",
        16 => b"DVI4/11025",
        17 => b"DVI4/22050",
        18 => b"G729/8000",
        25 => b"CelB/90000",
        26 => b"JPEG/90000",
        28 => b"nv/90000",
        31 => b"H261/90000",
        32 => b"MPV/90000",
        33 => b"MP2T/90000",
        34 => b"H263/90000",
        _ => return None,
    };
    Some(Codec(text))
}
