//! One media section: an `m=` line and what belongs to it.

use core::net::IpAddr;

use crate::address;
use crate::codec::{Codec, static_codec};
use crate::crypto::{CRYPTO_MAX, Crypto};
use crate::flaw::Flaw;
use crate::line::{Line, lines, number, take_digits, word};

/// The most formats of one media line.
pub const FORMATS_MAX: usize = 64;
/// The longest packetisation time in milliseconds that is taken for one.
const PTIME_MS_MAX: u64 = 1_000;

/// Who may send, seen from the side that wrote the description (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Direction {
    /// `a=sendrecv`, and the default.
    #[default]
    SendRecv,
    /// `a=sendonly`: the writer holds.
    SendOnly,
    /// `a=recvonly`
    RecvOnly,
    /// `a=inactive`
    Inactive,
}

impl Direction {
    /// The attribute's text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    pub(crate) fn from_attribute(text: &[u8]) -> Option<Direction> {
        match text {
            b"sendrecv" => Some(Direction::SendRecv),
            b"sendonly" => Some(Direction::SendOnly),
            b"recvonly" => Some(Direction::RecvOnly),
            b"inactive" => Some(Direction::Inactive),
            _ => None,
        }
    }
}

/// What carries a media section.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CarriedBy {
    /// Plain RTP (`RTP/AVP`, `RTP/AVPF`).
    Rtp,
    /// RTP that is encrypted with keys from the description (RFC 4568).
    Srtp,
    /// RTP that is encrypted with keys from a handshake on the media port (RFC 5763).
    DtlsSrtp,
    /// Datagrams of another kind, such as `udptl` (ITU-T T.38).
    Datagrams,
}

/// One media section.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Media<'a> {
    /// `audio`, `video`, `image`…
    pub kind: &'a [u8],
    /// The port; 0 = refused or withdrawn (RFC 3264 §6).
    pub port: u16,
    /// `RTP/AVP`, `RTP/SAVP`, `udptl`…
    pub proto: &'a [u8],
    /// The formats as written, parted by single spaces; payload types where the protocol is RTP.
    pub formats: &'a [u8],
    /// The section's own connection address, if it has one.
    pub connection: Option<IpAddr>,
    /// `a=rtcp` (RFC 3605): the port and, if it is there, the address.
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    /// The section's direction, or the one of the whole description.
    pub direction: Direction,
    /// `a=rtcp-mux` (RFC 5761): RTCP comes on the RTP port.
    pub rtcp_mux: bool,
    /// `a=ptime` in milliseconds, fractions cut off; 0 when absent.
    pub ptime_ms: u16,
    is_rtp: bool,
    names_keys: bool,
    /// The section's lines after the `m=` line.
    pub(crate) text: &'a [u8],
}

/// Where the parts of a section stand in its description, in few bytes: there are sixteen of them in each description.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Record {
    /// The value of the `m=` line.
    line: Span,
    kind_end: u16,
    proto_at: u16,
    formats_at: u16,
    pub port: u16,
    ptime_ms: u16,
    /// The value of its `c=` line; at 0 there is none.
    connection: Span,
    /// The value of its `a=rtcp`; at 0 there is none.
    rtcp: Span,
    /// What follows the `m=` line.
    pub lines: Span,
    direction: Direction,
    rtcp_mux: bool,
    is_rtp: bool,
    names_keys: bool,
}

/// A part of a description.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub at: u16,
    pub end: u16,
}

impl Span {
    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        &text[usize::from(self.at)..usize::from(self.end)]
    }
}

