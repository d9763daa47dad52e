//! What a seed tells: who calls whom, how people and carriers behave, what breaks.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::chance::Chance;

/// Microseconds in a millisecond.
pub const MS: u64 = 1_000;
/// Microseconds in a second.
pub const SECOND: u64 = 1_000_000;
/// Carriers that take calls.
pub const TERMINATORS: usize = 3;
/// Carriers that send calls.
pub const ORIGINATORS: usize = 3;
/// Answered calls are released by the switch after this, if nobody else does: the trunks' setting in every story.
pub const TALK_MAX_S: u32 = 60;

/// What the caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerManner {
    /// Releases this long after the answer.
    Releases(u64),
    /// Waits for the other side's release.
    Waits,
    /// Cancels this long after the INVITE, if there is no answer yet.
    Cancels(u64),
    /// Is gone after the answer: acknowledges and never speaks again.
    Vanishes,
    /// Never acknowledges the answer, as if gone a moment before it.
    NeverAcknowledges,
    /// Offers media anew in the middle, then releases this long after the answer.
    Reoffers(u64),
    /// The same by UPDATE (RFC 3311), which a callee that does not name it hears as a re-INVITE.
    Updates(u64),
}

/// What a terminator does with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalleeManner {
    /// Rings, answers, and releases if `talks` says when.
    Answers {
        /// From INVITE to 180.
        ring: u64,
        /// From 180 to 200.
        answer: u64,
        /// From 200 to BYE.
        talks: Option<u64>,
    },
    /// Refuses.
    Refuses(u16),
    /// Says nothing.
    Silent,
    /// Rings for ever.
    RingsOn,
    /// Answers and is gone.
    Vanishes,
    /// Rings and is gone.
    FallsSilent,
}

/// One call.
#[derive(Clone, Debug)]
pub struct CallStory {
    /// When its INVITE is sent, in microseconds.
    pub at: u64,
    /// Which originator.
    pub originator: usize,
    /// The caller's number; ends in the call's index, eight digits.
    pub calling: String,
    /// The number dialled.
    pub called: String,
    /// The caller.
    pub caller: CallerManner,
    /// Each terminator, should the call come to it.
    pub callees: [CalleeManner; TERMINATORS],
}

/// When the data plane is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// At this moment.
    At(u64),
    /// Just as its so-manieth answer to an INVITE leaves for a caller: its start record must be safe by then.
    OnAnswer(u64),
    /// Just as its so-manieth answer to a BYE leaves for a caller: the call's record must be safe by then.
    OnRelease(u64),
}

/// The network, in thousandths and microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Datagrams lost.
    pub lost: u64,
    /// Datagrams that come twice.
    pub doubled: u64,
    /// Datagrams that come late, so that later ones overtake them.
    pub late: u64,
    /// How late at most.
    pub late_max: u64,
}

/// What happens to one chosen message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It never comes.
    Lost,
    /// It comes twice.
    Doubled,
    /// It comes so many microseconds late.
    Late(u64),
}

/// All of a run.
#[derive(Clone, Debug)]
pub struct Story {
    /// It is drawn from this.
    pub seed: u64,
    /// Shards of the node.
    pub shards: u16,
    /// The calls, in order of time.
    pub calls: Vec<CallStory>,
    /// The network.
    pub weather: Weather,
    /// What happens to the so-manieth message, counted from 0, besides the weather.
    pub fault: Option<(usize, Flaw)>,
    /// When the data plane is killed, if it is.
    pub crash: Option<Crash>,
    /// How long it stays away.
    pub away: u64,
    /// When a snapshot with dearer rates is published, if it is.
    pub republish: Option<u64>,
    /// Each originator's money in nano-units.
    pub funds: [i64; ORIGINATORS],
    /// The control plane answers nothing between these moments.
    pub ledger_away: Option<(u64, u64)>,
}

