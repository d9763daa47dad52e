//! Digits between RFC 4733 events in media and messages in signalling: events that one peer sends are heard and kept back, and
//! digits that another peer told by message take the place of its voice packets, number by number, so that no packet is added.

use crate::rtp::Header;

/// One digit that was pressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digit {
    /// RFC 4733 table 3: 0 to 9, 10 for `*`, 11 for `#`, 12 to 15 for A to D.
    pub event: u8,
    /// How long, in milliseconds.
    pub millis: u16,
}

/// An event in place of a voice packet: twelve bytes of RTP header, four of the event.
pub(crate) type EventPacket = [u8; 16];

/// Digits of one stream that wait to be said; more are forgotten.
const WAITING_MAX: usize = 8;
/// The last event that is a digit.
const EVENT_MAX: u8 = 15;
/// RFC 4733 §2.5.1.4: the end of an event is said three times.
const ENDS: u8 = 3;
/// Voice packets between two digits.
const REST: u8 = 3;
/// RFC 4733 §2.3.4: -10 dBm0, as a decent telephone does it.
const VOLUME: u8 = 10;
/// RFC 4733 §2.3.5: the duration has 16 bits.
const DURATION_MAX: u32 = 0xffff;

/// What becomes of digits on one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Digits {
    /// The payload type whose events are heard and kept back, and its clock in Hz.
    pub(crate) hears: Option<(u8, u32)>,
    /// The payload type of events that take the place of voice, and its clock in Hz.
    pub(crate) says: Option<(u8, u32)>,
    event: Option<Event>,
    waiting: [Digit; WAITING_MAX],
    count: u8,
    saying: Option<Saying>,
    rest: u8,
}

/// The event that was heard last.
#[derive(Clone, Copy, Debug)]
struct Event {
    source: u32,
    timestamp: u32,
    digit: Digit,
    told: bool,
}

/// A digit that is being said.
#[derive(Clone, Copy, Debug)]
struct Saying {
    digit: Digit,
    source: u32,
    timestamp: u32,
    /// Units that have passed, as far as the packets told until now.
    elapsed: u32,
    begun: bool,
    ends_left: u8,
}

impl Digits {
    /// True if packets of the stream are looked at or changed.
    pub(crate) fn converts(&self) -> bool {
        self.hears.is_some() || self.says.is_some()
    }

    /// True if this packet is an event that is kept back.
    pub(crate) fn keeps(&self, header: &Header) -> bool {
        self.hears.is_some_and(|(payload_type, _)| payload_type == header.payload_type)
    }

    /// An event packet that is kept back: the digit, once it has ended, or the one before if its end was never heard.
    pub(crate) fn hear(&mut self, header: &Header, payload: &[u8]) -> Option<Digit> {
        let (_, clock_hz) = self.hears?;
        let &[event, flags, high, low, ..] = payload else { return None };
        let (ends, units) = (flags & 0x80 != 0, u64::from(u16::from_be_bytes([high, low])));
        let before = self.event;
        // Another source has a clock of its own: whatever it says is new.
        let follows = before.filter(|before| before.source == header.source);
        let age = follows.map_or(1, |before| header.timestamp.wrapping_sub(before.timestamp) as i32);
        if event > EVENT_MAX || age < 0 {
            return None;
        }
        let same = before.filter(|_| age == 0);
        let unended = before.filter(|before| age > 0 && !before.told).map(|before| before.digit);
        let millis = (units * 1_000 / u64::from(clock_hz.max(1))).min(u64::from(u16::MAX)) as u16;
        let (digit, known) = (Digit { event, millis }, same.is_some_and(|same| same.told));
        let (source, timestamp) = (header.source, header.timestamp);
        self.event = Some(Event { source, timestamp, digit, told: known || ends });
        if ends && !known { Some(digit) } else { unended }
    }

    /// A digit that is to be said on this stream. False if nothing is: no events were agreed on, or too many digits wait.
    pub(crate) fn say(&mut self, digit: Digit) -> bool {
        let place = usize::from(self.count);
        if self.says.is_none() || place == WAITING_MAX || digit.event > EVENT_MAX {
            return false;
        }
        self.waiting[place] = digit;
        self.count += 1;
        true
    }

    /// What takes the place of this voice packet.
    pub(crate) fn replace(&mut self, header: &Header, packet: &[u8]) -> Option<EventPacket> {
        let (payload_type, clock_hz) = self.says?;
        let mut saying = match self.saying {
            Some(saying) => match saying.followed_by(header, clock_hz) {
                Some(saying) => saying,
                None => {
                    (self.saying, self.rest) = (None, REST);
                    return None;
                }
            },
            None => self.next(header)?,
        };
        let whole = (u32::from(saying.digit.millis) * (clock_hz / 1_000)).clamp(1, DURATION_MAX);
        let elapsed = saying.elapsed;
        let ends = elapsed >= whole;
        // The packet that begins an event covers its own 20 ms.
        let units = if ends { whole } else { elapsed.max((clock_hz / 50).min(whole)) };
        let mut event = EventPacket::default();
        event[0] = 0x80;
        event[1] = payload_type | if saying.begun { 0 } else { 0x80 };
        event[2..4].copy_from_slice(packet.get(2..4)?);
        event[4..8].copy_from_slice(&saying.timestamp.to_be_bytes());
        event[8..12].copy_from_slice(packet.get(8..12)?);
        event[12] = saying.digit.event;
        event[13] = VOLUME | if ends { 0x80 } else { 0 };
        event[14..].copy_from_slice(&(units as u16).to_be_bytes());
        saying.begun = true;
        saying.ends_left -= u8::from(ends);
        self.saying = Some(saying).filter(|saying| saying.ends_left > 0);
        if self.saying.is_none() {
            self.rest = REST;
        }
        Some(event)
    }

    /// The next digit that waits, once the voice between two digits was heard.
    fn next(&mut self, header: &Header) -> Option<Saying> {
        if self.count == 0 {
            return None;
        }
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        let digit = self.waiting[0];
        self.waiting.copy_within(1.., 0);
        self.count -= 1;
        let (source, timestamp) = (header.source, header.timestamp);
        Some(Saying { digit, source, timestamp, elapsed: 0, begun: false, ends_left: ENDS })
    }
}

impl Saying {
    /// As it stands with this packet. A late one takes nothing back; another source, or one that begins its clock anew, goes on where the digit is.
    /// None if its end was said by the source before: to say it again would be a second digit.
    fn followed_by(mut self, header: &Header, clock_hz: u32) -> Option<Saying> {
        let elapsed = header.timestamp.wrapping_sub(self.timestamp) as i32;
        let late_max = i32::try_from(clock_hz).unwrap_or(i32::MAX);
        if header.source != self.source || elapsed < -late_max {
            if self.ends_left < ENDS {
                return None;
            }
            self.timestamp = header.timestamp.wrapping_sub(self.elapsed);
            self.source = header.source;
        } else {
            self.elapsed = self.elapsed.max(elapsed.max(0) as u32);
        }
        Some(self)
    }
}