impl Record {
    /// Reads the value of an `m=` line that stands at `at`.
    pub(crate) fn open(value: &[u8], at: usize, direction: Direction) -> Result<Record, Flaw> {
        const BAD: Flaw = Flaw::broken("bad media line");
        let mut rest = value;
        let (kind, port, proto) = (word(&mut rest), word(&mut rest), word(&mut rest));
        if kind.is_empty() || proto.is_empty() || rest.is_empty() {
            return Err(BAD);
        }
        // RFC 8866 §5.14: a count after the slash means several ports for hierarchical coding.
        if port.contains(&b'/') {
            return Err(Flaw::refused("several ports in one media line"));
        }
        let is_rtp = proto == b"RTP/AVP" || proto.windows(4).any(|part| part == b"RTP/");
        check_formats(rest, is_rtp)?;
        Ok(Record {
            line: Span { at: at as u16, end: (at + value.len()) as u16 },
            kind_end: (at + kind.len()) as u16,
            proto_at: (at + kind.len() + port.len() + 2) as u16,
            formats_at: (at + value.len() - rest.len()) as u16,
            port: number(port, u64::from(u16::MAX)).ok_or(BAD)? as u16,
            direction,
            is_rtp,
            ..Record::default()
        })
    }

    /// Takes one line that follows the `m=` line; its value stands at `at`.
    #[inline]
    pub(crate) fn take(&mut self, line: Line<'_>, at: usize) -> Result<(), Flaw> {
        match line.kind {
            b'a' => self.attribute(line.value, at),
            b'c' if self.connection.at > 0 => Err(Flaw::refused("two connections for one media")),
            b'c' => {
                address::connection(line.value)?;
                self.connection = Span { at: at as u16, end: (at + line.value.len()) as u16 };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    #[inline]
    fn attribute(&mut self, text: &[u8], at: usize) -> Result<(), Flaw> {
        match text {
            [b'r', b't', b'p', b'm', b'a', b'p', b':', value @ ..] if self.is_rtp => check_rtpmap(value).map(|_| ()),
            [b'f', b'm', b't', b'p', b':', value @ ..] if self.is_rtp => payload_type(value).map(|_| ()),
            [b'r', b't', b'c', b'p', b':', value @ ..] => {
                rtcp(value)?;
                self.rtcp = Span { at: (at + 5) as u16, end: (at + text.len()) as u16 };
                Ok(())
            }
            b"rtcp-mux" => {
                self.rtcp_mux = true;
                Ok(())
            }
            [b'c', b'r', b'y', b'p', b't', b'o', b':', ..] => {
                self.names_keys = true;
                Ok(())
            }
            [b'p', b't', b'i', b'm', b'e', b':', value @ ..] => {
                self.ptime_ms = ptime(value)?;
                Ok(())
            }
            [b'm', b'a', b'x', b'p', b't', b'i', b'm', b'e', b':', value @ ..] => ptime(value).map(|_| ()),
            [b's' | b'r' | b'i', ..] => {
                self.direction = Direction::from_attribute(text).unwrap_or(self.direction);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Does it have a connection address of its own?
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.at > 0
    }

    /// The section's own connection address.
    pub(crate) fn connection(&self, text: &[u8]) -> Option<IpAddr> {
        if self.connection.at > 0 { address::connection(self.connection.of(text)).ok() } else { None }
    }

    /// The section with all that it says.
    pub(crate) fn media<'a>(&self, text: &'a [u8]) -> Media<'a> {
        let part = |at: u16, end: u16| Span { at, end }.of(text);
        Media {
            kind: part(self.line.at, self.kind_end),
            port: self.port,
            proto: part(self.proto_at, self.formats_at - 1),
            formats: part(self.formats_at, self.line.end),
            connection: self.connection(text),
            rtcp: if self.rtcp.at > 0 { rtcp(self.rtcp.of(text)).ok() } else { None },
            direction: self.direction,
            rtcp_mux: self.rtcp_mux,
            ptime_ms: self.ptime_ms,
            is_rtp: self.is_rtp,
            names_keys: self.names_keys,
            text: self.lines.of(text),
        }
    }
}

/// At most [`FORMATS_MAX`] formats, parted by single spaces, that are payload types in RTP.
fn check_formats(mut rest: &[u8], is_rtp: bool) -> Result<(), Flaw> {
    const BAD: Flaw = Flaw::broken("bad format");
    for _ in 0..FORMATS_MAX {
        if is_rtp {
            take_digits(&mut rest).filter(|format| *format <= 127).ok_or(BAD)?;
        } else {
            let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
            rest = if end > 0 { &rest[end..] } else { return Err(BAD) };
        }
        match rest {
            [] => return Ok(()),
            [b' ', after @ ..] => rest = after,
            _ => return Err(BAD),
        }
    }
    Err(Flaw::refused("too many formats"))
}

impl<'a> Media<'a> {
    /// Is this carried by RTP, so that its formats are payload types?
    #[must_use]
    pub fn is_rtp(&self) -> bool {
        self.is_rtp
    }

    /// How it is carried.
    #[must_use]
    pub fn carried_by(&self) -> CarriedBy {
        match self.proto {
            proto if proto.starts_with(b"UDP/TLS/RTP/SAVP") => CarriedBy::DtlsSrtp,
            b"RTP/SAVP" | b"RTP/SAVPF" => CarriedBy::Srtp,
            _ if self.is_rtp => CarriedBy::Rtp,
            _ => CarriedBy::Datagrams,
        }
    }

    /// Does it name keys (RFC 4568), well-formed or not?
    #[must_use]
    pub fn names_keys(&self) -> bool {
        self.names_keys
    }

    /// The keys that it names (RFC 4568), in order.
    ///
    /// # Errors
    /// One is not well-formed, or there are more than [`crate::CRYPTO_MAX`].
    pub fn cryptos(&self) -> impl Iterator<Item = Result<Crypto<'a>, Flaw>> + use<'a> {
        let lines = self.attributes().filter_map(|attribute| attribute.strip_prefix(b"crypto:"));
        lines.enumerate().map(|(place, value)| match place {
            0..CRYPTO_MAX => Crypto::read(value),
            _ => Err(Flaw::refused("too many crypto attributes")),
        })
    }

    /// The formats one by one.
    pub fn formats(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.formats.split(|byte| *byte == b' ')
    }

    /// The payload types one by one; nothing when this is not RTP.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + use<'a> {
        let is_rtp = self.is_rtp();
        self.formats().filter_map(move |format| if is_rtp { number(format, 127).map(|pt| pt as u8) } else { None })
    }

    /// The attributes of this section, without `a=`.
    pub fn attributes(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        lines(self.text).filter_map(Result::ok).filter(|line| line.kind == b'a').map(|line: Line<'a>| line.value)
    }

    /// What a payload type means: by its `a=rtpmap`, else by RFC 3551's static table.
    #[must_use]
    pub fn rtpmap(&self, payload_type: u8) -> Option<Codec<'a>> {
        self.attributes()
            .filter_map(|text| rtpmap(text.strip_prefix(b"rtpmap:")?))
            .find(|(mapped, _)| *mapped == payload_type)
            .map(|(_, codec)| codec)
            .or_else(|| static_codec(payload_type))
    }

    /// What its payload types mean, read in one pass: for whoever asks of several.
    #[must_use]
    pub fn maps(&self) -> Maps<'a> {
        let mut maps = Maps { media: *self, list: [None; MAPS_MAX], more: false };
        let mut slots = maps.list.iter_mut();
        for map in self.attributes().filter_map(|text| rtpmap(text.strip_prefix(b"rtpmap:")?)) {
            match slots.next() {
                Some(slot) => *slot = Some(map),
                None => maps.more = true,
            }
        }
        maps
    }

    /// The codec of the first format.
    #[must_use]
    pub fn codec(&self) -> Option<Codec<'a>> {
        self.rtpmap(self.payload_types().next()?)
    }
}

