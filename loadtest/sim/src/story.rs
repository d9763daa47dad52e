//! What a seed tells: who calls whom, how people and carriers behave, what breaks.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::chance::Chance;

/// Microseconds in a millisecond.
pub const MS: u64 = 1_000;
/// Microseconds in a second.
pub const SECOND: u64 = 1_000_000;
/// Nodes of a cluster at most.
pub const NODES_MAX: usize = 3;
/// A clock that is off by more is broken: quartz is off by a tenth of this. In millionths.
const DRIFT_MAX: u64 = 1_000;
/// Carriers that take calls.
pub const TERMINATORS: usize = 3;
/// Carriers that send calls.
pub const ORIGINATORS: usize = 3;
/// More nano-units than any story spends.
pub const PLENTY: i64 = 1_000_000_000_000;
/// Nano-units, by the first revision.
const A_SECOND_OF_447: i64 = 205_761;
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
    /// Just as its so-manieth journal record is handed over, before anything of that moment is safe.
    OnRecord(u64),
    /// Just as the so-manieth reserve of a running call is handed to the journal.
    OnPaid(u64),
    /// Just as the so-manieth end of a grant is handed to the journal.
    OnClose(u64),
    /// Just as its so-manieth message for the ledger leaves, which comes there after the next life's first.
    OnWant(u64),
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

/// A span of time in which something does not work.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// Which node.
    pub node: usize,
    /// From when.
    pub from: u64,
    /// Until when.
    pub till: u64,
    /// What.
    pub kind: TroubleKind,
}

/// What does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// The node's process is dead.
    Dead,
    /// It stands still, as on a machine that swaps.
    Still,
    /// The ledger hears nothing of the node.
    Unheard,
    /// The node hears nothing of the ledger.
    Deaf,
    /// Neither hears the other.
    Apart,
    /// Its disk takes nothing, of which the node hears a second later.
    Full,
    /// Its disk takes its time, and says nothing.
    Slow,
}

/// What goes wrong between nodes and the ledger, in thousandths and microseconds.
#[derive(Clone, Debug, Default)]
pub struct Strife {
    /// Spans of trouble.
    pub troubles: Vec<Trouble>,
    /// The database is lost at the first moment, and its replica serves from the second.
    pub take_overs: Vec<(u64, u64)>,
    /// The database is lost just after its so-manieth transaction, before the replica has that.
    pub lost_after: Option<u64>,
    /// Messages lost.
    pub lost: u64,
    /// Messages that come twice, the second up to `late_max` later.
    pub doubled: u64,
    /// Messages that come late.
    pub late: u64,
    /// How late at most.
    pub late_max: u64,
    /// A payment: when, whose, how much.
    pub payment: Option<(u64, usize, i64)>,
    /// A crash is billed to the end of paid time.
    pub strict: bool,
    /// How much faster each node's clocks run than the world's, in millionths.
    pub drift: [i64; NODES_MAX],
    /// When the first node is written off.
    pub written_off: Option<u64>,
}

