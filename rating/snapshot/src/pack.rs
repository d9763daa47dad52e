//! A deck's rates become slots, buckets of keys, and lines.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use hashbrown::HashMap;
use units::{Money, WallTime};

use crate::deck::slot_count;
use crate::flaw::ModelFlaw;
use crate::layout::{SEVERAL, bucket};
use crate::model::{Deck, PREFIX_BYTES_MAX, Rate};
use crate::prefix;

/// Rates of one deck at most: places must leave the bit of [`SEVERAL`] free.
const RATES_MAX: usize = 1 << 30;
/// Symbols that choose a slot, at most.
const DEPTH_MAX: u32 = 6;

/// A rate without its prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Line {
    pub per_minute: i64,
    pub connection_fee: i64,
    pub from: i64,
    pub till: i64,
    pub destination: (u32, u32),
    pub minimum_s: u16,
    pub increment_s: u16,
    pub free_s: u16,
    pub blocked: bool,
    /// Below zero for `per_minute`.
    pub first_per_minute: i64,
}

/// One cache line of keys and lines.
#[derive(Clone)]
pub struct Bucket {
    pub keys: [u64; bucket::PLACES],
    pub lines: [u32; bucket::PLACES],
    /// A key that belongs here stands further on.
    pub spilled: bool,
}

/// All tables of one deck.
pub struct Packed {
    pub key_count: u32,
    pub buckets: Vec<Bucket>,
    pub reach: u32,
    pub depth: u32,
    pub slots: Vec<u16>,
    /// Sorted keys of prefixes with letters, each with its line.
    pub wide: Vec<(u128, u32)>,
    pub dated: Vec<u32>,
    pub lines: Vec<Line>,
}

/// Packs a deck; `text` keeps a destination and tells where it stands.
pub fn pack(deck: &Deck, text: &mut impl FnMut(&str) -> (u32, u32)) -> Result<Packed, ModelFlaw> {
    if deck.rates.len() > RATES_MAX {
        return Err(flaw(deck, format!("has more than {RATES_MAX} rates")));
    }
    let mut shelf = Shelf { lines: Vec::new(), places: HashMap::new(), dated: Vec::new() };
    let (mut narrow, mut wide) = (Vec::new(), Vec::new());
    for rate in &deck.rates {
        check(deck, rate)?;
        let line = shelf.keep(rate, text);
        let bytes = rate.prefix.as_bytes();
        if prefix::is_wide(bytes) {
            wide.push((prefix::wide(bytes).0, line));
        } else {
            narrow.push((prefix::narrow(bytes).0, line));
        }
    }
    let narrow = shelf.group(deck, narrow, |prefix| prefix::narrow(prefix).0)?;
    let wide = shelf.group(deck, wide, |prefix| prefix::wide(prefix).0)?;
    let depth = depth(narrow.len());
    let slots = slots(narrow.iter().map(|(key, _)| *key), depth);
    let (buckets, reach) = buckets(&narrow);
    Ok(Packed {
        key_count: narrow.len() as u32,
        buckets,
        reach,
        depth,
        slots,
        wide,
        dated: shelf.dated,
        lines: shelf.lines,
    })
}

fn flaw(deck: &Deck, problem: String) -> ModelFlaw {
    ModelFlaw { object: format!("deck {}", deck.code), problem }
}

fn below(money: &Money) -> bool {
    *money < Money::ZERO
}

fn check(deck: &Deck, rate: &Rate) -> Result<(), ModelFlaw> {
    let shown = &rate.prefix;
    let well_formed = shown.len() <= PREFIX_BYTES_MAX && shown.bytes().all(prefix::is_symbol);
    let problem = if !well_formed {
        format!("prefix {shown:?} is not up to {PREFIX_BYTES_MAX} characters of 0-9, A-Z, * and #")
    } else if [Some(rate.per_minute), Some(rate.connection_fee), rate.first_per_minute].iter().flatten().any(below) {
        format!("the rate of prefix {shown:?} is below zero")
    } else if rate.till.is_some_and(|till| till <= rate.from) {
        format!("a rate of prefix {shown:?} ends before it begins")
    } else {
        return Ok(());
    };
    Err(flaw(deck, problem))
}

struct Shelf {
    lines: Vec<Line>,
    places: HashMap<Line, u32>,
    dated: Vec<u32>,
}

