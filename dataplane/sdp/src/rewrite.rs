//! The same description with our addresses and ports in it, and without what may not pass.

use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::IpAddr;

use crate::crypto::Profile;
use crate::filter::{Filter, Verdict};
use crate::flaw::Flaw;
use crate::line::{Line, lines, number, word};
use crate::media::{Direction, Media};
use crate::parse::{self, Session};

/// What to put in.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'a> {
    /// Our media address; goes into `o=`, every `c=`, every `a=rtcp`.
    pub address: IpAddr,
    /// One port for each media line; 0 switches the line off. A line that is off already stays off.
    pub ports: &'a [u16],
    /// Our number of the session: the same for all descriptions that one leg is sent.
    pub session_id: u64,
    /// Rises by one with each description of the same session that differs (RFC 3264 §8).
    pub version: u64,
    /// Addresses and ports of the writer stay, and all that speaks of them: media goes past us. `ports` then says only which
    /// lines stay on: those that are not 0.
    pub direct: bool,
    /// What becomes of telephone events in audio sections.
    pub events: Events,
    /// What takes the place of the writer's keys in sections of RTP that stay on; `None` leaves them as they are.
    pub crypt: Option<Crypt<'a>>,
}

/// How media is encrypted between us and whoever is sent the description. The writer's own keys, and whatever else it says of
/// encryption, are left out.
#[derive(Clone, Copy, Debug)]
pub struct Crypt<'a> {
    /// The profile in the media line.
    pub profile: Profile,
    /// Lines by [`crate::write_crypto`], with their ends; empty for media in the clear.
    pub lines: &'a [u8],
}

/// What becomes of telephone events (RFC 4733) in the audio sections of a description.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Events {
    /// Nothing.
    #[default]
    Keep,
    /// They are left out.
    Drop,
    /// Where there are none they are added, with this payload type at 8,000 Hz.
    Add(u8),
}

/// Appends the description with our origin, addresses and ports to `out`; all else byte for byte, line ends as CRLF.
///
/// Left out are attributes that name addresses of the writer and would lead media past us: ICE (RFC 8839),
/// `source-filter` (RFC 4570), `altc` (RFC 6947); `k=`; and the lines that tell who the writer is: `u=`, `e=`, `p=`. A hold by
/// the address 0.0.0.0 is written as `a=sendonly`, since our address takes its place.
///
/// # Errors
/// What [`crate::parse()`] refuses, and a number of ports that is not the number of media lines. `out` is as before then.
pub fn rewrite(body: &[u8], rewrite: &Rewrite<'_>, out: &mut Vec<u8>) -> Result<(), Flaw> {
    rewrite_filtered(body, rewrite, &Filter::NONE, out)
}

