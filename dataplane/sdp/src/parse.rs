//! A whole description out of its bytes. Allocates nothing.

use core::net::{IpAddr, SocketAddr};

use crate::address;
use crate::codec::Codec;
use crate::filter::Filter;
use crate::flaw::Flaw;
use crate::line::{Line, lines, number, word};
use crate::media::{Direction, Media, Record, Span};

pub use crate::media::FORMATS_MAX;

/// The most media sections of one description.
pub const MEDIA_MAX: usize = 16;
/// The largest description in bytes.
pub const SESSION_BYTES_MAX: usize = 16_384;

/// The `o=` line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Origin<'a> {
    /// The user name, or `-`.
    pub user: &'a [u8],
    /// The number of the session; texts that are no 64-bit number are refused.
    pub session_id: u64,
    /// Rises by one with each change (RFC 3264 §8).
    pub version: u64,
    /// The host, which may be a name; nobody should send anything there.
    pub host: &'a [u8],
}

/// A parsed description.
#[derive(Clone, Debug)]
pub struct Session<'a> {
    /// Who made it.
    pub origin: Origin<'a>,
    /// The connection address for sections that have none of their own.
    pub connection: Option<IpAddr>,
    text: &'a [u8],
    records: [Record; MEDIA_MAX],
    count: usize,
}

const _: () = assert!(SESSION_BYTES_MAX <= u16::MAX as usize, "spans have 16 bits");

/// Reads a description: at most 16 media lines of at most 64 formats.
///
/// # Errors
/// See [`Flaw`]: 400 for what is broken, 488 for what is beyond our bounds or of a kind that we do not relay.
pub fn parse(text: &[u8]) -> Result<Session<'_>, Flaw> {
    if text.len() > SESSION_BYTES_MAX {
        return Err(Flaw::refused("session description too large"));
    }
    let mut lines = lines(text);
    if lines.next().transpose()? != Some(Line { kind: b'v', value: b"0" }) {
        return Err(Flaw::broken("session description without v=0"));
    }
    let origin = match lines.next().transpose()? {
        Some(Line { kind: b'o', value }) => origin(value)?,
        _ => return Err(Flaw::broken("session description without origin")),
    };
    let records = [Record::default(); MEDIA_MAX];
    let mut session = Session { origin, connection: None, text, records, count: 0 };
    let mut direction = Direction::default();
    loop {
        let at = text.len() - lines.rest().len();
        let Some(line) = lines.read() else { break };
        let line = line?;
        match (line.kind, session.count.checked_sub(1)) {
            (b'm', last) => {
                if let Some(last) = last {
                    session.records[last].lines.end = at as u16;
                }
                session.open(Record::open(line.value, at + 2, direction)?, text.len() - lines.rest().len())?;
            }
            (b'v' | b'o', _) => return Err(Flaw::broken("line stands twice")),
            (_, Some(last)) => session.records[last].take(line, at + 2)?,
            (b'c', None) if session.connection.is_some() => return Err(Flaw::broken("line stands twice")),
            (b'c', None) => session.connection = Some(address::connection(line.value)?),
            (b'a', None) => direction = Direction::from_attribute(line.value).unwrap_or(direction),
            (_, None) => {}
        }
    }
    session.check()?;
    Ok(session)
}

fn origin(value: &[u8]) -> Result<Origin<'_>, Flaw> {
    const BAD: Flaw = Flaw::broken("bad origin");
    let mut rest = value;
    let (user, session_id, version) = (word(&mut rest), word(&mut rest), word(&mut rest));
    let (network, family, host) = (word(&mut rest), word(&mut rest), word(&mut rest));
    let fits = !user.is_empty() && network == b"IN" && matches!(family, b"IP4" | b"IP6") && !host.is_empty();
    if !fits || !rest.is_empty() {
        return Err(BAD);
    }
    let session_id = number(session_id, u64::MAX).ok_or(BAD)?;
    let version = number(version, u64::MAX).ok_or(BAD)?;
    Ok(Origin { user, session_id, version, host })
}

