//! Digits that callers dial in answered calls: as telephone events among the media (RFC 4733) or as INFO requests.

use std::time::Duration;

/// Payload type of telephone events in our descriptions.
pub const PAYLOAD_TYPE: u8 = 101;
/// Bytes of such a packet: RTP header and one event.
pub const EVENT_BYTES: usize = 16;
/// Ticks of 20 ms from one digit to the next: six with the digit, two of silence.
const TICKS: u32 = 8;
const LAST_TICK: u32 = 5;
/// Units of the timestamp in one tick.
const TICK_UNITS: u16 = 160;
/// RFC 4733 §2.5.1.4: the end of an event is said three times.
const ENDS: u32 = 3;
/// The digits by their event (RFC 4733 §3.2).
const DIGITS: &[u8; 16] = b"0123456789*#ABCD";

/// How digits travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// Telephone events in calls with media.
    #[default]
    Rfc4733,
    /// An INFO request a digit, in all calls.
    Info,
}

/// What callers dial, and when after the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dtmf {
    /// Digits, each below 16.
    pub digits: Vec<u8>,
    /// After the answer.
    pub after: Duration,
    /// How they travel.
    pub by: By,
}

impl Dtmf {
    /// Reads `1234#@2s`.
    pub fn read(text: &str) -> Result<Dtmf, String> {
        let (digits, after) = text.split_once('@').unwrap_or((text, "0s"));
        let known = digits.bytes().map(|byte| event(byte.to_ascii_uppercase())).collect::<Option<Vec<u8>>>();
        let digits = known.filter(|digits| (1..=64).contains(&digits.len()));
        let digits =
            digits.ok_or_else(|| format!("'{text}': want 1 to 64 digits of 0-9 * # A-D, and a moment: 12#@2s"))?;
        Ok(Dtmf { digits, after: crate::draw::span(after)?, by: By::default() })
    }
}

fn event(letter: u8) -> Option<u8> {
    DIGITS.iter().position(|digit| *digit == letter).map(|place| place as u8)
}

/// The letter of a digit.
pub fn letter(digit: u8) -> char {
    char::from(DIGITS[usize::from(digit & 15)])
}

/// The digit that the body of an INFO names (application/dtmf-relay or application/dtmf).
pub fn of_info(body: &str) -> Option<u8> {
    let named = body.lines().find_map(|line| line.trim().strip_prefix("Signal="));
    event(*named.unwrap_or(body).trim().as_bytes().first()?)
}

/// What one tick of media is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// Speech.
    Speech,
    /// A packet of an event, so many times; the digit is complete with it or not.
    Event {
        /// The event.
        event: u8,
        /// Its tick, from 0.
        nth: u32,
        /// How often it is sent.
        times: u32,
    },
}

impl Tick {
    /// Whether the digit is complete with this.
    pub fn is_last(self) -> bool {
        matches!(self, Tick::Event { nth: LAST_TICK, .. })
    }
}

/// What is sent in this tick when digits are dialled from another one on.
pub fn tick(digits: &[u8], from: u32, now: u32) -> Tick {
    let Some(since) = now.checked_sub(from) else { return Tick::Speech };
    let (place, nth) = (since / TICKS, since % TICKS);
    match digits.get(place as usize) {
        Some(event) if nth <= LAST_TICK => {
            Tick::Event { event: *event, nth, times: if nth == LAST_TICK { ENDS } else { 1 } }
        }
        _ => Tick::Speech,
    }
}

/// Writes a packet of an event (RFC 4733 §2.3). `begun` is the timestamp of its first tick.
pub fn write(packet: &mut [u8; EVENT_BYTES], (event, nth): (u8, u32), sequence: u16, begun: u32, source: u32) {
    let last = nth == LAST_TICK;
    packet[0] = 0x80;
    packet[1] = if nth == 0 { 0x80 | PAYLOAD_TYPE } else { PAYLOAD_TYPE };
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[4..8].copy_from_slice(&begun.to_be_bytes());
    packet[8..12].copy_from_slice(&source.to_be_bytes());
    packet[12] = event;
    // Volume −10 dBm0.
    packet[13] = if last { 0x8A } else { 0x0A };
    packet[14..16].copy_from_slice(&((nth as u16 + 1) * TICK_UNITS).to_be_bytes());
}

/// A packet of an event as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The digit.
    pub digit: u8,
    /// The event is over.
    pub end: bool,
    /// The timestamp of its beginning, which tells it from the next one.
    pub begun: u32,
}

/// Reads one; `None` if it is none of this source.
pub fn read(packet: &[u8], source: u32) -> Option<Event> {
    let whole = packet.len() == EVENT_BYTES && packet[0] == 0x80 && packet[1] & 0x7F == PAYLOAD_TYPE;
    let word = |at: usize| u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
    (whole && word(8) == source).then(|| Event { digit: packet[12] & 15, end: packet[13] & 0x80 != 0, begun: word(4) })
}

/// What a callee heard of the digits that its caller dials.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dialled {
    /// The next digit that is expected.
    next: usize,
    /// The event that was heard last, by its beginning.
    last: Option<u32>,
}

impl Dialled {
    /// Hears a packet of an event; says once for each digit whether it was expected. Digits before it may be missing.
    pub fn hear(&mut self, digits: &[u8], event: Event) -> Option<bool> {
        if !event.end || self.last == Some(event.begun) {
            return None;
        }
        self.last = Some(event.begun);
        let place = digits.get(self.next..)?.iter().position(|digit| *digit == event.digit);
        self.next = place.map_or(self.next, |place| self.next + place + 1);
        Some(place.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_were_dialled_are_heard_once_each() {
        let dtmf = Dtmf::read("19#@2s").expect("digits");
        assert_eq!((dtmf.digits.as_slice(), dtmf.after), (&[1, 9, 11][..], Duration::from_secs(2)));
        let (mut heard, mut packet, mut sequence, mut begun) = (Dialled::default(), [0; EVENT_BYTES], 0, 0);
        let mut told = Vec::new();
        for now in 0..40_u32 {
            let Tick::Event { event, nth, times } = tick(&dtmf.digits, 3, now) else { continue };
            begun = if nth == 0 { now * 160 } else { begun };
            for _ in 0..times {
                write(&mut packet, (event, nth), sequence, begun, 77);
                sequence += 1;
                let event = read(&packet, 77).expect("an event");
                told.extend(heard.hear(&dtmf.digits, event).map(|right| (letter(event.digit), right)));
            }
        }
        assert_eq!((told.as_slice(), sequence), (&[('1', true), ('9', true), ('#', true)][..], 24));
        assert_eq!(read(&packet, 78), None);
    }

    #[test]
    fn a_missing_digit_is_passed_over_and_one_that_was_not_dialled_is_wrong() {
        let digits = [1, 2, 3];
        let hear = |heard: &mut Dialled, digit, begun| heard.hear(&digits, Event { digit, end: true, begun });
        let mut heard = Dialled::default();
        assert_eq!(
            [hear(&mut heard, 2, 1), hear(&mut heard, 2, 1), hear(&mut heard, 1, 2)],
            [Some(true), None, Some(false)]
        );
        assert_eq!(hear(&mut heard, 3, 3), Some(true));
        assert_eq!((of_info("Signal=*\r\nDuration=160\r\n"), of_info("5"), of_info("")), (Some(10), Some(5), None));
        assert!(Dtmf::read("12x").is_err() && Dtmf::read("@2s").is_err());
    }
}
