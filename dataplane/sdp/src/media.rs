//! One media section: an `m=` line and what belongs to it.

use core::net::IpAddr;

use crate::address;
use crate::codec::{Codec, static_codec};
use crate::flaw::Flaw;
use crate::line::{Line, lines, number, word};

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
    /// The section's lines after the `m=` line.
    pub(crate) text: &'a [u8],
}

impl<'a> Media<'a> {
    /// Reads the value of an `m=` line.
    pub(crate) fn open(value: &'a [u8], direction: Direction) -> Result<Media<'a>, Flaw> {
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
        let port = number(port, u64::from(u16::MAX)).ok_or(BAD)? as u16;
        let media = Media {
            kind,
            port,
            proto,
            formats: rest,
            connection: None,
            rtcp: None,
            direction,
            rtcp_mux: false,
            ptime_ms: 0,
            is_rtp: proto.windows(4).any(|part| part == b"RTP/"),
            text: &[],
        };
        let mut count = 0;
        for format in media.formats() {
            count += 1;
            if count > FORMATS_MAX {
                return Err(Flaw::refused("too many formats"));
            }
            if format.is_empty() || (media.is_rtp() && number(format, 127).is_none()) {
                return Err(Flaw::broken("bad format"));
            }
        }
        Ok(media)
    }

    /// Takes one line that follows the `m=` line.
    pub(crate) fn take(&mut self, line: Line<'a>) -> Result<(), Flaw> {
        match line.kind {
            b'c' if self.connection.is_some() => Err(Flaw::refused("two connections for one media")),
            b'c' => {
                self.connection = Some(address::connection(line.value)?);
                Ok(())
            }
            b'a' => self.attribute(line.value),
            _ => Ok(()),
        }
    }

    fn attribute(&mut self, text: &'a [u8]) -> Result<(), Flaw> {
        let colon = memchr::memchr(b':', text);
        let Some(colon) = colon else {
            self.direction = Direction::from_attribute(text).unwrap_or(self.direction);
            self.rtcp_mux |= text == b"rtcp-mux";
            return Ok(());
        };
        let (name, value) = (&text[..colon], &text[colon + 1..]);
        match name {
            b"rtcp" => self.rtcp = Some(rtcp(value)?),
            b"ptime" => self.ptime_ms = ptime(value)?,
            b"maxptime" => {
                ptime(value)?;
            }
            // RFC 4475 has `31 LPC` in nearly all its messages: a map without clock maps nothing and harms nobody.
            b"rtpmap" if self.is_rtp() && value.contains(&b'/') => {
                rtpmap(value)?;
            }
            b"fmtp" if self.is_rtp() => {
                payload_type(value)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Is this carried by RTP, so that its formats are payload types?
    #[must_use]
    pub fn is_rtp(&self) -> bool {
        self.is_rtp
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
            .filter_map(|text| rtpmap(text.strip_prefix(b"rtpmap:")?).ok())
            .find(|(mapped, _)| *mapped == payload_type)
            .map(|(_, codec)| codec)
            .or_else(|| static_codec(payload_type))
    }

    /// The codec of the first format.
    #[must_use]
    pub fn codec(&self) -> Option<Codec<'a>> {
        self.rtpmap(self.payload_types().next()?)
    }
}

/// `port [IN IP4 address]` (RFC 3605 §2.1).
fn rtcp(value: &[u8]) -> Result<(u16, Option<IpAddr>), Flaw> {
    let mut rest = value;
    let port = number(word(&mut rest), u64::from(u16::MAX)).ok_or(Flaw::broken("bad rtcp attribute"))? as u16;
    let address = if rest.is_empty() { None } else { Some(address::connection(rest)?) };
    Ok((port, address))
}

/// `98 iLBC/8000`: the payload type and its codec, whose clock is not 0.
pub(crate) fn rtpmap(value: &[u8]) -> Result<(u8, Codec<'_>), Flaw> {
    let (payload_type, text) = payload_type(value)?;
    const BAD: Flaw = Flaw::broken("bad rtpmap");
    let mut rest = text;
    let codec = word(&mut rest);
    let slash = codec.iter().position(|byte| *byte == b'/').filter(|at| *at > 0).ok_or(BAD)?;
    let clock = &codec[slash + 1..];
    let clock = &clock[..clock.iter().position(|byte| *byte == b'/').unwrap_or(clock.len())];
    match number(clock, u64::from(u32::MAX)) {
        Some(1..) => Ok((payload_type, Codec::new(codec))),
        _ => Err(BAD),
    }
}

/// A payload type and what follows it after a space.
fn payload_type(value: &[u8]) -> Result<(u8, &[u8]), Flaw> {
    let mut rest = value;
    let payload_type = number(word(&mut rest), 127).ok_or(Flaw::broken("bad payload type"))? as u8;
    if rest.is_empty() { Err(Flaw::broken("payload type without parameters")) } else { Ok((payload_type, rest)) }
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
