//! A deck's rates become slots, buckets of keys, and lines: one rate at a time, so that no list of all of them is needed.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

use hashbrown::HashMap;
use units::{Hours, Jurisdiction, Money, RateClass, WallTime};

use crate::deck::slot_count;
use crate::flaw::ModelFlaw;
use crate::image::DeckImage;
use crate::layout::{SEVERAL, bucket};
use crate::model::{PREFIX_BYTES_MAX, Rate};
use crate::prefix;
use crate::row::Strings;

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
    pub class: RateClass,
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

/// Packs the rates of one deck. The same rates in the same order give the same bytes.
pub struct Packer {
    code: String,
    rates: usize,
    shelf: Shelf,
    narrow: Vec<(u64, u32)>,
    wide: Vec<(u128, u32)>,
}

impl Packer {
    /// Packs rates of the deck with this code, which flaws are named by.
    pub fn new(code: &str) -> Packer {
        let shelf = Shelf { lines: Vec::new(), places: HashMap::new(), dated: Vec::new(), strings: Strings::default() };
        Packer { code: code.to_string(), rates: 0, shelf, narrow: Vec::new(), wide: Vec::new() }
    }

    /// Takes one more rate.
    ///
    /// # Errors
    /// Why no call could use it.
    pub fn add(&mut self, rate: &Rate) -> Result<(), ModelFlaw> {
        check(rate).map_err(|problem| self.flaw(problem))?;
        if self.rates == RATES_MAX {
            return Err(self.flaw(format!("has more than {RATES_MAX} rates")));
        }
        self.rates += 1;
        let line = self.shelf.keep(rate);
        let bytes = rate.prefix.as_bytes();
        if prefix::is_wide(bytes) {
            self.wide.push((prefix::wide(bytes).0, line));
        } else {
            self.narrow.push((prefix::narrow(bytes).0, line));
        }
        Ok(())
    }

    /// The finished image. Takes about a second per five million rates.
    ///
    /// # Errors
    /// The prefix whose rates contradict each other.
    pub fn finish(mut self) -> Result<DeckImage, ModelFlaw> {
        let (narrow, wide) = (core::mem::take(&mut self.narrow), core::mem::take(&mut self.wide));
        let narrow = self.shelf.group(narrow, prefix::narrow_text).map_err(|problem| self.flaw(problem))?;
        let wide = self.shelf.group(wide, prefix::wide_text).map_err(|problem| self.flaw(problem))?;
        let depth = depth(narrow.len());
        let slots = slots(narrow.iter().map(|(key, _)| *key), depth);
        let (buckets, reach) = buckets(&narrow);
        let Shelf { lines, dated, strings, .. } = self.shelf;
        let key_count = narrow.len() as u32;
        let packed = Packed { key_count, buckets, reach, depth, slots, wide, dated, lines };
        Ok(DeckImage::of(&packed, &strings.bytes, self.rates as u32))
    }

    fn flaw(&self, problem: String) -> ModelFlaw {
        ModelFlaw { object: format!("deck {}", self.code), problem }
    }
}

fn below(money: &Money) -> bool {
    *money < Money::ZERO
}

fn check(rate: &Rate) -> Result<(), String> {
    let shown = &rate.prefix;
    let well_formed = shown.len() <= PREFIX_BYTES_MAX && shown.bytes().all(prefix::is_symbol);
    if !well_formed {
        Err(format!("prefix {shown:?} is not up to {PREFIX_BYTES_MAX} characters of 0-9, A-Z, * and #"))
    } else if [Some(rate.per_minute), Some(rate.connection_fee), rate.first_per_minute].iter().flatten().any(below) {
        Err(format!("the rate of prefix {shown:?} is below zero"))
    } else if rate.till.is_some_and(|till| till <= rate.from) {
        Err(format!("a rate of prefix {shown:?} ends before it begins"))
    } else {
        Ok(())
    }
}

struct Shelf {
    lines: Vec<Line>,
    places: HashMap<Line, u32>,
    dated: Vec<u32>,
    strings: Strings,
}

impl Shelf {
    /// The place of this rate's line; equal lines share one.
    fn keep(&mut self, rate: &Rate) -> u32 {
        let line = Line {
            per_minute: rate.per_minute.nanos(),
            connection_fee: rate.connection_fee.nanos(),
            from: rate.from.micros(),
            till: rate.till.map_or(i64::MAX, WallTime::micros),
            destination: self.strings.keep(&rate.destination),
            minimum_s: rate.minimum_s,
            increment_s: rate.increment_s,
            free_s: rate.free_s,
            blocked: rate.blocked,
            class: rate.class,
            first_per_minute: rate.first_per_minute.map_or(-1, Money::nanos),
        };
        *self.places.entry(line).or_insert_with(|| {
            self.lines.push(line);
            self.lines.len() as u32 - 1
        })
    }

    /// Where a line stands among those of its prefix: of those that fit a call, the first one counts. No two are alike.
    fn rank(&self, line: u32) -> (bool, bool, Reverse<i64>, RateClass) {
        let Line { from, class, .. } = self.lines[line as usize];
        (class.jurisdiction == Jurisdiction::Any, class.hours == Hours::Any, Reverse(from), class)
    }

    /// Sorts by key and joins the rates of one prefix, the one that counts first.
    fn group<K: Copy + Ord>(
        &mut self,
        mut rates: Vec<(K, u32)>,
        shown: fn(K) -> String,
    ) -> Result<Vec<(K, u32)>, String> {
        rates.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| self.rank(a.1).cmp(&self.rank(b.1))));
        let mut keys = Vec::with_capacity(rates.len());
        for run in rates.chunk_by(|a, b| a.0 == b.0) {
            if run.windows(2).any(|pair| self.rank(pair[0].1) == self.rank(pair[1].1)) {
                return Err(format!("two rates of prefix {:?} begin at the same moment in one class", shown(run[0].0)));
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
