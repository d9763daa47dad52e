//! The last calls of a route or a trunk, and what they say.

use alloc::collections::VecDeque;

use units::Instant;

use super::{Figure, SCALE};

/// Calls of one window at most.
pub const CALLS_MAX: u8 = 200;

/// How one attempt ended, or that it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result {
    /// The trunk did not bring the call to anybody.
    Failed,
    /// The trunk did its part: the destination was busy, absent or unwilling, or the caller gave up.
    Reached,
    /// Answered.
    Answered,
}

/// One answered call that is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// How long it talked, in milliseconds.
    pub talk_ms: u64,
    /// Estimated mean opinion score of what the trunk sent, in hundredths; 0 if nothing came.
    pub mos_x100: u16,
    /// Packets of the trunk that were lost, in thousandths.
    pub loss_permille: u16,
}

/// What a window says, small enough to travel and to be recorded. Counts are 200 at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Attempts.
    pub calls: u8,
    /// Of these, answered.
    pub answered: u8,
    /// Of these, answered or brought to somebody who did not answer.
    pub reached: u8,
    /// Answered calls that are over: a window of its own.
    pub talks: u8,
    /// Of these, short.
    pub short: u8,
    /// Their average talk time, in seconds.
    pub acd_s: u16,
    /// Average time from INVITE to ringing, in milliseconds.
    pub pdd_ms: u16,
    /// Average of the estimated mean opinion scores, in hundredths.
    pub mos_x100: u16,
    /// Average share of lost packets, in thousandths.
    pub loss_permille: u16,
}

impl Sum {
    /// One figure in millionths; a price comes in nano-units.
    pub(super) fn figure(&self, figure: Figure, price_nanos: i64) -> i64 {
        match figure {
            Figure::Asr => percent(self.answered, self.calls),
            Figure::Ner => percent(self.reached, self.calls),
            Figure::Short => percent(self.short, self.talks),
            Figure::Acd => i64::from(self.acd_s) * SCALE,
            Figure::Pdd => i64::from(self.pdd_ms) * SCALE,
            Figure::Calls => i64::from(self.calls) * SCALE,
            Figure::Price => price_nanos / 1_000,
            Figure::Loss => i64::from(self.loss_permille) * (SCALE / 10),
            Figure::Mos => i64::from(self.mos_x100) * (SCALE / 100),
        }
    }

    /// Answered calls, per cent.
    pub fn asr_percent(&self) -> u8 {
        (percent(self.answered, self.calls) / SCALE) as u8
    }

    /// Short ones among the answered calls, per cent.
    pub fn short_percent(&self) -> u8 {
        (percent(self.short, self.talks) / SCALE) as u8
    }
}

/// A share in millionths of a per cent; 0 of nothing.
fn percent(part: u8, whole: u8) -> i64 {
    if whole == 0 { 0 } else { i64::from(part) * 100 * SCALE / i64::from(whole) }
}

/// The last calls; bounded, and filled in constant time.
#[derive(Clone, Debug)]
pub struct Window {
    calls_max: u8,
    short_ms: u64,
    calls: VecDeque<(Result, Option<u16>)>,
    talks: VecDeque<Talk>,
    heard_at: Instant,
}

impl Window {
    /// An empty window of this many calls, 1 to 200; answered calls that talk less than `short_s` seconds are short.
    pub fn new(calls_max: u8, short_s: u8) -> Window {
        let room = usize::from(calls_max);
        Window {
            calls_max,
            short_ms: u64::from(short_s) * 1_000,
            calls: VecDeque::with_capacity(room),
            talks: VecDeque::with_capacity(room),
            heard_at: Instant::default(),
        }
    }

    /// True if it was made with these.
    pub fn is(&self, calls_max: u8, short_s: u8) -> bool {
        (self.calls_max, self.short_ms) == (calls_max, u64::from(short_s) * 1_000)
    }

    /// One attempt was answered or failed; `pdd_ms` is the time from its INVITE to its ringing, if it rang.
    pub fn count(&mut self, now: Instant, result: Result, pdd_ms: Option<u64>) {
        if self.calls.len() == usize::from(self.calls_max) {
            self.calls.pop_front();
        }
        let pdd_ms = pdd_ms.map(|ms| ms.min(u64::from(u16::MAX)) as u16);
        self.calls.push_back((result, pdd_ms));
        self.heard_at = now;
    }

    /// One answered call is over.
    pub fn talked(&mut self, talk: Talk) {
        if self.talks.len() == usize::from(self.calls_max) {
            self.talks.pop_front();
        }
        self.talks.push_back(talk);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.calls.clear();
        self.talks.clear();
    }

    /// True if there is something to forget.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.talks.is_empty()
    }

    /// When the last attempt was counted.
    pub fn heard_at(&self) -> Instant {
        self.heard_at
    }

    /// What the calls say. Walks through the window: at most 400 steps.
    pub fn sum(&self) -> Sum {
        let count = |wanted: fn(Result) -> bool| self.calls.iter().filter(|(result, _)| wanted(*result)).count() as u8;
        let rings = self.calls.iter().filter_map(|(_, pdd)| *pdd);
        let heard = self.talks.iter().filter(|talk| talk.mos_x100 > 0);
        let lengths = self.talks.iter().map(|talk| talk.talk_ms / 1_000);
        Sum {
            calls: self.calls.len() as u8,
            answered: count(|result| result == Result::Answered),
            reached: count(|result| result != Result::Failed),
            talks: self.talks.len() as u8,
            short: self.talks.iter().filter(|talk| talk.talk_ms < self.short_ms).count() as u8,
            acd_s: average(lengths),
            pdd_ms: average(rings.map(u64::from)),
            mos_x100: average(heard.clone().map(|talk| u64::from(talk.mos_x100))),
            loss_permille: average(heard.map(|talk| u64::from(talk.loss_permille))),
        }
    }
}

/// Rounded half up; 0 of nothing.
fn average(values: impl Iterator<Item = u64>) -> u16 {
    let (sum, count) = values.fold((0u64, 0), |(sum, count), value| (sum.saturating_add(value), count + 1));
    let half = count / 2;
    sum.saturating_add(half).checked_div(count).unwrap_or(0).min(u64::from(u16::MAX)) as u16
}
