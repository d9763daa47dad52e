//! A deck's rates become sorted keys, nodes, slots and lines.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use hashbrown::HashMap;
use units::WallTime;

use crate::deck::slot_count;
use crate::flaw::ModelFlaw;
use crate::layout::{NONE, SEVERAL};
use crate::model::{Deck, PREFIX_BYTES_MAX, Rate};
use crate::prefix::{self, Key};

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
}

/// Parent and line of one key.
#[derive(Clone, Copy)]
pub struct Node {
    pub parent: u32,
    pub line: u32,
}

/// Sorted keys of one width with their nodes.
pub struct Keys<K> {
    pub keys: Vec<K>,
    pub nodes: Vec<Node>,
}

/// All tables of one deck.
pub struct Packed {
    pub narrow: Keys<u64>,
    pub wide: Keys<u128>,
    pub depth: u32,
    /// First key and ancestor of each slot.
    pub slots: Vec<(u32, u32)>,
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
            wide.push((prefix::wide(bytes), line));
        } else {
            narrow.push((prefix::narrow(bytes), line));
        }
    }
    let narrow = shelf.group(deck, narrow)?;
    let wide = shelf.group(deck, wide)?;
    let depth = depth(narrow.keys.len());
    let slots = slots(&narrow, depth);
    Ok(Packed { narrow, wide, depth, slots, dated: shelf.dated, lines: shelf.lines })
}

fn flaw(deck: &Deck, problem: String) -> ModelFlaw {
    ModelFlaw { object: format!("deck {}", deck.code), problem }
}

fn check(deck: &Deck, rate: &Rate) -> Result<(), ModelFlaw> {
    let shown = &rate.prefix;
    let well_formed = shown.len() <= PREFIX_BYTES_MAX && shown.bytes().all(prefix::is_symbol);
    let problem = if !well_formed {
        format!("prefix {shown:?} is not up to {PREFIX_BYTES_MAX} characters of 0-9, A-Z, * and #")
    } else if rate.per_minute.nanos() < 0 || rate.connection_fee.nanos() < 0 {
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
        };
        *self.places.entry(line).or_insert_with(|| {
            self.lines.push(line);
            self.lines.len() as u32 - 1
        })
    }

    fn from(&self, line: u32) -> i64 {
        self.lines[line as usize].from
    }

    /// Sorts, joins the rates of one prefix with the latest date first, and links each prefix to the next shorter one.
    fn group<K: Key>(&mut self, deck: &Deck, mut rates: Vec<(K, u32)>) -> Result<Keys<K>, ModelFlaw> {
        rates.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| self.from(b.1).cmp(&self.from(a.1))));
        let mut keys: Keys<K> = Keys { keys: Vec::with_capacity(rates.len()), nodes: Vec::with_capacity(rates.len()) };
        let mut open: Vec<u32> = Vec::with_capacity(PREFIX_BYTES_MAX);
        for run in rates.chunk_by(|a, b| a.0 == b.0) {
            if run.windows(2).any(|pair| self.from(pair[0].1) == self.from(pair[1].1)) {
                let shown = deck.rates.iter().find(|rate| K::of(rate.prefix.as_bytes()) == run[0].0);
                let shown = shown.map_or("", |rate| rate.prefix.as_str());
                return Err(flaw(deck, format!("two rates of prefix {shown:?} begin at the same moment")));
            }
            let key = run[0].0;
            while open.last().is_some_and(|top| !keys.keys[*top as usize].starts(key)) {
                open.pop();
            }
            let parent = open.last().copied().unwrap_or(NONE);
            open.push(keys.keys.len() as u32);
            keys.keys.push(key);
            keys.nodes.push(Node { parent, line: self.several(run) });
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

/// As many symbols as give at most three slots for two keys.
fn depth(keys: usize) -> u32 {
    (2..=DEPTH_MAX).take_while(|depth| 1_usize << (4 * depth) <= keys + keys / 2).last().unwrap_or(1)
}

fn slots(narrow: &Keys<u64>, depth: u32) -> Vec<(u32, u32)> {
    let shift = 64 - 4 * depth;
    let closing = (narrow.keys.len() as u32, NONE);
    let mut slots = vec![closing; slot_count(depth)];
    let mut first = 0;
    for (slot, entry) in slots.iter_mut().enumerate().take(slot_count(depth) - 1) {
        while narrow.keys.get(first).is_some_and(|key| ((key >> shift) as usize) < slot) {
            first += 1;
        }
        let start = (slot as u64) << shift;
        let mut ancestor = (first as u32).checked_sub(1).unwrap_or(NONE);
        while ancestor != NONE && !narrow.keys[ancestor as usize].starts(start) {
            ancestor = narrow.nodes[ancestor as usize].parent;
        }
        *entry = (first as u32, ancestor);
    }
    slots
}
