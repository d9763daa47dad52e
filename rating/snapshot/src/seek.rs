//! A lookup in steps, so that lookups in several decks wait for memory together instead of one after the other.
//!
//! Large decks do not stay near a core: a lookup waits for its slot, then for its bucket. Whoever has many to make begins them
//! all ([`Seek::new`]), then moves them all on ([`Seek::reach`]), and only then asks each for its rate ([`Seek::find`]). Asking is a plain
//! load whose value nobody needs.

use core::hint::black_box;

use crate::deck::{DeckView, RateView, When, find};
use crate::layout::{SLOTS, WIDE_KEYS, bucket, tables};
use crate::prefix;

/// Buckets that are asked for in advance: lengths beyond that are seldom reached.
const AHEAD: usize = 4;

/// A number as decks know it, computed once for all of them.
#[derive(Clone, Copy, Debug)]
pub struct Key<'n> {
    digits: &'n [u8],
    number: u64,
    symbols: u32,
}

impl<'n> Key<'n> {
    /// The key of a number without a leading `+`.
    pub fn of(digits: &'n [u8]) -> Key<'n> {
        let (number, symbols) = prefix::narrow(digits);
        Key { digits, number, symbols }
    }
}

/// A lookup that was begun.
#[derive(Clone, Copy)]
pub struct Seek<'a, 'n> {
    deck: DeckView<'a>,
    key: Key<'n>,
    slot: Option<&'a [u8; 2]>,
}

impl<'a, 'n> Seek<'a, 'n> {
    /// Asks for the slot: the core goes on while it comes.
    pub fn new(deck: DeckView<'a>, key: Key<'n>) -> Seek<'a, 'n> {
        let slots: &[[u8; 2]] = deck.tables.table(SLOTS);
        let slot = slots.get((key.number >> (64 - 4 * deck.tables.depth())) as usize);
        if let Some(slot) = slot {
            black_box(slot[0]);
        }
        Seek { deck, key, slot }
    }

    /// Asks for the buckets that will probably be read; best when the slot has come.
    pub fn reach(&self) {
        let buckets = self.deck.tables.buckets();
        let mut lengths = self.lengths();
        for _ in 0..AHEAD {
            let Some(length) = lengths.checked_ilog2() else { return };
            lengths ^= 1 << length;
            let home = prefix::home(prefix::narrow_head(self.key.number, length), buckets.len() as u32);
            if let Some(bucket) = buckets.get(home as usize) {
                black_box(bucket[bucket::SPILLED]);
            }
        }
    }

    /// The rate that counts, as [`DeckView::lookup`] finds it.
    pub fn find(&self, at: When) -> Option<RateView<'a>> {
        let Key { digits, number, symbols } = self.key;
        let tables = &self.deck.tables;
        // A prefix with a letter that fits is longer than any without: the letter stands where those end.
        if (symbols as usize) < digits.len()
            && tables.count(WIDE_KEYS) > 0
            && let Some(found) = self.deck.wide(digits, at)
        {
            return Some(found);
        }
        let (buckets, reach) = (tables.buckets(), tables.head(tables::REACH));
        let mut lengths = self.lengths();
        while let Some(length) = lengths.checked_ilog2() {
            lengths ^= 1 << length;
            if let Some(line) = find(buckets, reach, prefix::narrow_head(number, length))
                && let Some(found) = self.deck.in_force(line, at, length)
            {
                return Some(found);
            }
        }
        None
    }

    /// The lengths of prefixes that begin as the number does, as bits.
    fn lengths(&self) -> u32 {
        let shorter = (2_u32 << self.key.symbols) - 1;
        self.slot.map_or(0, |slot| u32::from(u16::from_le_bytes(*slot)) & shorter)
    }
}
