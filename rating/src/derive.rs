//! Decks that are computed from others: what is bought becomes what is sold.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;

use snapshot::Rate;
use units::{DeckId, Hours, Jurisdiction, Money, Percent, RateClass, WallTime};

use crate::charge::half_even;

/// Decks that one is computed from, at most.
pub const SOURCES_MAX: usize = 64;

/// Which of the sources' prices counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Take {
    /// The highest: no source is sold below its price.
    #[default]
    Max = 0,
    /// The lowest.
    Min = 1,
}

/// How a deck is computed: the taken price, plus per cents of it, plus a fixed amount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derived {
    /// The decks; 1 to [`SOURCES_MAX`], each once, in the same currency.
    pub from: Vec<DeckId>,
    /// Which of their prices counts.
    pub take: Take,
    /// Added to the price of a minute after the per cents; may be below zero.
    pub add_fixed: Money,
    /// Added to all prices, per cents of them; -100 and more.
    pub add: Percent,
    /// The price of a minute at least.
    pub floor_per_minute: Money,
    /// Seconds billed at least.
    pub minimum_s: u16,
    /// Length of a billing step, in seconds.
    pub increment_s: u16,
    /// Free seconds.
    pub free_s: u16,
}

impl Derived {
    /// The rates of the deck: one for every prefix of any source, every class that could count there and every time between changes of
    /// the sources' rates. Each source gives its longest match in force; where that is blocked, the source does not count, and where all
    /// that match are, calls are blocked. Peak hours of all sources are those of the computed deck's calendar.
    pub fn rates(&self, sources: &[&[Rate]]) -> Vec<Rate> {
        let books: Vec<Book<'_>> = sources.iter().map(|rates| Book::of(rates)).collect();
        let prefixes: BTreeSet<&str> = books.iter().flat_map(|book| book.rates.keys().copied()).collect();
        let classes = classes(sources);
        let lines = prefixes.into_iter().flat_map(|prefix| classes.iter().map(move |class| (prefix, *class)));
        lines.flat_map(|(prefix, class)| self.of_prefix(prefix, class, &books)).collect()
    }

    fn of_prefix(&self, prefix: &str, class: RateClass, books: &[Book<'_>]) -> Vec<Rate> {
        let chains: Vec<Vec<&Rate>> = books.iter().map(|book| book.chain(prefix, class)).collect();
        let is_of_class = chains.iter().flatten().any(|rate| rate.class != RateClass::ANY);
        if class != RateClass::ANY && !is_of_class {
            // The rates of any class say the same.
            return Vec::new();
        }
        let ends = |rate: &&Rate| [Some(rate.from), rate.till];
        let times: BTreeSet<WallTime> = chains.iter().flatten().flat_map(ends).flatten().collect();
        let times: Vec<WallTime> = times.into_iter().collect();
        let mut made: Vec<Rate> = Vec::new();
        for (place, from) in times.iter().enumerate() {
            let Some(rate) = self.at(prefix, &chains, *from) else { continue };
            let till = times.get(place + 1).copied();
            match made.last_mut() {
                Some(last) if last.till == Some(*from) && same(last, &Rate { class, ..rate.clone() }) => {
                    last.till = till;
                }
                _ => made.push(Rate { from: *from, till, class, ..rate }),
            }
        }
        made
    }

    /// The rate of a prefix at a moment, without dates; `None` where no source matches.
    fn at(&self, prefix: &str, chains: &[Vec<&Rate>], at: WallTime) -> Option<Rate> {
        let in_force = |rate: &&&Rate| rate.from <= at && rate.till.is_none_or(|till| at < till);
        let found: Vec<&Rate> = chains.iter().filter_map(|chain| chain.iter().find(in_force).copied()).collect();
        let open = found.iter().copied().filter(|rate| !rate.blocked);
        let taken = match self.take {
            Take::Max => open.reduce(|a, b| if b.per_minute > a.per_minute { b } else { a }),
            Take::Min => open.reduce(|a, b| if b.per_minute < a.per_minute { b } else { a }),
        };
        let base = taken.or(found.first().copied())?;
        let minute =
            |price: Money| (self.with_percent(price) + self.add_fixed).max(self.floor_per_minute).max(Money::ZERO);
        Some(Rate {
            prefix: prefix.to_string(),
            destination: base.destination.clone(),
            per_minute: minute(base.per_minute),
            first_per_minute: base.first_per_minute.map(minute),
            connection_fee: self.with_percent(base.connection_fee).max(Money::ZERO),
            minimum_s: self.minimum_s,
            increment_s: self.increment_s,
            free_s: self.free_s,
            blocked: taken.is_none(),
            ..Rate::default()
        })
    }

    fn with_percent(&self, price: Money) -> Money {
        let exact = i128::from(price.nanos()) * (1_000_000 + i128::from(self.add.ppm()));
        Money::from_nanos(half_even(exact, 1_000_000).clamp(0, i128::from(i64::MAX)) as i64)
    }
}

/// All classes that a call could be told apart by, in order.
fn classes(sources: &[&[Rate]]) -> Vec<RateClass> {
    let used: BTreeSet<RateClass> = sources.iter().flat_map(|rates| rates.iter().map(|rate| rate.class)).collect();
    let hours = Hours::ALL.iter().filter(|it| **it == Hours::Any || used.iter().any(|class| class.hours == **it));
    let judged = |it: &Jurisdiction| *it == Jurisdiction::Any || used.iter().any(|class| class.jurisdiction == *it);
    let each = |hours: Hours| Jurisdiction::ALL.iter().filter(|it| judged(it)).map(move |it| (hours, *it));
    let all = hours.flat_map(|hours| each(*hours));
    all.map(|(hours, jurisdiction)| RateClass { hours, jurisdiction }).collect()
}

/// A source's rates by prefix, the one that counts first.
struct Book<'a> {
    rates: BTreeMap<&'a str, Vec<&'a Rate>>,
}

impl<'a> Book<'a> {
    fn of(all: &'a [Rate]) -> Book<'a> {
        let mut rates: BTreeMap<&str, Vec<&Rate>> = BTreeMap::new();
        for rate in all {
            rates.entry(&rate.prefix).or_default().push(rate);
        }
        // As decks are looked up: the jurisdiction counts before the hours, and those before the date.
        let rank = |rate: &&Rate| {
            let RateClass { hours, jurisdiction } = rate.class;
            (jurisdiction == Jurisdiction::Any, hours == Hours::Any, core::cmp::Reverse(rate.from))
        };
        rates.values_mut().for_each(|line| line.sort_by_key(rank));
        Book { rates }
    }

    /// All that could match numbers of a prefix for calls of a class, the longest first.
    fn chain(&self, prefix: &str, class: RateClass) -> Vec<&'a Rate> {
        let heads = (0..=prefix.len()).rev().filter_map(|length| self.rates.get(&prefix[..length]));
        let fits = |rate: &&&Rate| {
            let RateClass { hours, jurisdiction } = rate.class;
            (hours == Hours::Any || hours == class.hours)
                && (jurisdiction == Jurisdiction::Any || jurisdiction == class.jurisdiction)
        };
        heads.flatten().filter(fits).copied().collect()
    }
}

fn same(a: &Rate, b: &Rate) -> bool {
    Rate { from: b.from, till: b.till, ..a.clone() } == *b
}
