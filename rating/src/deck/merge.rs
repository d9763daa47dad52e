//! What a sheet means for the deck that stands: which rates come, which end, and what a carrier says about it that is not so.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use snapshot::Rate;
use units::{RateClass, WallTime};

use super::{Closing, Sheet, Status};
use crate::diff::{self, ChangeKind, by_key, by_line, in_force_at, kind_of};

/// What it means that a code is not in the sheet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// A–Z: it is closed.
    #[default]
    Closed,
    /// Full country: closed if the sheet has other codes of its country.
    ClosedInCountry,
    /// Partial: it stays as it is.
    Stays,
}

/// Moments that a sheet may leave open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dates {
    /// When it is looked at.
    pub now: WallTime,
    /// From when rates without a date are valid, and codes that are missing are closed.
    pub from: WallTime,
    /// From when increases without a date are valid.
    pub increases_from: Option<WallTime>,
    /// From when decreases without a date are valid.
    pub decreases_from: Option<WallTime>,
}

/// One line of what changes. Places are those of [`Merged::old`] and [`Merged::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// What happens.
    pub kind: ChangeKind,
    /// The rate in force when the new one begins; the closed one.
    pub old: Option<u32>,
    /// The rate that comes.
    pub new: Option<u32>,
    /// From when.
    pub at: WallTime,
    /// The sheet's line; 0 for a code that is missing there.
    pub row: u32,
    /// What the carrier says, if that is not what happens.
    pub disagrees: Option<Status>,
}

/// A deck and a sheet, put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    /// The deck's rates before, in order.
    pub old: Vec<Rate>,
    /// The sheet's rates, in order.
    pub new: Vec<Rate>,
    /// The deck's rates afterwards, in order. Nothing of the past is lost.
    pub rates: Vec<Rate>,
    /// What changes, in order of prefix and date.
    pub lines: Vec<Line>,
}

/// Puts a sheet over a deck: each rate begins at its own moment, and ends when the next of its line does.
pub fn merge(old: Vec<Rate>, sheet: &Sheet, missing: Missing, dates: &Dates) -> Merged {
    let mut old = old;
    old.sort_by(by_key);
    let mut news: Vec<(Rate, u32, Option<Status>)> =
        (sheet.rates.iter().zip(&sheet.marks)).map(|(rate, mark)| (rate.clone(), mark.row, mark.status)).collect();
    date(&mut news, sheet, &old, dates);
    news.sort_by(|a, b| by_key(&a.0, &b.0));
    let rest = Rest::of(sheet, missing, dates);
    let mut merged = Merged::default();
    let (mut at_old, mut at_new) = (0, 0);
    while at_old < old.len() || at_new < news.len() {
        let (olds, comes) = next_line(&old[at_old..], &news[at_new..]);
        let (end_old, end_new) = (at_old + olds, at_new + comes);
        let line = OneLine { olds: &old[at_old..end_old], at_old: at_old as u32, at_new: at_new as u32 };
        if comes > 0 {
            line.follow(&news[at_new..end_new], &mut merged);
        } else {
            line.end(rest.closes(&old[at_old]), &mut merged);
        }
        (at_old, at_new) = (end_old, end_new);
    }
    merged.rates.sort_by(by_key);
    merged.new = news.into_iter().map(|(rate, ..)| rate).collect();
    merged.old = old;
    merged
}

/// The country code that an E.164 number or prefix begins with; a shorter prefix is its own. ITU-T E.164 Annex: zones 1 and 7 have one
/// digit, some codes two, the rest three.
pub fn country_code(prefix: &str) -> &str {
    const TWO: [&str; 44] = [
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49",
        "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84",
        "86", "90", "91", "92", "93", "94", "95", "98",
    ];
    let length = match prefix.get(..2) {
        _ if prefix.starts_with(['1', '7']) => 1,
        Some(two) if TWO.contains(&two) => 2,
        _ => 3,
    };
    prefix.get(..length).unwrap_or(prefix)
}

/// Rates without a date of their own begin when their kind does.
fn date(news: &mut [(Rate, u32, Option<Status>)], sheet: &Sheet, old: &[Rate], dates: &Dates) {
    let increases = dates.increases_from.or(sheet.increases_from);
    let decreases = dates.decreases_from.or(sheet.decreases_from);
    for ((rate, ..), mark) in news.iter_mut().zip(&sheet.marks) {
        if mark.dated {
            continue;
        }
        let start = old.partition_point(|other| by_line(other, rate).is_lt());
        let line: Vec<&Rate> = old[start..].iter().take_while(|other| by_line(other, rate).is_eq()).collect();
        rate.from = match kind_of(in_force_at(&line, dates.now), rate) {
            ChangeKind::Increase => increases.unwrap_or(dates.from),
            ChangeKind::Decrease => decreases.unwrap_or(dates.from),
            _ => dates.from,
        };
    }
}

/// How many of the old and of the coming rates belong to the first line of both.
fn next_line(old: &[Rate], news: &[(Rate, u32, Option<Status>)]) -> (usize, usize) {
    let first = match (old.first(), news.first()) {
        (Some(old), Some((new, ..))) if by_line(old, new).is_le() => old,
        (Some(old), None) => old,
        (_, Some((new, ..))) => new,
        (None, None) => return (0, 0),
    };
    let olds = old.iter().take_while(|rate| by_line(rate, first).is_eq()).count();
    (olds, news.iter().take_while(|(rate, ..)| by_line(rate, first).is_eq()).count())
}