impl<'a> Session<'a> {
    /// Begins a section whose lines begin at `at`.
    fn open(&mut self, record: Record, at: usize) -> Result<(), Flaw> {
        let slot = self.records.get_mut(self.count).ok_or(Flaw::refused("too many media lines"))?;
        *slot = record;
        slot.lines = Span { at: at as u16, end: self.text.len() as u16 };
        self.count += 1;
        Ok(())
    }

    fn check(&self) -> Result<(), Flaw> {
        let lost = |record: &Record| record.port != 0 && !record.is_connected();
        let any_lost = self.connection.is_none() && self.records[..self.count].iter().any(lost);
        if any_lost { Err(Flaw::broken("media without connection")) } else { Ok(()) }
    }

    /// The description as it was read.
    pub(crate) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// How many media sections there are, refused ones (port 0) included.
    #[must_use]
    pub fn media_count(&self) -> usize {
        self.count
    }

    /// The media sections in order.
    pub fn media(&self) -> impl Iterator<Item = Media<'a>> {
        self.records[..self.count].iter().map(|record| record.media(self.text))
    }

    /// One media section.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Media<'a>> {
        self.records[..self.count].get(index).map(|record| record.media(self.text))
    }

    /// Where the section's RTP (or whatever it carries) is to be sent. `None` for port 0 and for the address 0.0.0.0
    /// or `::`, by which old peers hold (RFC 3264 §8.4).
    #[must_use]
    pub fn address(&self, index: usize) -> Option<SocketAddr> {
        let record = self.records[..self.count].get(index)?;
        let address = record.connection(self.text).or(self.connection)?;
        (record.port != 0 && !address.is_unspecified()).then_some(SocketAddr::new(address, record.port))
    }

    /// Where the section's RTCP is to be sent: `a=rtcp`, else the RTP port when both share it, else the port above it. It has the family of
    /// RTP: of an address of the other one only the port holds.
    #[must_use]
    pub fn rtcp_address(&self, index: usize) -> Option<SocketAddr> {
        let media = self.get(index)?;
        let rtp = self.address(index)?;
        let (port, address) = match media.rtcp {
            Some((port, address)) => (port, address.filter(|own| own.is_ipv6() == rtp.is_ipv6()).unwrap_or(rtp.ip())),
            None if media.rtcp_mux => (rtp.port(), rtp.ip()),
            None => (rtp.port().checked_add(1)?, rtp.ip()),
        };
        (port != 0 && !address.is_unspecified()).then_some(SocketAddr::new(address, port))
    }

    /// The first section with a port: the one that a relay of one stream serves.
    #[must_use]
    pub fn first_active(&self) -> Option<usize> {
        self.records[..self.count].iter().position(|record| record.port != 0)
    }

    /// The first section with a port that a filter leaves on: the one that a relay of one stream serves.
    #[must_use]
    pub fn first_kept(&self, filter: &Filter<'_>) -> Option<usize> {
        self.media().position(|media| media.port != 0 && filter.keeps(&media))
    }

    /// The codec of the section's first format.
    #[must_use]
    pub fn codec(&self, index: usize) -> Option<Codec<'a>> {
        self.get(index)?.codec()
    }

    /// Who may send, seen from the writer, with both ways to hold taken for one: the address 0.0.0.0 or `::` says that
    /// nothing is to be sent to the writer (RFC 3264 §8.4).
    #[must_use]
    pub fn direction(&self, index: usize) -> Direction {
        let Some(media) = self.get(index) else { return Direction::Inactive };
        let unspecified = media.connection.or(self.connection).is_some_and(|address| address.is_unspecified());
        match media.direction {
            Direction::SendRecv | Direction::SendOnly if unspecified => Direction::SendOnly,
            Direction::RecvOnly | Direction::Inactive if unspecified => Direction::Inactive,
            written => written,
        }
    }

    /// Does the writer ask the other side to be silent: `sendonly`, `inactive`, or the address 0.0.0.0?
    #[must_use]
    pub fn is_hold(&self, index: usize) -> bool {
        index < self.count && matches!(self.direction(index), Direction::SendOnly | Direction::Inactive)
    }
}
