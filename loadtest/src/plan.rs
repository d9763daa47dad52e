//! What will happen, decided before the first packet: when each call is due and what becomes of it.

use std::time::Duration;

use rand::Rng;

use crate::cast::{Destinations, Originator, PLACE_DIGITS, Terminator};
use crate::codec::Packets;
use crate::draw::{Spread, chance};
use crate::dtmf::Dtmf;

/// A run's parameters that draws depend on.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything is drawn from it.
    pub seed: u64,
    /// When each call is due, in nanoseconds from the first possible moment; ascending.
    pub due: Vec<u64>,
    /// How long calls are placed.
    pub span: Duration,
    /// Who sends.
    pub originators: Vec<Originator>,
    /// Who takes.
    pub terminators: Vec<Terminator>,
    /// Where to.
    pub called: Destinations,
    /// Digits of a called number, tech prefix not counted.
    pub called_digits: usize,
    /// Talking time.
    pub talk: Spread,
    /// Share of calls that the caller releases.
    pub caller_releases: f64,
    /// Share of calls with media.
    pub media: f64,
    /// What its packets are like.
    pub packets: Packets,
    /// What callers dial in answered calls.
    pub dtmf: Option<Dtmf>,
    /// Share of callers who give up before the answer.
    pub cancel: f64,
    /// When they give up.
    pub cancel_after: Spread,
}

/// One call as decided.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// Index of its originator.
    pub originator: usize,
    /// The caller's number; its last eight digits are the call's place in the plan.
    pub calling: String,
    /// The number dialled, tech prefix included.
    pub called: String,
    /// Talking time after which the caller releases; `None` if the other side does.
    pub caller_talks: Option<Duration>,
    /// Gives up after this long without an answer.
    pub gives_up: Option<Duration>,
    /// RTP flows.
    pub media: bool,
}

/// What a terminator does with an INVITE.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Outcome {
    /// Refuses at once with this status.
    Refuse(u16),
    /// Never responds.
    #[default]
    Silence,
    /// Rings after the first span and never answers.
    Ring(Duration),
    /// Rings, answers, and releases after the last span if it is the one to release.
    Answer {
        /// INVITE to 18x.
        ring: Duration,
        /// 18x to 200.
        answer: Duration,
        /// 200 to BYE; `None` if the caller releases.
        talks: Option<Duration>,
    },
}

impl Plan {
    /// What the caller of this place does, written over an earlier one.
    pub fn call(&self, place: usize, into: &mut Planned) {
        let mut source = chance(self.seed, place as u64, "caller");
        let originator = self.pick_originator(source.random());
        let from = &self.originators[originator];
        into.called.clear();
        into.called.push_str(&from.tech);
        into.called.push_str(self.called.at(source.random()));
        while into.called.len() < from.tech.len() + self.called_digits {
            into.called.push(char::from(b'0' + source.random_range(0..10u8)));
        }
        into.calling.clear();
        into.calling.push_str(&from.callers);
        let mut power = 10_usize.pow(PLACE_DIGITS as u32 - 1);
        while power > 0 {
            into.calling.push(char::from(b'0' + (place / power % 10) as u8));
            power /= 10;
        }
        let caller_releases = self.caller_releases(place);
        let talk = self.talk.draw(&mut source);
        into.gives_up = (source.random::<f64>() < self.cancel).then(|| self.cancel_after.draw(&mut source));
        into.originator = originator;
        into.caller_talks = caller_releases.then_some(talk);
        into.media = self.has_media(place);
    }

    /// What this terminator does with the call of this place; a caller that is not ours has none.
    pub fn outcome(&self, place: Option<usize>, index: usize, nth: u64) -> Outcome {
        let who = &self.terminators[index];
        let mut source = chance(self.seed, place.map_or(nth, |place| place as u64), &who.name);
        let point: f64 = source.random();
        let mut edge = who.dead;
        if point < edge {
            return Outcome::Silence;
        }
        for (status, share) in &who.causes {
            edge += share;
            if point < edge {
                return Outcome::Refuse(*status);
            }
        }
        let ring = who.ring.draw(&mut source);
        edge += who.unanswered;
        if point < edge {
            return Outcome::Ring(ring);
        }
        let answer = who.answer.draw(&mut source);
        edge += who.fas;
        let (ring, answer) = if point < edge { (Duration::ZERO, Duration::ZERO) } else { (ring, answer) };
        let talk = who.talk.unwrap_or(self.talk).draw(&mut source);
        let releases = place.is_none_or(|place| !self.caller_releases(place));
        Outcome::Answer { ring, answer, talks: releases.then_some(talk) }
    }

    /// How long this terminator says nothing of the call of this place.
    pub fn delay(&self, place: Option<usize>, index: usize, nth: u64) -> Duration {
        let who = &self.terminators[index];
        let source = || chance(self.seed, place.map_or(nth, |place| place as u64), "delay");
        who.delay.map_or(Duration::ZERO, |delay| delay.draw(&mut source()))
    }

    /// Whether the call of this place hears something before the answer.
    pub fn is_early(&self, place: usize, index: usize) -> bool {
        let share = self.terminators[index].early;
        share > 0.0 && chance(self.seed, place as u64, "early").random::<f64>() < share
    }

    /// Share of its RTP packets that this terminator keeps to itself in the call of this place.
    pub fn unspoken(&self, place: usize, index: usize) -> f64 {
        let Terminator { rtp_loss, mute, .. } = self.terminators[index];
        let silent = mute > 0.0 && chance(self.seed, place as u64, "mute").random::<f64>() < mute;
        if silent { 1.0 } else { rtp_loss }
    }

    /// The place that a calling number carries, if it is one of ours.
    pub fn place_of(&self, calling: &[u8]) -> Option<usize> {
        let tail = calling.get(calling.len().checked_sub(PLACE_DIGITS)?..)?;
        let place = std::str::from_utf8(tail).ok()?.parse::<usize>().ok()?;
        (place < self.due.len()).then_some(place)
    }

    /// Whether RTP flows in the call of this place: both ends ask this.
    pub fn has_media(&self, place: usize) -> bool {
        // Nothing is drawn for all or none.
        self.media >= 1.0 || self.media > 0.0 && chance(self.seed, place as u64, "media").random::<f64>() < self.media
    }

    fn caller_releases(&self, place: usize) -> bool {
        self.caller_releases >= 1.0
            || self.caller_releases > 0.0
                && chance(self.seed, place as u64, "releases").random::<f64>() < self.caller_releases
    }

    fn pick_originator(&self, point: f64) -> usize {
        let mut rest = point * self.originators.iter().map(|from| from.weight).sum::<f64>();
        for (index, from) in self.originators.iter().enumerate() {
            rest -= from.weight;
            if rest < 0.0 {
                return index;
            }
        }
        self.originators.len() - 1
    }
}