/// Maps of a section that are remembered; those of a section with more are looked for each time.
const MAPS_MAX: usize = 12;

/// What the payload types of a section mean.
#[derive(Clone, Debug)]
pub struct Maps<'a> {
    media: Media<'a>,
    list: [Option<(u8, Codec<'a>)>; MAPS_MAX],
    more: bool,
}

impl<'a> Maps<'a> {
    /// As [`Media::rtpmap`].
    #[must_use]
    pub fn get(&self, payload_type: u8) -> Option<Codec<'a>> {
        let known = self.list.iter().map_while(|map| *map).find(|(mapped, _)| *mapped == payload_type);
        match known {
            Some((_, codec)) => Some(codec),
            None if self.more => self.media.rtpmap(payload_type),
            None => static_codec(payload_type),
        }
    }
}

/// `port [IN IP4 address]` (RFC 3605 §2.1).
fn rtcp(value: &[u8]) -> Result<(u16, Option<IpAddr>), Flaw> {
    let mut rest = value;
    let port = number(word(&mut rest), u64::from(u16::MAX)).ok_or(Flaw::broken("bad rtcp attribute"))? as u16;
    let address = if rest.is_empty() { None } else { Some(address::connection(rest)?) };
    Ok((port, address))
}

/// `98 iLBC/8000`: the payload type and its codec, whose clock is not 0. `None` for a map without a slash.
#[inline(always)]
fn check_rtpmap(value: &[u8]) -> Result<Option<(u8, &[u8])>, Flaw> {
    let Ok((payload_type, text)) = payload_type(value) else { return odd_rtpmap(value) };
    let slash = text.iter().position(|byte| matches!(byte, b'/' | b' ')).filter(|at| *at > 0 && text[*at] == b'/');
    let Some(slash) = slash else { return odd_rtpmap(value) };
    let mut rest = &text[slash + 1..];
    let clock = take_digits(&mut rest);
    match (clock, rest) {
        (Some(1..=0xFFFF_FFFF), [] | [b'/' | b' ', ..]) => Ok(Some((payload_type, text))),
        _ => odd_rtpmap(value),
    }
}