/// All of a run.
#[derive(Clone, Debug)]
pub struct Story {
    /// It is drawn from this.
    pub seed: u64,
    /// Nodes of the cluster, 1 to 3; the calls take turns.
    pub nodes: usize,
    /// Shards of each node.
    pub shards: u16,
    /// The calls, in order of time.
    pub calls: Vec<CallStory>,
    /// The network.
    pub weather: Weather,
    /// What happens to the so-manieth message, counted from 0, besides the weather.
    pub fault: Option<(usize, Flaw)>,
    /// When the first node's data plane is killed, if it is.
    pub crash: Option<Crash>,
    /// How long it stays away.
    pub away: u64,
    /// When a snapshot with dearer rates is published, if it is.
    pub republish: Option<u64>,
    /// Each originator's money in nano-units.
    pub funds: [i64; ORIGINATORS],
    /// What each terminator may be owed in nano-units; nothing limits the last.
    pub owed: [i64; TERMINATORS],
    /// What goes wrong between nodes and ledger.
    pub strife: Strife,
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
        let apart = |from: u64, chance: &mut Chance| Trouble {
            node: 0,
            from,
            till: from + chance.between(SECOND, 8 * SECOND),
            kind: TroubleKind::Apart,
        };
        Story {
            seed,
            nodes: 1,
            shards: chance.between(1, 4) as u16,
            calls: told,
            weather: weather(&mut chance),
            fault: None,
            crash,
            away: chance.between(50 * MS, 3 * SECOND),
            republish: chance.happens(300).then(|| chance.below(span)),
            funds: [0; ORIGINATORS].map(|_: i64| funds(&mut chance)),
            owed: [PLENTY; TERMINATORS],
            strife: Strife {
                troubles: gone.map(|from| apart(from, &mut chance)).into_iter().collect(),
                doubled: 100,
                late_max: MS,
                ..Strife::default()
            },
        }
    }

    /// The story of a seed on one to three nodes that quarrel with their ledger about little money.
    pub fn torn(seed: u64) -> Story {
        let plain = Story::new(seed);
        let mut chance = Chance::new(seed ^ 0x70_52);
        let nodes = chance.between(1, 4) as usize;
        let span = plain.calls.iter().map(|call| call.at).max().unwrap_or(0) + 20 * SECOND;
        let troubles = (0..chance.below(4)).map(|_| trouble(&mut chance, nodes, span));
        let troubles: Vec<Trouble> = troubles.collect();
        let lost_at = chance.happens(400).then(|| chance.below(span));
        let take_overs = lost_at.map(|at| (at, at + chance.between(300 * MS, 12 * SECOND)));
        let strength = chance.below(3) as usize;
        let paid = chance.happens(400).then(|| (chance.below(span), chance.below(ORIGINATORS as u64) as usize));
        let strife = Strife {
            troubles,
            take_overs: take_overs.into_iter().collect(),
            lost_after: chance.happens(300).then(|| chance.between(1, 20)),
            lost: [0, 50, 200][strength],
            doubled: [0, 100, 300][chance.below(3) as usize],
            late: [0, 50, 200][chance.below(3) as usize],
            late_max: [20 * MS, 2 * SECOND, 40 * SECOND][chance.below(3) as usize],
            payment: paid.map(|(at, who)| (at, who, chance.between(1_000_000, 100_000_000) as i64)),
            strict: chance.happens(500),
            drift: [0; NODES_MAX],
            written_off: None,
        };
        let weather = Weather { lost: plain.weather.lost.min(10), ..plain.weather };
        let funds = [0; ORIGINATORS].map(|_: i64| scarce(&mut chance));
        let crash = if chance.happens(500) { Some(cue(&mut chance)) } else { plain.crash };
        let owed = [0; TERMINATORS].map(|_: i64| if chance.happens(500) { PLENTY } else { scarce(&mut chance) });
        let drifts = chance.happens(500);
        let drift = strife.drift.map(|_| if drifts { drift(&mut chance) } else { 0 });
        Story { nodes, funds, owed, strife: Strife { drift, ..strife }, weather, crash, ..plain }
    }

    /// One call holds what there was, another what was paid in later. The second one wants more while the ledger is silent, and gets what
    /// the first one frees in the very moment in which that ends. There the node is killed, perhaps with the record of one shard safe and
    /// not that of the other.
    pub fn contested(seed: u64) -> Story {
        let mut chance = Chance::new(seed ^ 0x05_70);
        // The second call has six seconds, and asks for more five seconds before their end; it waits for a second.
        let ends = [1_200 * MS + chance.below(700 * MS), 4 * SECOND, 9 * SECOND];
        // One in between would be the first one's neighbour on its shard.
        let begins = [0, 20 * SECOND, 100 * MS];
        let call = |index: usize| CallStory {
            at: begins[index],
            originator: 0,
            calling: format!("1646{index:08}"),
            called: format!("447{index:08}"),
            caller: CallerManner::Releases(ends[index]),
            callees: [CalleeManner::Answers { ring: 0, answer: 0, talks: None }; TERMINATORS],
        };
        let mut funds = [0; ORIGINATORS];
        funds[0] = 32 * A_SECOND_OF_447;
        let silent = Trouble { node: 0, from: SECOND, till: 10 * SECOND, kind: TroubleKind::Apart };
        let payment = Some((50 * MS, 0, 7 * A_SECOND_OF_447 + A_SECOND_OF_447 / 4));
        let strife = Strife { troubles: alloc::vec![silent], payment, strict: true, ..Strife::default() };
        let (calls, crash) = ((0..3).map(call).collect(), Some(Crash::OnPaid(1)));
        Story { seed, shards: 2, calls, funds, crash, away: 80 * MS, strife, ..crate::fault::plain() }
    }

    /// The story of a seed in which the first node dies, is written off, and comes back with its old folder while calls race to the money.
    pub fn fenced(seed: u64) -> Story {
        let mut chance = Chance::new(seed ^ 0xFE_2C);
        let calls = chance.between(20, 60);
        let call = |index: u64, chance: &mut Chance| {
            let late = index >= calls / 4;
            let at = if late { chance.between(12 * SECOND, 25 * SECOND) } else { chance.below(2 * SECOND) };
            let talks = if late { chance.between(SECOND, 40 * SECOND) } else { chance.between(50 * MS, 2 * SECOND) };
            let answers = CalleeManner::Answers { ring: 20 * MS, answer: 50 * MS, talks: None };
            CallStory {
                at,
                originator: chance.below(ORIGINATORS as u64) as usize,
                calling: String::new(),
                called: format!("{}{:08}", ["4420", "4930", "331"][chance.below(3) as usize], index),
                caller: CallerManner::Releases(talks),
                callees: [answers; TERMINATORS],
            }
        };
        let mut told: Vec<CallStory> = (0..calls).map(|index| call(index, &mut chance)).collect();
        told.sort_by_key(|call| call.at);
        for (index, call) in told.iter_mut().enumerate() {
            call.calling = format!("1646{index:08}");
        }
        let dead = Trouble { node: 0, from: 7 * SECOND, till: 11 * SECOND, kind: TroubleKind::Dead };
        let strife = Strife {
            troubles: [dead].into(),
            doubled: 100,
            late_max: MS,
            written_off: Some(9 * SECOND),
            ..Strife::default()
        };
        let funds = [0; ORIGINATORS].map(|_: i64| chance.between(20_000_000, 400_000_000) as i64);
        Story {
            seed,
            nodes: 2,
            shards: chance.between(1, 4) as u16,
            calls: told,
            funds,
            strife,
            ..crate::fault::plain()
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

/// A moment at which little is safe.
fn cue(chance: &mut Chance) -> Crash {
    match chance.below(3) {
        0 => Crash::OnRecord(chance.between(1, 60)),
        1 => Crash::OnClose(chance.between(1, 5)),
        _ => Crash::OnWant(chance.between(1, 6)),
    }
}

fn trouble(chance: &mut Chance, nodes: usize, span: u64) -> Trouble {
    let from = chance.below(span);
    let kind = match chance.below(7) {
        0 | 1 => TroubleKind::Dead,
        2 => TroubleKind::Still,
        3 => TroubleKind::Unheard,
        4 => TroubleKind::Deaf,
        5 => TroubleKind::Full,
        _ => TroubleKind::Apart,
    };
    let longest = if kind == TroubleKind::Still { 4 * SECOND } else { 20 * SECOND };
    let till = from + chance.between(50 * MS, longest);
    Trouble { node: chance.below(nodes as u64) as usize, from, till, kind }
}

/// Either way.
fn drift(chance: &mut Chance) -> i64 {
    chance.below(2 * DRIFT_MAX + 1) as i64 - DRIFT_MAX as i64
}

/// Enough for a few calls, as a rule.
fn scarce(chance: &mut Chance) -> i64 {
    match chance.below(6) {
        0 => 0,
        1 => PLENTY,
        _ => chance.between(500_000, 150_000_000) as i64,
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
        _ => PLENTY,
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