/// As [`rewrite`], and only what the filter allows stays: `a=rtpmap`, `a=fmtp` and `a=rtcp-fb` go with their format.
///
/// # Errors
/// As [`rewrite`], and [`Flaw::NOTHING_LEFT`] when the description had a section that was on and the filter left none.
pub fn rewrite_filtered(
    body: &[u8],
    rewrite: &Rewrite<'_>,
    filter: &Filter<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Flaw> {
    rewrite_parsed(&parse::parse(body)?, rewrite, filter, out)
}

/// As [`rewrite_filtered`], of a description that was read already.
///
/// # Errors
/// As [`rewrite_filtered`].
pub fn rewrite_parsed(
    session: &Session<'_>,
    rewrite: &Rewrite<'_>,
    filter: &Filter<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Flaw> {
    if session.media_count() != rewrite.ports.len() {
        return Err(Flaw::refused("number of media lines"));
    }
    let begin = out.len();
    let (mut had, mut has) = (false, false);
    let mut writer = Writer { rewrite, filter, section: None, out };
    let mut index = 0;
    for line in lines(session.text()) {
        let line = line?;
        if line.kind == b'm'
            && let Some(media) = session.get(index)
        {
            writer.close();
            writer.section = Some(Section::new(session, index, &media, rewrite, filter));
            had |= media.port != 0;
            has |= media.port != 0 && !matches!(writer.section, Some(Section { verdict: Verdict::Off, .. }));
            index += 1;
        }
        writer.one(line);
    }
    writer.close();
    if had && !has {
        out.truncate(begin);
        return Err(Flaw::NOTHING_LEFT);
    }
    Ok(())
}

/// An answer with as many media lines as its offer has (RFC 3264 §6): what is too much is cut off, what is missing is refused by port
/// 0. `None` where the numbers agree.
#[must_use]
pub fn fitted(answer: &Session<'_>, offer: &[u8]) -> Option<Vec<u8>> {
    // Nearly always the numbers agree, which is seen without reading the lines.
    let begins = |at: &usize| offer[at + 1..].starts_with(b"m=");
    if answer.media_count() == memchr::memchr_iter(b'\n', offer).filter(begins).count() {
        return None;
    }
    let offered = || lines(offer).map_while(Result::ok).filter(|line| line.kind == b'm');
    let (has, wanted) = (answer.media_count(), offered().count());
    if has == wanted {
        return None;
    }
    let mut out = Vec::with_capacity(answer.text().len() + 64);
    let mut sections = 0;
    for line in lines(answer.text()).map_while(Result::ok) {
        sections += usize::from(line.kind == b'm');
        if sections > wanted {
            break;
        }
        out.extend_from_slice(&[line.kind, b'=']);
        out.extend_from_slice(line.value);
        out.extend_from_slice(b"\r\n");
    }
    for line in offered().skip(has) {
        let mut rest = line.value;
        let (kind, _, proto) = (word(&mut rest), word(&mut rest), word(&mut rest));
        out.extend_from_slice(&[b"m=", kind, b" 0 ", proto, b" ", rest, b"\r\n"].concat());
    }
    Some(out)
}

/// An answer that takes none of an offer's media (RFC 3264 §6): who acknowledges an offer only to end the call owes one all the same
/// (RFC 3261 §13.2.2.4). `session` is its number and version. `None` for what offers nothing.
#[must_use]
pub fn declined(offer: &[u8], address: IpAddr, session: (u64, u64)) -> Option<Vec<u8>> {
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    let (number, version) = session;
    let head = alloc::format!(
        "v=0\r\no=- {number} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n"
    );
    fitted(&parse::parse(head.as_bytes()).ok()?, offer)
}

/// What is to be done with the lines of one section.
struct Section {
    verdict: Verdict,
    port: u16,
    rtcp_port: u16,
    /// Written in place of the section's own direction.
    direction: Option<Direction>,
    /// The payload type of events that are added.
    events: Option<u8>,
    /// It is on, and of RTP.
    crypts: bool,
}

impl Section {
    fn new(
        session: &Session<'_>,
        index: usize,
        media: &Media<'_>,
        rewrite: &Rewrite<'_>,
        filter: &Filter<'_>,
    ) -> Section {
        let verdict = match (filter.verdict(media), rewrite.events) {
            (verdict, Events::Drop) => verdict.without_events(media),
            (verdict, Events::Keep | Events::Add(_)) => verdict,
        };
        // RFC 3264 §6: what the offer switched off stays off.
        let off = media.port == 0 || matches!(verdict, Verdict::Off);
        let port = match (off, rewrite.ports[index]) {
            (true, _) | (false, 0) => 0,
            (false, _) if rewrite.direct => media.port,
            (false, port) => port,
        };
        // RTCP has the port above RTP's, or the same where both sides share one port for both (RFC 5761 §5.1.1).
        let shares = filter.rtcp_mux && media.rtcp.is_some_and(|(rtcp, _)| rtcp == media.port);
        let rtcp_port = if port == 0 || shares { port } else { port.saturating_add(1) };
        let direction = Some(session.direction(index)).filter(|direction| !off && *direction != media.direction);
        let events = match rewrite.events {
            Events::Add(format) if port != 0 && may_add(media, format) => Some(format),
            Events::Add(_) | Events::Keep | Events::Drop => None,
        };
        let crypts = port != 0 && Profile::of(media.proto).is_some();
        Section { verdict, port, rtcp_port, direction, events, crypts }
    }

    /// Does an attribute speak of a format that does not stay?
    fn drops(&self, attribute: &[u8]) -> bool {
        let Verdict::Keep(kept) = &self.verdict else { return false };
        let Some(colon) = memchr::memchr(b':', attribute) else { return false };
        if !matches!(&attribute[..colon], b"rtpmap" | b"fmtp" | b"rtcp-fb") {
            return false;
        }
        let mut rest = &attribute[colon + 1..];
        // `a=rtcp-fb:*` speaks of all formats (RFC 4585 §4.2).
        number(word(&mut rest), 127).is_some_and(|format| !kept.as_slice().contains(&(format as u8)))
    }
}

struct Writer<'r, 'o> {
    rewrite: &'r Rewrite<'r>,
    filter: &'r Filter<'r>,
    /// The section that the lines belong to; none before the first `m=` line.
    section: Option<Section>,
    out: &'o mut Vec<u8>,
}

impl Writer<'_, '_> {
    fn one(&mut self, line: Line<'_>) {
        match line.kind {
            b'o' => {
                self.out.extend_from_slice(b"o=- ");
                decimal(self.out, self.rewrite.session_id);
                self.out.push(b' ');
                decimal(self.out, self.rewrite.version);
                self.out.push(b' ');
                self.connection();
            }
            b'c' if self.rewrite.direct => self.copy(line),
            b'c' => {
                self.out.extend_from_slice(b"c=");
                self.connection();
            }
            b'm' => self.media_line(line.value),
            b'a' => return self.attribute(line.value),
            // RFC 8866 §5.5, §5.6: who wrote this is no business of the other side; §5.12: keys in `k=` are discarded.
            b'u' | b'e' | b'p' | b'k' => return,
            _ => self.copy(line),
        }
        self.out.extend_from_slice(b"\r\n");
    }

    fn attribute(&mut self, value: &[u8]) {
        let section = self.section.as_ref();
        match value {
            b"rtcp-mux" if !self.filter.rtcp_mux => return,
            _ if self.rewrite.crypt.is_some() && speaks_of_keys(value) => return,
            _ if value.starts_with(b"rtcp:") && !self.rewrite.direct => {
                let Some(section) = section else { return };
                let port = section.rtcp_port;
                self.out.extend_from_slice(b"a=rtcp:");
                decimal(self.out, u64::from(port));
                self.out.push(b' ');
                self.connection();
            }
            _ if (leads_past_us(value) && !self.rewrite.direct)
                || section.is_some_and(|section| section.drops(value)) =>
            {
                return;
            }
            _ if section.is_some_and(|section| section.direction.is_some())
                && Direction::from_attribute(value).is_some() =>
            {
                return;
            }
            _ => self.copy(Line { kind: b'a', value }),
        }
        self.out.extend_from_slice(b"\r\n");
    }

    fn copy(&mut self, line: Line<'_>) {
        self.out.extend_from_slice(&[line.kind, b'=']);
        self.out.extend_from_slice(line.value);
    }

    fn media_line(&mut self, value: &[u8]) {
        let Some(section) = &self.section else { return };
        let mut rest = value;
        let (kind, _, proto) = (word(&mut rest), word(&mut rest), word(&mut rest));
        self.out.extend_from_slice(b"m=");
        self.out.extend_from_slice(kind);
        self.out.push(b' ');
        decimal(self.out, u64::from(section.port));
        self.out.push(b' ');
        let crypt = self.rewrite.crypt.filter(|_| section.crypts);
        self.out.extend_from_slice(crypt.map_or(proto, |crypt| crypt.profile.as_str().as_bytes()));
        match &section.verdict {
            Verdict::Keep(kept) => {
                for format in kept.as_slice() {
                    self.out.push(b' ');
                    decimal(self.out, u64::from(*format));
                }
            }
            Verdict::AsWritten | Verdict::Off => {
                self.out.push(b' ');
                self.out.extend_from_slice(rest);
            }
        }
        if let Some(events) = section.events {
            self.out.push(b' ');
            decimal(self.out, u64::from(events));
        }
    }

    /// `IN IP4 192.0.2.1`
    fn connection(&mut self) {
        let address = self.rewrite.address;
        self.out.extend_from_slice(if address.is_ipv4() { b"IN IP4 " } else { b"IN IP6 " });
        match address {
            IpAddr::V4(address) => {
                for (place, octet) in address.octets().into_iter().enumerate() {
                    if place > 0 {
                        self.out.push(b'.');
                    }
                    decimal(self.out, u64::from(octet));
                }
            }
            IpAddr::V6(address) => write!(Text(self.out), "{address}").expect("writing into a vector does not fail"),
        }
    }

    /// Ends the section.
    fn close(&mut self) {
        let Some(section) = self.section.take() else { return };
        if let Some(events) = section.events {
            let map = [&b" telephone-event/8000\r\n"[..], b" 0-15\r\n"];
            for (name, value) in [&b"a=rtpmap:"[..], b"a=fmtp:"].into_iter().zip(map) {
                self.out.extend_from_slice(name);
                decimal(self.out, u64::from(events));
                self.out.extend_from_slice(value);
            }
        }
        if let Some(crypt) = self.rewrite.crypt.filter(|_| section.crypts) {
            self.out.extend_from_slice(crypt.lines);
        }
        if let Some(direction) = section.direction {
            self.out.extend_from_slice(b"a=");
            self.out.extend_from_slice(direction.as_str().as_bytes());
            self.out.extend_from_slice(b"\r\n");
        }
    }
}

/// Has an audio section no events yet, and nothing else by this payload type?
fn may_add(media: &Media<'_>, format: u8) -> bool {
    let events = |format: u8| media.rtpmap(format).is_some_and(|codec| codec.is_events());
    let audio = media.is_rtp() && media.kind.eq_ignore_ascii_case(b"audio");
    audio && !media.payload_types().any(|other| other == format || events(other))
}

fn leads_past_us(attribute: &[u8]) -> bool {
    const NAMES: [&[u8]; 6] =
        [b"candidate", b"remote-candidates", b"end-of-candidates", b"ice2", b"source-filter", b"altc"];
    let name = attribute.split(|byte| *byte == b':').next().unwrap_or(b"");
    name.starts_with(b"ice-") || NAMES.contains(&name)
}

/// Keys by description (RFC 4568, RFC 4567) or by a handshake on the media port (RFC 8122, RFC 8842, RFC 6189).
fn speaks_of_keys(attribute: &[u8]) -> bool {
    const NAMES: [&[u8]; 6] = [b"crypto", b"key-mgmt", b"fingerprint", b"setup", b"tls-id", b"zrtp-hash"];
    NAMES.contains(&attribute.split(|byte| *byte == b':').next().unwrap_or(b""))
}

/// Appends a number in decimal digits.
pub(crate) fn decimal(out: &mut Vec<u8>, mut value: u64) {
    // Most numbers are parts of addresses, statuses and payload types.
    let digit = |of: u64| b'0' + (of % 10) as u8;
    match value {
        0..10 => return out.push(digit(value)),
        10..100 => return out.extend_from_slice(&[digit(value / 10), digit(value)]),
        100..1_000 => return out.extend_from_slice(&[digit(value / 100), digit(value / 10), digit(value)]),
        _ => {}
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = digit(value);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

struct Text<'o>(&'o mut Vec<u8>);

impl core::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