/// RFC 4475 has `31 LPC` in nearly all its messages: a map without clock maps nothing and harms nobody.
#[cold]
fn odd_rtpmap<T>(value: &[u8]) -> Result<Option<T>, Flaw> {
    if value.contains(&b'/') { Err(Flaw::broken("bad rtpmap")) } else { Ok(None) }
}

/// What a map of a description that was read maps.
pub(crate) fn rtpmap(value: &[u8]) -> Option<(u8, Codec<'_>)> {
    let (payload_type, mut text) = check_rtpmap(value).ok()??;
    Some((payload_type, Codec::new(word(&mut text))))
}

/// A payload type and what follows it after a space.
#[inline(always)]
fn payload_type(value: &[u8]) -> Result<(u8, &[u8]), Flaw> {
    let mut rest = value;
    let payload_type = take_digits(&mut rest).filter(|payload_type| *payload_type <= 127);
    match (payload_type, rest) {
        (Some(payload_type), [b' ', rest @ .., _]) => Ok((payload_type as u8, &value[value.len() - rest.len() - 1..])),
        (Some(_), [] | [b' ']) => Err(Flaw::broken("payload type without parameters")),
        _ => Err(Flaw::broken("bad payload type")),
    }
}

/// A packetisation time in milliseconds, at least 1 and at most a second; a fraction is allowed (RFC 8866 §6.4).
fn ptime(value: &[u8]) -> Result<u16, Flaw> {
    const BAD: Flaw = Flaw::broken("bad packetisation time");
    let mut parts = value.splitn(2, |byte| *byte == b'.');
    let whole = number(parts.next().unwrap_or(b""), PTIME_MS_MAX).ok_or(BAD)?;
    let fraction = parts.next().unwrap_or(b"0");
    if whole == 0 || fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
        return Err(BAD);
    }
    Ok(whole as u16)
}
