//! What finding the rate of a number costs in a deck of a million prefixes: ours against one hash map per prefix length.
//!
//! `cargo bench -p benches --bench route_lookup` (`PREFIXES=10000000` for ten million)
//!
//! Both find the longest prefix, check the rate's dates and read its terms from the same number of different rates. The map is
//! asked with the digits as a number, longest length first, and only for lengths that the deck has. "Hot" repeats 256 numbers,
//! "cold" walks through two million. Prefixes grow like a numbering plan: country codes with branches of uneven depth.

use std::hint::black_box;
use std::time::Instant;

use benches::{Finding, Limit};
use hashbrown::HashMap;
use snapshot::{Deck, DeckView, Model, Rate, View};
use units::{DeckId, Money, Terms, WallTime};

/// Rounds; in each of them every reader has one turn, hot and cold.
const ROUNDS: usize = 7;
/// Numbers of a hot turn, and how often they are walked through.
const HOT: (usize, usize) = (256, 4_000);
/// Numbers of a cold turn.
const COLD: usize = 2_000_000;
/// Different rates, as many as a worldwide deck has destinations.
const DESTINATIONS: u64 = 5_000;
const AT: WallTime = WallTime::from_micros(1_000);

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// So many prefixes of up to eleven digits.
fn prefixes(count: usize, chance: &mut Chance) -> Vec<String> {
    let mut known = hashbrown::HashSet::new();
    let mut all: Vec<String> = Vec::with_capacity(count);
    for code in 1..=9 {
        for second in 0..10 {
            let code = format!("{code}{second}");
            known.insert(code.clone());
            all.push(code);
        }
    }
    while all.len() < count {
        // Branch near the youngest half of the time, so that some countries grow deep and others stay flat.
        let parent =
            if chance.below(2) == 0 { all.len() as u64 - 1 - chance.below(90) } else { chance.below(all.len() as u64) };
        let parent = all[parent as usize].clone();
        if parent.len() >= 11 {
            continue;
        }
        let child = format!("{parent}{}", chance.below(10));
        if known.insert(child.clone()) {
            all.push(child);
        }
    }
    all
}

fn rate(prefix: &str, destination: u64) -> Rate {
    Rate {
        prefix: prefix.to_owned(),
        destination: format!("destination {destination}"),
        per_minute: Money::from_nanos(1_000_000 + destination as i64),
        ..Rate::default()
    }
}

/// Numbers that begin with some prefix, fifteen digits at most.
fn numbers(count: usize, prefixes: &[String], chance: &mut Chance) -> Vec<[u8; 12]> {
    let number = |chance: &mut Chance| {
        let prefix = prefixes[chance.below(prefixes.len() as u64) as usize].as_bytes();
        let mut number = [b'0'; 12];
        number.iter_mut().for_each(|digit| *digit += chance.below(10) as u8);
        number[..prefix.len()].copy_from_slice(prefix);
        number
    };
    (0..count).map(|_| number(chance)).collect()
}

/// The yardstick's rate: what a shard needs of it.
#[derive(Clone, Copy)]
struct Line {
    terms: Terms,
    from: WallTime,
    till: WallTime,
}

/// One map per length, from a prefix's digits to the place of its rate.
struct Maps {
    lengths: Vec<(usize, HashMap<u64, u32>)>,
    lines: Vec<Line>,
}

impl Maps {
    fn new(rates: &[Rate]) -> Maps {
        let mut maps: Vec<HashMap<u64, u32>> = vec![HashMap::new(); 16];
        for rate in rates {
            let line = (rate.per_minute.nanos() - 1_000_000) as u32;
            maps[rate.prefix.len()].insert(rate.prefix.parse().expect("prefixes here are digits"), line);
        }
        let lengths: Vec<_> = maps.into_iter().enumerate().rev().filter(|(_, map)| !map.is_empty()).collect();
        let line = |destination| Line {
            terms: Terms { per_minute: Money::from_nanos(1_000_000 + destination as i64), ..Terms::default() },
            from: WallTime::from_micros(0),
            till: WallTime::from_micros(i64::MAX),
        };
        Maps { lengths, lines: (0..DESTINATIONS).map(line).collect() }
    }

