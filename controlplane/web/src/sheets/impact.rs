//! What a change of rates means: for the money of last week's calls, and for the decks on the other side of the same calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rating::deck::merge::Merged;
use rating::diff::{ChangeKind, longest};
use snapshot::Rate;
use store::Traffic;
use units::{Money, RateClass, WallTime};

/// Numbers that are compared with the decks of the other side at most.
const COMPARED_MAX: usize = 2_000_000;
/// Broken margins that are kept; further ones are counted.
pub const BROKEN_MAX: usize = 1_000;

/// What last week's calls would have cost by the old rates and by the new ones, steps and fees apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Impact {
    /// Talk time in milliseconds.
    pub duration_ms: u64,
    /// By the rates that stand.
    pub before: Money,
    /// By the rates that come.
    pub after: Money,
    /// Talk time, in milliseconds, of calls that no rate would cover.
    pub lost_ms: u64,
    /// Talk time and difference by prefix.
    pub by_prefix: BTreeMap<String, (u64, Money)>,
}

/// A deck on the other side of the same calls.
pub struct Opposite {
    /// Its id.
    pub deck: u32,
    /// Its code.
    pub code: String,
    /// Its rates, in order.
    pub rates: Arc<Vec<Rate>>,
}

/// A destination that would be sold below its cost, and is not today.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// The destination.
    pub prefix: String,
    /// What people call it.
    pub destination: String,
    /// The deck of the other side.
    pub deck: u32,
    /// The deck's code.
    pub code: String,
    /// What a minute would be sold at.
    pub sell: Money,
    /// What a minute would cost.
    pub buy: Money,
}

/// Sums up what calls like last week's would cost once all changes are in force.
pub fn impact(merged: &Merged, traffic: &[Traffic], now: WallTime) -> Impact {
    let then = in_the_end(merged, now);
    let mut sum = Impact::default();
    for calls in traffic {
        let old = longest(&merged.old, &calls.head, now, calls.class);
        let new = longest(&merged.rates, &calls.head, then, calls.class).filter(|rate| !rate.blocked);
        let Some(rate) = new.or(old) else { continue };
        let cost = |rate: Option<&Rate>| {
            let nanos =
                rate.map_or(0, |rate| i128::from(rate.per_minute.nanos()) * i128::from(calls.duration_ms) / 60_000);
            Money::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
        };
        sum.duration_ms += calls.duration_ms;
        sum.before += cost(old);
        sum.after += cost(new);
        sum.lost_ms += if new.is_none() { calls.duration_ms } else { 0 };
        let of_prefix = sum.by_prefix.entry(rate.prefix.clone()).or_default();
        of_prefix.0 += calls.duration_ms;
        of_prefix.1 += cost(new) - cost(old);
    }
    sum
}

/// Destinations that the changes would sell below cost: for a buy deck, below what each sell deck asks; for a sell deck, below the
/// cheapest of the buy decks. The first are kept, all are counted.
pub fn broken(merged: &Merged, sells: bool, others: &[Opposite], now: WallTime) -> (Vec<Broken>, usize) {
    let then = in_the_end(merged, now);
    let numbers = numbers(merged, others);
    let (mut found, mut count) = (Vec::new(), 0);
    for (number, class) in numbers {
        let Some(ours) = longest(&merged.rates, number, then, class).filter(|rate| !rate.blocked) else { continue };
        let before = longest(&merged.old, number, now, class).filter(|rate| !rate.blocked);
        let theirs = others.iter().filter_map(|other| Some((other, longest(&other.rates, number, then, class)?)));
        let mut theirs: Vec<_> = theirs.filter(|(_, rate)| !rate.blocked).collect();
        if sells {
            theirs.sort_by_key(|(_, rate)| rate.per_minute);
            theirs.truncate(1);
        }
        for (other, rate) in theirs {
            let pair = |ours: &Rate| {
                if sells { (ours.per_minute, rate.per_minute) } else { (rate.per_minute, ours.per_minute) }
            };
            let (sell, buy) = pair(ours);
            if sell >= buy || before.map(pair).is_some_and(|(sell, buy)| sell < buy) {
                continue;
            }
            count += 1;
            if found.len() < BROKEN_MAX {
                let destination =
                    if rate.prefix.len() > ours.prefix.len() { &rate.destination } else { &ours.destination };
                let (prefix, destination) = (number.to_owned(), destination.clone());
                found.push(Broken { prefix, destination, deck: other.deck, code: other.code.clone(), sell, buy });
            }
        }
    }
    (found, count)
}

/// The moment when all changes are in force.
fn in_the_end(merged: &Merged, now: WallTime) -> WallTime {
    merged.lines.iter().map(|line| line.at).max().map_or(now, |last| last.max(now))
}

/// The prefixes and classes whose price changes, and the longer prefixes of the other side that they decide.
fn numbers<'a>(merged: &'a Merged, others: &'a [Opposite]) -> BTreeSet<(&'a str, RateClass)> {
    let mut numbers = BTreeSet::new();
    let priced = |kind| matches!(kind, ChangeKind::New | ChangeKind::Increase | ChangeKind::Decrease);
    for line in merged.lines.iter().filter(|line| priced(line.kind)) {
        let Some(rate) = line.new.and_then(|place| merged.new.get(place as usize)) else { continue };
        numbers.insert((rate.prefix.as_str(), rate.class));
        for other in others {
            let start = other.rates.partition_point(|theirs| theirs.prefix < rate.prefix);
            let longer = other.rates[start..].iter().take_while(|theirs| theirs.prefix.starts_with(&rate.prefix));
            numbers.extend(longer.map(|theirs| (theirs.prefix.as_str(), rate.class)));
        }
        if numbers.len() > COMPARED_MAX {
            break;
        }
    }
    numbers
}