impl Shelf {
    /// The place of this rate's line; equal lines share one.
    fn keep(&mut self, rate: &Rate, text: &mut impl FnMut(&str) -> (u32, u32)) -> u32 {
        let line = Line {
            per_minute: rate.per_minute.nanos(),
            connection_fee: rate.connection_fee.nanos(),
            from: rate.from.micros(),
            till: rate.till.map_or(i64::MAX, WallTime::micros),
            destination: text(&rate.destination),
            minimum_s: rate.minimum_s,
            increment_s: rate.increment_s,
            free_s: rate.free_s,
            blocked: rate.blocked,
            first_per_minute: rate.first_per_minute.map_or(-1, Money::nanos),
        };
        *self.places.entry(line).or_insert_with(|| {
            self.lines.push(line);
            self.lines.len() as u32 - 1
        })
    }

    fn from(&self, line: u32) -> i64 {
        self.lines[line as usize].from
    }

    /// Sorts by key and joins the rates of one prefix, the latest date first.
    fn group<K: Copy + Ord>(
        &mut self,
        deck: &Deck,
        mut rates: Vec<(K, u32)>,
        key_of: fn(&[u8]) -> K,
    ) -> Result<Vec<(K, u32)>, ModelFlaw> {
        rates.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| self.from(b.1).cmp(&self.from(a.1))));
        let mut keys = Vec::with_capacity(rates.len());
        for run in rates.chunk_by(|a, b| a.0 == b.0) {
            if run.windows(2).any(|pair| self.from(pair[0].1) == self.from(pair[1].1)) {
                let shown = deck.rates.iter().map(|rate| rate.prefix.as_str());
                let shown = shown.filter(|prefix| prefix::is_wide(prefix.as_bytes()) == (size_of::<K>() == 16));
                let shown = shown.into_iter().find(|prefix| key_of(prefix.as_bytes()) == run[0].0).unwrap_or("");
                return Err(flaw(deck, format!("two rates of prefix {shown:?} begin at the same moment")));
            }
            keys.push((run[0].0, self.several(run)));
        }
        Ok(keys)
    }

    fn several<K>(&mut self, run: &[(K, u32)]) -> u32 {
        if let [(_, line)] = run {
            return *line;
        }
        let place = self.dated.len() as u32;
        self.dated.push(run.len() as u32);
        self.dated.extend(run.iter().map(|(_, line)| *line));
        place | SEVERAL
    }
}

/// As many symbols as give at most two slots a key.
fn depth(keys: usize) -> u32 {
    (2..=DEPTH_MAX).take_while(|depth| slot_count(*depth) <= keys * 2).last().unwrap_or(1)
}

/// For each slot the lengths of the prefixes that its numbers may have: bit n for n symbols.
pub fn slots(keys: impl Iterator<Item = u64>, depth: u32) -> Vec<u16> {
    let mut slots = vec![0; slot_count(depth)];
    for key in keys {
        let symbols = prefix::narrow_symbols(key);
        let first = (key >> (64 - 4 * depth)) as usize;
        // A prefix shorter than the depth stands for all slots that begin with it.
        let covered = 1 << (4 * depth.saturating_sub(symbols));
        for slot in &mut slots[first..first + covered] {
            *slot |= 1 << symbols;
        }
    }
    slots
}

/// Two thirds full; a key whose bucket is full goes to the next one with a free place. Also returns how many buckets the longest
/// search looks at.
fn buckets(keys: &[(u64, u32)]) -> (Vec<Bucket>, u32) {
    let empty = Bucket { keys: [bucket::EMPTY; bucket::PLACES], lines: [0; bucket::PLACES], spilled: false };
    let count = (keys.len() * 3).div_ceil(bucket::PLACES * 2).max(1);
    let mut buckets = vec![empty; count];
    let mut reach = 1;
    for (key, line) in keys {
        let mut at = prefix::home(*key, count as u32) as usize;
        let mut looked_at = 1;
        let free = loop {
            let bucket = &mut buckets[at];
            if let Some(free) = bucket.keys.iter().position(|key| *key == bucket::EMPTY) {
                break free;
            }
            bucket.spilled = true;
            at = (at + 1) % count;
            looked_at += 1;
        };
        (buckets[at].keys[free], buckets[at].lines[free]) = (*key, *line);
        reach = reach.max(looked_at);
    }
    (buckets, reach)
}