    fn lookup(&self, digits: &[u8], at: WallTime) -> Option<Line> {
        let mut heads = [0_u64; 16];
        for (place, digit) in digits.iter().take(15).enumerate() {
            heads[place + 1] = heads[place] * 10 + u64::from(digit - b'0');
        }
        for (length, map) in &self.lengths {
            if *length > digits.len() {
                continue;
            }
            if let Some(line) = map.get(&heads[*length]) {
                let line = self.lines[*line as usize];
                if line.from <= at && at < line.till {
                    return Some(line);
                }
            }
        }
        None
    }

    /// Prefixes.
    fn len(&self) -> usize {
        self.lengths.iter().map(|(_, map)| map.len()).sum()
    }

    fn bytes(&self) -> usize {
        self.lengths.iter().map(|(_, map)| map.allocation_size()).sum()
    }
}

/// The image where a mapped file would have it: at the start of a cache line.
fn on_a_cache_line(image: Vec<u8>) -> (Vec<u8>, usize) {
    let mut kept = vec![0; image.len() + 64];
    let start = kept.as_ptr().align_offset(64);
    kept.truncate(start + image.len());
    kept[start..].copy_from_slice(&image);
    (kept, start)
}

/// Nanoseconds a lookup.
fn turn(numbers: &[[u8; 12]], times: usize, lookup: impl Fn(&[u8]) -> i64) -> f64 {
    let began = Instant::now();
    let mut sum = 0_i64;
    for _ in 0..times {
        for number in numbers {
            sum = sum.wrapping_add(lookup(black_box(number)));
        }
    }
    black_box(sum);
    began.elapsed().as_nanos() as f64 / (numbers.len() * times) as f64
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn ours(deck: &DeckView<'_>, number: &[u8]) -> i64 {
    deck.lookup(number, AT).map_or(0, |rate| rate.terms.per_minute.nanos())
}

fn theirs(maps: &Maps, number: &[u8]) -> i64 {
    maps.lookup(number, AT).map_or(0, |line| line.terms.per_minute.nanos())
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

fn compare(name: &str, deck: &DeckView<'_>, maps: &Maps, numbers: &[[u8; 12]], times: usize) {
    let (mut own, mut map) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(turn(numbers, times, |number| ours(deck, number)));
        map.push(turn(numbers, times, |number| theirs(maps, number)));
    }
    let what = format!("a lookup among {} prefixes, {name}", maps.len());
    Finding::alone("T9", &what, "ns", own.clone(), Limit::Ratio(1.5)).beside("map per length", &map).say();
    let (own, map) = (median(own), median(map));
    println!(
        "{name:<6} ours {own:7.1} ns   map per length {map:7.1} ns   ratio {:.2}   (target 1.50): {}",
        own / map,
        verdict(own / map <= 1.5)
    );
}

fn main() {
    let count = std::env::var("PREFIXES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let mut chance = Chance(9);
    let prefixes = prefixes(count, &mut chance);
    let rates: Vec<Rate> = prefixes.iter().map(|prefix| rate(prefix, chance.below(DESTINATIONS))).collect();
    let maps = Maps::new(&rates);
    let (hot, cold) = (numbers(HOT.0, &prefixes, &mut chance), numbers(COLD, &prefixes, &mut chance));
    let deck = Deck { id: DeckId(1), code: "bench".into(), rates, ..Deck::default() };
    let model = Model { decks: vec![deck], ..Model::default() };
    let began = Instant::now();
    let image = model.encode().expect("the bench's deck is sound");
    let encoded = began.elapsed();
    View::check(&image).expect("what was encoded is sound");
    println!("{count} prefixes: encoded in {encoded:.0?}, checked in {:.0?}", began.elapsed() - encoded);
    let kept = on_a_cache_line(image);
    let image = &kept.0[kept.1..];
    let deck = View::open(image).deck(DeckId(1)).expect("the deck was encoded");
    for number in hot.iter().chain(&cold) {
        assert_eq!(ours(&deck, number), theirs(&maps, number), "both must find the same rate");
    }
    let a_prefix = |bytes: usize| bytes as f64 / count as f64;
    let index = vec![a_prefix(deck.index_bytes())];
    Finding::alone("T9", "index, for each prefix", "bytes", index, Limit::Most(32.0)).say();
    println!(
        "bytes a prefix: index {:.1} (target 32): {}, whole image {:.1}, map per length {:.1}",
        a_prefix(deck.index_bytes()),
        verdict(a_prefix(deck.index_bytes()) <= 32.0),
        a_prefix(image.len()),
        a_prefix(maps.bytes())
    );
    compare("hot", &deck, &maps, &hot, HOT.1);
    compare("cold", &deck, &maps, &cold, 1);
}