/// What becomes of codes that the sheet brings no rate for.
struct Rest<'a> {
    /// By prefix and class; no class is each.
    closings: Vec<(&'a str, Option<RateClass>, WallTime, u32)>,
    held: BTreeSet<&'a str>,
    countries: BTreeSet<&'a str>,
    missing: Missing,
    from: WallTime,
}

impl<'a> Rest<'a> {
    fn of(sheet: &'a Sheet, missing: Missing, dates: &Dates) -> Rest<'a> {
        let closing = |it: &'a Closing| (it.prefix.as_str(), it.class, it.at.max(dates.from), it.row);
        let mut closings: Vec<_> = sheet.closings.iter().map(closing).collect();
        closings.sort_unstable();
        let listed = sheet.rates.iter().map(|rate| rate.prefix.as_str());
        let all = listed.chain(closings.iter().map(|(prefix, ..)| *prefix));
        let countries =
            if missing == Missing::ClosedInCountry { all.map(country_code).collect() } else { BTreeSet::new() };
        Rest { closings, held: sheet.held.iter().map(|it| it.as_str()).collect(), countries, missing, from: dates.from }
    }

    /// When a rate's line closes, and the line that says so; `None` if it stays.
    fn closes(&self, rate: &Rate) -> Option<(WallTime, u32)> {
        let prefix = rate.prefix.as_str();
        for class in [None, Some(rate.class)] {
            let start = self.closings.partition_point(|(closed, of, ..)| (*closed, *of) < (prefix, class));
            match self.closings.get(start) {
                Some((closed, of, at, row)) if (*closed, *of) == (prefix, class) => return Some((*at, *row)),
                _ => {}
            }
        }
        let gone = match self.missing {
            Missing::Stays => false,
            Missing::Closed => true,
            Missing::ClosedInCountry => self.countries.contains(country_code(prefix)),
        };
        (gone && !self.held.contains(prefix)).then_some((self.from, 0))
    }
}

/// The old rates of one line, and where lines begin.
struct OneLine<'a> {
    olds: &'a [Rate],
    at_old: u32,
    at_new: u32,
}

impl OneLine<'_> {
    /// The coming rates take over, each at its moment.
    fn follow(&self, news: &[(Rate, u32, Option<Status>)], merged: &mut Merged) {
        let start = news[0].0.from;
        merged.rates.extend(self.olds.iter().filter(|old| old.from < start).cloned());
        let mut before: Option<&Rate> = None;
        for (place, (rate, row, said)) in news.iter().enumerate() {
            let old = match self.in_force(rate.from) {
                None if place == 0 && self.olds.first().is_some_and(|first| rate.from < first.from) => Some(0),
                found => found,
            };
            // The second rate of a line in a sheet follows the first.
            let against = before.or(old.map(|old| &self.olds[old]));
            let kind = kind_of(against, rate);
            let old = old.map(|old| self.at_old + old as u32);
            let disagrees = said.filter(|said| !agrees(*said, kind));
            let line = Line { kind, old, new: Some(self.at_new + place as u32), at: rate.from, row: *row, disagrees };
            merged.lines.push(line);
            // What goes on unchanged needs no second rate.
            if place > 0 || !against.is_some_and(|old| goes_on(old, rate)) {
                merged.rates.push(rate.clone());
            }
            before = Some(rate);
        }
    }

    /// The line ends, or stays.
    fn end(&self, closes: Option<(WallTime, u32)>, merged: &mut Merged) {
        let Some((at, row)) = closes else {
            merged.rates.extend(self.olds.iter().cloned());
            return;
        };
        let over = self.olds.iter().all(|old| old.till.is_some_and(|till| till <= at));
        for old in self.olds.iter().filter(|old| old.from < at) {
            let till = Some(old.till.map_or(at, |till| till.min(at)));
            merged.rates.push(Rate { till, ..old.clone() });
        }
        if !over {
            let old = self.in_force(at).unwrap_or(self.olds.len().saturating_sub(1));
            let (kind, old) = (ChangeKind::Closed, Some(self.at_old + old as u32));
            merged.lines.push(Line { kind, old, new: None, at, row, disagrees: None });
        }
    }

    fn in_force(&self, at: WallTime) -> Option<usize> {
        self.olds.iter().rposition(|old| old.from <= at && old.till.is_none_or(|till| at < till))
    }
}

/// True if the old rate, still in force for ever, says all that the coming one says.
fn goes_on(old: &Rate, new: &Rate) -> bool {
    old.from <= new.from && Rate { from: old.from, ..new.clone() } == *old
}

/// True if the carrier's word and the decks' difference are the same.
fn agrees(said: Status, kind: ChangeKind) -> bool {
    match said {
        Status::New => kind == ChangeKind::New,
        Status::Increase => kind == ChangeKind::Increase,
        Status::Decrease => kind == ChangeKind::Decrease,
        Status::Unchanged => kind == ChangeKind::Unchanged,
        Status::Closed => kind == ChangeKind::Closed,
        Status::Blocked => kind == ChangeKind::Blocked,
        Status::Pending => true,
    }
}

/// How many lines have which fate.
pub fn counts(lines: &[Line]) -> diff::Counts {
    let mut counts = diff::Counts::default();
    lines.iter().for_each(|line| counts.add(line.kind));
    counts
}