impl Story {
    /// The story of a seed.
    pub fn new(seed: u64) -> Story {
        let mut chance = Chance::new(seed);
        let calls = chance.between(8, 40);
        let span = chance.between(2, 12) * SECOND;
        let mut told: Vec<CallStory> = (0..calls).map(|index| call(&mut chance, index, span)).collect();
        told.sort_by_key(|call| call.at);
        for (index, call) in told.iter_mut().enumerate() {
            call.calling = format!("1646{index:08}");
        }
        let crash = chance.happens(300).then(|| crash(&mut chance, span));
        let gone = chance.happens(200).then(|| chance.below(span));
        Story {
            seed,
            shards: chance.between(1, 4) as u16,
            calls: told,
            weather: weather(&mut chance),
            fault: None,
            crash,
            away: chance.between(50 * MS, 3 * SECOND),
            republish: chance.happens(300).then(|| chance.below(span)),
            funds: [0; ORIGINATORS].map(|_: i64| funds(&mut chance)),
            ledger_away: gone.map(|from| (from, from + chance.between(SECOND, 8 * SECOND))),
        }
    }

    /// The call that a number belongs to.
    pub fn call_of(&self, calling: &str) -> Option<usize> {
        let digits = calling.get(calling.len().checked_sub(8)?..)?;
        digits.parse().ok().filter(|index| *index < self.calls.len())
    }
}

fn crash(chance: &mut Chance, span: u64) -> Crash {
    match chance.below(3) {
        0 => Crash::At(chance.between(SECOND, span + 20 * SECOND)),
        1 => Crash::OnAnswer(chance.between(1, 8)),
        _ => Crash::OnRelease(chance.between(1, 5)),
    }
}

fn weather(chance: &mut Chance) -> Weather {
    let strength = chance.below(4);
    Weather {
        lost: [0, 10, 50, 120][strength as usize],
        doubled: [0, 10, 30, 100][chance.below(4) as usize],
        late: [0, 10, 50, 100][chance.below(4) as usize],
        late_max: [2 * MS, 80 * MS, 900 * MS][chance.below(3) as usize],
    }
}

/// Plenty, mostly; now and then enough for a few calls only, or nothing.
fn funds(chance: &mut Chance) -> i64 {
    match chance.below(8) {
        0 => 0,
        1 | 2 => chance.between(1_000_000, 400_000_000) as i64,
        _ => 1_000_000_000_000,
    }
}

fn call(chance: &mut Chance, index: u64, span: u64) -> CallStory {
    let prefix = ["4420", "4930", "331", "99"][chance.below(4) as usize];
    CallStory {
        at: chance.below(span),
        originator: chance.below(ORIGINATORS as u64) as usize,
        calling: String::new(),
        called: format!("{prefix}{:08}", index * 7 + chance.below(7)),
        caller: caller(chance),
        callees: [(); TERMINATORS].map(|()| callee(chance)),
    }
}

fn caller(chance: &mut Chance) -> CallerManner {
    let long = chance.between(50 * MS, 25 * SECOND);
    match chance.below(20) {
        0..=7 => CallerManner::Releases(long),
        8..=12 => CallerManner::Waits,
        13..=15 => CallerManner::Cancels(chance.between(10 * MS, 4 * SECOND)),
        16 => CallerManner::Vanishes,
        17 => CallerManner::NeverAcknowledges,
        _ => CallerManner::Reoffers(long),
    }
}

fn callee(chance: &mut Chance) -> CalleeManner {
    let ring = chance.between(MS, 2 * SECOND);
    let answer = chance.between(MS, 4 * SECOND);
    let talks = chance.between(20 * MS, 25 * SECOND);
    match chance.below(20) {
        0..=5 => CalleeManner::Answers { ring, answer, talks: None },
        6..=11 => CalleeManner::Answers { ring, answer, talks: Some(talks) },
        12 | 13 => CalleeManner::Refuses(486),
        14..=16 => CalleeManner::Refuses([503, 480, 404, 500][chance.below(4) as usize]),
        17 => CalleeManner::Silent,
        18 => CalleeManner::RingsOn,
        _ => CalleeManner::Vanishes,
    }
}
