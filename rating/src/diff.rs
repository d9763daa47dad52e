//! What a new deck changes: the page that an operator reads before accepting a rate sheet.

use alloc::vec::Vec;

use snapshot::Rate;
use units::{Money, WallTime};

/// What happens to a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It had no rate.
    New,
    /// It costs more than before.
    Increase,
    /// It costs less than before.
    Decrease,
    /// It costs the same; steps, name or dates may differ.
    Unchanged,
    /// It has a rate and loses it.
    Closed,
}

/// One prefix's change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change<'a> {
    /// What happens.
    pub kind: ChangeKind,
    /// The rate that is in force when the new one begins, or the first one if all begin later; when closed, the latest.
    pub old: Option<&'a Rate>,
    /// The rate that comes; `None` when closed.
    pub new: Option<&'a Rate>,
}

impl<'a> Change<'a> {
    /// The rate that the line is about: the new one, or the closed one.
    pub fn rate(&self) -> Option<&'a Rate> {
        self.new.or(self.old)
    }

    /// The new price less the old one, both of a minute; `None` without both.
    pub fn difference(&self) -> Option<Money> {
        Some(self.new?.per_minute - self.old?.per_minute)
    }
}

/// How many prefixes have which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// New ones.
    pub new: usize,
    /// Dearer ones.
    pub increased: usize,
    /// Cheaper ones.
    pub decreased: usize,
    /// Those of the same price.
    pub unchanged: usize,
    /// Those that vanish.
    pub closed: usize,
}

/// All changes between two decks in order of prefix and date: one for each rate of the new deck, one for each prefix that only
/// the old deck has.
pub fn diff<'a>(old: &'a [Rate], new: &'a [Rate]) -> Vec<Change<'a>> {
    let (old, new) = (sorted(old), sorted(new));
    let mut changes = Vec::with_capacity(new.len());
    let mut olds = old.chunk_by(|a, b| a.prefix == b.prefix).peekable();
    for news in new.chunk_by(|a, b| a.prefix == b.prefix) {
        let prefix = news[0].prefix.as_str();
        while let Some(gone) = olds.next_if(|run| run[0].prefix.as_str() < prefix) {
            changes.push(closed(gone));
        }
        let before = olds.next_if(|run| run[0].prefix.as_str() == prefix).unwrap_or(&[]);
        changes.extend(news.iter().map(|rate| compare(before, rate)));
    }
    changes.extend(olds.map(closed));
    changes
}

/// Counts the changes. A prefix with several new rates is counted with each.
pub fn counts(changes: &[Change<'_>]) -> Counts {
    let mut counts = Counts::default();
    for change in changes {
        match change.kind {
            ChangeKind::New => counts.new += 1,
            ChangeKind::Increase => counts.increased += 1,
            ChangeKind::Decrease => counts.decreased += 1,
            ChangeKind::Unchanged => counts.unchanged += 1,
            ChangeKind::Closed => counts.closed += 1,
        }
    }
    counts
}

fn sorted(rates: &[Rate]) -> Vec<&Rate> {
    let mut sorted: Vec<&Rate> = rates.iter().collect();
    sorted.sort_by(|a, b| a.prefix.cmp(&b.prefix).then(a.from.cmp(&b.from)));
    sorted
}

fn closed<'a>(run: &[&'a Rate]) -> Change<'a> {
    Change { kind: ChangeKind::Closed, old: run.last().copied(), new: None }
}

fn compare<'a>(before: &[&'a Rate], rate: &'a Rate) -> Change<'a> {
    let current = before.iter().rev().find(|old| in_force(old, rate.from));
    // A rate that begins before all the old ones takes the place of the first.
    let old = current.or(before.first().filter(|first| rate.from < first.from)).copied();
    let kind = match old.map(|old| rate.per_minute.cmp(&old.per_minute)) {
        None => ChangeKind::New,
        Some(core::cmp::Ordering::Greater) => ChangeKind::Increase,
        Some(core::cmp::Ordering::Less) => ChangeKind::Decrease,
        Some(core::cmp::Ordering::Equal) => ChangeKind::Unchanged,
    };
    Change { kind, old, new: Some(rate) }
}

fn in_force(rate: &Rate, at: WallTime) -> bool {
    rate.from <= at && rate.till.is_none_or(|till| at < till)
}
