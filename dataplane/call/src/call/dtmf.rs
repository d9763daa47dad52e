//! Digits between a trunk that has them by INFO and one that has them in media (RFC 4733).

use media::Digit;
use sdp::Events;
use snapshot::policy::Dtmf;

use crate::bridge::Body;
use crate::call::{Call, Context};

/// The usual payload type of events that are offered for a peer that has none, and others if that one is taken.
const FORMATS: [u8; 6] = [101, 96, 97, 98, 99, 100];
/// How long a digit lasts where its message does not say, in milliseconds.
const USUAL_MS: u16 = 160;
/// The longest and the shortest digit that is said, in milliseconds.
const SHORTEST_MS: u16 = 40;
const LONGEST_MS: u16 = 5_000;

impl Call {
    /// True if the policy of the leg's trunk wants its digits by INFO.
    fn is_by_info(&self, ctx: &Context<'_>, leg: u8) -> bool {
        self.rules(ctx, leg).is_some_and(|rules| rules.policy.media.dtmf == Dtmf::Info)
    }

    /// What becomes of telephone events in a description on its way.
    pub(super) fn events_for(
        &self,
        ctx: &Context<'_>,
        from: u8,
        to: u8,
        answers: bool,
        description: &sdp::Session<'_>,
    ) -> Events {
        let section = description.first_active().and_then(|index| description.get(index));
        let free = |format: &u8| section.is_none_or(|section| section.payload_types().all(|other| other != *format));
        match (self.is_by_info(ctx, from), self.is_by_info(ctx, to)) {
            (true, true) | (false, false) => Events::Keep,
            (false, true) => Events::Drop,
            // RFC 3264 §6.1: an answer has what the offer had, by the offer's numbers.
            (true, false) if answers => {
                self.legs[usize::from(to)].media.events.map_or(Events::Keep, |(format, _)| Events::Add(format))
            }
            (true, false) => FORMATS.into_iter().find(free).map_or(Events::Keep, Events::Add),
        }
    }

    /// The relay is told whose events it keeps back, and whose voice gives way to digits.
    pub(super) fn convert_digits(&self, ctx: &mut Context<'_>) {
        for (leg, other) in [(0, self.current), (self.current, 0)] {
            let converts = leg != other && !self.is_by_info(ctx, leg) && self.is_by_info(ctx, other);
            let (one, other) = (&self.legs[usize::from(leg)], &self.legs[usize::from(other)]);
            let events = one.media.events.filter(|_| converts);
            if let (Some(hears), Some(says)) = (one.pair, other.pair) {
                ctx.relay.keep_events(hears.id, events);
                ctx.relay.say_events(says.id, events);
            }
        }
    }

    /// A digit was heard in the media that came to this RTP port of ours: the other leg's peer is told.
    pub fn on_digit(&mut self, ctx: &mut Context<'_>, port: u16, digit: Digit) {
        let heard = |leg: u8| self.legs[usize::from(leg)].pair.is_some_and(|pair| pair.rtp_port == port);
        let other = match () {
            () if !self.is_up() => return,
            () if heard(0) => self.current,
            () if heard(self.current) => 0,
            () => return,
        };
        let bytes = alloc::format!("Signal={}\r\nDuration={}\r\n", letter(digit.event), digit.millis).into_bytes();
        let body = Body::of(b"application/dtmf-relay", bytes);
        let leg = &mut self.legs[usize::from(other)];
        if leg.is_confirmed() && !leg.gone {
            leg.send_request(&mut ctx.desk, other, b"INFO", &body, None, None);
        }
    }

    /// True if this INFO tells a digit that has to be said in media.
    pub(super) fn is_digit(&self, ctx: &Context<'_>, leg: u8, body: &Body) -> bool {
        let other = self.other(leg);
        other != leg && self.is_by_info(ctx, leg) && !self.is_by_info(ctx, other) && read(body).is_some()
    }

    /// A digit that a peer told by INFO takes the place of its voice.
    pub(super) fn hear_digit(&mut self, ctx: &mut Context<'_>, leg: u8, number: u32, body: &Body) {
        let pair = self.legs[usize::from(leg)].pair;
        let said = pair.zip(read(body)).is_some_and(|(pair, digit)| ctx.relay.say(pair.id, digit));
        // RFC 6086 §4.2.2: what cannot be done is not accepted.
        let status = if said { 200 } else { 488 };
        self.legs[usize::from(leg)].answer_request(&mut ctx.desk, leg, number, status, &Body::default());
    }
}

fn letter(event: u8) -> char {
    char::from(*b"0123456789*#ABCD".get(usize::from(event)).unwrap_or(&b'0'))
}

/// The digit of an INFO: `Signal=5` and `Duration=160` in application/dtmf-relay, or the digit alone in application/dtmf.
fn read(body: &Body) -> Option<Digit> {
    let base = body.kind.split(|byte| *byte == b';').next()?.trim_ascii();
    let (mut signal, mut millis) = (None, None);
    if base.eq_ignore_ascii_case(b"application/dtmf") {
        signal = Some(body.bytes.trim_ascii());
    } else if base.eq_ignore_ascii_case(b"application/dtmf-relay") {
        for line in body.bytes.split(|byte| matches!(byte, b'\r' | b'\n')) {
            let Some(at) = line.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = (line[..at].trim_ascii(), line[at + 1..].trim_ascii());
            match () {
                () if name.eq_ignore_ascii_case(b"signal") => signal = Some(value),
                () if name.eq_ignore_ascii_case(b"duration") => millis = core::str::from_utf8(value).ok()?.parse().ok(),
                () => {}
            }
        }
    }
    let &[letter] = signal? else { return None };
    let event = b"0123456789*#ABCD".iter().position(|known| *known == letter.to_ascii_uppercase())?;
    Some(Digit { event: event as u8, millis: millis.unwrap_or(USUAL_MS).clamp(SHORTEST_MS, LONGEST_MS) })
}
