//! Which sections and formats of a description may stay.

use crate::codec::{Codec, static_codec};
use crate::media::{self, FORMATS_MAX, Media};

/// In whose order the formats that stay are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Order {
    /// As the peer wrote them.
    #[default]
    Peer,
    /// As the list of codecs has them.
    List,
}

/// What may stay in a description on its way through. Sections that are switched off already are left as they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Filter<'a> {
    /// Names of the codecs that audio sections may keep, parted by commas: `PCMA, G729/8000, telephone-event`. A name
    /// without a clock fits any clock. Empty: all.
    pub codecs: &'a str,
    /// The order of the formats that stay.
    pub order: Order,
    /// Audio sections keep their first voice codec alone, and the telephone events beside it. For answers.
    pub single_codec: bool,
    /// Sections of another kind than audio are switched off: port 0 (RFC 3264 §6).
    pub audio_only: bool,
    /// `a=rtcp-mux` (RFC 5761) may stay.
    pub rtcp_mux: bool,
}

impl Filter<'_> {
    /// Leaves everything as it is.
    pub const NONE: Filter<'static> =
        Filter { codecs: "", order: Order::Peer, single_codec: false, audio_only: false, rtcp_mux: true };
}

impl Default for Filter<'_> {
    fn default() -> Self {
        Filter::NONE
    }
}

/// What becomes of a section.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// Its formats stay as they are.
    AsWritten,
    /// It gets port 0.
    Off,
    /// These payload types stay, in this order.
    Keep(Kept),
}

impl Verdict {
    /// The same without telephone events.
    pub(crate) fn without_events(self, media: &Media<'_>) -> Verdict {
        let audio = media.is_rtp() && media.kind.eq_ignore_ascii_case(b"audio");
        let mut kept = match self {
            Verdict::Keep(kept) => kept,
            Verdict::AsWritten if audio && media.port != 0 => {
                let mut all = Kept { list: [0; FORMATS_MAX], count: 0 };
                media.payload_types().for_each(|format| all.add(format));
                all
            }
            Verdict::AsWritten | Verdict::Off => return self,
        };
        let map = Map::of(media);
        kept.retain(|format| !map.codec(format).is_some_and(|codec| codec.is_events()));
        if kept.count == 0 { Verdict::Off } else { Verdict::Keep(kept) }
    }
}

/// Payload types in order, none twice.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    list: [u8; FORMATS_MAX],
    count: usize,
}

impl Kept {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.list[..self.count]
    }

    fn add(&mut self, payload_type: u8) {
        if self.count < FORMATS_MAX && !self.as_slice().contains(&payload_type) {
            self.list[self.count] = payload_type;
            self.count += 1;
        }
    }

    fn retain(&mut self, keep: impl Fn(u8) -> bool) {
        let mut count = 0;
        for at in 0..self.count {
            if keep(self.list[at]) {
                self.list[count] = self.list[at];
                count += 1;
            }
        }
        self.count = count;
    }
}

impl<'f> Filter<'f> {
    /// Does this section stay on?
    #[must_use]
    pub fn keeps(&self, media: &Media<'_>) -> bool {
        !matches!(self.verdict(media), Verdict::Off)
    }

    /// The codec that the section's first format has once the filter was applied; `None` when it is switched off.
    #[must_use]
    pub fn codec<'a>(&self, media: &Media<'a>) -> Option<Codec<'a>> {
        match self.verdict(media) {
            Verdict::AsWritten => media.codec(),
            Verdict::Off => None,
            Verdict::Keep(kept) => media.rtpmap(*kept.as_slice().first()?),
        }
    }

    pub(crate) fn verdict(&self, media: &Media<'_>) -> Verdict {
        if media.port == 0 {
            return Verdict::AsWritten;
        }
        if !media.kind.eq_ignore_ascii_case(b"audio") {
            return if self.audio_only { Verdict::Off } else { Verdict::AsWritten };
        }
        let lists = self.names().next().is_some();
        match (lists || self.single_codec, media.is_rtp()) {
            (false, _) => Verdict::AsWritten,
            // What is not RTP cannot be named by a codec.
            (true, false) => {
                if lists {
                    Verdict::Off
                } else {
                    Verdict::AsWritten
                }
            }
            (true, true) => self.choose(media),
        }
    }

    fn choose(&self, media: &Media<'_>) -> Verdict {
        let map = Map::of(media);
        let mut kept = Kept { list: [0; FORMATS_MAX], count: 0 };
        let fits = |payload_type: u8, name: &str| {
            map.codec(payload_type).is_some_and(|codec| codec.is_called(name.as_bytes()))
        };
        match (self.names().next(), self.order) {
            (None, _) => media.payload_types().for_each(|format| kept.add(format)),
            (Some(_), Order::Peer) => media
                .payload_types()
                .filter(|format| self.names().any(|name| fits(*format, name)))
                .for_each(|format| kept.add(format)),
            (Some(_), Order::List) => self.names().for_each(|name| {
                media.payload_types().filter(|format| fits(*format, name)).for_each(|format| kept.add(format));
            }),
        }
        let Some(voice) = kept.as_slice().iter().copied().find(|format| map.is_voice(*format)) else {
            return Verdict::Off;
        };
        if self.single_codec {
            // RFC 4733 §2.1: events have the clock of the voice beside them; other clocks are better than no events.
            let clock = map.codec(voice).map(|codec| codec.clock_hz());
            let events = |format: u8| map.codec(format).filter(Codec::is_events);
            let same = |format: u8| events(format).is_some_and(|codec| Some(codec.clock_hz()) == clock);
            let any_same = kept.as_slice().iter().any(|format| same(*format));
            kept.retain(|format| format == voice || if any_same { same(format) } else { events(format).is_some() });
        }
        Verdict::Keep(kept)
    }

    fn names(&self) -> impl Iterator<Item = &'f str> + use<'f> {
        self.codecs.split(',').map(str::trim).filter(|name| !name.is_empty())
    }
}

/// What the payload types of one section mean, read in one pass.
struct Map<'a> {
    mapped: [Option<Codec<'a>>; 128],
}

impl<'a> Map<'a> {
    fn of(media: &Media<'a>) -> Map<'a> {
        let mut mapped = [None; 128];
        for attribute in media.attributes() {
            let Some((payload_type, codec)) = attribute.strip_prefix(b"rtpmap:").and_then(media::rtpmap) else {
                continue;
            };
            mapped[usize::from(payload_type)].get_or_insert(codec);
        }
        Map { mapped }
    }

    fn codec(&self, payload_type: u8) -> Option<Codec<'a>> {
        self.mapped.get(usize::from(payload_type)).copied().flatten().or_else(|| static_codec(payload_type))
    }

    /// A format that nobody explained is taken for voice.
    fn is_voice(&self, payload_type: u8) -> bool {
        self.codec(payload_type).is_none_or(|codec| codec.is_voice())
    }
}
