//! What a new deck changes: the page that an operator reads before accepting a rate sheet.

use alloc::vec::Vec;
use core::cmp::Ordering;

use snapshot::{PREFIX_BYTES_MAX, Rate};
use units::{Hours, Jurisdiction, Money, RateClass, WallTime};

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
    /// Calls there are refused from then on.
    Blocked,
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
    /// Those where calls are refused from then on.
    pub blocked: usize,
}

impl Counts {
    /// Counts one change.
    pub fn add(&mut self, kind: ChangeKind) {
        match kind {
            ChangeKind::New => self.new += 1,
            ChangeKind::Increase => self.increased += 1,
            ChangeKind::Decrease => self.decreased += 1,
            ChangeKind::Unchanged => self.unchanged += 1,
            ChangeKind::Closed => self.closed += 1,
            ChangeKind::Blocked => self.blocked += 1,
        }
    }
}

/// Orders rates by what calls they are for, whatever their dates: rates that are equal here take turns in time.
pub fn by_line(a: &Rate, b: &Rate) -> Ordering {
    (&a.prefix, a.class).cmp(&(&b.prefix, b.class))
}

/// Orders rates as a deck keeps them: no two of a deck are equal here.
pub fn by_key(a: &Rate, b: &Rate) -> Ordering {
    by_line(a, b).then(a.from.cmp(&b.from))
}

/// All changes between two decks in order of prefix, class and date: one for each rate of the new deck, one for each prefix and class
/// that only the old deck has.
pub fn diff<'a>(old: &'a [Rate], new: &'a [Rate]) -> Vec<Change<'a>> {
    let (old, new) = (sorted(old), sorted(new));
    let mut changes = Vec::with_capacity(new.len());
    let mut olds = old.chunk_by(|a, b| by_line(a, b).is_eq()).peekable();
    for news in new.chunk_by(|a, b| by_line(a, b).is_eq()) {
        while let Some(gone) = olds.next_if(|run| by_line(run[0], news[0]).is_lt()) {
            changes.push(closed(gone));
        }
        let before = olds.next_if(|run| by_line(run[0], news[0]).is_eq()).unwrap_or(&[]);
        changes.extend(news.iter().map(|rate| compare(before, rate)));
    }
    changes.extend(olds.map(closed));
    changes
}

/// Counts the changes. A prefix with several new rates is counted with each.
pub fn counts(changes: &[Change<'_>]) -> Counts {
    let mut counts = Counts::default();
    changes.iter().for_each(|change| counts.add(change.kind));
    counts
}

/// The rate of this line that is in force at a moment; the line's rates are in order of date.
pub fn in_force_at<'a>(line: &[&'a Rate], at: WallTime) -> Option<&'a Rate> {
    line.iter().rev().copied().find(|rate| in_force(rate, at))
}

/// What a rate does to the one that it follows.
pub fn kind_of(old: Option<&Rate>, new: &Rate) -> ChangeKind {
    match old {
        Some(old) if new.blocked && !old.blocked => ChangeKind::Blocked,
        None if new.blocked => ChangeKind::Blocked,
        Some(old) if old.blocked && !new.blocked => ChangeKind::New,
        None => ChangeKind::New,
        Some(old) => match new.per_minute.cmp(&old.per_minute) {
            Ordering::Greater => ChangeKind::Increase,
            Ordering::Less => ChangeKind::Decrease,
            Ordering::Equal => ChangeKind::Unchanged,
        },
    }
}

/// What turns one deck into another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits {
    /// Rates to be taken out; prefix, class and date say which.
    pub gone: Vec<Rate>,
    /// Rates to be written, over those of the same prefix, class and date.
    pub put: Vec<Rate>,
}

/// The edits that turn `old` into `new`, in order of prefix and date.
pub fn edits(old: &[Rate], new: &[Rate]) -> Edits {
    let (old, new) = (sorted(old), sorted(new));
    let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
    let mut edits = Edits::default();
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => return edits,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => by_key(old, new),
        };
        let before = if order.is_le() { olds.next() } else { None };
        let after = if order.is_ge() { news.next() } else { None };
        match (before, after) {
            (Some(before), None) => edits.gone.push((*before).clone()),
            (before, Some(after)) if before != Some(after) => edits.put.push((*after).clone()),
            _ => {}
        }
    }
}

/// A deck after some edits, in order of prefix and date.
pub fn apply(rates: &[Rate], edits: &Edits) -> Vec<Rate> {
    let touched = |rate: &Rate, list: &[Rate]| list.binary_search_by(|other| by_key(other, rate)).is_ok();
    let (gone, put) = (sorted(&edits.gone), sorted(&edits.put));
    let (gone, put): (Vec<Rate>, Vec<Rate>) = (gone.into_iter().cloned().collect(), put.into_iter().cloned().collect());
    let kept = rates.iter().filter(|rate| !touched(rate, &gone) && !touched(rate, &put));
    let mut all: Vec<Rate> = kept.chain(&put).cloned().collect();
    all.sort_by(by_key);
    all
}

pub(crate) fn sorted(rates: &[Rate]) -> Vec<&Rate> {
    let mut sorted: Vec<&Rate> = rates.iter().collect();
    sorted.sort_by(|a, b| by_key(a, b));
    sorted
}

fn closed<'a>(run: &[&'a Rate]) -> Change<'a> {
    Change { kind: ChangeKind::Closed, old: run.last().copied(), new: None }
}

fn compare<'a>(before: &[&'a Rate], rate: &'a Rate) -> Change<'a> {
    // A rate that begins before all the old ones takes the place of the first.
    let old = in_force_at(before, rate.from).or(before.first().copied().filter(|first| rate.from < first.from));
    Change { kind: kind_of(old, rate), old, new: Some(rate) }
}

fn in_force(rate: &Rate, at: WallTime) -> bool {
    rate.from <= at && rate.till.is_none_or(|till| at < till)
}

/// The rate of the longest prefix of `number` that is in force at a moment for calls of a class: that of its jurisdiction before that of
/// its hours before that of any. The rates are in order of [`by_key`].
pub fn longest<'a>(rates: &'a [Rate], number: &str, at: WallTime, class: RateClass) -> Option<&'a Rate> {
    (0..=number.len().min(PREFIX_BYTES_MAX)).rev().filter_map(|length| number.get(..length)).find_map(|prefix| {
        let start = rates.partition_point(|rate| rate.prefix.as_str() < prefix);
        let line = rates[start..].iter().take_while(|rate| rate.prefix == prefix);
        let fits = |rate: &RateClass| {
            (rate.hours == Hours::Any || rate.hours == class.hours)
                && (rate.jurisdiction == Jurisdiction::Any || rate.jurisdiction == class.jurisdiction)
        };
        let rank = |rate: &&Rate| {
            let RateClass { hours, jurisdiction } = rate.class;
            (jurisdiction != Jurisdiction::Any, hours != Hours::Any, rate.from)
        };
        line.filter(|rate| fits(&rate.class) && in_force(rate, at)).max_by_key(rank)
    })
}
